"""A slice fused as a view shows it: the job's own voxels where they coincide, any orientation, black outside."""

import time

import numpy as np
import pytest
import vtk
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.slice_preview import SlicePreview
from AMIFusionLib.volumes.errors import NoOverlapError, VolumeError
from AMIFusionLib.volumes.view_plane import ViewPlane
from scipy import ndimage
from vtk.util.numpy_support import vtk_to_numpy

SHAPE = (12, 40, 48)
TOLERANCE = 1
"""Gray levels of 4095 (and of 255): interpolating at a voxel's very center rounds in the last bits of a float."""

AXIAL = ((-1, 0, 0), (0, 1, 0))
SAGITTAL = ((0, -1, 0), (0, 0, 1))
CORONAL = ((-1, 0, 0), (0, 0, 1))


def plane_at(center, directions=AXIAL, field=(48.0, 40.0), size=(480, 400)):
    """A view around a place: right and up in RAS, millimeters and pixels across."""
    right, up = (np.array(direction, float) / np.linalg.norm(direction) for direction in directions)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = right * field[0] / size[0], up * field[1] / size[1]
    matrix[:3, 2] = np.cross(right, up)
    matrix[:3, 3] = np.array(center, float) - matrix[:3, :2] @ (np.array(size) / 2)
    return ViewPlane(tuple(matrix.ravel()), size)


def array_of(slice_):
    """A previewed slice's pixels, (rows, columns[, components]), top row first."""
    width, height, depth = slice_.image.GetDimensions()
    assert depth == 1
    return vtk_to_numpy(slice_.image.GetPointData().GetScalars()).reshape(height, width, -1).squeeze(-1 if (
        slice_.image.GetNumberOfScalarComponents() == 1) else ()).astype(int)  # fmt: skip


