"""All measures of one fused image at once, as published tables of image fusion have them.

Each is defined, with its source, where it is made: ``intensity_metrics``, ``structure_metrics``, ``edge_metrics`` and
``feature_metrics``. Conventions are those of the public Python evaluation code behind the field's tables, which many
papers share: gray values 0..255, sums (not means) over both sources for MI, SCD, VIF, SSIM and MS-SSIM. Against
reference values of that code all but FMI, for which there are none, agree to a relative 1e-5 on the same gray values.
"""

from __future__ import annotations

import numpy as np

from AMIFusionLib.arrays import Array

from . import edge_metrics, feature_metrics, intensity_metrics, structure_metrics

RANKED = ("EN", "SD", "SF", "MI", "SCD", "VIF", "Qabf", "SSIM")
"""The eight measures over which the field takes mean ranks; more is better in all of them."""

LOWER_IS_BETTER = frozenset({"Nabf"})
"""The only measure that counts faults."""


def fusion_metrics(first: Array, second: Array, fused: Array) -> dict[str, float]:
    """Measure a fused image against its two sources.

    Args:
        first, second, fused: (rows, columns) uint8, all of one shape. Of color images the luma, for example
            ``eight_bit.eight_bit_luma``. The order of the sources does not matter, except that it names QAF and QBF.

    Returns:
        EN, SD, SF, AG, MI, SCD, VIF, Qabf, SSIM, MS_SSIM, CC, PSNR, Nabf, FMI; QAF and QBF, the edges of each source
        alone that the fused image keeps, and Qmin, the lower of the two. Where a measure is not defined (correlation
        with a constant image, five scales of an image of fewer than 176 pixels a side) it is not a number.

    Raises:
        ValueError: not 8-bit, not two-dimensional, of different shapes, or smaller than 7 pixels a side.
    """
    _check(first, second, fused)
    one, other, image = (each.astype(np.float64) for each in (first, second, fused))
    sources = one, other
    kept_first, kept_second = (edge_metrics.edges_kept(source, image) for source in sources)
    return {
        "EN": intensity_metrics.entropy(image),
        "SD": intensity_metrics.standard_deviation(image),
        "SF": intensity_metrics.spatial_frequency(image),
        "AG": intensity_metrics.average_gradient(image),
        "MI": sum(intensity_metrics.mutual_information(source, image) for source in sources),
        "SCD": intensity_metrics.sum_of_correlations_of_differences(one, other, image),
        "VIF": sum(structure_metrics.visual_information_fidelity(source, image) for source in sources),
        "Qabf": edge_metrics.edge_preservation(one, other, image),
        "SSIM": sum(structure_metrics.structural_similarity(source, image) for source in sources),
        "MS_SSIM": sum(structure_metrics.multiscale_structural_similarity(source, image) for source in sources),
        "CC": float(np.mean([intensity_metrics.correlation(source, image) for source in sources])),
        "PSNR": intensity_metrics.peak_signal_to_noise(one, other, image),
        "Nabf": edge_metrics.artifacts(one, other, image),
        "FMI": float(np.mean([feature_metrics.feature_mutual_information(source, image) for source in sources])),
        "QAF": kept_first,
        "QBF": kept_second,
        "Qmin": float(np.fmin(kept_first, kept_second)),
    }


def _check(*images: Array) -> None:
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 2:
            raise ValueError(f"8-bit images of (rows, columns) are needed, not {image.dtype} of shape {image.shape}.")
        if image.shape != images[0].shape:
            raise ValueError(f"The images differ in shape: {images[0].shape} and {image.shape}.")
        if min(image.shape) < structure_metrics.SSIM_WINDOW:
            raise ValueError(f"{structure_metrics.SSIM_WINDOW} pixels a side are the least, not {image.shape}.")
