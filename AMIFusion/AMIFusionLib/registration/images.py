"""Images in space, and small gray copies of them to align by."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from AMIFusionLib.arrays import Array

from ..translation import tr as _
from .errors import UnsuitableImageError

WORKING_VOXELS = 1_000_000
"""About how many voxels a working copy has: 2 mm ones for a head, as fine as a pose within 0.1 mm needs."""

_SLAB_VOXELS = 500_000
"""Voxels to reduce in one go: 5 to 15 ms."""

_CLIPPED_PERCENTILES = (0.5, 99.5)
"""Of the working copy: metal and spikes would leave all tissue in a few bins of a histogram."""

_PERCENTILE_SAMPLE = 200_000

_FILL_SHARE, _FILL_DISTANCE, _FILL_SAMPLE = 0.005, 4.0, 64
"""Share of voxels from which an extreme value may be a fill; how many times as far from all others as they are spread;
along how many planes of each axis it is looked for."""


@dataclass(frozen=True, eq=False)
class SpatialImage:
    """An image and its place; the voxels are not copied.

    Attributes:
        array: (slice, row, column) of any real type, or (slice, row, column, component) with ``to_gray``. NaN and
            infinities count as missing.
        ijk_to_ras: 4 x 4; takes (column, row, slice, 1) to RAS millimeters. Left-handed and sheared ones are right too.
        name: for messages.
        to_gray: turns (n, row, column, component) voxels into (n, row, column) gray values.

    Raises:
        UnsuitableImageError: an image that cannot be aligned, with a sentence that says what to do.
    """

    array: Array
    ijk_to_ras: Array
    name: str = "image"
    to_gray: Callable[[Array], Array] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        expected = 3 if self.to_gray is None else 4
        if self.array.ndim != expected or self.array.dtype.kind not in "iufb":
            raise UnsuitableImageError(
                _(
                    "'{name}' is no gray image of slices, rows and columns: it has the shape {shape} and the type "
                    "{type}. Give one gray image, or to_gray for one in color."
                ).format(name=self.name, shape=self.array.shape, type=self.array.dtype)
            )
        if min(self.array.shape[:3]) < 2:
            raise UnsuitableImageError(
                _(
                    "'{name}' has only one slice (its shape is {shape}), which fits anywhere. Select a volume of two "
                    "or more slices, or place this one by hand in the Transforms module."
                ).format(name=self.name, shape=self.array.shape[:3])
            )
        matrix = np.asarray(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
            raise UnsuitableImageError(
                _(
                    "'{name}' has no place in space: its voxel-to-RAS matrix must be 4 x 4, finite and invertible. "
                    "Check its spacing, directions and parent transforms."
                ).format(name=self.name)
            )
        object.__setattr__(self, "ijk_to_ras", matrix)

    @property
    def spacing(self) -> Array:
        """(column, row, slice) millimeters."""
        lengths: Array = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return lengths

    @property
    def size(self) -> Array:
        """(column, row, slice) voxels."""
        return np.array(self.array.shape[2::-1])

    @property
    def center(self) -> Array:
        """RAS millimeters of the grid's middle."""
        return self.ijk_to_ras[:3, :3] @ ((self.size - 1) / 2) + self.ijk_to_ras[:3, 3]

    @property
    def cubic_millimeters(self) -> float:
        """Of the whole grid, to its outermost voxels' outer faces."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])) * np.prod(self.size))


def working_copy_steps(image: SpatialImage, voxels: int = WORKING_VOXELS) -> Generator[float, None, SpatialImage]:
    """A small float32 copy with values in 0..1, made a slab at a time.

    Neighbors are averaged along the axes where they lie close together, so that voxels become about cubes.

    Args:
        image: of any size.
        voxels: about how many the copy shall have at most.

    Yields:
        The share that is done, 0..1, every 5 to 15 ms.

    Returns:
        The copy, with all values finite.

    Raises:
        UnsuitableImageError: the image has the same value everywhere, or none.
    """
    wanted = (image.cubic_millimeters / voxels) ** (1 / 3)
    factors = np.clip(np.rint(wanted / image.spacing).astype(int), 1, image.size // 2)[::-1]
    reduced = np.empty(tuple(int(count) for count in np.array(image.array.shape[:3]) // factors), np.float32)
    fills = [] if image.to_gray is not None else _fill_values(image.array)
    parts = _parts(reduced.shape, factors, image.array.shape[2])
    for done, (slices, rows) in enumerate(parts):
        slab = image.array[_scaled(slices, factors[0]), _scaled(rows, factors[1])]
        reduced[slices, rows] = _averaged(slab if image.to_gray is None else image.to_gray(slab), factors, fills)
        yield (done + 1) / len(parts)
    _scale_to_one(reduced, image.name)
    return SpatialImage(reduced, image.ijk_to_ras @ _index_of_reduced(factors), image.name)


def working_copy(image: SpatialImage, voxels: int = WORKING_VOXELS) -> SpatialImage:
    """``working_copy_steps`` in one go."""
    steps = working_copy_steps(image, voxels)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            copy: SpatialImage = end.value
            return copy


def _parts(shape: tuple[int, ...], factors: Array, columns: int) -> list[tuple[slice, slice]]:
    """Slices and rows of a reduced image to make in one go: many thin slices, or a few rows of a large one."""
    block = int(factors[0] * factors[1] * columns)
    rows = min(shape[1], max(1, _SLAB_VOXELS // block))
    slices = max(1, _SLAB_VOXELS // (block * shape[1])) if rows == shape[1] else 1
    return [
        (slice(first, min(first + slices, shape[0])), slice(row, min(row + rows, shape[1])))
        for first in range(0, shape[0], slices)
        for row in range(0, shape[1], rows)
    ]


def _scaled(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def _fill_values(array: Array) -> list[float]:
    """The values that only say that nothing was measured, such as -32768 outside of a scanner's circle.

    They are the least or the greatest of all, of more voxels than metal ever has, and far from all others: taken for
    tissue, they would leave the others in one bin of a histogram. Air, next to tissue in value, is none.
    """
    steps = [max(1, round(count / _FILL_SAMPLE)) for count in array.shape]
    sample = array[:: steps[0], :: steps[1], :: steps[2]].astype(np.float64).ravel()
    sample = sample[np.isfinite(sample)]
    found = []
    for extreme in (sample.min(), sample.max()) if sample.size else ():
        rest = sample[sample != extreme]
        if not 0 < rest.size < (1 - _FILL_SHARE) * sample.size:
            continue
        low, high = np.percentile(rest, _CLIPPED_PERCENTILES)
        if high > low and max(low - extreme, extreme - high) > _FILL_DISTANCE * (high - low):
            found.append(float(extreme))
    return found


def _averaged(array: Array, factors: Array, fills: Sequence[float] = ()) -> Array:
    """Means of blocks of values that are finite and no fill, NaN where there is none.

    Incomplete blocks at the far ends are left out.
    """
    counts = np.array(array.shape) // factors
    values = array[tuple(slice(0, count * factor) for count, factor in zip(counts, factors))].astype(np.float32)
    is_finite = np.isfinite(values)
    for fill in fills:
        is_finite &= values != np.float32(fill)
    if is_finite.all():
        return _block_sums(values, factors) / np.float32(np.prod(factors))
    values[~is_finite] = 0
    with np.errstate(invalid="ignore"):
        return _block_sums(values, factors) / _block_sums(is_finite.astype(np.float32), factors)


def _block_sums(values: Array, factors: Array) -> Array:
    # Slices of strides: three times as fast as a reshape and a sum over axes.
    for axis, factor in enumerate(factors):
        if factor > 1:
            parts = [values[(slice(None),) * axis + (slice(start, None, factor),)] for start in range(factor)]
            total = parts[0] + parts[1]
            for part in parts[2:]:
                total += part
            values = total
    return values


def _index_of_reduced(factors: Array) -> Array:
    """4 x 4: from a reduced image's (column, row, slice) to those of the image itself; ``factors`` are of the array."""
    matrix = np.diag([*factors[::-1].astype(float), 1.0])
    matrix[:3, 3] = (factors[::-1] - 1) / 2
    return matrix


def _scale_to_one(values: Array, name: str) -> None:
    """Map the clipped range to 0..1 in place, NaN to 0."""
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _PERCENTILE_SAMPLE)]
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _CLIPPED_PERCENTILES) if sample.size else (0.0, 0.0)
    if not high > low:
        low, high = (np.nanmin(flat), np.nanmax(flat)) if sample.size else (0.0, 0.0)
    if not high > low:
        raise UnsuitableImageError(
            _(
                "'{name}' has the same value everywhere, so that nothing can be aligned by it. Select another volume."
            ).format(name=name)
        )
    values -= np.float32(low)
    values /= np.float32(high - low)
    np.fmin(np.fmax(values, 0, out=values), 1, out=values)
