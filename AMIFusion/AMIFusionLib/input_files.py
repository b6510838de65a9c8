"""Files that somebody else may have written: read whole or not at all, and never without an end."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from .translation import tr as _


class InputFileError(ValueError):
    """Something that is no file to read; the message says what to give instead."""


def read_input_file(path: Path, largest_bytes: int) -> bytes:
    """The content of a plain file, which may be linked to.

    Pipes, devices and folders are refused before a byte is read: a pipe would be waited for, a device has no end.

    Args:
        path: the file.
        largest_bytes: more than this is not read.

    Raises:
        InputFileError: no plain file, or a larger one.
        OSError: the file is not there or cannot be opened.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    try:
        # Windows opens no folder. Every other kind is asked of what was opened, which nobody can exchange meanwhile.
        is_folder = path.is_dir()
        descriptor = -1 if is_folder else os.open(path, flags)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        sentence = _("{path} cannot be read ({reason}). Check its name and its permissions.")
        raise type(error)(sentence.format(path=path, reason=reason)) from None
    except ValueError:
        raise InputFileError(
            _("{name} is no name of a file. Give another name.").format(name=repr(str(path)))
        ) from None
    if is_folder:
        raise InputFileError(_("{path} is a folder. Give a file.").format(path=path))
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise InputFileError(_("{path} is a pipe or a device. Give a file.").format(path=path))
        content = file.read(state.st_size + 1) if state.st_size <= largest_bytes else None
    if content is None or len(content) > largest_bytes:
        sentence = _("{path} is larger than the {count} bytes it may have. Give another file.")
        raise InputFileError(sentence.format(path=path, count=largest_bytes))
    return content


def check_plain(path: Path) -> None:
    """Refuse a file that would be waited for, as a pipe is, or read without an end, as a device is.

    For files that a library opens by their names; others are read with ``read_input_file``.

    Raises:
        InputFileError: it is one, or has a name that libraries end the process at; a folder, and what is not there,
            passes.
        OSError: it cannot be looked at.
    """
    if not has_unicode_name(path):
        raise InputFileError(_("The name {name} is not in Unicode. Rename it.").format(name=ascii(str(path))))
    if is_pipe_or_device(path):
        raise InputFileError(_("{path} is a pipe or a device. Give a file.").format(path=path))


def has_unicode_name(path: Path) -> bool:
    """Whether a path is text: on Linux a name is any bytes, and other languages' libraries take UTF-8 alone."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_pipe_or_device(path: Path) -> bool:
    """Whether it is there, but neither a file nor a folder.

    Raises:
        OSError: it cannot be looked at.
    """
    return path.exists() and not path.is_file() and not path.is_dir()


def parse_json(content: bytes) -> Any:
    """A JSON text in UTF-8, with or without the byte order mark that some editors write.

    Stricter than Python's own reader, which takes the last of two values of one name, and what is no number for one.

    Raises:
        ValueError: not JSON, a name given twice, a number that is none or too large, or nesting too deep.
    """
    try:
        return json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"it gives {name[:100]!r} twice")
        values[name] = value
    return values


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it holds a number that is too large")
    return value
