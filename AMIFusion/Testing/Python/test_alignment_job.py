"""Alignment of volume nodes: where the transform goes, the way back, and a scene that stays as it was until the end."""

import numpy as np
import pytest
import vtk
from AMIFusionLib.alignment_job import AlignmentJob, check_alignment, spatial_image, undo_alignment
from AMIFusionLib.panel.runner import FusionRunner
from AMIFusionLib.registration.errors import RegistrationError
from AMIFusionLib.registration.poses import translation_by
from AMIFusionLib.volumes.errors import UnsupportedVolumeError, VolumeError
from registration_bench import rotation_about

SHAPE = (40, 48, 56)
GRID = translation_by((-80, -60, -50)) @ np.diag([3.0, 2.5, 2.5, 1])
DISPLACED = translation_by((6, -5, 4)) @ rotation_about(np.radians((4, -3, 5)), np.array((4.0, 0, 2)))


def blob_values(points):
    """A smooth body of a few blobs, (n,) for (3, n) RAS points."""
    generator = np.random.default_rng(3)
    value = np.zeros(points.shape[1])
    for _ in range(14):
        center, width = generator.uniform(-35, 35, (3, 1)), generator.uniform(7, 16)
        value += generator.uniform(0.3, 1) * np.exp(-((points - center) ** 2).sum(axis=0) / (2 * width**2))
    return value


def body(ijk_to_ras, look):
    """The body on a voxel grid, as a modality that ``look`` makes of its values."""
    indices = np.indices(SHAPE)[::-1].reshape(3, -1)
    values = blob_values(ijk_to_ras[:3, :3] @ indices + ijk_to_ras[:3, 3:])
    return (1000 * look(values)).reshape(SHAPE).astype(np.int16)


MR = body(GRID, lambda value: value)
CT = body(GRID @ np.diag([1, 1.1, 0.95, 1]), lambda value: np.exp(-((value - 0.6) ** 2) / 0.1) + 0.2 * value)
CT_GRID = GRID @ np.diag([1, 1.1, 0.95, 1])


@pytest.fixture
def pair(add_volume):
    """A reference and a moving volume whose own geometry is wrong by ``DISPLACED``."""
    return add_volume(MR, "MR", GRID), add_volume(CT, "CT", DISPLACED @ CT_GRID)


def array_of(matrix):
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def world_of(transform):
    """4 x 4 of a transform and all above it."""
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def world(node):
    """4 x 4 of the transforms above a node."""
    parent = node.GetParentTransformNode()
    return np.eye(4) if parent is None else world_of(parent)


def add_transform(scene, matrix, parent=None, name="Parent"):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(np.asarray(matrix, float).ravel())
    node.SetMatrixTransformToParent(vtk_matrix)
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def error(node, wrong):
    """Mean millimeters that a volume's body is off by, when its geometry and parents were wrong by ``wrong``."""
    points = np.random.default_rng(0).uniform(-35, 35, (3, 200))
    matrix = world(node) @ wrong
    return np.linalg.norm(matrix[:3, :3] @ points + matrix[:3, 3:] - points, axis=0).mean()


def scene_state(scene):
    """Everything that a job could have left in a scene."""
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return [(node.GetID(), node.GetMTime()) for node in nodes]


def test_transform_aligns_the_volume(pair, scene):
    reference, moving = pair
    voxels = moving.GetImageData().GetMTime()
    job = AlignmentJob(reference, moving)
    node = job.run()
    assert node is job.node and node.GetName() == "CT to MR" and node.GetClassName() == "vtkMRMLLinearTransformNode"
    assert moving.GetParentTransformNode() is node and node.GetParentTransformNode() is None
    assert error(moving, DISPLACED) < 0.5
    np.testing.assert_allclose(world(moving), job.result.matrix, atol=1e-9)
    assert job.result.is_better and node.GetAttribute("AMIFusion.ReferenceNodeID") == reference.GetID()
    assert reference.GetParentTransformNode() is None and moving.GetImageData().GetMTime() == voxels


