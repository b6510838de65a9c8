"""Normalized mutual information of two images as a function of one's pose, with its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sampling import LinearInterpolator, transformed

BINS = 32

_PADDING = 2
"""Empty bins on either side of the moving image's, so that the spline of a border value stays within the histogram."""

_COLUMNS = BINS + 2 * _PADDING

LEAST_SAMPLES = 200
"""Fewer tell nothing about a histogram of 32 x 32."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the metric says of one pose.

    Attributes:
        value: normalized mutual information, 1 to 2; greater is better.
        force: (3,) its gradient by a translation, per millimeter.
        torque: (3,) its gradient by a rotation about the pivot, per radian about each RAS axis.
    """

    value: float
    force: np.ndarray
    torque: np.ndarray


class MattesMetric:
    """Normalized mutual information from a joint histogram that is smooth along the moving image's values.

    The fixed image's values are sorted into bins; each of the moving image's is spread by a cubic B-spline over four
    bins, so that the histogram has a gradient everywhere: D. Mattes et al., "PET-CT image registration in the chest
    using free-form deformations", IEEE Transactions on Medical Imaging 22, 2003. What is climbed is not the mutual
    information but (H(F) + H(M)) / H(F, M) of C. Studholme et al., Pattern Recognition 32, 1999, which rewards less for
    moving out of the overlap: on the head phantom it ends 0.03 mm nearer for CT and PET with MR.

    It is written out here because one evaluation must be short where no thread is used. SimpleITK 2.5's registration
    with the same samples takes 2.5 us for each (here 0.26), and each call of its ``Execute`` takes over 100 ms at 1.5
    million voxels before it begins to work; in a thread it leaves the interpreter free and can be stopped.

    Args:
        points: (3, n) RAS millimeters in the fixed image.
        values: (n,) of the fixed image there, 0..1.
        moving: of an image with values in 0..1.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray, moving: LinearInterpolator) -> None:
        self._points = points
        self._rows = np.minimum((values * BINS).astype(np.intp), BINS - 1)
        self._moving = moving

    def evaluate(self, matrix: np.ndarray, pivot: np.ndarray) -> Agreement | None:
        """Look at one pose.

        Args:
            matrix: 4 x 4, from the fixed image's points to the moving image's.
            pivot: (3,) RAS millimeters in the moving image, what rotations turn about.

        Returns:
            The agreement, or None where hardly a sample lies within the moving image.
        """
        points = transformed(matrix, self._points)
        sampled = self._moving.sample(points, with_gradients=True)
        count = sampled.values.size
        if count < LEAST_SAMPLES:
            return None
        first, weights, slopes = _spread(sampled.values)
        rows = self._rows[sampled.inside] * _COLUMNS + first
        cells = [rows + step for step in range(4)]
        counts = sum(np.bincount(cell, weight, BINS * _COLUMNS) for cell, weight in zip(cells, weights))
        joint = np.asarray(counts) / count
        value, by_cell = _normalized_information(joint.reshape(BINS, _COLUMNS))
        # How much the information grows with each sample's value, then with its place.
        growth = sum(slope * by_cell[cell] for cell, slope in zip(cells, slopes)) / count
        forces = sampled.gradients * growth
        arms = points[:, sampled.inside] - pivot[:, None]
        return Agreement(value, forces.sum(axis=1), np.cross(arms, forces, axis=0).sum(axis=1))


def _normalized_information(joint: np.ndarray) -> tuple[float, np.ndarray]:
    """Of a joint distribution, (fixed bins, moving bins), and its derivative by each cell, flat.

    The derivative leaves out what is the same in all cells of a row: samples never change their row.
    """
    of_fixed, of_moving = joint.sum(axis=1), joint.sum(axis=0)
    log_joint, log_fixed, log_moving = (np.log(np.where(p > 0, p, 1)) for p in (joint, of_fixed, of_moving))
    joint_entropy = -float((joint * log_joint).sum())
    if not joint_entropy > 0:
        return 1.0, np.zeros(joint.size)
    value = -float((of_fixed * log_fixed).sum() + (of_moving * log_moving).sum()) / joint_entropy
    return value, ((value * log_joint - log_moving) / joint_entropy).reshape(-1)


def _spread(values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """The four bins that each value falls into.

    Args:
        values: (n,) float32 in 0..1.

    Returns:
        The first bin's index, the weights in the four, and the derivatives of the weights by the value.
    """
    at = values * np.float32(BINS - 1) + np.float32(_PADDING)
    whole = at.astype(np.intp)
    t = at - whole.astype(np.float32)
    s = 1 - t
    weights = [s * s * s / 6, (3 * t - 6) * t * t / 6 + 2 / 3, (3 * s - 6) * s * s / 6 + 2 / 3, t * t * t / 6]
    slopes = [s * s / -2, (1.5 * t - 2) * t, (2 - 1.5 * s) * s, t * t / 2]
    return whole - 1, weights, [slope * np.float32(BINS - 1) for slope in slopes]
