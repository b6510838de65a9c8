"""Whether a volume's file holds all of its voxels.

Of the formats that are read only NIfTI needs this: ITK takes what is missing of it for zeros. Cut off NRRD and
MetaImage files are refused by their readers.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import SimpleITK

from ..translation import tr as _
from .errors import EmptyVolumeError, IncompleteVolumeError

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_MOST_MORE = 1 << 24
"""Bytes behind the last voxel up to which a compressed file is unpacked, for its checksum lies at its end."""


def check_whole(path: Path, header: SimpleITK.ImageFileReader) -> None:
    """Refuse a NIfTI file that lacks voxels, or whose voxels would be taken from another file.

    A compressed file is unpacked once, in little memory, so that its checksum counts too.

    Args:
        path: the file, or one of the two of a pair (.hdr and .img); other formats pass.
        header: what has read the file's header.

    Raises:
        IncompleteVolumeError: cut off or damaged, with a sentence that names the file.
        EmptyVolumeError: there is no file with the voxels, or the reader would take another than the one that is named.
        OSError: the file cannot be read.
    """
    if SimpleITK.ImageFileReader.GetImageIOFromFileName(str(path)) != "NiftiImageIO":
        return
    # These are the reader's own numbers: whatever the order of bytes, and wherever the header has it wrong.
    number = {name: int(header.GetMetaData(name)) for name in ("dim[0]", "bitpix", "vox_offset", "nifti_type")}
    counts = [max(int(header.GetMetaData(f"dim[{axis + 1}]")), 1) for axis in range(number["dim[0]"])]
    file = _voxels(path, is_single=number["nifti_type"] == 1)
    _check_size(file, max(number["vox_offset"], 0) + math.prod(counts) * number["bitpix"] // 8)


def _voxels(path: Path, is_single: bool) -> Path:
    """The file that the reader takes the voxels from: the first of those with the same name, in its order."""
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    endings = (".nii", ".nii.gz", ".img", ".img.gz") if is_single else (".img", ".img.gz", ".nii", ".nii.gz")
    # The reader follows the case of the name that it is given.
    candidates = [bare.with_suffix(ending.upper() if bare.suffix.isupper() else ending) for ending in endings]
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        raise EmptyVolumeError(
            _("{path} is only a header: the file with its voxels is not beside it. Put it there.").format(path=path)
        )
    if bare.suffix.lower() != ".hdr" and not found.samefile(path):
        sentence = _("{other} lies beside {path}, and would be read instead. Name that one, or move one of them away.")
        raise EmptyVolumeError(sentence.format(other=found, path=path))
    return found


def _check_size(path: Path, needed: int) -> None:
    """Refuse a file with fewer bytes than are needed, once unpacked."""
    with path.open("rb") as file:
        is_packed = path.suffix.lower() == ".gz" and file.read(len(_GZIP)) == _GZIP
    try:
        size = _unpacked_size(path, needed + _MOST_MORE) if is_packed else os.path.getsize(path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        sentence = _("{path} is cut off or damaged: it cannot be unpacked to its end. Copy it again.")
        raise IncompleteVolumeError(sentence.format(path=path)) from None
    if size < needed:
        sentence = _("{path} is cut off: it holds {size} of the {needed} bytes that it should. Copy it again.")
        raise IncompleteVolumeError(sentence.format(path=path, size=size, needed=needed))
    if is_packed and size > needed + _MOST_MORE:
        sentence = _("{path} is damaged: it holds far more than its header says. Copy it again.")
        raise IncompleteVolumeError(sentence.format(path=path))


def _unpacked_size(path: Path, most: int) -> int:
    """Bytes that a gzip file holds, counted to its end, or until there are more than ``most``."""
    size = 0
    with gzip.open(path) as file:
        while size <= most and (chunk := file.read(_CHUNK)):
            size += len(chunk)
    return size
