"""The section about a result on the real panel's widgets, and what the views and buttons show."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer_emulation

SIDE = 44
STANDARD = ("Red", "Yellow", "Green")


@pytest.fixture
def pair(add_volume):
    """Two small volumes around the origin."""
    generator = np.random.default_rng(0)
    grid = np.diag([-1.0, -1.0, 2.0, 1.0])
    grid[:3, 3] = (22, 22, -8)
    return [
        add_volume((1000 * generator.random((9, SIDE, SIDE))).astype(np.int16), name, grid, window=(0, 1000))
        for name in ("MR", "CT")
    ]


@pytest.fixture
def ui(module, slicer):
    """The widgets of the panel's own file."""
    path = Path(module.__file__).parent / "Resources" / "UI" / "AMIFusion.ui"
    widget = slicer.util.loadUI(str(path))
    widget.setMRMLScene(slicer.mrmlScene)
    widgets = slicer.util.childWidgetVariables(widget)
    yield widgets
    widget.deleteLater()


@pytest.fixture
def section(ui, logic):
    """The section over these widgets."""
    from AMIFusionLib.panel.result_section import ResultSection

    made = ResultSection(ui, logic)
    yield made
    made.close()
    made.close()


@pytest.fixture
def shown(section, ui, pair, logic):
    """A fresh unlicensed result, shown as the panel does, by a user who then went back to the own layout."""
    node = logic.fuse(*pair)
    section.show(node)
    section.update(parameters(node))
    ui.threeUpButton.click()
    return node


def parameters(output=None):
    """What of a parameter node the section reads."""
    return SimpleNamespace(outputVolume=output)


def wait_for(condition, seconds=60):
    """Turn the event loop until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer_emulation.process_events()


def remove(section, scene, node):
    """Remove a node as the panel tells of it."""
    section.forget(node)
    scene.RemoveNode(node)
    section.update(parameters())


def end(what, section, scene, **nodes):
    """End what the section does: with the scene, with the module, or by removing one of the nodes."""
    if what == "scene":
        section.update(None)
        scene.Clear(0)
    elif what == "module":
        section.close()
    else:
        remove(section, scene, nodes[what])


def backgrounds(slicer, names):
    """Names of the volumes that slice views show."""
    manager = slicer.app.layoutManager()
    composites = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in names]
    nodes = [slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "") for composite in composites]
    return [node.GetName() if node else None for node in nodes]


def labels(slicer):
    """What is written above the three views."""
    from AMIFusionLib.panel.three_up import LABEL_PLACE, VIEWS

    manager = slicer.app.layoutManager()
    return [manager.sliceWidget(name).sliceView().cornerAnnotation().GetText(LABEL_PLACE) for name in VIEWS]
