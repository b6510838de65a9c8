"""The type that arrays have in signatures."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and any type of values; docstrings say both.

Not numpy's ``NDArray``, by which no shape has a known number of axes.
"""
