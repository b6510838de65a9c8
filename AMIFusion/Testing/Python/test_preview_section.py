"""The live preview in the slice views: what is shown when, and that nothing of it stays or is saved."""

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vtk

UI_PATH = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "AMIFusion.ui"
SHAPE = (12, 40, 48)
TOLERANCE = 1
"""Gray levels of 4095: interpolating at a voxel's very center rounds in the last bits of a float."""


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


def show_whole_slices(slicer, index):
    """Lay the red view's pixels on the reference's voxels."""
    node = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    matrix = vtk.vtkMatrix4x4()
    for row, values in enumerate(((-1, 0, 0, -(SHAPE[2] - 1) / 2), (0, 1, 0, -(SHAPE[1] - 1) / 2), (0, 0, 1, index))):
        for column, value in enumerate(values):
            matrix.SetElement(row, column, value)
    node.SetDimensions(SHAPE[2] * 8, SHAPE[1] * 8, 1)
    node.SetFieldOfView(SHAPE[2], SHAPE[1], 1)
    node.GetSliceToRAS().DeepCopy(matrix)
    node.UpdateMatrices()


def test_a_slice_is_the_job_s_and_follows_the_scrolling_user(running, slicer, pair, model, issue):
    from AMIFusionLib.authorization.authorize import authorize
    from AMIFusionLib.fusion_job import FusionJob, FusionOptions

    running.license = issue()
    job = FusionJob(*pair, model, authorize(model, running.license), FusionOptions(device="cpu"))
    expected = slicer.util.arrayFromVolume(job.run()).astype(int)
    show_whole_slices(slicer, 0)
    running.settle()
    for index in (2, 3, 9):
        running.scroll(index)
        assert running.settle() >= 1
        assert running.pixels().shape == SHAPE[1:]
        np.testing.assert_allclose(running.pixels(), expected[index], atol=TOLERANCE)
        matrix = vtk.vtkMatrix4x4()
        running.scratch().GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(matrix.MultiplyPoint((0, 0, 0, 1))[:3], (0, 0, index), atol=1e-9)


def test_it_lies_over_the_user_s_background(running, pair):
    assert len(running.scratches()) == 3
    for name in ("Red", "Yellow", "Green"):
        composite = running.composite(name)
        assert composite.GetBackgroundVolumeID() == pair[0].GetID()
        assert composite.GetForegroundVolumeID() == running.scratch(name).GetID()
        assert composite.GetForegroundOpacity() == 1


def test_unticked_brings_the_layers_back(bench, parameters, pair, scene):
    bench.composite().SetForegroundVolumeID(pair[1].GetID())
    bench.composite().SetForegroundOpacity(0.3)
    before, count = bench.layers(), scene.GetNumberOfNodes()
    bench.section.update(parameters)
    assert bench.settle() == 0 and bench.status == ""
    bench.ui.previewCheckBox.setChecked(True)
    bench.settle()
    assert bench.layers() != before
    bench.ui.previewCheckBox.setChecked(False)
    assert bench.layers() == before and scene.GetNumberOfNodes() == count and bench.status == ""
    assert bench.settle() == 0


def test_says_whether_it_is_marked_and_how_long_it_takes(running, parameters, issue):
    assert running.status.startswith("Preview, marked: no license. ") and running.status.endswith(" ms a slice.")
    marked = running.pixels()
    running.license = issue()
    running.section.update(parameters)
    running.settle()
    assert running.status.startswith("Preview, licensed. ")
    assert (running.pixels() != marked).mean() > 0.2
    running.license = issue()[:-10]
    running.section.update(parameters)
    running.settle()
    assert running.status.startswith("Preview, marked: the license does not hold. ")
    np.testing.assert_array_equal(running.pixels(), marked)


def change_window(bench, parameters, scene):
    parameters.referenceVolume.GetDisplayNode().SetWindowLevel(300, 200)


def change_color(bench, parameters, scene):
    parameters.movingVolume.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")


def put_under_a_transform(bench, parameters, scene):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 4)
    transform.SetMatrixTransformToParent(matrix)
    parameters.movingVolume.SetAndObserveTransformNodeID(transform.GetID())


def change_voxels(bench, parameters, scene):
    bench.slicer.util.arrayFromVolume(parameters.movingVolume)[:] = 70
    bench.slicer.util.arrayFromVolumeModified(parameters.movingVolume)


def change_balance(bench, parameters, scene):
    parameters.balance = 80.0
    bench.section.update(parameters)


def choose_percentiles(bench, parameters, scene):
    parameters.window = "percentiles"
    bench.section.update(parameters)


