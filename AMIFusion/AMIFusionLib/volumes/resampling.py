"""One volume's values at another volume's voxels, a slab at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer import vtkMRMLTransformNode
from slicer.util import arrayFromVolume
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from AMIFusionLib.arrays import Array

from ..translation import tr as _
from .errors import NoOverlapError

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

_SAME_GRID_TOLERANCE = 1e-3
"""Largest difference, in voxels, at any corner of the grid: below it resampling would only blur."""

_OVERLAP_SAMPLES = (32, 160)
"""Most samples along each axis when looking for an overlap, first coarsely, then finely."""


class GridReader:
    """Reads a volume that already lies on the reference's grid, without a copy of the whole."""

    def __init__(self, node: vtkMRMLVolumeNode) -> None:
        self._array: Array = arrayFromVolume(node)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Slices ``start`` to ``stop`` along an array axis, (slice, row, column[, component]), in the volume's type."""
        index = [slice(None)] * 3
        index[axis] = slice(start, stop)
        return self._array[tuple(index)]


class PlaneReader:
    """Reads a volume at the voxels of other grids, by linear interpolation through all parent transforms.

    Nothing is kept but what was asked for last, so that memory does not grow with the grid. The volume's own voxels
    must stay as they are; where it and the grid lie may change from one ``move_to`` to the next.

    Args:
        node: the volume to read.
    """

    def __init__(self, node: vtkMRMLVolumeNode) -> None:
        self._node = node
        self._dimensions = (0, 0, 0)
        self._reslice = vtk.vtkImageReslice()
        self._reslice.SetInputData(_interpolable_image(node))
        self._reslice.SetInterpolationModeToLinear()
        self._reslice.SetOutputScalarType(_result_type(node))
        # Three slices would give two threads unequal work, unless they share each slice.
        self._reslice.SetSplitModeToBeam()
        # NaN marks what lies outside the volume; windows map it to black.
        self._reslice.SetBackgroundColor(*[float("nan")] * 4)
        self._reslice.SetOutputOrigin(0, 0, 0)
        self._reslice.SetOutputSpacing(1, 1, 1)

    def move_to(self, grid: vtkMRMLVolumeNode) -> None:
        """Read at another volume's voxels from now on.

        Args:
            grid: vtkMRMLVolumeNode; it may be in no scene, and its image needs no voxels.
        """
        self._dimensions = grid.GetImageData().GetDimensions()
        self._reslice.SetResliceTransform(_transform_to_moving(self._node, grid))

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Slices ``start`` to ``stop`` along an array axis of the grid, NaN outside the volume.

        Returns:
            (slice, row, column[, component]) float32, or float64 where float32 could not hold the volume's values.
        """
        ranges = [(0, count - 1) for count in self._dimensions]
        ranges[2 - axis] = (start, stop - 1)
        self._reslice.SetOutputExtent(*(bound for each in ranges for bound in each))
        return _array_of(self._updated())

    def _updated(self) -> vtk.vtkImageData:
        self._reslice.Update()
        return self._reslice.GetOutput()


class ResamplingReader(PlaneReader):
    """Reads a volume at the voxels of another that stays in its place.

    Args:
        moving: the volume to read.
        reference: the volume whose grid counts.

    Raises:
        NoOverlapError: nothing of the volume lies within the reference.
    """

    def __init__(self, moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> None:
        _check_overlap(moving, reference)
        super().__init__(moving)
        self.move_to(reference)


def check_boxes_overlap(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> None:
    """Refuse volumes whose boxes in space lie apart: a look that costs nothing, however large they are.

    Boxes along the axes may touch where turned volumes in them do not; only ``ResamplingReader`` looks closely.

    Raises:
        NoOverlapError: their boxes share no place.
    """
    boxes = np.empty((2, 6))
    for node, box in zip((moving, reference), boxes):
        node.GetRASBounds(box)
    if np.any(boxes[:, ::2].max(axis=0) >= boxes[:, 1::2].min(axis=0)):
        raise _no_overlap(moving, reference)


def reader_for(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> GridReader | ResamplingReader:
    """The plainest reader that gives the volume's values at the reference's voxels.

    Args:
        moving, reference: checked vtkMRMLVolumeNode; the same node for both reads it as it is.

    Raises:
        NoOverlapError: nothing of the volume lies within the reference.
    """
    if moving is reference or is_same_grid(moving, reference):
        return GridReader(moving)
    return ResamplingReader(moving, reference)


def _check_overlap(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> None:
    """Look for samples of either volume in the other, so that a thin slab in a large volume is found too."""
    transform = _transform_to_moving(moving, reference)
    dimensions = [node.GetImageData().GetDimensions() for node in (moving, reference)]
    # The finer look, which takes half a second, is for two thin slabs that cross.
    if not any(
        _any_inside(dimensions[1], transform, dimensions[0], samples)
        or _any_inside(dimensions[0], transform.GetInverse(), dimensions[1], samples)
        for samples in _OVERLAP_SAMPLES
    ):
        raise _no_overlap(moving, reference)


def _no_overlap(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> NoOverlapError:
    return NoOverlapError(
        _(
            "'{moving}' and '{reference}' do not overlap in space. Check that both show the same patient, and that "
            "their transforms are right; Slicer's registration modules can align them."
        ).format(moving=moving.GetName(), reference=reference.GetName())
    )


def is_same_grid(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> bool:
    """Whether two volumes have the same voxels in the same place, so that nothing is resampled.

    Args:
        moving, reference: vtkMRMLVolumeNode with image data.
    """
    dimensions = reference.GetImageData().GetDimensions()
    if moving.GetImageData().GetDimensions() != dimensions:
        return False
    transform = _transform_to_moving(moving, reference)
    if not isinstance(transform, vtk.vtkLinearTransform):
        return False
    corners = [(i, j, k) for i in (0, dimensions[0]) for j in (0, dimensions[1]) for k in (0, dimensions[2])]
    return all(
        np.abs(np.subtract(transform.TransformPoint(corner), corner)).max() < _SAME_GRID_TOLERANCE for corner in corners
    )


def _transform_to_moving(moving: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> vtk.vtkAbstractTransform:
    """From the reference's voxel indices (column, row, slice) to the moving volume's."""
    to_ras, from_ras = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(to_ras)
    moving.GetRASToIJKMatrix(from_ras)
    between = vtk.vtkGeneralTransform()
    parents = reference.GetParentTransformNode(), moving.GetParentTransformNode()
    vtkMRMLTransformNode.GetTransformBetweenNodes(*parents, between)
    chain = vtk.vtkGeneralTransform()
    chain.PostMultiply()
    for part in (to_ras, between, from_ras):
        chain.Concatenate(part)
    # One matrix where that is all there is: a general transform costs a call a voxel.
    linear = vtk.vtkTransform()
    return linear if vtkMRMLTransformNode.IsGeneralTransformLinear(chain, linear) else chain


def _any_inside(
    dimensions: Sequence[int], transform: vtk.vtkAbstractTransform, others: Sequence[int], most: int
) -> bool:
    """Whether a sample of one voxel grid lies within another, whose outermost voxels reach half a voxel out."""
    axes = [np.linspace(0, count - 1, min(count, most)) for count in dimensions]
    samples, moved = vtk.vtkPoints(), vtk.vtkPoints()
    samples.SetData(numpy_to_vtk(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3), deep=True))
    transform.TransformPoints(samples, moved)
    points = vtk_to_numpy(moved.GetData())
    return bool(((points >= -0.5) & (points <= np.array(others) - 0.5)).all(axis=1).any())


def _result_type(node: vtkMRMLVolumeNode) -> int:
    """A float type that tells the volume's values apart: float32 is exact for integers of up to 24 bits."""
    dtype = arrayFromVolume(node).dtype
    is_exact = np.can_cast(dtype, np.float32)
    return int(vtk.VTK_FLOAT if is_exact else vtk.VTK_DOUBLE)


