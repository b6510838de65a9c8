"""Soft shapes on a 1 mm grid in RAS space: distances to simple solids, smooth noise, and layers painted from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LOW = np.array((-92.0, -112.0, -88.0))
HIGH = np.array((92.0, 114.0, 96.0))
"""The RAS corners, in millimeters, of the box that holds the head."""

SHAPE = tuple(int(n) for n in (HIGH - LOW)[::-1] + 1)
"""(z, y, x) samples of the box; one per millimeter, so a step in the grid is a millimeter in the head."""

_TINY = 1e-12
_WARP_LENGTH = 22.0
_WARP_MILLIMETERS = 1.3


@dataclass(frozen=True)
class Layer:
    """What one tissue covers, from nothing (0) to all (255) of each millimeter of a part of the grid."""

    tissue: str
    box: tuple[slice, slice, slice]
    coverage: np.ndarray


@dataclass(frozen=True)
class Region:
    """A box of the grid with its RAS coordinates, each (z, y, x) float32 in millimeters."""

    box: tuple[slice, slice, slice]
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    def mirrored(self) -> Region:
        """The same box with the left side seen as the right one: what is described once appears on both."""
        return Region(self.box, np.abs(self.x), self.y, self.z)

    def ellipsoid(self, center, radii, lean: float = 0.0) -> np.ndarray:
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
        size, slope = np.zeros_like(x), np.full_like(x, _TINY)
        for offset, radius in ((x, radii[0]), (y, radii[1]), (self.z - float(center[2]), radii[2])):
            offset *= 1 / radius
            offset *= offset
            size += offset
            offset *= 1 / radius**2
            slope += offset
        np.sqrt(size, out=size)
        size *= size - 1
        size /= np.sqrt(slope, out=slope)
        return size

    def tube(self, points) -> np.ndarray:
        """The distance to a bent tube of changing radius, negative inside.

        Args:
            points: two or more (x, y, z, radius) in millimeters.
        """
        distance = None
        for start, end in zip(points, points[1:]):
            piece = self._cone(np.asarray(start, float), np.asarray(end, float))
            distance = piece if distance is None else np.minimum(distance, piece)
        return distance

    def _cone(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        along = (end - start)[:3]
        offsets = [axis - float(s) for axis, s in zip((self.x, self.y, self.z), start)]
        t = sum(offset * float(a) for offset, a in zip(offsets, along))
        t *= 1 / float(along @ along)
        np.clip(t, 0, 1, out=t)
        total = np.zeros_like(t)
        for offset, a in zip(offsets, along):
            offset -= t * float(a)
            offset *= offset
            total += offset
        np.sqrt(total, out=total)
        total -= float(start[3]) + t * float(end[3] - start[3])
        return total


class Space:
    """The 1 mm grid, its gently warped coordinates and its noise: no two seeds give the same head.

    Args:
        rng: where all randomness comes from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        axes = [np.linspace(low, high, n, dtype=np.float32) for low, high, n in zip(LOW, HIGH, SHAPE[::-1])]
        shapes = ((1, 1, -1), (1, -1, 1), (-1, 1, 1))
        self._coordinates = [
            axis.reshape(shape) + _WARP_MILLIMETERS * self.noise(_WARP_LENGTH) for axis, shape in zip(axes, shapes)
        ]

    def region(self, low=LOW, high=HIGH) -> Region:
        """The part of the grid between two RAS corners, both in millimeters; all of it by default."""
        start = np.clip(np.floor(low - LOW), 0, None).astype(int)
        stop = np.ceil(high - LOW).astype(int) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], np.minimum(stop[::-1], SHAPE)))
        return Region(box, *(coordinate[box] for coordinate in self._coordinates))

    def noise(self, length: float, region: Region | None = None) -> np.ndarray:
        """Smooth noise of zero mean and unit deviation, (z, y, x) float32; another one by each call.

        Args:
            length: how far, in millimeters, it takes to change.
            region: the part of the grid to give it for; all of it by default.
        """
        box = region.box if region else tuple(slice(0, count) for count in SHAPE)
        step = max(length / 2, 1.0)
        coarse = [int(np.ceil(n / step)) + 4 for n in SHAPE]
        field = self._rng.standard_normal(coarse, dtype=np.float32)
        field = ndimage.gaussian_filter(field, length / step, mode="wrap")
        field /= field.std()
        for axis, part in enumerate(box):
            field = _stretched(field, axis, 1.5 + np.arange(part.start, part.stop) / step)
        return field


