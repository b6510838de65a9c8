"""Differentiable forms of the measures by which fusion keeps edges, structure and information.

All take images (n, 1, h, w) in 0..1 and give one value an image, (n,). Constants are those of the papers, which count
gray values in 0..255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-6

_NEW_EDGE_MARGIN, _NEW_EDGE_STEP = 8.0, 4.0
"""How much stronger than in both sources an edge is that counts as new by half, and how gradually, in gray values."""


@dataclass(frozen=True)
class EdgeMeasures:
    """What became of the sources' edges, (n,) each, 0..1.

    Attributes:
        preservation: Qabf, how much of both sources' edge strength and orientation the fused image keeps.
        weaker: the lower of what it keeps of either source alone.
        artifacts: Nabf, edges that neither source has.
    """

    preservation: Tensor
    weaker: Tensor
    artifacts: Tensor


def edge_measures(first: Tensor, second: Tensor, fused: Tensor) -> EdgeMeasures:
    """Measure edges kept and edges made.

    C. S. Xydeas and V. Petrovic, "Objective image fusion performance measure", Electronics Letters 36(4), 2000, with
    the constants given there and weights equal to the edge strength; Nabf as in B. K. Shreyamsha Kumar, "Multifocus and
    multispectral image fusion based on pixel significance using discrete cosine harmonic wavelet transform", SIViP 7,
    2013, with a smooth step for the question whether an edge is stronger than in both sources.
    """
    strengths, angles = zip(*(_edges(image) for image in (first, second, fused)))
    kept = [_kept_edges(strengths[i], angles[i], strengths[2], angles[2]) for i in (0, 1)]
    weighted = [(kept[i] * strengths[i]).sum(dim=(1, 2, 3)) for i in (0, 1)]
    totals = [strengths[i].sum(dim=(1, 2, 3)) + _EPSILON for i in (0, 1)]
    both = totals[0] + totals[1]
    excess = strengths[2] - torch.maximum(strengths[0], strengths[1])
    is_new = torch.sigmoid((excess - _NEW_EDGE_MARGIN) / _NEW_EDGE_STEP)
    lost = (1 - kept[0]) * strengths[0] + (1 - kept[1]) * strengths[1]
    return EdgeMeasures(
        preservation=(weighted[0] + weighted[1]) / both,
        weaker=torch.minimum(weighted[0] / totals[0], weighted[1] / totals[1]),
        artifacts=(is_new * lost).sum(dim=(1, 2, 3)) / both,
    )


def structural_similarity(reference: Tensor, image: Tensor) -> Tensor:
    """Mean SSIM over flat 7 x 7 windows, as the field's tables have it.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004.
    """
    c1, c2, unbiased = 0.01**2, 0.03**2, 49 / 48
    stacked = torch.cat([reference, image, reference**2, image**2, reference * image])
    mean_r, mean_i, square_r, square_i, product = _windowed(stacked, 7).chunk(5)
    variances = unbiased * (square_r - mean_r**2 + square_i - mean_i**2)
    covariance = unbiased * (product - mean_r * mean_i)
    luminance = (2 * mean_r * mean_i + c1) / (mean_r**2 + mean_i**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean(dim=(1, 2, 3))


def visual_information_fidelity(reference: Tensor, image: Tensor) -> Tensor:
    """VIF in the pixel domain over four scales.

    H. R. Sheikh and A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006.
    """
    reference, image = reference * 255, image * 255
    numerator = reference.new_zeros(len(reference))
    denominator = torch.full_like(numerator, _EPSILON)
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        if scale > 1:
            reference = _windowed(reference, size, size / 5)[..., ::2, ::2]
            image = _windowed(image, size, size / 5)[..., ::2, ::2]
        _, _, variance_r, variance_i, covariance = _moments(reference, image, size, size / 5)
        variance_r, variance_i = variance_r.clamp_min(0), variance_i.clamp_min(0)
        gain = (covariance / (variance_r + 1e-6)).clamp_min(0)
        noise = (variance_i - gain * covariance).clamp_min(1e-6)
        numerator = numerator + torch.log10(1 + gain**2 * variance_r / (noise + 2)).sum(dim=(1, 2, 3))
        denominator = denominator + torch.log10(1 + variance_r / 2).sum(dim=(1, 2, 3))
    return numerator / denominator


def sum_of_correlations_of_differences(first: Tensor, second: Tensor, fused: Tensor) -> Tensor:
    """SCD: what the fused image adds to one source should be what the other holds, -2..2.

    V. Aslantas and E. Bendes, "A new image quality metric for image fusion", AEU 69(12), 2015.
    """
    return _correlation(fused - second, first) + _correlation(fused - first, second)


def _edges(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel edge strength in gray values and orientation in -pi/2..pi/2."""
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=image.dtype)
    kernels = torch.stack([kernel, kernel.T])[:, None].to(image.device)
    gradient = functional.conv2d(image * 255, kernels, padding=1)
    across, down = gradient[:, :1], gradient[:, 1:]
    strength = torch.sqrt(across**2 + down**2 + _EPSILON)
    sign = torch.where(across < 0, -1.0, 1.0)
    return strength, torch.atan(down / (across + sign * 1e-3))


def _kept_edges(strength: Tensor, angle: Tensor, fused_strength: Tensor, fused_angle: Tensor) -> Tensor:
    relative = torch.minimum(strength, fused_strength) / torch.maximum(strength, fused_strength)
    alignment = 1 - (angle - fused_angle).abs() / (math.pi / 2)
    kept_strength = 0.9994 / (1 + torch.exp(-15 * (relative - 0.5)))
    kept_angle = 0.9879 / (1 + torch.exp(-22 * (alignment - 0.8)))
    return kept_strength * kept_angle


def _moments(a: Tensor, b: Tensor, size: int, sigma: float) -> tuple[Tensor, ...]:
    """Windowed means, variances and covariance, all in one pass."""
    stacked = torch.cat([a, b, a * a, b * b, a * b])
    mean_a, mean_b, square_a, square_b, product = _windowed(stacked, size, sigma).chunk(5)
    return mean_a, mean_b, square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a = a - a.mean(dim=(1, 2, 3), keepdim=True)
    b = b - b.mean(dim=(1, 2, 3), keepdim=True)
    energy = (a**2).sum(dim=(1, 2, 3)) * (b**2).sum(dim=(1, 2, 3))
    return (a * b).sum(dim=(1, 2, 3)) / torch.sqrt(energy + _EPSILON)


def _windowed(images: Tensor, size: int, sigma: float | None = None) -> Tensor:
    """Gaussian or, without a sigma, flat means over size x size windows that lie inside the image.

    As two matrix products: for one channel they take a third of the time of PyTorch's convolutions on a CPU.
    """
    down, across = (_window_matrix(extent, size, sigma).to(images) for extent in images.shape[-2:])
    return down.T @ images @ across


@lru_cache(maxsize=64)
def _window_matrix(extent: int, size: int, sigma: float | None) -> Tensor:
    """(extent, extent - size + 1): each column holds one position of a window."""
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = torch.ones_like(offsets) if sigma is None else torch.exp(-(offsets**2) / (2 * sigma**2))
    positions = torch.arange(extent - size + 1)
    matrix = torch.zeros(extent, extent - size + 1, dtype=torch.float64)
    for index, weight in enumerate(line / line.sum()):
        matrix[positions + index, positions] = weight
    return matrix