def _interpolable_image(node: vtkMRMLVolumeNode) -> vtk.vtkImageData:
    """The node's image, or a copy that VTK can interpolate well.

    NaN and infinities would spread to their neighbors; 64-bit integers are beyond VTK's interpolators, which warn and
    give zeros.
    """
    image, array = node.GetImageData(), arrayFromVolume(node)
    if np.issubdtype(array.dtype, np.integer):
        return _with_values(image, array, vtk.VTK_DOUBLE) if array.dtype.itemsize > 4 else image
    # Both are NaN if any voxel is. A mask of the voxels would take as much memory as an 8-bit volume.
    if np.isfinite(array.min()) and np.isfinite(array.max()):
        return image
    low, high = _finite_range(array)
    filled = _with_values(image, array, image.GetScalarType())
    for each in _array_of(filled):
        np.nan_to_num(each, copy=False, nan=low, posinf=high, neginf=low)
    return filled


def _finite_range(array: Array) -> tuple[float, float]:
    """Least and greatest finite value, slice by slice; zeros where there is none."""
    finite = (each[np.isfinite(each)] for each in array)
    ranges = [(each.min(), each.max()) for each in finite if each.size]
    return (min(low for low, _high in ranges), max(high for _low, high in ranges)) if ranges else (0, 0)


def _with_values(image: vtk.vtkImageData, array: Array, scalar_type: int) -> vtk.vtkImageData:
    """An image of the same structure with a copy of the values in another type."""
    other = vtk.vtkImageData()
    other.CopyStructure(image)
    other.AllocateScalars(scalar_type, image.GetNumberOfScalarComponents())
    _array_of(other)[...] = array
    return other


def _array_of(image: vtk.vtkImageData) -> Array:
    shape = image.GetDimensions()[::-1]
    scalars = image.GetPointData().GetScalars()
    components, array = scalars.GetNumberOfComponents(), vtk_to_numpy(scalars)
    shaped: Array = array.reshape(*shape, components) if components > 1 else array.reshape(shape)
    return shaped
