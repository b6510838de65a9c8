"""What a training is shown: pairs from a manifest, and crops of them that know where they lie."""
# ruff: noqa: F811 (fixtures are imported by name)

import numpy as np
import pytest
import torch
from AMIFusionLib.training.dataset import CropSampler, TrainingPair, load_pairs
from scipy import ndimage
from small_training import data_folder, train  # noqa: F401 (a fixture)


def test_crops_are_registered_and_reproducible(data_folder):
    pairs = load_pairs(data_folder, "train")
    batches = [CropSampler(pairs, 48, 4, np.random.default_rng(7)).draw() for _ in range(2)]
    torch.testing.assert_close(batches[0].first, batches[1].first)
    crops = batches[0]
    assert crops.first.shape == crops.second.shape == (4, 1, 48, 48)
    assert crops.rows.shape == (4, 48, 48) and crops.rows.abs().max() <= 31.5
    other = CropSampler(pairs, 48, 4, np.random.default_rng(8)).draw()
    assert not torch.equal(other.first, crops.first)


@pytest.fixture
def ramps():
    """Pairs whose gray value is the row in the one source and the column in the other, 0.1 to 0.9."""
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)
    rows, columns = (np.broadcast_to(each, (1, 256, 256)) for each in (ramp[:, None], ramp))
    return [TrainingPair("ramps", "ct-mri", rows, columns)]


@pytest.mark.parametrize(
    "shares, factors", [({}, {1.0}), ({"enlarged_share": 1}, None), ({"reduced_share": 1}, {0.5, 0.25})]
)
def test_crops_of_every_scale_know_where_they_lie(monkeypatch, ramps, shares, factors):
    """The mark is laid by these positions, on the grid that the whole slice would have at the crop's scale."""
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    monkeypatch.setattr(CropSampler, "_toned", lambda self, *images: images)
    sampler, found = CropSampler(ramps, 192, 1, np.random.default_rng(0), **shares), []
    for _ in range(12):
        crops = sampler.draw()
        images = [crops.first[0, 0].double(), crops.second[0, 0].double()]
        # Sources may have changed places: the one that changes from row to row shows the rows.
        by_row, by_column = sorted(images, key=lambda image: image.diff(dim=0).abs().mean().item(), reverse=True)
        inside = (slice(4, -4), slice(4, -4))
        step = 0.8 / 255
        # Whole pixels of the slice make up a crop, whatever the interpolation's ripples do to a mean.
        found.append(192 / round(192 * by_row.diff(dim=0)[inside].mean().item() / step))
        for image, places in ((by_row, crops.rows[0]), (by_column, crops.columns[0])):
            expected = 0.5 + places / found[-1] * step
            torch.testing.assert_close(image[inside], expected[inside].double(), atol=5e-4, rtol=0)
        assert crops.factors == pytest.approx((max(1.0, found[-1]),))
    if factors is not None:
        assert set(found) == factors
    else:
        assert min(found) < 1.5 and 3 < max(found) <= 4.05


def test_a_crop_that_is_enlarged_and_made_smaller_is_as_large_as_it_ends(monkeypatch, ramps):
    sampler = CropSampler(ramps, 192, 8, np.random.default_rng(0), enlarged_share=1.0)
    whole = np.array([sampler.draw().factors for _ in range(5)])
    sampler = CropSampler(ramps, 192, 8, np.random.default_rng(0), enlarged_share=1.0, reduced_share=1.0)
    reduced = [sampler.draw() for _ in range(5)]
    sides = {crops.first.shape[-1] for crops in reduced}
    assert sides == {96, 48} and whole.max() > 3
    for crops in reduced:
        assert min(crops.factors) >= 1 and max(crops.factors) <= 4.05 * crops.first.shape[-1] / 192
    assert max(max(crops.factors) for crops in reduced) > 1.5


def test_other_windows_cut_values_off_and_lift_air(monkeypatch):
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    grays = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(1, 64, 64)
    pairs = [TrainingPair("grays", "ct-mri", grays, grays)]
    kinds = set()
    for share in (0.0, 1.0):
        crops = CropSampler(pairs, 64, 200, np.random.default_rng(0), log_gamma_range=0.0, window_share=share).draw()
        for image in torch.cat([crops.first, crops.second])[:, 0]:
            assert image.min() >= 0 and image.max() <= 1 and (image.flatten().diff() >= 0).all()
            # Gains, which are no windows, leave air black and cut nothing off at the dark end.
            kinds.add((share, "air" if image[0, 0] > 0.05 else "dark" if (image == 0).sum() > 100 else "as it is"))
    assert kinds == {(0.0, "as it is"), (1.0, "air"), (1.0, "dark"), (1.0, "as it is")}


