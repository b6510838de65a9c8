"""Whether two images lie right to each other: a plain verdict and what to do."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from AMIFusionLib.arrays import Array

from ..translation import tr as _
from .errors import NoCommonSpaceError
from .images import SpatialImage, working_copy_steps
from .overlap import HARDLY_OVERLAPPING, by_size, overlap
from .poses import rotation_degrees, transformed
from .threads import Worker

if TYPE_CHECKING:
    from SimpleITK import VersorRigid3DTransform

    from .similarity import Agreement

UNALIGNED_GAIN, UNALIGNED_GAIN_BY_TURNING = 0.09, 0.05
"""Shares of the images' agreement; where a better place nearby adds as much, in all or by its rotation, they are called
unaligned.

Measured: of 21 registered brain pairs with slices of up to 5 mm the worst two gain 0.081 and 0.066, by turning 0.041
and 0.022; the head phantom's pairs at most 0.014. benchmarks/align.py counts how many displaced pairs are called so."""

_BINS = 32
"""Of the histograms by which places are compared, at coarse resolutions."""

OK, HARDLY_OVERLAP, LOOK_UNALIGNED, TOO_LITTLE = "ok", "hardly overlap", "look unaligned", "too little"

_NAN = float("nan")


@dataclass(frozen=True)
class AlignmentCheck:
    """Whether two images lie right to each other.

    Attributes:
        verdict: ``OK``, ``HARDLY_OVERLAP``, ``LOOK_UNALIGNED`` or ``TOO_LITTLE``.
        sentence: for the user: what is wrong and what to do; empty if all is well.
        nmi: normalized mutual information at the present place, 1 (none) to 2 (each tells the other); NaN without
            overlap.
        overlap: share of the smaller image, by its grid's volume, that lies within the larger, 0..1.
        gain: share of the agreement that a better place nearby adds, 0..1; NaN without overlap.
        gain_by_turning: what of it that place's rotation adds.
        distance: how far that place is, in millimeters at the moving image's middle.
        degrees: by what angle the image is turned there.
    """

    verdict: str
    sentence: str
    nmi: float
    overlap: float
    gain: float = _NAN
    gain_by_turning: float = _NAN
    distance: float = _NAN
    degrees: float = _NAN

    @property
    def is_ok(self) -> bool:
        """Whether nothing speaks against the present place."""
        return self.verdict == OK


