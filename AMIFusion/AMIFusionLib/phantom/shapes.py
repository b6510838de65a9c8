"""Soft shapes on a 1 mm grid in RAS space: distances to simple solids, and layers painted from them.

All of it is computed in slabs of a few planes: their arrays stay in the processor's cache, which makes the same
arithmetic several times as fast as on the whole grid, and a caller may stop between two slabs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from AMIFusionLib.arrays import Array

from .modalities import TISSUES
from .noise import Box, Noise, noise_steps

LOW = np.array((-92.0, -112.0, -88.0))
HIGH = np.array((92.0, 114.0, 96.0))
"""The RAS corners, in millimeters, of the box that holds the head."""

SHAPE = tuple(int(n) for n in (HIGH - LOW)[::-1] + 1)
"""(z, y, x) samples of the box; one per millimeter, so a step in the grid is a millimeter in the head."""

SLAB_PLANES = 2

WARP_REACH = 8.0
"""Millimeters, six standard deviations: how far from its place on the straight grid the warp may move a point."""

Point = Sequence[float] | Array
"""RAS millimeters."""

_TINY = 1e-12
_WARP_LENGTH = 22.0
_WARP_MILLIMETERS = 1.3


@dataclass(frozen=True)
class Region:
    """A box of the grid with its RAS coordinates, each (z, y, x) float32 in millimeters."""

    box: Box
    x: Array
    y: Array
    z: Array

    def mirrored(self) -> Region:
        """The same box with the left side seen as the right one: what is described once appears on both."""
        return Region(self.box, np.abs(self.x), self.y, self.z)

    def within(self, box: Box) -> Region | None:
        """The part that lies in another box; None where there is none."""
        common = _common(self.box, box)
        if any(s.start >= s.stop for s in common):
            return None
        inner = inside(common, self.box)
        return Region(common, self.x[inner], self.y[inner], self.z[inner])

    def narrowed(self, distance: Array, limit: float) -> Region | None:
        """The part around all that lies nearer than a limit, in millimeters; None where nothing does."""
        inner = bounds(distance, limit)
        return None if inner is None else self.within(outward(inner, self.box))

    def ellipsoid(self, center: Point, radii: Sequence[float], lean: float = 0.0) -> Array:
        """Nearly the distance to an ellipsoid, exact near its surface, negative inside.

        Args:
            center: RAS millimeters.
            radii: half axes in millimeters.
            lean: how far x moves per millimeter of y: negative brings the front toward the midline.

        Source: I. Quilez, "Ellipsoid - distance", iquilezles.org/articles/ellipsoids.
        """
        y = self.y - float(center[1])
        x = self.x - float(center[0])
        if lean:
            x -= lean * y
        x *= 1 / radii[0]
        x *= x
        size = x.copy()
        x *= 1 / radii[0] ** 2
        slope = np.add(x, _TINY, out=x)
        for offset, radius in ((y, radii[1]), (self.z - float(center[2]), radii[2])):
            offset *= 1 / radius
            offset *= offset
            size += offset
            offset *= 1 / radius**2
            slope += offset
        np.sqrt(size, out=size)
        np.sqrt(slope, out=slope)
        np.divide(size, slope, out=slope)
        size -= 1
        size *= slope
        return size

    def tube(self, points: Sequence[Sequence[float]]) -> Array:
        """The distance to a bent tube of changing radius, negative inside.

        Args:
            points: two or more (x, y, z, radius) in millimeters.
        """
        ends = [np.asarray(point, float) for point in points]
        distance = self._cone(ends[0], ends[1])
        for start, end in zip(ends[1:], ends[2:]):
            np.minimum(distance, self._cone(start, end), out=distance)
        return distance

    def _cone(self, start: Array, end: Array) -> Array:
        along = (end - start)[:3]
        offsets = [axis - float(s) for axis, s in zip((self.x, self.y, self.z), start)]
        moving = [(offset, float(a)) for offset, a in zip(offsets, along) if a]
        products = (offset * a for offset, a in moving)
        t = next(products)
        for product in products:
            t += product
        t *= 1 / float(along @ along)
        np.clip(t, 0, 1, out=t)
        for offset, a in moving:
            offset -= t * a
        total = offsets[0]
        total *= total
        for offset in offsets[1:]:
            offset *= offset
            total += offset
        np.sqrt(total, out=total)
        t *= float(end[3] - start[3])
        t += float(start[3])
        total -= t
        return total


class Space:
    """The 1 mm grid, its gently warped coordinates and its noise: no two seeds give the same head.

    Args:
        rng: where all randomness comes from.
        warps: noise for x, y and z.
    """

    def __init__(self, rng: np.random.Generator, warps: list[Noise]) -> None:
        self.rng, self._warps = rng, warps
        axes = [np.linspace(low, high, n, dtype=np.float32) for low, high, n in zip(LOW, HIGH, SHAPE[::-1])]
        self._axes = [axis.reshape(shape) for axis, shape in zip(axes, ((1, 1, -1), (1, -1, 1), (-1, 1, 1)))]

    @classmethod
    def steps(cls, rng: np.random.Generator) -> Generator[None, None, Space]:
        """Draw the warp in steps, and return the space."""
        warps = []
        for _ in range(3):
            warps.append((yield from noise_steps(rng, _WARP_LENGTH, box_between(), SHAPE)))
        return cls(rng, warps)

    def noise_steps(self, length: float, box: Box | None = None) -> Generator[None, None, Noise]:
        """Draw a noise that takes ``length`` millimeters to change, another one by each call, and return it."""
        return (yield from noise_steps(self.rng, length, box or box_between(), SHAPE))

    def region(self, box: Box) -> Region:
        """A part of the grid."""
        coordinates = []
        for axis, warp, along in zip(self._axes, self._warps, (2, 1, 0)):
            bend = warp.read(box)
            bend *= _WARP_MILLIMETERS
            bend += axis[tuple(box[a] if a == along else slice(None) for a in range(3))]
            coordinates.append(bend)
        return Region(box, *coordinates)


class Painting:
    """Layers in the order in which they were painted, slab by slab; a later one hides what it covers."""

    def __init__(self) -> None:
        self._slabs: dict[int, list[tuple[str, Box, Array]]] = {}

    def paint(self, tissue: str, region: Region, distance: Array, softness: float = 1.2) -> None:
        """Add a tissue wherever a distance is negative.

        Args:
            tissue: a key of ``modalities.TISSUES``.
            region: the part of a slab that the distance is given for.
            distance: millimeters, the region's shape.
            softness: millimeters over which the edge fades, for partial volume instead of jagged steps.
        """
        inner = bounds(distance, softness / 2)
        if inner is not None:
            self.cover(tissue, outward(inner, region.box), 0.5 - distance[inner] / softness)

    def cover(self, tissue: str, box: Box, fraction: Array) -> None:
        """Add a tissue by the fraction, clipped to 0..1, that it covers of each millimeter of a part of a slab."""
        fraction = np.clip(fraction, 0, 1)
        fraction *= 255
        coverage = np.rint(fraction, out=fraction).astype(np.uint8)
        self._slabs.setdefault(box[0].start // SLAB_PLANES, []).append((tissue, box, coverage))

    def painted_box(self, slab: Box) -> Box | None:
        """The part of a slab that anything is painted in; None where nothing is."""
        boxes = [box for _, box, _ in self._slabs.get(slab[0].start // SLAB_PLANES, ())]
        if not boxes:
            return None
        around = (slice(min(s.start for s in each), max(s.stop for s in each)) for each in zip(*boxes))
        common = _common(slab, around)
        return common if all(s.start < s.stop for s in common) else None

    def composed(self, box: Box, values: list[dict[str, float | None]], backgrounds: Sequence[float]) -> Array:
        """What a part of one slab looks like when each tissue has a value, (kinds, z, y, x) float32.

        Args:
            box: the part.
            values: for each kind of picture by tissue; None leaves its layers out, so that what lies beneath shows.
            backgrounds: for each kind, where nothing is painted.
        """
        fields = np.empty((len(values), *(s.stop - s.start for s in box)), np.float32)
        fields[:] = np.reshape(backgrounds, (-1, 1, 1, 1))
        for tissue, where, coverage in self._slabs.get(box[0].start // SLAB_PLANES, ()):
            common = _common(where, box)
            shown = [(field, kind[tissue]) for field, kind in zip(fields, values) if kind[tissue] is not None]
            if not shown or any(s.start >= s.stop for s in common):
                continue
            share = coverage[inside(common, where)] * np.float32(1 / 255)
            for field, value in shown:
                view = field[inside(common, box)]
                change = value - view
                change *= share
                view += change
        return fields

    def fraction(self, box: Box, tissue: str, hidden: Collection[str] = ()) -> Array:
        """The share, 0..1, that one tissue has of each millimeter of a part when ``hidden`` tissues are left out."""
        values = {each: None if each in hidden else float(each == tissue) for each in TISSUES}
        share: Array = self.composed(box, [values], [0.0])[0]
        return share


def box_between(low: Point = LOW, high: Point = HIGH) -> Box:
    """The part of the grid between two RAS corners, both in millimeters; all of it by default."""
    start = np.clip(np.floor(low - LOW), 0, None).astype(int)
    stop = np.minimum(np.ceil(high - LOW).astype(int) + 1, SHAPE[::-1])
    return _box(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1]))


def slabs_of(box: Box) -> Iterator[Box]:
    """A box in slabs."""
    first = box[0].start // SLAB_PLANES * SLAB_PLANES
    for start in range(first, box[0].stop, SLAB_PLANES):
        yield (slice(max(start, box[0].start), min(start + SLAB_PLANES, box[0].stop)), *box[1:])


def inside(box: Box, outer: Box) -> Box:
    """Where a box lies in an array that holds an outer one."""
    return _box(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer))


def outward(box: Box, outer: Box) -> Box:
    """Where a box of an array lies on the grid when an outer one holds the array."""
    return _box(slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, box))


def _common(box: Iterable[slice], other: Iterable[slice]) -> Box:
    return _box(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other))


def _box(parts: Iterable[slice]) -> Box:
    z, y, x = parts
    return z, y, x


def bounds(distance: Array, limit: float) -> Box | None:
    """All planes, and the rows and columns in which a distance is below a limit; None where it is nowhere."""
    nearest = distance.min(axis=0)
    rows = np.flatnonzero(nearest.min(axis=1) < limit)
    if not rows.size:
        return None
    columns = np.flatnonzero(nearest.min(axis=0) < limit)
    return slice(0, len(distance)), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def grow(distance: Array, region: Region, box: Box, piece: Callable[[Region], Array], blend: float) -> None:
    """Join a piece to a solid where it is near, and leave the distances elsewhere as they are.

    Args:
        distance: to the solid, the region's shape; changed in place.
        region: where it is known.
        box: holds all places from which the piece's surface is near enough to matter.
        piece: gives the distance to the piece.
        blend: as in ``joined``.
    """
    part = region.within(box)
    if part is not None:
        at = inside(part.box, region.box)
        distance[at] = joined(distance[at], piece(part), blend)


def joined(first: Array, second: Array, blend: float) -> Array:
    """The distance to two solids grown together over ``blend`` millimeters.

    Source: I. Quilez, "Smooth minimum", iquilezles.org/articles/smin.
    """
    change = first - second
    share = change * (-0.5 / blend)
    share += 0.5
    np.clip(share, 0, 1, out=share)
    change *= share
    change += second
    bulge = 1 - share
    bulge *= share
    bulge *= blend
    change -= bulge
    return change
