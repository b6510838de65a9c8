"""Rigid motions as 4 x 4 matrices."""

from __future__ import annotations

import numpy as np


def rotation_about(vector: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """A turn about an axis through a point.

    Args:
        vector: (3,) the axis; its length is the angle in radians (O. Rodrigues' formula).
        pivot: (3,) millimeters; this point stays.

    Returns:
        4 x 4.
    """
    angle = float(np.linalg.norm(vector))
    matrix = np.eye(4)
    if angle:
        x, y, z = np.asarray(vector) / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot
    return matrix


def translation_by(vector: np.ndarray) -> np.ndarray:
    """A shift by (3,) millimeters, 4 x 4."""
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def rotation_degrees(matrix: np.ndarray) -> float:
    """The angle of a rigid motion's rotation, 0..180."""
    rotation = matrix[:3, :3]
    # By sine and cosine: the cosine alone cannot tell small angles apart.
    sine = np.linalg.norm([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0],
                           rotation[1, 0] - rotation[0, 1]]) / 2  # fmt: skip
    return float(np.degrees(np.arctan2(sine, (np.trace(rotation) - 1) / 2)))
