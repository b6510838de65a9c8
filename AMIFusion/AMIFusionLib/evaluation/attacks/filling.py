"""Attack h: marked pixels filled from a source or a free fusion, the others restored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from AMIFusionLib.arrays import Array

from .attempt import Attempt, Correction, fit_correction, tuned
from .bench import Bench, Slices, free_fusions
from .filters import GROWN, MASKS, THRESHOLDS, stroke_mask


def filling_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack h: one attempt for each source and each free fusion to fill with."""
    for kind in bench.kinds:
        for name in free_fusions(bench.tuning[kind].head(1)):
            yield tuned(bench, kind, f"filled from: {name}",
                        lambda slices, threshold, grown, name=name: _filled(bench, slices, name, threshold, grown),
                        MASKS)  # fmt: skip


def _filled(bench: Bench, slices: Slices, name: str, threshold: float, grown: int) -> Array:
    free = bench.once(("free", slices), lambda: free_fusions(slices))[name]
    restored = _restoration(bench, slices.kind).apply(slices.unlicensed)
    return np.where(stroke_mask(bench, slices, threshold, grown), free, restored)


def _restoration(bench: Bench, kind: str) -> Correction:
    """The correction that suits the pixels between the strokes."""
    return bench.once(("restoration", kind), lambda: _fitted_between_strokes(bench, bench.tuning[kind]))


def _fitted_between_strokes(bench: Bench, slices: Slices) -> Correction:
    """Fitted with the strokes already filled with licensed values, brought to the paper's brightness."""
    mask = stroke_mask(bench, slices, THRESHOLDS[0], GROWN[-1])
    if not (~mask).any():
        return fit_correction(slices.unlicensed, slices.licensed)
    paper = np.polyfit(slices.licensed[~mask], slices.unlicensed[~mask], 1)
    return fit_correction(np.where(mask, np.polyval(paper, slices.licensed), slices.unlicensed), slices.licensed)