def alignment_check(reference: SpatialImage, moving: SpatialImage, seed: int = 0) -> AlignmentCheck:
    """Judge whether two images lie right to each other.

    Agreement is climbed at two coarse resolutions, from where the images are. Registered images are near a peak and
    gain little; displaced ones gain much. The gain is the part of NMI - 1 at the peak that the present place lacks, the
    mean of both resolutions. What turning adds counts separately: it is less, but registered images gain hardly
    any. Errors below about 8 mm or 8 degrees may stay unseen where slices are thick.

    Args:
        reference, moving: of any size.
        seed: of the random points.

    Raises:
        UnsuitableImageError: an image has the same value everywhere.
    """
    steps = alignment_check_steps(reference, moving, seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            check: AlignmentCheck = end.value
            return check


def alignment_check_steps(
    reference: SpatialImage, moving: SpatialImage, seed: int = 0
) -> Generator[None, None, AlignmentCheck]:
    """``alignment_check`` in steps of 5 to 20 ms, for callers with an event loop; may be closed at any time."""
    shared = overlap(reference, moving)
    if shared < HARDLY_OVERLAPPING:
        return _apart(reference, moving, shared)
    first = yield from _silent(working_copy_steps(reference))
    second = yield from _silent(working_copy_steps(moving))
    worker: Worker[None, AlignmentCheck] = Worker(partial(_check, first, second, shared, seed), None)
    return (yield from worker.steps())


def _silent(steps: Generator[float, None, SpatialImage]) -> Generator[None, None, SpatialImage]:
    """The same steps without what they yield."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            copy: SpatialImage = end.value
            return copy
        yield


def _check(
    reference: SpatialImage, moving: SpatialImage, shared: float, seed: int, worker: Worker[None, AlignmentCheck]
) -> AlignmentCheck:
    """What the thread does with two working copies."""
    # Loaded here: SimpleITK takes a moment, most of which the caller's event loop need not stand still for.
    from .search import CHECKED_LEVELS, PoseSearch
    from .similarity import LEAST_AGREEMENT, LEAST_VOXELS, Agreement
    from .simpleitk_images import ras_matrix

    fixed, other, _start = by_size(reference, moving, np.eye(4))
    searched = PoseSearch(fixed, other, np.zeros(3), seed)
    agreement = Agreement(*searched.images)
    found = agreement.at(searched.pose), shared
    if min(reference.array.size, moving.array.size) < LEAST_VOXELS:
        return _untold(reference, moving, found)
    gains = []
    for level in CHECKED_LEVELS:
        images = searched.at(level)
        try:
            searched.climb(images, level, lambda _value: worker.is_wanted)
        except NoCommonSpaceError:
            return _untold(reference, moving, found)
        worker.check()
        gains.append(_gains(searched.pose, Agreement(images[0], images[1], bins=_BINS)))
    if not agreement.at(searched.pose) >= LEAST_AGREEMENT:
        return _untold(reference, moving, found)
    motion = by_size(reference, moving, ras_matrix(searched.pose))[2]
    return _judged(reference, moving, found, gains, motion)


def _gains(pose: VersorRigid3DTransform, agreement: Agreement) -> tuple[float, float]:
    """What a pose has over the present place, and over the same pose without its rotation.

    They are shares of the agreement at the pose.
    """
    from .simpleitk_images import unturned

    reached, without, present = (agreement.at(each) - 1 for each in (pose, unturned(pose), type(pose)()))
    if not reached > 0:
        return 0.0, 0.0
    gain = max(0.0, (reached - present) / reached)
    # Where the shift alone would be a loss, turning adds no more than both together.
    return gain, min(gain, max(0.0, (reached - without) / reached))


def _judged(
    reference: SpatialImage, moving: SpatialImage, found: tuple[float, float],
    gains: list[tuple[float, float]], motion: Array,
) -> AlignmentCheck:  # fmt: skip
    """The verdict, where there is enough in common for one; the motion leads to the better place."""
    gain, by_turning = np.mean(gains, axis=0).tolist()
    center = moving.center[:, None]
    distance = float(np.linalg.norm(transformed(motion, center) - center))
    degrees = rotation_degrees(motion)
    if gain <= UNALIGNED_GAIN and by_turning <= UNALIGNED_GAIN_BY_TURNING:
        return AlignmentCheck(OK, "", *found, gain, by_turning, distance, degrees)
    sentence = _(
        "'{moving}' and '{reference}' look unaligned: moved by about {distance:.0f} mm and {degrees:.0f} degrees they "
        "would agree better."
    ).format(moving=moving.name, reference=reference.name, distance=distance, degrees=degrees)
    return AlignmentCheck(LOOK_UNALIGNED, f"{sentence} {_advice()}", *found, gain, by_turning, distance, degrees)


def _untold(reference: SpatialImage, moving: SpatialImage, found: tuple[float, float]) -> AlignmentCheck:
    """Too little in common for a verdict: a warning, since the user must look."""
    sentence = _(
        "'{moving}' and '{reference}' have too little in common to tell how they lie to each other. Look at them in "
        "the slice views before you rely on the fusion."
    ).format(moving=moving.name, reference=reference.name)
    return AlignmentCheck(TOO_LITTLE, sentence, *found)


def _apart(reference: SpatialImage, moving: SpatialImage, shared: float) -> AlignmentCheck:
    sentence = _(
        "'{moving}' and '{reference}' hardly overlap in space ({shared:.0%} of the smaller one). Check that both show "
        "the same part of the same patient."
    ).format(moving=moving.name, reference=reference.name, shared=shared)
    return AlignmentCheck(HARDLY_OVERLAP, f"{sentence} {_advice()}", _NAN, shared)


def _advice() -> str:
    return _(
        "Align them rigidly here; for more, use Slicer's modules "
        '"General Registration (BRAINS)", "Elastix" or "Landmark Registration"'
        "."
    )
