"""The main job on small volumes and an untrained model: from nodes to a node, and nothing left behind."""

import dataclasses
from datetime import datetime, timezone

import numpy as np
import pytest
import vtk
from AMIFusionLib.authorization.authorize import Authorization, authorize
from AMIFusionLib.authorization.license import License
from AMIFusionLib.fusion.engine import SliceSizeError
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.volumes.errors import OutputVolumeError, VolumeError
from AMIFusionLib.volumes.sameness import sameness
from scipy import ndimage

NOW = datetime.now(timezone.utc)


@pytest.fixture
def pair(add_volume):
    """Two volumes on different grids."""
    generator = np.random.default_rng(0)
    reference = add_volume((1000 * generator.random((10, 20, 24))).astype(np.int16), "MR", window=(0, 1000))
    grid = np.diag([-0.8, 0.9, 1.1, 1])
    grid[:3, 3] = (20, -1, -1)
    moving = add_volume((100 * generator.random((11, 24, 30))).astype(np.float32), "CT", grid, window=(0, 100))
    return reference, moving


def arrays(node):
    """A node's voxels, copied."""
    import slicer

    return slicer.util.arrayFromVolume(node).copy()


def test_authorized_and_unauthorized_results(pair, model, issue):
    marked = FusionJob(*pair, model, authorize(model, None)).run()
    clean = FusionJob(*pair, model, authorize(model, issue())).run()
    assert (arrays(marked) != arrays(clean)).mean() > 0.5
    assert marked.GetName() == "MR + CT fused"
    attributes = {name.split(".")[1]: clean.GetAttribute(name) for name in clean.GetAttributeNames()}
    assert attributes == {
        "ReferenceNodeID": pair[0].GetID(), "MovingNodeID": pair[1].GetID(), "Model": "test-model-1",
        "ModelSHA256": model.sha256, "Authorized": "true", "Licensee": "Dr. Test", "Plane": "acquisition",
        "Window": "display", "ReferenceWindow": "0.0 1000.0", "MovingWindow": "0.0 100.0", "FirstSource": "moving",
        "Balance": "50",
        **sameness(*pair),
    }  # fmt: skip
    assert marked.GetAttribute("AMIFusion.Authorized") == "false"
    assert marked.GetAttribute("AMIFusion.Licensee") == ""


def test_flags_and_a_yes_saying_check_do_not_clean_the_result(monkeypatch, pair, model, publisher):
    """Without the key there is nothing to switch on: the sealed parameters stay closed."""
    from AMIFusionLib.authorization import authorize as module

    expected = arrays(FusionJob(*pair, model, authorize(model, None)).run())
    yes = License("Me", "Me", model.description.model_id, NOW, NOW, "0", bytes(32))
    monkeypatch.setattr(module, "check_license", lambda text, description: yes)
    np.testing.assert_array_equal(arrays(FusionJob(*pair, model, authorize(model, "please")).run()), expected)
    flagged = Authorization(model.public_parameters, yes)
    assert flagged.is_licensed
    np.testing.assert_array_equal(arrays(FusionJob(*pair, model, flagged).run()), expected)
    silenced = dataclasses.replace(model)
    monkeypatch.setattr(type(silenced), "open_parameters", lambda self, key: self.public_parameters)
    np.testing.assert_array_equal(arrays(FusionJob(*pair, silenced, authorize(silenced, "please")).run()), expected)


def test_inputs_are_not_changed(pair, model, scene):
    before = [(arrays(node), node.GetMTime(), node.GetDisplayNode().GetMTime()) for node in pair]
    FusionJob(*pair, model, authorize(model, None)).run()
    for node, (array, time, display_time) in zip(pair, before):
        np.testing.assert_array_equal(arrays(node), array)
        assert (node.GetMTime(), node.GetDisplayNode().GetMTime()) == (time, display_time)


def fine_and_blurred(add_volume, color=False):
    """Two volumes on one grid, of which the first is drawn finer."""
    fine = np.random.default_rng(0).random((10, 20, 24))
    blurred = ndimage.gaussian_filter(fine, (0, 2, 2))
    if color:
        blurred = (255 * blurred[..., None] * np.array([1.0, 0.6, 0.2])).astype(np.uint8)
    else:
        blurred = (100 * blurred).astype(np.float32)
    window = None if color else (0, 100)
    return add_volume((1000 * fine).astype(np.int16), "MR", window=(0, 1000)), add_volume(blurred, "PET", window=window)