@pytest.mark.parametrize(
    "change",
    [change_window, change_color, put_under_a_transform, change_voxels, change_balance, choose_percentiles],
)
def test_every_change_is_shown_in_all_views(running, parameters, scene, change):
    before = [running.pixels(name) for name in ("Red", "Yellow", "Green")]
    change(running, parameters, scene)
    running.settle()
    for name, pixels in zip(("Red", "Yellow", "Green"), before):
        assert running.pixels(name).shape != pixels.shape or (running.pixels(name) != pixels).any()
    assert len(running.scratches()) == 3 and running.composite().GetForegroundVolumeID() == running.scratch().GetID()


def test_an_edited_transform_counts(running, parameters, scene):
    put_under_a_transform(running, parameters, scene)
    running.settle()
    before, matrix = running.pixels(), vtk.vtkMatrix4x4()
    matrix.SetElement(1, 3, 5)
    parameters.movingVolume.GetParentTransformNode().SetMatrixTransformToParent(matrix)
    running.settle()
    assert (running.pixels() != before).any()


def count_fusions(monkeypatch):
    """Note every slice that is fused, by the view's normal."""
    from AMIFusionLib.slice_preview import SlicePreview

    fused, original = [], SlicePreview.fuse

    def counting(self, reference, moving, options, plane):
        matrix = np.array(plane.xy_to_ras).reshape(4, 4)
        normal = np.cross(matrix[:3, 0], matrix[:3, 1])
        fused.append({2: "Red", 0: "Yellow", 1: "Green"}[int(np.argmax(np.abs(normal)))])
        return original(self, reference, moving, options, plane)

    monkeypatch.setattr(SlicePreview, "fuse", counting)
    return fused


def test_requests_do_not_pile_up(running, monkeypatch, parameters):
    fused = count_fusions(monkeypatch)
    for offset in range(1, 9):
        running.scroll(offset)
    assert len(running.calls) == 1
    running.settle()
    assert fused == ["Red"]
    running.section.update(parameters)
    running.slicer.util.arrayFromVolume(parameters.referenceVolume)
    parameters.referenceVolume.Modified()
    running.settle()
    assert fused == ["Red"], "nothing had changed"


def test_the_scrolled_view_goes_first_and_the_others_have_their_turns(running, monkeypatch, parameters):
    fused = count_fusions(monkeypatch)
    parameters.balance = 60.0
    running.section.update(parameters)
    for turn in range(6):
        running.scroll(1 + turn)
        running.turn()
        assert len(fused) == turn + 1, "one slice in a turn"
    assert fused[0] == "Red" and {"Yellow", "Green"} <= set(fused[:4]) and fused.count("Red") >= 4


def test_a_hidden_view_is_left_alone(running, monkeypatch):
    fused = count_fusions(monkeypatch)
    layout_manager = running.slicer.app.layoutManager()
    layout_manager.sliceWidget("Yellow").setVisible(False)
    try:
        layout_manager.layoutChanged.emit(1)
        running.scroll(3, "Yellow")
        running.settle()
        assert fused == [] and running.scratch("Yellow") is None and running.scratch("Red") is not None
    finally:
        layout_manager.sliceWidget("Yellow").setVisible(True)
    layout_manager.layoutChanged.emit(2)
    running.settle()
    assert fused == ["Yellow"] and running.scratch("Yellow") is not None


def test_a_layer_that_the_user_chooses_stays(running, pair, monkeypatch):
    fused = count_fusions(monkeypatch)
    running.composite().SetForegroundVolumeID(pair[1].GetID())
    running.composite().SetForegroundOpacity(0.4)
    running.scroll(4)
    running.settle()
    assert fused == [] and running.scratch() is None and running.scratch("Green") is not None
    assert "Red" in running.status
    running.ui.previewCheckBox.setChecked(False)
    assert running.layers() == [(pair[1].GetID(), 0.4), (None, 0), (None, 0)]
    running.ui.previewCheckBox.setChecked(True)
    running.settle()
    assert running.scratch() is not None


def test_an_opacity_that_the_user_sets_is_the_preview_s(running):
    running.composite().SetForegroundOpacity(0.5)
    running.scroll(4)
    running.settle()
    assert running.composite().GetForegroundOpacity() == 0.5
    running.ui.previewCheckBox.setChecked(False)
    assert running.layers() == [(None, 0)] * 3


def test_the_mouse_s_window_tool_does_not_change_the_preview_for_long(running):
    running.scratch().GetDisplayNode().SetWindowLevel(10, 5)
    running.scroll(4)
    running.settle()
    display = running.scratch().GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (4095, 2047.5)


