"""DICOM series and multi-frame files as volumes.

Not by GDCM, as ITK calls it: it takes the value type of a whole series from its first slice, so that a PET series
whose first slope is a whole number loses what lies between whole numbers, and it gives all frames of an enhanced image
the first one's rescale and stacks them in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, iter_pixels

from AMIFusionLib.arrays import Array
from AMIFusionLib.memory_shortage import check_memory

from .errors import DicomError, parsing, printable
from .frames import Frame, frames_of
from .series import chosen_series
from .stacking import stacked

_INTEGERS = (np.uint8, np.int16, np.uint16, np.int32)
"""Types for whole values, the first that holds them all is taken."""

_COPIES = 2
"""How many times the voxels are in memory: as an array, and in the node that is made of it."""


@dataclass(frozen=True, eq=False)
class DicomVolume:
    """A volume that was read from DICOM.

    Attributes:
        array: (slice, row, column) modality values or (slice, row, column, 3) RGB: whole numbers where all are, else
            float32.
        ijk_to_ras: 4 x 4; takes (column, row, slice, 1) to RAS millimeters. Sheared where the gantry was tilted.
        frames: of the slices, in their order, for references to them.
        window: (low, high) to show it with, or None.
    """

    array: Array = field(repr=False)
    ijk_to_ras: Array
    frames: tuple[Frame, ...] = field(repr=False)
    window: tuple[float, float] | None

    @property
    def header(self) -> Dataset:
        """The first slice's dataset."""
        return self.frames[0].image

    @property
    def modality(self) -> str:
        """DICOM's word, "PT" for example."""
        return str(self.header.get("Modality") or "")

    @property
    def description(self) -> str:
        """What the series is called."""
        return str(self.header.get("SeriesDescription") or self.header.get("ProtocolName") or self.modality)


def are_same_frames(one: DicomVolume | None, other: DicomVolume | None) -> bool:
    """Whether two volumes are of the same slices, by their UIDs; none, or none with UIDs, are not."""
    if one is None or other is None:
        return False
    named, named_too = (
        [(str(frame.image.get("SOPInstanceUID") or ""), frame.index) for frame in each.frames] for each in (one, other)
    )
    return named == named_too and all(uid for uid, _index in named)


def read_dicom(path: Path, choice: str = "") -> DicomVolume:
    """Read a folder's series, or one file with all its frames.

    Args:
        path: a folder, also of several series, or a DICOM file.
        choice: which series of a folder, as ``chosen_series`` takes it.

    Raises:
        DicomError: no volume, several series, or a compression that cannot be undone here.
        MemoryError: by its headers the volume does not fit into memory; no pixel was read.
        OSError: a file cannot be read.
    """
    files = chosen_series(path, choice).files if path.is_dir() else (path,)
    return volume_of([_read(file) for file in files], str(path))


def volume_of(images: Sequence[Dataset], name: str = "The series") -> DicomVolume:
    """Stack the frames of a series' images.

    Args:
        images: datasets with pixels, or as read from files without them; in any order.
        name: of the series, for messages.

    Raises:
        DicomError: as ``read_dicom``.
    """
    frames: list[Frame] = []
    for image in images:
        with parsing(getattr(image, "filename", None) or name):
            frames.extend(frames_of(image))
    if not frames:
        raise DicomError(f"{name} holds no images. Get a whole copy of it.")
    with parsing(name):
        frames, matrix = stacked(frames, name)
        return DicomVolume(_voxels(frames), matrix, tuple(frames), frames[len(frames) // 2].window)


def _read(file: Path) -> Dataset:
    with parsing(file):
        # Pixels stay on the disk until they are asked for, so that a series is in memory only once.
        return dcmread(file, stop_before_pixels=True)


def _voxels(frames: Sequence[Frame]) -> Array:
    """(slice, row, column[, component]) modality values."""
    check_memory(_COPIES * _size(frames))
    voxels: Array | None = None
    for start, run in _runs(frames):
        for offset, pixels in enumerate(_pixels(run)):
            frame = run[offset]
            if voxels is None:
                dtype = pixels.dtype if pixels.ndim == 3 else _value_type(frames)
                voxels = np.empty((len(frames), *pixels.shape), dtype)
            if voxels.shape[1:] != pixels.shape:
                raise DicomError("Some slices are in color and some are not. Choose another series.")
            voxels[start + offset] = pixels if pixels.ndim == 3 else _modality_values(pixels, frame, voxels.dtype)
    if voxels is None:
        raise DicomError("The images hold no pixels. Get a whole copy of them.")
    return voxels


def _size(frames: Sequence[Frame]) -> int:
    """Bytes of the voxels, as the first frame's header has it."""
    image = frames[0].image
    pixels = len(frames) * int(image.get("Rows") or 0) * int(image.get("Columns") or 0)
    if image.get("PhotometricInterpretation") == "PALETTE COLOR":
        return 3 * pixels
    samples = int(image.get("SamplesPerPixel") or 1)
    if samples == 1:
        return pixels * _value_type(frames).itemsize
    return pixels * samples * int(image.get("BitsAllocated") or 8) // 8


def _runs(frames: Sequence[Frame]) -> Iterator[tuple[int, list[Frame]]]:
    """Neighbors of one image, so that each image is opened once for each of its runs."""
    start = 0
    for _, group in groupby(frames, key=lambda frame: id(frame.image)):
        run = list(group)
        yield start, run
        start += len(run)


def _pixels(run: Sequence[Frame]) -> Iterator[Array]:
    image = run[0].image
    try:
        source = image if "PixelData" in image else image.filename
        for pixels in iter_pixels(source, indices=[frame.index for frame in run]):
            if image.PhotometricInterpretation == "PALETTE COLOR":
                colors = apply_color_lut(pixels, image)[..., :3]
                pixels = (colors >> 8).astype(np.uint8) if colors.dtype == np.uint16 else colors
            yield pixels
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
        syntax = image.file_meta.TransferSyntaxUID.name if hasattr(image, "file_meta") else "unknown"
        name = getattr(image, "filename", "a DICOM image")
        raise DicomError(
            f"The pixels of {name} (transfer syntax {printable(syntax)}) cannot be decoded: they are cut off, damaged, "
            "or need a decoder, python-gdcm for example. Get a whole copy of the file first."
        ) from error


def _modality_values(stored: Array, frame: Frame, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return stored.astype(np.float64) * frame.slope + frame.intercept
    return stored.astype(np.int64) * round(frame.slope) + round(frame.intercept)


def _value_type(frames: Sequence[Frame]) -> np.dtype[Any]:
    """A type for the values of all frames, judged by their rescales and by what their bits can hold."""
    if any("BitsStored" not in frame.image for frame in frames):
        return np.dtype(np.float32)  # floating-point pixels
    if any(value != round(value) for frame in frames for value in (frame.slope, frame.intercept)):
        return np.dtype(np.float32)
    limits = [limit for frame in frames for limit in _limits(frame)]
    fitting = (kind for kind in _INTEGERS if np.iinfo(kind).min <= min(limits) and max(limits) <= np.iinfo(kind).max)
    return np.dtype(next(fitting, np.float32))


def _limits(frame: Frame) -> tuple[float, float]:
    bits, is_signed = int(frame.image.BitsStored), bool(frame.image.PixelRepresentation)
    stored = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    ends = sorted(value * frame.slope + frame.intercept for value in stored)
    return ends[0], ends[1]
