"""What alignment works on: images in space, for SimpleITK too, where they are compared, and how well they agree."""

import math

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.registration.errors import RegistrationError
from AMIFusionLib.registration.images import SpatialImage, _fill_values, working_copy, working_copy_steps
from AMIFusionLib.registration.overlap import overlap
from AMIFusionLib.registration.poses import transformed, translation_by
from AMIFusionLib.registration.similarity import Agreement, normalized_mutual_information
from AMIFusionLib.registration.simpleitk_images import (
    ras_matrix,
    rigid_pose,
    shrunk,
    simpleitk_image,
    unturned,
    values_at,
    values_between,
)
from registration_bench import moved, rotation_about

SHEARED = np.array([[0.7, 0.1, 0, 3], [0, -1.5, 0.4, -2], [0.2, 0, 2, 5], [0, 0, 0, 1]])


def test_simpleitk_has_every_voxel_at_its_place():
    """Turned, sheared and left-handed; SimpleITK's x and y point left and backward."""
    array = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    image = simpleitk_image(SpatialImage(array, SHEARED))
    for column, row, plane in ((0, 0, 0), (7, 2, 5), (3, 6, 1)):
        x, y, z = (SHEARED @ (column, row, plane, 1))[:3]
        assert image.EvaluateAtPhysicalPoint((-x, -y, z)) == pytest.approx(array[plane, row, column], abs=1e-5)


def test_poses_are_those_of_ras():
    pose = rigid_pose(np.array([10.0, 20, 30]), np.array([1.0, -2, 3]))
    np.testing.assert_allclose(ras_matrix(pose), translation_by((1, -2, 3)), atol=1e-12)
    pose.SetRotation((0.0, 0.0, 1.0), math.radians(90))
    # A quarter turn about superior is the same in RAS: both axes that differ point the other way.
    expected = translation_by((1, -2, 3)) @ rotation_about(np.radians((0, 0, 90)), np.array((10, 20, 30)))
    np.testing.assert_allclose(ras_matrix(pose), expected, atol=1e-12)
    np.testing.assert_allclose(ras_matrix(unturned(pose)), translation_by((1, -2, 3)), atol=1e-12)


@pytest.mark.parametrize("shape", [(30, 40, 50), (2, 40, 50), (3, 3, 300)])
@pytest.mark.parametrize("count", [500, 5_000, 100_000])
def test_places_lie_evenly_between_voxels(shape, count):
    """A ramp has its own values there, and moved by a pose those of elsewhere, or none outside."""
    rows, columns = np.indices(shape)[1:]
    ramp = (rows * 0.01 + columns * 0.02).astype(np.float32)
    image = simpleitk_image(SpatialImage(ramp, np.diag([2.0, 3, 4, 1])))
    grid, values = values_between(image, count)
    assert count / 2.5 <= values.size <= count * 2.5 or min(shape) < 4
    low, high = (np.quantile(ramp, edge) for edge in (0.1, 0.9))
    assert np.quantile(values, 0.1) == pytest.approx(low, abs=0.1) and np.quantile(values, 0.9) == pytest.approx(
        high, abs=0.1
    )
    np.testing.assert_allclose(values_at(grid, image, rigid_pose(np.zeros(3), np.zeros(3))), values, atol=1e-5)
    shifted = values_at(grid, image, rigid_pose(np.zeros(3), np.array([2.0, 0, 0])))
    columns = -grid.GetOrigin()[0] / 2 + np.arange(grid.GetSize()[0]) * grid.GetSpacing()[0] / 2
    columns = np.broadcast_to(columns, grid.GetSize()[::-1]).reshape(-1)
    last = shape[2] - 1
    assert np.isnan(shifted[columns + 1 > last + 0.5]).all()
    np.testing.assert_allclose(shifted[columns + 1 <= last], values[columns + 1 <= last] + 0.02, atol=1e-4)


def test_shrinking_averages_blocks_in_their_place():
    array = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    image = simpleitk_image(SpatialImage(array, np.diag([1.0, 1, 5, 1])))
    small = shrunk(image, 4.0, 0.0)
    assert small.GetSize() == (12, 10, 3) and small.GetSpacing() == (4, 4, 5)
    assert small.GetPixel(0, 0, 0) == pytest.approx(array[0, :4, :4].mean(), abs=1e-6)
    assert small.TransformIndexToPhysicalPoint((0, 0, 0)) == pytest.approx((-1.5, -1.5, 0))
    smooth = shrunk(image, 1.0, 3.0)
    assert smooth.GetSize() == image.GetSize()
    assert SimpleITK.GetArrayFromImage(smooth).std() < 0.3 * array.std()


def test_working_copy_keeps_every_voxel_in_its_place():
    """A ramp has its values where the coordinates say, however it is reduced."""
    matrix = translation_by((3, -2, 5)) @ np.diag([0.5, 0.25, 2, 1])
    rows, columns = np.indices((13, 43, 21))[1:]
    image = SpatialImage((rows * 0.25 + columns * 0.5).astype(np.float32), matrix)
    copy = working_copy(image, voxels=200)
    assert copy.array.size < 600
    where = transformed(copy.ijk_to_ras, np.argwhere(np.ones(copy.array.shape))[:, ::-1].T)
    truth = where[0] - 3 + where[1] + 2
    inner = (copy.array.reshape(-1) > 0.02) & (copy.array.reshape(-1) < 0.98)
    slope, offset = np.polyfit(truth[inner], copy.array.reshape(-1)[inner], 1)
    np.testing.assert_allclose(copy.array.reshape(-1)[inner], (slope * truth + offset)[inner], atol=1e-5)
    assert len(list(working_copy_steps(image, 200))) >= 1


