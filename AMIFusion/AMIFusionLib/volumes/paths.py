"""How volumes are named where a user writes their paths."""

from __future__ import annotations

from pathlib import Path


def source_path(text: str) -> tuple[Path, str]:
    """A volume's path, and the series that is named behind a #; a file with a # in its name is taken as it is."""
    if Path(text).exists() or "#" not in text:
        return Path(text), ""
    path, _, series = text.rpartition("#")
    return Path(path), series
