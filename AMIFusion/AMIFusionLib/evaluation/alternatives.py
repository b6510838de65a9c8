"""What anyone gets for free: fusion methods that need no training and no license.

They are the baselines of every table, and bound what someone without a license gains by attacking a model. Each takes
two registered images, (rows, columns) in 0..1, and gives one, (rows, columns) float64 in 0..1. The rules are those
whose measures on the validation slices are recorded under the same names beside the learned competitors'.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import pywt
from scipy import ndimage

from AMIFusionLib.arrays import Array

Fusion = Callable[[Array, Array], Array]

_LEVELS = 4


def average(first: Array, second: Array) -> Array:
    """The mean of both in each pixel.

    Raises:
        ValueError: not two images of one shape (this and all others below).
    """
    first, second = _checked(first, second)
    return (first + second) / 2


def maximum(first: Array, second: Array) -> Array:
    """The brighter of both in each pixel."""
    return np.maximum(*_checked(first, second))


def laplacian_pyramid(first: Array, second: Array, base: Callable[[Array, Array], Array] = average) -> Array:
    """The stronger detail of both at each of four scales, over a base made by ``base``.

    P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Commun. 31(4), 1983,
    with OpenCV's steps of it; the rule is A. Toet's, "Image fusion by a ratio of low-pass pyramid", Pattern Recognit.
    Lett. 9(4), 1989, for differences.
    """
    layers, details = _checked(first, second), []
    for _ in range(_LEVELS):
        smaller = [cv2.pyrDown(layer) for layer in layers]
        details.append(_stronger(*(layer - _enlarged(low, layer) for layer, low in zip(layers, smaller))))
        layers = smaller
    fused = base(*layers)
    for detail in reversed(details):
        fused = _enlarged(fused, detail) + detail
    return np.clip(fused, 0, 1)


def wavelets(first: Array, second: Array) -> Array:
    """The stronger detail coefficients of a discrete wavelet transform (db4, four levels), the approximations' mean.

    H. Li, B. S. Manjunath and S. K. Mitra, "Multisensor image fusion using the wavelet transform", Graph. Models Image
    Process. 57(3), 1995, with single coefficients compared. By PyWavelets. Images below 112 pixels get fewer levels.
    """
    images = _checked(first, second)
    wavelet = pywt.Wavelet("db4")
    levels = min(_LEVELS, pywt.dwt_max_level(min(images[0].shape), wavelet))
    transforms = [pywt.wavedec2(image, wavelet, level=levels) for image in images]
    fused = pywt.waverec2(_fused_coefficients(*transforms), wavelet)
    return np.clip(_cropped(fused, images[0].shape), 0, 1)


def stationary_wavelets(first: Array, second: Array) -> Array:
    """As ``wavelets``, with the shift-invariant transform (db2, four levels).

    O. Rockinger, "Image sequence fusion using a shift-invariant wavelet transform", ICIP 1997. By PyWavelets, which
    needs multiples of 16 pixels: other images are mirrored at their lower and right borders.
    """
    images = _checked(first, second)
    missing = [(0, -extent % 2**_LEVELS) for extent in images[0].shape]
    padded = (np.pad(image, missing, mode="symmetric") for image in images)
    transforms = [pywt.swt2(image, "db2", _LEVELS, trim_approx=True) for image in padded]
    fused = pywt.iswt2(_fused_coefficients(*transforms), "db2")
    return np.clip(_cropped(fused, images[0].shape), 0, 1)


def guided_filter(first: Array, second: Array) -> Array:
    """Each pixel's base and detail from the more salient source, the choice smoothed along that source's edges.

    S. Li, X. Kang and J. Hu, "Image fusion with guided filtering", IEEE TIP 22(7), 2013, with that paper's constants:
    a mean over 31 x 31 pixels splits base and detail, saliency is the Laplacian's size under an 11 x 11 Gaussian of 5
    pixels, and the filter has radius 45 and 0.3 for the base, 7 and 1e-6 for the detail. Where both are as salient, as
    in air, the second is taken. OpenCV has the filter in its contributed modules only.
    """
    images = _checked(first, second)
    bases = [ndimage.uniform_filter(image, 31) for image in images]
    details = [image - base for image, base in zip(images, bases)]
    saliency = [ndimage.gaussian_filter(np.abs(ndimage.laplace(image)), 5, radius=5) for image in images]
    first_leads = (saliency[0] > saliency[1]).astype(np.float64)
    fused: Array = np.zeros_like(first_leads)
    for layers, radius, smoothing in ((bases, 45, 0.3), (details, 7, 1e-6)):
        weights = [
            np.clip(_guided(guide, choice, radius, smoothing), 0, 1)
            for guide, choice in zip(images, (first_leads, 1 - first_leads))
        ]
        fused += (weights[0] * layers[0] + weights[1] * layers[1]) / np.maximum(weights[0] + weights[1], 1e-12)
    return np.clip(fused, 0, 1)


ALTERNATIVES: dict[str, Fusion] = {
    "Average": average,
    "Maximum": maximum,
    "LapPyr": laplacian_pyramid,
    "LapPyr-maxbase": partial(laplacian_pyramid, base=maximum),
    "DWT-db4": wavelets,
    "SWT-db2": stationary_wavelets,
    "GFF": guided_filter,
}
"""By the names that tables give them."""


def _checked(first: Array, second: Array) -> list[Array]:
    """Both as float64."""
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"Two images of one shape (rows, columns) are needed, not {first.shape} and {second.shape}.")
    return [np.ascontiguousarray(image, dtype=np.float64) for image in (first, second)]


def _stronger(first: Array, second: Array) -> Array:
    return np.where(np.abs(first) >= np.abs(second), first, second)


def _enlarged(image: Array, like: Array) -> Array:
    enlarged: Array = cv2.pyrUp(image, dstsize=like.shape[::-1])
    return enlarged


def _fused_coefficients(first: list[Any], second: list[Any]) -> list[Any]:
    """Means of the approximations, which come first, and the stronger of all details."""
    details = [tuple(_stronger(a, b) for a, b in zip(*level)) for level in zip(first[1:], second[1:])]
    return [(first[0] + second[0]) / 2, *details]


def _cropped(image: Array, shape: tuple[int, ...]) -> Array:
    return image[: shape[0], : shape[1]]


def _guided(guide: Array, image: Array, radius: int, smoothing: float) -> Array:
    """K. He, J. Sun and X. Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013."""
    mean = partial(ndimage.uniform_filter, size=2 * radius + 1)
    mean_guide, mean_image = mean(guide), mean(image)
    covariance = mean(guide * image) - mean_guide * mean_image
    slope = covariance / (mean(guide**2) - mean_guide**2 + smoothing)
    fitted: Array = mean(slope) * guide + mean(mean_image - slope * mean_guide)
    return fitted
