"""Known motions for the tests of alignment."""

import numpy as np
from scipy.spatial.transform import Rotation


def rotation_about(vector, pivot):
    """4 x 4 of a turn about an axis through a point; the axis's length is the angle in radians."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot
    return matrix
