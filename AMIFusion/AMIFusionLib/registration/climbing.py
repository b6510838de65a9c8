"""One pass of an alignment: a pose is moved uphill at one resolution, a short step at a time."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from .ascent import Ascent
from .images import SpatialImage, coarser
from .mutual_information import MattesMetric
from .poses import translation_by
from .sampling import LinearInterpolator, random_points, transformed


@dataclass(frozen=True)
class Level:
    """How one pass works.

    Attributes:
        factor: how many voxels of the working copy make one of this level's along each edge.
        smoothing: standard deviation of a Gaussian, in voxels of the working copy.
        samples: points to compare the images at.
        first_step, last_step: how far a pose moves in one iteration, in voxels of the working copy (2 mm for a head).
        iterations: most of them.
    """

    factor: int
    smoothing: float
    samples: int
    first_step: float
    last_step: float
    iterations: int


@dataclass(frozen=True, eq=False)
class Climbed:
    """What a pass reached.

    Attributes:
        pose: 4 x 4, from the smaller image to the larger.
        value: normalized mutual information there, as this level sees it.
        value_before: of the pose that it is compared with.
        value_unturned: of that pose, shifted as far as the new one is, but not turned.
    """

    pose: np.ndarray
    value: float
    value_before: float
    value_unturned: float


def climb_steps(
    smaller: SpatialImage, larger: SpatialImage, pose: np.ndarray, level: Level, seed: int,
    compared_with: np.ndarray | None = None,
) -> Generator[float, None, Climbed | None]:  # fmt: skip
    """Move a pose uphill.

    Args:
        smaller, larger: working copies. Points are drawn in the smaller one, and looked up in the larger: of points in
            a large image hardly one may lie within a thin slab.
        pose: 4 x 4 to begin with, from the smaller image to the larger.
        level: how.
        seed: of the random points.
        compared_with: a pose to report the value of; None takes the one to begin with.

    Yields:
        Normalized mutual information of the pose last looked at, NaN while images are made; every 3 to 20 ms.

    Returns:
        What was reached; None where the images share too little space.
    """
    unit = smaller.spacing.min()
    if level.factor > 1:
        smaller = coarser(smaller, level.factor, level.smoothing * unit)
        yield float("nan")
        larger = coarser(larger, level.factor, level.smoothing * unit)
        yield float("nan")
    points = random_points(smaller, level.samples, seed)
    metric = MattesMetric(points, LinearInterpolator(smaller).sample(points).values, LinearInterpolator(larger))
    yield float("nan")
    center = points.mean(axis=1)
    start = pose if compared_with is None else compared_with
    before = metric.evaluate(start, center)
    yield float("nan")
    ascent = Ascent(metric, center, pose, level.first_step * unit, level.last_step * unit)
    for _ in range(level.iterations):
        if not ascent.step():
            break
        yield ascent.value
    if ascent.best is None or before is None:
        return None
    yield float("nan")
    shift = transformed(ascent.best, center[:, None]) - transformed(start, center[:, None])
    unturned = metric.evaluate(translation_by(shift[:, 0]) @ start, center)
    value_unturned = before.value if unturned is None else unturned.value
    return Climbed(ascent.best, ascent.best_value, before.value, value_unturned)
