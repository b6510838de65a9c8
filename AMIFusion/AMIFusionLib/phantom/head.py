"""A synthetic head: registered CT, T1- and T2-weighted MR and PET of one patient who does not exist.

The head is modeled once, at 1 mm, in RAS millimeters: +x is the patient's right, +y anterior (the eyes look there),
+z superior. Each modality gives the tissues its own values and is sampled on its own voxel grid: the two MR volumes
share an oblique one, CT and PET have straight ones with other voxels and origins. Three lesions show what fusion is
for, each seen by one modality only: a calcification in the right frontal lobe (CT), an edema in the left hemisphere
(MR), a hot lesion in the right hemisphere (PET).

Nothing here is anyone's data: it is drawn from shapes and seeded noise, so that a test, a tutorial and a screenshot
can do without downloads and without patients.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .brain import paint_brain
from .modalities import LESIONS, MODALITIES, TISSUES, VOLUME_NAMES, Modality, PhantomGrid, blurred, noisy
from .shapes import LOW, Painting, Space, resampled
from .skull import intracranial_distance, paint_head

_SAMPLING_MILLIMETERS = 1.3
"""A voxel larger than this is averaged over several samples."""

_PURE = 0.98
"""The least share of white matter in a voxel of a lesion's surroundings: partial volume would blur the contrast."""


@dataclass(frozen=True)
class PhantomVolume:
    """One volume of the phantom.

    Attributes:
        name: for its node, "PhantomCT" for example.
        modality: as in DICOM: "CT", "MR" or "PT".
        description: one line for people.
        unit: of its voxels: "HU", "a.u." or "SUV".
        array: (slice, row, column); int16 for CT and MR, float32 for PET.
        ijk_to_ras: 4 x 4 float64; takes (column, row, slice, 1) to RAS millimeters.
        window: (low, high) to show it with, in its unit.
    """

    name: str
    modality: str
    description: str
    unit: str
    array: np.ndarray
    ijk_to_ras: np.ndarray
    window: tuple[float, float]