def test_scratch_nodes_are_nowhere_to_be_chosen(running, slicer):
    selector = running.ui.referenceSelector
    names = [selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())]
    assert names == ["MR", "CT"]
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    for node in running.scratches():
        assert not hierarchy.GetItemByDataNode(node) and node.GetHideFromEditors()
        assert not node.GetSaveWithScene() and not node.GetDisplayNode().GetSaveWithScene()
        assert not node.GetUndoEnabled() and node.GetStorageNode() is None


@pytest.mark.parametrize("ending", ["mrb", "mrml"])
def test_a_saved_scene_has_the_user_s_layers(bench, parameters, pair, scene, slicer, tmp_path, ending):
    bench.composite().SetForegroundVolumeID(pair[1].GetID())
    bench.composite().SetForegroundOpacity(0.3)
    before = bench.layers()
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    path = tmp_path / f"saved.{ending}"
    if ending == "mrml":
        scene.SetURL(str(path))  # a scene gets its file's place before it is written
        for node in pair:
            slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    assert slicer.util.saveScene(str(path))
    bench.settle()
    assert len(bench.scratches()) == 3 and bench.layers() != before
    bench.section.close()
    scene.Clear(0)
    slicer.util.loadScene(str(path))
    assert bench.scratches() == []
    (foreground, opacity), *others = bench.layers()
    assert (scene.GetNodeByID(foreground).GetName(), opacity) == ("CT", 0.3) and others == before[1:]


def test_a_scene_that_tells_nobody_of_being_written_gets_the_user_s_layers_back(
    module, bench, parameters, pair, scene, slicer, tmp_path
):
    """As the Save dialog writes it; twice, and at last without the module being open."""
    bench.composite().SetForegroundVolumeID(pair[1].GetID())
    bench.composite().SetForegroundOpacity(0.3)
    before = bench.layers()
    for node in pair:
        slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    path = str(tmp_path / "saved.mrml")
    for _ in range(2):
        scene.SetURL(path)
        scene.Commit(path)
        bench.settle()
    bench.section.close()
    assert bench.layers() == before and "AMIFusion" not in str(bench.composite().GetAttributeNames())
    scene.Clear(0)
    module.registerViews()
    slicer.util.loadScene(path)
    (foreground, opacity), *others = bench.layers()
    assert (scene.GetNodeByID(foreground).GetName(), opacity) == ("CT", 0.3) and others == before[1:]
    assert "AMIFusion" not in str(bench.composite().GetAttributeNames())


def test_slicer_s_saving_sees_the_user_s_layers(running, scene):
    """Slicer tells when it begins and ends to save."""
    scene.StartState(scene.SaveState)
    assert running.layers() == [(None, 0)] * 3
    running.scroll(5)
    running.settle()
    assert running.layers() == [(None, 0)] * 3
    scene.EndState(scene.SaveState)
    running.settle()
    assert running.composite().GetForegroundVolumeID() == running.scratch().GetID()


def test_pauses_while_something_runs(running, scene, parameters, pair):
    running.section.pause()
    assert "waits" in running.status and running.scratches() == [] and running.layers() == [(None, 0)] * 3
    running.scroll(5)
    pair[0].GetDisplayNode().SetWindowLevel(400, 200)
    running.section.update(parameters)
    assert running.settle() == 0
    running.section.pause("left")
    running.section.resume()
    assert running.settle() == 0 and running.scratches() == []
    running.section.resume("left")
    running.settle()
    assert len(running.scratches()) == 3


@pytest.mark.parametrize("which", [0, 1])
def test_a_deleted_input_ends_it(running, scene, pair, which):
    running.scroll(5)
    scene.RemoveNode(pair[which])
    running.settle()
    assert running.scratches() == [] and running.status == "Select two volumes to see their fusion."
    assert not running.section.is_running


def test_a_deleted_former_foreground_does_not_come_back(bench, parameters, add_volume, scene):
    third = add_volume(np.zeros((4, 9, 9), np.int16), "Third")
    bench.composite().SetForegroundVolumeID(third.GetID())
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    scene.RemoveNode(third)
    bench.ui.previewCheckBox.setChecked(False)
    assert bench.composite().GetForegroundVolumeID() is None


def test_a_closed_scene_ends_it(running, scene):
    running.scroll(5)
    scene.Clear(0)
    assert running.settle() <= 1
    assert running.scratches() == [] and not running.section.is_running


