"""The licensed result under everything that clinics bring: no artifact, by the limits of ``fusion_criteria``.

The criteria are tried on broken fusions as well: each must find the fault that it is for.
"""

from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES, maximum
from AMIFusionLib.fusion import engine
from AMIFusionLib.fusion.fineness import is_second_finer, sample_slices
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.head import PhantomGrid
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.volumes.intensity import IntensityWindow
from clinical_conditions import CONDITIONS, WINDOWS_FOR_BONE
from fusion_criteria import (
    FUSION_CRITERIA,
    IMAGE_CRITERIA,
    LIMITS,
    OWN_CRITERIA,
    checkered_patch,
    faults,
    laplacian_pyramid,
    lost_edges,
    lost_white,
)
from scipy import ndimage

FIELD_OF_VIEW = 230.0
"""Millimeters that a slice of the phantom shows."""


@pytest.fixture(scope="session")
def licensed():
    """The bundled model and what its evaluation license opens."""
    model = read_model(MODEL_PATH)
    return model, authorize(model, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", params=[False, True], ids=["float32", "bfloat16"])
def is_lowered(request):
    """Whether the network computes as on a CPU with units for bfloat16."""
    return request.param


@pytest.fixture
def as_lowered_in_jobs(monkeypatch, is_lowered):
    """Whole fusions compute so too, whatever this computer has."""
    monkeypatch.setattr(engine, "is_faster_in_bfloat16", lambda device: is_lowered)


@pytest.fixture(scope="session")
def fuse(licensed, is_lowered):
    """The bundled model's licensed fusion of two (rows, columns) images in 0..1, as either kind of CPU makes it."""
    description = licensed[0].description
    network = build_network(description.architecture, description.hyperparameters, licensed[1].parameters)
    if is_lowered:
        network.lower_precision()

    def fused(first, second):
        if is_second_finer(*(sample_slices(image[None]) for image in (first, second))):
            first, second = second, first
        images = (np.ascontiguousarray(image, dtype=np.float32) for image in (first, second))
        with torch.inference_mode():
            result = network(
                *(torch.from_numpy(image)[None, None] for image in images), network.mark_field(*first.shape)
            )
        return result[0, 0].numpy().astype(np.float64)

    return fused


@pytest.fixture(scope="session")
def slice_of(head_model):
    """Makes a square slice of the phantom through ventricles and basal ganglia, float64 in 0..1."""

    def make(name, side):
        grid = PhantomGrid.centered((1, side, side), (FIELD_OF_VIEW / side,) * 2 + (3.0,), (0.0, 0.0, 25.0))
        volume = head_model.sample(name, grid)
        return IntensityWindow(*volume.window).normalize(volume.array[0]).astype(np.float64)

    return make


@pytest.fixture(scope="session")
def phantom_pairs(slice_of):
    """Slices of 256 x 256 of several sequences, CT and PET."""
    t1, t2, ct, pet = (slice_of(name, 256) for name in ("MRT1", "MRT2", "CT", "PET"))
    # Proton density: little contrast between gray and white matter, bright CSF and fat.
    density = np.clip(1.1 * np.sqrt(t1 * t2), 0, 1)
    return {"T2-CT": (t2, ct), "T1-CT": (t1, ct), "PD-CT": (density, ct), "T2-PET": (t2, pet)}


@pytest.fixture(scope="session")
def large_pair(slice_of):
    """MR (T2) and CT of 1024 x 1024."""
    return slice_of("MRT2", 1024), slice_of("CT", 1024)


@pytest.fixture(scope="session", params=["phantom", "real slices"])
def pairs(request):
    """Pairs of slices by name."""
    if request.param == "phantom":
        return request.getfixturevalue("phantom_pairs")
    return {case.kind: middle_of(case) for case in real_cases(request.getfixturevalue("wholebrain"))}


@lru_cache
def real_cases(folder):
    """The validation cases of a folder."""
    return load_pairs(folder, "validation")


def middle_of(case):
    """MR and the other source in the middle slice, float64."""
    return tuple(volume[len(volume) // 2].astype(np.float64) for volume in (case.second, case.first))


SHOW_WHITE_BONE = ("as they are", "misregistered", "narrow windows", "other gammas", "inverted contrast")
"""The conditions that leave bone white."""


@pytest.mark.parametrize("condition", CONDITIONS)
def test_no_artifact_under(condition, pairs, fuse):
    tried = {name: CONDITIONS[condition](*pair) for name, pair in pairs.items()}
    fused = {name: fuse(*pair) for name, pair in tried.items()}
    found = {name: faults(*pair, fused[name]) for name, pair in tried.items()}
    assert not any(found.values()), found
    blocks = {name: FUSION_CRITERIA["blocks"](fuse, *pair) for name, pair in tried.items()}
    assert max(blocks.values()) <= LIMITS["blocks"], blocks
    for name in ("false edges", "lost edges"):
        mean = np.mean([IMAGE_CRITERIA[name](*pair, fused[which]) for which, pair in tried.items()])
        assert mean <= LIMITS[f"mean {name}"], name


@pytest.mark.parametrize("condition", [*SHOW_WHITE_BONE, *WINDOWS_FOR_BONE])
def test_bone_of_ct_stays_white(condition, pairs, fuse):
    """Whatever outline of the bone MR shows."""
    of_ct = [pair for name, pair in pairs.items() if "ct" in name.lower().split("-")]
    lost = []
    for pair in of_ct:
        mr, ct = {**CONDITIONS, **WINDOWS_FOR_BONE}[condition](*pair)
        assert (ct >= 0.98).sum() > 1000
        lost.append(lost_white(ct, fuse(ct, mr)))
    where = " in bright windows" if condition in WINDOWS_FOR_BONE else ""
    assert max(lost) <= LIMITS[f"lost white{where}"], lost


@pytest.mark.parametrize("condition", WINDOWS_FOR_BONE)
def test_few_edges_are_lost_besides_those_that_bone_hides_in_windows_that_outline_it(condition, pairs, fuse):
    tried = {name: WINDOWS_FOR_BONE[condition](*pair) for name, pair in pairs.items()}
    lost = {name: lost_edges(*pair, fuse(*pair), but_within_white=True) for name, pair in tried.items()}
    assert max(lost.values()) <= LIMITS["lost edges"], lost


def test_new_edges_are_at_most_the_pyramids(pairs, fuse):
    added = {name: IMAGE_CRITERIA["false edges"](*pair, fuse(*pair)) for name, pair in pairs.items()}
    assert max(added.values()) <= 0, added


def test_no_patch_of_the_phantom_is_checkered(fuse, phantom_pairs, large_pair):
    for first, second in (*phantom_pairs.values(), large_pair):
        assert checkered_patch(first, second, fuse(first, second)) <= LIMITS["checkered patch"]


def test_no_patch_of_any_real_slice_is_checkered(fuse, wholebrain):
    found = {}
    for case in real_cases(wholebrain):
        for index, pair in enumerate(zip(case.second.astype(np.float64), case.first.astype(np.float64))):
            found[case.kind, index] = checkered_patch(*pair, fuse(*pair))
    assert {where: value for where, value in found.items() if value > LIMITS["checkered patch"]} == {}


def test_a_checkered_patch_is_found_and_a_pyramid_has_none(wholebrain):
    for first, second in map(middle_of, real_cases(wholebrain)):
        for plain in (laplacian_pyramid(first, second), maximum(first, second)):
            assert checkered_patch(first, second, plain) <= LIMITS["checkered patch"]
            broken = plain.copy()
            broken[100:110, 100:110] = np.indices((10, 10)).sum(axis=0) % 2
            assert checkered_patch(first, second, broken) > 3 * LIMITS["checkered patch"]


@pytest.mark.parametrize("name", ["swap", "flip"])
def test_change_of_the_sources_changes_the_result_alike(name, pairs, fuse):
    values = {which: FUSION_CRITERIA[name](fuse, *pair) for which, pair in pairs.items()}
    assert max(values.values()) <= LIMITS[name], values


def test_nothing_beside_a_source_changes_it_little(fuse, phantom_pairs):
    for pair in phantom_pairs.values():
        assert FUSION_CRITERIA["empty source"](fuse, *pair) <= LIMITS["empty source"]


def test_nothing_beside_a_real_source_changes_it_little(fuse, wholebrain):
    """SPECT is as smooth as no other source."""
    values = {case.kind: FUSION_CRITERIA["empty source"](fuse, *middle_of(case)) for case in real_cases(wholebrain)}
    assert max(values.values()) <= LIMITS["empty source"], values


def test_large_slice_looks_as_its_smaller_self(fuse, large_pair):
    assert FUSION_CRITERIA["scale"](fuse, *large_pair) <= LIMITS["scale"]


@pytest.mark.parametrize("name", OWN_CRITERIA)
def test_uniform_and_noisy_images(name, fuse):
    assert OWN_CRITERIA[name](fuse) <= LIMITS[name]


@pytest.mark.parametrize(
    "shape",
    [(64, 64), (65, 97), (128, 128), (333, 500), (1024, 1024), (512, 128), (128, 512)],
    ids=lambda shape: f"{shape[0]}x{shape[1]}",
)
def test_every_size_and_pixel_shape(shape, fuse, large_pair):
    """The last two show a square field with pixels four times as long as wide."""
    pair = [cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA) for image in large_pair]
    fused = fuse(*pair)
    assert fused.shape == shape
    # At four times the usual resolution bone, all white in CT, hides much of MR's marrow.
    found = faults(*pair, fused, hides_edges=shape == (1024, 1024))
    assert not found, found
    assert FUSION_CRITERIA["blocks"](fuse, *pair) <= LIMITS["blocks"]


def test_what_draws_no_seams_keeps_fewer_edges_of_the_largest_slice(fuse, large_pair):
    """Where CT and MR step in opposite directions, a pyramid keeps both edges by a line that is in neither source."""
    assert OWN_CRITERIA["seam"](laplacian_pyramid) > 3 * LIMITS["seam"]
    without_seams = [each for each in ALTERNATIVES.values() if OWN_CRITERIA["seam"](each) <= LIMITS["seam"]]
    assert maximum in without_seams
    lost = [IMAGE_CRITERIA["lost edges"](*large_pair, each(*large_pair)) for each in without_seams]
    assert IMAGE_CRITERIA["lost edges"](*large_pair, fuse(*large_pair)) < min(lost) - LIMITS["lost edges"]


UPRIGHT = np.diag([-0.9, -0.9, 3.0, 1.0])
"""Rows to posterior, columns to the left: the slices reach the network as they are."""


def job_result(pair, licensed, plane="acquisition"):
    """Fused voxels in 0..1."""
    import slicer

    node = FusionJob(*pair, *licensed, FusionOptions(device="cpu", plane=plane)).run()
    return slicer.util.arrayFromVolume(node).astype(np.float64) / 4095


@pytest.mark.usefixtures("as_lowered_in_jobs")
def test_12_bit_volumes_are_fused_in_12_bits(add_volume, licensed, fuse, large_pair):
    """Any step of 8 bits on the way would show."""
    images = [cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA) for image in large_pair]
    exact = fuse(*images)
    errors = {}
    for bits, scalar in ((12, np.int16), (8, np.uint8)):
        white = 2**bits - 1
        pair = [
            add_volume(np.rint(white * image)[None].astype(scalar), f"{bits}", UPRIGHT, (0, white)) for image in images
        ]
        errors[bits] = np.abs(job_result(pair, licensed)[0] - exact).mean()
    assert errors[12] < 4e-4 < errors[8]


@pytest.mark.usefixtures("as_lowered_in_jobs")
def test_window_of_the_display_is_what_is_fused(add_volume, licensed, fuse, large_pair):
    images = [np.rint(4095 * cv2.resize(image, (96, 128), interpolation=cv2.INTER_AREA)) for image in large_pair]
    windows = [(300, 2600), (-500, 3000)]
    pair = [add_volume(image[None].astype(np.int16), "A", UPRIGHT, each) for image, each in zip(images, windows)]
    seen = [np.clip((image - low) / (high - low), 0, 1) for image, (low, high) in zip(images, windows)]
    result = job_result(pair, licensed)[0]
    assert np.abs(result - fuse(*seen)).max() < 1e-3
    # The result's 12 bits change no criterion but that of black, which is exact all the same.
    assert not faults(*seen, result)


@pytest.mark.usefixtures("as_lowered_in_jobs")
def test_constant_and_empty_slices(add_volume, licensed):
    levels = np.array([[0, 0], [500, 0], [0, 500], [500, 500], [1000, 1000], [1000, 0], [100, 900]])
    volumes = [np.repeat(levels[:, which], 40 * 52).reshape(-1, 40, 52).astype(np.int16) for which in (0, 1)]
    result = job_result([add_volume(volume, "A", window=(0, 1000)) for volume in volumes], licensed)
    assert (result[0] == 0).all()
    assert np.ptp(result, axis=(1, 2)).max() <= LIMITS["flat pattern"]
    means = result.mean(axis=(1, 2))
    low, high = levels.min(axis=1) / 1000, levels.max(axis=1) / 1000
    assert (means >= low - LIMITS["beyond flat"]).all() and (means <= high + LIMITS["beyond flat"]).all()


def spread(fused, step, amount):
    """A pattern that repeats every ``step`` pixels, where the image is not black."""
    rows, columns = np.indices(fused.shape) % step
    return np.clip(fused + amount * ((rows + columns) % step == 0) * (fused > 0), 0, 1)


def sharpened(fused, amount):
    """Unsharp masking, which rings."""
    return np.clip(fused + amount * (fused - ndimage.gaussian_filter(fused, 1.5)), 0, 1)


def rim(region):
    """The pixels around a region, two wide."""
    return ndimage.binary_dilation(region, iterations=2) & ~region


BROKEN_IMAGES = {
    "background": lambda fused, first, second: np.maximum(fused, 1 / 4095),
    "undershoot": lambda fused, first, second: sharpened(fused, 1.0),
    "overshoot": lambda fused, first, second: np.clip(first + second, 0, 1),
    "checkerboard": lambda fused, first, second: spread(fused, 2, 0.01),
    "false edges": lambda fused, first, second: sharpened(fused, 1.5),
    "lost edges": lambda fused, first, second: ndimage.gaussian_filter(fused, 1),
    "dark lines": lambda fused, first, second: np.where(rim(second > 0.6), 0.2 * fused, fused),
}
"""A fault by the criterion that is for it."""


@pytest.mark.parametrize("name", IMAGE_CRITERIA)
def test_broken_image_is_found(name, fuse, phantom_pairs):
    first, second = phantom_pairs["T1-CT"]
    fused = fuse(first, second)
    assert name not in faults(first, second, fused)
    assert name in faults(first, second, BROKEN_IMAGES[name](fused, first, second))


def test_edges_are_left_out_where_bone_hides_too_many_and_a_blur_is_found_all_the_same(fuse, large_pair):
    mr, ct = large_pair
    fused = fuse(mr, ct)
    assert "lost edges" in faults(mr, ct, fused) and not faults(mr, ct, fused, hides_edges=True)
    found = faults(mr, ct, ndimage.gaussian_filter(fused, 0.8), hides_edges=True)
    assert "mean lost edges" in found and "lost edges where bone hides some" in found


@pytest.mark.parametrize("name", ["undershoot", "lost edges"])
def test_pyramid_and_average_have_the_faults_they_are_known_for(name, phantom_pairs):
    pair = phantom_pairs["T1-CT"]
    fused = {"undershoot": laplacian_pyramid(*pair), "lost edges": sum(pair) / 2}[name]
    assert name in faults(*pair, fused)


@pytest.mark.parametrize("name", ["LapPyr", "GFF", "MR alone"])
def test_lost_bone_is_found_and_the_maximum_loses_none(name, phantom_pairs):
    for mr, ct in (phantom_pairs["T2-CT"], phantom_pairs["T1-CT"]):
        fused = mr if name == "MR alone" else ALTERNATIVES[name](mr, ct)
        assert lost_white(ct, fused) > 2 * LIMITS["lost white in bright windows"]
        assert lost_white(ct, maximum(mr, ct)) == 0


BROKEN_FUSIONS = {
    "swap": lambda fuse, first, second: 0.8 * fuse(first, second) + 0.2 * first,
    "flip": lambda fuse, first, second: np.roll(fuse(first, second), 1, axis=1),
    "scale": lambda fuse, first, second: laplacian_pyramid(first, second),
    "empty source": lambda fuse, first, second: 0.8 * fuse(first, second),
    "blocks": lambda fuse, first, second: spread(fuse(first, second), 4, 0.02),
    "flat pattern": lambda fuse, first, second: spread(fuse(first, second), 2, 0.005),
    "beyond flat": lambda fuse, first, second: np.clip(1.3 * fuse(first, second), 0, 1),
    "noise in air": lambda fuse, first, second: sharpened(fuse(first, second), 0.5),
    "noise in tissue": lambda fuse, first, second: laplacian_pyramid(first, second),
    "lost smooth gray": lambda fuse, first, second: (first + second) / 2,
    "halo": lambda fuse, first, second: laplacian_pyramid(first, second),
    "seam": lambda fuse, first, second: laplacian_pyramid(first, second),
}


@pytest.mark.parametrize("name", BROKEN_FUSIONS)
def test_broken_fusion_is_found_and_the_plain_maximum_is_not(name, fuse, phantom_pairs, large_pair):
    pair = large_pair if name == "scale" else phantom_pairs["T2-CT"]

    def value(fusion):
        return OWN_CRITERIA[name](fusion) if name in OWN_CRITERIA else FUSION_CRITERIA[name](fusion, *pair)

    assert value(lambda first, second: BROKEN_FUSIONS[name](fuse, first, second)) > LIMITS[name]
    assert value(maximum) <= LIMITS[name]
