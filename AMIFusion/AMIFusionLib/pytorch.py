"""PyTorch inside Slicer: asked for on first use, installed only by the PyTorch extension."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

from .translation import tr as _

if TYPE_CHECKING:
    from PyTorchUtils import PyTorchUtilsLogic

_LONGEST_LINE = 80
"""Characters shown of what pip says."""

_session = SimpleNamespace(not_wanted="", broken="", is_busy=False)
"""What is known until Slicer is closed: why it was not installed, why it cannot be loaded, whether it is on its way."""


class PyTorchMissingError(RuntimeError):
    """PyTorch cannot be used; the message says why and what to do."""


def require_pytorch(tell: Callable[[str], None] = lambda sentence: None, ask: bool | None = None) -> None:
    """Make sure that torch can be imported, through Slicer's PyTorch extension if it must be installed.

    The extension is asked for torch and nothing else, in no particular version: a requirement that differs from what
    other modules installed would replace their torch, and pip would replace the packages that Slicer ships (numpy,
    SimpleITK and others, which a running Slicer has already loaded) along with it.

    In testing mode nothing is asked and nothing installed: a dialog would wait forever, and a test that downloads
    gigabytes is none.

    Args:
        tell: takes a sentence for the user, before each thing that takes long.
        ask: True asks the user even where they have refused in this session (for a click that needs PyTorch); False
            never asks (for what runs by itself); None asks once a session.

    Raises:
        PyTorchMissingError: it cannot; the message says what to do.
    """
    if _session.is_busy:
        # The event loop turns during an installation, and so may bring another click.
        raise PyTorchMissingError(_("PyTorch is being prepared. Wait until that is done, and try again."))
    if _session.broken:
        raise PyTorchMissingError(_session.broken)
    if not pytorch_is_installed():
        _install(tell, ask)
    _load(tell)


def pytorch_is_installed() -> bool:
    """Whether there is torch, working or not, without importing it."""
    try:
        spec = importlib.util.find_spec("torch")
    except ValueError:
        return False
    # A folder without code, which an uninstallation may leave, has no origin.
    return spec is not None and spec.origin is not None


def _install(tell: Callable[[str], None], ask: bool | None) -> None:
    logic = _extension_logic()
    if ask is False or (ask is None and _session.not_wanted):
        raise PyTorchMissingError(
            _session.not_wanted or _("AMIFusion needs PyTorch, which is not installed. Press Fuse to install it.")
        )
    if _is_testing():
        raise PyTorchMissingError(
            _(
                "AMIFusion needs PyTorch, which is not installed; in testing mode it is not asked for. Install it in "
                "the module 'PyTorch Utils'."
            )
        )
    with _busy(tell, _("Installing PyTorch. This takes some minutes.")), _output_told(tell):
        try:
            installed = logic.installTorch(askConfirmation=True)
        except Exception:  # noqa: BLE001 - pip, the network and the disk fail in many ways, and the panel must stay
            logging.exception("AMIFusion: PyTorch could not be installed")
            _session.not_wanted = _(
                "PyTorch could not be installed; the Python console says why. Check the internet connection and the "
                "space on the disk, then fuse again, or install it in the module 'PyTorch Utils'."
            )
            raise PyTorchMissingError(_session.not_wanted) from None
    if installed is None:
        _session.not_wanted = _(
            "AMIFusion needs PyTorch, which was not installed. Fuse again to be asked once more, or install it in the "
            "module 'PyTorch Utils'."
        )
        raise PyTorchMissingError(_session.not_wanted)
    importlib.invalidate_caches()


def _extension_logic() -> PyTorchUtilsLogic:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError:
        raise PyTorchMissingError(
            _(
                "AMIFusion needs PyTorch. Install the extension 'PyTorch' with the Extensions Manager, restart Slicer, "
                "and try again."
            )
        ) from None
    return PyTorchUtilsLogic()


def _load(tell: Callable[[str], None]) -> None:
    # A library that was half loaded fails otherwise when it is loaded again, so that the first failure is the one kept.
    if hasattr(sys.modules.get("torch"), "Tensor"):
        return
    with _busy(tell, _("Loading PyTorch.")):
        try:
            import torch

            torch.Tensor  # noqa: B018 - absent where only leftovers were imported
        except Exception as error:  # noqa: BLE001 - missing libraries, other versions of numpy and more
            logging.exception("AMIFusion: PyTorch is installed and cannot be loaded")
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            _session.broken = _(
                "PyTorch is installed, but cannot be loaded ({reason}). Uninstall it in the module 'PyTorch Utils', "
                "restart Slicer, and install it there again."
            ).format(reason=reason[0][:200])
            raise PyTorchMissingError(_session.broken) from None


@contextmanager
def _output_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Show what pip says beside what the user waits for: Slicer sends it to the console, line by line, and lets the
    event loop turn after each; by ``print`` or, in older versions, by ``logging``."""

    def show(line: str) -> None:
        line = line.strip()
        if line:
            tell(_("Installing PyTorch: {line}").format(line=line[:_LONGEST_LINE]))

    handler = _LineHandler(show)
    logging.getLogger().addHandler(handler)
    try:
        with redirect_stdout(_ToldOutput(sys.stdout, show)):
            yield
    finally:
        logging.getLogger().removeHandler(handler)


class _LineHandler(logging.Handler):
    """Passes each message on."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


class _ToldOutput:
    """A standard output whose lines are passed on as well."""

    def __init__(self, output: TextIO, show: Callable[[str], None]) -> None:
        self._output, self._show = output, show

    def write(self, text: str) -> int:
        """Write, and pass on what says anything."""
        self._show(text)
        return self._output.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


@contextmanager
def _busy(tell: Callable[[str], None], sentence: str) -> Iterator[None]:
    """Say what takes long, and show a wait cursor where there is a Slicer window."""
    tell(sentence)
    _session.is_busy = True
    try:
        if _application() is None:
            yield
        else:
            import slicer.util

            with slicer.util.WaitCursor():
                yield
    finally:
        _session.is_busy = False


def _is_testing() -> bool:
    application = _application()
    return application is not None and application.testingEnabled()


def _application() -> Any:
    """Slicer's application object, or None where the library is used without Slicer."""
    try:
        import slicer
    except ImportError:
        return None
    return getattr(slicer, "app", None)
