"""How volumes are named where a user writes their paths."""

from __future__ import annotations

import os
from pathlib import Path


def source_path(text: str) -> tuple[Path, str]:
    """A volume's path, and the series that is named behind a #; a file with a # in its name is taken as it is."""
    if Path(text).exists() or "#" not in text:
        return Path(text), ""
    path, _, series = text.rpartition("#")
    return Path(path), series


def is_same_source(first: str, second: str) -> bool:
    """Whether two names are of one volume, also by other ways to it."""
    try:
        (path, series), (other_path, other_series) = source_path(first), source_path(second)
    except OSError:  # what cannot be a file; whoever reads it says so
        return False
    return series == other_series and os.path.realpath(path) == os.path.realpath(other_path)