class Painting:
    """Layers in the order in which they were painted; a later one hides what it covers."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def paint(self, tissue: str, region: Region, distance: np.ndarray, softness: float = 1.2) -> None:
        """Add a tissue wherever a distance is negative.

        Args:
            tissue: a key of ``modalities.TISSUES``.
            region: the part of the grid that the distance is given for.
            distance: millimeters, the region's shape.
            softness: millimeters over which the edge fades, for partial volume instead of jagged steps.
        """
        self.cover(tissue, region, 0.5 - distance / softness)

    def cover(self, tissue: str, region: Region, fraction: np.ndarray) -> None:
        """Add a tissue by the fraction, clipped to 0..1, that it covers of each millimeter."""
        coverage = np.rint(np.clip(fraction, 0, 1) * 255).astype(np.uint8)
        found = ndimage.find_objects((coverage > 0).view(np.uint8), max_label=1)
        if found[0] is None:
            return
        inner = found[0]
        box = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(region.box, inner))
        self._layers.append(Layer(tissue, box, coverage[inner].copy()))

    def composed(self, values: dict[str, float | None], background: float) -> np.ndarray:
        """What the painting looks like when each tissue has a value, (z, y, x) float32 on the whole grid.

        Args:
            values: by tissue; None leaves its layers out, so that what lies beneath shows.
            background: where nothing is painted.
        """
        return _composed(self._layers, values, background)

    def fraction(self, tissue: str, hidden=()) -> np.ndarray:
        """The share, 0..1, that one tissue has of each millimeter when the ``hidden`` tissues are left out."""
        # What was painted before the tissue itself cannot take a share of it away.
        first = next((i for i, layer in enumerate(self._layers) if layer.tissue == tissue), len(self._layers))
        above = [layer for layer in self._layers[first:] if layer.tissue not in hidden]
        return _composed(above, {layer.tissue: float(layer.tissue == tissue) for layer in above}, 0.0)


def _composed(layers: list[Layer], values: dict[str, float | None], background: float) -> np.ndarray:
    field = np.full(SHAPE, background, np.float32)
    for layer in layers:
        value = values[layer.tissue]
        if value is not None:
            view = field[layer.box]
            view += (value - view) * (layer.coverage * np.float32(1 / 255))
    return field


def _stretched(field: np.ndarray, axis: int, at: np.ndarray) -> np.ndarray:
    """A field read at fractional indices along one axis, by linear interpolation; three of these are quick."""
    below = at.astype(np.intp)
    share = (at - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(field.ndim)])
    low = field.take(below, axis)
    return low + share * (field.take(below + 1, axis) - low)


def joined(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """The distance to two solids grown together over ``blend`` millimeters.

    Source: I. Quilez, "Smooth minimum", iquilezles.org/articles/smin.
    """
    share = np.clip(0.5 + 0.5 * (second - first) / blend, 0, 1)
    bulge = blend * share * (1 - share)
    share *= first - second
    share += second
    share -= bulge
    return share


def resampled(field: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape, fill: float = 0.0) -> np.ndarray:
    """A field at ``matrix @ index + offset`` for every index of ``shape``, by linear interpolation, float32.

    Args:
        field: three-dimensional.
        matrix: (3, 3), from the result's indices to the field's.
        offset: (3,), in the field's indices.
        shape: of the result.
        fill: the value outside the field.
    """
    return ndimage.affine_transform(field, matrix, offset, tuple(shape), np.float32, order=1, cval=fill)
