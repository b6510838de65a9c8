"""Resampling: parent transforms, orientations, scalar types, holes; SimpleITK says what is right."""

import tracemalloc

import numpy as np
import pytest
import SimpleITK
import vtk
from AMIFusionLib.volumes.errors import NoOverlapError
from AMIFusionLib.volumes.resampling import GridReader, ResamplingReader, reader_for
from vtk.util.numpy_support import numpy_to_vtk

TYPES = [
    np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64,
]  # fmt: skip

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


def blobs(shape=(20, 30, 40)):
    """A smooth volume, 0 to 100."""
    generator = np.random.default_rng(1)
    image = SimpleITK.GetImageFromArray(generator.random(shape))
    array = SimpleITK.GetArrayFromImage(SimpleITK.DiscreteGaussian(image, 4.0))
    return (100 * (array - array.min()) / np.ptp(array)).astype(np.float32)


def rigid(degrees, translation):
    """A 4 x 4 RAS matrix: turns about R and S, then a shift."""
    transform = vtk.vtkTransform()
    transform.Translate(*translation)
    transform.RotateZ(degrees)
    transform.RotateX(degrees / 2)
    return np.array([[transform.GetMatrix().GetElement(i, j) for j in range(4)] for i in range(4)])


def put_under(scene, node, matrix):
    """Give a node a linear parent transform."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(np.asarray(matrix).ravel())
    transform.SetMatrixTransformToParent(vtk_matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def sitk_image(array, ijk_to_ras):
    """The same volume for SimpleITK, in LPS."""
    image = SimpleITK.GetImageFromArray(array.astype(np.float64))
    lps = LPS_TO_RAS @ ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def sitk_resampled(moving, reference, world_from_moving):
    """SimpleITK's resampling with a RAS transform of the moving volume."""
    lps = LPS_TO_RAS @ np.linalg.inv(world_from_moving) @ LPS_TO_RAS
    transform = SimpleITK.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())
    resampled = SimpleITK.Resample(moving, reference, transform, SimpleITK.sitkLinear, float("nan"))
    return SimpleITK.GetArrayFromImage(resampled)


REFERENCE_GRID = rigid(7, (3, -2, 5)) @ np.diag([1.1, 0.9, 1.5, 1])
MOVING_GRID = LPS_TO_RAS @ np.diag([0.8, 1.0, 1.3, 1])


def test_transformed_moving_volume_lands_where_simpleitk_puts_it(add_volume, scene):
    array = blobs()
    reference = add_volume(np.zeros((22, 28, 26), np.int16), ijk_to_ras=REFERENCE_GRID)
    moving = add_volume(array, ijk_to_ras=MOVING_GRID)
    shift = rigid(20, (32, 25, -4))
    put_under(scene, moving, shift)
    ours = ResamplingReader(moving, reference).read(0, 0, 22)
    theirs = sitk_resampled(sitk_image(array, MOVING_GRID), sitk_image(np.zeros((22, 28, 26)), REFERENCE_GRID), shift)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.mean() > 0.2
    assert (np.isfinite(ours) != np.isfinite(theirs)).mean() < 0.03
    assert np.abs(ours - theirs)[both].mean() < 0.01 * np.ptp(array)


def test_both_parents_and_chains_of_them_count(add_volume, scene):
    array = blobs()
    reference = add_volume(np.zeros((22, 28, 26), np.int16), ijk_to_ras=REFERENCE_GRID)
    moving = add_volume(array, ijk_to_ras=MOVING_GRID)
    first, second, third = rigid(15, (20, 10, 3)), rigid(-8, (2, 4, 6)), rigid(30, (5, 0, -3))
    inner = put_under(scene, moving, first)
    put_under(scene, inner, second)
    put_under(scene, reference, third)
    ours = ResamplingReader(moving, reference).read(0, 0, 22)
    theirs = sitk_resampled(
        sitk_image(array, MOVING_GRID),
        sitk_image(np.zeros((22, 28, 26)), REFERENCE_GRID),
        np.linalg.inv(third) @ second @ first,
    )
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.mean() > 0.1
    assert np.abs(ours - theirs)[both].mean() < 0.01 * np.ptp(array)


def test_same_parent_for_both_changes_nothing(add_volume, scene):
    overlapping = rigid(0, (32, 25, 0)) @ MOVING_GRID
    reference, moving = (add_volume(blobs(), ijk_to_ras=grid) for grid in (REFERENCE_GRID, overlapping))
    moving_before = ResamplingReader(moving, reference).read(0, 3, 9)
    assert np.isfinite(moving_before).mean() > 0.2
    transform = put_under(scene, reference, rigid(40, (100, 0, 0)))
    moving.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_allclose(ResamplingReader(moving, reference).read(0, 3, 9), moving_before, atol=1e-3)


