"""Smooth random fields on the 1 mm grid: drawn coarsely, filtered and stretched by small matrices, read in parts."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array

_DRAWN_AT_ONCE = 2_000_000
"""Random numbers between two chances to stop: about 20 ms."""

_BLOCK_ROWS = 32
_LARGEST_PRODUCT = 400_000
"""Multiplications up to which OpenBLAS does not spread a product over threads."""

Box = tuple[slice, slice, slice]


class Noise:
    """Smooth noise of zero mean and unit deviation, to be read in parts.

    Args:
        planes: (coarse z, y, x) float32; the field, still coarse along z only.
        start: (z, y, x), the first index on the whole grid that the noise is known for.
        step: grid planes between two coarse ones.
    """

    def __init__(self, planes: Array, start: tuple[int, int, int], step: float) -> None:
        self._planes, self._start, self._step = planes, start, step

    def read(self, box: Box) -> Array:
        """The values in a box of the grid within the one that the noise was drawn for, (z, y, x) float32."""
        rows, columns = (slice(s.start - first, s.stop - first) for s, first in zip(box[1:], self._start[1:]))
        values = np.empty([s.stop - s.start for s in box], np.float32)
        for plane, z in zip(values, range(box[0].start, box[0].stop)):
            below, share = divmod(1.5 + z / self._step, 1)
            low, high = self._planes[int(below) : int(below) + 2, rows, columns]
            np.subtract(high, low, out=plane)
            plane *= np.float32(share)
            plane += low
        return values


def noise_steps(
    rng: np.random.Generator, length: float, box: Box, shape: Sequence[int]
) -> Generator[None, None, Noise]:
    """Draw a noise in steps.

    Args:
        rng: where it comes from; the same numbers are drawn whatever the box.
        length: how far, in millimeters, the noise takes to change.
        box: where it will be read.
        shape: (z, y, x) of the whole grid.

    Yields:
        Between steps.

    Returns:
        The noise.
    """
    step = max(length / 2, 1.0)
    field = np.empty([int(np.ceil(n / step)) + 4 for n in shape], np.float32)
    flat = field.reshape(-1)
    for start in range(0, flat.size, _DRAWN_AT_ONCE):
        rng.standard_normal(dtype=np.float32, out=flat[start : start + _DRAWN_AT_ONCE])
        yield
    for axis, count in enumerate(field.shape):
        wrapped = filter_matrix(count, length / step, mode="wrap")
        field = along(field, wrapped, axis)
        if field.size > _DRAWN_AT_ONCE:
            yield
    spread = np.sqrt(_mean(field, field) - _mean(field, np.ones_like(field[0])) ** 2)
    stretch = [_stretch_matrix(s, step, count) for s, count in zip(box[1:], field.shape[1:])]
    field = along(field, stretch[1] / np.float32(spread), 2)
    yield
    return Noise(along(field, stretch[0], 1), tuple(s.start for s in box), step)


def along(field: Array, matrix: Array, axis: int) -> Array:
    """A linear map of one axis: ``matrix`` (new count, old count), mostly zero, takes the values along it.

    Products of small dense blocks are several times as fast as a filter or an interpolation that goes from voxel to
    voxel; blocks this small stay on one core, so that no other program's load makes their threads wait for each other.

    Args:
        field: (z, y, x) float32.
        matrix: float32.
        axis: of the field.

    Returns:
        float32 of the new shape.
    """
    shape = list(field.shape)
    shape[axis] = len(matrix)
    mapped = np.zeros(shape, np.float32)
    # The mapped axis becomes the second last one, or stays last; the first is what products are repeated over.
    source, target = (each.swapaxes(0, 1) if axis == 0 else each for each in (field, mapped))
    others = source.shape[1 if axis == 2 else 2]
    for rows, columns, block in _blocks(matrix, others):
        if axis == 2:
            np.matmul(source[:, :, columns], block.T, out=target[:, :, rows])
        else:
            np.matmul(block, source[:, columns], out=target[:, rows])
    return mapped


def _blocks(matrix: Array, others: int) -> Iterator[tuple[slice, slice | Array, Array]]:
    """Rows of a matrix, the columns in which they are not zero, and what they hold there."""
    start = 0
    while start < len(matrix):
        height = _BLOCK_ROWS
        used = np.flatnonzero(matrix[start : start + height].any(axis=0))
        while height > 1 and height * used.size * others > _LARGEST_PRODUCT:
            height //= 2
            used = np.flatnonzero(matrix[start : start + height].any(axis=0))
        rows = slice(start, min(start + height, len(matrix)))
        run = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
        # Around the ends of a periodic axis there are two runs.
        columns: slice | Array = used if run.stop - run.start > used.size else run
        yield rows, columns, np.ascontiguousarray(matrix[rows, columns])
        start += height


def filter_matrix(count: int, sigma: float, **options: Any) -> Array:
    """``ndimage.gaussian_filter1d`` with these options as a (count, count) float32 matrix."""
    matrix: Array = ndimage.gaussian_filter1d(np.eye(count), sigma, axis=0, **options)
    return matrix.astype(np.float32)


def _stretch_matrix(part: slice, step: float, count: int) -> Array:
    """Linear interpolation of a coarse axis at the indices of the fine one."""
    at = 1.5 + np.arange(part.start, part.stop) / step
    below = at.astype(np.intp)
    matrix = np.zeros((len(at), count), np.float32)
    rows = np.arange(len(at))
    matrix[rows, below] = 1 - (at - below)
    matrix[rows, below + 1] = at - below
    return matrix


def _mean(field: Array, other: Array) -> float:
    """The mean product of two fields, summed plane by plane, which keeps the digits that float32 has."""
    planes = zip(field, np.broadcast_to(other, field.shape))
    return sum(float(np.vdot(a, b)) for a, b in planes) / field.size
