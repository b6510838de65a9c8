"""Slicer's package, which has no types: whatever is not named in a file beside this one is Any."""

from typing import Any

def __getattr__(name: str) -> Any: ...
