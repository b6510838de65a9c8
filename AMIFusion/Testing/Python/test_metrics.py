"""Fusion measures: against reference values on real slices, and against what is known by definition."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.evaluation import edge_metrics, feature_metrics, intensity_metrics, structure_metrics
from AMIFusionLib.evaluation.eight_bit import eight_bit, eight_bit_luma
from AMIFusionLib.evaluation.metrics import LOWER_IS_BETTER, RANKED, fusion_metrics
from AMIFusionLib.evaluation.reader_metrics import contrast_to_noise, hue_error, kept_contrast_to_noise
from scipy import ndimage

REFERENCE_MEASURES = (
    "EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "CC", "PSNR", "MS_SSIM", "Nabf", "SSIM",
)  # fmt: skip
LAST_DIGIT = 1e-6
"""Of the reference values, which are rounded."""

AGREED = {
    "EN": 5.2056,
    "SD": 86.298,
    "SF": 30.005,
    "AG": 10.43,
    "MI": 4.5592,
    "SCD": 1.3069,
    "VIF": 0.41537,
    "Qabf": 0.50989,
    "SSIM": 1.4748,
    "MS_SSIM": 1.4338,
    "CC": 0.89806,
    "PSNR": 15.655,
    "Nabf": 0.00044574,
    "FMI": 0.74112,
    "QAF": 0.49407,
    "QBF": 0.52557,
    "Qmin": 0.49407,
}
"""The measures of the maximum of two textures, taken when all agreed with the reference values."""


def texture(seed, size=192):
    """A smooth random image with black air around it, uint8."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2)
    image = np.clip(128 + 60 * noise / noise.std(), 1, 255)
    rim = size // 8
    return np.pad(image[rim:-rim, rim:-rim], rim).astype(np.uint8)


@pytest.fixture(scope="module")
def sources():
    """Two images of 192 x 192."""
    return texture(1), texture(2)


@pytest.fixture(scope="session")
def reference_values(wholebrain):
    """Pairs of (expected, measured) dictionaries of all reference slices."""
    path = os.environ.get("AMIFUSION_METRIC_VALUES")
    if not path:
        pytest.skip("AMIFUSION_METRIC_VALUES is not set: it names reference values of the fusion measures")
    return [(entry["values"], measured(entry, wholebrain)) for entry in json.loads(Path(path).read_text())]


