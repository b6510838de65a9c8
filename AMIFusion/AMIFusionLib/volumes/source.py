"""A volume as the network sees it: upright slices of luma in 0..1, and of chroma where it is in color."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from AMIFusionLib.arrays import Array

from .checks import is_color_image
from .color import chroma, color_table_of, luma
from .intensity import IntensityWindow, window_of
from .planes import SliceLayout
from .resampling import reader_for

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode


@dataclass(frozen=True)
class SourceSlices:
    """Some slices of one source.

    Attributes:
        luma: (n, rows, columns) float32 in 0..1.
        chroma: (n, rows, columns, 2) float32 in plus or minus 0.5, or None for a gray source.
    """

    luma: Array
    chroma: Array | None


class ShownValues:
    """A volume's values as the user sees them: in a window, and in color where they are shown so.

    Args:
        node: a checked vtkMRMLVolumeNode.
        window: one of ``intensity.WINDOW_CHOICES``, or a window of its own.
        keep_color: whether a colored volume gives chroma. Without it, an RGB volume counts by its luma and one with a
            color table by its own values.

    Attributes:
        window: the values that become 0..1.
        is_color: whether there is chroma.
    """

    def __init__(self, node: vtkMRMLVolumeNode, window: str | IntensityWindow, keep_color: bool) -> None:
        self.window = window if isinstance(window, IntensityWindow) else window_of(node, window)
        self._table = None if is_color_image(node) else color_table_of(node)
        self._has_components = is_color_image(node)
        self._keep_color = keep_color
        self.is_color = keep_color and (self._has_components or self._table is not None)

    def of(self, slab: Array) -> SourceSlices:
        """Values (n, rows, columns[, components]) as the network sees them."""
        values = self.window.normalize(slab)
        if self._table is not None and self._keep_color:
            values = self._table[np.rint(values * (len(self._table) - 1)).astype(np.intp)]
        elif not self._has_components:
            return SourceSlices(values, None)
        return SourceSlices(luma(values), chroma(values) if self.is_color else None)


class VolumeSource:
    """Slices of one volume on the reference's grid.

    Args:
        node: a checked vtkMRMLVolumeNode.
        reference: the volume whose grid counts.
        layout: how the reference is cut.
        window, keep_color: as ``ShownValues`` takes them.

    Attributes:
        shown: the volume's window and colors.

    Raises:
        NoOverlapError: nothing of the volume lies within the reference.
    """

    def __init__(
        self,
        node: vtkMRMLVolumeNode,
        reference: vtkMRMLVolumeNode,
        layout: SliceLayout,
        window: str | IntensityWindow,
        keep_color: bool,
    ) -> None:
        self._layout = layout
        self.shown = ShownValues(node, window, keep_color)
        self._reader = reader_for(node, reference)

    @property
    def is_color(self) -> bool:
        """Whether slices come with chroma."""
        return self.shown.is_color

    def read(self, start: int, stop: int) -> SourceSlices:
        """Slices ``start`` to ``stop`` of the layout."""
        return self.shown.of(self._layout.view(self._reader.read(self._layout.axes[0], start, stop)))
