"""Intensity windows: which range of a volume's values becomes 0..1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.util import arrayFromVolume

from AMIFusionLib.arrays import Array
from AMIFusionLib.value_range import value_range

from ..translation import tr as _
from .errors import VolumeError

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

WINDOW_FROM_DISPLAY = "display"
WINDOW_FROM_PERCENTILES = "percentiles"
WINDOW_CHOICES = (WINDOW_FROM_DISPLAY, WINDOW_FROM_PERCENTILES)

_FAR_FROM_ZERO = 16
"""How many of its own widths a window may lie from zero to be computed in float32: a shift then costs 1e-6 at most."""


@dataclass(frozen=True)
class IntensityWindow:
    """Values from ``low`` (shown black) to ``high`` (shown white).

    Raises:
        VolumeError: limits that are not finite, or further apart than any number: all values would become one.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.high - self.low):
            sentence = _("A window from {low:g} to {high:g} shows nothing. Give two finite numbers.")
            raise VolumeError(sentence.format(low=self.low, high=self.high))

    def normalize(self, values: Array) -> Array:
        """Map values to 0..1 as float32; beyond the window they are clipped, NaN becomes 0."""
        precision = self._precision(values.dtype)
        scaled: Array = np.subtract(values, precision(self.low), dtype=precision)
        scaled /= precision(self.high - self.low)
        # Of NaN and a number fmax takes the number. In place: a copy of a slice costs as much as its windowing.
        np.fmax(scaled, 0, out=scaled)
        np.fmin(scaled, 1, out=scaled)
        return scaled.astype(np.float32, copy=False)

    def _precision(self, dtype: np.dtype[Any]) -> type:
        """Single precision where it tells values and window apart: it cannot tell 16777217 from 16777216."""
        is_near = max(abs(self.low), abs(self.high)) <= _FAR_FROM_ZERO * (self.high - self.low)
        return np.float32 if is_near and np.can_cast(dtype, np.float32) else np.float64


def check_window(low: float, high: float) -> None:
    """Refuse limits that somebody chose, but that show nothing.

    Raises:
        ValueError: they are not in this order, or not finite.
    """
    if not low < high:
        sentence = _("A window from {low:g} to {high:g} shows nothing. Give the lower value first.")
        raise ValueError(sentence.format(low=low, high=high))
    IntensityWindow(low, high)


def window_of(node: vtkMRMLVolumeNode, choice: str) -> IntensityWindow:
    """The window of a volume.

    Args:
        node: a checked vtkMRMLVolumeNode.
        choice: one of ``WINDOW_CHOICES``. "display" takes what the user sees; where there is no display node, or one
            without a window, percentiles take its place.

    Raises:
        ValueError: another choice.
        VolumeError: the display's window is not finite.
    """
    if choice not in WINDOW_CHOICES:
        raise ValueError(
            _("'{choice}' is no intensity window. Choose one of: {choices}.").format(
                choice=choice, choices=", ".join(WINDOW_CHOICES)
            )
        )
    displayed = _displayed_window(node) if choice == WINDOW_FROM_DISPLAY else None
    return displayed or _percentile_window(arrayFromVolume(node))


def _displayed_window(node: vtkMRMLVolumeNode) -> IntensityWindow | None:
    image, display = node.GetImageData(), node.GetVolumeDisplayNode()
    is_8_bit_color = image.GetNumberOfScalarComponents() > 1 and image.GetScalarTypeAsString() == "unsigned char"
    if is_8_bit_color and (display is None or display.GetAutoWindowLevel()):
        # Bytes are colors already; a window found from their histogram would change them.
        return IntensityWindow(0, 255)
    if display is None or not hasattr(display, "GetWindow") or not display.GetWindow() > 0:
        return None
    half = display.GetWindow() / 2
    return IntensityWindow(display.GetLevel() - half, display.GetLevel() + half)


def _percentile_window(array: Array) -> IntensityWindow:
    low, high = value_range(array)
    return IntensityWindow(low, high if high > low else low + 1)
