"""A picture of a fusion: sources and results side by side, a row for each of some slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from AMIFusionLib.arrays import Array
from AMIFusionLib.volumes.color import rgb_from_luma_and_chroma
from AMIFusionLib.volumes.intensity import WINDOW_FROM_DISPLAY
from AMIFusionLib.volumes.planes import ACQUISITION, slice_layout
from AMIFusionLib.volumes.source import VolumeSource

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

SHOWN_AT = (0.35, 0.48, 0.62)
"""Where in the stack slices are taken unless told otherwise."""

_GAP = 4


def comparison_picture(
    reference: vtkMRMLVolumeNode,
    moving: vtkMRMLVolumeNode,
    results: Sequence[vtkMRMLVolumeNode],
    shown_at: Sequence[float] = SHOWN_AT,
) -> Image.Image:
    """Show slices of two volumes and of what was made from them, at the true aspect ratio.

    Args:
        reference, moving: the sources, vtkMRMLVolumeNode.
        results: vtkMRMLVolumeNode on the reference's grid.
        shown_at: where in the stack the slices are taken, 0..1.

    Returns:
        An RGB picture: a row for each slice, columns reference, moving and the results in order.
    """
    layout = slice_layout(reference, ACQUISITION)
    sources = [
        VolumeSource(node, reference, layout, WINDOW_FROM_DISPLAY, keep_color=True)
        for node in (reference, moving, *results)
    ]
    count = layout.view(np.empty(reference.GetImageData().GetDimensions()[::-1], np.bool_)).shape[0]
    rows = []
    for share in shown_at:
        index = min(count - 1, int(share * count))
        rows.append(_beside([_slice_picture(source, index) for source in sources], axis=1))
    stacked = Image.fromarray(_beside(rows, axis=0))
    down, across = (spacing / min(layout.pixel_spacing) for spacing in layout.pixel_spacing)
    return stacked.resize((round(stacked.width * across), round(stacked.height * down)), Image.Resampling.BICUBIC)


def _slice_picture(source: VolumeSource, index: int) -> Array:
    """(rows, columns, 3) uint8."""
    slices = source.read(index, index + 1)
    chroma = np.zeros((*slices.luma.shape, 2), np.float32) if slices.chroma is None else slices.chroma
    picture: Array = np.rint(255 * rgb_from_luma_and_chroma(slices.luma, chroma)[0])
    return picture.astype(np.uint8)


def _beside(pictures: list[Array], axis: int) -> Array:
    shape = list(pictures[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=axis)
