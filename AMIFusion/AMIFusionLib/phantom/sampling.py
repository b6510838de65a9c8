"""Reading fields of the 1 mm grid on other voxel grids."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from AMIFusionLib.arrays import Array

from .modalities import PhantomGrid
from .noise import along
from .shapes import LOW, SHAPE

_SAMPLING_MILLIMETERS = 1.3
"""A voxel larger than this is averaged over several samples."""

_READ_AT_ONCE = 16_384
"""Voxels of an oblique grid that are read together, few enough for a processor's cache."""


class Sampling:
    """How a grid's voxels lie in the 1 mm grid.

    Args:
        grid: the voxel grid.
    """

    def __init__(self, grid: PhantomGrid) -> None:
        self.shape = tuple(grid.shape)
        self._matrix = grid.ijk_to_ras[:3, :3][::-1, ::-1]
        self._origin = (grid.ijk_to_ras[:3, 3] - LOW)[::-1]
        self._counts = np.maximum(np.rint(grid.spacing[::-1] / _SAMPLING_MILLIMETERS), 1).astype(int)
        self._straight = not np.any(self._matrix - np.diag(np.diag(self._matrix)))

    @property
    def step_count(self) -> int:
        """About how many steps ``steps`` has."""
        return 3 if self._straight else self.shape[0]

    def planes(self, margin: int = 1) -> slice:
        """The planes of the 1 mm grid that the voxels lie in, and ``margin`` more on both sides."""
        reach = self._matrix[0] * (np.array(self.shape) - 1)
        width = np.abs(self._matrix[0]).sum() / 2
        low = self._origin[0] + np.minimum(reach, 0).sum() - width
        high = self._origin[0] + np.maximum(reach, 0).sum() + width
        start, stop = np.clip((np.floor(low) - margin, np.ceil(high) + margin + 1), 0, SHAPE[0]).astype(int)
        return slice(int(start), int(max(stop, start)))

    def steps(
        self, fields: Sequence[Array], filters: Sequence[Array] | None = None
    ) -> Generator[None, None, list[Array]]:
        """Average fields over each voxel, in steps.

        Args:
            fields: (z, y, x) float32 on the 1 mm grid; 0 beyond it.
            filters: a (count, count) matrix for each of the three axes, to filter the fields by before; or None.

        Returns:
            A (slice, row, column) float32 for each field.
        """
        if self._straight:
            return (yield from self._straight_steps(fields, filters))
        for axis, matrix in enumerate(filters or ()):
            fields = [along(field, matrix, axis) for field in fields]
            yield
        return (yield from self._oblique_steps(fields))

    def _straight_steps(
        self, fields: Sequence[Array], filters: Sequence[Array] | None
    ) -> Generator[None, None, list[Array]]:
        """Where the grids' axes are parallel, an axis at a time does."""
        averaged = list(fields)
        for axis in range(3):
            matrix = self._axis_matrix(axis, averaged[0].shape[axis])
            if filters is not None:
                matrix = matrix @ filters[axis].astype(float)
            averaged = [along(field, matrix.astype(np.float32), axis) for field in averaged]
            yield
        return averaged

    def _axis_matrix(self, axis: int, count: int) -> Array:
        """(voxels, count): the mean of linear interpolations at a voxel's samples along one axis."""
        samples, voxels = self._counts[axis], self.shape[axis]
        shifts = (np.arange(samples) + 0.5) / samples - 0.5
        at = self._origin[axis] + self._matrix[axis, axis] * np.add.outer(np.arange(voxels), shifts)
        voxel, sample = np.nonzero((at >= 0) & (at <= count - 1))
        at = at[voxel, sample]
        below = np.minimum(at.astype(np.intp), count - 2)
        matrix = np.zeros((voxels, count))
        np.add.at(matrix, (voxel, below), (1 - (at - below)) / samples)
        np.add.at(matrix, (voxel, below + 1), (at - below) / samples)
        return matrix

    def _oblique_steps(self, fields: Sequence[Array]) -> Generator[None, None, list[Array]]:
        outline = _Outline(fields)
        totals = [np.zeros(self.shape, np.float32) for _ in fields]
        slices, rows, columns = self.shape
        at_once = max(_READ_AT_ONCE // columns, 1)
        for index in range(slices):
            for first in range(0, rows, at_once):
                block = slice(first, min(first + at_once, rows))
                for sample in np.ndindex(*self._counts):
                    self._add_block(fields, totals, outline, (index, block), sample)
                if self._counts.prod() > 8:
                    yield
            yield
        for total in totals:
            total /= float(self._counts.prod())
        return totals

    def _add_block(
        self,
        fields: Sequence[Array],
        totals: Sequence[Array],
        outline: _Outline,
        place: tuple[int, slice],
        sample: tuple[int, ...],
    ) -> None:
        """Add one sample of each voxel of some rows of a slice."""
        index, rows = place
        shift = (np.array(sample) + 0.5) / self._counts - 0.5
        start = self._origin + self._matrix @ shift + self._matrix[:, 0] * index
        down = start[:, None] + self._matrix[:, 1, None] * np.arange(rows.start, rows.stop)
        columns = outline.columns(down, self._matrix[:, 2], self.shape[2])
        if columns.start >= columns.stop:
            return
        right = self._matrix[:, 2, None] * np.arange(columns.start, columns.stop)
        at = [a[:, None] + b for a, b in zip(down, right)]
        beyond = _beyond(at, fields[0].shape)
        for total, values in zip(totals, trilinear(fields, at)):
            if beyond is not None:
                values[beyond] = 0
            total[index, rows, columns] += values


class _Outline:
    """Where fields are not zero, so that nothing else is read: (z, y) tables of the first and last x."""

    def __init__(self, fields: Sequence[Array]) -> None:
        filled = np.logical_or.reduce([field != 0 for field in fields])
        some = filled.any(axis=2)
        count = filled.shape[2]
        # A sample reads its neighbors on both sides.
        self._first = np.where(some, filled.argmax(axis=2) - 1, count)
        self._last = np.where(some, count - filled[:, :, ::-1].argmax(axis=2), -1)

    def columns(self, down: Array, step: Array, count: int) -> slice:
        """Which columns of some rows may read anything but zero.

        Args:
            down: (3, rows), where the rows start.
            step: (3,), from a column to the next.
            count: columns.
        """
        low, high = 0.0, count - 1.0
        box: list[slice] = []
        for axis in range(3):
            limits = (-1.0, self._first.shape[axis]) if axis < 2 else self._limits(box)
            low, high = _crossing(down[axis], step[axis], limits, low, high)
            if low > high:
                return slice(0, 0)
            if axis < 2:
                ends = [down[axis].min(), down[axis].max()]
                moves = [step[axis] * low, step[axis] * high]
                span = (min(ends) + min(moves), max(ends) + max(moves))
                box.append(slice(max(int(np.floor(span[0])), 0), max(int(np.floor(span[1])) + 2, 0)))
        return slice(int(np.ceil(low)), int(np.floor(high)) + 1)

    def _limits(self, box: list[slice]) -> tuple[float, float]:
        first, last = (table[tuple(box)] for table in (self._first, self._last))
        return (float(first.min()), float(last.max())) if first.size else (1.0, -1.0)


def _crossing(starts: Array, step: float, limits: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """The part of a range of columns in which some row is between limits along one axis."""
    first, last = limits[0] - starts.max(), limits[1] - starts.min()
    if abs(step) < 1e-9:
        return (low, high) if first <= 1e-6 and last >= -1e-6 else (1.0, 0.0)
    ends = sorted((first / step, last / step))
    return max(low, ends[0]), min(high, ends[1])


def _beyond(at: list[Array], shape: Sequence[int]) -> Array | None:
    """Where coordinates leave a field; None where none does. They are moved to its border."""
    beyond = None
    for coordinate, count in zip(at, shape):
        if coordinate.min() < 0 or coordinate.max() > count - 1:
            out = (coordinate < 0) | (coordinate > count - 1)
            beyond = out if beyond is None else beyond | out
            np.clip(coordinate, 0, count - 1, out=coordinate)
    return beyond


def trilinear(fields: Sequence[Array], at: Sequence[Array]) -> list[Array]:
    """Fields of one shape at fractional indices by linear interpolation.

    Args:
        fields: (z, y, x) float32, contiguous.
        at: z, y and x of each place, arrays of one shape, all within the fields.

    Returns:
        A float32 of the places' shape for each field.
    """
    shape = fields[0].shape
    index, shares = np.zeros((), np.intp), []
    for coordinate, count in zip(at, shape):
        below = coordinate.astype(np.intp)
        np.minimum(below, count - 2, out=below)
        shares.append((coordinate - below).astype(np.float32, copy=False))
        index = index * count + below
    return [_corners_mixed(field.reshape(-1), index, shares, shape) for field in fields]


def _corners_mixed(flat: Array, index: Array, shares: Sequence[Array], shape: Sequence[int]) -> Array:
    planes = []
    for z in (0, shape[1] * shape[2]):
        rows = []
        for y in (0, shape[2]):
            low, high = (flat[z + y + x :].take(index) for x in (0, 1))
            rows.append(_mixed(low, high, shares[2]))
        planes.append(_mixed(rows[0], rows[1], shares[1]))
    return _mixed(planes[0], planes[1], shares[0])


def _mixed(low: Array, high: Array, share: Array) -> Array:
    high -= low
    high *= share
    high += low
    return high
