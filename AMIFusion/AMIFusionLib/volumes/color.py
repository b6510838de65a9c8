"""Colors of volumes, and color images as one luma and two chroma channels (YCbCr of ITU-R BT.601, full range)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from AMIFusionLib.arrays import Array

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_LEAST_COLOR = 1e-6
"""Difference of a channel from the luma that no screen shows."""

_TABLE_SIZE = 256
_GRAY_TOLERANCE = 0.02
"""Largest difference between a gray's red, green and blue: color tables are often rounded to 8 bits and then some."""


def luma(rgb: Array) -> Array:
    """Y of an RGB(A) image.

    Args:
        rgb: (..., 3 or 4) in any one range; alpha is ignored.

    Returns:
        (...) float32 in the same range.
    """
    return rgb[..., :3].astype(np.float32, copy=False) @ np.array([_RED, _GREEN, _BLUE], dtype=np.float32)


def chroma(rgb: Array) -> Array:
    """Cb and Cr of an RGB(A) image, 0 for gray.

    Args:
        rgb: (..., 3 or 4) in any one range; alpha is ignored.

    Returns:
        (..., 2) float32 in plus or minus half of that range.
    """
    y = luma(rgb)
    cb_cr = np.empty((*y.shape, 2), np.float32)
    for channel, component, weight in ((0, 2, _BLUE), (1, 0, _RED)):
        np.subtract(rgb[..., component], y, out=cb_cr[..., channel])
        cb_cr[..., channel] /= 2 * (1 - weight)
    return cb_cr


def rgb_from_luma_and_chroma(y: Array, cb_cr: Array) -> Array:
    """The inverse of ``luma`` and ``chroma``, with less color where no screen could show as much at that luma.

    Cutting off what is beyond 0..1 would change the hue, and the luma, which is what was fused.

    Args:
        y: (...) float32 in 0..1.
        cb_cr: (..., 2) float32.

    Returns:
        (..., 3) float32 in 0..1, but for rounding.
    """
    # Channel by channel and in place: on pixels of three values, or with fresh memory, each step takes twice as long.
    red, blue = 2 * (1 - _RED) * cb_cr[..., 1], 2 * (1 - _BLUE) * cb_cr[..., 0]
    green = (-_RED / _GREEN) * red
    green -= (_BLUE / _GREEN) * blue
    share, extreme = np.ones_like(y), np.empty_like(y)
    # How far channels may rise above the luma, and fall below it; no chroma fits at any luma.
    for room, sign, further in ((1 - y, 1, np.maximum), (y, -1, np.minimum)):
        further(further(red, green, out=extreme), blue, out=extreme)
        extreme *= sign
        np.maximum(extreme, _LEAST_COLOR, out=extreme)
        np.minimum(share, np.divide(room, extreme, out=extreme), out=share)
    rgb = np.empty((*y.shape, 3), np.float32)
    for channel, offset in enumerate((red, green, blue)):
        offset *= share
        np.add(y, offset, out=rgb[..., channel])
    return rgb


def faded_chroma(reference: Array | None, moving: Array | None, gains: tuple[float, float]) -> Array | None:
    """The colors of a fusion of two sources that show more or less strongly.

    The moving volume is the functional one by convention, so its colors win where both have some; the reference's
    come through as far as the moving volume fades.

    Args:
        reference, moving: chroma of the sources, (..., 2), or None for a gray one.
        gains: how strongly they show, 0..1.

    Returns:
        (..., 2), or None where both are gray.
    """
    if moving is None:
        return _faded(reference, gains[0])
    if reference is None or gains[1] == 1:
        return _faded(moving, gains[1])
    return gains[1] * moving + gains[0] * (1 - gains[1]) * reference


def color_table_of(node: vtkMRMLScalarVolumeNode) -> Array | None:
    """The colors that a scalar volume is displayed with.

    Gray tables, inverted ones too, give None: the volume's own values are what should be fused, and air stays black.

    Args:
        node: vtkMRMLScalarVolumeNode.

    Returns:
        (256, 3) float32 in 0..1, from the window's low to its high end, or None where there is no color.
    """
    display = node.GetVolumeDisplayNode()
    color_node = display.GetColorNode() if display is not None else None
    colors = color_node.GetScalarsToColors() if color_node is not None else None
    if colors is None:
        return None
    low, high = colors.GetRange()
    table, color = np.empty((_TABLE_SIZE, 3), np.float32), [0.0, 0.0, 0.0]
    for index, value in enumerate(np.linspace(low, high, _TABLE_SIZE)):
        colors.GetColor(value, color)
        table[index] = color
    is_gray = np.ptp(table, axis=1).max() < _GRAY_TOLERANCE
    return None if is_gray else table


def _faded(chroma: Array | None, gain: float) -> Array | None:
    return chroma if chroma is None or gain == 1 else gain * chroma
