"""What a reader needs and the usual measures miss: the hue of activity, and lesions that stand out."""

from __future__ import annotations

import numpy as np
from skimage import color

from AMIFusionLib.arrays import Array

_COLORED = 10.0
_HUE_LOST = 90.0
"""Degrees for a pixel without color: the mean error of a hue drawn at random."""


def hue_error(source: Array, fused: Array, least_chroma: float = _COLORED) -> float:
    """How far the hue is off where the source shows activity.

    The mean angle between the two hues in CIELAB (CIE 15:2004, D65; by scikit-image) over the pixels where the source
    has color. A fused pixel that lost its color counts 90 degrees.

    Args:
        source: (rows, columns, 3) uint8 sRGB; what shows activity in color, for example PET with its color table.
        fused: the same.
        least_chroma: the chroma C*ab from which a pixel of the source counts as colored, and from a tenth of which one
            of the fused image does. By default 10, clearly visible against gray.

    Returns:
        Degrees, 0..180; not a number where the source has no color at all.

    Raises:
        ValueError: not 8-bit RGB, or of different shapes.
    """
    for image in (source, fused):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.shape != source.shape:
            raise ValueError(f"Two 8-bit RGB images of one shape are needed, not {image.dtype} of shape {image.shape}.")
    # a* and b* as one complex number: its size is the chroma, its angle the hue.
    expected, found = (color.rgb2lab(image)[..., 1:] @ [1, 1j] for image in (source, fused))
    active = np.abs(expected) >= least_chroma
    if not active.any():
        return float("nan")
    degrees = np.abs(np.degrees(np.angle(found * np.conj(expected))))
    return float(np.mean(np.where(np.abs(found) >= least_chroma / 10, degrees, _HUE_LOST)[active]))


def contrast_to_noise(image: Array, lesion: Array, surroundings: Array) -> float:
    """How clearly a lesion stands out of its surroundings.

    The difference of both means over the standard deviation in the surroundings, without sign (J. T. Bushberg et al.,
    "The Essential Physics of Medical Imaging", 3rd edition, section 4.9).

    Args:
        image: any shape, any unit.
        lesion, surroundings: bool masks of the same shape.

    Returns:
        0 and up; infinite for a contrast against flat surroundings, not a number for none against flat ones.

    Raises:
        ValueError: the shapes differ or a mask is empty.
    """
    if not image.shape == lesion.shape == surroundings.shape:
        raise ValueError(f"Image and masks differ in shape: {image.shape}, {lesion.shape}, {surroundings.shape}.")
    if not (lesion.any() and surroundings.any()):
        raise ValueError("The mask of the lesion or of its surroundings is empty.")
    image = np.asarray(image, dtype=np.float64)
    contrast, noise = abs(image[lesion].mean() - image[surroundings].mean()), image[surroundings].std()
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(contrast, noise))


def kept_contrast_to_noise(source: Array, fused: Array, lesion: Array, surroundings: Array) -> float:
    """A lesion's contrast-to-noise in the fused image over that in the source which shows it.

    1 is kept, less is drowned, more stands out better. Arguments and errors as of ``contrast_to_noise``; source and
    fused image may have different units. Not a number where the source does not show the lesion.
    """
    shown, kept = (contrast_to_noise(image, lesion, surroundings) for image in (source, fused))
    return kept / shown if shown else float("nan")
