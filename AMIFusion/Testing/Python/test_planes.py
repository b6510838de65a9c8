"""Slice planes: slices are upright, whatever the volume's orientation."""

import itertools

import numpy as np
import pytest
import vtk
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
        assert layout.pixel_spacing == pytest.approx((row_step, column_step))


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
