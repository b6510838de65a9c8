"""The plane that a slice view shows, as a grid of pixels to read volumes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from AMIFusionLib.arrays import Array

LARGEST_SIDE = 256
"""Most pixels along a side: finer than that takes longer than a scrolling user waits."""

SLAB_MILLIMETERS = 20.0
"""How thick the one slice of a grid is.

What is shown of a slice must not vanish as soon as the user scrolls on, or the view would flicker between it and what
lies below until the next slice is there; nor may it stay when the view jumps to another place."""


@dataclass(frozen=True)
class ViewPlane:
    """What a slice view shows.

    Attributes:
        xy_to_ras: row-major 4 x 4 matrix from the view's pixels (right, up, away) to RAS, of any orientation.
        size: (width, height) of the view in pixels.
    """

    xy_to_ras: tuple[float, ...]
    size: tuple[int, int]

    @classmethod
    def of(cls, slice_node: slicer.vtkMRMLSliceNode) -> ViewPlane:
        """What a vtkMRMLSliceNode shows now; of a light box the first slice."""
        matrix = slice_node.GetXYToRAS()
        elements = tuple(matrix.GetElement(row, column) for row in range(4) for column in range(4))
        return cls(elements, tuple(slice_node.GetDimensions()[:2]))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see: a view that has no place in the layout yet."""
        steps = np.linalg.norm(self._matrix[:3, :2], axis=0)
        return min(self.size) < 1 or not np.all(np.isfinite(self._matrix)) or bool(np.any(steps == 0))

    @property
    def _matrix(self) -> Array:
        return np.array(self.xy_to_ras).reshape(4, 4)


def grid_on_plane(
    plane: ViewPlane, finest: float, smallest_side: int = 1
) -> tuple[slicer.vtkMRMLScalarVolumeNode, float]:
    """A one-slice volume without voxels that covers a view.

    Its rows run down and its columns to the right in the view, so that its slice is upright; its pixels are square and
    centered on the view.

    Args:
        plane: not empty.
        finest: smallest pixel in millimeters; pixels are larger where ``LARGEST_SIDE`` demands it.
        smallest_side: fewest pixels along a side; the grid reaches beyond a view with fewer.

    Returns:
        The grid, a vtkMRMLScalarVolumeNode outside of any scene, and the side of its pixels in millimeters.
    """
    matrix, size = plane._matrix, np.array(plane.size)
    steps = np.linalg.norm(matrix[:3, :2], axis=0)
    extent = steps * size
    pixel = max(finest, extent.max() / LARGEST_SIDE)
    # Rounding must not add a pixel to a view that has a whole number of them.
    counts = [max(smallest_side, math.ceil(round(side / pixel, 6))) for side in extent]
    right, up = matrix[:3, 0] / steps[0], matrix[:3, 1] / steps[1]
    center = matrix[:3, :2] @ (size / 2) + matrix[:3, 3]
    to_ras = np.eye(4)
    to_ras[:3, 0], to_ras[:3, 1] = pixel * right, -pixel * up
    to_ras[:3, 2] = SLAB_MILLIMETERS * np.cross(right, up)
    to_ras[:3, 3] = center - to_ras[:3, :2] @ ((np.array(counts) - 1) / 2)
    image, ijk_to_ras = vtk.vtkImageData(), vtk.vtkMatrix4x4()
    image.SetDimensions(*counts, 1)
    ijk_to_ras.DeepCopy(to_ras.ravel())
    grid = slicer.vtkMRMLScalarVolumeNode()
    grid.SetAndObserveImageData(image)
    grid.SetIJKToRASMatrix(ijk_to_ras)
    return grid, float(pixel)
