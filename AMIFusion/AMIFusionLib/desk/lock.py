"""One command at a time on a file that is read, added to and written again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 30
"""Seconds to wait for another command; each takes a moment."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other commands from a file from its reading to its writing; they wait.

    Without it, what one of two writes would be lost with the other's: revocations, and lines of the register.

    Args:
        path: the file, there or not. An empty ``.NAME.lock`` may stay beside it: removing it could let two in. So
            refuse before what can be refused, and decide again under the lock.

    Raises:
        OSError: another command holds it for long, or its folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE).acquire()
    except Timeout:
        raise OSError(f"Another command is at work on {path}. Wait until it is done, and try again.") from None
    with lock:
        yield