def axial_grid(shape=SHAPE, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    """IJK to RAS of slices as scanners write them: columns to the left, rows to the back."""
    grid = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    grid[:3, 3] = origin
    return grid


@pytest.fixture
def pair(add_volume):
    """Two volumes on different grids that overlap."""
    generator = np.random.default_rng(0)
    reference = add_volume((1000 * generator.random(SHAPE)).astype(np.int16), "MR", axial_grid(), (0, 1000))
    moving = add_volume(
        (100 * generator.random((14, 44, 50))).astype(np.float32), "CT",
        axial_grid(spacing=(0.9, 0.8, 1.1), origin=(-1.0, 0.5, -1.0)), (0, 100),
    )  # fmt: skip
    return reference, moving


@pytest.fixture
def preview(model, issue):
    """A licensed preview with a small untrained network."""
    return SlicePreview(model, authorize(model, issue()), "cpu")


def center_of(slice_index, shape=SHAPE):
    """The middle of an axial slice of the reference."""
    return (-(shape[2] - 1) / 2, -(shape[1] - 1) / 2, slice_index)


def jobs_result(slicer, pair, model, text, **options):
    """The job's result of the same pair, in the same levels."""
    node = FusionJob(*pair, model, authorize(model, text), FusionOptions(device="cpu", **options)).run()
    return slicer.util.arrayFromVolume(node).astype(int)


def test_order_of_the_volumes_changes_only_the_grid(slicer, pair, preview, model, issue):
    """The random volumes on one grid, one blurred."""
    fine, other = pair
    blurred = ndimage.gaussian_filter(slicer.util.arrayFromVolume(fine), (0, 2, 2))
    slicer.util.updateVolumeFromArray(other, blurred.astype(np.float32))
    other.CopyOrientation(fine)
    other.GetDisplayNode().SetAutoWindowLevel(False)
    other.GetDisplayNode().SetWindowLevelMinMax(0, 1000)
    view = plane_at(center_of(5))
    one, swapped = (array_of(preview.fuse(*each, FusionOptions(), view)) for each in (pair, pair[::-1]))
    np.testing.assert_array_equal(one, swapped)
    assert one.any()


def test_which_volume_is_finer_is_told_again_only_where_voxels_changed(slicer, monkeypatch, pair, preview):
    told = []
    monkeypatch.setattr("AMIFusionLib.slice_preview.is_moving_finer", lambda *volumes: told.append(volumes) or False)
    for index in (4, 5):
        preview.fuse(*pair, FusionOptions(), plane_at(center_of(index)))
    assert len(told) == 1
    pair[1].GetDisplayNode().SetAutoWindowLevel(False)
    pair[1].GetDisplayNode().SetWindowLevelMinMax(10, 40)
    preview.fuse(*pair, FusionOptions(), plane_at(center_of(5)))
    assert len(told) == 1, "a window is no matter of fineness: it may be dragged as fast as slices are scrolled"
    pair[1].SetSpacing(*(0.9 * distance for distance in pair[1].GetSpacing()))
    preview.fuse(*pair, FusionOptions(), plane_at(center_of(5)))
    assert len(told) == 2
    slicer.util.updateVolumeFromArray(pair[1], 2 * slicer.util.arrayFromVolume(pair[1]))
    preview.fuse(*pair, FusionOptions(), plane_at(center_of(5)))
    assert len(told) == 3


@pytest.mark.parametrize("index", [0, 5, 11])
@pytest.mark.parametrize("margin", [0, 16])
def test_on_the_reference_s_voxels_it_is_the_job_s_slice(
    slicer, pair, add_volume, model, issue, preview, index, margin
):
    # The second volume ends where the reference does: a view also shows what of it reaches beyond.
    array = (100 * np.random.default_rng(1).random((8, 20, 24))).astype(np.float32)
    inner = add_volume(array, "Inner", axial_grid(spacing=(1.7, 1.6, 1.2), origin=(-3.0, -2.0, 1.0)), (0, 100))
    expected = jobs_result(slicer, (pair[0], inner), model, issue())[index]
    field = (SHAPE[2] + margin, SHAPE[1] + margin)
    plane = plane_at(center_of(index), field=field, size=(field[0] * 5, field[1] * 5))
    found = array_of(preview.fuse(pair[0], inner, FusionOptions(), plane))
    half = margin // 2
    assert found.shape == (SHAPE[1] + margin, SHAPE[2] + margin)
    np.testing.assert_allclose(found[half : half + SHAPE[1], half : half + SHAPE[2]], expected, atol=TOLERANCE)
    found[half : half + SHAPE[1], half : half + SHAPE[2]] = 0
    assert not found.any()


@pytest.mark.parametrize(
    ("directions", "job_plane", "axis"), [(SAGITTAL, "sagittal", 2), (CORONAL, "coronal", 1), (AXIAL, "axial", 0)]
)
def test_other_orientations_are_upright_too(slicer, add_volume, model, issue, preview, directions, job_plane, axis):
    generator = np.random.default_rng(2)
    cube = [add_volume(generator.integers(0, 255, (32, 32, 32)).astype(np.int16), name, axial_grid(), (0, 255))
            for name in "AB"]  # fmt: skip
    result = jobs_result(slicer, cube, model, issue(), plane=job_plane)
    middle = np.full(3, 15.5)
    middle[2 - axis] = 9
    center = axial_grid()[:3, :3] @ middle
    found = array_of(preview.fuse(*cube, FusionOptions(), plane_at(center, directions, (32, 32), (64, 64))))
    expected = np.take(result, 9, axis=axis)
    if axis:
        expected = expected[::-1]  # slices run upward, a view's rows downward
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_transforms_move_the_volumes_with_an_oblique_view(pair, scene, preview):
    """Turning everything, the view too, changes nothing; a transform of either volume counts."""
    before = preview.fuse(*pair, FusionOptions(), plane_at(center_of(5)))
    turn = vtk.vtkTransform()
    turn.RotateWXYZ(35, 1, 2, 3)
    turn.Translate(5, -7, 11)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    for node in pair:
        node.SetAndObserveTransformNodeID(transform.GetID())
    moved = np.array([turn.GetMatrix().GetElement(i, j) for i in range(4) for j in range(4)]).reshape(4, 4)
    original = np.array(plane_at(center_of(5)).xy_to_ras).reshape(4, 4)
    plane = ViewPlane(tuple((moved @ original).ravel()), (480, 400))
    after = preview.fuse(*pair, FusionOptions(), plane)
    np.testing.assert_allclose(array_of(after), array_of(before), atol=3)
    pair[1].SetAndObserveTransformNodeID(None)
    different = preview.fuse(*pair, FusionOptions(), plane)
    assert (np.abs(array_of(different) - array_of(after)) > 40).any()


def test_place_of_the_image(pair, preview):
    """The slice lies in the view: its top left pixel's center is half a pixel from the view's corner."""
    fused = preview.fuse(*pair, FusionOptions(), plane_at((3, 4, 5), field=(60.0, 30.0), size=(600, 300)))
    matrix = fused.ijk_to_ras
    assert fused.image.GetDimensions() == (60, 30, 1)
    np.testing.assert_allclose(matrix.MultiplyPoint((0, 0, 0, 1))[:3], (3 + 29.5, 4 + 14.5, 5))
    np.testing.assert_allclose(matrix.MultiplyPoint((59, 29, 0, 1))[:3], (3 - 29.5, 4 - 14.5, 5))


@pytest.mark.parametrize(
    ("field", "size", "dimensions"),
    [
        ((512.0, 256.0), (1024, 512), (256, 128)),
        ((100.0, 50.0), (1000, 500), (100, 50)),
        ((4.0, 3.0), (400, 300), (8, 8)),
        ((2560.0, 20.0), (2560, 20), (256, 8)),
        ((0.4, 300.0), (4, 3000), (8, 256)),
    ],
)
def test_resolution(pair, preview, field, size, dimensions):
    """At most 256 pixels, none finer than the reference's, never too few for the network."""
    fused = preview.fuse(*pair, FusionOptions(), plane_at(center_of(5), field=field, size=size))
    assert fused.image.GetDimensions()[:2] == dimensions


@pytest.mark.parametrize("licensed", [True, False])
def test_black_outside_both_volumes(pair, model, issue, licensed):
    preview = SlicePreview(model, authorize(model, issue() if licensed else None), "cpu")
    oblique = ((-1, 0.5, 0.3), (0.5, 1, 0))
    found = array_of(preview.fuse(*pair, FusionOptions(), plane_at(center_of(5), oblique, (100, 100), (200, 200))))
    assert found[45:55, 45:55].any() and not found[:5].any() and not found[:, :5].any()
    away = preview.fuse(*pair, FusionOptions(), plane_at((0, 0, 500)))
    assert not array_of(away).any()


def test_without_a_license_it_is_marked(pair, model, issue, preview):
    marked = SlicePreview(model, authorize(model, None), "cpu")
    results = [array_of(each.fuse(*pair, FusionOptions(), plane_at(center_of(5)))) for each in (preview, marked)]
    assert (results[0] != results[1]).mean() > 0.5


def test_windows_percentiles_and_balance_count(pair, preview):
    plane = plane_at(center_of(5))
    plain = array_of(preview.fuse(*pair, FusionOptions(), plane))
    assert (array_of(preview.fuse(*pair, FusionOptions(window="percentiles"), plane)) != plain).any()
    assert (array_of(preview.fuse(*pair, FusionOptions(balance=80), plane)) != plain).any()
    pair[0].GetDisplayNode().SetWindowLevel(300, 150)
    windowed = array_of(preview.fuse(*pair, FusionOptions(), plane))
    assert (windowed != plain).any()
    pair[0].GetDisplayNode().SetWindowLevel(1000, 500)
    np.testing.assert_array_equal(array_of(preview.fuse(*pair, FusionOptions(), plane)), plain)


def test_edited_voxels_count(slicer, pair, preview):
    plane = plane_at(center_of(5))
    plain = array_of(preview.fuse(*pair, FusionOptions(), plane))
    slicer.util.arrayFromVolume(pair[1])[:] = 50
    slicer.util.arrayFromVolumeModified(pair[1])
    assert (array_of(preview.fuse(*pair, FusionOptions(), plane)) != plain).any()


@pytest.mark.parametrize("kind", ["table", "rgb"])
def test_color(slicer, pair, add_volume, model, issue, preview, kind):
    if kind == "table":
        colored = add_volume((10 * np.random.default_rng(3).random(SHAPE)).astype(np.float32), "PET", axial_grid(),
                             (0, 10))  # fmt: skip
        colored.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    else:
        colored = add_volume(np.random.default_rng(3).integers(0, 255, (*SHAPE, 3)).astype(np.uint8), "PET",
                             axial_grid())  # fmt: skip
    expected = jobs_result(slicer, (pair[0], colored), model, issue(), balance=30)[4]
    plane = plane_at(center_of(4), size=(96, 80))
    fused = preview.fuse(pair[0], colored, FusionOptions(balance=30), plane)
    assert fused.is_color and fused.image.GetScalarTypeAsString() == "unsigned char"
    np.testing.assert_allclose(array_of(fused), expected, atol=TOLERANCE)
    assert not preview.fuse(pair[0], colored, FusionOptions(keep_color=False), plane).is_color


def test_what_cannot_be_fused_is_said(pair, scene, preview):
    plane = plane_at(center_of(5))
    with pytest.raises(VolumeError, match="Select the second volume"):
        preview.fuse(pair[0], None, FusionOptions(), plane)
    pair[1].SetOrigin(900, 0, 0)
    with pytest.raises(NoOverlapError, match="'CT' and 'MR' do not overlap"):
        preview.fuse(*pair, FusionOptions(), plane)
    pair[1].SetOrigin(0, 0, 0)
    assert array_of(preview.fuse(*pair, FusionOptions(), plane)).any()
    scene.RemoveNode(pair[1])
    with pytest.raises(VolumeError, match="in no scene"):
        preview.fuse(*pair, FusionOptions(), plane)


def test_nothing_in_the_scene_changes(pair, scene, preview):
    count = scene.GetNumberOfNodes()
    before = [(node.GetMTime(), node.GetDisplayNode().GetMTime(), node.GetImageData().GetMTime()) for node in pair]
    preview.fuse(*pair, FusionOptions(), plane_at(center_of(5)))
    assert scene.GetNumberOfNodes() == count
    assert before == [(n.GetMTime(), n.GetDisplayNode().GetMTime(), n.GetImageData().GetMTime()) for n in pair]


def test_a_full_slice_of_the_bundled_model_is_fast_and_prepares_once(monkeypatch, add_volume):
    """The time is loose, for busy machines; benchmarks/preview.py measures it."""
    from AMIFusionLib.volumes import resampling

    prepared = []
    original = resampling._interpolable_image
    monkeypatch.setattr(resampling, "_interpolable_image", lambda node: prepared.append(node) or original(node))
    generator = np.random.default_rng(0)
    pair = [add_volume(generator.random((20, 256, 256), dtype=np.float32), name, axial_grid(origin=origin), (0, 1))
            for name, origin in (("MR", (0, 0, 0)), ("CT", (0.5, 0.5, 0.5)))]  # fmt: skip
    model = read_model(MODEL_PATH)
    preview = SlicePreview(model, authorize(model, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")), "cpu")
    seconds = []
    for index in range(8):
        pair[0].SetOrigin(0.1 * index, 0, 0)
        plane = plane_at(center_of(index, (20, 256, 256)), field=(256, 256), size=(512, 512))
        started = time.perf_counter()
        assert preview.fuse(*pair, FusionOptions(), plane).image.GetDimensions() == (256, 256, 1)
        seconds.append(time.perf_counter() - started)
    assert np.median(seconds) < 0.5
    assert len(prepared) == 2
