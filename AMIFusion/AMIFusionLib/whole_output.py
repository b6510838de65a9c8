"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .input_files import has_unicode_name


def check_free(
    target: Path,
    overwrite: bool | None = None,
    replaceable: str | Callable[[Path], bool] | None = None,
    folder: bool | None = None,
) -> None:
    """Refuse to write over what is there, or where nothing can be written.

    Args:
        target: a file or folder to write.
        overwrite: whether it may be replaced; None where the user has no --overwrite to say so.
        replaceable: what all parts of a folder must be for it to be replaced: files of a suffix, or what a function
            says of them; None: it never is.
        folder: whether the target will be a folder, and not a file; None where either may be.

    Raises:
        OSError: something is there that may not be replaced, or the place is none to write to, with a sentence that
            says what to do.
    """
    if not has_unicode_name(target.absolute()):
        raise OSError(f"The name {ascii(str(target.absolute()))} is not in Unicode. Choose another.")
    check_writable(target)
    _check_kind(target, folder)
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    kind = "folder" if target.is_dir() else "file"
    if not overwrite:
        advice = "Choose another." if overwrite is None else "Choose another, or add --overwrite to replace it."
        raise FileExistsError(f"The {kind} {target} is there already. {advice}")
    # A folder is replaced whole: one that holds anything else was named by mistake.
    if target.is_dir() and not (replaceable and all(_is(part, replaceable) for part in target.iterdir())):
        raise FileExistsError(f"The folder {target} holds other things too, so it is not replaced. Choose another.")


def check_writable(target: Path, into: bool = False) -> None:
    """Refuse a place below what is no folder, or in a folder that this user cannot write to.

    Args:
        target: a file or folder to write; it need not be there.
        into: it is a folder that files are to be written into, and may be there already.

    Raises:
        OSError: with a sentence that says what to do.
    """
    path = target.absolute()
    for folder in (path, *path.parents) if into else path.parents:
        if os.path.lexists(folder):
            break
    if not folder.is_dir():
        raise NotADirectoryError(f"{target} cannot be written, because {folder} is no folder. Choose another place.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{target} cannot be written: {folder} does not allow it. Choose another place.")


_ASIDE = ("replaced", "set-aside")
"""Where a folder lies until another has its place: the first that is not the target's own name."""


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
    aside = room / next(name for name in _ASIDE if name != target.name.casefold())
    try:
        place = room / target.name
        if folder:
            place.mkdir()
        yield place
        _put(place, target, aside)
    finally:
        # What could not be put back is all that is left of the target.
        if os.path.lexists(target) or not aside.exists():
            shutil.rmtree(room, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write a file in UTF-8, its lines ended as the text ends them; folders above it are made.

    Raises:
        OSError: it cannot be written.
    """
    with whole(target) as place:
        place.write_text(text, encoding="utf-8", newline="")


def _put(place: Path, target: Path, aside: Path) -> None:
    if not (place.is_dir() and target.is_dir()):
        os.replace(place, target)
        return
    # A folder does not replace another in one step, and control-C may come between the two.
    try:
        target.replace(aside)
        place.replace(target)
    except BaseException:
        if not target.exists():
            aside.replace(target)
        raise


def problem_of(error: OSError) -> str:
    """What happened to which file and what to do, in a sentence; of errors that have one already, theirs."""
    if error.errno is None:
        return str(error)
    name = error.filename2 or error.filename
    what = f"{os.fsdecode(name)} cannot be used" if isinstance(name, (str, bytes)) else "A file cannot be used"
    reason = error.strerror or type(error).__name__
    return f"{what} ({reason}). {_ADVICE.get(error.errno, 'Check its name and its permissions.')}"


_ADVICE = {
    errno.ENOSPC: "Make room on the disk.",
    errno.EDQUOT: "Make room on the disk.",
    errno.ENOTDIR: "A part of its path is a file and no folder. Choose another place.",
    errno.EEXIST: "Something else is in its place. Choose another.",
    errno.EISDIR: "It is a folder. Name a file.",
    errno.EROFS: "The disk cannot be written to. Choose another place.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def _check_kind(target: Path, folder: bool | None) -> None:
    """Refuse a file where a folder is, the other way round, and a folder that others name by where they stand."""
    if target.name in ("", ".."):
        raise IsADirectoryError(f"{target} has no name of its own that could be written. Name another place.")
    if folder is False and target.is_dir():
        raise IsADirectoryError(f"{target} is a folder, and a file cannot take its place. Name a file.")
    if folder and target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file, and a folder cannot take its place. Choose another place.")


def _is(path: Path, replaceable: str | Callable[[Path], bool]) -> bool:
    if callable(replaceable):
        return replaceable(path)
    return path.is_file() and path.suffix == replaceable
