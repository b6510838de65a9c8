"""The furrows of the cortex.

They are the sheets on which a noise changes its sign. The noise is read at the nearest point of the brain's surface,
so that a sheet goes straight in from there, as a furrow does.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np

from AMIFusionLib.arrays import Array

from .noise import Box, Noise, along, filter_matrix
from .sampling import trilinear
from .shapes import Point, Region, Space, box_between, inside, slabs_of

_FOLD_LENGTH = 3.3


@dataclass(frozen=True)
class FoldNoise:
    """What makes one head's furrows.

    Attributes:
        sheets: changes its sign where a furrow runs.
        finer: weaker folds that are taken from them.
        sways: for each axis, how a furrow bends on its way in: slowly and quickly.
        reach: how deep the furrows go.
    """

    sheets: Noise
    finer: Noise
    sways: list[tuple[Noise, Noise]]
    reach: Noise

    @classmethod
    def steps(cls, space: Space, box: Box) -> Generator[None, None, FoldNoise]:
        """Draw it in steps, for a box of the grid."""
        sheets = yield from space.noise_steps(_FOLD_LENGTH)
        finer = yield from space.noise_steps(2 * _FOLD_LENGTH)
        sways = []
        for _ in range(3):
            slow = yield from space.noise_steps(20, box)
            sways.append((slow, (yield from space.noise_steps(7, box))))
        return cls(sheets, finer, sways, (yield from space.noise_steps(11, box)))


class Folds:
    """The furrows under a brain's surface; ``steps`` makes them.

    Args:
        noise: what they are made of.
        surface: (z, y, x) float32, how deep each millimeter of ``box`` lies in the brain; negative outside.
        box: part of the grid.
    """

    def __init__(self, noise: FoldNoise, surface: Array, box: Box) -> None:
        self._noise, self._surface, self._box = noise, surface, box
        self._fold, self._jump, self._slope = (np.empty_like(surface) for _ in range(3))
        self._typical = 0.0

    def steps(self) -> Generator[None, None, None]:
        """Find all that ``distance`` needs of more than one slab."""
        field = np.empty([s.stop - s.start for s in box_between()], np.float32)
        for slab in slabs_of(box_between()):
            field[slab[0]] = self._noise.sheets.read(slab) - np.float32(0.7) * self._noise.finer.read(slab)
            yield
        smooth = self._surface
        for axis in (2, 1, 0):
            smooth = along(smooth, filter_matrix(smooth.shape[axis], 1.5), axis)
            yield
        for slab in slabs_of(self._box):
            at = inside(slab, self._box)[0]
            inward = _gradient(smooth, at)
            self._fold[at] = self._folded(field, smooth[at], inward, slab)
            # Half way between two surfaces the nearest point jumps from one to the other: no furrow gets near there.
            self._jump[at] = np.maximum(0.8 - _length(inward), 0) * (self._surface[at] > 4)
            yield
        for axis in (2, 1, 0):
            self._jump = along(self._jump, filter_matrix(smooth.shape[axis], 2.5), axis)
            yield
        total = 0.0
        for slab in slabs_of(self._box):
            at = inside(slab, self._box)[0]
            self._slope[at] = _length(_gradient(self._fold, at))
            total += float(self._slope[at].sum(dtype=np.float64))
            yield
        self._typical = total / self._slope.size

    def distance(self, region: Region, centers: Iterable[Point]) -> Array:
        """The distance to the furrows.

        Args:
            region: as wide as the box, in a slab.
            centers: RAS millimeters of the lesions, which furrows keep away from.
        """
        at = inside(region.box, self._box)
        surface = self._surface[at]
        sheet: Array = np.abs(self._fold[at])
        sheet /= np.maximum(self._slope[at], 0.8 * self._typical)
        reach = self._noise.reach.read(region.box)
        reach *= 4
        reach += 14.5
        reach -= 4 * np.exp(-((region.x / 15) ** 2))
        for center in centers:
            reach -= 9 * np.exp(squared_distance(region, center) * (-1 / (2 * 10.0**2)))
        reach -= 80 * self._jump[at]
        beyond = np.maximum(surface - np.maximum(reach, 2, out=reach), 0)
        width = np.exp(np.maximum(surface, 0) * -0.25)
        width *= 0.9
        width += 0.55
        sheet *= sheet
        beyond *= beyond
        sheet += beyond
        np.sqrt(sheet, out=sheet)
        sheet -= width
        return sheet

    def _folded(self, field: Array, depth: Array, inward: list[Array], slab: Box) -> Array:
        # The read goes past the surface, so that the two walls of the midline fissure do not read the same folds.
        step = np.clip(depth, 0, 25)
        step += 5
        at = []
        for axis, (part, (slow, quick), g) in enumerate(zip(slab, self._noise.sways, inward)):
            way = slow.read(slab)
            way *= 0.35
            way += np.float32(0.06) * quick.read(slab)
            way -= g
            way *= step
            way += np.arange(part.start, part.stop, dtype=np.float32).reshape(np.roll((-1, 1, 1), axis))
            at.append(np.clip(way, 0, field.shape[axis] - 1, out=way))
        return trilinear([field], at)[0]


def squared_distance(region: Region, center: Point) -> Array:
    """Square millimeters to a point."""
    total = region.x - float(center[0])
    total *= total
    for axis, middle in ((region.y, center[1]), (region.z, center[2])):
        offset = axis - float(middle)
        offset *= offset
        total += offset
    return total


def _gradient(field: Array, planes: slice) -> list[Array]:
    """``np.gradient`` of some planes of a field."""
    start, stop = max(planes.start - 1, 0), min(planes.stop + 1, len(field))
    across = np.gradient(field[start:stop], axis=0)[planes.start - start : planes.stop - start]
    return [across, *np.gradient(field[planes], axis=(1, 2))]


def _length(vector: list[Array]) -> Array:
    total: Array = vector[0] * vector[0]
    for part in vector[1:]:
        total += part * part
    np.sqrt(total, out=total)
    return total
