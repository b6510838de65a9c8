"""The other files that a volume's voxels lie in, as its header names them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

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
        ValueError: a header without an end.
        OSError: the header cannot be read.
    """
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
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
        head, end, _ = head.partition(b"\n\n")
        is_whole = is_whole or bool(end)
    field = (_NRRD_FIELD if is_nrrd else _META_IMAGE_FIELD).search(head)
    value = field.group(1).strip() if field else b""
    is_list = value.startswith(b"LIST")
    if not is_whole and (field is None or is_list):
        raise ValueError(f"{path} has a header of more than {_LARGEST_HEADER} bytes. Write the volume as one file.")
    if field is None or (not is_nrrd and value.lower() == b"local"):
        return []
    names = [line.strip() for line in head[field.end() :].splitlines()] if is_list else [value]
    found = (file for name in names if name for file in _named(path, name))
    return list(dict.fromkeys(found))


def _rest_of_pair(path: Path, stem: str) -> Iterator[Path]:
    """NIfTI and Analyze name nothing: header and voxels differ in their endings."""
    wanted = {f"{stem}{ending}{packed}".lower() for ending in _PAIR for packed in ("", ".gz")}
    for file in sorted(path.parent.iterdir()):
        if file != path and file.name.lower() in wanted and file.is_file():
            yield file


def _named(header: Path, text: bytes) -> list[Path]:
    """The file of a name, or those of a pattern with the numbers that belong to it."""
    name = os.fsdecode(text[:_LONGEST_NAME].split(b"\0")[0])
    found = [header.parent / name] if (header.parent / name).is_file() else []
    if "%" in name:
        # Whichever numbers follow: a file too many only means that a result is made again without need.
        pattern = "*".join(glob.escape(part) for part in _NUMBER.split(name.split()[0]))
        matches = glob.glob(os.path.join(glob.escape(str(header.parent)), pattern))
        found += [file for file in map(Path, sorted(matches)) if file.is_file()]
    if not found:
        # Neither is a device, which would be read without an end.
        raise FileNotFoundError(f"{header} takes its voxels from {name[:200]}, which is no file. Put it there.")
    return found
