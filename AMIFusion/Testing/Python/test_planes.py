"""Slice planes: slices are upright, whatever the volume's orientation."""

import itertools

import numpy as np
import pytest
import vtk
from AMIFusionLib.fusion.network import mark_period, mark_shift
from AMIFusionLib.volumes.planes import slice_layout

DOWN = {"axial": "A to P", "sagittal": "S to I", "coronal": "S to I"}


def orientations():
    """All 48 axis-aligned voxel orders, as ijk_to_ras matrices."""
    for permutation in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.eye(4)
            matrix[:3, :3] = 0
            for column, (row, sign) in enumerate(zip(permutation, signs)):
                matrix[row, column] = sign * (column + 1)
            yield matrix


def ras_volume(node):
    """An array whose voxel values are their own R, A and S."""
    import slicer

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    shape = slicer.util.arrayFromVolume(node).shape
    k, j, i = np.indices(shape)
    return np.einsum("rc,c...->...r", matrix[:3], np.stack([i, j, k, np.ones(shape)]))


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_slices_are_upright_in_all_48_orientations(add_volume, plane):
    for ijk_to_ras in orientations():
        node = add_volume(np.zeros((4, 5, 6), np.int16), ijk_to_ras=ijk_to_ras)
        layout = slice_layout(node, plane)
        ras = layout.view(ras_volume(node))
        down, right = ras[0, -1, 0] - ras[0, 0, 0], ras[0, 0, -1] - ras[0, 0, 0]
        normal = ras[-1, 0, 0] - ras[0, 0, 0]
        expected = {
            "axial": ((1, -1), (0, -1), 2),
            "sagittal": ((2, -1), (1, -1), 0),
            "coronal": ((2, -1), (0, -1), 1),
        }[plane]
        assert np.sign(down[expected[0][0]]) == expected[0][1]
        assert np.sign(right[expected[1][0]]) == expected[1][1]
        assert np.flatnonzero(normal).tolist() == [expected[2]]
        row_step, column_step = np.linalg.norm(ras[0, 1, 0] - ras[0, 0, 0]), np.linalg.norm(ras[0, 0, 1] - ras[0, 0, 0])
        assert layout.spacing == pytest.approx(
            (np.linalg.norm(normal) / (len(layout.view(ras_volume(node))) - 1), row_step, column_step)
        )
        assert layout.pixel_spacing == layout.spacing[1:]


VIEWS = {"axial": ((0, -1, 0), (-1, 0, 0)), "sagittal": ((0, 0, -1), (0, -1, 0)), "coronal": ((0, 0, -1), (-1, 0, 0))}
"""Down and right of Slicer's views, in RAS."""


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_mark_reads_unmirrored_in_all_three_views(add_volume, plane):
    for ijk_to_ras in orientations():
        node = add_volume(np.zeros((4, 5, 6), np.int16), ijk_to_ras=ijk_to_ras)
        layout = slice_layout(node, plane)
        ras = layout.view(ras_volume(node))
        corner = ras[0, 0, 0]
        steps = np.array([ras[1, 0, 0] - corner, ras[0, 1, 0] - corner, ras[0, 0, 1] - corner])
        shape = ras.shape[:3]
        shifts = np.array([mark_shift(index, shape, layout.spacing, layout.text_senses) for index in (0, 1)])
        in_tile = np.diag(layout.spacing)[1:] / mark_period(*shape[1:], layout.pixel_spacing)
        # Rows are (slice, row, column), columns the position in the tile: down, right.
        moves = np.stack([shifts[1] - shifts[0], in_tile[:, 1], in_tile[:, 2]])
        in_ras = np.linalg.solve(steps, moves)
        for view, (down, right) in VIEWS.items():
            jacobian = np.array([down, right]) @ in_ras
            assert np.linalg.det(jacobian) > 1e-6
            if view == plane:
                assert jacobian[0, 0] > 0 and jacobian[1, 1] > 0
                np.testing.assert_allclose(jacobian[[0, 1], [1, 0]], 0, atol=1e-9)
            # Text runs to the right, or upwards or downwards, never to the left.
            assert jacobian[1, 1] > -1e-9


def test_acquisition_takes_the_stored_slices(add_volume):
    for ijk_to_ras in orientations():
        node = add_volume(np.zeros((4, 5, 6), np.int16), ijk_to_ras=ijk_to_ras)
        layout = slice_layout(node, "acquisition")
        assert layout.axes[0] == 0
        normal = np.abs(ijk_to_ras[:3, 2]).argmax()
        assert layout == slice_layout(node, ["sagittal", "coronal", "axial"][normal])


def test_oblique_volume_takes_the_nearest_axes(add_volume):
    angle = np.radians(30)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    node = add_volume(np.zeros((4, 5, 6), np.int16), ijk_to_ras=matrix)
    assert [slice_layout(node, plane).axes[0] for plane in ("axial", "coronal", "sagittal")] == [0, 1, 2]


def test_linear_parent_transform_turns_the_planes(add_volume, scene):
    node = add_volume(np.zeros((4, 5, 6), np.int16))
    turn = vtk.vtkTransform()
    turn.RotateX(90)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert slice_layout(node, "axial").axes[0] == 1
    assert slice_layout(node, "coronal").axes[0] == 0


def test_view_is_no_copy(add_volume):
    array = np.zeros((4, 5, 6), np.int16)
    node = add_volume(array, ijk_to_ras=np.diag([-1.0, 1, 1, 1]))
    slice_layout(node, "coronal").view(array)[...] = 7
    assert (array == 7).all()


def test_unknown_plane(add_volume):
    with pytest.raises(ValueError, match="acquisition, axial, sagittal, coronal"):
        slice_layout(add_volume(np.zeros((4, 5, 6), np.int16)), "transverse")