def test_a_removed_scratch_node_is_no_problem(running, scene):
    scene.RemoveNode(running.scratch())
    running.settle()
    running.ui.previewCheckBox.setChecked(False)
    assert running.scratches() == [] and running.layers() == [(None, 0)] * 3


def test_volumes_apart_are_said_and_it_goes_on_when_they_meet(running, pair):
    pair[1].SetOrigin(900, 0, 0)
    running.settle()
    assert "do not overlap" in running.status
    assert running.scratches() == [] and running.layers() == [(None, 0)] * 3
    pair[1].SetOrigin(-3, -2, 1)
    running.settle()
    assert running.status.startswith("Preview, marked") and len(running.scratches()) == 3


def test_missing_pytorch_is_said_and_nobody_is_asked(bench, parameters, monkeypatch):
    import sys

    from AMIFusionLib.panel import preview_fuser

    monkeypatch.setattr(preview_fuser, "pytorch_is_installed", lambda: False)
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    assert "PyTorch" in bench.status and bench.scratches() == []
    assert sys.modules["PyTorchUtils"].PyTorchUtilsLogic.requests == []
    monkeypatch.setattr(preview_fuser, "pytorch_is_installed", lambda: True)
    bench.section.update(parameters)
    bench.settle()
    assert bench.status.startswith("Preview, marked")


def test_an_unexpected_error_is_logged_once_and_shows_no_secret(running, monkeypatch, parameters, caplog, issue):
    from AMIFusionLib.slice_preview import SlicePreview

    running.license = issue()
    monkeypatch.setattr(SlicePreview, "fuse", lambda *_: 1 / 0)
    running.section.update(parameters)
    running.settle()
    for offset in range(1, 5):
        running.scroll(offset)
        running.settle()
    assert running.status.startswith("The preview failed") and running.scratches() == []
    assert len(caplog.records) == 1 and running.license not in caplog.text


def test_views_without_a_background_are_left_alone(bench, parameters, slicer, pair):
    slicer.util.setSliceViewerLayers(background=None)
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(parameters)
    bench.settle()
    assert bench.status == "Show a volume in a slice view to see the fusion there." and bench.scratches() == []
    slicer.util.setSliceViewerLayers(background=pair[1], fit=True)
    bench.settle()
    assert len(bench.scratches()) == 3


def test_nothing_selected_is_said(bench, parameters):
    bench.ui.previewCheckBox.setChecked(True)
    bench.section.update(None)
    assert bench.status == "Select two volumes to see their fusion."
    parameters.movingVolume = None
    bench.section.update(parameters)
    assert bench.settle() == 0 and bench.status == "Select two volumes to see their fusion."
    parameters.movingVolume = parameters.referenceVolume
    bench.section.update(parameters)
    bench.settle()
    assert "selected twice" in bench.status and bench.scratches() == []


def observed(scene, pair, bench):
    """How many of the events that the section observes have an observer."""
    views = [bench.slicer.app.layoutManager().sliceWidget(name) for name in ("Red", "Yellow", "Green")]
    nodes = [node for view in views for node in (view.mrmlSliceNode(), view.mrmlSliceCompositeNode())]
    events = [(scene, event) for event in (scene.StartSaveEvent, scene.EndSaveEvent, "ModifiedEvent")]
    events += [(node, "ModifiedEvent") for node in (*nodes, *pair)]
    events += [(node, event) for node in pair for event in (node.TransformModifiedEvent, node.DisplayModifiedEvent)]
    return [bool(node.HasObserver(event)) for node, event in events]


def test_ten_times_on_and_off_leave_nothing(bench, parameters, pair, scene):
    before, count = observed(scene, pair, bench), scene.GetNumberOfNodes()
    images = []
    for _ in range(10):
        bench.ui.previewCheckBox.setChecked(True)
        bench.section.update(parameters)
        bench.settle()
        images += [weakref.ref(node.GetImageData()) for node in bench.scratches()]
        bench.ui.previewCheckBox.setChecked(False)
        bench.settle()
    assert observed(scene, pair, bench) == before and scene.GetNumberOfNodes() == count
    gc.collect()
    assert len(images) == 30 and not any(image() for image in images)


def test_closed_twice_and_called_late(running, parameters):
    running.scroll(3)
    running.section.close()
    running.section.close()
    assert running.settle() == 1 and running.scratches() == []
    running.section.update(parameters)
    running.section.resume()
    running.ui.previewCheckBox.setChecked(False)
    running.ui.previewCheckBox.setChecked(True)
    assert running.settle() == 0 and not running.section.is_running
