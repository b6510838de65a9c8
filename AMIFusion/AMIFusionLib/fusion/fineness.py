"""Which of two sources is drawn finer: the network takes it first, whichever the user named first.

A network that is not told which source is which fuses either order, but not alike: the bundled one learned the finer
source first. As a rule MR is drawn finer than CT, whose brain is plain beside its bone, and than PET and SPECT, which
are blurred. So the order follows from the images alone, and swapped sources give the same fusion.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array

SAMPLED_SLICES = 9
"""Slices of a volume that tell its fineness: neighbors tell the same."""

_STEPS_ACROSS = 128
"""Into how many steps the smaller field of view is divided at most: finer ones would tell noise, not anatomy."""

_MOST_STEPS = 1024
"""Into how many steps the longest side of either is divided at most: beside a tiny field a large one would take more
memory than there is."""


def _sobel() -> Tensor:
    """Gradients down and across, in gray values from one pixel to the next, (2, 1, 3, 3)."""
    across = torch.tensor([1.0, 2.0, 1.0])[:, None] * torch.tensor([-1.0, 0.0, 1.0]) / 8
    return torch.stack([across.mT, across])[:, None]


_SOBEL = _sobel()


def sampled_slices(count: int) -> Array:
    """Indices of the slices that tell a volume's fineness, spread over all, (n,) int.

    Args:
        count: slices that there are, at least 1.
    """
    return np.unique(np.linspace(0, count - 1, SAMPLED_SLICES).round().astype(np.intp))


def is_second_finer(
    first: Array, second: Array, first_spacing: tuple[float, float] = (1.0, 1.0),
    second_spacing: tuple[float, float] = (1.0, 1.0),
) -> bool:  # fmt: skip
    """Whether the second source is drawn finer than the first; False if neither is.

    A factor does not change an image's fineness. A window does as far as it cuts values off, or leaves black what it
    showed before: a CT window that shows air, or one that cuts off all but edges, can put CT first.

    Args:
        first, second: slices of each in 0..1, (n, rows, columns), each on a grid of its own.
        first_spacing, second_spacing: (row, column) distance of pixels, in one unit for both.
    """
    images = (first, first_spacing), (second, second_spacing)
    fields = [min(size * distance for size, distance in zip(slices.shape[1:], spacing)) for slices, spacing in images]
    longest = max(size * distance for slices, spacing in images for size, distance in zip(slices.shape[1:], spacing))
    # Narrow fields would take many steps along their length.
    step = max(min(fields) / _STEPS_ACROSS, min(*first_spacing, *second_spacing) / 2, longest / _MOST_STEPS)
    finenesses = [_fineness(slices, spacing, step) for slices, spacing in images]
    return finenesses[1] > finenesses[0]


def _fineness(slices: Array, spacing: tuple[float, float], step: float) -> float:
    """How much steeper an image is from step to step than over three; 0 if it is constant, black or too small."""
    fine, coarse = (_steepness(slices, spacing, size) for size in (step, 3 * step))
    return fine / coarse if coarse > 0 else 0.0


def _steepness(slices: Array, spacing: tuple[float, float], step: float) -> float:
    """Root mean square of the gradient from one step to the next, where an image is not black."""
    size = [round(count * distance / step) for count, distance in zip(slices.shape[1:], spacing)]
    if min(size) < len(_SOBEL[0, 0]):
        return 0.0
    images = torch.from_numpy(slices.astype(np.float32))[:, None]
    # Averages where a step is more than a pixel; where it is less, what lies between pixels is straight, not finer.
    images = functional.interpolate(images, size, mode="bilinear", antialias=True)
    gradients = functional.conv2d(images, _SOBEL).square().sum(dim=1, keepdim=True)
    shown = images[..., 1:-1, 1:-1] > 0
    count = int(shown.sum())
    return math.sqrt(float((gradients * shown).sum(dtype=torch.float64)) / count) if count else 0.0