def test_undo_leaves_the_scene_as_it_was(pair, scene):
    count = scene.GetNumberOfNodes()
    job = AlignmentJob(*pair)
    job.run()
    assert scene.GetNumberOfNodes() == count + 1
    assert job.undo() and job.node is None
    assert pair[1].GetParentTransformNode() is None and scene.GetNumberOfNodes() == count
    assert not job.undo()


def test_aligned_again_it_keeps_its_transform(pair, scene, add_volume):
    """No staircase of transforms; undone, the volume is where it was at first, under its own parent."""
    reference, moving = pair
    own = add_transform(scene, translation_by((1, 2, 3)))
    moving.SetAndObserveTransformNodeID(own.GetID())
    node = AlignmentJob(reference, moving).run()
    found = world(moving)
    node.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    count = scene.GetNumberOfNodes()
    again = AlignmentJob(reference, moving)
    assert again.run() is node and scene.GetNumberOfNodes() == count
    np.testing.assert_allclose(world(moving), again.result.matrix @ world_of(own), atol=1e-9)
    np.testing.assert_allclose(world(moving), found, atol=0.3)
    neighbor = add_volume(CT, "Neighbor")
    neighbor.SetAndObserveTransformNodeID(node.GetID())
    node.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    other = AlignmentJob(reference, moving).run()
    assert other is not node and other.GetParentTransformNode() is node and neighbor.GetParentTransformNode() is node
    assert undo_alignment(moving) and undo_alignment(moving) and moving.GetParentTransformNode() is own


def test_transform_goes_between_the_volume_and_its_parents(add_volume, scene):
    """World transform after = alignment x world transform before; what else is under the parent stays."""
    outer = add_transform(scene, translation_by((30, -10, 5)))
    inner = add_transform(scene, rotation_about(np.radians((0, 0, 25)), np.zeros(3)), outer)
    before = world_of(inner)
    reference = add_volume(MR, "MR", GRID)
    moving = add_volume(CT, "CT", np.linalg.inv(before) @ DISPLACED @ CT_GRID)
    neighbor = add_volume(CT, "Neighbor")
    for each in (moving, neighbor):
        each.SetAndObserveTransformNodeID(inner.GetID())
    job = AlignmentJob(reference, moving)
    node = job.run()
    assert node.GetParentTransformNode() is inner and neighbor.GetParentTransformNode() is inner
    np.testing.assert_allclose(world(moving), job.result.matrix @ before, atol=1e-9)
    np.testing.assert_allclose(world(neighbor), before, atol=1e-12)
    assert error(moving, np.linalg.inv(before) @ DISPLACED) < 0.5
    assert job.undo() and moving.GetParentTransformNode() is inner
    np.testing.assert_array_equal(world(moving), before)


def test_reference_s_parent_counts(pair, scene):
    reference, moving = pair
    shift = translation_by((7, 3, -4))
    reference.SetAndObserveTransformNodeID(add_transform(scene, shift).GetID())
    AlignmentJob(reference, moving).run()
    np.testing.assert_allclose(np.linalg.inv(shift) @ world(moving) @ DISPLACED, np.eye(4), atol=0.5)


@pytest.mark.parametrize("steps", [0, 1, 10, 30])
def test_closing_half_way_leaves_the_scene_as_it_was(pair, scene, steps):
    before = scene_state(scene)
    job = AlignmentJob(*pair)
    generator = job.steps()
    for _ in range(steps):
        next(generator)
    generator.close()
    assert scene_state(scene) == before and job.node is None


def test_progress_reaches_one_with_the_node(pair):
    job = AlignmentJob(*pair)
    fractions = []
    for progress in job.steps():
        fractions.append(progress.fraction)
        assert (job.node is not None) == (progress.fraction == 1)
    assert fractions == sorted(fractions) and fractions[-1] == 1


def test_runner_drives_it(pair):
    class Listener:
        node = None

        def on_progress(self, progress):
            pass

        def on_finished(self, node):
            self.node = node

    listener, queue = Listener(), []
    runner = FusionRunner(queue.append, listener)
    runner.start(AlignmentJob(*pair))
    while queue:
        queue.pop()()
    assert listener.node is pair[1].GetParentTransformNode()


