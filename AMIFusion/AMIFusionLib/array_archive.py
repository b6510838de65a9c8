"""Archives of float32 arrays as numpy's ``savez`` writes them, read without believing what they say of themselves.

numpy's own reader allocates what an array's header announces before it looks for the data, and hands the header to
Python's parser; ``zipfile`` unpacks a member as a whole before it looks at its announced size.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.float32]]

_MOST_ARRAYS = 4096
_LARGEST_DIRECTORY = 256 * _MOST_ARRAYS
_NAME = re.compile(r"[\w./-]{1,120}\.npy", re.ASCII)
_UNSAFE_NAME = re.compile(r"^/|\.\.|//")
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '<f4', 'fortran_order': (False|True), 'shape': \(([0-9, ]{0,200})\), \} *\n",
)
"""The header that numpy writes for a float32 array; others, which it would parse as Python, are not taken."""

_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _LOCATOR_MAGIC, _LOCATOR_BYTES = b"PK\5\6", b"PK\6\7", 20

_DAMAGES = (
    EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What taking an archive apart raises where it was cut off or changed."""


class ArrayArchiveError(ValueError):
    """Not an archive of float32 arrays, a damaged one, or one that would take more memory than it may."""


def pack_arrays(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Make an archive, uncompressed, that ``unpack_arrays`` reads.

    Args:
        arrays: name to values, which are kept as float32.

    Raises:
        ValueError: too many arrays, a name that is none in an archive, or a value that is no number.
    """
    if len(arrays) > _MOST_ARRAYS:
        raise ValueError(f"A network may have {_MOST_ARRAYS} parameters, not {len(arrays)}.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in arrays.items():
            if not _is_name(f"{name}.npy"):
                raise ValueError(f"{name!r} cannot be the name of a parameter. Take letters, digits, dots and lines.")
            array = np.asarray(value, dtype=np.float32, order="C")
            if not np.isfinite(array).all():
                raise ValueError(f"The parameter '{name}' has values that are no numbers. Train again.")
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def unpack_arrays(archive: bytes, largest_bytes: int | None = None) -> Arrays:
    """Read an archive of arrays.

    Args:
        archive: what ``pack_arrays``, ``numpy.savez`` or, where ``largest_bytes`` is given, ``numpy.savez_compressed``
            wrote.
        largest_bytes: to how much the members may unpack together; None takes uncompressed members only, which cannot
            be more than the archive itself.

    Returns:
        Name to float32 array, each finite and in C order.

    Raises:
        ArrayArchiveError: not such an archive.
    """
    try:
        return _unpack(archive, largest_bytes)
    except _DAMAGES as error:
        raise ArrayArchiveError(f"not an archive of arrays: {error}") from None


def _unpack(archive: bytes, largest_bytes: int | None) -> Arrays:
    _check_directory(archive)
    kinds = (zipfile.ZIP_STORED,) if largest_bytes is None else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = opened.infolist()
        for member in members:
            if member.compress_type not in kinds or not _is_name(member.filename):
                raise ValueError("a member of a kind that no writer makes")
        if len({member.filename for member in members}) < len(members):
            raise ValueError("two members of one name")
        if sum(member.file_size for member in members) > (len(archive) if largest_bytes is None else largest_bytes):
            raise ValueError("members that are larger than they may be")
        return {member.filename[: -len(".npy")]: _array(_content(opened, member)) for member in members}


def _is_name(name: str) -> bool:
    """Whether an array's file may be called so: nothing that leads elsewhere, should somebody unpack the archive."""
    return bool(_NAME.fullmatch(name)) and not _UNSAFE_NAME.search(name)


def _check_directory(archive: bytes) -> None:
    """Refuse a directory that is not a network's.

    ``zipfile`` makes an object of half a kilobyte for every entry of 46 bytes before anybody can count them.
    """
    magic, *_, directory_bytes, _start, comment_bytes = _END.unpack(archive[-_END.size :])
    locator = archive[-_END.size - _LOCATOR_BYTES :][: len(_LOCATOR_MAGIC)]
    if magic != _END_MAGIC or comment_bytes or directory_bytes > _LARGEST_DIRECTORY or locator == _LOCATOR_MAGIC:
        raise ValueError("no directory as numpy writes it")


def _content(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, of which no more are unpacked than it announces; its checksum is compared."""
    with opened.open(member) as stream:
        content = stream.read(member.file_size)
    if len(content) != member.file_size:
        raise ValueError("a member was cut off")
    return content


def _array(content: bytes) -> npt.NDArray[np.float32]:
    start = len(_MAGIC) + 2
    (header_bytes,) = struct.unpack("<H", content[len(_MAGIC) : start])
    header = _HEADER.fullmatch(content[start : start + header_bytes])
    if not content.startswith(_MAGIC) or header is None:
        raise ValueError("not a float32 array")
    shape = tuple(int(size) for size in header[2].split(b",") if size.strip())
    start += header_bytes
    if 4 * math.prod(shape) != len(content) - start:
        raise ValueError("not the array that its header announces")
    flat = np.frombuffer(content, np.float32, offset=start)
    array = (flat.reshape(shape, order="F") if header[1] == b"True" else flat.reshape(shape)).copy(order="C")
    if not np.isfinite(array).all():
        raise ValueError("values that are no numbers")
    return array
