"""Which values of an image show it: from nearly the lowest to nearly the highest, metal and spikes left out."""

from __future__ import annotations

import numpy as np

from .arrays import Array

PERCENTILES = (0.5, 99.5)
"""Wide enough to keep small hot lesions, narrow enough to drop metal and spikes."""

_LARGEST_SAMPLE = 400_000
"""Voxels to take percentiles from, in some hundredths of a second: beyond either there are still 2,000 of them."""


def value_range(values: Array) -> tuple[float, float]:
    """The ``PERCENTILES`` of all values that are finite; where they are one, the lowest and the highest value.

    Args:
        values: of any shape and any type of numbers.

    Returns:
        Low and high, which are one where all values are; (0, 0) where none is finite.
    """
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _LARGEST_SAMPLE)].astype(np.float64)
    finite = sample[np.isfinite(sample)]
    if finite.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(finite, PERCENTILES)
    if high <= low:
        low, high = finite.min(), finite.max()
    return float(low), float(high)
