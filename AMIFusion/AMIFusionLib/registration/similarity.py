"""How well two images agree where they lie in space, and a plain verdict on it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..translation import tr as _
from .climbing import Climbed, Level, climb_steps
from .images import SpatialImage, working_copy_steps
from .poses import rotation_degrees
from .sampling import LinearInterpolator, contains, random_points, transformed

HARDLY_OVERLAPPING = 0.25
"""Share of the smaller image: below it what is outside decides more than what is inside."""

UNALIGNED_GAIN, UNALIGNED_GAIN_BY_TURNING = 0.09, 0.05
"""Shares of the images' agreement; where a better place nearby adds as much, in all or by its rotation, they are called
unaligned.

Measured: of 21 registered brain pairs with slices of up to 5 mm the worst two gain 0.089 and 0.082, by turning 0.040
and 0.037; the head phantom's pairs 0.02. Called unaligned are, of real pairs moved by 8 to 20 mm, by 8 to 15 degrees or
by both, 97, 97 and 100 %; of those moved by just 8 mm or just 8 degrees 90 and 87 %; of the phantom's all."""

BINS = 64
SAMPLES = 100_000
"""About 20 ms; other points change the third digit of a head's NMI by one."""

_OVERLAP_SAMPLES = 20_000
_LEAST_SAMPLES = 200

_CHECKED_LEVELS = (Level(4, 2.5, 10_000, 2.0, 0.1, 30), Level(2, 1.0, 20_000, 0.5, 0.1, 30))

_LEAST_INFORMATION = 1e-3
"""Normalized mutual information above 1 below which images tell nothing of each other, wherever they lie."""

OK, HARDLY_OVERLAP, LOOK_UNALIGNED, TOO_FEW_VOXELS = "ok", "hardly overlap", "look unaligned", "too few voxels"

T = TypeVar("T")


@dataclass(frozen=True)
class Similarity:
    """How well two images agree.

    Attributes:
        nmi: normalized mutual information in the overlap, 1 (none) to 2 (each tells the other); NaN without overlap.
        overlap: share of the smaller image, by its grid's volume, that lies within the larger, 0..1.
    """

    nmi: float
    overlap: float


@dataclass(frozen=True)
class AlignmentCheck:
    """Whether two images lie right to each other.

    Attributes:
        verdict: ``OK``, ``HARDLY_OVERLAP``, ``LOOK_UNALIGNED`` or ``TOO_FEW_VOXELS``.
        sentence: for the user: what is wrong and what to do; empty if all is well.
        similarity: at the present place.
        gain: share of the agreement that a better place nearby adds, 0..1; NaN without overlap.
        gain_by_turning: what of it that place's rotation adds.
        distance: how far that place is, in millimeters at the image's middle.
        degrees: by what angle the image is turned there.
    """

    verdict: str
    sentence: str
    similarity: Similarity
    gain: float
    gain_by_turning: float
    distance: float
    degrees: float

    @property
    def is_ok(self) -> bool:
        """Whether nothing speaks against the present place."""
        return self.verdict == OK


def normalized_mutual_information(first: np.ndarray, second: np.ndarray, bins: int = BINS) -> float:
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


def similarity(
    reference: SpatialImage, moving: SpatialImage, motion: np.ndarray | None = None, seed: int = 0
) -> Similarity:
    """Compare two images at random points, between voxels too, by linear interpolation of both.

    Args:
        reference, moving: working copies.
        motion: 4 x 4 RAS that the moving image is moved by first; None leaves it.
        seed: of the ``SAMPLES`` points, drawn in the smaller image.

    Returns:
        Similarity.
    """
    smaller, larger, pose = by_size(reference, moving, np.eye(4) if motion is None else motion)
    points = random_points(smaller, SAMPLES, seed)
    found = LinearInterpolator(larger).sample(transformed(pose, points))
    values = LinearInterpolator(smaller).sample(points).values[found.inside]
    return Similarity(normalized_mutual_information(values, found.values), float(found.inside.mean()))


def overlap(reference: SpatialImage, moving: SpatialImage, motion: np.ndarray | None = None) -> float:
    """``Similarity.overlap`` alone, which needs no voxels: 2 ms for images of any size."""
    smaller, larger, pose = by_size(reference, moving, np.eye(4) if motion is None else motion)
    points = random_points(smaller, _OVERLAP_SAMPLES, 0)
    return float(contains(larger, transformed(pose, points)).mean())


