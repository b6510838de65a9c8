"""One slice fused as a slice view shows it, fast enough to follow a user who scrolls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import vtk

from .arrays import Array
from .authorization.authorize import Authorization
from .authorization.model_file import SealedModel
from .fusion.balance import balance_gains
from .fusion.devices import AUTOMATIC
from .fusion.engine import FusionEngine
from .fusion.network import MINIMUM_SLICE_SIZE, build_network
from .fusion_job import FusionOptions
from .source_order import is_moving_finer, voxel_spacing
from .volumes.checks import check_inputs
from .volumes.color import faded_chroma
from .volumes.planes import SliceLayout
from .volumes.resampling import PlaneReader, check_boxes_overlap
from .volumes.result import ResultImage
from .volumes.source import ShownValues
from .volumes.view_plane import ViewPlane, grid_on_plane
from .volumes.watch import display_state

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode


@dataclass(frozen=True)
class PreviewedSlice:
    """A fused slice.

    Attributes:
        image: one slice, int16 0..4095, or RGB of uint8.
        ijk_to_ras: where it lies; rows run down in the view that it was made for.
        is_color: whether it is RGB.
    """

    image: vtk.vtkImageData
    ijk_to_ras: vtk.vtkMatrix4x4
    is_color: bool


class SlicePreview:
    """Fuses slices of two volumes on planes of any orientation.

    The network is built once. What of a volume takes time to prepare is kept until that volume, its window or its
    colors change; nothing is kept of a volume's place, so that it may move between two slices. A slice is fused in the
    view's plane and only where there is something of a volume in the view; where a view lies on the reference's voxels
    this is the slice that ``FusionJob`` gives.

    Args:
        model: the model file.
        authorization: what ``authorize`` gave for that model. Without a license the network holds its public
            parameters and draws its mark: there is nothing to switch.
        device: "auto" or a name of ``fusion.devices.available_devices``.

    Raises:
        ValueError: no such device, or a model that does not fit this version.
    """

    def __init__(self, model: SealedModel, authorization: Authorization, device: str = AUTOMATIC) -> None:
        description = model.description
        network = build_network(description.architecture, description.hyperparameters, authorization.parameters)
        self._engine = FusionEngine(network, device)
        self._sources = _Source(), _Source()
        self._order_state: tuple[object, ...] | None = None
        self._is_moving_finer = False

    def fuse(
        self, reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, options: FusionOptions, plane: ViewPlane
    ) -> PreviewedSlice:
        """Fuse what a view shows. Nothing in the scene changes.

        Outside both volumes the result is exactly black, without a license too.

        Args:
            reference, moving: vtkMRMLVolumeNode in a scene.
            options: of these, window, keep_color and balance count; the plane is the view's own.
            plane: what the view shows; not empty.

        Raises:
            VolumeError: volumes that cannot be fused, with a sentence that says what to do.
            ValueError: options that do not exist.
        """
        check_inputs(reference, moving)
        check_boxes_overlap(moving, reference)
        gains = balance_gains(options.balance)
        grid, pixel = grid_on_plane(plane, min(reference.GetSpacing()), MINIMUM_SLICE_SIZE)
        layout = SliceLayout((0, 1, 2), (False,) * 3, (pixel,) * 3, (1, 1))
        slabs = [source.read(node, grid) for source, node in zip(self._sources, (reference, moving))]
        shown = self._sources[0].shown(reference, options), self._sources[1].shown(moving, options)
        state = tuple((_voxels(node), voxel_spacing(node)) for node in (reference, moving))
        if state != self._order_state:
            self._order_state, self._is_moving_finer = state, is_moving_finer(reference, moving)
        result = ResultImage(grid, layout, any(each.is_color for each in shown))
        luma = np.zeros(result.shape, np.float32)
        chroma = np.zeros((*result.shape, 2), np.float32) if result.is_color else None
        inside = _inside(slabs[0]) | _inside(slabs[1])
        part = _part_of_interest(inside)
        if part is not None:
            first, second = (values.of(slab[part]) for values, slab in zip(shown, slabs))
            luma[part] = self._fused(first.luma, second.luma, pixel, gains) * inside[part]
            faded = faded_chroma(first.chroma, second.chroma, gains)
            if chroma is not None and faded is not None:
                chroma[part] = faded * inside[part][..., None]
        result.write(0, luma, chroma)
        matrix = vtk.vtkMatrix4x4()
        grid.GetIJKToRASMatrix(matrix)
        return PreviewedSlice(result.image, matrix, result.is_color)

    def _fused(self, first: Array, second: Array, pixel: float, gains: tuple[float, float]) -> Array:
        """Two slices (1, rows, columns) fused by the network."""
        fused: list[Array] = []
        sources = np.ascontiguousarray(first), np.ascontiguousarray(second)
        for _ in self._engine.fuse(
            lambda _start, _stop: sources, lambda _start, slices: fused.append(slices), first.shape, (pixel,) * 3,
            gains=gains, takes_second_first=self._is_moving_finer,
        ):  # fmt: skip
            pass
        return fused[0]


class _Source:
    """What is kept of one volume from slice to slice."""

    def __init__(self) -> None:
        self._reader: PlaneReader | None = None
        self._shown: ShownValues | None = None
        self._reader_state: tuple[object, ...] | None = None
        self._shown_state: tuple[object, ...] | None = None

    def read(self, node: vtkMRMLVolumeNode, grid: vtkMRMLVolumeNode) -> Array:
        """The volume's values on a grid, (1, rows, columns[, components]), NaN outside of it."""
        state = _voxels(node)
        if self._reader is None or self._reader_state != state:
            self._reader, self._reader_state = PlaneReader(node), state
        self._reader.move_to(grid)
        return self._reader.read(0, 0, 1)

    def shown(self, node: vtkMRMLVolumeNode, options: FusionOptions) -> ShownValues:
        """Its window and colors."""
        state = (_voxels(node), display_state(node), options.window, options.keep_color)
        if self._shown is None or self._shown_state != state:
            self._shown, self._shown_state = ShownValues(node, options.window, options.keep_color), state
        return self._shown


def _voxels(node: vtkMRMLVolumeNode) -> tuple[object, ...]:
    """Equal as long as the volume holds the same voxels."""
    return node, node.GetImageData(), node.GetImageData().GetMTime()


def _inside(slab: Array) -> Array:
    """Where a volume is in a slice (1, rows, columns[, components]) of it."""
    return ~np.isnan(slab if slab.ndim == 3 else slab[..., 0])


def _part_of_interest(inside: Array) -> tuple[slice, slice, slice] | None:
    """The part of a slice around what is to be seen, large enough for the network, or None where there is nothing.

    Fused alone, it is what it would be in a volume that ends there.

    Args:
        inside: (1, rows, columns) bool, at least ``MINIMUM_SLICE_SIZE`` in both directions.
    """
    if not inside.any():
        return None
    return slice(0, 1), _span(inside[0].any(axis=1)), _span(inside[0].any(axis=0))


def _span(filled: Array) -> slice:
    """From the first to the last True, or more where that is too little for the network."""
    found = np.flatnonzero(filled)
    start = min(int(found[0]), len(filled) - MINIMUM_SLICE_SIZE)
    return slice(start, max(int(found[-1]) + 1, start + MINIMUM_SLICE_SIZE))