def displacement_grid(scene, amplitude):
    """A non-linear transform node: a smooth swell along S."""
    grid = vtk.vtkImageData()
    grid.SetDimensions(12, 12, 12)
    grid.SetSpacing(10, 10, 10)
    grid.SetOrigin(-60, -60, -60)
    k, j, i = np.indices((12, 12, 12))
    displacement = np.zeros((12, 12, 12, 3))
    displacement[..., 2] = amplitude * np.sin(i / 3) * np.cos(j / 4)
    grid.GetPointData().SetScalars(numpy_to_vtk(displacement.reshape(-1, 3), deep=True))
    transform = vtk.vtkGridTransform()
    transform.SetDisplacementGridData(grid)
    transform.SetInterpolationModeToCubic()
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformToParent(transform)
    return node, transform


def test_non_linear_parent_transform(add_volume, scene):
    """Every voxel of the result is the moving volume's value where the inverse transform leads."""
    array = blobs((30, 30, 30))
    moving_grid = np.diag([2.0, 2, 2, 1])
    moving_grid[:3, 3] = -30
    reference_grid = np.diag([3.0, 3, 3, 1])
    reference_grid[:3, 3] = -20
    moving = add_volume(array, ijk_to_ras=moving_grid)
    reference = add_volume(np.zeros((12, 13, 14), np.int16), ijk_to_ras=reference_grid)
    node, transform = displacement_grid(scene, 6.0)
    moving.SetAndObserveTransformNodeID(node.GetID())
    reader = reader_for(moving, reference)
    assert isinstance(reader, ResamplingReader)
    ours = reader.read(0, 0, 12)
    expected = np.full(ours.shape, np.nan)
    image = sitk_image(array, moving_grid)
    for k, j, i in np.ndindex(ours.shape):
        ras = transform.GetInverse().TransformPoint((reference_grid @ [i, j, k, 1])[:3])
        lps = (-ras[0], -ras[1], ras[2])
        if all(0 <= index <= 28.99 for index in image.TransformPhysicalPointToContinuousIndex(lps)):
            expected[k, j, i] = image.EvaluateAtPhysicalPoint(lps)
    both = np.isfinite(ours) & np.isfinite(expected)
    assert both.mean() > 0.9
    assert np.abs(ours - expected)[both].mean() < 0.001 * np.ptp(array)
    still = SimpleITK.Resample(image, sitk_image(np.zeros(ours.shape), reference_grid))
    assert np.abs(SimpleITK.GetArrayFromImage(still) - ours)[both].mean() > 0.01 * np.ptp(array)


@pytest.mark.parametrize("scalar", TYPES)
def test_every_scalar_type(add_volume, scalar):
    array = np.round(blobs() / 2).astype(scalar)
    reference = add_volume(np.zeros((10, 10, 10), np.int16), ijk_to_ras=np.diag([1.5, 1.5, 1.5, 1]))
    moving = add_volume(array)
    ours = reader_for(moving, reference).read(0, 2, 4)
    np.testing.assert_allclose(ours[0, ::2, ::2], array[3, 0:15:3, 0:15:3], atol=1e-4)


def test_slabs_along_every_axis_are_parts_of_the_whole(add_volume):
    reference = add_volume(np.zeros((8, 9, 10), np.int16), ijk_to_ras=REFERENCE_GRID)
    reader = ResamplingReader(add_volume(blobs()), reference)
    whole = reader.read(0, 0, 8).copy()
    for axis in range(3):
        index = [slice(None)] * 3
        index[axis] = slice(3, 6)
        np.testing.assert_array_equal(reader.read(axis, 3, 6), whole[tuple(index)])


def test_nan_and_infinities_do_not_spread(add_volume):
    array = blobs()
    array[5, 5, 5], array[6, 6, 6], array[7, 7, 7] = np.nan, np.inf, -np.inf
    kept = array.copy()
    moving = add_volume(array)
    reference = add_volume(np.zeros((10, 10, 10), np.int16), ijk_to_ras=np.diag([1.3, 1.3, 1.3, 1]))
    ours = reader_for(moving, reference).read(0, 0, 10)
    assert np.isfinite(ours).all() and ours.min() >= 0 and ours.max() <= 100
    import slicer

    np.testing.assert_array_equal(slicer.util.arrayFromVolume(moving), kept)


