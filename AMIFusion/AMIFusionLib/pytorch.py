"""PyTorch inside Slicer: asked for on first use, installed only by the PyTorch extension."""

from __future__ import annotations

import importlib.util


class PyTorchMissingError(RuntimeError):
    """PyTorch is not installed, and the user or the extension did not install it."""


def require_pytorch() -> None:
    """Make sure that torch can be imported, through Slicer's PyTorch extension if it must be installed.

    Raises:
        PyTorchMissingError: it cannot; the message says what to do.
    """
    if importlib.util.find_spec("torch") is not None:
        return
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError:
        raise PyTorchMissingError(
            "AMIFusion needs PyTorch. Install the extension 'PyTorch' with the Extensions Manager, restart Slicer, and "
            "try again."
        ) from None
    if PyTorchUtilsLogic().installTorch(askConfirmation=True) is None:
        raise PyTorchMissingError(
            "AMIFusion needs PyTorch, which was not installed. Fuse again to be asked once more, or install it in the "
            "module 'PyTorch Utils'."
        )
