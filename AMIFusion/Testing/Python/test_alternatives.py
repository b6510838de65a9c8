"""Free fusion methods: as recorded beside the learned competitors on real slices, and as their rules say."""

import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from AMIFusionLib.evaluation import edge_metrics, intensity_metrics
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.eight_bit import eight_bit, eight_bit_luma
from test_metrics import read, texture

KINDS = ("ct-mri", "pet-mri", "spect-mri")
LAST_DIGIT = 1e-4
"""Of the recorded means, which are rounded."""

each = pytest.mark.parametrize("fuse", ALTERNATIVES.values(), ids=ALTERNATIVES)


@pytest.fixture(scope="session")
def recorded():
    """Means of the measures on named slices, and the slices' names."""
    path = os.environ.get("AMIFUSION_PEER_VALUES")
    if not path:
        pytest.skip("AMIFUSION_PEER_VALUES is not set: it names recorded measures of fusion methods")
    return json.loads(Path(path).read_text())


@pytest.fixture(scope="session")
def slices(recorded, wholebrain):
    """The named slices' pairs of gray images, by pair type."""
    with open(wholebrain / "manifest.csv", newline="") as file:
        rows = {(row["pair"], row["case"]): row for row in csv.DictReader(file)}
    pairs = {}
    for kind in KINDS:
        named = recorded["slices"][kind]
        row = rows[kind, named["case"]]
        volumes = [read(wholebrain / row[column]) for column in ("functional_or_ct", "mri")]
        places = [row["atlas_slices"].split().index(name) for name in named["slices"]]
        pairs[kind] = [tuple(eight_bit_luma(volume[place]) for volume in volumes) for place in places]
    return pairs


def quick_measures(first, second, fused):
    """Measures that take little time and need no other test."""
    first, second, fused = (image.astype(np.float64) for image in (first, second, fused))
    return {
        "EN": intensity_metrics.entropy(fused),
        "SD": intensity_metrics.standard_deviation(fused),
        "SF": intensity_metrics.spatial_frequency(fused),
        "AG": intensity_metrics.average_gradient(fused),
        "SCD": intensity_metrics.sum_of_correlations_of_differences(first, second, fused),
        "Qabf": edge_metrics.edge_preservation(first, second, fused),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_measures_are_those_recorded(recorded, slices, name, kind):
    fuse = ALTERNATIVES[name]
    found = [quick_measures(*pair, eight_bit(fuse(*(image / 255 for image in pair)))) for pair in slices[kind]]
    for measure in found[0]:
        mean = np.mean([values[measure] for values in found])
        assert mean == pytest.approx(recorded["values"][kind][name][measure], rel=1e-4, abs=LAST_DIGIT), measure


@pytest.fixture(scope="module")
def pair():
    """Two images of 192 x 192 in 0..1."""
    return texture(1) / 255, texture(2) / 255


@each
def test_an_image_fused_with_itself_stays_as_it_is(fuse, pair):
    assert np.allclose(fuse(pair[0], pair[0]), pair[0], atol=1e-6)


@each
@pytest.mark.parametrize("shape", [(64, 64), (97, 130), (256, 256)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_size_gives_that_size_in_range(fuse, shape, dtype):
    first, second = (texture(seed, 264)[: shape[0], : shape[1]].astype(dtype) / 255 for seed in (1, 2))
    kept = first.copy(), second.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused = fuse(first, second)
    assert fused.shape == shape and fused.dtype == np.float64
    assert fused.min() >= 0 and fused.max() <= 1
    assert np.array_equal(first, kept[0]) and np.array_equal(second, kept[1])


@each
def test_nothing_gives_nothing(fuse):
    assert not fuse(np.zeros((64, 64)), np.zeros((64, 64))).any()


@each
def test_two_shapes_or_volumes_are_refused(fuse):
    with pytest.raises(ValueError, match="one shape"):
        fuse(np.zeros((64, 64)), np.zeros((64, 65)))
    with pytest.raises(ValueError, match="one shape"):
        fuse(np.zeros((2, 64, 64)), np.zeros((2, 64, 64)))


@pytest.mark.parametrize("name", [name for name in ALTERNATIVES if name != "GFF"])
def test_order_of_the_sources_does_not_matter(name, pair):
    assert np.allclose(ALTERNATIVES[name](*pair), ALTERNATIVES[name](*pair[::-1]), atol=1e-9)


@pytest.mark.parametrize("name", ["LapPyr", "LapPyr-maxbase", "DWT-db4", "SWT-db2", "GFF"])
def test_detail_of_either_source_stays_sharp(name):
    """A line in each source, fused: an average halves both, these methods keep more of each."""
    first, second = np.full((128, 128), 0.4), np.full((128, 128), 0.4)
    first[32, 20:108], second[96, 20:108] = 0.8, 0.8
    fused = ALTERNATIVES[name](first, second)
    for row in (32, 96):
        assert (fused[row, 40:88] - fused[row + 16, 40:88]).mean() > 0.27


@pytest.mark.parametrize(("name", "gray"), [("LapPyr", 0.4), ("LapPyr-maxbase", 0.6)])
def test_the_base_decides_how_bright_a_pyramid_is(name, gray):
    assert np.allclose(ALTERNATIVES[name](np.full((64, 64), 0.6), np.full((64, 64), 0.2)), gray)
