"""A fusion's result as a derived DICOM series, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import vtk
from pydicom.dataset import Dataset
from slicer.util import arrayFromVolume, arrayFromVTKMatrix

from . import __version__
from .arrays import Array
from .authorization.model_file import ModelDescription
from .dicom.derivation import Derivation, contributing, derived_series, source_items
from .dicom.identity import PlaceholderPatient
from .dicom.reading import DicomVolume
from .dicom.writing import SliceStack, write_series
from .volumes.checks import is_color_image
from .volumes.files import LoadedVolume, ijk_to_ras_of
from .volumes.result import ATTRIBUTE_PREFIX, SCALAR_MAXIMUM, is_licensed

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

UNLICENSED = "UNLICENSED"
"""Begins the description of a marked result's series, as viewers list it."""

_SAME_GRID = 1e-3
"""Millimeters that two grids may differ by."""


@dataclass(frozen=True)
class FusedSeries:
    """A result and what it was made from.

    Attributes:
        result: the vtkMRMLVolumeNode that a fusion made.
        reference, moving: its sources.
        model: of the network.
        patient: whose images these are where the reference is no DICOM.
    """

    result: vtkMRMLVolumeNode
    reference: LoadedVolume
    moving: LoadedVolume
    model: ModelDescription
    patient: PlaceholderPatient

    def write(self, folder: Path, advance: Callable[[], None] = lambda: None) -> int:
        """Write the series.

        Args:
            folder: an empty one.
            advance: called after each slice.

        Returns:
            How many files were written.

        Raises:
            DicomError: a result that a series cannot hold.
            OSError: a file cannot be written.
        """
        is_color = is_color_image(self.result)
        common = derived_series(self.reference.dicom, self.moving.dicom, self._derivation(), is_color)
        return write_series(folder, self._stack(is_color), common, self._sources, advance)

    def _stack(self, is_color: bool) -> SliceStack:
        array, matrix = arrayFromVolume(self.result), ijk_to_ras_of(self.result)
        if is_color:
            return SliceStack(array, matrix)
        return SliceStack(array.astype(np.uint16), matrix, (0, SCALAR_MAXIMUM), SCALAR_MAXIMUM.bit_length())

    def _derivation(self) -> Derivation:
        names = [source.node.GetName() for source in (self.reference, self.moving)]
        is_clean = is_licensed(self.result)
        hash_ = self.result.GetAttribute(f"{ATTRIBUTE_PREFIX}ModelSHA256") or ""
        state = (
            "Licensed result, without a mark."
            if is_clean
            else f"{UNLICENSED} result: made without a license, degraded and visibly marked by the model."
        )
        return Derivation(
            f"{'' if is_clean else UNLICENSED + ' '}AMIFusion {names[0]} + {names[1]}",
            f"{state} Fused from '{names[0]}' and '{names[1]}' by AMIFusion {__version__} with the model "
            f"'{self.model.title}' ({self.model.model_id}, SHA-256 {hash_[:16]}). Values have no unit. "
            "Not for diagnosis.",
            ("AMIFusion", __version__),
            self.patient,
            is_marked=not is_clean,
        )

    def _sources(self, index: int) -> Dataset:
        """References of a slice to the frames that it was made from."""
        reference, moving = self.reference.dicom, self.moving.dicom
        # The result has the reference's grid, so that its slices are those of the reference.
        own = [reference.frames[index]] if reference is not None else []
        if moving is None:
            return source_items(own, [], False)
        to_world = _to_world(self.moving.node)
        if to_world is None:
            return source_items(own, moving.frames, False)
        shape = self.result.GetImageData().GetDimensions()[::-1]
        grid = ijk_to_ras_of(self.result)
        used = contributing(grid, shape, index, moving, to_world)
        return source_items(own, [moving.frames[at] for at in used], _is_same(grid, shape, moving, to_world))


def _to_world(node: vtkMRMLVolumeNode) -> Array | None:
    """4 x 4 of the transforms above a volume, None where they bend space."""
    parent, matrix = node.GetParentTransformNode(), vtk.vtkMatrix4x4()
    if parent is not None and not parent.GetMatrixTransformToWorld(matrix):
        return None
    to_world: Array = arrayFromVTKMatrix(matrix)
    return to_world


def _is_same(grid: Array, shape: Sequence[int], moving: DicomVolume, to_world: Array) -> bool:
    return moving.array.shape[:3] == tuple(shape) and np.allclose(to_world @ moving.ijk_to_ras, grid, atol=_SAME_GRID)
