"""Measures on gray values alone: spread, detail, and what the fused image shares with its sources.

All images are (rows, columns) float64 in gray values 0..255, whole numbers where histograms are taken.
"""

from __future__ import annotations

import numpy as np

from AMIFusionLib.arrays import Array

_GRAY_VALUES = 256


def entropy(image: Array) -> float:
    """EN: Shannon's entropy of the gray values in bits, 0..8.

    J. W. Roberts et al., "Assessment of image fusion procedures using entropy, image quality, and multispectral
    classification", J. Appl. Remote Sens. 2, 2008. As scikit-image has it, which Slicer does not ship.
    """
    counts = np.unique(image, return_counts=True)[1]
    shares = counts / image.size
    return float(-np.sum(shares * np.log2(shares)))


def standard_deviation(image: Array) -> float:
    """SD: the standard deviation of the gray values, in gray values.

    Y.-J. Rao, "In-fibre Bragg grating sensors", Meas. Sci. Technol. 8, 1997, is what the field cites; it is the
    ordinary population form.
    """
    return float(np.std(image))


def spatial_frequency(image: Array) -> float:
    """SF: root mean square of the differences along rows and along columns, in gray values.

    A. M. Eskicioglu and P. S. Fisher, "Image quality measures and their performance", IEEE Trans. Commun. 43(12),
    1995. Each mean is over the differences that there are, one fewer than pixels.
    """
    down, across = (np.mean(np.diff(image, axis=axis) ** 2) for axis in (0, 1))
    return float(np.sqrt(down + across))


def average_gradient(image: Array) -> float:
    """AG: mean of the gradient's length over the root of 2, in gray values a pixel.

    G. Cui et al., "Detail preserved fusion of visible and infrared images using regional saliency extraction and
    multi-scale image decomposition", Opt. Commun. 341, 2015; with central differences, one-sided at the border.
    """
    down, across = np.gradient(image)
    return float(np.mean(np.sqrt((down**2 + across**2) / 2)))


def mutual_information(source: Array, fused: Array) -> float:
    """Half of MI: what the fused image's gray values say about one source's, in nats. MI is the sum over both sources.

    G. Qu, D. Zhang and P. Yan, "Information measure for performance of image fusion", Electron. Lett. 38(7), 2002.
    From the joint histogram of 256 x 256 gray values. scikit-image has the normalized form only; scikit-learn's
    ``mutual_info_score``, which the field's code calls, is the same but a large package for three lines.
    """
    limits = ((0, _GRAY_VALUES), (0, _GRAY_VALUES))
    joint = np.histogram2d(source.ravel(), fused.ravel(), bins=_GRAY_VALUES, range=limits)[0] / source.size
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


def correlation(first: Array, second: Array) -> float:
    """Pearson's correlation, -1..1; not a number for a constant image. CC is its mean over both sources.

    S.-S. Han, H.-T. Li and H.-Y. Gu, "The study on image fusion for high spatial resolution remote sensing images",
    ISPRS Archives 37, 2008.
    """
    first, second = first - first.mean(), second - second.mean()
    energy = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.sum(first * second) / energy) if energy else float("nan")


def sum_of_correlations_of_differences(first: Array, second: Array, fused: Array) -> float:
    """SCD: what the fused image adds to one source should be what the other holds, -2..2.

    V. Aslantas and E. Bendes, "A new image quality metric for image fusion: The sum of the correlations of
    differences", AEU 69(12), 2015.
    """
    return correlation(fused - second, first) + correlation(fused - first, second)


def peak_signal_to_noise(first: Array, second: Array, fused: Array) -> float:
    """PSNR in dB: the fused image's squared maximum over the mean of its squared errors to both sources.

    P. Jagalingam and A. V. Hegde, "A review of quality metrics for fused image", Aquatic Procedia 4, 2015. That the
    peak is the fused image's own maximum, not 255, is the convention of the reference values: where the two differ,
    PSNR with 255 is up to 2.4 dB higher.
    """
    error = (np.mean((fused - first) ** 2) + np.mean((fused - second) ** 2)) / 2
    if not error:
        return float("inf")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(fused.max() ** 2 / error))
