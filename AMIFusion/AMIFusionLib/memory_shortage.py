"""Memory that does not suffice: told beforehand where that is possible, and the errors that mean it.

VTK and ITK end the whole process where they get no memory, without a word to whoever called them.
"""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

from .translation import tr as _

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


def not_enough_memory() -> str:
    """The sentence for the user."""
    return _("There is not enough memory for this. Use smaller volumes or a machine with more memory.")


def check_memory(size: int) -> None:
    """Refuse what needs more memory than this process can still get.

    Args:
        size: bytes that it will need besides what the process has.

    Raises:
        MemoryError: with the sentence for the user.
    """
    if size > _left():
        raise MemoryError(not_enough_memory())


def physical_memory() -> int | None:
    """Bytes of main memory, or None where the system does not tell Python."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _left() -> float:
    """Bytes that this process can get; endless where the system tells no limit."""
    addresses, resident = _held()
    left = math.inf
    if (physical := physical_memory()) is not None:
        left = min(left, physical - resident)
    if (limit := _address_limit()) is not None:
        left = min(left, limit - addresses)
    return left


def _held() -> tuple[int, int]:
    """Bytes of addresses and of main memory that this process has; zeros where the system does not tell."""
    try:
        addresses, resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0, 0
    return int(addresses) * page, int(resident) * page


def _address_limit() -> int | None:
    """What ``ulimit -v`` and batch systems set, or None."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
