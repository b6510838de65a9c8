"""The live preview's section on the real panel's widgets, two volumes, and an event loop turned by hand."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

UI_PATH = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "AMIFusion.ui"
SHAPE = (12, 40, 48)


@pytest.fixture
def pair(add_volume):
    """Two volumes on different grids, the second within the first."""
    generator = np.random.default_rng(0)
    grid = np.diag([-1.0, -1, 1, 1])
    reference = add_volume((1000 * generator.random(SHAPE)).astype(np.int16), "MR", grid, (0, 1000))
    grid = np.diag([-1.7, -1.6, 1.2, 1])
    grid[:3, 3] = (-3, -2, 1)
    moving = add_volume((100 * generator.random((8, 20, 24))).astype(np.float32), "CT", grid, (0, 100))
    return reference, moving


@pytest.fixture
def parameters(pair):
    """What the section reads of a parameter node."""
    return SimpleNamespace(
        referenceVolume=pair[0], movingVolume=pair[1], window="display", keepColor=True, balance=50.0, device="cpu"
    )


class Bench:
    """The section on the real panel's widgets, with an event loop that a test turns by hand."""

    def __init__(self, slicer, model):
        from AMIFusionLib.panel.preview_section import PreviewSection

        self.slicer = slicer
        widget = slicer.util.loadUI(str(UI_PATH))
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self._widget = widget
        self.license, self.calls, self.model = "", [], model
        self.section = PreviewSection(
            self.ui, SimpleNamespace(model=lambda: self.model), lambda: self.license, self.calls.append
        )

    @property
    def status(self):
        return self.ui.previewStatusLabel.text

    def turn(self):
        """One turn of the event loop; gives how many calls were waiting."""
        calls, self.calls[:] = list(self.calls), []
        for call in calls:
            call()
        return len(calls)

    def settle(self):
        """Turns until nothing waits."""
        turns = 0
        while self.turn():
            turns += 1
            assert turns < 50, "the preview never rests"
        return turns

    def composite(self, name="Red"):
        return self.slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()

    def layers(self):
        """Foreground and opacity of the three views."""
        composites = [self.composite(name) for name in ("Red", "Yellow", "Green")]
        return [(node.GetForegroundVolumeID(), node.GetForegroundOpacity()) for node in composites]

    def scratch(self, name="Red"):
        """The node that a view shows, or None."""
        return next((node for node in self.scratches() if node.GetName() == f"AMIFusion preview {name}"), None)

    def scratches(self):
        scene = self.slicer.mrmlScene
        nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        return [node for node in nodes if node.GetName() and "AMIFusion preview" in node.GetName()
                and node.IsA("vtkMRMLVolumeNode")]  # fmt: skip

    def pixels(self, name="Red"):
        return self.slicer.util.arrayFromVolume(self.scratch(name))[0].astype(int)

    def scroll(self, offset, name="Red"):
        self.slicer.app.layoutManager().sliceWidget(name).sliceLogic().SetSliceOffset(offset)


@pytest.fixture
def bench(slicer, model, pair):
    """A section that is not ticked yet; the views show the reference."""
    made = Bench(slicer, model)
    slicer.util.setSliceViewerLayers(background=pair[0], fit=True)
    yield made
    made.section.close()


@pytest.fixture
def running(bench, parameters):
    """A section that shows all three views."""
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    return bench