def test_both_sources_of_a_pair_have_other_windows(monkeypatch):
    """Half of the pairs, of which 0.4 times 0.4 show air gray in both; one by one it would be half as many."""
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    grays = np.linspace(0, 1, 48 * 48, dtype=np.float32).reshape(1, 48, 48)
    pairs = [TrainingPair("grays", "ct-mri", grays, grays)]
    crops = CropSampler(pairs, 48, 4000, np.random.default_rng(0), log_gamma_range=0.0, window_share=1.0).draw()
    first, second = (part[:, 0, 0, 0] > 0.05 for part in (crops.first, crops.second))
    assert (first & second).float().mean() == pytest.approx(0.08, abs=0.015)


def test_one_source_of_some_pairs_is_inverted(monkeypatch):
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    grays = np.linspace(0, 1, 48 * 48, dtype=np.float32).reshape(1, 48, 48)
    pairs = [TrainingPair("grays", "ct-mri", grays, grays)]
    for share in (0.0, 0.4):
        crops = CropSampler(pairs, 48, 2000, np.random.default_rng(0), inverted_share=share).draw()
        first, second = (part[:, 0, -1, -1] < part[:, 0, 0, 0] for part in (crops.first, crops.second))
        assert not (first & second).any()
        for inverted in (first, second):
            assert inverted.float().mean() == pytest.approx(share / 2, abs=0.04)


@pytest.mark.parametrize("takes_second_first", [False, True])
def test_the_finer_source_comes_first_where_asked_and_either_else(takes_second_first):
    """The finer one is brighter."""
    noise = np.random.default_rng(0).random((1, 96, 96))
    smooth = 0.3 * ndimage.gaussian_filter(noise, (0, 3, 3)) / 0.5
    images = [image.astype(np.float32) for image in (0.6 + 0.4 * noise, smooth)]
    pair = TrainingPair("noise", "ct-mri", *(images[::-1] if takes_second_first else images))
    assert pair.takes_second_first == takes_second_first
    ordered = pair.in_order()
    np.testing.assert_array_equal(ordered.first, images[0])
    np.testing.assert_array_equal(ordered.second, images[1])
    for finer_first, share in ((True, 1.0), (False, 0.5)):
        random = np.random.default_rng(0)
        crops = CropSampler([pair], 48, 400, random, log_gamma_range=0.0, finer_first=finer_first).draw()
        is_first = (crops.first.mean(dim=(1, 2, 3)) > crops.second.mean(dim=(1, 2, 3))).float()
        assert is_first.mean() == pytest.approx(share, abs=0.1 if share < 1 else 0)


@pytest.mark.parametrize("log_gamma_range", [0.0, 0.4, 0.7])
def test_crops_are_toned_as_widely_as_asked(monkeypatch, log_gamma_range):
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    # A gain cannot be told from a gamma in one gray value, so there are two.
    grays = np.full((1, 64, 64), 0.2, np.float32)
    grays[:, ::2] = 0.4
    pairs = [TrainingPair("grays", "ct-mri", grays, grays)]
    sampler = CropSampler(pairs, 64, 64, np.random.default_rng(0), log_gamma_range=log_gamma_range)
    crops = sampler.draw()
    values = torch.cat([crops.first, crops.second]).flatten(1)
    gammas = (values.amax(1) / values.amin(1)).log() / np.log(2)
    assert gammas.log().abs().max() <= log_gamma_range + 1e-4
    assert gammas.log().max() >= 0.9 * log_gamma_range - 1e-4 and gammas.log().min() <= -0.9 * log_gamma_range + 1e-4


def test_missing_split_is_named(data_folder):
    with pytest.raises(ValueError, match="split 'test'"):
        load_pairs(data_folder, "test")


def test_slices_smaller_than_a_crop_are_named(tmp_path, data_folder):
    with pytest.raises(ValueError, match="smaller than the crop size of 300"):
        train(tmp_path / "run", data_folder, crop_size=300)


def test_real_data_loads(wholebrain):
    pairs = load_pairs(wholebrain, "train")
    assert {pair.kind for pair in pairs} == {"ct-mri", "pet-mri", "spect-mri"}
    for pair in pairs:
        assert pair.first.shape == pair.second.shape and pair.first.min() >= 0 and pair.first.max() <= 1
