"""Points in an image, and linear interpolation at points, with the gradient where it is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .images import SpatialImage


@dataclass(frozen=True, eq=False)
class Sampled:
    """An image's values at some points.

    Attributes:
        inside: (points,) bool, which of the points lie within the image.
        values: (points inside,) float32.
        gradients: (3, points inside) float32 per RAS millimeter, or None where they were not asked for.
    """

    inside: np.ndarray
    values: np.ndarray
    gradients: np.ndarray | None


def random_points(image: SpatialImage, count: int, seed: int) -> np.ndarray:
    """Points spread evenly over an image, between its voxels as well as on them.

    On voxels' centers no value would be interpolated and noise would stay whole, while it is averaged away once the
    images have moved: agreement would seem to be best at poses that put voxels onto voxels (J. Tsao, "Interpolation
    artifacts in multimodality image registration based on maximization of mutual information", IEEE Transactions on
    Medical Imaging 22, 2003).

    Args:
        image: where.
        count: how many.
        seed: the same seed gives the same points.

    Returns:
        (3, count) float64, RAS millimeters.
    """
    indices = np.random.default_rng(seed).random((3, count)) * (image.size - 1)[:, None]
    return transformed(image.ijk_to_ras, indices)


def transformed(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(3, n) points moved by a 4 x 4 matrix."""
    return matrix[:3, :3] @ points + matrix[:3, 3:]


def contains(image: SpatialImage, points: np.ndarray) -> np.ndarray:
    """Which of (3, n) RAS points lie between the centers of an image's outermost voxels, (n,) bool."""
    indices = transformed(np.linalg.inv(image.ijk_to_ras), points)
    return np.all((indices >= 0) & (indices <= (image.size - 1)[:, None]), axis=0)


class LinearInterpolator:
    """Reads an image between its voxels.

    Args:
        image: with a float32 array.
    """

    def __init__(self, image: SpatialImage) -> None:
        self._values = np.ascontiguousarray(image.array, dtype=np.float32).reshape(-1)
        self._from_ras = np.linalg.inv(image.ijk_to_ras)
        self._last = (image.size - 1).astype(float)[:, None]
        columns, rows, _ = image.size
        self._strides = np.array([1, columns, columns * rows], dtype=np.intp)

    def sample(self, points: np.ndarray, with_gradients: bool = False) -> Sampled:
        """Values at (3, n) RAS points."""
        indices = transformed(self._from_ras, points)
        inside: np.ndarray = np.all((indices >= 0) & (indices <= self._last), axis=0)
        indices = indices[:, inside]
        base = np.minimum(indices.astype(np.intp), (self._last - 1).astype(np.intp))
        x, y, z = (indices - base).astype(np.float32)
        corners = self._corners(self._strides @ base)
        # Along columns, then rows, then slices; each pass halves the corners.
        along_x = [first + x * (second - first) for first, second in zip(corners[::2], corners[1::2])]
        near, far = (along_x[at] + y * (along_x[at + 1] - along_x[at]) for at in (0, 2))
        values = near + z * (far - near)
        if not with_gradients:
            return Sampled(inside, values, None)
        slopes_x = [second - first for first, second in zip(corners[::2], corners[1::2])]
        slope_x_near, slope_x_far = (slopes_x[at] + y * (slopes_x[at + 1] - slopes_x[at]) for at in (0, 2))
        slope_y_near, slope_y_far = along_x[1] - along_x[0], along_x[3] - along_x[2]
        gradients = np.stack([
            slope_x_near + z * (slope_x_far - slope_x_near),
            slope_y_near + z * (slope_y_far - slope_y_near),
            far - near,
        ])  # fmt: skip
        return Sampled(inside, values, self._from_ras[:3, :3].T.astype(np.float32) @ gradients)

    def _corners(self, base: np.ndarray) -> list[np.ndarray]:
        """The 8 voxels around each point: columns change fastest, slices slowest."""
        column, row, plane = self._strides
        offsets = [dz + dy + dx for dz in (0, plane) for dy in (0, row) for dx in (0, column)]
        return [self._values[base + offset] for offset in offsets]
