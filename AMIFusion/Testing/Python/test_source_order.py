"""Which of two volumes in a scene the network takes first: by their voxels, as large as these are in the world."""

import numpy as np
import pytest
import vtk
from AMIFusionLib.source_order import is_moving_finer, voxel_spacing
from scipy import ndimage

WINDOWS = ((0, 80), (0, 100), (-100, 900), (300, 1000), (-1000, 3000))
"""CT's windows for brain and bone among them; what PET shows in one is black or white."""


@pytest.fixture(scope="module")
def head(head_model):
    """The phantom's volumes as they are written: (values, (column, row, slice) spacing)."""
    from AMIFusionLib.phantom.modalities import MODALITIES

    grids = {name: modality.grid for name, modality in MODALITIES.items()}
    return {name: (head_model.sample(name, grid).array, grid.spacing) for name, grid in grids.items()}


def is_first(node, other):
    """Whether the network takes this volume first, in either order."""
    assert is_moving_finer(other, node) != is_moving_finer(node, other)
    return is_moving_finer(other, node)


@pytest.mark.parametrize("mr", ["MRT1", "MRT2"])
@pytest.mark.parametrize("other", ["CT", "PET"])
def test_mr_comes_first_in_every_window(mr, other, head, add_volume):
    first, second = (add_volume(head[name][0], name, window=(0, 100)) for name in (mr, other))
    for node, name in ((first, mr), (second, other)):
        node.SetSpacing(*head[name][1])
    for window in WINDOWS:
        second.GetDisplayNode().SetWindowLevelMinMax(*window)
        assert is_first(first, second), window


def test_color_counts_as_it_is_seen(add_volume):
    fine = np.random.default_rng(0).random((10, 40, 48))
    blurred = ndimage.gaussian_filter(fine, (0, 2, 2))
    color = (255 * blurred[..., None] * np.array([1.0, 0.6, 0.2])).astype(np.uint8)
    assert is_first(add_volume((1000 * fine).astype(np.int16), "MR"), add_volume(color, "PET", window=None))


@pytest.mark.parametrize("shape", [(24, 40, 3), (24, 2, 40), (1, 40, 40), (3, 3, 3)])
def test_thin_volumes_come_in_one_order(shape, add_volume):
    random = np.random.default_rng(0)
    one, other = (add_volume(random.random(shape).astype(np.float32), name) for name in "ab")
    assert is_first(one, other) != is_first(other, one)
    flat = add_volume(np.full(shape, 7, np.int16), "flat")
    assert is_first(one, flat) != is_first(flat, one)


def test_spacing_counts_in_the_world(add_volume, scene):
    """A transform that scales makes voxels larger; one that turns or moves does not, nor one that warps."""
    node = add_volume(np.random.default_rng(0).random((4, 20, 24)).astype(np.float32), "a")
    node.SetSpacing(1.0, 2.0, 3.0)
    assert voxel_spacing(node) == pytest.approx((3.0, 2.0, 1.0))
    for scale in (1.0, 2.5):
        transform = vtk.vtkTransform()
        transform.Translate(30, 20, 10)
        transform.RotateX(33)
        transform.RotateZ(20)
        transform.Scale(scale, scale, scale)
        parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "parent")
        parent.SetMatrixTransformToParent(transform.GetMatrix())
        node.SetAndObserveTransformNodeID(parent.GetID())
        assert voxel_spacing(node) == pytest.approx(tuple(scale * distance for distance in (3.0, 2.0, 1.0)))
