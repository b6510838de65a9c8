"""PyTorch is asked for once, through the PyTorch extension, and every way in which it may fail is explained."""

import importlib.util
import logging
import sys
import types

import pytest
import slicer_emulation
from AMIFusionLib import pytorch
from AMIFusionLib.pytorch import PyTorchMissingError, require_pytorch


@pytest.fixture(autouse=True)
def _new_session(monkeypatch):
    monkeypatch.setattr(pytorch, "_session", types.SimpleNamespace(not_wanted="", broken="", is_busy=False))


@pytest.fixture
def extension(slicer, monkeypatch):
    """The PyTorch extension's logic class, in a Slicer without torch that gets one by ``installTorch``."""
    logic = sys.modules["PyTorchUtils"].PyTorchUtilsLogic
    logic.installed = False
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find(name) if name != "torch" or logic.installed else None
    )
    return logic


@pytest.fixture
def torch_code(monkeypatch, tmp_path, slicer):
    """Puts another torch in place of the real one."""

    def put(code):
        monkeypatch.delitem(sys.modules, "torch")
        (tmp_path / "torch").mkdir()
        if code is not None:
            (tmp_path / "torch" / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))

    return put


def test_torch_that_is_there_is_not_spoken_of(extension):
    extension.installed, told = True, []
    require_pytorch(tell=told.append)
    require_pytorch(ask=False)
    assert told == extension.requests == []


def test_first_use_asks_and_installs_nothing_but_torch(extension):
    told = []
    require_pytorch(tell=told.append)
    assert told and "minutes" in told[0]
    assert extension.requests == [
        {"askConfirmation": True, "forceComputationBackend": None, "torchVersionRequirement": None}
    ]
    assert slicer_emulation.pip_requests == []
    require_pytorch()
    assert len(extension.requests) == 1


def test_a_refusal_is_asked_about_again_only_by_a_click(extension):
    extension.accepts = False
    with pytest.raises(PyTorchMissingError, match="PyTorch Utils"):
        require_pytorch()
    for ask in (None, False):
        with pytest.raises(PyTorchMissingError, match="Fuse again to be asked"):
            require_pytorch(ask=ask)
    assert len(extension.requests) == 1
    with pytest.raises(PyTorchMissingError, match="Fuse again to be asked"):
        require_pytorch(ask=True)
    assert len(extension.requests) == 2
    extension.accepts = True
    require_pytorch(ask=True)
    require_pytorch(ask=False)
    assert len(extension.requests) == 3


def test_what_must_not_ask_does_not(extension):
    with pytest.raises(PyTorchMissingError, match="Press Fuse to install it"):
        require_pytorch(ask=False)
    assert extension.requests == []


def test_installed_elsewhere_after_a_refusal_is_found(extension):
    extension.accepts = False
    with pytest.raises(PyTorchMissingError):
        require_pytorch()
    extension.installed = True
    require_pytorch(ask=False)


@pytest.mark.parametrize("ask", [None, True, False])
def test_testing_mode_never_asks(extension, ask):
    slicer_emulation.set_testing(True)
    with pytest.raises(PyTorchMissingError, match="not installed"):
        require_pytorch(ask=ask)
    assert extension.requests == [] and slicer_emulation.dialogs.shown == []


def test_missing_extension_names_the_extensions_manager(extension):
    slicer_emulation.set_pytorch_extension(False)
    for ask in (None, True, False):
        with pytest.raises(PyTorchMissingError, match="Extensions Manager"):
            require_pytorch(ask=ask)


def test_failed_installation_is_explained_and_not_repeated_by_itself(extension, monkeypatch, caplog):
    calls = []

    def fail(self, **options):
        calls.append(options)
        raise RuntimeError("pip: no route to host")

    monkeypatch.setattr(extension, "installTorch", fail)
    for ask in (None, None, True):
        with pytest.raises(PyTorchMissingError, match="internet connection"):
            require_pytorch(ask=ask)
    assert len(calls) == 2 and "no route to host" in caplog.text


@pytest.mark.parametrize("say", [print, logging.getLogger().info])
def test_what_pip_says_is_shown_while_it_installs(extension, monkeypatch, capsys, say):
    """Slicer prints pip's lines, or logs them in older versions."""
    install, told = extension.installTorch, []

    def speak(self, **options):
        say("Downloading torch-2.9.0 (800 MB)")
        return install(self, **options)

    monkeypatch.setattr(extension, "installTorch", speak)
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    require_pytorch(tell=told.append)
    assert "Installing PyTorch: Downloading torch-2.9.0 (800 MB)" in told
    count = len(told)
    say("Something else")
    assert len(told) == count
    if say is print:
        assert "Downloading torch-2.9.0 (800 MB)\n" in capsys.readouterr().out


def test_a_click_during_an_installation_does_not_start_another(extension, monkeypatch):
    install, inner = extension.installTorch, []

    def turn_the_event_loop(self, **options):
        with pytest.raises(PyTorchMissingError) as caught:
            require_pytorch(ask=True)
        inner.append(str(caught.value))
        return install(self, **options)

    monkeypatch.setattr(extension, "installTorch", turn_the_event_loop)
    require_pytorch()
    assert len(inner) == 1 and "Wait" in inner[0] and len(extension.requests) == 1


def test_the_cursor_waits_and_comes_back(extension, monkeypatch):
    from PySide6 import QtWidgets

    shown = []

    def refuse(self, **options):
        shown.append(QtWidgets.QApplication.overrideCursor() is not None)

    monkeypatch.setattr(extension, "installTorch", refuse)
    with pytest.raises(PyTorchMissingError):
        require_pytorch()
    assert shown == [True] and QtWidgets.QApplication.overrideCursor() is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_part_of_torch", "no_such_part_of_torch"),
        ("raise OSError('[WinError 126] a DLL was not found\\nmore')", "WinError 126"),
        ("raise AttributeError()", "AttributeError"),
        ("", "Tensor"),
    ],
    ids=["import", "library", "silent", "leftover"],
)
def test_broken_torch_is_explained_each_time(torch_code, extension, code, reason):
    torch_code(code)
    extension.installed = True
    told = []
    for _ in range(2):
        with pytest.raises(PyTorchMissingError, match="restart Slicer") as caught:
            require_pytorch(tell=told.append)
        assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert told == ["Loading PyTorch."] and extension.requests == []


def test_an_empty_leftover_folder_counts_as_not_installed(torch_code, extension, monkeypatch):
    torch_code(None)
    extension.installed = True
    monkeypatch.setattr(sys, "path", sys.path[:1])
    with pytest.raises(PyTorchMissingError, match="Press Fuse to install it"):
        require_pytorch(ask=False)


def test_without_slicer_it_is_the_import_that_counts(torch_code, monkeypatch):
    monkeypatch.setattr(pytorch, "_application", lambda: None)
    torch_code("Tensor = object")
    told = []
    require_pytorch(tell=told.append)
    assert told == ["Loading PyTorch."]
