"""How each modality sees the head: tissue values, voxel grids, blur, texture and noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array

from .noise import filter_matrix

_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


class Signal(NamedTuple):
    """A tissue's value in each modality; None where the modality sees only what lies beneath."""

    CT: float | None
    MRT1: float | None
    MRT2: float | None
    PET: float | None


TISSUES = {
    "air": Signal(-1000, 0, 0, 0),
    "skin": Signal(35, 330, 260, 0.7),
    "fat": Signal(-92, 790, 560, 0.35),
    "muscle": Signal(55, 300, 170, 0.9),
    "mucosa": Signal(35, 330, 680, 1.1),
    "cortical_bone": Signal(1150, 35, 30, 0.35),
    "diploe": Signal(620, 330, 210, 0.8),
    "csf": Signal(8, 110, 900, 0.25),
    "gray_matter": Signal(38, 405, 480, 9.5),
    "white_matter": Signal(30, 600, 340, 1.5),
    "caudate": Signal(38, 425, 465, 8.5),
    "putamen": Signal(39, 440, 440, 8.5),
    "pallidum": Signal(37, 530, 330, 5.5),
    "thalamus": Signal(36, 490, 430, 8.0),
    "cerebellar_cortex": Signal(38, 410, 485, 7.5),
    "brainstem": Signal(31, 560, 380, 4.0),
    "dura": Signal(58, 210, 120, 0.7),
    "venous_blood": Signal(56, 160, 90, 1.6),
    "eye_muscle": Signal(50, 310, 190, 3.0),
    "nerve": Signal(33, 520, 370, 2.0),
    "vitreous": Signal(8, 120, 920, 0.3),
    "lens": Signal(85, 330, 130, 0.4),
    "calcification": Signal(650, None, None, None),
    "edema": Signal(None, 500, 690, None),
    "hot_lesion": Signal(None, None, None, 17.0),
}
"""CT in HU, MR in arbitrary units, FDG-like PET in SUV before its blur (gray matter ends near 6, white near 2)."""

LESIONS = ("calcification", "edema", "hot_lesion")


@dataclass(frozen=True)
class PhantomGrid:
    """A voxel grid.

    Attributes:
        shape: (slices, rows, columns).
        ijk_to_ras: 4 x 4 float64; takes (column, row, slice, 1) to RAS millimeters.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: Array

    @classmethod
    def centered(
        cls,
        shape: Sequence[int],
        spacing: Sequence[float],
        center: Sequence[float] = (0.0, 0.0, 0.0),
        tilt_degrees: Sequence[float] = (0.0, 0.0),
    ) -> PhantomGrid:
        """An axial grid: columns run to the patient's left, rows to posterior, slices to superior.

        Args:
            shape: (slices, rows, columns).
            spacing: (column, row, slice) millimeters.
            center: RAS millimeters of the grid's middle.
            tilt_degrees: rotation about the x axis, then about the z axis, of the whole grid.
        """
        about_x, about_z = np.radians(tilt_degrees)
        cos, sin = np.cos(about_x), np.sin(about_x)
        pitch = np.array(((1, 0, 0), (0, cos, -sin), (0, sin, cos)))
        cos, sin = np.cos(about_z), np.sin(about_z)
        yaw = np.array(((cos, -sin, 0), (sin, cos, 0), (0, 0, 1)))
        matrix = np.eye(4)
        matrix[:3, :3] = yaw @ pitch @ np.diag((-1.0, -1.0, 1.0)) @ np.diag(spacing)
        matrix[:3, 3] = np.asarray(center) - matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
        slices, rows, columns = shape
        return cls((slices, rows, columns), matrix)

    @property
    def spacing(self) -> Array:
        """(column, row, slice) millimeters."""
        lengths: Array = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return lengths


@dataclass(frozen=True)
class Modality:
    """What is fixed about one volume of the phantom.

    Attributes:
        name: of its volume.
        kind: the DICOM modality.
        description: one line for people.
        unit: of its voxels.
        window: (low, high) to show it with.
        background: its value of air.
        blur: full width at half maximum of its point spread, in millimeters.
        texture: standard deviation of its tissue texture, relative to the value above air.
        shading: standard deviation of its smooth bias field.
        grid: where it is sampled by default.
    """

    name: str
    kind: str
    description: str
    unit: str
    window: tuple[float, float]
    background: float
    blur: float
    texture: float
    shading: float
    grid: PhantomGrid


_MR_GRID = PhantomGrid.centered((42, 256, 256), (0.9, 0.9, 3.6), (2.0, 1.0, 10.0), (10.0, -8.0))

MODALITIES = {
    "CT": Modality(
        "PhantomCT",
        "CT",
        "Synthetic head, CT: shows the calcification",
        "HU",
        (-20.0, 120.0),
        -1000.0,
        0.0,
        0.0015,
        0.0,
        PhantomGrid.centered((48, 256, 256), (0.96, 0.96, 3.0), (0.0, -2.0, 17.0)),
    ),
    "MRT1": Modality(
        "PhantomMRT1", "MR", "Synthetic head, T1-weighted MR", "a.u.", (0.0, 800.0), 0.0, 0.0, 0.025, 0.06, _MR_GRID
    ),
    "MRT2": Modality(
        "PhantomMRT2",
        "MR",
        "Synthetic head, T2-weighted MR: shows the edema",
        "a.u.",
        (0.0, 950.0),
        0.0,
        0.0,
        0.03,
        0.06,
        _MR_GRID,
    ),
    "PET": Modality(
        "PhantomPET",
        "PT",
        "Synthetic head, FDG-like PET: shows the hot lesion",
        "SUV",
        (0.0, 12.0),
        0.0,
        5.5,
        0.05,
        0.0,
        PhantomGrid.centered((47, 128, 128), (2.0, 2.0, 3.27), (3.0, 6.0, 16.0)),
    ),
}

VOLUME_NAMES = tuple(MODALITIES)


def blur_matrices(modality: Modality, shape: Iterable[int]) -> list[Array] | None:
    """The modality's point spread on a 1 mm grid of a shape, as a matrix for each axis; None where it has none."""
    if not modality.blur:
        return None
    return [filter_matrix(count, modality.blur / _FWHM_PER_SIGMA, truncate=3) for count in shape]


def noisy(values: Array, modality: Modality, rng: np.random.Generator) -> Array:
    """Voxels as the scanner gives them.

    Args:
        values: (slice, row, column) float32 without noise.
        modality: decides the kind of noise: Gaussian and grainy in CT, Rician in MR, growing with the count in PET.
        rng: where the noise comes from.

    Returns:
        (slice, row, column) int16, or float32 of at least 0 for PET.
    """
    if modality.kind == "CT":
        return _rounded(np.maximum(values + 3.2 * _grain(rng, values.shape, 0.6), -1024))
    if modality.kind == "MR":
        real = values + 9.0 * rng.standard_normal(values.shape, np.float32)
        return _rounded(np.hypot(real, 9.0 * rng.standard_normal(values.shape, np.float32)))
    noise = _grain(rng, values.shape, 0.7) * np.sqrt(np.maximum(values, 0.0))
    activity: Array = np.maximum(values + 0.14 * noise, 0)
    return activity.astype(np.float32)


def _grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Array:
    """Noise of unit deviation, correlated within each slice as reconstruction makes it."""
    grain: Array = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), (0, sigma, sigma))
    grain = grain / grain.std()
    return grain


def _rounded(values: Array) -> Array:
    return np.rint(values).astype(np.int16)
