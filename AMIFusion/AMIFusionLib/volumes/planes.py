"""Slice planes: how a voxel array is cut into upright slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer import vtkMRMLTransformNode

from AMIFusionLib.arrays import Array

from ..translation import tr as _

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

ACQUISITION, AXIAL, SAGITTAL, CORONAL = "acquisition", "axial", "sagittal", "coronal"
PLANES = (ACQUISITION, AXIAL, SAGITTAL, CORONAL)

_NORMALS = {SAGITTAL: 0, CORONAL: 1, AXIAL: 2}
"""The RAS axis that each plane is perpendicular to."""

_DOWN_AND_RIGHT = {
    AXIAL: ((0, -1, 0), (-1, 0, 0)),
    SAGITTAL: ((0, 0, -1), (0, -1, 0)),
    CORONAL: ((0, 0, -1), (-1, 0, 0)),
}
"""Where a slice's rows and columns run in RAS, as Slicer's views and the network's training images show it."""

_TEXT_SENSES = {AXIAL: (-1, 1), SAGITTAL: (1, -1), CORONAL: (-1, -1)}
"""Where slices of a plane run toward superior, right or anterior: the senses of ``SliceLayout.text_senses``.

Of an axial stack, for example, a coronal view shows superior up, so that slices further up must show what is higher in
the text; and a sagittal view shows the text turned by a quarter, read upwards, beside its rows, which run to the right
there."""


@dataclass(frozen=True)
class SliceLayout:
    """How to see a (slice, row, column) voxel array as upright slices of a plane.

    Attributes:
        axes: the array's axis taken for slices, rows and columns.
        flips: whether each of them runs backwards.
        spacing: (slice, row, column) distance in millimeters.
        text_senses: +1 or -1 for rows and columns: whether a text drawn on the slices must move on or back (show what
            is further down or to the right in it) from a slice to the next, so that Slicer's views across the slices
            show it unmirrored.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]
    text_senses: tuple[int, int]

    @property
    def pixel_spacing(self) -> tuple[float, float]:
        """(row, column) distance in millimeters."""
        return self.spacing[1:]

    def view(self, array: Array) -> Array:
        """The same voxels seen as slices, without a copy; components, if any, stay last."""
        transposed = array.transpose(*self.axes, *range(3, array.ndim))
        return transposed[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]


def slice_layout(node: vtkMRMLVolumeNode, plane: str) -> SliceLayout:
    """Find the axes of a volume's voxel grid that are nearest to a plane as the user sees it.

    A linear parent transform turns the volume and counts; a non-linear one has no one direction and does not.

    Args:
        node: vtkMRMLVolumeNode.
        plane: one of ``PLANES``; "acquisition" takes the slices as they are stored.

    Raises:
        ValueError: no such plane.
    """
    if plane not in PLANES:
        raise ValueError(
            _("'{plane}' is no slice plane. Choose one of: {planes}.").format(plane=plane, planes=", ".join(PLANES))
        )
    directions = _array_axis_directions(node)
    if plane == ACQUISITION:
        slices = 0
        plane = max(_NORMALS, key=lambda name: abs(directions[0][_NORMALS[name]]))
    else:
        slices = int(np.argmax([abs(direction[_NORMALS[plane]]) for direction in directions]))
    down, right = (np.array(direction) for direction in _DOWN_AND_RIGHT[plane])
    first, second = (axis for axis in range(3) if axis != slices)
    straight = abs(directions[first] @ down) + abs(directions[second] @ right)
    crossed = abs(directions[second] @ down) + abs(directions[first] @ right)
    rows, columns = (first, second) if straight >= crossed else (second, first)
    spacing = node.GetSpacing()[::-1]
    row_sense, column_sense = _TEXT_SENSES[plane]
    ahead = 1 if directions[slices][_NORMALS[plane]] > 0 else -1
    return SliceLayout(
        (slices, rows, columns),
        (False, bool(directions[rows] @ down < 0), bool(directions[columns] @ right < 0)),
        (spacing[slices], spacing[rows], spacing[columns]),
        (ahead * row_sense, ahead * column_sense),
    )


def _array_axis_directions(node: vtkMRMLVolumeNode) -> list[Array]:
    """Unit vectors in RAS along the array's slice, row and column axes."""
    directions = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(directions)
    to_world = vtk.vtkMatrix4x4()
    parent = node.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(parent, None, to_world)
    vtk.vtkMatrix4x4.Multiply4x4(to_world, directions, directions)
    columns = [np.array([directions.GetElement(row, column) for row in range(3)]) for column in range(3)]
    return [column / np.linalg.norm(column) for column in columns[::-1]]
