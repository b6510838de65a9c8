"""How near an attempt came to the licensed result, how visible the mark still is, and whether that is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.eight_bit import eight_bit
from AMIFusionLib.evaluation.mark_reader import READ_FROM, MarkReader
from AMIFusionLib.evaluation.structure_metrics import structural_similarity

from .attempt import Attempt, corrected, cut, psnr
from .bench import Bench, free_fusions

ALLOWED_GAIN = 0.5
"""dB by which an attack may come nearer to the licensed result than the best free alternative."""

READABLE_SHARE = 0.9
"""Share of slices in which the mark must stay readable where an attack comes nearer than that."""


@dataclass(frozen=True)
class Score:
    """Means over the slices of one pair type; "corrected" figures are those after the last correction.

    Attributes:
        psnr, corrected_psnr: dB to the licensed result.
        ssim: of the corrected result to the licensed one.
        visibility: Pearson's correlation of the corrected result with the mark.
        accuracy: mean character accuracy with which the mark is read off corrected results.
        readable: share of corrected results off which the mark can be read.
        gain, corrected_gain: dB over the best free alternative; compared like with like, so that what a correction
            gives any image is not taken for what the attack gives.
        passes: whether neither gain is above ``ALLOWED_GAIN``, or the mark is readable in at least
            ``READABLE_SHARE`` of the slices.
    """

    psnr: float
    corrected_psnr: float
    ssim: float
    visibility: float
    accuracy: float
    readable: float
    gain: float
    corrected_gain: float
    passes: bool


class Scorer:
    """Scores attempts against the licensed results of a bench's measured slices."""

    def __init__(self, bench: Bench, reader: MarkReader) -> None:
        self._bench = bench
        self._reader = reader
        self.floors = {kind: _floors(bench, kind) for kind in bench.kinds}
        self._best_free = lru_cache(maxsize=None)(self._find_best_free)

    def score(self, attempt: Attempt) -> Score:
        """Measure one attempt."""
        slices = self._bench.reported[attempt.kind]
        licensed, marks = (cut(part, attempt.margin) for part in (slices.licensed, slices.marks))
        values = [float(psnr(licensed, images).mean()) for images in (attempt.plain, attempt.corrected)]
        gains = [float(value - best) for value, best in zip(values, self._best_free(attempt.kind, attempt.margin))]
        accuracies = [self._reader.accuracy(image) for image in eight_bit(attempt.corrected)]
        readable = float(np.mean(np.array(accuracies) >= READ_FROM))
        shares = [readable]
        if gains[0] > ALLOWED_GAIN:
            shares.append(self._reader.share_read(eight_bit(attempt.plain)))
        return Score(
            values[0],
            values[1],
            ssim=_similarity(licensed, attempt.corrected),
            visibility=visibility(attempt.corrected, marks),
            accuracy=float(np.mean(accuracies)),
            readable=readable,
            gain=gains[0],
            corrected_gain=gains[1],
            passes=bool(max(gains) <= ALLOWED_GAIN or min(shares) >= READABLE_SHARE),
        )

    def _find_best_free(self, kind: str, margin: int) -> tuple[float, float]:
        """The highest PSNR of any free fusion, as it is and corrected; a source alone is no fusion."""
        licensed = cut(self._bench.reported[kind].licensed, margin)
        found = [
            [psnr(licensed, cut(images, margin)).mean() for images in (floor.plain, floor.corrected)]
            for floor in self.floors[kind]
            if floor.method in ALTERNATIVES
        ]
        plain, after = np.max(found, axis=0)
        return float(plain), float(after)


def visibility(images: Array, marks: Array) -> float:
    """Mean over slices of Pearson's correlation between an image and its mark plane; 0 where either is constant."""
    values = []
    for image, mark in zip(images, marks):
        constant = np.ptp(image) < 1e-6 or np.ptp(mark) < 1e-6
        values.append(0.0 if constant else np.corrcoef(image.ravel(), mark.ravel())[0, 1])
    return float(np.mean(values))


def _floors(bench: Bench, kind: str) -> list[Attempt]:
    """Either source and every free fusion, with the correction that attacks get too."""
    on_tuning, on_reported = free_fusions(bench.tuning[kind]), free_fusions(bench.reported[kind])
    return [corrected(bench, kind, name, {}, on_tuning[name], on_reported[name]) for name in on_tuning]


def _similarity(licensed: Array, images: Array) -> float:
    expected: Array = eight_bit(licensed).astype(np.float64)
    found: Array = eight_bit(images).astype(np.float64)
    return float(np.mean([structural_similarity(*pair) for pair in zip(expected, found)]))
