"""Color: luma and chroma, and color tables."""

import numpy as np
import pytest
from AMIFusionLib.volumes.color import chroma, color_table_of, luma, rgb_from_luma_and_chroma


def test_colors_come_back():
    rgb = np.random.default_rng(0).random((5, 6, 7, 3), dtype=np.float32)
    np.testing.assert_allclose(rgb_from_luma_and_chroma(luma(rgb), chroma(rgb)), rgb, atol=1e-6)


def test_any_luma_is_kept_and_the_hue_with_it():
    """Color that does not fit at a luma is faded, not cut off; what fits is not changed."""
    random = np.random.default_rng(0)
    source, y = random.random((40, 40, 3), dtype=np.float32), random.random((40, 40), dtype=np.float32)
    y[:2] = [[0], [1]]
    wanted = chroma(source)
    made = rgb_from_luma_and_chroma(y, wanted)
    assert made.min() > -1e-6 and made.max() < 1 + 1e-6
    np.testing.assert_allclose(luma(made), y, atol=1e-6)
    shares = (chroma(made) * wanted).sum(axis=-1) / (wanted**2).sum(axis=-1)
    np.testing.assert_allclose(chroma(made), shares[..., None] * wanted, atol=1e-6)
    assert shares.max() < 1 + 1e-5 and (shares[:2] < 1e-5).all()
    red, blue = wanted[..., 1] * 2 * (1 - 0.299), wanted[..., 0] * 2 * (1 - 0.114)
    whole = y[..., None] + np.stack([red, (-0.299 * red - 0.114 * blue) / 0.587, blue], axis=-1)
    fits = ((whole >= 0) & (whole <= 1)).all(axis=-1)
    assert 0.1 < fits.mean() < 0.9
    np.testing.assert_allclose(made[fits], whole[fits], atol=1e-5)
    # As much color as there can be: one channel is at an end.
    ends = np.minimum(made, 1 - made).min(axis=-1)
    assert ends[~fits].max() < 1e-5


def test_known_values():
    """ITU-R BT.601: pure red has Y 0.299 and Cr 0.5, gray has no chroma."""
    red, gray = np.array([1.0, 0, 0]), np.array([0.3, 0.3, 0.3])
    assert luma(red) == pytest.approx(0.299)
    np.testing.assert_allclose(chroma(red), [-0.168736, 0.5], atol=1e-6)
    np.testing.assert_allclose(chroma(gray), [0, 0], atol=1e-7)


def test_alpha_does_not_count():
    rgba = np.array([0.2, 0.4, 0.6, 0.1])
    assert luma(rgba) == luma(rgba[:3])
    np.testing.assert_array_equal(chroma(rgba), chroma(rgba[:3]))


@pytest.mark.parametrize("gray", ["Grey", "InvertedGrey"])
def test_gray_tables_are_no_color(add_volume, gray):
    node = add_volume(np.zeros((4, 5, 6), np.int16))
    node.GetDisplayNode().SetAndObserveColorNodeID(f"vtkMRMLColorTableNode{gray}")
    assert node.GetDisplayNode().GetColorNode() is not None
    assert color_table_of(node) is None


def test_color_table_runs_from_low_to_high(add_volume):
    node = add_volume(np.zeros((4, 5, 6), np.int16))
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    table = color_table_of(node)
    assert table.shape == (256, 3)
    np.testing.assert_allclose(table[[0, -1]], [[0, 0, 0], [1, 0, 0]], atol=0.01)
    assert (np.diff(table[:, 0]) >= 0).all()


def test_no_display_node_means_gray(scene):
    assert color_table_of(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) is None
