"""The head phantom as pairs to evaluate on, and how well a fusion keeps its lesions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.phantom.head import HeadModel, PhantomVolume
from AMIFusionLib.phantom.modalities import MODALITIES, PhantomGrid

from .cases import EvaluationCase
from .eight_bit import eight_bit, eight_bit_luma
from .measuring import alternative_fusions
from .reader_metrics import kept_contrast_to_noise
from .subject import Subject

PHANTOM = "phantom"
"""The phantom's name as a case."""

PAIRS = (("CT", "MRT1"), ("CT", "MRT2"), ("PET", "MRT1"), ("PET", "MRT2"))
"""All pairs of MR with another modality that the phantom offers."""

_LABELS = {"CT": "CT", "PET": "PET", "MRT1": "MR (T1)", "MRT2": "MR (T2)"}
_SHOWN_BY = {"calcification": ("CT",), "edema": ("MRT1", "MRT2"), "hot_lesion": ("PET",)}
_GAPS = {"calcification": 3.0, "edema": 3.0, "hot_lesion": 6.0}
"""Millimeters between a lesion and its surroundings: PET's blur carries the hot lesion outward."""

_STEP = 2
"""Every how many slices the phantom is measured on where there is no other data: neighbors are much alike."""


@dataclass(frozen=True)
class Lesion:
    """A lesion of the phantom on the evaluated grid.

    Attributes:
        name: "calcification", "edema" or "hot_lesion".
        inside, around: (slices, rows, columns) bool, the lesion and the white matter around it.
    """

    name: str
    inside: Array
    around: Array

    @property
    def best_slice(self) -> int:
        """Where most of it is seen."""
        return int(np.argmax(self.inside.sum(axis=(1, 2))))


class EvaluationPhantom:
    """The phantom with all modalities on one grid, shown in their own windows, PET in color.

    Args:
        grid: of all volumes; by default the MR volumes' own.
        seed: of the phantom.
    """

    def __init__(self, grid: PhantomGrid | None = None, seed: int = 0) -> None:
        grid = grid or MODALITIES["MRT2"].grid
        model = HeadModel(seed)
        self._pixel_spacing = (float(grid.spacing[1]), float(grid.spacing[0]))
        self._pictures = {name: _picture(model.sample(name, grid)) for name in MODALITIES}
        place = (grid.ijk_to_ras, grid.shape)
        self._lesions = {
            name: Lesion(name, model.lesion_mask(name, *place), model.surroundings_mask(name, *place, gap=gap))
            for name, gap in _GAPS.items()
        }

    def case(self, pair: tuple[str, str], slices: range | None = None) -> EvaluationCase:
        """One of ``PAIRS``, on all slices or some."""
        first, second = (self._pictures[name] for name in pair)
        slices = slices or range(len(first))
        return EvaluationCase(
            pair_name(pair),
            PHANTOM,
            (_LABELS[pair[0]], _LABELS[pair[1]]),
            tuple(f"{index:03}" for index in slices),
            first[slices],
            second[slices],
            self._pixel_spacing,
        )

    def cases(self) -> list[EvaluationCase]:
        """CT with T2-weighted and PET with T1-weighted MR on every other slice, to measure where there is no data."""
        return [self.case(pair, range(0, self._slices, _STEP)) for pair in (PAIRS[1], PAIRS[2])]

    def lesions(self, pair: tuple[str, str]) -> list[Lesion]:
        """The lesions that one of a pair's sources shows."""
        return [self._lesions[name] for name, shown_by in _SHOWN_BY.items() if set(shown_by) & set(pair)]

    def kept_lesions(self, pair: tuple[str, str], subject: Subject) -> dict[str, dict[str, float]]:
        """How well each fusion of a pair keeps the lesions.

        Returns:
            By lesion and method, contrast-to-noise in the fused image over that in the source which shows the lesion
            (``reader_metrics.kept_contrast_to_noise``), on 8-bit gray values, of color the luma.
        """
        lesions = self.lesions(pair)
        wanted = np.any([lesion.inside | lesion.around for lesion in lesions], axis=(0, 2, 3))
        stop = int(np.flatnonzero(wanted)[-1]) + 1
        shown = range(int(np.argmax(wanted)), stop)
        first, second = self._gray_stacks(pair, shown)
        sources = dict(zip(pair, (first, second)))
        fusions = {
            **subject.fuse(first, second, self._pixel_spacing, self.case(pair).takes_second_first),
            **_alternatives(first, second),
        }
        kept = {}
        for lesion in lesions:
            (source,) = set(_SHOWN_BY[lesion.name]) & set(pair)
            masks = lesion.inside[shown], lesion.around[shown]
            kept[lesion.name] = {
                method: kept_contrast_to_noise(sources[source], fused, *masks) for method, fused in fusions.items()
            }
        return kept

    @property
    def _slices(self) -> int:
        return len(self._pictures["CT"])

    def _gray_stacks(self, pair: tuple[str, str], slices: range) -> list[Array]:
        return [np.stack([eight_bit_luma(self._pictures[name][index]) for index in slices]) for name in pair]


def pair_name(pair: tuple[str, str]) -> str:
    """What tables call a pair of the phantom."""
    return f"{PHANTOM} {_LABELS[pair[0]]}-{_LABELS[pair[1]]}"


def _picture(volume: PhantomVolume) -> Array:
    """(slices, rows, columns) uint8 in the volume's own window; PET in color as (slices, rows, columns, 3)."""
    low, high = volume.window
    gray = eight_bit((volume.array.astype(np.float32) - low) / (high - low))
    if volume.modality != "PT":
        return gray
    return np.stack([cv2.applyColorMap(picture, cv2.COLORMAP_HOT)[..., ::-1] for picture in gray])


def _alternatives(first: Array, second: Array) -> dict[str, Array]:
    """By method, (slices, rows, columns) uint8."""
    alternatives = [alternative_fusions(*pair) for pair in zip(first, second)]
    return {name: np.stack([each[name] for each in alternatives]) for name in alternatives[0]}