@pytest.mark.parametrize("change", ["move", "remove", "edit"])
def test_volumes_that_change_meanwhile_end_it(pair, scene, change):
    reference, moving = pair
    generator = AlignmentJob(reference, moving).steps()
    for _ in range(8):
        next(generator)
    if change == "move":
        moving.SetAndObserveTransformNodeID(add_transform(scene, np.eye(4)).GetID())
    elif change == "remove":
        scene.RemoveNode(reference)
    else:
        moving.GetImageData().Modified()
    with pytest.raises(VolumeError, match=r"while it was aligned\. (Select another volume and align|Align) again"):
        next(generator)


def test_undo_leaves_alone_what_others_did_meanwhile(pair, scene, add_volume):
    reference, moving = pair
    job = AlignmentJob(reference, moving)
    node = job.run()
    other = add_volume(CT, "Other")
    other.SetAndObserveTransformNodeID(node.GetID())
    assert job.undo() and moving.GetParentTransformNode() is None
    assert other.GetParentTransformNode() is node and node.GetScene() is scene
    job = AlignmentJob(reference, moving)
    node, own = job.run(), add_transform(scene, translation_by((1, 2, 3)))
    moving.SetAndObserveTransformNodeID(own.GetID())
    assert not job.undo() and moving.GetParentTransformNode() is own and node.GetScene() is None
    job = AlignmentJob(reference, moving)
    job.run()
    scene.RemoveNode(own)
    assert job.undo() and moving.GetParentTransformNode() is None
    job = AlignmentJob(reference, moving)
    job.run()
    scene.RemoveNode(moving)
    assert not job.undo()


def test_color_counts_by_its_luma(pair, add_volume):
    reference, _ = pair
    shown = (CT / CT.max() * 255).astype(np.uint8)
    moving = add_volume(np.stack([shown, shown // 2, shown // 3], axis=-1), "PET", DISPLACED @ CT_GRID)
    AlignmentJob(reference, moving).run()
    assert error(moving, DISPLACED) < 0.6


def test_nan_is_a_missing_value(pair, add_volume):
    values = CT.astype(np.float32)
    values[:3], values[20, 20, 20] = np.nan, np.inf
    moving = add_volume(values, "CT with holes", DISPLACED @ CT_GRID)
    AlignmentJob(pair[0], moving).run()
    assert error(moving, DISPLACED) < 0.6


def test_non_linear_parent_is_refused(pair, scene):
    reference, moving = pair
    grid = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    for bent in (reference, moving):
        bent.SetAndObserveTransformNodeID(grid.GetID())
        with pytest.raises(UnsupportedVolumeError, match="Harden the transform"):
            AlignmentJob(reference, moving)
        bent.SetAndObserveTransformNodeID(None)


def test_unsuitable_volumes_are_refused_beforehand(pair, add_volume):
    reference, moving = pair
    with pytest.raises(VolumeError, match="selected twice"):
        AlignmentJob(reference, reference)
    with pytest.raises(VolumeError, match="Select the second volume"):
        AlignmentJob(reference, None)
    with pytest.raises(RegistrationError, match="'Scout' has only one slice"):
        AlignmentJob(reference, add_volume(CT[:1], "Scout"))
    with pytest.raises(RegistrationError, match="'Flat' has the same value everywhere"):
        AlignmentJob(reference, add_volume(0 * CT, "Flat", GRID)).run()


def test_check_sees_parents(pair, scene):
    reference, moving = pair
    assert not check_alignment(reference, moving).is_ok
    AlignmentJob(reference, moving).run()
    assert check_alignment(reference, moving).is_ok
    far = add_transform(scene, translation_by((500, 0, 0)))
    moving.GetParentTransformNode().SetAndObserveTransformNodeID(far.GetID())
    assert check_alignment(reference, moving).verdict == "hardly overlap"
    assert spatial_image(moving).array.base is not None
