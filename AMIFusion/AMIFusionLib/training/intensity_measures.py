"""Differentiable forms of the measures that count gray values and their spread.

All take images (n, 1, h, w) in 0..1 and give one value an image, (n,). They follow the definitions in
``evaluation.intensity_metrics``; histograms are made differentiable by sharing each pixel between its two nearest bins
(linear interpolation, the Parzen window of width one bin).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .configuration import COARSE_BINS, GRAY_LEVELS


def entropy(image: Tensor) -> Tensor:
    """Entropy of the gray values in bits."""
    histogram = _soft_histogram(image, torch.zeros_like(image, dtype=torch.long).flatten(1), 1, GRAY_LEVELS)
    return _entropy(histogram) / torch.log(torch.tensor(2.0))


def mutual_information(source: Tensor, image: Tensor, bins: int = COARSE_BINS) -> Tensor:
    """Mutual information of a source's gray values and an image's, in nats.

    Args:
        bins: for the image's gray values beside the source's; ``GRAY_LEVELS`` of them also tell gray values apart that
            lie one beside the other, as the measure does. It rounds first: values between two gray levels count less
            here, being shared by both.
    """
    levels = (source.detach() * (GRAY_LEVELS - 1)).round().long().clamp(0, GRAY_LEVELS - 1).flatten(1)
    joint = _soft_histogram(image, levels, GRAY_LEVELS, bins)
    return _entropy(joint.sum(2, keepdim=True)) + _entropy(joint.sum(1, keepdim=True)) - _entropy(joint)


def standard_deviation(image: Tensor) -> Tensor:
    """Standard deviation of the gray values, 0..0.5."""
    return image.flatten(1).std(1, unbiased=False)


def spatial_frequency(image: Tensor) -> Tensor:
    """Root of the mean squares of the differences down and across.

    A. M. Eskicioglu and P. S. Fisher, "Image quality measures and their performance", IEEE Trans. Commun. 43(12), 1995.
    """
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean(dim=(1, 2, 3))
    across = (image[..., 1:] - image[..., :-1]).square().mean(dim=(1, 2, 3))
    return torch.sqrt(down + across + 1e-12)


def _soft_histogram(image: Tensor, groups: Tensor, group_count: int, bins: int) -> Tensor:
    """Share of pixels in each group and gray value bin, (n, group_count, bins).

    Args:
        groups: (n, h * w) integers below ``group_count``.
    """
    count = len(image)
    positions = (image.clamp(0, 1) * (bins - 1)).flatten(1)
    lower = positions.detach().floor().clamp(0, bins - 2)
    upper_share = positions - lower
    images = torch.arange(count, device=image.device)[:, None]
    cells = ((images * group_count + groups) * bins + lower.long()).flatten()
    histogram = torch.zeros(count * group_count * bins, device=image.device)
    histogram = histogram.index_add(0, cells, (1 - upper_share).flatten())
    histogram = histogram.index_add(0, cells + 1, upper_share.flatten())
    return histogram.view(count, group_count, bins) / positions.shape[1]


def _entropy(shares: Tensor) -> Tensor:
    return -(shares * torch.log(shares + 1e-12)).sum(dim=(1, 2))
