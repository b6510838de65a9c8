"""What is known of this computer before PyTorch, which takes seconds, has been loaded."""

from __future__ import annotations

from ..memory_shortage import physical_memory
from ..translation import tr as _


def describe_processor(kind: str) -> str:
    """A processor that works in main memory, for the user, with how much of it there is where the system tells.

    Args:
        kind: what it is, such as "CPU".
    """
    size = (physical_memory() or 0) / 1e9
    return _("{kind}, {size:.0f} GB").format(kind=kind, size=size) if size else kind
