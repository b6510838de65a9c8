"""How much of an image lies within another; no voxel is read."""

from __future__ import annotations

import numpy as np

from AMIFusionLib.arrays import Array

from .images import SpatialImage
from .poses import transformed

HARDLY_OVERLAPPING = 0.25
"""Share of the smaller image: below it what is outside decides more than what is inside."""

_SAMPLES = 20_000


def by_size(reference: SpatialImage, moving: SpatialImage, motion: Array) -> tuple[SpatialImage, SpatialImage, Array]:
    """The smaller image, the larger one, and the motion as a pose that leads from the smaller to the larger.

    Places are drawn in the smaller one and looked up in the larger: of those in a large image hardly one may lie
    within a thin slab. The same call with a pose in place of the motion, since it inverts or leaves, gives the motion
    back.
    """
    if reference.cubic_millimeters <= moving.cubic_millimeters:
        return reference, moving, np.linalg.inv(motion)
    return moving, reference, motion


def overlap(reference: SpatialImage, moving: SpatialImage, motion: Array | None = None) -> float:
    """Share of the smaller image, by its grid's volume, that lies within the larger, 0..1: 2 ms for images of any size.

    Args:
        reference, moving: of any size.
        motion: 4 x 4 RAS that the moving image is moved by first; None leaves it.
    """
    smaller, larger, pose = by_size(reference, moving, np.eye(4) if motion is None else motion)
    indices = np.random.default_rng(0).random((3, _SAMPLES)) * (smaller.size - 1)[:, None]
    to_larger = np.linalg.inv(larger.ijk_to_ras) @ pose @ smaller.ijk_to_ras
    found = transformed(to_larger, indices)
    return float(np.all((found >= 0) & (found <= (larger.size - 1)[:, None]), axis=0).mean())
