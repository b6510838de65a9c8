"""What a fusion does to images that are made up: constants, steps and bands between them, a source beside nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .dataset import Crops
from .objective import flat_objective, seam_objective

Fuse = Callable[[Tensor, Tensor], Tensor]
"""Gives what is fused of two batches of images, (n, 1, h, w)."""

_FLAT_PAIRS, _FLAT_SIZE = 16, 8
"""Pairs of constants in a step and their side in pixels: the network treats all blocks of such a pair alike."""

_STEP_PAIRS, _STEP_SIZE, _STEP_MARGIN, _STEP_BLUR = 6, 64, 12, 4
"""Pairs that change along a line and their side, the line's distance from the border, and how far from it what
is seen is no halo: there no pixel may be brighter or darker than both sides are."""

_BAND_WIDTHS = (9, 21)
"""Smallest width of a band, and the first that is too large: bone is 9 pixels wide in slices of 256."""

_STEP_NOISE = 0.03
"""Largest standard deviation of the noise over constants: a scan has some where it shows nothing, and halos stand
beside noise that do not stand beside a true constant."""

_EMPTY_SHARE = 0.2
"""Of constants, which are 0: where a source shows nothing."""

_ALONE_SIZE = 112
"""Side in pixels of what is fused with nothing."""


class ArtificialImages:
    """Draws images and gives what a fusion of them loses.

    Args:
        generator: of the images.
        device: on which they are made.
    """

    def __init__(self, generator: np.random.Generator, device: torch.device) -> None:
        self._random = generator
        self._device = device

    def flat_loss(self, fuse: Fuse) -> Tensor:
        """Of constants at random levels."""
        first, second = self._levels(_FLAT_PAIRS).expand(-1, -1, 1, _FLAT_SIZE, _FLAT_SIZE)
        return flat_objective(fuse(first, second))

    def step_loss(self, fuse: Fuse) -> Tensor:
        """Of pairs of constants that change along a straight line, or two beside a band: halos and seams.

        Half of the time the lines go across, and half of the time all images are noisy; what is fused is measured by
        its means along the lines.
        """
        width = int(self._random.integers(*_BAND_WIDTHS)) if self._random.random() < 0.5 else 0
        start = int(self._random.integers(_STEP_MARGIN, _STEP_SIZE - _STEP_MARGIN - width))
        first, second = self._bands(start, start + width)
        is_across = self._random.random() < 0.5
        if is_across:
            first, second = first.mT.contiguous(), second.mT.contiguous()
        fused = fuse(first, second)
        profile = (fused.mT if is_across else fused).mean(dim=2, keepdim=True)
        edges = (start, start + width) if width else (start,)
        flats = [
            profile[..., low + _STEP_BLUR : high - _STEP_BLUR]
            for low, high in zip((-_STEP_BLUR, *edges), (*edges, _STEP_SIZE + _STEP_BLUR))
        ]
        loss = sum((flat_objective(flat) for flat in flats), profile.new_zeros(()))
        for edge, before, behind in zip(edges, flats, flats[1:]):
            loss = loss + seam_objective(profile[..., edge - _STEP_BLUR : edge + _STEP_BLUR], before, behind)
        return loss

    def alone_loss(self, fuse: Fuse, crops: Crops) -> Tensor:
        """Of the middle of one crop beside nothing, on either side."""
        image = (crops.first if self._random.random() < 0.5 else crops.second)[:1]
        top, left = ((extent - min(extent, _ALONE_SIZE)) // 2 for extent in image.shape[-2:])
        image = image[..., top : top + _ALONE_SIZE, left : left + _ALONE_SIZE].to(self._device)
        nothing = torch.zeros_like(image)
        first, second = (image, nothing) if self._random.random() < 0.5 else (nothing, image)
        return functional.l1_loss(fuse(first, second), image)

    def _bands(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Constants before, between and behind two columns of images, half of the time noisy, (n, 1, side, side)."""
        columns = torch.arange(_STEP_SIZE, device=self._device)
        before, between, behind = (self._levels(_STEP_PAIRS) for _ in range(3))
        pairs = torch.where(columns < start, before, torch.where(columns < stop, between, behind))
        pairs = pairs.expand(-1, -1, 1, _STEP_SIZE, _STEP_SIZE)
        if self._random.random() < 0.5:
            noise = self._random.standard_normal(pairs.shape).astype(np.float32)
            deviation = self._random.uniform(0, _STEP_NOISE)
            pairs = (pairs + deviation * torch.from_numpy(noise).to(self._device)).clamp(0, 1)
        first, second = pairs
        return first.contiguous(), second.contiguous()

    def _levels(self, pairs: int) -> Tensor:
        """Random gray values for pairs of constants, (2, pairs, 1, 1, 1)."""
        levels = self._random.random((2, pairs, 1, 1, 1)).astype(np.float32)
        levels[:, :, 0, 0, 0] *= self._random.random((2, pairs)) > _EMPTY_SHARE
        return torch.from_numpy(levels).to(self._device)
