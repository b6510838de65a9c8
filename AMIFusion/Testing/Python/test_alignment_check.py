"""The check of how two images lie to each other, on the head phantom and on real pairs if there are."""

import math

import numpy as np
import pytest
from AMIFusionLib.registration.check import (
    HARDLY_OVERLAP,
    LOOK_UNALIGNED,
    OK,
    TOO_LITTLE,
    alignment_check,
)
from AMIFusionLib.registration.errors import TooLittleInCommonError
from AMIFusionLib.registration.images import SpatialImage
from AMIFusionLib.registration.poses import translation_by
from AMIFusionLib.registration.rigid import align_rigidly
from registration_bench import displacement, moved, real_pairs


def test_check_tells_registered_from_displaced(head, head_points):
    """Measured: a gain of 0.02 where they are right; all of those moved by 8 mm or 8 degrees are found."""
    center, found = head_points.mean(axis=1), []
    for pair in (("T1", "CT"), ("T2", "PET"), ("CT", "T2")):
        reference, moving = (head[name] for name in pair)
        right = alignment_check(reference, moving)
        assert right.verdict == OK and right.is_ok and not right.sentence and right.gain_by_turning <= right.gain < 0.05
        for seed in range(4):
            for extent in (((8, 8.1), (0, 0.1)), ((0, 0.1), (8, 8.1))):
                check = alignment_check(reference, moved(moving, displacement(seed, center, *extent)))
                found.append(check.verdict == LOOK_UNALIGNED)
    assert np.mean(found) >= 0.95
    assert "Elastix" in check.sentence and "Align them rigidly" in check.sentence and not check.is_ok


@pytest.mark.parametrize("distance", [180, 5000])
def test_check_says_that_images_hardly_overlap(head, distance):
    check = alignment_check(head["T1"], moved(head["CT"], translation_by((distance, 0, 0))))
    assert check.verdict == HARDLY_OVERLAP and "'CT' and 'T1' hardly overlap" in check.sentence
    assert math.isnan(check.gain)


def test_nothing_but_air_in_common_is_said():
    """Two cubes that share half of their space, but what one of them shows is in its other half."""
    ramp = np.indices((40, 40, 40)).sum(axis=0).astype(np.float32)
    shown = np.where(np.indices((40, 40, 40))[2] >= 35, ramp, 0)
    images = SpatialImage(ramp, np.eye(4), "Ramp"), SpatialImage(shown, translation_by((20, 0, 0)), "Half")
    check = alignment_check(*images)
    assert check.verdict == TOO_LITTLE and "Look at them in the slice views" in check.sentence and not check.is_ok
    assert math.isnan(check.gain) and check.overlap == pytest.approx(19 / 39, abs=0.02)
    with pytest.raises(TooLittleInCommonError):
        align_rigidly(*images)


@pytest.mark.parametrize("kind", ["ct-mri", "pet-mri", "spect-mri"])
def test_check_of_real_pairs(wholebrain, kind):
    """Registered to about a slice, which is 5 mm of nominal spacing; see the benchmark for all figures."""
    found = []
    for seed, (reference, moving) in enumerate(real_pairs(wholebrain, kind)):
        assert alignment_check(reference, moving).is_ok, reference.name
        displaced = displacement(seed, moving.center, (8, 20), (8, 15) if seed % 2 else (0, 0.1))
        found.append(not alignment_check(reference, moved(moving, displaced)).is_ok)
    assert np.mean(found) >= 0.95
