"""Which source the network takes first: MR beside CT, PET and SPECT, whatever became of them before."""

from functools import lru_cache

import numpy as np
import pytest
from AMIFusionLib.fusion.fineness import SAMPLED_SLICES, is_second_finer, sample_slices
from AMIFusionLib.phantom.head import PhantomGrid
from AMIFusionLib.phantom.modalities import MODALITIES
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.volumes.intensity import IntensityWindow
from clinical_conditions import CONDITIONS, WINDOWS_FOR_BONE
from scipy import ndimage
from torch.nn import functional

FIELD_OF_VIEW = 230.0
"""Millimeters that a slice of the phantom shows."""

CONDITIONS_TO_TELL = {
    **CONDITIONS,
    **WINDOWS_FOR_BONE,
    "noise in the second": lambda first, second: (first, CONDITIONS["noisy"](first, second)[1]),
    "brain window of CT": lambda first, second: (first, np.clip((second - 0.25) / 0.3, 0, 1)),
    "dark first": lambda first, second: (0.4 * first, second),
    "little contrast in the first": lambda first, second: (0.5 + 0.3 * first, second),
}

PAIRS = [(mr, other) for mr in ("MRT1", "MRT2") for other in ("CT", "PET")]


@pytest.fixture(scope="module")
def phantom(head_model):
    """Some slices of each of the phantom's volumes, float64 in 0..1."""

    def shown(name):
        grid = PhantomGrid.centered((5, 256, 256), (FIELD_OF_VIEW / 256,) * 2 + (15.0,), (0.0, 0.0, 25.0))
        volume = head_model.sample(name, grid)
        return IntensityWindow(*volume.window).normalize(volume.array).astype(np.float64)

    return {name: shown(name) for name in ("MRT1", "MRT2", "CT", "PET")}


@pytest.fixture(scope="module")
def written(head_model):
    """The phantom's volumes as they are written: (values float64, (slice, row, column) spacing), CT in HU."""

    def sampled(name):
        grid = MODALITIES[name].grid
        columns, rows, slices = grid.spacing
        return head_model.sample(name, grid).array.astype(np.float64), (slices, rows, columns)

    return {name: sampled(name) for name in ("MRT1", "MRT2", "CT", "PET")}


@lru_cache
def real_pairs(folder):
    """MR and the other source of every case, (slices, rows, columns) float32."""
    pairs = (*load_pairs(folder, "train"), *load_pairs(folder, "validation"))
    return {pair.name: (pair.second, pair.first) for pair in pairs}


def comes_first(one, other):
    """Whether one of two sources is taken for the finer one, in either order."""
    one, other = (sample_slices(*each) for each in (one, other))
    assert is_second_finer(other, one) != is_second_finer(one, other)
    return is_second_finer(other, one)


def wrong_under(condition, pairs):
    """The pairs whose other source is taken for MR."""
    wrong = []
    for name, pair in pairs.items():
        if condition == "brain window of CT" and not name.upper().startswith("CT"):
            continue
        some = np.unique(np.linspace(0, len(pair[0]) - 1, SAMPLED_SLICES).astype(int))
        images = zip(*(volume[some].astype(np.float64) for volume in pair))
        mr, other = (np.stack(each) for each in zip(*(CONDITIONS_TO_TELL[condition](*image) for image in images)))
        if not comes_first((mr,), (other,)):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("condition", CONDITIONS_TO_TELL)
def test_mr_of_the_phantom_comes_first(condition, phantom):
    pairs = {f"{other}-{mr}": (phantom[mr], phantom[other]) for mr, other in PAIRS}
    assert wrong_under(condition, pairs) == []


@pytest.mark.parametrize("condition", CONDITIONS_TO_TELL)
def test_mr_of_every_real_case_comes_first(condition, wholebrain):
    pairs = real_pairs(wholebrain)
    assert len(pairs) > 20
    assert wrong_under(condition, pairs) == []


DEGRADATIONS = {
    "as written": lambda volume, spacing, _random: (volume, spacing),
    "blurred": lambda volume, spacing, _random: (ndimage.gaussian_filter(volume, (0, 1.5, 1.5)), spacing),
    "coarse": lambda volume, spacing, _random: reduced(volume, spacing, 3),
    "noisy": lambda volume, spacing, random: (volume + random.normal(0, 60, volume.shape), spacing),
    "halved": lambda volume, spacing, _random: (np.maximum(volume - 200, 0), spacing),
}
"""What may make MR look less fine than it is drawn, or finer."""


