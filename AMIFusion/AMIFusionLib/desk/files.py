"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST_NAME = 200


def write_private(path: Path, content: str) -> None:
    """Write a new file of mode 0600; the mode is there before the content.

    Where files have no modes, on Windows, they inherit the rules of their folder: that of a new folder of mode 0700 is
    its owner's alone from Python 3.12.4 on, and inherits the user's profile's before.

    Raises:
        FileExistsError: it is there already.
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode())


def check_one_line(text: str, what: str) -> None:
    """Refuse a name that a line, a panel or a table could not show.

    Raises:
        ValueError: empty, longer than 200 characters, or with others than printable ones.
    """
    if not text.strip() or len(text) > _LONGEST_NAME or not text.isprintable():
        raise ValueError(f"{what} must be one line of 1 to {_LONGEST_NAME} printable characters.")
