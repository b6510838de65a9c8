"""What the libraries behind Python print, past it, onto standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2


@contextmanager
def quiet_files() -> Iterator[None]:
    """Keep what VTK, ITK and the libraries below them print of a broken file, a screen full, from standard error.

    The error that is raised says it in a sentence. What Python prints meanwhile, warnings and tracebacks too, still
    appears. For reading and writing alone, because what else these libraries print may be the only trace of a crash.
    """
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:  # the process has no standard error
        yield
        return
    shown = sys.stderr
    try:
        if _is_standard_error(shown):
            sys.stderr = io.TextIOWrapper(
                os.fdopen(kept, "wb", 0, closefd=False), shown.encoding, shown.errors, write_through=True
            )
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        sys.stderr = shown
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)


def _is_standard_error(stream: object) -> bool:
    """Whether a stream writes to the process's standard error; tests and windows have others."""
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == _STANDARD_ERROR
    except (OSError, ValueError):
        return False
