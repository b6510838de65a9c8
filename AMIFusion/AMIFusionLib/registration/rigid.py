"""Rigid alignment: the pose of one image at which it says most about another."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ..translation import tr as _
from .climbing import Level, climb_steps
from .errors import NoCommonSpaceError
from .images import SpatialImage, working_copy_steps
from .poses import rotation_degrees, translation_by
from .sampling import transformed
from .similarity import HARDLY_OVERLAPPING, by_size, overlap, similarity

LEVELS = (
    Level(4, 2.5, 10_000, 2.0, 0.1, 100),
    Level(2, 1.0, 20_000, 0.5, 0.05, 60),
    Level(1, 0.0, 40_000, 0.2, 0.01, 60),
)


@dataclass(frozen=True)
class AlignmentProgress:
    """How far an alignment is.

    Attributes:
        fraction: 0..0.99, never falling.
        level: 0 while the images are read, then 1, 2, ... from coarse to fine.
        value: normalized mutual information of the pose last looked at, as its level sees it; NaN between.
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

    matrix: np.ndarray
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
    reference: SpatialImage, moving: SpatialImage, levels: tuple[Level, ...] = LEVELS, seed: int = 0
) -> Generator[AlignmentProgress, None, RigidAlignment]:
    """Align an image rigidly to another, a short step at a time.

    Normalized mutual information is climbed from coarse to fine, beginning where the images lie in space; where they
    hardly overlap there, beginning with their middles put together. The same images, levels and seed give the same
    result. There is no thread and no file, so that the generator may be closed at any time.

    Args:
        reference: the image that stays.
        moving: the image to move; neither is changed.
        levels: from coarse to fine.
        seed: of the random points at which the images are compared.

    Yields:
        Progress, every 5 to 20 ms on one core.

    Returns:
        The alignment; of a start that nothing is better than, the start itself.

    Raises:
        UnsuitableImageError: an image has the same value everywhere.
        NoCommonSpaceError: the images lost each other.
    """
    return _Alignment(reference, moving, levels, seed).steps()


def align_rigidly(
    reference: SpatialImage, moving: SpatialImage, levels: tuple[Level, ...] = LEVELS, seed: int = 0
) -> RigidAlignment:
    """``alignment_steps`` in one go."""
    steps = alignment_steps(reference, moving, levels, seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


_READING_SHARE = 0.05
"""Of the progress, for each image's working copy."""

_CLIMBED_SHARE = 0.99
"""Of the progress, when the last level is done: whoever shows the result says 1."""


class _Alignment:
    """The state of one alignment."""

    def __init__(self, reference: SpatialImage, moving: SpatialImage, levels: tuple[Level, ...], seed: int) -> None:
        self._images = [reference, moving]
        self._levels, self._seed = levels, seed
        self._iterations = 0

    def steps(self) -> Generator[AlignmentProgress, None, RigidAlignment]:
        copies = []
        for index in range(2):
            copies.append((yield from self._read(index)))
        yield AlignmentProgress(2 * _READING_SHARE, 0, float("nan"))
        reference, moving = copies
        is_apart = overlap(reference, moving) < HARDLY_OVERLAPPING
        start = translation_by(reference.center - moving.center) if is_apart else np.eye(4)
        before = similarity(reference, moving, seed=self._seed)
        yield AlignmentProgress(2 * _READING_SHARE, 0, float("nan"))
        smaller, larger, pose = by_size(reference, moving, start)
        for index in range(len(self._levels)):
            pose = yield from self._climb(index, smaller, larger, pose)
        motion = by_size(reference, moving, pose)[2]
        yield AlignmentProgress(_CLIMBED_SHARE, len(self._levels), float("nan"))
        after = similarity(reference, moving, motion, self._seed)
        if not is_apart and after.nmi <= before.nmi:
            motion, after = np.eye(4), before
        return self._result(motion, before.nmi, after.nmi, is_apart)

    def _read(self, index: int) -> Generator[AlignmentProgress, None, SpatialImage]:
        steps = working_copy_steps(self._images[index])
        while True:
            try:
                share = next(steps)
            except StopIteration as end:
                return end.value
            yield AlignmentProgress(_READING_SHARE * (index + share), 0, float("nan"))

    def _climb(
        self, index: int, smaller: SpatialImage, larger: SpatialImage, pose: np.ndarray
    ) -> Generator[AlignmentProgress, None, np.ndarray]:
        steps, done = climb_steps(smaller, larger, pose, self._levels[index], self._seed + index), 0
        while True:
            try:
                value = next(steps)
            except StopIteration as end:
                climbed = end.value
                break
            done += value == value  # NaN while images are made
            yield AlignmentProgress(self._fraction(index, done), index + 1, value)
        self._iterations += done
        if climbed is None:
            reference, moving = self._images
            raise NoCommonSpaceError(
                _(
                    "'{moving}' and '{reference}' share too little space to be aligned. Bring them roughly together in "
                    'the module "Transforms" or with "Landmark Registration" '
                    "first."
                ).format(moving=moving.name, reference=reference.name)
            )
        return climbed.pose

    def _fraction(self, index: int, done: int) -> float:
        """Of the work as it would be if every level took all its iterations."""
        costs = [level.samples * level.iterations for level in self._levels]
        spent = sum(costs[:index]) + self._levels[index].samples * done
        return 2 * _READING_SHARE + (_CLIMBED_SHARE - 2 * _READING_SHARE) * spent / sum(costs)

    def _result(self, motion: np.ndarray, before: float, after: float, is_apart: bool) -> RigidAlignment:
        center = self._images[1].center[:, None]
        x, y, z = map(float, (transformed(motion, center) - center)[:, 0])
        return RigidAlignment(motion, before, after, rotation_degrees(motion), (x, y, z), self._iterations, is_apart)
