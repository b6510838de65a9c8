"""Color: luma and chroma, and color tables."""

import numpy as np
import pytest
from AMIFusionLib.volumes.color import chroma, color_table_of, luma, rgb_from_luma_and_chroma


def test_colors_come_back():
    rgb = np.random.default_rng(0).random((5, 6, 7, 3), dtype=np.float32)
    np.testing.assert_allclose(rgb_from_luma_and_chroma(luma(rgb), chroma(rgb)), rgb, atol=1e-6)


@pytest.fixture
def misfits():
    """Random lumas, black and white among them, with the chroma of other colors; and the plain inverse of both."""
    random = np.random.default_rng(0)
    source, y = random.random((40, 40, 3), dtype=np.float32), random.random((40, 40), dtype=np.float32)
    y[:2] = [[0], [1]]
    cb_cr = chroma(source)
    red, blue = cb_cr[..., 1] * 2 * (1 - 0.299), cb_cr[..., 0] * 2 * (1 - 0.114)
    plain = y[..., None] + np.stack([red, (-0.299 * red - 0.114 * blue) / 0.587, blue], axis=-1)
    fits = ((plain >= 0) & (plain <= 1)).all(axis=-1)
    assert 0.1 < fits.mean() < 0.9
    return y, cb_cr, plain, fits


def test_what_fits_is_not_changed(misfits):
    y, cb_cr, plain, fits = misfits
    np.testing.assert_allclose(rgb_from_luma_and_chroma(y, cb_cr)[fits], plain[fits], atol=1e-5)


def test_what_does_not_fit_keeps_its_hue_half_of_its_color_and_all_luma_that_this_leaves(misfits):
    y, cb_cr, _plain, fits = misfits
    made = rgb_from_luma_and_chroma(y, cb_cr)
    assert made.min() > -1e-6 and made.max() < 1 + 1e-6
    shares = (chroma(made) * cb_cr).sum(axis=-1) / (cb_cr**2).sum(axis=-1)
    np.testing.assert_allclose(chroma(made), shares[..., None] * cb_cr, atol=1e-6)
    assert shares.min() > 0.5 - 1e-3 and shares[~fits].max() < 1 and (shares[:2] < 0.51).all()
    # Luma gives way where half of the color needs it, and color where it does not yet: one channel is at an end.
    is_luma_kept = np.abs(luma(made) - y) < 1e-5
    assert is_luma_kept[shares > 0.51].all() and not is_luma_kept[:2].all()
    assert np.minimum(made, 1 - made).min(axis=-1)[~fits].max() < 1e-5


@pytest.mark.parametrize("gray", [-0.1, 0.0, 0.3, 1.0, 1.1])
def test_gray_stays_gray_and_beyond_the_range_nothing_is_shown(gray):
    y = np.full((2, 3), gray, np.float32)
    gray_again = rgb_from_luma_and_chroma(y, np.zeros((2, 3, 2), np.float32))
    np.testing.assert_allclose(gray_again, np.clip(np.repeat(y[..., None], 3, axis=-1), 0, 1), atol=1e-6)
    red = rgb_from_luma_and_chroma(y, np.broadcast_to(np.float32([-0.17, 0.5]), (2, 3, 2)))
    assert red.min() > -1e-6 and red.max() < 1 + 1e-6 and (red[..., 0] > red[..., 1] + 0.3).all()


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