@pytest.mark.parametrize("scalar", [np.int16, np.float32, np.float64])
def test_large_volume_is_not_copied_to_be_read(add_volume, scalar):
    """Neither whole nor as a mask: memory for the work must not grow with the volume."""
    moving = add_volume(np.zeros((200, 200, 200), scalar))
    reference = add_volume(np.zeros((5, 6, 7), np.int16))
    tracemalloc.start()
    reader = reader_for(moving, reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reader._reslice.GetInput() is moving.GetImageData()
    assert peak < 200**3 / 2


def test_color_is_resampled_in_each_component(add_volume):
    gray = blobs()
    array = np.stack([gray, 100 - gray, 0 * gray], axis=-1).astype(np.uint8)
    reference = add_volume(np.zeros((8, 9, 10), np.int16), ijk_to_ras=np.diag([1.5, 1.5, 1.5, 1]))
    ours = reader_for(add_volume(array), reference).read(0, 0, 8)
    assert ours.shape == (8, 9, 10, 3)
    np.testing.assert_allclose(ours[..., 0] + ours[..., 1], 99.5, atol=1.1)
    assert (ours[..., 2] == 0).all()


def test_outside_is_nan(add_volume):
    reference_grid = np.eye(4)
    reference_grid[0, 3] = -5
    reference = add_volume(np.zeros((8, 9, 20), np.int16), ijk_to_ras=reference_grid)
    ours = reader_for(add_volume(blobs((8, 9, 20))), reference).read(0, 0, 8)
    assert np.isnan(ours[:, :, :4]).all() and np.isfinite(ours[:, :, 6:]).all()


def test_same_grid_is_read_as_it_is(add_volume, scene):
    reference = add_volume(np.zeros((20, 30, 40), np.int16), ijk_to_ras=REFERENCE_GRID)
    rounded = REFERENCE_GRID + 1e-6
    rounded[3] = [0, 0, 0, 1]
    moving = add_volume(blobs(), ijk_to_ras=rounded)
    assert isinstance(reader_for(moving, reference), GridReader)
    put_under(scene, moving, rigid(0, (0.5, 0, 0)))
    assert isinstance(reader_for(moving, reference), ResamplingReader)


@pytest.mark.parametrize("distance", [60, 5000])
def test_no_overlap_is_refused(add_volume, distance):
    away = np.eye(4)
    away[0, 3] = distance
    reference, moving = add_volume(blobs(), "Head"), add_volume(blobs(), "Foot", ijk_to_ras=away)
    with pytest.raises(NoOverlapError, match="'Foot' and 'Head' do not overlap"):
        reader_for(moving, reference)


@pytest.mark.parametrize("small_is", ["moving", "reference"])
def test_thin_slab_in_a_large_volume_overlaps(add_volume, small_is):
    """A slab between the samples of a coarse look at the large volume."""
    large = add_volume(np.zeros((300, 20, 20), np.int16), "Large")
    grid = np.diag([1.0, 1, 0.2, 1])
    grid[:3, 3] = (4, 4, 151.3)
    small = add_volume(np.ones((2, 9, 9), np.int16), "Small", ijk_to_ras=grid)
    reader_for(*((small, large) if small_is == "moving" else (large, small)))


def test_crossing_thin_stacks_overlap(add_volume):
    axial = add_volume(np.zeros((3, 400, 400), np.int16), "Axial", ijk_to_ras=np.diag([0.5, 0.5, 1, 1]))
    sagittal_grid = np.array([[0, 0, 1, 60.3], [0.5, 0, 0, 0], [0, 0.5, 0, -99.7], [0, 0, 0, 1]])
    sagittal = add_volume(np.zeros((3, 400, 400), np.int16), "Sagittal", ijk_to_ras=sagittal_grid)
    reader_for(sagittal, axial)


def test_large_offsets_keep_their_differences(add_volume):
    """float32 has 24 bits; a window of 10 around 1e9 needs 30."""
    array = (10**9 + np.arange(8 * 9 * 10).reshape(8, 9, 10)).astype(np.int32)
    reference = add_volume(np.zeros((4, 4, 4), np.int16), ijk_to_ras=np.diag([2.0, 2, 2, 1]))
    ours = reader_for(add_volume(array), reference).read(0, 0, 4)
    np.testing.assert_allclose(ours, array[:7:2, :7:2, :7:2], rtol=0, atol=1e-6)


def test_single_slice_volumes(add_volume):
    reference = add_volume(np.zeros((1, 30, 40), np.int16))
    moving = add_volume(blobs(), ijk_to_ras=np.diag([1.0, 1, 0.9, 1]))
    np.testing.assert_allclose(reader_for(moving, reference).read(0, 0, 1)[0], blobs()[0], atol=1e-4)
