"""The live preview in the slice views: what is shown when, and what is said."""
# ruff: noqa: F811 (fixtures are imported by name)

import numpy as np
import pytest
import vtk
from preview_bench import SHAPE, bench, pair, parameters, running  # noqa: F401 (fixtures)

TOLERANCE = 1
"""Gray levels of 4095: interpolating at a voxel's very center rounds in the last bits of a float."""


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


def test_the_mouse_s_window_tool_windows_the_background(running, pair):
    below, scratch = pair[0].GetDisplayNode(), running.scratch().GetDisplayNode()
    window, level = below.GetWindow(), below.GetLevel()
    before, full = running.pixels(), (scratch.GetWindow(), scratch.GetLevel())
    # Twice the contrast, about a darker middle, as dragging over the front layer does it.
    scratch.SetWindowLevel(full[0] / 2, full[1] - full[0] / 10)
    assert (scratch.GetWindow(), scratch.GetLevel()) == full
    assert below.GetWindow() == pytest.approx(window / 2) and below.GetLevel() == pytest.approx(level - window / 10)
    running.settle()
    assert (running.pixels() != before).mean() > 0.2 and (scratch.GetWindow(), scratch.GetLevel()) == full


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
