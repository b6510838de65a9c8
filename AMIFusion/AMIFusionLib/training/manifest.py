"""A folder of registered pairs: its ``manifest.csv`` and its volumes, for training and for evaluation alike."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from AMIFusionLib.arrays import Array
from AMIFusionLib.input_files import read_input_file
from AMIFusionLib.volumes.color import luma
from AMIFusionLib.volumes.voxel_files import voxel_files
from AMIFusionLib.volumes.whole_files import check_whole

MANIFEST_NAME = "manifest.csv"

_LARGEST_MANIFEST = 1 << 22
_LONGEST_NAME, _MOST_COLUMNS = 1000, 256
_COLUMNS = ("pair", "case", "split", "functional_or_ct", "mri")
_PERCENTILES = (0.1, 99.9)
_COMPONENTS = (1, 3, 4)
"""Gray, RGB and RGBA."""

_UPRIGHT = {"S": "LP", "I": "LP", "A": "LI", "P": "LI", "R": "PI", "L": "PI"}
"""Where columns and rows of an upright slice run, by where the slices do: axial, coronal and sagittal."""

_SAME = 1e-3
"""Relative and absolute difference at which two grids still count as one."""


@dataclass(frozen=True)
class ManifestRow:
    """One case of a manifest.

    Attributes:
        kind: pair type ("ct-mri", ...).
        case: the case's name within its pair type.
        first, second: the functional or CT volume and the MR volume.
        slices: the slices' names in the order of the stack, from the optional column ``atlas_slices``; empty where it
            is not there.
    """

    kind: str
    case: str
    first: Path
    second: Path
    slices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Pair type and case, for messages."""
        return f"{self.kind} {self.case}"


@dataclass(frozen=True)
class StoredVolume:
    """A volume as its file has it, its slices turned upright.

    Attributes:
        array: (slices, rows, columns), or (slices, rows, columns, 3) in color.
        pixel_spacing: (row, column) distance in millimeters.
    """

    array: Array
    pixel_spacing: tuple[float, float]

    @property
    def is_color(self) -> bool:
        """Whether the voxels are RGB."""
        return self.array.ndim == 4

    def gray(self) -> Array:
        """(slices, rows, columns) float32 in 0..1; color becomes luma."""
        return self._scaled(self._gray_values())

    def displayed(self) -> Array:
        """The voxels in 0..1 as a screen shows them, float32 in the shape of ``array``."""
        return self._scaled(self.array.astype(np.float32))

    def _gray_values(self) -> Array:
        return luma(self.array) if self.is_color else self.array.astype(np.float32)

    def _scaled(self, values: Array) -> Array:
        low, high = self._range()
        scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32, copy=False)

    def _range(self) -> tuple[float, float]:
        """What is shown black and white: 8-bit volumes are taken as displayed, others by their percentiles."""
        if self.array.dtype == np.uint8:
            return 0, 255
        values = self._gray_values()
        finite = values[np.isfinite(values)]
        low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0, 1)
        return low, high


