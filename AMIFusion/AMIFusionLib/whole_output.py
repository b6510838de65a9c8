"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_free(target: Path, overwrite: bool = False, replaceable: str = "") -> None:
    """Refuse to write over what is there.

    Args:
        target: a file or folder to write.
        overwrite: whether it may be replaced.
        replaceable: the suffix that all files of a folder must have for it to be replaced; empty: never.

    Raises:
        OSError: something is there that may not be replaced, with a sentence that says what to do.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    kind = "folder" if target.is_dir() else "file"
    if not overwrite:
        raise FileExistsError(
            f"The {kind} {target} is there already. Choose another, or add --overwrite to replace it."
        )
    # A folder is replaced whole: one that holds anything else was named by mistake.
    if target.is_dir() and not (replaceable and all(_is(part, replaceable) for part in target.iterdir())):
        raise FileExistsError(f"The folder {target} holds other things too, so it is not replaced. Choose another.")


@contextmanager
def whole(target: Path, folder: bool = False) -> Iterator[Path]:
    """A place beside a target to write to; once that is done without an error, it becomes the target.

    Args:
        target: a file, or with ``folder`` a folder; what is there is replaced, folders above it are made.
        folder: whether the place is a new, empty folder.

    Yields:
        The place; a file has the target's suffixes.

    Raises:
        OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".amifusion-", dir=target.parent))
    try:
        place = room / target.name
        if folder:
            place.mkdir()
        yield place
        _put(place, target, room / "replaced")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _put(place: Path, target: Path, aside: Path) -> None:
    if not (place.is_dir() and target.is_dir()):
        os.replace(place, target)
        return
    # A folder does not replace another in one step.
    target.replace(aside)
    try:
        place.replace(target)
    except OSError:
        aside.replace(target)
        raise


def _is(path: Path, suffix: str) -> bool:
    return path.is_file() and path.suffix == suffix
