"""Feature mutual information: what small windows of the fused image tell about the same windows of a source."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from AMIFusionLib.arrays import Array

_WINDOW = 3
_CHUNK = 512
"""Windows at a time: each takes some arrays of 9 x 9 numbers, and those of a chunk fit in a processor's cache. With 16
times as many it takes twice the time."""


def feature_mutual_information(source: Array, fused: Array) -> float:
    """FMI of gray values ("FMI_pixel" in the field) with one source, 0..1; the field takes the mean over both.

    M. Haghighat and M. A. Razian, "Fast-FMI: non-reference image fusion metric", AICT 2014. The values of each 3 x 3
    window, the least one subtracted, are taken for a distribution over its nine places. The joint distribution of the
    source's and the fused window lies between independence and the Frechet bound, upper or lower, as far as their
    correlation says (M. Haghighat, A. Aghagolzadeh and H. Seyedarabi, "A non-reference image fusion metric based on
    mutual information of image features", Comput. Electr. Eng. 37(5), 2011); twice its mutual information over the
    sum of both entropies is a window's value, and the mean over all windows the result. Equal windows count 1, air
    included; a constant window beside one that is not counts 0. No library has it; where the correlation exceeds what
    the bound allows, which the papers leave open, the bound is taken.

    Args:
        source, fused: (rows, columns) float64. For other features than gray values give maps of these, gradients for
            example.
    """
    windows = [sliding_window_view(image, (_WINDOW, _WINDOW)).reshape(-1, _WINDOW**2) for image in (source, fused)]
    values = np.all(windows[0] == windows[1], axis=1).astype(np.float64)
    varied = [window.max(axis=1) > window.min(axis=1) for window in windows]
    open_ones = np.flatnonzero((values == 0) & varied[0] & varied[1])
    for start in range(0, len(open_ones), _CHUNK):
        chosen = open_ones[start : start + _CHUNK]
        values[chosen] = _shared_information(*(_distributions(window[chosen]) for window in windows))
    return float(values.mean())


def _distributions(windows: Array) -> Array:
    """(n, places): each window as a distribution over its places."""
    above_least: Array = windows - windows.min(axis=1, keepdims=True)
    distributions: Array = above_least / above_least.sum(axis=1, keepdims=True)
    return distributions


def _shared_information(first: Array, second: Array) -> Array:
    """(n,): mutual information over the mean of the entropies, 0..1."""
    entropies = _entropy(first) + _entropy(second)
    joint = _joint_distribution(first, second)
    information = np.maximum(entropies - _entropy(joint.reshape(len(joint), -1)), 0)
    same_single_place: Array = np.all(first == second, axis=1).astype(np.float64)
    np.divide(2 * information, entropies, out=same_single_place, where=entropies > 1e-12)
    return same_single_place


def _joint_distribution(first: Array, second: Array) -> Array:
    """(n, places, places) with the given margins and, within its bounds, their correlation."""
    below_first, below_second = np.cumsum(first, axis=1)[:, :, None], np.cumsum(second, axis=1)[:, None, :]
    correlation = _correlation(first, second)
    upper = np.minimum(below_first, below_second)
    lower = np.maximum(below_first + below_second - 1, 0)
    bound = np.where(correlation[:, None, None] >= 0, upper, lower)
    # Hoeffding: the covariance is the sum of what the joint cumulative distribution has beyond independence.
    covariance = np.sum(bound - below_first * below_second, axis=(1, 2))
    limit = covariance / (_spread(first) * _spread(second))
    share = np.divide(correlation, limit, out=np.zeros_like(limit), where=limit != 0).clip(0, 1)[:, None, None]
    extreme = np.diff(np.diff(bound, axis=1, prepend=0), axis=2, prepend=0)
    joint: Array = share * extreme + (1 - share) * first[:, :, None] * second[:, None, :]
    return joint


def _correlation(first: Array, second: Array) -> Array:
    first, second = (rows - rows.mean(axis=1, keepdims=True) for rows in (first, second))
    sizes: Array = np.sqrt(np.sum(first**2, axis=1) * np.sum(second**2, axis=1))
    found: Array = np.sum(first * second, axis=1) / sizes
    return found


def _spread(distributions: Array) -> Array:
    """Standard deviations of the place."""
    places = np.arange(distributions.shape[1])
    variance = distributions @ places**2 - (distributions @ places) ** 2
    deviations: Array = np.sqrt(np.maximum(variance, 1e-12))
    return deviations


def _entropy(distributions: Array) -> Array:
    safe = np.where(distributions > 1e-15, distributions, 1)
    bits: Array = -np.sum(safe * np.log2(safe), axis=1)
    return bits
