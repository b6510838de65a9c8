"""Rigid motions as 4 x 4 matrices."""

from __future__ import annotations

import numpy as np

from AMIFusionLib.arrays import Array


def transformed(matrix: Array, points: Array) -> Array:
    """(3, n) points moved by a 4 x 4 matrix."""
    return matrix[:3, :3] @ points + matrix[:3, 3:]


def translation_by(vector: Array) -> Array:
    """A shift by (3,) millimeters, 4 x 4."""
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def rotation_degrees(matrix: Array) -> float:
    """The angle of a rigid motion's rotation, 0..180."""
    rotation = matrix[:3, :3]
    # By sine and cosine: the cosine alone cannot tell small angles apart.
    sine = np.linalg.norm([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0],
                           rotation[1, 0] - rotation[0, 1]]) / 2  # fmt: skip
    return float(np.degrees(np.arctan2(sine, (np.trace(rotation) - 1) / 2)))
