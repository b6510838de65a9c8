"""Intensity windows."""

import numpy as np
import pytest
from AMIFusionLib.volumes.errors import VolumeError
from AMIFusionLib.volumes.files import show_window
from AMIFusionLib.volumes.intensity import IntensityWindow, window_of

TYPES = [
    np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64,
]  # fmt: skip


@pytest.mark.parametrize("scalar", TYPES)
def test_every_scalar_type_is_mapped_to_0_and_1(scalar):
    values = np.array([[[10, 20, 30]]], dtype=scalar)
    np.testing.assert_allclose(IntensityWindow(10, 30).normalize(values), [[[0, 0.5, 1]]], atol=1e-6)


@pytest.mark.parametrize("scalar", [np.float32, np.float64])
def test_beyond_the_window_is_clipped_and_nan_is_black(scalar):
    values = np.array([-np.inf, -5, np.nan, 5, 50, np.inf], scalar)
    before = values.copy()
    normalized = IntensityWindow(0, 10).normalize(values)
    assert normalized.dtype == np.float32
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(normalized, np.array([0, 0, 0, 0.5, 1, 1], np.float32))


def test_large_values_keep_their_differences():
    values = np.array([2**24, 2**24 + 1, 2**24 + 2], dtype=np.int32)
    np.testing.assert_allclose(IntensityWindow(2**24, 2**24 + 2).normalize(values), [0, 0.5, 1])


@pytest.mark.parametrize("window", [(-20, 120), (29995.3, 30005.3), (-30000, 30000), (0.1, 0.3)])
def test_precision_suffices_wherever_the_window_lies(window):
    low, high = window
    for scalar in (np.int16, np.float32):
        values = np.arange(-32768, 32767, 3).astype(scalar)
        exact = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
        np.testing.assert_allclose(IntensityWindow(low, high).normalize(values), exact, rtol=0, atol=2e-6)


def test_display_window_is_what_the_user_sees(add_volume):
    node = add_volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), window=(-20, 60))
    assert window_of(node, "display") == IntensityWindow(-20, 60)


def test_percentiles_leave_out_spikes(add_volume):
    array = np.linspace(0, 100, 64**3, dtype=np.float32).reshape(64, 64, 64)
    array[0, 0, :3] = [1e9, np.nan, np.inf]
    window = window_of(add_volume(array, window=(0, 1)), "percentiles")
    assert (window.low, window.high) == pytest.approx((0.5, 99.5), abs=0.2)


@pytest.mark.parametrize("array", [np.full((3, 4, 5), 7, np.int16), np.full((3, 4, 5), np.nan, np.float32)])
def test_constant_or_empty_content_has_a_window_too(add_volume, array):
    window = window_of(add_volume(array), "percentiles")
    assert window.high > window.low
    assert np.isfinite(window.normalize(array)).all()


def test_no_display_node_falls_back_to_percentiles(scene, slicer):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.updateVolumeFromArray(node, np.arange(1000, dtype=np.int16).reshape(10, 10, 10))
    assert window_of(node, "display") == window_of(node, "percentiles")


def test_8_bit_color_is_shown_in_full_until_the_user_says_otherwise(add_volume):
    node = add_volume(np.full((3, 4, 5, 3), 100, np.uint8))
    assert window_of(node, "display") == IntensityWindow(0, 255)
    chosen = add_volume(np.full((3, 4, 5, 3), 100, np.uint8), window=(50, 150))
    assert window_of(chosen, "display") == IntensityWindow(50, 150)


def test_unknown_choice(add_volume):
    with pytest.raises(ValueError, match="display, percentiles"):
        window_of(add_volume(np.zeros((3, 4, 5), np.int16)), "automatic")


@pytest.mark.parametrize("limits", [(0, np.inf), (-np.inf, 5), (np.nan, 5), (-1.7e308, 1.7e308)])
def test_a_window_without_an_end_is_refused(add_volume, limits):
    """In it all values would be one, and the volume would vanish from the result without a word."""
    with pytest.raises(VolumeError, match="Give two finite numbers"):
        IntensityWindow(*limits)
    with pytest.raises(ValueError, match="shows nothing"):
        show_window(add_volume(np.zeros((2, 2, 2))), *limits)


def test_a_display_without_an_end_is_refused(add_volume):
    node = add_volume(np.zeros((2, 2, 2)))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(np.inf, 0)
    with pytest.raises(VolumeError, match="Give two finite numbers"):
        window_of(node, "display")
