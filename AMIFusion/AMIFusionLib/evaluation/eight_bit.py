"""Images as the published measures count them: 8-bit gray values."""

from __future__ import annotations

import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.volumes.color import luma


def eight_bit(image: Array) -> Array:
    """Gray values 0..255 of an image in 0..1.

    Args:
        image: any shape, float; values outside 0..1 are clipped.

    Returns:
        The same shape, uint8, rounded to the nearest, halves to the even value.
    """
    scaled = 255 * np.clip(np.asarray(image, dtype=np.float64), 0, 1)
    # Half of all pixels of an average lie at .5, where float noise would decide: that alone moves the entropy by 0.4%.
    return np.rint(np.round(scaled, 3)).astype(np.uint8)


def eight_bit_luma(image: Array) -> Array:
    """The luma of a color image (ITU-R BT.601) rounded to gray values, gray as it is.

    Pillow's conversion, made with whole numbers, differs by one in about 1 of 1000 pixels; of the reference values some
    come from it and some do not, and all are met to a relative 1e-4 either way.

    Args:
        image: (rows, columns) or (rows, columns, 3) uint8.

    Returns:
        (rows, columns) uint8.

    Raises:
        ValueError: not 8-bit, or another shape.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(f"An 8-bit gray or RGB image is needed, not {image.dtype} of shape {image.shape}.")
    return image if image.ndim == 2 else np.rint(luma(image)).astype(np.uint8)