def reduced(volume, spacing, by):
    """A grid whose pixels are larger by a whole factor."""
    count, height, width = (size // factor for size, factor in zip(volume.shape, (1, by, by)))
    cut = volume[:, : height * by, : width * by].reshape(count, height, by, width, by)
    return cut.mean(axis=(2, 4)), (spacing[0], by * spacing[1], by * spacing[2])


@pytest.mark.parametrize("degradation", DEGRADATIONS)
@pytest.mark.parametrize(("mr", "other"), PAIRS)
def test_worse_mr_comes_first_all_the_same(mr, other, degradation, written):
    assert comes_first(DEGRADATIONS[degradation](*written[mr], np.random.default_rng(0)), written[other])


@pytest.mark.parametrize("mr", ["MRT1", "MRT2"])
def test_what_scanners_do_to_ct_does_not_bring_it_first(mr, written):
    ct, spacing = written["CT"]
    random, sides = np.random.default_rng(0), (np.linspace(-1, 1, size) for size in ct.shape[1:])
    is_in_view = np.hypot(*np.meshgrid(*sides, indexing="ij")) < 1
    changed = {
        "noise": ct + random.normal(0, 60, ct.shape),
        "filled beyond the view": np.where(is_in_view, ct, -2000),
        "metal": np.where(random.random(ct.shape) < 0.002, 3071, ct),
        "without air": np.maximum(ct, 0),
        "without bone": np.minimum(ct, 80),
    }
    assert [name for name, volume in changed.items() if not comes_first(written[mr], (volume, spacing))] == []


def test_coarse_pixels_make_no_image_finer(written):
    """Each volume on a grid of its own: PET has few pixels, which are as sharp as any."""
    for mr, other in PAIRS:
        for by in (2, 4):
            assert comes_first(written[mr], reduced(*written[other], by))


def test_long_pixels_tell_the_same(written):
    def lengthened(volume, spacing):
        count, rows, columns = volume.shape
        longer = volume.reshape(count, rows, columns // 4, 4).mean(axis=3)
        return longer, (spacing[0], spacing[1], 4 * spacing[2])

    for mr, other in PAIRS:
        assert comes_first(lengthened(*written[mr]), lengthened(*written[other]))


def test_a_blurred_image_is_less_fine_and_neither_factor_nor_shift_changes_that():
    image = np.random.default_rng(0).random((2, 300, 200))
    blurred = ndimage.gaussian_filter(image, (0, 4, 4))
    for values in (image, 0.1 * image, 1 - image, image + 1e9, 1e-12 * image, (1000 * image).astype(np.int16)):
        assert comes_first((values,), (blurred,))


def test_values_that_are_not_finite_tell_nothing():
    image = np.random.default_rng(0).random((2, 300, 200))
    blurred = ndimage.gaussian_filter(image, (0, 4, 4))
    image[:, 150:], image[0, 0, 0] = np.nan, np.inf
    assert comes_first((image,), (blurred,))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 300), (3, 8, 8), (1, 64, 2)])
def test_images_that_are_as_fine_come_in_one_order(shape):
    random = np.random.default_rng(0)
    constant, noise = sample_slices(np.full(shape, 0.5)), sample_slices(random.random(shape))
    assert not is_second_finer(constant, constant) and not is_second_finer(noise, noise)
    for other in (sample_slices(np.full(shape, 0.6)), sample_slices(2 * noise.values), noise):
        assert is_second_finer(constant, other) != is_second_finer(other, constant)


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
    volumes = [np.random.default_rng(0).random((2, *shape)) for shape in shapes]
    comes_first(*((volume, (1.0, *spacing)) for volume, spacing in zip(volumes, spacings)))
    assert sizes and max(map(max, sizes)) <= 1024


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 600])
def test_slices_that_tell_are_spread_over_all(count):
    volume = np.random.default_rng(0).random((count, 16, 12))
    sampled = sample_slices(volume).values
    assert len(sampled) == min(count, SAMPLED_SLICES)
    chosen = [int(np.flatnonzero((volume == image).all(axis=(1, 2)))[0]) for image in sampled]
    assert chosen[0] == 0 and chosen[-1] == count - 1 and (np.diff(chosen) > 0).all()


@pytest.mark.parametrize(("filled", "count"), [(range(411, 453), 600), ([7], 12), ([2, 250], 300)])
def test_slices_that_tell_show_something(filled, count):
    random = np.random.default_rng(0)
    volume = random.normal(0, 1, (count, 64, 64))
    volume[list(filled), 8:50, 12:40] += 300
    sampled = sample_slices(volume).values
    assert len(sampled) == min(len(filled), SAMPLED_SLICES)
    assert (sampled.max(axis=(1, 2)) > 200).all()


def test_slices_too_small_for_the_network_are_cut_otherwise(written):
    mr, (slices, rows, columns) = written["MRT1"]
    turned = np.moveaxis(mr[20:23], 0, 2)
    sampled = sample_slices(turned, (rows, columns, slices))
    np.testing.assert_array_equal(sampled.values, mr[20:23])
    assert sampled.pixel_spacing == (rows, columns)
    assert comes_first((turned, (rows, columns, slices)), written["PET"])


def test_color_counts_by_its_gray_values():
    color = np.random.default_rng(0).integers(0, 255, (3, 20, 24, 3)).astype(np.uint8)
    np.testing.assert_array_equal(sample_slices(color, gray=lambda slices: slices[..., 1]).values, color[..., 1])