@pytest.mark.parametrize("plane", ["acquisition", "sagittal"])
@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
def test_swapped_volumes_give_the_same_voxels(color, plane, add_volume, model, issue):
    """The balance too stays with its volume."""
    pair = fine_and_blurred(add_volume, color)
    for balance in (50.0, 20.0):
        results = []
        for volumes, each in ((pair, balance), (pair[::-1], 100 - balance)):
            options = FusionOptions(plane=plane, balance=each)
            results.append(arrays(FusionJob(*volumes, model, authorize(model, issue()), options).run()))
        np.testing.assert_array_equal(*results)


def test_order_of_the_sources_changes_the_result_of_a_network_that_minds_it(monkeypatch, add_volume, model):
    """So that the test above can fail."""
    monkeypatch.setattr("AMIFusionLib.fusion_job.is_moving_finer", lambda *volumes: False)
    pair = fine_and_blurred(add_volume)
    one, other = (arrays(FusionJob(*each, model, authorize(model, None)).run()) for each in (pair, pair[::-1]))
    assert (one != other).mean() > 0.5


def test_every_plane_fuses_the_same_volume(pair, model):
    results = {
        plane: arrays(FusionJob(*pair, model, authorize(model, None), FusionOptions(plane=plane)).run())
        for plane in ("acquisition", "axial", "sagittal", "coronal")
    }
    np.testing.assert_array_equal(results["acquisition"], results["axial"])
    assert (results["axial"] != results["coronal"]).any() and (results["coronal"] != results["sagittal"]).any()
    assert {result.shape for result in results.values()} == {(10, 20, 24)}


def test_nodes_in_scene_after_cancel_and_failure(monkeypatch, pair, model, scene):
    count = scene.GetNumberOfNodes()
    job = FusionJob(*pair, model, authorize(model, None))
    steps = job.steps()
    assert 0 < next(steps).fraction < 1
    steps.close()
    assert job.node is None and scene.GetNumberOfNodes() == count
    job = FusionJob(*pair, model, authorize(model, None))
    monkeypatch.setattr(job._engine, "_run_in_steps", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.run()
    assert scene.GetNumberOfNodes() == count


@pytest.mark.parametrize("removed", ["MR", "CT", "output volume"])
def test_node_removed_during_a_run(pair, model, scene, removed):
    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    job = FusionJob(*pair, model, authorize(model, None), output=output)
    steps = job.steps()
    next(steps)
    scene.RemoveNode({"MR": pair[0], "CT": pair[1], "output volume": output}[removed])
    count = scene.GetNumberOfNodes()
    with pytest.raises(VolumeError, match=f"{removed}.* was removed"):
        list(steps)
    assert scene.GetNumberOfNodes() == count


def change_parent(node, scene):
    """Put a volume under a transform."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())


def change_voxels(node, scene):
    """Edit a volume in place."""
    import slicer

    slicer.util.arrayFromVolume(node)[:] = 3
    slicer.util.arrayFromVolumeModified(node)


def change_origin(node, scene):
    """Move a volume's grid."""
    node.SetOrigin(3, 4, 5)


def lose_image(node, scene):
    """Take a volume's voxels away."""
    node.SetAndObserveImageData(None)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("change", [change_parent, change_voxels, change_origin, lose_image])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_volume_moved_or_changed_during_a_run(pair, model, scene, which, change, is_under_way):
    """Going on would place one state's voxels where another state is."""
    steps = FusionJob(*pair, model, authorize(model, None)).steps()
    if is_under_way:
        next(steps)
    change(pair[which], scene)
    count = scene.GetNumberOfNodes()
    with pytest.raises(VolumeError, match=f"'{pair[which].GetName()}' was moved or changed while"):
        list(steps)
    assert scene.GetNumberOfNodes() == count


def test_grandparent_taken_away_during_a_run(pair, model, scene):
    """The chain's newest time stays the same when an older transform leaves it."""
    older = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 2)
    older.SetMatrixTransformToParent(matrix)
    change_parent(pair[1], scene)
    pair[1].GetParentTransformNode().SetAndObserveTransformNodeID(older.GetID())
    steps = FusionJob(*pair, model, authorize(model, None)).steps()
    next(steps)
    pair[1].GetParentTransformNode().SetAndObserveTransformNodeID(None)
    with pytest.raises(VolumeError, match="'CT' was moved"):
        list(steps)


