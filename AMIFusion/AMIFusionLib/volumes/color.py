"""Colors of volumes, and color images as one luma and two chroma channels (YCbCr of ITU-R BT.601, full range)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from AMIFusionLib.arrays import Array

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_LEAST_SHARE = 0.5
"""Of the chroma, kept at any luma: without it activity over white would be white, as the hottest is in many tables."""

_NO_COLOR = 1e-6
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
    """The inverse of ``luma`` and ``chroma``; what no screen can show is paler, then brighter or darker.

    Cutting off what is beyond 0..1 would change the hue, which tells how strong an activity is. So a color that has no
    room at its luma loses up to half of its chroma first, and only then as much luma as it needs.

    Args:
        y: (...) float32 in 0..1.
        cb_cr: (..., 2) float32, of colors in 0..1 or paler ones.

    Returns:
        (..., 3) float32 in 0..1, but for rounding.
    """
    red = y + 2 * (1 - _RED) * cb_cr[..., 1]
    blue = y + 2 * (1 - _BLUE) * cb_cr[..., 0]
    green = (y - _RED * red - _BLUE * blue) / _GREEN
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    rgb = np.stack([red, green, blue], axis=-1, dtype=np.float32)
    # Few do not fit, so that looking for them costs less than fitting all.
    misfits = np.flatnonzero((highest > 1) | (lowest < 0))
    colors, ends = rgb.reshape(-1, 3), (np.take(extreme, misfits) for extreme in (highest, lowest))
    colors[misfits] = _fitting(np.take(y, misfits), colors[misfits], *ends)
    return rgb


def _fitting(y: Array, rgb: Array, highest: Array, lowest: Array) -> Array:
    """Colors (n, 3) beyond 0..1 with less chroma, and as near to their luma (n,) as the least of it leaves room.

    Args:
        y, rgb: luma and colors.
        highest, lowest: the largest and the smallest channel of each, (n,).
    """
    above, below = np.maximum(highest - y, _NO_COLOR), np.maximum(y - lowest, _NO_COLOR)
    share = np.clip(np.minimum((1 - y) / above, y / below), _LEAST_SHARE, 1)
    shown = np.minimum(np.maximum(y, share * below), 1 - share * above)
    fitting: Array = share[:, None] * rgb + (shown - share * y)[:, None]
    return fitting


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