def read_manifest(folder: Path, split: str) -> list[ManifestRow]:
    """The cases of one split.

    Args:
        folder: holds ``manifest.csv``, with the columns pair, case, split, functional_or_ct and mri (the last two name
            files in the folder) and, if slices have names, atlas_slices (the names, separated by blanks).
        split: the value of the column split, for example "train" or "validation".

    Raises:
        FileNotFoundError: no manifest in the folder.
        OSError: the manifest cannot be read.
        ValueError: the manifest is no text, lacks a column or names one twice, has no case of this split, or has a case
            without its two files' names or with names that lead out of the folder.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {MANIFEST_NAME}. Name the folder that holds it and its volumes.")
    try:
        # Spreadsheet programs put a byte order mark before the first column's name.
        text = read_input_file(path, _LARGEST_MANIFEST).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = (reader.fieldnames or [])[:_MOST_COLUMNS]
        # Rows of other splits are not kept: a short line makes a dictionary of a hundred times its size.
        chosen = [row for row in reader if row.get("split") == split] if reader.fieldnames == columns else []
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path} is not a text with commas between its columns. Write it as CSV in UTF-8.") from None
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise ValueError(f"{path} lacks the column '{missing[0]}'. It needs {', '.join(_COLUMNS)}.")
    if any(columns.count(column) > 1 for column in _COLUMNS):
        raise ValueError(f"{path} names a column twice. Rename or delete one of the two.")
    if not chosen:
        raise ValueError(f"{path} has no case with the split '{split}'.")
    return [_manifest_row(folder, row) for row in chosen]


def check_files(row: ManifestRow) -> None:
    """Refuse a case whose volumes cannot be read, without holding more of them than their headers.

    Raises:
        FileNotFoundError: a volume is not there.
        OSError: a volume cannot be read.
        ValueError: a file is no gray or color volume, is cut off or damaged, or has another number of slices than the
            manifest names.
    """
    for path in (row.first, row.second):
        count = _read_header(path).GetSize()[2]
        if row.slices and count != len(row.slices):
            raise ValueError(f"{path} has {count} slices, but the manifest names {len(row.slices)} for {row.name}.")


def read_pair(row: ManifestRow) -> tuple[StoredVolume, StoredVolume]:
    """Read both volumes of a case.

    Raises:
        FileNotFoundError: a volume is not there.
        OSError: a volume cannot be read.
        ValueError: a file is no gray or color volume, is cut off or damaged, or the two differ in size or lie on
            different grids.
    """
    images = [_read_upright(path) for path in (row.first, row.second)]
    first, second = (_stored_volume(image) for image in images)
    if first.array.shape[:3] != second.array.shape[:3]:
        raise ValueError(
            f"The two volumes of {row.name} differ in size: {first.array.shape[:3]} and {second.array.shape[:3]}."
        )
    if not _on_one_grid(*images):
        raise ValueError(f"The two volumes of {row.name} lie on different grids. Resample one onto the other's first.")
    return first, second


def _manifest_row(folder: Path, row: dict[str, str]) -> ManifestRow:
    values = [(row[column] or "").strip() for column in ("pair", "case", "functional_or_ct", "mri")]
    if not all(values):
        raise ValueError(f"{folder / MANIFEST_NAME} has a case without a pair type, a name or one of its two files.")
    if any(len(value) > _LONGEST_NAME or not value.isprintable() for value in values):
        raise ValueError(f"{folder / MANIFEST_NAME} has a name that is too long or cannot be shown. Choose another.")
    kind, case, first, second = values
    for name in (first, second):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{folder / MANIFEST_NAME} names {name}, which is outside its folder. Put the file there.")
    return ManifestRow(kind, case, folder / first, folder / second, tuple((row.get("atlas_slices") or "").split()))


def _read_header(path: Path) -> SimpleITK.ImageFileReader:
    """A reader that knows the file's header, of a file that has all of its voxels."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there. Mend the manifest or add the file.")
    voxel_files(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise ValueError(_unreadable(path)) from None
    check_whole(path, reader)
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() not in _COMPONENTS:
        raise ValueError(f"{path} is not a volume of gray or RGB voxels. Give one such volume for each source.")
    return reader


def _read_upright(path: Path) -> SimpleITK.Image:
    """The image with its stored slices in their order, each turned as a reader expects to see it."""
    try:
        image = _read_header(path).Execute()
    except RuntimeError:
        raise ValueError(_unreadable(path)) from None
    stored = SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return SimpleITK.DICOMOrient(image, _UPRIGHT[stored[2]] + stored[2])


def _unreadable(path: Path) -> str:
    return f"{path} cannot be read as a volume. Give a whole NRRD, NIfTI or MetaImage file."


def _stored_volume(image: SimpleITK.Image) -> StoredVolume:
    array = SimpleITK.GetArrayFromImage(image)
    across, down, _ = image.GetSpacing()
    return StoredVolume(array[..., :3] if array.ndim == 4 else array, (down, across))


def _on_one_grid(first: SimpleITK.Image, second: SimpleITK.Image) -> bool:
    one, other = ([*image.GetSpacing(), *image.GetDirection(), *image.GetOrigin()] for image in (first, second))
    return np.allclose(one, other, rtol=_SAME, atol=_SAME * min(first.GetSpacing()))
