"""What a result keeps of its sources tells whether they are the same, also from files."""

import numpy as np
import pytest
import slicer_emulation
import vtk
from AMIFusionLib.volumes.sameness import is_same, sameness


@pytest.fixture
def volumes(add_volume, scene):
    """Two volumes, the second one turned a little by a transform."""
    random = np.random.default_rng(0)
    first, second = (
        add_volume(random.integers(0, 900, shape).astype(np.int16), name, np.diag((0.9, 0.9, 3.1, 1)))
        for name, shape in (("MR", (9, 40, 40)), ("CT", (12, 50, 30)))
    )
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    turn = vtk.vtkTransform()
    turn.RotateZ(7)
    turn.Translate(1.23456789, -2, 0.3)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    second.SetAndObserveTransformNodeID(transform.GetID())
    return first, second, transform


def test_the_same_volumes_from_a_scene_file_are_the_same(volumes, scene, tmp_path, slicer):
    kept = sameness(*volumes[:2])
    assert is_same(*volumes[:2], kept) and is_same(*volumes[:2], {})
    assert slicer.util.saveScene(str(tmp_path / "s.mrb"))
    scene.Clear(0)
    slicer_emulation.process_events()
    assert slicer.util.loadScene(str(tmp_path / "s.mrb"))
    assert is_same(slicer.util.getNode("MR"), slicer.util.getNode("CT"), kept)


def test_whole_anatomy_moved_together_is_the_same(volumes):
    first, second, transform = volumes
    kept = sameness(first, second)
    above = transform.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 50)
    above.SetMatrixTransformToParent(shift)
    for node in (first, transform):
        node.SetAndObserveTransformNodeID(above.GetID())
    assert is_same(first, second, kept)


@pytest.mark.parametrize("what", ["moved", "taken out", "reference voxels", "second voxels", "spoiled"])
def test_what_was_changed_is_not_the_same(volumes, slicer, what):
    first, second, transform = volumes
    kept = sameness(first, second)
    if what == "moved":
        matrix = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToParent(matrix)
        matrix.SetElement(2, 3, matrix.GetElement(2, 3) + 0.2)
        transform.SetMatrixTransformToParent(matrix)
    elif what == "taken out":
        second.SetAndObserveTransformNodeID(None)
    elif what == "spoiled":
        kept["MovingPlace"] = "1 2 x"
    else:
        node = first if what == "reference voxels" else second
        slicer.util.arrayFromVolume(node)[3, 5:9, 5:9] += 1
    assert not is_same(first, second, kept)
