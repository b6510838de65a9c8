"""Volumes as DICOM series of single-frame images, which every viewer stacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from AMIFusionLib.arrays import Array

from .errors import DicomError
from .stacking import LPS_TO_RAS

_MOST_SLICES = 9999
_NEGLIGIBLE = 1e-3
"""Part of a direction along an axis that no letter names."""

_PIXEL_TYPES = (np.uint8, np.int16, np.uint16)


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The voxels of a series to write.

    Attributes:
        array: (slice, row, column) uint8, int16 or uint16, or (slice, row, column, 3) uint8 RGB.
        ijk_to_ras: 4 x 4; takes (column, row, slice, 1) to RAS millimeters.
        window: (low, high), shown black and white; None for color.
        bits: stored for each sample; None takes those of the type.
    """

    array: Array
    ijk_to_ras: Array
    window: tuple[float, float] | None = None
    bits: int | None = None

    @property
    def is_color(self) -> bool:
        """Whether its voxels are RGB."""
        return self.array.ndim == 4


def write_series(
    folder: Path, stack: SliceStack, common: Dataset, of_slice: Callable[[int], Dataset] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Write a series, a file for each slice, with new UIDs.

    Args:
        folder: an empty folder.
        stack: the voxels.
        common: what all images share: SOP class, identity, series, equipment. UIDs of series and images are made here.
        of_slice: what only a slice has, by its index, such as its sources.
        advance: called after each slice.

    Returns:
        How many files were written.

    Raises:
        DicomError: a type of voxels, or a number of slices, that a series cannot hold.
        OSError: a file cannot be written.
    """
    _check(stack)
    series_uid, now = generate_uid(prefix=None), datetime.now()
    for index in range(len(stack.array)):
        image = copy.deepcopy(common)
        image.SeriesInstanceUID, image.SOPInstanceUID = series_uid, generate_uid(prefix=None)
        image.InstanceNumber = index + 1
        for kind in ("Series", "Content", "InstanceCreation"):
            setattr(image, f"{kind}Date", f"{now:%Y%m%d}")
            setattr(image, f"{kind}Time", f"{now:%H%M%S.%f}")
        _add_plane(image, stack, index)
        _add_pixels(image, stack, index)
        if of_slice is not None:
            image.update(of_slice(index))
        _save(image, folder / f"{index + 1:04}.dcm")
        advance()
    return len(stack.array)


def _check(stack: SliceStack) -> None:
    if len(stack.array) > _MOST_SLICES:
        raise DicomError(f"A series of {len(stack.array)} slices is too long. Write NRRD or NIfTI instead.")
    if stack.array.dtype not in _PIXEL_TYPES or (stack.is_color and stack.array.dtype != np.uint8):
        raise DicomError(f"A DICOM series cannot hold voxels of the type {stack.array.dtype}. Write NRRD instead.")


def _add_plane(image: Dataset, stack: SliceStack, index: int) -> None:
    """The modules Image Plane (PS3.3 C.7.6.2) and VOI LUT (C.11.2)."""
    matrix = LPS_TO_RAS @ stack.ijk_to_ras
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    across, down = matrix[:3, 0] / spacing[0], matrix[:3, 1] / spacing[1]
    normal = np.cross(across, down)
    position = matrix[:3, 3] + index * matrix[:3, 2]
    # Between the planes: under a tilted gantry slices also shift sideways.
    gap = abs(float(matrix[:3, 2] @ normal))
    image.ImagePositionPatient = [_decimal(value) for value in position]
    image.ImageOrientationPatient = [_decimal(value) for value in (*across, *down)]
    image.PatientOrientation = [_letters(across), _letters(down)]
    image.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    image.SliceThickness = image.SpacingBetweenSlices = _decimal(gap)
    image.SliceLocation = _decimal(float(position @ normal))
    if stack.window is not None:
        low, high = stack.window
        image.WindowCenter, image.WindowWidth = _decimal((low + high) / 2), _decimal(high - low)
        # The default function shows center + width / 2 - 1 white, which is much less where values are SUV.
        image.VOILUTFunction = "LINEAR_EXACT"


def _add_pixels(image: Dataset, stack: SliceStack, index: int) -> None:
    """The module Image Pixel (PS3.3 C.7.6.3)."""
    pixels = np.ascontiguousarray(stack.array[index])
    image.Rows, image.Columns = pixels.shape[:2]
    image.SamplesPerPixel = 3 if stack.is_color else 1
    image.PhotometricInterpretation = "RGB" if stack.is_color else "MONOCHROME2"
    if stack.is_color:
        image.PlanarConfiguration = 0
    image.BitsAllocated = 8 * pixels.dtype.itemsize
    image.BitsStored = stack.bits or image.BitsAllocated
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    content = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    image.add_new("PixelData", "OB" if image.BitsAllocated == 8 else "OW", content + b"\0" * (len(content) % 2))


def _save(image: Dataset, path: Path) -> None:
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)


def _letters(direction: Array) -> str:
    """Where a direction goes, the most important letter first: left, posterior, head or right, anterior, foot."""
    letters = ["LPH"[axis] if direction[axis] > 0 else "RAF"[axis] for axis in range(3)]
    axes = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(letters[axis] for axis in axes if abs(direction[axis]) > _NEGLIGIBLE)


def _decimal(value: float) -> str:
    """A decimal string (VR DS), of which 16 characters are all there is room for."""
    for digits in range(15, 5, -1):
        text = f"{round(float(value), 11) + 0.0:.{digits}g}"
        if len(text) <= 16:
            return text
    raise DicomError(f"The number {value} does not fit into a DICOM attribute.")
