"""What a fusion does to images that are made up: constants, steps, bands and layers, a source beside nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .dataset import Crops
from .objective import dark_lines, flat_objective, lost_white, seam_objective

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

_LAYER_EDGES, _LAYER_WIDTHS = 5, (2.0, 16.0)
"""Edges around one center, as those of skin, fat, bone and fluid around a brain, and from one to the next in pixels:
skin is 3 to 6 thick in slices of 256."""

_LAYER_RADII, _FIRST_EDGE, _EDGE_WIDTHS = (15.0, 200.0), (-24.0, -8.0), (0.5, 3.0)
"""How far the center is from the image's, how much nearer the first edge is, and over how many pixels each one goes."""

_LAYER_BLUR = 6
"""As ``_STEP_BLUR``, for curved edges, whose lengthwise mean cannot be taken: noise is smoothed away over one more. So
halos are seen in the innermost and outermost layers, hardly between thin ones."""

_SHARED_SHARE = 0.3
"""Of the edges, in each source: there it shows two layers alike."""

_CUTTING_LOW, _CUTTING_WIDTH = (0.1, 0.4), (0.1, 0.5)
"""Of the windows that layers are seen through to be white or black in many places: what they begin at, and their width
in gray values of 0 to 1."""

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

    def layers_loss(self, fuse: Fuse) -> Tensor:
        """Of curved layers, in which each source has grays of its own: dark lines where neither has one, and halos."""
        distances, edges = self._layer_edges()
        first, second = self._layers(distances, edges)
        fused = fuse(first, second).clamp(0, 1)
        return dark_lines(first, second, fused).mean() + _unevenness(fused, distances, edges)

    def white_loss(self, fuse: Fuse) -> Tensor:
        """Of curved layers seen through windows that cut off many grays: what is lost of either source's white."""
        distances, edges = self._layer_edges()
        low, width = self._random.uniform(*_CUTTING_LOW), self._random.uniform(*_CUTTING_WIDTH)
        first, second = (((pair - low) / width).clamp(0, 1) for pair in self._layers(distances, edges))
        return lost_white(first, second, fuse(first, second).clamp(0, 1)).mean()

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
        first, second = self._noisy(pairs.expand(-1, -1, 1, _STEP_SIZE, _STEP_SIZE))
        return first.contiguous(), second.contiguous()

    def _layer_edges(self) -> tuple[Tensor, list[float]]:
        """Distances from circles near the middle, (n, 1, side, side), and at which ones the layers' edges are.

        The circles' own centers may be far away.
        """
        centers = self._random.uniform(*_LAYER_RADII, _STEP_PAIRS), self._random.uniform(0, 2 * math.pi, _STEP_PAIRS)
        radii, angles = (each[:, None, None, None].astype(np.float32) for each in centers)
        rows, columns = np.mgrid[:_STEP_SIZE, :_STEP_SIZE].astype(np.float32) - (_STEP_SIZE - 1) / 2
        distances = np.hypot(rows - radii * np.sin(angles), columns - radii * np.cos(angles)) - radii
        low, high = np.log(_LAYER_WIDTHS)
        widths = np.exp(self._random.uniform(low, high, _LAYER_EDGES - 1))
        edges = self._random.uniform(*_FIRST_EDGE) + np.cumsum([0.0, *widths])
        return torch.from_numpy(distances).to(self._device), edges.tolist()

    def _layers(self, distances: Tensor, edges: list[float]) -> tuple[Tensor, Tensor]:
        """Pairs of the same layers, half of the time noisy, (n, 1, side, side)."""
        pairs = self._levels(_STEP_PAIRS).expand(-1, -1, 1, _STEP_SIZE, _STEP_SIZE)
        for edge in edges:
            grays = self._levels(_STEP_PAIRS)
            is_shared = torch.from_numpy(self._random.random(grays.shape) < _SHARED_SHARE).to(self._device)
            share = ((distances - edge) / self._random.uniform(*_EDGE_WIDTHS) + 0.5).clamp(0, 1)
            pairs = torch.where(is_shared, pairs, torch.lerp(pairs, grays.expand_as(pairs), share.expand_as(pairs)))
        first, second = self._noisy(pairs)
        return first.contiguous(), second.contiguous()

    def _noisy(self, pairs: Tensor) -> Tensor:
        """The same, half of the time with noise."""
        if self._random.random() < 0.5:
            return pairs
        noise = self._random.standard_normal(pairs.shape).astype(np.float32)
        deviation = self._random.uniform(0, _STEP_NOISE)
        return (pairs + deviation * torch.from_numpy(noise).to(self._device)).clamp(0, 1)

    def _levels(self, pairs: int) -> Tensor:
        """Random gray values for pairs of constants, (2, pairs, 1, 1, 1)."""
        levels = self._random.random((2, pairs, 1, 1, 1)).astype(np.float32)
        levels[:, :, 0, 0, 0] *= self._random.random((2, pairs)) > _EMPTY_SHARE
        return torch.from_numpy(levels).to(self._device)


def _unevenness(fused: Tensor, distances: Tensor, edges: list[float]) -> Tensor:
    """How far pixels lie from the mean of their layer, away from its edges."""
    smooth = functional.avg_pool2d(fused, _LAYER_BLUR + 1, stride=1, padding=_LAYER_BLUR // 2, count_include_pad=False)
    deviations = []
    for low, high in zip((-math.inf, *edges), (*edges, math.inf)):
        inside = (distances > low + _LAYER_BLUR) & (distances < high - _LAYER_BLUR)
        counts = inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        mean = (smooth * inside).sum(dim=(2, 3), keepdim=True) / counts
        deviations.append(((smooth - mean) * inside).abs().mean())
    return torch.stack(deviations).sum()
