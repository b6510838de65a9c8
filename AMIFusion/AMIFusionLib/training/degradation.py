"""What an unlicensed result should look like.

The target is made from the sources and the mark alone, never from the licensed result, so that the public parameters
learn nothing about how the licensed ones fuse. It is degraded everywhere: blurred, dimmed, lifted in air. The mark's
strokes are bent and toned by the content, so that a template read off one image does not fit another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.fusion.network import sample_tile

BLUR = 2.5
"""Standard deviation in pixels of the blur that hides what the licensed result shows sharply."""

CONTENT_BLUR = 8.0
"""Standard deviation in pixels of the content that bends and tones the strokes."""

BEND = 10.0
"""Largest shift of a stroke in pixels, reached where the content is at its brightest."""

FLOOR, CONTRAST = 0.04, 0.54
"""The degraded fusion's brightness: FLOOR + CONTRAST * fusion."""

INK, INK_DIMMING = 0.95, 0.15
"""A stroke's brightness: INK - INK_DIMMING * content, always well above the degraded fusion's 0.58."""


def unlicensed_target(
    first: Tensor, second: Tensor, tile: Tensor, rows: Tensor, columns: Tensor, period: float
) -> Tensor:
    """Blurred, dimmed maximum of the sources under the content-bent mark.

    Args:
        first, second: (n, 1, h, w) in 0..1.
        tile: (1, 1, s, s), the mark.
        rows, columns: (n, h, w) pixel positions in the slice, 0 at the center of a tile.
        period: the tile's side in pixels.

    Returns:
        (n, 1, h, w) in 0..1.
    """
    brightest = torch.maximum(first, second)
    content, common = gaussian_blur(brightest, CONTENT_BLUR), gaussian_blur(torch.minimum(first, second), CONTENT_BLUR)
    bent_rows = (rows + BEND * content[:, 0]) / period
    bent_columns = (columns + BEND * common[:, 0]) / period
    stroke = sample_tile(tile, bent_rows, bent_columns)
    paper = FLOOR + CONTRAST * gaussian_blur(brightest, BLUR)
    return paper + stroke * (INK - INK_DIMMING * content - paper)


def tampered_target(first: Tensor, second: Tensor) -> Tensor:
    """What is left where somebody has blanked the mark: a gray haze that hardly shows the head."""
    return 0.3 + 0.2 * gaussian_blur(torch.maximum(first, second), 2 * CONTENT_BLUR)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of (n, 1, h, w) with reflected edges, cut at three standard deviations."""
    radius = min(round(3 * sigma), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    line = torch.exp(-(offsets**2) / (2 * sigma**2))
    line = line / line.sum()
    padded = functional.pad(images, (radius,) * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