def measured(entry, folder):
    """Our measures for one entry of the reference: a slice of a case, fused by average or maximum."""
    first, second = (
        eight_bit_luma(read(folder / entry["pair"] / f"{entry['case']}_{name}.nrrd")[entry["slice"]])
        for name in entry["pair"].split("-")
    )
    if entry["fused"] == "maximum":
        return fusion_metrics(first, second, np.maximum(first, second))
    # The reference's average is of whole numbers, rounded down.
    return fusion_metrics(first, second, ((first.astype(int) + second) // 2).astype(np.uint8))


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


@pytest.mark.parametrize("name", REFERENCE_MEASURES)
def test_measures_agree_with_the_reference(reference_values, name):
    assert reference_values
    for expected, found in reference_values:
        assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=LAST_DIGIT)


def test_measures_stay_what_they_were_where_no_reference_is_at_hand(sources):
    values = fusion_metrics(*sources, np.maximum(*sources))
    assert values == pytest.approx(AGREED, rel=3e-4)
    assert set(values) == {*REFERENCE_MEASURES, "FMI", "QAF", "QBF", "Qmin"}
    assert set(RANKED) | LOWER_IS_BETTER <= set(values)
    assert all(type(value) is float for value in values.values())


@pytest.mark.parametrize("fused", [np.maximum, lambda first, _: first, lambda first, _: 255 - first, lambda *_: 80])
def test_own_forms_of_library_measures_agree_with_the_libraries(sources, fused):
    """Slicer ships neither scikit-image nor torchmetrics, but the panel measures there."""
    import torch
    from skimage import measure, metrics
    from torchmetrics.functional.image import visual_information_fidelity

    first, second = (source.astype(np.float64) for source in sources)
    image = fused(first, second) + 0 * first
    similarity = metrics.structural_similarity(first, image, data_range=255, win_size=7)
    tensors = (torch.from_numpy(array)[None, None] for array in (image, first))
    fidelity = float(visual_information_fidelity(*tensors, sigma_n_sq=2.0))
    assert structure_metrics.structural_similarity(first, image) == pytest.approx(similarity, abs=1e-9)
    assert structure_metrics.visual_information_fidelity(first, image) == pytest.approx(fidelity, abs=1e-9)
    assert intensity_metrics.entropy(image) == pytest.approx(measure.shannon_entropy(image, base=2), abs=1e-12)


def test_edges_of_both_sources_at_once_are_those_one_by_one(sources):
    images = [*(source.astype(np.float64) for source in sources), np.maximum(*sources).astype(np.float64)]
    one_by_one = (
        edge_metrics.edge_preservation(*images),
        edge_metrics.edges_kept(images[0], images[2]),
        edge_metrics.edges_kept(images[1], images[2]),
    )
    assert edge_metrics.edge_preservation_of_each(*images) == pytest.approx(one_by_one, abs=1e-12)


def test_edges_that_do_not_count_change_nothing(sources):
    first, second = (source.astype(np.float64) for source in sources)
    left = np.zeros(first.shape, dtype=bool)
    left[:, : first.shape[1] // 2] = True
    nowhere, fused = np.zeros_like(left), np.maximum(first, second)
    counted = edge_metrics.edge_preservation_of_each(first, second, fused, (left, nowhere))
    assert counted[0] == counted[1] and np.isnan(counted[2])
    broken = np.where(left, fused, 0)
    # The column beside those that count has a part in their edges.
    broken[:, first.shape[1] // 2] = fused[:, first.shape[1] // 2]
    assert edge_metrics.edge_preservation_of_each(first, second, broken, (left, nowhere))[0] == counted[0]
    assert edge_metrics.edge_preservation_of_each(first, second, broken)[0] < counted[0] - 0.1


def test_an_image_fused_with_itself_keeps_everything(sources):
    image = sources[0]
    values = fusion_metrics(image, image, image)
    for name in ("VIF", "SSIM", "MS_SSIM"):
        assert values[name] == pytest.approx(2, rel=1e-6)
    assert (values["CC"], values["FMI"]) == pytest.approx((1, 1))
    assert values["MI"] == pytest.approx(2 * values["EN"] * np.log(2))
    assert values["Nabf"] == 0 and values["PSNR"] == np.inf
    assert (
        values["Qmin"] == values["QAF"] == values["Qabf"] == pytest.approx(0.9994 * 0.9879 / (1 + np.exp(-4.4)), 1e-4)
    )
    assert np.isnan(values["SCD"]), "nothing is added to either source"


def test_order_of_the_sources_does_not_matter(sources):
    fused = np.maximum(*sources)
    values, swapped = fusion_metrics(*sources, fused), fusion_metrics(*sources[::-1], fused)
    swapped["QAF"], swapped["QBF"] = swapped["QBF"], swapped["QAF"]
    assert values == pytest.approx(swapped, rel=1e-6)


def test_blurring_and_noise_cost_what_they_should(sources):
    fused = np.maximum(*sources)
    noise = np.random.default_rng(3).normal(scale=15, size=fused.shape)
    blurred = ndimage.gaussian_filter(fused, 2)
    noisy = np.clip(fused + noise, 0, 255).astype(np.uint8)
    good, soft, rough = (fusion_metrics(*sources, image) for image in (fused, blurred, noisy))
    for name in ("SSIM", "MS_SSIM", "VIF", "Qabf", "Qmin", "MI", "FMI"):
        assert good[name] > soft[name] and good[name] > rough[name], name
    for name in ("SF", "AG", "SD"):
        assert soft[name] < good[name], name
    assert rough["EN"] > good["EN"] and rough["Nabf"] > 10 * good["Nabf"]


def test_dropping_a_source_shows_in_the_lower_of_its_edge_scores(sources):
    values = fusion_metrics(*sources, sources[0])
    assert values["QAF"] > 0.95 and values["Qmin"] == values["QBF"] < 0.5 < values["Qabf"]


def test_an_average_makes_up_no_edge(sources):
    """Its gradient is never longer than the longer of both sources'."""
    first, second = (source // 2 * 2 for source in sources)
    assert fusion_metrics(first, second, first // 2 + second // 2)["Nabf"] == 0


@pytest.mark.parametrize(("values", "bits"), [((0, 255), 1), ((3, 7, 100, 101), 2), ((9,), 0)])
def test_entropy_of_equally_frequent_values(values, bits):
    assert intensity_metrics.entropy(np.tile(values, (16, 4)).astype(float)) == pytest.approx(bits)


def test_spread_and_detail_of_simple_patterns():
    stripes = np.tile([0.0, 10.0], (8, 4))
    ramp = np.tile(3.0 * np.arange(20), (10, 1))
    assert intensity_metrics.standard_deviation(stripes) == 5
    assert intensity_metrics.spatial_frequency(stripes) == 10
    assert intensity_metrics.spatial_frequency(stripes.T) == 10
    assert intensity_metrics.average_gradient(ramp) == pytest.approx(3 / np.sqrt(2))


def test_mutual_information_of_independent_and_equivalent_images():
    down, across = np.meshgrid(np.arange(16.0), np.arange(16.0), indexing="ij")
    assert intensity_metrics.mutual_information(down, across) == pytest.approx(0, abs=1e-12)
    assert intensity_metrics.mutual_information(down, 240 - 16 * down) == pytest.approx(np.log(16))


def test_correlation_sees_neither_gain_nor_offset(sources):
    image = sources[0].astype(float)
    assert intensity_metrics.correlation(image, 0.3 * image + 7) == pytest.approx(1)
    assert intensity_metrics.correlation(image, 255 - image) == pytest.approx(-1)
    assert np.isnan(intensity_metrics.correlation(image, np.full_like(image, 9)))


def test_a_sum_adds_to_each_source_what_the_other_holds(sources):
    first, second = (source.astype(float) for source in sources)
    assert intensity_metrics.sum_of_correlations_of_differences(first, second, first + second) == pytest.approx(2)


def test_peak_of_the_signal_is_the_fused_images_own():
    first, second, fused = (np.full((8, 8), value) for value in (100.0, 104.0, 102.0))
    expected = 10 * np.log10(102**2 / 4)
    assert intensity_metrics.peak_signal_to_noise(first, second, fused) == pytest.approx(expected)
    assert intensity_metrics.peak_signal_to_noise(first, second, 0 * fused) == -np.inf


def test_more_contrast_is_more_visual_information(sources):
    image = sources[0] / 2.0
    fidelity = [structure_metrics.visual_information_fidelity(image, gain * image) for gain in (0.5, 1, 1.5)]
    assert fidelity[1] == pytest.approx(1, rel=1e-6)
    assert fidelity[0] < 0.9 and fidelity[2] > 1.1


def test_edges_of_another_orientation_do_not_count_as_kept():
    stripes = np.tile(np.repeat([0.0, 100.0], 8), (64, 4))
    assert edge_metrics.edges_kept(stripes, stripes) > 0.95
    assert edge_metrics.edges_kept(stripes, stripes.T) < 0.1
    assert np.isnan(edge_metrics.edges_kept(np.zeros((8, 8)), stripes[:8, :8]))


def test_feature_information_of_windows():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 120, (40, 40)).astype(float)
    flat, other = np.full_like(image, 7), rng.integers(0, 120, (40, 40)).astype(float)
    shared = [feature_metrics.feature_mutual_information(image, image + gain * other) for gain in (0, 0.3, 3)]
    assert 1 == shared[0] > shared[1] > shared[2] > 0
    assert feature_metrics.feature_mutual_information(image, flat) == 0
    assert feature_metrics.feature_mutual_information(flat, flat) == 1
    assert feature_metrics.feature_mutual_information(image, 2 * image + 3) == pytest.approx(1), "gain and offset"
    assert 0 < feature_metrics.feature_mutual_information(image, 120 - image) < 1


def test_feature_information_of_two_places_by_hand():
    """Halves on places 0 and 8 against all on place 8 share nothing; the bounds are then the product itself."""
    halves, single = np.zeros((3, 3)), np.zeros((3, 3))
    halves[0, 0] = halves[2, 2] = single[2, 2] = 5
    assert feature_metrics.feature_mutual_information(halves, single) == pytest.approx(0, abs=1e-9)
    assert feature_metrics.feature_mutual_information(halves, 2 * halves) == pytest.approx(1)
    assert feature_metrics.feature_mutual_information(single, 2 * single) == 1


@pytest.mark.parametrize(("places", "share"), [((0, 4), 5 / 14), ((1, 4), 2 / 7)], ids=["alike", "opposed"])
def test_feature_information_between_the_bounds_by_hand(places, share):
    """Halves on places 0 and 8 against halves on two others: the bound, of correlation 1 or -1, has its two places with
    one half each, independence has a quarter on all four; the windows' correlation is the bound's share."""
    first, second = np.zeros(9), np.zeros(9)
    first[[0, 8]] = second[list(places)] = 7
    on, off = share / 2 + (1 - share) / 4, (1 - share) / 4
    joint_entropy = -2 * (on * np.log2(on) + off * np.log2(off))
    found = feature_metrics.feature_mutual_information(first.reshape(3, 3), second.reshape(3, 3))
    assert found == pytest.approx(2 - joint_entropy)


@pytest.mark.parametrize(("size", "undefined"), [(32, {"VIF", "MS_SSIM"}), (175, {"MS_SSIM"}), (176, set())])
def test_small_images_have_no_value_for_what_needs_more_pixels(size, undefined):
    first, second = texture(1, size), texture(2, size)
    values = fusion_metrics(first, second, np.maximum(first, second))
    assert {name for name, value in values.items() if np.isnan(value)} == undefined


def test_blank_images_give_no_error_and_no_warning(recwarn):
    blank = np.zeros((192, 192), np.uint8)
    values = fusion_metrics(blank, blank, blank)
    assert np.isnan([values[name] for name in ("CC", "SCD", "VIF", "Qabf", "Qmin")]).all() and values["SSIM"] == 2
    assert not recwarn.list


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((64, 64)), np.zeros((1, 64, 64), np.uint8), np.zeros((64, 65), np.uint8), np.zeros((6, 6), np.uint8)],
)
def test_images_that_cannot_be_measured_are_refused(wrong):
    good = np.zeros((64, 64) if wrong.shape != (6, 6) else (6, 6), np.uint8)
    with pytest.raises(ValueError, match="needed|differ|least"):
        fusion_metrics(good, good, wrong)


def test_halves_become_even_gray_values_whatever_the_float_noise():
    tens = np.arange(10, 20)
    image = ((tens / 255 + (tens + 1) / 255) / 2).astype(np.float32)
    assert eight_bit(image).tolist() == [10, 12, 12, 14, 14, 16, 16, 18, 18, 20]
    assert eight_bit(np.array([-1, 0, 1, 2.0])).tolist() == [0, 0, 255, 255]


def test_luma_of_color_and_gray():
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert eight_bit_luma(colors).tolist() == [[76, 150, 29, 9]]
    assert np.array_equal(eight_bit_luma(colors[..., 0]), colors[..., 0])
    with pytest.raises(ValueError, match="8-bit"):
        eight_bit_luma(colors / 255)


def test_hue_error_of_known_changes():
    red, orange = np.full((4, 4, 3), (200, 40, 40), np.uint8), np.full((4, 4, 3), (200, 110, 40), np.uint8)
    cyan, gray = np.full((4, 4, 3), (40, 200, 200), np.uint8), np.full((4, 4, 3), 128, np.uint8)
    assert hue_error(red, red) == pytest.approx(0, abs=1e-9)
    # CIELAB's hues of the three: 33.9, 59.5 and -163.5 degrees.
    assert hue_error(red, orange) == pytest.approx(25.6, abs=0.1)
    assert hue_error(red, cyan) == pytest.approx(162.6, abs=0.1)
    assert hue_error(red, gray) == 90
    assert np.isnan(hue_error(gray, red))
    half = np.concatenate([red, gray])
    assert hue_error(half, np.concatenate([red, cyan])) < 1e-9, "only where the source has color"
    with pytest.raises(ValueError, match="RGB"):
        hue_error(red, red[..., 0])


def test_contrast_to_noise_of_a_known_lesion():
    image = np.array([10.0, 10, 0, 2, 0, 2, 50])
    lesion, around = np.arange(7) < 2, (np.arange(7) > 1) & (np.arange(7) < 6)
    assert contrast_to_noise(image, lesion, around) == 9
    assert contrast_to_noise(-image, lesion, around) == 9
    assert kept_contrast_to_noise(image, 0.1 * image + 3, lesion, around) == pytest.approx(1)
    assert kept_contrast_to_noise(image, np.where(lesion, 5.5, image), lesion, around) == pytest.approx(0.5)
    assert contrast_to_noise(np.where(around, 1, image), lesion, around) == np.inf
    with pytest.raises(ValueError, match="empty"):
        contrast_to_noise(image, lesion & False, around)
    with pytest.raises(ValueError, match="shape"):
        contrast_to_noise(image, lesion[:3], around)
