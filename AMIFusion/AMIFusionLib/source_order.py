"""In which order the network takes two volumes; the user's order decides the result's grid alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arrays import Array
from .fusion import fineness
from .volumes.source import ShownValues, shown_slices

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode


def is_moving_finer(
    reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, shown: tuple[ShownValues, ShownValues]
) -> bool:
    """Whether the moving volume is drawn finer than the reference, each on its own grid: see ``fusion.fineness``.

    Args:
        reference, moving: checked vtkMRMLVolumeNode.
        shown: the window and colors of both.
    """
    first, second = (_sampled(node, values) for node, values in zip((reference, moving), shown))
    return fineness.is_second_finer(first, second, _pixel_spacing(reference), _pixel_spacing(moving))


def _sampled(node: vtkMRMLVolumeNode, shown: ShownValues) -> Array:
    count = node.GetImageData().GetDimensions()[2]
    return shown_slices(node, shown, fineness.sampled_slices(count))


def _pixel_spacing(node: vtkMRMLVolumeNode) -> tuple[float, float]:
    columns, rows, _slices = node.GetSpacing()
    return rows, columns
