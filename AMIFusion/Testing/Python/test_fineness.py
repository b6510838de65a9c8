"""Which source the network takes first: MR beside CT, PET and SPECT, whatever the display makes of them."""

from functools import lru_cache

import numpy as np
import pytest
from AMIFusionLib.fusion.fineness import SAMPLED_SLICES, is_second_finer, sampled_slices
from AMIFusionLib.phantom.head import PhantomGrid
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.volumes.intensity import IntensityWindow
from clinical_conditions import CONDITIONS, WINDOWS_FOR_BONE
from scipy import ndimage
from torch.nn import functional

FIELD_OF_VIEW = 230.0
"""Millimeters that a slice of the phantom shows."""

CONDITIONS_TO_TELL = {
    **{name: condition for name, condition in {**CONDITIONS, **WINDOWS_FOR_BONE}.items() if name != "swapped"},
    "noise in the second": lambda first, second: (first, CONDITIONS["noisy"](first, second)[1]),
    "brain window of CT": lambda first, second: (first, np.clip((second - 0.25) / 0.3, 0, 1)),
    "dark first": lambda first, second: (0.4 * first, second),
    "little contrast in the first": lambda first, second: (0.5 + 0.3 * first, second),
}


@pytest.fixture(scope="module")
def phantom(head_model):
    """Some slices of each of the phantom's volumes, float64 in 0..1."""

    def shown(name):
        grid = PhantomGrid.centered((5, 256, 256), (FIELD_OF_VIEW / 256,) * 2 + (15.0,), (0.0, 0.0, 25.0))
        volume = head_model.sample(name, grid)
        return IntensityWindow(*volume.window).normalize(volume.array).astype(np.float64)

    return {name: shown(name) for name in ("MRT1", "MRT2", "CT", "PET")}


@lru_cache
def real_pairs(folder):
    """MR and the other source of every case, the slices that tell, float64."""
    pairs = {}
    for pair in (*load_pairs(folder, "train"), *load_pairs(folder, "validation")):
        chosen = sampled_slices(len(pair.first))
        pairs[pair.name] = tuple(volume[chosen].astype(np.float64) for volume in (pair.second, pair.first))
    return pairs


def wrong_under(condition, pairs):
    """The pairs whose other source is taken for MR."""
    wrong = []
    for name, pair in pairs.items():
        if condition == "brain window of CT" and not name.upper().startswith("CT"):
            continue
        mr, other = (np.stack(images) for images in zip(*map(CONDITIONS_TO_TELL[condition], *pair)))
        if is_second_finer(mr, other) or not is_second_finer(other, mr):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("condition", CONDITIONS_TO_TELL)
def test_mr_of_the_phantom_comes_first(condition, phantom):
    pairs = {f"{other}-{mr}": (phantom[mr], phantom[other]) for mr in ("MRT1", "MRT2") for other in ("CT", "PET")}
    assert wrong_under(condition, pairs) == []


@pytest.mark.parametrize("condition", CONDITIONS_TO_TELL)
def test_mr_of_every_real_case_comes_first(condition, wholebrain):
    pairs = real_pairs(wholebrain)
    assert len(pairs) > 20
    assert wrong_under(condition, pairs) == []


def reduced(slices, by):
    """A grid that is coarser by a whole factor."""
    count, height, width = slices.shape
    return slices.reshape(count, height // by, by, width // by, by).mean(axis=(2, 4))


@pytest.mark.parametrize("by", [2, 4])
def test_coarse_pixels_make_no_image_finer(by, phantom):
    """Each volume on a grid of its own: PET has few pixels, which are as sharp as any."""
    fine = (FIELD_OF_VIEW / 256,) * 2
    coarse = (fine[0] * by,) * 2
    for mr, other in (("MRT1", "CT"), ("MRT2", "PET"), ("MRT1", "PET")):
        small = reduced(phantom[other], by)
        assert not is_second_finer(phantom[mr], small, fine, coarse)
        assert is_second_finer(small, phantom[mr], coarse, fine)


def test_long_pixels_tell_the_same(phantom):
    spacing = (FIELD_OF_VIEW / 256, FIELD_OF_VIEW / 64)
    long = {name: volume.reshape(5, 256, 64, 4).mean(axis=3) for name, volume in phantom.items()}
    for mr, other in (("MRT1", "CT"), ("MRT2", "PET")):
        assert not is_second_finer(long[mr], long[other], spacing, spacing)
        assert is_second_finer(long[other], long[mr], spacing, spacing)


def test_a_blurred_image_is_less_fine_and_a_factor_changes_nothing():
    image = np.random.default_rng(0).random((2, 300, 200))
    blurred = ndimage.gaussian_filter(image, (0, 4, 4))
    assert is_second_finer(blurred, image) and not is_second_finer(image, blurred)
    assert is_second_finer(blurred, 0.1 * image) and is_second_finer(0.1 * blurred, 1 - image)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 300), (3, 8, 8), (1, 64, 2)])
def test_images_that_tell_nothing_keep_their_order(shape):
    constant, noise = np.full(shape, 0.5), np.random.default_rng(0).random(shape)
    for first, second in ((constant, constant), (0 * constant, constant), (noise, noise), (noise, constant)):
        assert not is_second_finer(first, second)


@pytest.mark.parametrize(
    ("shapes", "spacings"),
    [
        (((20, 512), (512, 512)), ((0.4, 0.4), (0.98, 0.98))),
        (((512, 512), (12, 96)), ((1.0, 1.0), (0.25, 0.25))),
        (((96, 96), (96, 96)), ((2.0, 2.0), (0.002, 0.002))),
        (((64, 64), (96, 96)), ((0.02, 0.02), (2.0, 2.0))),
    ],
)
def test_a_tiny_field_beside_a_large_one_takes_no_more_memory(monkeypatch, shapes, spacings):
    """As of a volume whose spacing is in meters."""
    sizes, resized = [], functional.interpolate
    monkeypatch.setattr(
        functional, "interpolate", lambda images, size, **how: sizes.append(size) or resized(images, size, **how)
    )
    images = [np.random.default_rng(0).random((2, *shape)) for shape in shapes]
    for order in (1, -1):
        assert is_second_finer(*images[::order], *spacings[::order]) in (False, True)
    assert sizes and max(map(max, sizes)) <= 1024


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 600])
def test_slices_that_tell_are_spread_over_all(count):
    chosen = sampled_slices(count)
    assert len(chosen) == min(count, SAMPLED_SLICES)
    assert chosen[0] == 0 and chosen[-1] == count - 1 and (np.diff(chosen) > 0).all()
