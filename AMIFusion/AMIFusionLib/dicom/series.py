"""The series of a folder, and which of them to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom
from pydicom.uid import UID, MediaStorageDirectoryStorage

from .errors import DicomError, SeriesChoiceError, damaged, emptied, parsing, printable

_LISTED = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "Rows",
    "NumberOfFrames",
)  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Files of one series.

    Attributes:
        uid: its SeriesInstanceUID.
        number: its SeriesNumber as text, empty where it has none.
        modality, description: as the first file says.
        images: slices of all files.
        files: in the order of their names.
    """

    uid: str
    number: str
    modality: str
    description: str
    images: int
    files: tuple[Path, ...]


def series_in(folder: Path) -> list[Series]:
    """All series with images in a folder and the folders below it, the one with most images first.

    Raises:
        DicomError: an image is damaged or was emptied.
        OSError: a file cannot be read.
    """
    found: dict[str, list[tuple[Path, Dataset]]] = {}
    alike: dict[tuple[str, str], list[Path]] = {}
    for path, header in _headers(folder):
        with parsing(path):
            uids = str(header.SeriesInstanceUID), str(header.get("SOPInstanceUID"))
        # The same file copied twice is no second image. The UID alone does not say so: some software gives one to all.
        others = alike.setdefault(uids, [])
        if not any(cmp(other, path, shallow=False) for other in others):
            others.append(path)
            found.setdefault(uids[0], []).append((path, header))
    with parsing(folder):
        series = [_series(uid, parts) for uid, parts in found.items()]
    return sorted(series, key=lambda one: (-one.images, one.number, one.uid))


def chosen_series(folder: Path, choice: str = "") -> Series:
    """The series of a folder that is meant.

    Args:
        folder: with DICOM files.
        choice: a SeriesInstanceUID or a SeriesNumber; empty where the folder has only one series.

    Raises:
        SeriesChoiceError: none or several fit; the message lists what is there.
        DicomError: no series at all.
    """
    series = series_in(folder)
    if not series:
        raise DicomError(f"{folder} holds no DICOM series. Choose a folder with DICOM images.")
    fitting = [one for one in series if not choice or choice == one.uid] or [
        one for one in series if choice == one.number
    ]
    if len(fitting) == 1:
        return fitting[0]
    problem = f"holds {len(series)} DICOM series" if not choice else f"holds no one DICOM series '{choice}'"
    example = printable(series[0].number or series[0].uid)
    raise SeriesChoiceError(
        f"{folder} {problem}. Name one by its UID or number, as in '{folder}#{example}':\n"
        + "\n".join(_line(one) for one in series)
    )


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM, by its first bytes."""
    return path.is_file() and is_dicom(path)


def _headers(folder: Path) -> Iterator[tuple[Path, Dataset]]:
    for path in sorted(folder.rglob("*")):
        if _may_have_been_an_image(path, folder) and path.stat().st_size == 0:
            raise emptied(path)
        if (header := _header(path)) is not None:
            yield path, header


def _may_have_been_an_image(path: Path, folder: Path) -> bool:
    """Whether a file of a folder has a name as scanners give them to images: IM0001, or a UID.

    Not what is hidden, what its ending tells to be something else, or the directory of a disc, which holds no image.
    """
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    has_ending = any(letter.isalpha() for letter in path.suffix)
    return not is_hidden and not has_ending and path.name.upper() != "DICOMDIR" and path.is_file()


def _header(path: Path) -> Dataset | None:
    """What is listed of a file; None of what holds no images by its nature.

    Raises:
        DicomError: an image that is damaged: without it a series would have a slice less, and might look regular.
    """
    if not is_dicom_file(path):
        # macOS keeps what a stick cannot hold of a file in another, whose name begins so.
        if path.is_file() and path.suffix.lower() == ".dcm" and not path.name.startswith("._"):
            raise damaged(path)
        return None
    with parsing(path):
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_LISTED))
        if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            return None
        is_image = UID(header.get("SOPClassUID") or "").keyword.endswith("ImageStorage")
        if not header.get("SeriesInstanceUID") or (is_image and not header.get("Rows")):
            raise damaged(path)
        # Reports and plans have no rows.
        return header if header.get("Rows") else None


def _series(uid: str, parts: Sequence[tuple[Path, Dataset]]) -> Series:
    header = parts[0][1]
    number = header.get("SeriesNumber")
    return Series(
        uid,
        "" if number is None else str(number),
        str(header.get("Modality") or ""),
        str(header.get("SeriesDescription") or ""),
        sum(int(one.get("NumberOfFrames") or 1) for _, one in parts),
        tuple(path for path, _ in parts),
    )


def _line(series: Series) -> str:
    count = f"{series.images} image{'s' if series.images != 1 else ''}"
    return printable(
        f"  {series.number or '-':>4}  {series.modality:2}  {count:11}  {series.description or '-'}  {series.uid}"
    )
