"""How well two images agree where they lie in space."""

from __future__ import annotations

import numpy as np
import SimpleITK

from AMIFusionLib.arrays import Array

from .simpleitk_images import values_at, values_between

BINS = 64
SAMPLES = 100_000
"""About; other places change the third digit of a head's normalized mutual information by one."""

LEAST_AGREEMENT = 1.02
"""Normalized mutual information below which images tell hardly anything of each other. Measured at their best places:
noise 1.004, unrelated bodies 1.006, 21 real brain pairs 1.07 and more."""

LEAST_VOXELS = 500
"""Of the smaller image's working copy; fewer agree by chance."""

_LEAST_SAMPLES = 200
"""Fewer tell nothing about a histogram."""


def normalized_mutual_information(first: Array, second: Array, bins: int = BINS) -> float:
    """(H(A) + H(B)) / H(A, B), with entropies from a joint histogram.

    C. Studholme, D. L. G. Hill, D. J. Hawkes, "An overlap invariant entropy measure of 3D medical image alignment",
    Pattern Recognition 32, 1999.

    Args:
        first, second: (n,) values in 0..1 at the same places.
        bins: for each of the two.

    Returns:
        1 to 2, or NaN for fewer than 200 values.
    """
    if first.size < _LEAST_SAMPLES:
        return float("nan")
    rows, columns = (np.minimum(values * np.float32(bins), bins - 1).astype(np.intp) for values in (first, second))
    joint = np.bincount(rows * bins + columns, minlength=bins * bins).reshape(bins, bins) / first.size
    together = _entropy(joint)
    return (_entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0))) / together if together > 0 else 1.0


class Agreement:
    """Normalized mutual information of two images as a function of a pose.

    Args:
        fixed, moving: with values in 0..1.
        samples: about how many places to compare them at.
        bins: of the histogram, for each of the two.
    """

    def __init__(
        self, fixed: SimpleITK.Image, moving: SimpleITK.Image, samples: int = SAMPLES, bins: int = BINS
    ) -> None:
        self._moving, self._bins = moving, bins
        self._grid, self._values = values_between(fixed, samples)

    def at(self, pose: SimpleITK.Transform) -> float:
        """1 to 2, or NaN where the images share hardly a place.

        Args:
            pose: from the fixed image's points to the moving image's.
        """
        found = values_at(self._grid, self._moving, pose)
        is_inside = np.isfinite(found)
        return normalized_mutual_information(self._values[is_inside], found[is_inside], self._bins)


def _entropy(probabilities: Array) -> float:
    seen = probabilities[probabilities > 0]
    return -float((seen * np.log(seen)).sum())