def by_size(
    reference: SpatialImage, moving: SpatialImage, motion: np.ndarray
) -> tuple[SpatialImage, SpatialImage, np.ndarray]:
    """The smaller image, the larger one, and the motion as a pose that leads from the smaller to the larger.

    The same call with a pose in place of the motion, since it inverts or leaves, gives the motion back.
    """
    if reference.cubic_millimeters <= moving.cubic_millimeters:
        return reference, moving, np.linalg.inv(motion)
    return moving, reference, motion


def alignment_check(reference: SpatialImage, moving: SpatialImage, seed: int = 0) -> AlignmentCheck:
    """Judge whether two images lie right to each other: 0.1 to 0.2 s at 256 x 256 x 94.

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
            return end.value


def alignment_check_steps(
    reference: SpatialImage, moving: SpatialImage, seed: int = 0
) -> Generator[None, None, AlignmentCheck]:
    """``alignment_check`` in steps of 5 to 30 ms, for callers with an event loop; may be closed at any time."""
    if overlap(reference, moving) < HARDLY_OVERLAPPING:
        return _apart(reference, moving)
    copies = []
    for image in (reference, moving):
        steps = working_copy_steps(image)
        copies.append((yield from _silent(steps)))
    found = similarity(copies[0], copies[1], seed=seed)
    yield
    smaller, larger, start = by_size(copies[0], copies[1], np.eye(4))
    pose, gains = start, []
    for level in _CHECKED_LEVELS:
        climbed = yield from _silent(climb_steps(smaller, larger, pose, level, seed, compared_with=start))
        if climbed is None:
            return _untold(reference, moving, found)
        pose = climbed.pose
        gains.append([_gain(climbed, climbed.value_before), _gain(climbed, climbed.value_unturned)])
    return _judged(reference, moving, found, np.mean(gains, axis=0).tolist(), pose)


def _silent(steps: Generator[object, None, T]) -> Generator[None, None, T]:
    """The same steps without what they yield."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield


def _gain(climbed: Climbed, value: float) -> float:
    """Share of the agreement at the place reached that another lacks."""
    if climbed.value - 1 < _LEAST_INFORMATION:
        return 0.0
    return max(0.0, (climbed.value - value) / (climbed.value - 1))


def _judged(
    reference: SpatialImage, moving: SpatialImage, found: Similarity, gains: list[float], pose: np.ndarray
) -> AlignmentCheck:
    """The verdict, where there is enough overlap for one; the pose is the better place."""
    motion = by_size(reference, moving, pose)[2]
    center = moving.center[:, None]
    distance = float(np.linalg.norm(transformed(motion, center) - center))
    degrees = rotation_degrees(motion)
    if gains[0] <= UNALIGNED_GAIN and gains[1] <= UNALIGNED_GAIN_BY_TURNING:
        return AlignmentCheck(OK, "", found, gains[0], gains[1], distance, degrees)
    sentence = _(
        "'{moving}' and '{reference}' look unaligned: moved by about {distance:.0f} mm and {degrees:.0f} degrees they "
        "would agree better."
    ).format(moving=moving.name, reference=reference.name, distance=distance, degrees=degrees)
    advised = f"{sentence} {_advice()}"
    return AlignmentCheck(LOOK_UNALIGNED, advised, found, gains[0], gains[1], distance, degrees)


def _untold(reference: SpatialImage, moving: SpatialImage, found: Similarity) -> AlignmentCheck:
    """Too few voxels in common for a verdict: a warning, since the user must look."""
    sentence = _(
        "'{moving}' and '{reference}' have too few voxels in common to tell how they lie to each other. Look at them "
        "in the slice views before you rely on the fusion."
    ).format(moving=moving.name, reference=reference.name)
    nan = float("nan")
    return AlignmentCheck(TOO_FEW_VOXELS, sentence, found, nan, nan, nan, nan)


def _apart(reference: SpatialImage, moving: SpatialImage) -> AlignmentCheck:
    shared = overlap(reference, moving)
    sentence = _(
        "'{moving}' and '{reference}' hardly overlap in space ({shared:.0%} of the smaller one). Check that both show "
        "the same part of the same patient."
    ).format(moving=moving.name, reference=reference.name, shared=shared)
    nan = float("nan")
    advised = f"{sentence} {_advice()}"
    return AlignmentCheck(HARDLY_OVERLAP, advised, Similarity(nan, shared), nan, nan, nan, nan)


def _advice() -> str:
    return _(
        "Align them rigidly here; for more, use Slicer's modules "
        '"General Registration (BRAINS)", "Elastix" or "Landmark Registration"'
        "."
    )


def _entropy(probabilities: np.ndarray) -> float:
    seen = probabilities[probabilities > 0]
    return -float((seen * np.log(seen)).sum())
