"""The other files that a volume's voxels lie in, as its header names them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from AMIFusionLib.input_files import check_plain, is_pipe_or_device

from ..translation import tr as _

_LARGEST_HEADER = 1 << 22
"""Bytes; more than that is no header but the voxels behind one."""

_LONGEST_NAME = 4096
_PAIR = (".hdr", ".img")
_META_IMAGE = (".mhd", ".mha")
_NRRD_FIELD = re.compile(rb"^data ?file:(?!=)(.*)$", re.IGNORECASE | re.MULTILINE)
_META_IMAGE_FIELD = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:](.*)$", re.MULTILINE)
_NUMBER = re.compile(r"%[-+ #0-9.]*[A-Za-z]")
"""Where a number goes in the names of several files."""


def voxel_files(path: Path) -> list[Path]:
    """Files beside the one that is named that its volume is read from, wherever they lie.

    A header's end says nothing about that: .nrrd and .mha may name other files too.

    Args:
        path: the file that is named.

    Returns:
        In the order of the header. Where it has a pattern instead of names, all files that fit; it may be more than
        those that are read.

    Raises:
        FileNotFoundError: a file that the header names is none.
        ValueError: a header without an end, or a pipe or device instead of one.
        OSError: the header cannot be read.
    """
    check_plain(path)
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if bare.suffix.lower() in (*_PAIR, ".nii"):
        _check_neighbors(path, bare)
    if bare.suffix.lower() in _PAIR:
        return list(_rest_of_pair(path, bare.stem))
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
    is_nrrd = head.startswith(b"NRRD")
    if not is_nrrd and path.suffix.lower() not in _META_IMAGE:
        return []
    is_whole = len(head) < _LARGEST_HEADER
    head = head.replace(b"\r\n", b"\n")
    if is_nrrd:
        # Voxels follow an empty line.
        head, end, _voxels = head.partition(b"\n\n")
        is_whole = is_whole or bool(end)
    field = (_NRRD_FIELD if is_nrrd else _META_IMAGE_FIELD).search(head)
    value = field.group(1).strip() if field else b""
    is_list = value.startswith(b"LIST")
    if not is_whole and (field is None or is_list):
        sentence = _("{path} has a header of more than {count} bytes. Write the volume as one file.")
        raise ValueError(sentence.format(path=path, count=_LARGEST_HEADER))
    if field is None or (not is_nrrd and value.lower() == b"local"):
        return []
    # A MetaImage that was cut within its last word: LOCAL, or no name at all.
    if b"local".startswith(value.lower()) and not _is_file(path.parent / _name(value)):
        raise ValueError(_("{path} ends before it says where its voxels are. Copy it again.").format(path=path))
    if not is_list:
        return _named(path, value)
    # A name on many lines is looked for once.
    names = dict.fromkeys(line.strip() for line in head[field.end() :].splitlines())
    return list(dict.fromkeys(_listed(path, name) for name in names if name))


def _rest_of_pair(path: Path, stem: str) -> Iterator[Path]:
    """NIfTI and Analyze name nothing: header and voxels differ in their endings."""
    wanted = {f"{stem}{ending}{packed}".lower() for ending in _PAIR for packed in ("", ".gz")}
    for file in sorted(path.parent.iterdir()):
        if file != path and file.name.lower() in wanted and file.is_file():
            yield file


def _check_neighbors(path: Path, bare: Path) -> None:
    """A reader of NIfTI opens what has the same name, whichever of these endings; of a pipe it would wait."""
    for ending in (*_PAIR, ".nii"):
        for packed in ("", ".gz"):
            other = bare.with_suffix((ending.upper() if bare.suffix.isupper() else ending) + packed)
            if is_pipe_or_device(other):
                raise _missing(path, other.name)


def _listed(header: Path, text: bytes) -> Path:
    """The file of a name in a list; patterns do not count there."""
    name = _name(text)
    if not _is_file(header.parent / name):
        raise _missing(header, name)
    return header.parent / name


def _named(header: Path, text: bytes) -> list[Path]:
    """The file of a name, or those of a pattern with the numbers that belong to it."""
    name = _name(text)
    found = [header.parent / name] if _is_file(header.parent / name) else []
    parts = _NUMBER.split(name.split()[0]) if "%" in name else []
    # Readers fill in one number. A search for several could go through all folders of a disk.
    if len(parts) == 2:
        # Whichever numbers follow: a file too many only means that a result is made again without need.
        pattern = "*".join(glob.escape(part) for part in parts)
        matches = glob.glob(os.path.join(glob.escape(str(header.parent)), pattern))
        # A reader would wait for a pipe among them, and read a device without an end.
        if any(is_pipe_or_device(Path(match)) for match in matches):
            raise _missing(header, name)
        found += [file for file in map(Path, sorted(matches)) if _is_file(file)]
    if not found:
        raise _missing(header, name)
    return list(dict.fromkeys(found))


def _name(text: bytes) -> str:
    return os.fsdecode(text[:_LONGEST_NAME].split(b"\0")[0])


def _is_file(path: Path) -> bool:
    """Whether it is a plain file; a name that is too long for one is none, and neither is a device."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _missing(header: Path, name: str) -> FileNotFoundError:
    # Reports and JSON hold nothing but UTF-8, and a terminal obeys what is not printable.
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:200])
    sentence = _("{header} takes its voxels from {name}, which is no file. Put it there.")
    return FileNotFoundError(sentence.format(header=header, name=shown))
