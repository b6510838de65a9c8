"""Rigid alignment: the pose of one image at which it says most about another."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from AMIFusionLib.arrays import Array

from .errors import NoCommonSpaceError, TooLittleInCommonError
from .images import SpatialImage, working_copy_steps
from .overlap import HARDLY_OVERLAPPING, by_size, overlap
from .poses import rotation_degrees, transformed, translation_by
from .threads import Worker

if TYPE_CHECKING:
    from .search import PoseSearch


@dataclass(frozen=True)
class AlignmentProgress:
    """How far an alignment is.

    Attributes:
        fraction: 0..0.99, never falling.
        level: 0 while the images are read, then 1, 2, ... from coarse to fine.
        value: mutual information of the pose last looked at, as its level sees it, in nats; NaN between.
    """

    fraction: float
    level: int
    value: float


@dataclass(frozen=True, eq=False)
class RigidAlignment:
    """A rigid motion that brings the moving image onto the reference.

    Attributes:
        matrix: 4 x 4 RAS; as the moving volume's parent transform it aligns the volume.
        nmi_before, nmi_after: normalized mutual information, 1 to 2; NaN where the images shared too little space.
        rotation_degrees: angle of the rotation.
        translation: (right, anterior, superior) millimeters that the moving image's middle moves by.
        iterations: of all levels.
        started_from_centers: whether the images hardly overlapped, so that their middles were put together first.
    """

    matrix: Array
    nmi_before: float
    nmi_after: float
    rotation_degrees: float
    translation: tuple[float, float, float]
    iterations: int
    started_from_centers: bool

    @property
    def translation_mm(self) -> float:
        """Length of the translation."""
        return float(np.linalg.norm(self.translation))

    @property
    def is_better(self) -> bool:
        """Whether the images agree more than before."""
        return not self.nmi_after <= self.nmi_before


def alignment_steps(
    reference: SpatialImage, moving: SpatialImage, seed: int = 0
) -> Generator[AlignmentProgress, None, RigidAlignment]:
    """Align an image rigidly to another, a short step at a time.

    SimpleITK climbs mutual information from coarse to fine in a thread, beginning where the images lie in space; where
    they hardly overlap there, beginning with their middles put together. The same images and seed give the same result.
    The images are read by the caller's own thread, before the search begins, and there is no file, so that the
    generator may be closed at any time: the thread then ends by itself, once it is given Python's interpreter lock.

    Args:
        reference: the image that stays.
        moving: the image to move; neither is changed.
        seed: of the random points at which the images are compared.

    Yields:
        Progress, after 20 ms or sooner.

    Returns:
        The alignment; of a start that nothing is better than, the start itself.

    Raises:
        UnsuitableImageError: an image has the same value everywhere.
        NoCommonSpaceError: the images lost each other.
        TooLittleInCommonError: the images tell hardly anything of each other, even at the best place found.
    """
    first = yield from _read(reference, 0)
    second = yield from _read(moving, 1)
    begin = AlignmentProgress(2 * _READING_SHARE, 0, float("nan"))
    worker: Worker[AlignmentProgress, RigidAlignment] = Worker(partial(_align, first, second, seed), begin)
    return (yield from worker.steps())


def align_rigidly(reference: SpatialImage, moving: SpatialImage, seed: int = 0) -> RigidAlignment:
    """``alignment_steps`` in one go."""
    steps = alignment_steps(reference, moving, seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            alignment: RigidAlignment = end.value
            return alignment


_READING_SHARE = 0.05
"""Of the progress, for each image's working copy."""

_CLIMBED_SHARE = 0.99
"""Of the progress, when the last level is done: whoever shows the result says 1."""


def _read(image: SpatialImage, index: int) -> Generator[AlignmentProgress, None, SpatialImage]:
    steps = working_copy_steps(image)
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            copy: SpatialImage = end.value
            return copy
        yield AlignmentProgress(_READING_SHARE * (index + share), 0, float("nan"))


def _align(
    reference: SpatialImage, moving: SpatialImage, seed: int, worker: Worker[AlignmentProgress, RigidAlignment]
) -> RigidAlignment:
    """What the thread does with two working copies."""
    # Loaded here: SimpleITK takes a moment, most of which the caller's event loop need not stand still for.
    from .search import PoseSearch
    from .similarity import LEAST_AGREEMENT, LEAST_VOXELS, Agreement
    from .simpleitk_images import ras_matrix

    if min(reference.array.size, moving.array.size) < LEAST_VOXELS:
        raise TooLittleInCommonError.of(moving.name, reference.name)
    is_apart = overlap(reference, moving) < HARDLY_OVERLAPPING
    start = translation_by(reference.center - moving.center) if is_apart else np.eye(4)
    fixed, other, pose = by_size(reference, moving, start)
    searched = PoseSearch(fixed, other, pose[:3, 3], seed)
    agreement = Agreement(*searched.images)
    before = float("nan") if is_apart else agreement.at(searched.pose)
    _climb(searched, worker)
    after = agreement.at(searched.pose)
    if np.isnan(after):
        raise NoCommonSpaceError.of(moving.name, reference.name)
    if max(before if before == before else 0.0, after) < LEAST_AGREEMENT:
        # It is better by chance, wherever it is.
        raise TooLittleInCommonError.of(moving.name, reference.name)
    motion = by_size(reference, moving, ras_matrix(searched.pose))[2]
    if after <= before:
        motion, after = np.eye(4), before
    center = moving.center[:, None]
    x, y, z = map(float, (transformed(motion, center) - center)[:, 0])
    return RigidAlignment(motion, before, after, rotation_degrees(motion), (x, y, z), searched.iterations, is_apart)


def _climb(searched: PoseSearch, worker: Worker[AlignmentProgress, RigidAlignment]) -> None:
    """Take a pose through all levels, and tell how far it is."""
    from .search import LEVELS

    costs = [level.samples * level.iterations for level in LEVELS]
    for index, level in enumerate(LEVELS):
        done = searched.iterations

        def tell(value: float, index: int = index, samples: int = level.samples, done: int = done) -> bool:
            spent = sum(costs[:index]) + samples * (searched.iterations - done)
            fraction = 2 * _READING_SHARE + (_CLIMBED_SHARE - 2 * _READING_SHARE) * spent / sum(costs)
            return worker.tell(AlignmentProgress(fraction, index + 1, value))

        images = searched.at(level)
        worker.check()
        searched.climb(images, level, tell)
        worker.check()
