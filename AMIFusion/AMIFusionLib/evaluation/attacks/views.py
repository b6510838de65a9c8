"""How visible the mark is in views across the slices, which the network never sees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.training.dataset import TrainingPair

from .bench import Bench
from .scoring import visibility

VIEWS = {"slices": 0, "across the rows": 1, "across the columns": 2}
"""Ways to cut a volume, each with the axis it is cut along."""

_SHOWN = 0.1
"""Share of a volume's depth that views must lie inside it at least, at either end."""


def mark_views(bench: Bench) -> Iterator[dict[str, object]]:
    """The mark's correlation with unlicensed and with licensed volumes, in three views of each pair type.

    The volume is the validation case with the most slices.
    """
    for kind in bench.kinds:
        pair = max((pair for pair in bench.measured_pairs if pair.kind == kind), key=lambda pair: len(pair.first))
        marks, unlicensed, licensed = _volumes(bench, pair)
        for view, axis in VIEWS.items():
            extent = pair.first.shape[axis]
            places = np.arange(int(_SHOWN * extent), max(int((1 - _SHOWN) * extent), 1), max(1, extent // 32))
            cuts = [np.moveaxis(volume, axis, 0)[places] for volume in (marks, unlicensed, licensed)]
            yield {"kind": kind, "view": view, "visibility": visibility(cuts[1], cuts[0]),
                   "licensed_visibility": visibility(cuts[2], cuts[0])}  # fmt: skip


def _volumes(bench: Bench, pair: TrainingPair) -> tuple[Array, Array, Array]:
    """The mark, and what is made with it and with a license; (slices, rows, columns) each."""
    slices = bench.slices_of([(pair, index) for index in range(len(pair.first))])
    return slices.marks, slices.unlicensed, slices.licensed