def test_what_does_not_matter_may_change_during_a_run(pair, model, scene):
    job = FusionJob(*pair, model, authorize(model, None))
    steps = job.steps()
    next(steps)
    pair[0].GetDisplayNode().SetWindowLevel(3, 4)
    pair[1].SetName("Other")
    pair[1].SetAttribute("note", "x")
    scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    list(steps)
    assert job.node is not None


def test_transform_edited_during_a_run(pair, model, scene):
    change_parent(pair[1], scene)
    steps = FusionJob(*pair, model, authorize(model, None)).steps()
    next(steps)
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 2)
    pair[1].GetParentTransformNode().SetMatrixTransformToParent(matrix)
    with pytest.raises(VolumeError, match="'CT' was moved"):
        list(steps)


def test_output_of_the_wrong_kind_is_refused_before_work(pair, model, add_volume):
    color = add_volume(np.zeros((4, 5, 6, 3), np.uint8), "Color")
    with pytest.raises(OutputVolumeError):
        FusionJob(*pair, model, authorize(model, None), output=color)


def test_color_source_gives_color_with_its_hue(add_volume, model, scene):
    gray = add_volume(np.full((9, 16, 16), 500, np.int16), "MR", window=(0, 1000))
    rgb = np.zeros((9, 16, 16, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 200, 60
    colored = add_volume(rgb, "PET")
    for pair in ((gray, colored), (colored, gray)):
        node = FusionJob(*pair, model, authorize(model, None)).run()
        assert node.GetClassName() == "vtkMRMLVectorVolumeNode"
        result = arrays(node).astype(int)
        open_range = (result.min(axis=-1) > 0) & (result.max(axis=-1) < 255)
        assert open_range.any()
        np.testing.assert_allclose((result[..., 0] - result[..., 2])[open_range], 140, atol=1)
    plain = FusionJob(gray, colored, model, authorize(model, None), FusionOptions(keep_color=False)).run()
    assert plain.GetClassName() == "vtkMRMLScalarVolumeNode"


def test_color_table_counts_as_color(add_volume, model):
    gray = add_volume(np.full((9, 16, 16), 500, np.int16), "MR", window=(0, 1000))
    pet = add_volume(np.full((9, 16, 16), 8, np.float32), "PET", window=(0, 10))
    pet.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    result = arrays(FusionJob(gray, pet, model, authorize(model, None)).run()).astype(int)
    assert (result[..., 0] > result[..., 1]).all()


def test_hole_filled_volumes_fuse(add_volume, model):
    holes = np.random.default_rng(0).random((9, 16, 16)).astype(np.float32)
    holes[2], holes[3], holes[4] = np.nan, np.inf, -np.inf
    whole = add_volume(np.ones_like(holes), "B")
    result = FusionJob(add_volume(holes, "A"), whole, model, authorize(model, None)).run()
    assert arrays(result).min() >= 0 and arrays(result).max() <= 4095


def test_small_slices_name_the_way_out(add_volume, model):
    pair = [add_volume(np.zeros((30, 5, 40), np.int16), name, window=(0, 1)) for name in "AB"]
    with pytest.raises(SliceSizeError, match="another slice plane"):
        FusionJob(*pair, model, authorize(model, None))
    assert FusionJob(*pair, model, authorize(model, None), FusionOptions(plane="coronal")).run() is not None


def test_steps_of_any_length_give_the_same_voxels(monkeypatch, pair, model):
    results = []
    for seconds in (1e-9, 1e9):
        job = FusionJob(*pair, model, authorize(model, None))
        monkeypatch.setattr(job._engine, "_step_seconds", seconds)
        results.append(arrays(job.run()))
    np.testing.assert_array_equal(*results)


def test_saved_scene_holds_no_license(pair, model, issue, scene, slicer, tmp_path):
    text = issue()
    FusionJob(*pair, model, authorize(model, text)).run()
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    content = (tmp_path / "scene.mrml").read_text()
    assert "AMIFusion.Authorized" in content
    assert text not in content and text.split(".")[1] not in content
