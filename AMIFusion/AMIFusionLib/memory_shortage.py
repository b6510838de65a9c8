"""Errors that mean that the memory did not suffice, whichever library raises them."""

from __future__ import annotations

import errno

_WORDS = (
    "bad_alloc", "bad allocation", "failed to allocate", "unable to allocate", "can't allocate memory",
    "cannot allocate memory", "not enough memory", "insufficient memory", "out of memory",
)  # fmt: skip
"""As ITK, PyTorch and OpenCV say it, which have no class for it that could be asked for without loading them."""


def is_memory_shortage(error: BaseException) -> bool:
    """Whether an error says that the memory did not suffice."""
    if isinstance(error, (MemoryError, OSError)):
        return isinstance(error, MemoryError) or error.errno == errno.ENOMEM
    # Words count only in what these libraries raise: sentences of this program may hold names that users chose.
    if not isinstance(error, RuntimeError) and type(error).__module__ != "cv2":
        return False
    text = str(error).lower()
    return any(words in text for words in _WORDS)
