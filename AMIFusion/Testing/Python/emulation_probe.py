"""The emulation as just started, and a small module to probe it with."""

import pathlib

import pytest

pytest.importorskip("PySide6", reason="the emulation needs PySide6-Essentials")
pytest.importorskip("slicer", reason="the emulation needs slicer-core")

import slicer_emulation

HERE = pathlib.Path(slicer_emulation.__file__).parent
PROBE_MODULE = HERE / "probe" / "EmulationProbe.py"
PROBE_UI = HERE / "probe" / "Resources" / "UI" / "EmulationProbe.ui"


@pytest.fixture
def slicer():
    """A Slicer as just started."""
    module = slicer_emulation.install()
    slicer_emulation.reset()
    yield module
    slicer_emulation.reset()


@pytest.fixture
def qt(slicer):
    """The module `qt`."""
    import qt as module

    return module


@pytest.fixture
def panel(slicer):
    """The probe module's widget, opened."""
    slicer_emulation.load_module(PROBE_MODULE)
    return slicer_emulation.open_module("EmulationProbe")


def add_volume(slicer, name="MR"):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
