"""One volume's values at another volume's voxels, a slab at a time."""

from __future__ import annotations

import numpy as np
import vtk
from slicer import vtkMRMLTransformNode
from slicer.util import arrayFromVolume
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .errors import NoOverlapError

_SAME_GRID_TOLERANCE = 1e-3
"""Largest difference, in voxels, at any corner of the grid: below it resampling would only blur."""

_OVERLAP_SAMPLES = 64
"""Samples along each axis when looking for an overlap."""


class GridReader:
    """Reads a volume that already lies on the reference's grid, without a copy of the whole."""

    def __init__(self, node) -> None:
        self._array = arrayFromVolume(node)

    def read(self, axis: int, start: int, stop: int) -> np.ndarray:
        """Slices ``start`` to ``stop`` along an array axis, (slice, row, column[, component]), in the volume's type."""
        index = [slice(None)] * 3
        index[axis] = slice(start, stop)
        return self._array[tuple(index)]


class ResamplingReader:
    """Reads a volume at the voxels of another, by linear interpolation through both nodes' parent transforms.

    Nothing is kept but the slab asked for, so that memory does not grow with the reference.

    Args:
        moving: the volume to read.
        reference: the volume whose grid counts.
    """

    def __init__(self, moving, reference) -> None:
        self._dimensions = reference.GetImageData().GetDimensions()
        self._reslice = vtk.vtkImageReslice()
        self._reslice.SetInputData(_interpolable_image(moving))
        self._reslice.SetResliceTransform(_transform_to_moving(moving, reference))
        self._reslice.SetInterpolationModeToLinear()
        self._reslice.SetOutputScalarType(vtk.VTK_FLOAT)
        # NaN marks what lies outside the volume; windows map it to black.
        self._reslice.SetBackgroundColor(*[float("nan")] * 4)
        self._reslice.SetOutputOrigin(0, 0, 0)
        self._reslice.SetOutputSpacing(1, 1, 1)

    def read(self, axis: int, start: int, stop: int) -> np.ndarray:
        """Slices ``start`` to ``stop`` along an array axis of the reference, float32; NaN outside the volume."""
        ranges = [(0, count - 1) for count in self._dimensions]
        ranges[2 - axis] = (start, stop - 1)
        self._reslice.SetOutputExtent(*(bound for each in ranges for bound in each))
        return _array_of(self._updated())

    def check_overlap(self, moving, reference) -> None:
        """Refuse two volumes without a common place.

        Raises:
            NoOverlapError: none of a coarse grid of samples over the reference lies in the volume.
        """
        steps = [max(1.0, count / _OVERLAP_SAMPLES) for count in self._dimensions]
        counts = [max(1, int(count / step)) for count, step in zip(self._dimensions, steps)]
        self._reslice.SetOutputSpacing(*steps)
        self._reslice.SetOutputExtent(0, counts[0] - 1, 0, counts[1] - 1, 0, counts[2] - 1)
        found = bool(np.isfinite(_array_of(self._updated())).any())
        self._reslice.SetOutputSpacing(1, 1, 1)
        if not found:
            raise NoOverlapError(
                f"'{moving.GetName()}' and '{reference.GetName()}' do not overlap in space. Check that both show the "
                "same patient, and that their transforms are right; Slicer's registration modules can align them."
            )

    def _updated(self) -> vtk.vtkImageData:
        self._reslice.Update()
        return self._reslice.GetOutput()


def reader_for(moving, reference) -> GridReader | ResamplingReader:
    """The plainest reader that gives the volume's values at the reference's voxels.

    Args:
        moving, reference: checked vtkMRMLVolumeNode; the same node for both reads it as it is.

    Raises:
        NoOverlapError: nothing of the volume lies within the reference.
    """
    if moving is reference or _is_same_grid(moving, reference):
        return GridReader(moving)
    reader = ResamplingReader(moving, reference)
    reader.check_overlap(moving, reference)
    return reader


def _is_same_grid(moving, reference) -> bool:
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


def _transform_to_moving(moving, reference) -> vtk.vtkAbstractTransform:
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


def _interpolable_image(node) -> vtk.vtkImageData:
    """The node's image, or a copy that VTK can interpolate well.

    NaN and infinities would spread to their neighbors; 64-bit integers are beyond VTK's interpolators, which warn and
    give zeros.
    """
    image, array = node.GetImageData(), arrayFromVolume(node)
    if np.issubdtype(array.dtype, np.integer):
        return _with_values(image, array.astype(np.float64)) if array.dtype.itemsize > 4 else image
    is_finite = np.isfinite(array)
    if is_finite.all():
        return image
    finite = array[is_finite]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    return _with_values(image, np.nan_to_num(array, nan=low, posinf=high, neginf=low))


def _with_values(image: vtk.vtkImageData, array: np.ndarray) -> vtk.vtkImageData:
    """An image of the same structure with other values."""
    other = vtk.vtkImageData()
    other.CopyStructure(image)
    components = image.GetNumberOfScalarComponents()
    values = array.reshape(-1, components) if components > 1 else array.reshape(-1)
    other.GetPointData().SetScalars(numpy_to_vtk(values, deep=True))
    return other


def _array_of(image: vtk.vtkImageData) -> np.ndarray:
    shape = image.GetDimensions()[::-1]
    scalars = image.GetPointData().GetScalars()
    components = scalars.GetNumberOfComponents()
    return vtk_to_numpy(scalars).reshape(*shape, components) if components > 1 else vtk_to_numpy(scalars).reshape(shape)