class HeadModel:
    """A head that can be sampled on any voxel grid.

    Args:
        seed: the head's folds, its small asymmetries, the exact place of its lesions and all noise follow from it.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        space = Space(rng)
        cavity = intracranial_distance(space.region())
        painting = Painting()
        paint_head(painting, space, cavity)
        paint_brain(painting, space, cavity, rng)
        self._painting = painting
        self._texture = (0.8 * space.noise(2) + 0.6 * space.noise(7)).astype(np.float16)
        self._shading = space.noise(60).astype(np.float16)

    def sample(self, name: str, grid: PhantomGrid | None = None) -> PhantomVolume:
        """One modality's volume.

        Args:
            name: one of ``VOLUME_NAMES``.
            grid: where to sample it; by default the modality's own grid.

        Raises:
            ValueError: no such volume.
        """
        modality = _modality(name)
        grid = grid or modality.grid
        clean = _sampled(self._tissue_values(name, modality), grid, modality.background)
        rng = np.random.default_rng((self._seed, zlib.crc32(name.encode())))
        return PhantomVolume(
            modality.name,
            modality.kind,
            modality.description,
            modality.unit,
            noisy(clean, modality, rng),
            grid.ijk_to_ras.copy(),
            modality.window,
        )

    def tissue_mask(self, tissue: str, ijk_to_ras: np.ndarray, shape, purity: float = 0.5) -> np.ndarray:
        """The voxels of a healthy tissue; what lies under a lesion counts as its healthy tissue.

        Args:
            tissue: a key of ``modalities.TISSUES`` other than a lesion.
            ijk_to_ras: 4 x 4, as in ``PhantomGrid``.
            shape: (slices, rows, columns).
            purity: the least share of a voxel that the tissue must fill.

        Returns:
            (slice, row, column) bool.

        Raises:
            ValueError: no such tissue.
        """
        _check("tissue", tissue, [name for name in TISSUES if name not in LESIONS])
        return _sampled(self._fraction(tissue), PhantomGrid(tuple(shape), ijk_to_ras)) >= purity

    def lesion_mask(self, lesion: str, ijk_to_ras: np.ndarray, shape) -> np.ndarray:
        """The voxels that a lesion fills by half or more.

        Args:
            lesion: "calcification", "edema" or "hot_lesion".
            ijk_to_ras: 4 x 4, as in ``PhantomGrid``.
            shape: (slices, rows, columns).

        Returns:
            (slice, row, column) bool.

        Raises:
            ValueError: no such lesion.
        """
        return _sampled(self._lesion_coverage(lesion), PhantomGrid(tuple(shape), ijk_to_ras)) >= 0.5

    def surroundings_mask(
        self, lesion: str, ijk_to_ras: np.ndarray, shape, gap: float = 3.0, width: float = 8.0
    ) -> np.ndarray:
        """A shell of white matter, the tissue that every lesion lies in, around a lesion.

        Args:
            lesion: "calcification", "edema" or "hot_lesion".
            ijk_to_ras: 4 x 4, as in ``PhantomGrid``.
            shape: (slices, rows, columns).
            gap: millimeters between lesion and shell; take about 6 where PET's blur carries the lesion outward.
            width: of the shell, in millimeters.

        Returns:
            (slice, row, column) bool, without any voxel of another lesion.

        Raises:
            ValueError: no such lesion.
        """
        inside = self._lesion_coverage(lesion) >= 0.5
        margin = int(np.ceil(gap + width)) + 1
        box = tuple(slice(max(int(at.min()) - margin, 0), int(at.max()) + margin + 1) for at in np.nonzero(inside))
        distance = ndimage.distance_transform_edt(~inside[box])
        shell = np.zeros(inside.shape, np.float32)
        shell[box] = self._fraction("white_matter")[box] * ((distance >= gap) & (distance <= gap + width))
        for other in LESIONS:
            shell[box] *= self._lesion_coverage(other)[box] == 0
        return _sampled(shell, PhantomGrid(tuple(shape), ijk_to_ras)) >= _PURE

    def _tissue_values(self, name: str, modality: Modality) -> np.ndarray:
        values = {tissue: getattr(signal, name) for tissue, signal in TISSUES.items()}
        field = self._painting.composed(values, modality.background) - modality.background
        field *= 1 + modality.texture * self._texture.astype(np.float32)
        if modality.shading:
            field *= 1 + modality.shading * self._shading.astype(np.float32)
        return blurred(field, modality) + modality.background

    def _fraction(self, tissue: str) -> np.ndarray:
        return self._painting.fraction(tissue, hidden=LESIONS)

    def _lesion_coverage(self, lesion: str) -> np.ndarray:
        _check("lesion", lesion, LESIONS)
        return self._painting.fraction(lesion, hidden=set(TISSUES) - {lesion})


def head_phantom(seed: int = 0, names=VOLUME_NAMES) -> dict[str, PhantomVolume]:
    """Registered volumes of one synthetic head.

    Args:
        seed: the same seed gives the same voxels, whichever volumes are asked for.
        names: which of ``VOLUME_NAMES``.

    Returns:
        A volume by each name, in the order asked for.

    Raises:
        ValueError: no such volume.
    """
    for name in names:
        _modality(name)
    model = HeadModel(seed)
    return {name: model.sample(name) for name in names}


def _modality(name: str) -> Modality:
    _check("volume of the phantom", name, VOLUME_NAMES)
    return MODALITIES[name]


def _check(kind: str, name: str, allowed) -> None:
    if name not in allowed:
        raise ValueError(f"'{name}' is no {kind}. Choose one of: {', '.join(allowed)}.")


def _sampled(field: np.ndarray, grid: PhantomGrid, fill: float = 0.0) -> np.ndarray:
    """A field of the 1 mm grid averaged over each voxel of another grid, (slice, row, column) float32."""
    matrix = grid.ijk_to_ras[:3, :3][::-1, ::-1]
    origin = (grid.ijk_to_ras[:3, 3] - LOW)[::-1]
    counts = np.maximum(np.rint(grid.spacing[::-1] / _SAMPLING_MILLIMETERS), 1).astype(int)
    total = np.zeros(grid.shape, np.float32)
    for index in np.ndindex(*counts):
        shift = (np.array(index) + 0.5) / counts - 0.5
        total += resampled(field, matrix, origin + matrix @ shift, grid.shape, fill)
    return total / float(counts.prod())
