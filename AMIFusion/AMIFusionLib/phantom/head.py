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
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array

from .building import head_steps, paced
from .modalities import LESIONS, MODALITIES, TISSUES, VOLUME_NAMES, Modality, PhantomGrid, blur_matrices, noisy
from .sampling import Sampling
from .shapes import SHAPE

T = TypeVar("T")

_BUILDING_SHARE = 0.7
"""How much of the time goes into the model; the rest into sampling it."""

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
    array: Array
    ijk_to_ras: Array
    window: tuple[float, float]


class HeadModel:
    """A head that can be sampled on any voxel grid.

    Args:
        seed: the head's folds, its small asymmetries, the exact place of its lesions and all noise follow from it.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._head = _finished(head_steps(seed))

    @classmethod
    def steps(cls, seed: int = 0) -> Generator[float, None, HeadModel]:
        """Build a head in steps, for callers with an event loop of their own.

        Yields:
            How much is done, 0..1.

        Returns:
            The model.
        """
        model = cls.__new__(cls)
        model._seed = seed
        model._head = yield from head_steps(seed)
        return model

    def sample(self, name: str, grid: PhantomGrid | None = None) -> PhantomVolume:
        """One modality's volume.

        Args:
            name: one of ``VOLUME_NAMES``.
            grid: where to sample it; by default the modality's own grid.

        Raises:
            ValueError: no such volume.
        """
        return _finished(self.sample_steps((name,), grid))[0]

    def sample_steps(
        self, names: Sequence[str], grid: PhantomGrid | None = None
    ) -> Generator[float, None, list[PhantomVolume]]:
        """Some modalities' volumes on one grid in steps; together they take less time than one by one.

        Args:
            names: of ``VOLUME_NAMES``, with one blur.
            grid: where to sample them; by default the first modality's own grid.

        Yields:
            How much is done, 0..1.

        Raises:
            ValueError: no such volume.
        """
        modalities = [_modality(name) for name in names]
        grid = grid or modalities[0].grid
        sampling = Sampling(grid)
        blur = blur_matrices(modalities[0], SHAPE)
        values = [{tissue: getattr(signal, name) for tissue, signal in TISSUES.items()} for name in names]
        planes = sampling.planes(margin=8 if blur else 1)
        fields = yield from paced(self._head.field_steps(values, modalities, planes), 0.0, 0.4, 80)
        sampled = yield from paced(sampling.steps(fields, blur), 0.4, 0.8, sampling.step_count)
        volumes = []
        for name, modality, clean in zip(names, modalities, sampled):
            rng = np.random.default_rng((self._seed, zlib.crc32(name.encode())))
            clean += modality.background
            volumes.append(_volume(modality, noisy(clean, modality, rng), grid))
            yield 0.8 + 0.2 * len(volumes) / len(names)
        return volumes

    def tissue_mask(self, tissue: str, ijk_to_ras: Array, shape: Sequence[int], purity: float = 0.5) -> Array:
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
        return _sampled(self._fraction(tissue), ijk_to_ras, shape) >= purity

    def lesion_mask(self, lesion: str, ijk_to_ras: Array, shape: Sequence[int]) -> Array:
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
        return _sampled(self._lesion_coverage(lesion), ijk_to_ras, shape) >= 0.5

    def surroundings_mask(
        self, lesion: str, ijk_to_ras: Array, shape: Sequence[int], gap: float = 3.0, width: float = 8.0
    ) -> Array:
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
        return _sampled(shell, ijk_to_ras, shape) >= _PURE

    def _fraction(self, tissue: str) -> Array:
        return self._head.fraction(tissue, hidden=LESIONS)

    def _lesion_coverage(self, lesion: str) -> Array:
        _check("lesion", lesion, LESIONS)
        return self._head.fraction(lesion, hidden=set(TISSUES) - {lesion})


def head_phantom(seed: int = 0, names: Sequence[str] = VOLUME_NAMES) -> dict[str, PhantomVolume]:
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
    return _finished(head_phantom_steps(seed, names))


def head_phantom_steps(
    seed: int = 0, names: Sequence[str] = VOLUME_NAMES
) -> Generator[float, None, dict[str, PhantomVolume]]:
    """What ``head_phantom`` does, in steps, for callers with an event loop of their own.

    Yields:
        How much is done, 0..1; it may be closed at any time.

    Raises:
        ValueError: no such volume.
    """
    for name in names:
        _modality(name)
    model = yield from _scaled(HeadModel.steps(seed), 0.0, _BUILDING_SHARE)
    volumes: dict[str, PhantomVolume] = {}
    groups = _groups(names)
    for index, group in enumerate(groups):
        start, stop = (_BUILDING_SHARE + (1 - _BUILDING_SHARE) * at / len(groups) for at in (index, index + 1))
        volumes.update(zip(group, (yield from _scaled(model.sample_steps(group), start, stop))))
    return {name: volumes[name] for name in names}


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Names of volumes that share grid and blur."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault((id(MODALITIES[name].grid), MODALITIES[name].blur), []).append(name)
    return list(groups.values())


def _scaled(steps: Generator[float, None, T], start: float, stop: float) -> Generator[float, None, T]:
    while True:
        try:
            fraction = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield start + (stop - start) * fraction


def _finished(steps: Generator[object, None, T]) -> T:
    """Run steps to their end; gives what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def _volume(modality: Modality, array: Array, grid: PhantomGrid) -> PhantomVolume:
    return PhantomVolume(
        modality.name,
        modality.kind,
        modality.description,
        modality.unit,
        array,
        grid.ijk_to_ras.copy(),
        modality.window,
    )


def _modality(name: str) -> Modality:
    _check("volume of the phantom", name, VOLUME_NAMES)
    return MODALITIES[name]


def _check(kind: str, name: str, allowed: Collection[str]) -> None:
    if name not in allowed:
        raise ValueError(f"'{name}' is no {kind}. Choose one of: {', '.join(allowed)}.")


def _sampled(field: Array, ijk_to_ras: Array, shape: Sequence[int]) -> Array:
    """A field of the 1 mm grid averaged over each voxel of another grid, (slice, row, column) float32."""
    slices, rows, columns = shape
    return _finished(Sampling(PhantomGrid((slices, rows, columns), ijk_to_ras)).steps([field]))[0]