def test_color_counts_by_what_to_gray_makes_of_it(head):
    colors = np.repeat(head["CT"].array[..., None], 3, axis=-1)
    image = SpatialImage(colors, head["CT"].ijk_to_ras, "RGB", lambda rgb: rgb[..., 0])
    np.testing.assert_array_equal(working_copy(image).array, working_copy(head["CT"]).array)


def test_normalized_mutual_information_is_studholme_s():
    generator = np.random.default_rng(0)
    first = generator.random(50_000).astype(np.float32)
    second = (first + generator.normal(0, 0.1, first.size).astype(np.float32)).clip(0, 1)
    joint = np.histogram2d(first, second, 64, ((0, 1), (0, 1)))[0] / first.size
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (joint.sum(1), joint.sum(0), joint.ravel())]
    expected = (entropies[0] + entropies[1]) / entropies[2]
    assert normalized_mutual_information(first, second) == pytest.approx(expected, abs=1e-3)
    assert normalized_mutual_information(first, first) == pytest.approx(2)
    assert normalized_mutual_information(first, generator.permutation(second)) < 1.1
    assert math.isnan(normalized_mutual_information(first[:50], second[:50]))
    assert normalized_mutual_information(np.zeros(500, np.float32), np.zeros(500, np.float32)) == 1


def test_overlap_is_a_share_of_the_smaller_image():
    large = SpatialImage(np.zeros((100, 100, 100), np.int16), np.eye(4))
    small = SpatialImage(np.zeros((20, 20, 20), np.int16), translation_by((90, 40, 40)))
    for pair in ((large, small), (small, large)):
        assert overlap(*pair) == pytest.approx(0.48, abs=0.02)
    assert overlap(large, small, translation_by((-20, 0, 0))) == 1
    assert overlap(large, moved(small, translation_by((50, 0, 0)))) == 0


def test_agreement_falls_with_distance(head):
    copies = working_copy(head["T1"]), working_copy(head["CT"])
    agreement = Agreement(*map(simpleitk_image, copies))
    near, far, apart = (agreement.at(rigid_pose(np.zeros(3), np.array((x, 0.0, 0)))) for x in (0, 6, 5000))
    assert 1 < far < near < 2 and math.isnan(apart)


@pytest.mark.parametrize(
    ("array", "matrix", "message"),
    [
        (np.zeros((1, 8, 8)), np.eye(4), "only one slice"),
        (np.zeros((8, 1, 8)), np.eye(4), "only one slice"),
        (np.zeros((8, 8)), np.eye(4), "no gray image"),
        (np.zeros((8, 8, 8, 3)), np.eye(4), "no gray image"),
        (np.zeros((8, 8, 8), complex), np.eye(4), "no gray image"),
        (np.zeros((8, 8, 8)), np.eye(3), "no place in space"),
        (np.zeros((8, 8, 8)), np.diag([1.0, 0, 1, 1]), "no place in space"),
        (np.zeros((8, 8, 8)), np.full((4, 4), np.nan), "no place in space"),
    ],
)
def test_wrong_inputs_are_refused_with_what_to_do(array, matrix, message):
    with pytest.raises(RegistrationError, match=message) as caught:
        SpatialImage(array, matrix, "Odd")
    assert str(caught.value).startswith("'Odd'") and issubclass(RegistrationError, ValueError)


def test_large_slices_are_read_in_parts():
    """So that no part takes long; the copy is that of one part."""
    array = np.random.default_rng(0).random((4, 1500, 1200)).astype(np.float32)
    image = SpatialImage(array, np.diag([0.2, 0.2, 4.0, 1.0]))
    shares = list(working_copy_steps(image, 50_000))
    assert len(shares) > 8 and shares == sorted(shares) and shares[-1] == 1
    copy = working_copy(image, 50_000)
    factor = round(copy.spacing[0] / 0.2)
    low, high = array[:, : copy.array.shape[1] * factor, : copy.array.shape[2] * factor], copy.array
    means = low.reshape(4, copy.array.shape[1], factor, copy.array.shape[2], factor).mean(axis=(2, 4))
    assert np.corrcoef(means.ravel(), high.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("values", "is_fill"),
    [
        ((-32768, (-1000, 1500)), True), ((3e38, (0, 500)), True), ((0, (300, 500)), False),
        ((-1024, (-1000, 1500)), False), ((0, (1, 1)), False),
    ],
)  # fmt: skip
def test_air_is_no_fill(values, is_fill):
    """Nor is a mask's ground; but what lies far from all that is measured is."""
    extreme, (low, high) = values
    array = np.linspace(low, high, 8_000).reshape(20, 20, 20).astype(np.float32)
    array[:4] = extreme
    assert bool(_fill_values(array)) == is_fill
