"""What is known of this computer before PyTorch, which takes seconds, has been loaded."""

from __future__ import annotations

import os

from ..translation import tr as _


def describe_processor(kind: str) -> str:
    """A processor that works in main memory, for the user, with how much of it there is where the system tells.

    Args:
        kind: what it is, such as "CPU".
    """
    size = (_physical_memory() or 0) / 1e9
    return _("{kind}, {size:.0f} GB").format(kind=kind, size=size) if size else kind


def _physical_memory() -> int | None:
    """Bytes of main memory, or None where the system does not tell Python."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
