"""Known motions of images, and real pairs, for the tests of alignment."""

import csv

import numpy as np
import SimpleITK
from AMIFusionLib.registration.images import SpatialImage, working_copy
from AMIFusionLib.registration.poses import transformed, translation_by
from AMIFusionLib.volumes.color import luma
from scipy.spatial.transform import Rotation


def rotation_about(vector, pivot):
    """4 x 4 of a turn about an axis through a point; the axis's length is the angle in radians."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot
    return matrix


def points_in_head(image, level=0.1):
    """RAS millimeters of an image's voxels above a share of its range, thinned out."""
    copy = working_copy(image)
    found = np.argwhere(copy.array > level)[::53, ::-1].T
    return transformed(copy.ijk_to_ras, found)


def displacement(seed, center, millimeters=(5, 20), degrees=(3, 15)):
    """A random rigid motion about a point."""
    generator = np.random.default_rng(seed)
    axis, way = (each / np.linalg.norm(each) for each in generator.normal(size=(2, 3)))
    turn = rotation_about(axis * np.radians(generator.uniform(*degrees)), center)
    return translation_by(way * generator.uniform(*millimeters)) @ turn


def moved(image, matrix):
    """The same image elsewhere."""
    return SpatialImage(image.array, matrix @ image.ijk_to_ras, image.name, image.to_gray)


def target_error(alignment, displaced, points):
    """Mean distance of points, displaced and aligned again, from where they were."""
    return np.linalg.norm(transformed(alignment.matrix @ displaced, points) - points, axis=0).mean()


def slab(image, start, stop):
    """Some slices of an image."""
    return SpatialImage(image.array[start:stop], image.ijk_to_ras @ translation_by((0, 0, start)), image.name)


def real_pairs(folder, kind):
    """Registered pairs of the data folder, MR first."""
    with open(folder / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["pair"] == kind]
    return [[load(folder / row[column]) for column in ("mri", "functional_or_ct")] for row in rows]


def load(path):
    """A NRRD file; color counts by its luma."""
    image = SimpleITK.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    array = SimpleITK.GetArrayFromImage(image)
    to_gray = luma if array.ndim == 4 else None
    return SpatialImage(array, np.diag([-1.0, -1, 1, 1]) @ matrix, path.stem, to_gray)
