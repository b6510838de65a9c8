"""Which of two sources is drawn finer: the network takes it first, whichever the user named first.

A network that is not told which source is which fuses either order, but not alike: the bundled one learned the finer
source first. As a rule MR is drawn finer than CT, whose skin and bone have plain edges, and than PET and SPECT, which
are blurred. So the order follows from the voxels alone, and swapped sources give the same fusion.

Neither a display window nor colors count. CT in a window that shows little but folds, or little but bone, may well look
finer than MR; as measured, from air to bone, it is not, and a user who changes a window sees a change of gray values
alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.value_range import value_range

from .network import MINIMUM_SLICE_SIZE

SAMPLED_SLICES = 9
"""Slices of a volume that tell its fineness: neighbors tell the same."""

_STEPS_ACROSS = 128
"""Into how many steps the smaller field of view is divided at most: finer ones would tell noise, not anatomy."""

_MOST_STEPS = 1024
"""Into how many steps the longest side of either is divided at most: beside a tiny field a large one would take more
memory than there is."""

_PIXELS_LOOKED_AT = 64
"""Pixels at most along each side of a slice that are looked at to see whether it shows anything."""

_LEAST_CONTRAST = 0.1
"""A slice whose range of values is less than this share of the widest one's shows nothing but noise."""


def _sobel() -> Tensor:
    """Gradients down and across, in gray values from one pixel to the next, (2, 1, 3, 3)."""
    across = torch.tensor([1.0, 2.0, 1.0])[:, None] * torch.tensor([-1.0, 0.0, 1.0]) / 8
    return torch.stack([across.mT, across])[:, None]


_SOBEL = _sobel()


@dataclass(frozen=True)
class SampledSlices:
    """Slices that tell how finely a volume is drawn.

    Attributes:
        values: (n, rows, columns), gray values of any range and type; NaN shows nothing.
        pixel_spacing: (row, column) distance of pixels.
    """

    values: Array
    pixel_spacing: tuple[float, float]


def sample_slices(
    volume: Array, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), gray: Callable[[Array], Array] | None = None
) -> SampledSlices:
    """Some slices of a volume, spread over those that show something.

    They are cut as the volume was acquired, unless its slices are too small for the network: then across the direction
    in which it is thinnest.

    Args:
        volume: (slices, rows, columns[, components]) with at least one voxel.
        spacing: (slice, row, column) distance of voxels.
        gray: what makes gray values (n, rows, columns) of slices (n, rows, columns, components) in color.
    """
    axis = 0 if min(volume.shape[1:3]) >= MINIMUM_SLICE_SIZE else int(np.argmin(volume.shape[:3]))
    slices = np.moveaxis(volume, axis, 0)
    filled = _filled_slices(slices)
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, SAMPLED_SLICES).round().astype(np.intp))]
    down, across = (distance for index, distance in enumerate(spacing) if index != axis)
    return SampledSlices(gray(slices[chosen]) if gray else slices[chosen], (down, across))


def _filled_slices(slices: Array) -> Array:
    """Indices of the slices that show something, (n,) int; of all where none does."""
    down, across = (math.ceil(size / _PIXELS_LOOKED_AT) for size in slices.shape[1:3])
    ranges = [value_range(each[::down, ::across]) for each in slices]
    contrast = np.array([high - low for low, high in ranges])
    return np.flatnonzero(contrast >= _LEAST_CONTRAST * contrast.max())


def is_second_finer(first: SampledSlices, second: SampledSlices) -> bool:
    """Whether the second source is drawn finer than the first.

    Where neither is, one and the same of the two comes first in either order.

    Args:
        first, second: slices of each on a grid of its own, distances in one unit.
    """
    images = first, second
    fields = [[size * distance for size, distance in zip(_size(image), image.pixel_spacing)] for image in images]
    finest_pixel = min(min(image.pixel_spacing) for image in images)
    # Narrow fields would take many steps along their length.
    step = max(min(map(min, fields)) / _STEPS_ACROSS, finest_pixel / 2, max(map(max, fields)) / _MOST_STEPS)
    finenesses = [_fineness(image, step) for image in images]
    if finenesses[0] != finenesses[1]:
        return finenesses[1] > finenesses[0]
    return _content(second) > _content(first)


def _size(image: SampledSlices) -> tuple[int, int]:
    rows, columns = image.values.shape[1:]
    return rows, columns


def _content(image: SampledSlices) -> tuple[object, ...]:
    """Something to put two images in an order by, which only like ones have in common."""
    return image.values.shape, image.pixel_spacing, image.values.tobytes()


def _fineness(image: SampledSlices, step: float) -> float:
    """How much steeper an image is from step to step than over three; 0 if it is constant or too small."""
    values = torch.from_numpy(_in_range(image.values))[:, None]
    fine, coarse = (_steepness(values, image, size) for size in (step, 3 * step))
    return fine / coarse if coarse > 0 else 0.0


def _in_range(values: Array) -> Array:
    """Float32 in 0..1, from nearly the lowest to nearly the highest value; NaN and a constant become 0."""
    low, high = value_range(values)
    if not high > low:
        return np.zeros(values.shape, np.float32)
    scaled = np.empty(values.shape, np.float32)
    # One by one: all at once would take much memory in double precision, which tells large values apart.
    for index, image in enumerate(values):
        scaled[index] = np.nan_to_num((image.astype(np.float64) - low) / (high - low)).clip(0, 1)
    return scaled


def _steepness(values: Tensor, image: SampledSlices, step: float) -> float:
    """Root mean square of the gradient from one step to the next."""
    size = [round(count * distance / step) for count, distance in zip(_size(image), image.pixel_spacing)]
    if min(size) < len(_SOBEL[0, 0]):
        return 0.0
    # Averages where a step is more than a pixel; where it is less, what lies between pixels is straight, not finer.
    values = functional.interpolate(values, size, mode="bilinear", antialias=True)
    gradients = functional.conv2d(values, _SOBEL).square().sum(dim=1)
    return math.sqrt(float(gradients.mean(dtype=torch.float64)))
