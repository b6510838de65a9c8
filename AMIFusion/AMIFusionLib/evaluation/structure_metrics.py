"""Measures of local structure: SSIM, its form over several scales, and visual information fidelity.

Each compares the fused image with one source; the field sums over both. All images are (rows, columns) float64 in gray
values 0..255. SSIM and VIF are those of scikit-image and torchmetrics, on NumPy and SciPy alone, so that the panel can
measure inside Slicer, which ships neither; tests hold them to both.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array

SSIM_WINDOW = 7
_PEAK = 255
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_GAUSSIAN_SIZE, _GAUSSIAN_SIGMA = 11, 1.5
_SMALLEST_FOR_FIVE_SCALES = _GAUSSIAN_SIZE * 2 ** (len(_SCALE_WEIGHTS) - 1)
_SMALLEST_FOR_FIDELITY = 41
_FIDELITY_WINDOWS = (17, 9, 5, 3)
"""Pixels a side of the Gaussian window on each scale; its deviation is a fifth of them."""
_VISUAL_NOISE, _FLAT = 2.0, 1e-10


def structural_similarity(source: Array, fused: Array) -> float:
    """SSIM, -1..1, with a data range of 255.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004.
    As scikit-image makes it by default, which is the field's form: a flat window of 7 x 7 pixels inside the image and
    sample covariances. The paper's Gaussian window gives values up to 1.4% apart.

    Raises:
        ValueError: smaller than the window.
    """
    if min(source.shape) < SSIM_WINDOW:
        raise ValueError(f"{SSIM_WINDOW} pixels a side are the least for SSIM, not {source.shape}.")
    mean_s, mean_f = _flat_means(source), _flat_means(fused)
    samples = SSIM_WINDOW**2
    unbiased = samples / (samples - 1)
    variance_s = unbiased * (_flat_means(source**2) - mean_s**2)
    variance_f = unbiased * (_flat_means(fused**2) - mean_f**2)
    covariance = unbiased * (_flat_means(source * fused) - mean_s * mean_f)
    luminance = (2 * mean_s * mean_f + _C1) / (mean_s**2 + mean_f**2 + _C1)
    return float(np.mean(luminance * (2 * covariance + _C2) / (variance_s + variance_f + _C2)))


def multiscale_structural_similarity(source: Array, fused: Array) -> float:
    """MS-SSIM over five scales, 0..1; not a number for images of fewer than 176 pixels a side.

    Z. Wang, E. P. Simoncelli and A. C. Bovik, "Multiscale structural similarity for image quality assessment",
    Asilomar 2003, with that paper's weights, an 11 x 11 Gaussian window of 1.5 pixels inside the image, means over
    2 x 2 pixels between scales (a last odd row or column is left out), and a scale's mean clipped at 0.

    torchmetrics' function treats the borders otherwise and is 0.5% to 30% away from the field's values on slices with
    much air.
    """
    if min(source.shape) < _SMALLEST_FOR_FIVE_SCALES:
        return float("nan")
    similarity = 1.0
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale:
            source, fused = _halved(source), _halved(fused)
        luminance, structure = _similarity_maps(source, fused)
        is_last = scale == len(_SCALE_WEIGHTS) - 1
        mean = (luminance * structure if is_last else structure).mean()
        similarity *= max(mean, 0) ** weight
    return float(similarity)


def visual_information_fidelity(source: Array, fused: Array) -> float:
    """VIF in the pixel domain over four scales, 0 and up; above 1 where the fused image has more contrast.

    H. R. Sheikh and A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006, with a visual noise
    variance of 2. As torchmetrics makes it, whose values in single precision are less than 1e-5 away. Not a number for
    a constant source and for images of fewer than 41 pixels a side.
    """
    if min(source.shape) < _SMALLEST_FOR_FIDELITY or not np.ptp(source):
        return float("nan")
    kept = held = 0.0
    for scale, size in enumerate(_FIDELITY_WINDOWS):
        if scale:
            source, fused = (_gaussian_means(image, size)[::2, ::2] for image in (source, fused))
        kept_here, held_here = _information(source, fused, size)
        kept, held = kept + kept_here, held + held_here
    return kept / held


def _information(source: Array, fused: Array, size: int) -> tuple[float, float]:
    """What the fused image tells of a scale's source, and what the source itself tells, in tenfold digits."""
    mean_s, mean_f = _gaussian_means(source, size), _gaussian_means(fused, size)
    variance_s = np.maximum(_gaussian_means(source**2, size) - mean_s**2, 0)
    variance_f = np.maximum(_gaussian_means(fused**2, size) - mean_f**2, 0)
    covariance = _gaussian_means(source * fused, size) - mean_s * mean_f
    variance_s[variance_s < _FLAT] = 0
    gain = np.where((variance_s > 0) & (variance_f >= _FLAT), covariance / (variance_s + _FLAT), 0)
    unexplained = np.where(gain > 0, variance_f - gain * covariance, variance_f)
    gain, unexplained = np.maximum(gain, 0), np.maximum(unexplained, _FLAT)
    unexplained[variance_f < _FLAT] = _FLAT
    kept = np.sum(np.log10(1 + gain**2 * variance_s / (unexplained + _VISUAL_NOISE)))
    return float(kept), float(np.sum(np.log10(1 + variance_s / _VISUAL_NOISE)))


def _similarity_maps(source: Array, fused: Array) -> tuple[Array, Array]:
    """SSIM's luminance term, and its contrast and structure terms in one."""
    mean_s, mean_f = _windowed(source), _windowed(fused)
    variance_s = _windowed(source**2) - mean_s**2
    variance_f = _windowed(fused**2) - mean_f**2
    covariance = _windowed(source * fused) - mean_s * mean_f
    luminance = (2 * mean_s * mean_f + _C1) / (mean_s**2 + mean_f**2 + _C1)
    return luminance, (2 * covariance + _C2) / (variance_s + variance_f + _C2)


def _windowed(image: Array) -> Array:
    """Gaussian means over the windows that lie inside the image."""
    reach = _GAUSSIAN_SIZE // 2
    smooth: Array = ndimage.gaussian_filter(image, _GAUSSIAN_SIGMA, radius=reach)
    return smooth[reach:-reach, reach:-reach]


def _flat_means(image: Array) -> Array:
    """Means over SSIM's windows that lie inside the image."""
    reach = SSIM_WINDOW // 2
    smooth: Array = ndimage.uniform_filter(image, SSIM_WINDOW)
    return smooth[reach:-reach, reach:-reach]


def _gaussian_means(image: Array, size: int) -> Array:
    """Gaussian means over VIF's windows of a scale that lie inside the image."""
    reach = size // 2
    smooth: Array = ndimage.gaussian_filter1d(image, size / 5, axis=0, radius=reach)[reach:-reach]
    smooth = ndimage.gaussian_filter1d(smooth, size / 5, axis=1, radius=reach)
    return smooth[:, reach:-reach]


def _halved(image: Array) -> Array:
    rows, columns = (extent // 2 for extent in image.shape)
    halved: Array = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    return halved
