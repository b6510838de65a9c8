"""Working copies and poses in SimpleITK's terms, whose space is LPS."""

from __future__ import annotations

import numpy as np
import SimpleITK

from AMIFusionLib.arrays import Array

from .images import SpatialImage

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""4 x 4, from RAS to LPS and back."""

_GOLDEN_RATIO = (1 + 5**0.5) / 2


def simpleitk_image(copy: SpatialImage) -> SimpleITK.Image:
    """A working copy for SimpleITK, which takes left-handed and sheared grids (a tilted gantry's) as they are.

    Args:
        copy: with a float32 array.
    """
    lps = _LPS @ copy.ijk_to_ras
    image = SimpleITK.GetImageFromArray(copy.array)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetSpacing(copy.spacing.tolist())
    image.SetDirection((lps[:3, :3] / copy.spacing).ravel().tolist())
    return image


def rigid_pose(center: Array, translation: Array) -> SimpleITK.VersorRigid3DTransform:
    """A pose without rotation.

    Args:
        center: (3,) RAS millimeters, what rotations will turn about.
        translation: (3,) RAS millimeters.
    """
    pose = SimpleITK.VersorRigid3DTransform()
    pose.SetCenter((_LPS[:3, :3] @ center).tolist())
    pose.SetTranslation((_LPS[:3, :3] @ translation).tolist())
    return pose


def ras_matrix(pose: SimpleITK.VersorRigid3DTransform) -> Array:
    """4 x 4 in RAS of what a pose does to points."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(pose.GetMatrix(), (3, 3))
    matrix[:3, 3] = pose.TransformPoint((0.0, 0.0, 0.0))
    in_ras: Array = _LPS @ matrix @ _LPS
    return in_ras


def shrunk(image: SimpleITK.Image, millimeters: float, smoothing: float) -> SimpleITK.Image:
    """Average blocks of voxels, then smooth.

    Args:
        image: of at least two voxels along each axis.
        millimeters: edge of a block; axes with voxels as long, or with hardly any, keep theirs.
        smoothing: standard deviation of a Gaussian in millimeters, 0 for none.
    """
    factors = [int(np.clip(round(millimeters / length), 1, max(1, count // 4)))
               for length, count in zip(image.GetSpacing(), image.GetSize())]  # fmt: skip
    if max(factors) > 1:
        image = SimpleITK.BinShrink(image, factors)
    return SimpleITK.DiscreteGaussian(image, smoothing**2) if smoothing else image


def unturned(pose: SimpleITK.VersorRigid3DTransform) -> SimpleITK.VersorRigid3DTransform:
    """A pose that moves its center as far, without a rotation."""
    shifted = SimpleITK.VersorRigid3DTransform()
    shifted.SetCenter(pose.GetCenter())
    shifted.SetTranslation(pose.GetTranslation())
    return shifted


def values_between(image: SimpleITK.Image, count: int) -> tuple[SimpleITK.Image, Array]:
    """An image's values at about so many places, spread evenly over it, between its voxels as well as on them.

    On voxels' centers no value would be interpolated and noise would stay whole, while it is averaged away once the
    images have moved: agreement would seem to be best at poses that put voxels onto voxels (J. Tsao, "Interpolation
    artifacts in multimodality image registration based on maximization of mutual information", IEEE Transactions on
    Medical Imaging 22, 2003). So the places are a grid whose spacing is no multiple of the voxels'.

    Args:
        image: gray.
        count: how many places; half as many or twice as many are taken.

    Returns:
        The grid of places as an image, and (n,) values there.
    """
    size = np.array(image.GetSize())
    wanted = (np.prod(size) / count) ** (1 / 3)
    # Powers of the golden ratio with a half in the exponent, none of which is near a simple fraction.
    step = _GOLDEN_RATIO ** (np.floor(np.log(wanted) / np.log(_GOLDEN_RATIO)) + 0.5)
    counts = np.floor((size - 1) / step).astype(int) + 1
    first = (size - 1 - (counts - 1) * step) / 2
    grid = SimpleITK.Resample(
        image, counts.tolist(), SimpleITK.Transform(), SimpleITK.sitkLinear,
        image.TransformContinuousIndexToPhysicalPoint(first.tolist()), (step * np.array(image.GetSpacing())).tolist(),
        image.GetDirection(), 0.0, SimpleITK.sitkFloat32,
    )  # fmt: skip
    return grid, SimpleITK.GetArrayFromImage(grid).reshape(-1)


def values_at(grid: SimpleITK.Image, image: SimpleITK.Image, pose: SimpleITK.Transform) -> Array:
    """(n,) values of an image at a grid's places moved by a pose, NaN outside of it."""
    found = SimpleITK.Resample(image, grid, pose, SimpleITK.sitkLinear, float("nan"), SimpleITK.sitkFloat32)
    values: Array = SimpleITK.GetArrayFromImage(found)
    return values.reshape(-1)
