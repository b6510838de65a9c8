"""Attack k: the public parameters trained on for clean fusion, against the same network trained from scratch.

Whoever has pairs of images can train a fusion network; that needs no model file. What counts is how much earlier one
gets there from the public parameters: the head start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from .bench import Bench
from .finetuning_trainings import Idle, Nearness, Training, Trainings, Way, has_idle_channels

ALLOWED_HEAD_START = 1.0
"""dB to the licensed result by which fine-tuning may be ahead of training from scratch."""

COUNTED_FROM = 1000
"""Steps from which the head start counts."""

RATES = (1.5e-4, 5e-4, 1.5e-3, 4e-3)
"""Peak learning rates; each start is given the one that suits it best."""

FINALISTS = 2
"""Ways whose mean over all repeats is compared: of one training each, the best is often the luckiest."""

_LONG_TURNS = 1
"""Turns of the search from the public values in trainings of more than ``COUNTED_FROM`` steps, which take hours."""


@dataclass(frozen=True)
class HeadStart:
    """How near both starts came to the licensed result, in dB, after as many steps on as much data.

    One training's nearness is partly chance: between new values and batches it differs by more than a dB, and longer
    trainings are not always nearer. So trainings are repeated, and their mean decides.

    Attributes:
        kind: pair type.
        steps: training steps.
        tuned, scratch: mean PSNR on slices of cases that neither was trained on, of each repeat.
        tuned_rate, scratch_rate: the peak learning rates that suited them best.
        tuned_marked, tuned_idle, tuned_even, scratch_even: how it was best to begin, see ``Way``.
    """

    kind: str
    steps: int
    tuned: tuple[float, ...]
    scratch: tuple[float, ...]
    tuned_rate: float
    scratch_rate: float
    tuned_marked: bool = False
    tuned_idle: Idle = "kept"
    tuned_even: bool = False
    scratch_even: bool = False

    @property
    def gain(self) -> float:
        """The mean head start in dB."""
        return float(np.mean(self.tuned) - np.mean(self.scratch))

    @property
    def passes(self) -> bool:
        """Whether it is allowed."""
        return self.steps < COUNTED_FROM or self.gain <= ALLOWED_HEAD_START


def head_starts(bench: Bench, trainings: Trainings) -> Iterator[HeadStart]:
    """Attack k: trainings of every length from both starts, each with its own whole schedule.

    The learning rate and how to begin are searched for at every length: long trainings want lower rates, and what is
    ahead after 1,000 steps can be behind after 5,000. The best ways are then repeated with other new values and
    batches, and the best of these counts, over all pair types. Licensed results of the training cases help with all.

    Args:
        bench: the model and its slices.
        trainings: makes and measures them, which takes hours.
    """
    idles: tuple[Idle, ...] = get_args(Idle) if has_idle_channels(bench.public) else ("kept",)
    firsts = (Way(True, RATES[0], idle=idles[-1]), Way(False, RATES[0], is_even=True))
    searches = [_best_of_lengths(bench, trainings, first, idles) for first in firsts]
    for steps in bench.effort.finetuning_steps:
        (tuned, near_tuned), (scratch, near_scratch) = trainings.side_by_side(searches)
        for kind in bench.kinds:
            of_tuned, of_scratch = (tuple(each.reported[kind] for each in near) for near in (near_tuned, near_scratch))
            yield HeadStart(
                kind, steps, of_tuned, of_scratch, tuned.rate, scratch.rate,
                tuned.marked, tuned.idle, tuned.is_even, scratch.is_even,
            )  # fmt: skip


def missing_lengths(measured: Iterable[int], wanted: Iterable[int]) -> list[int]:
    """Lengths in steps that are not measured yet."""
    return sorted(set(wanted) - set(measured))


def search_fingerprint() -> str:
    """Names how is searched: the results of another search are others."""
    search = [RATES, get_args(Idle), "all ways from scratch", COUNTED_FROM, _LONG_TURNS, FINALISTS]
    return hashlib.sha256(json.dumps(search).encode()).hexdigest()[:8]


def _best_of_lengths(
    bench: Bench, trainings: Trainings, way: Way, idles: Sequence[Idle]
) -> Iterator[tuple[Way, list[Nearness]]]:
    """From one start the best way of every length, and how near its repeats came."""
    for steps in bench.effort.finetuning_steps:

        def nearness(ways: Sequence[Way], steps: int = steps) -> list[float]:
            return [near.tuned for near in trainings.nearness([Training(way, steps) for way in ways])]

        most_turns = _LONG_TURNS if steps > COUNTED_FROM else np.inf
        finalists = _best_ways(nearness, way, idles, most_turns)[:FINALISTS]
        repeats = range(bench.effort.finetuning_repeats)
        near = trainings.nearness([Training(way, steps, repeat) for way in finalists for repeat in repeats])
        repeated = {way: near[len(repeats) * place :][: len(repeats)] for place, way in enumerate(finalists)}
        way = max(repeated, key=lambda way: np.mean([each.tuned for each in repeated[way]]))
        yield way, repeated[way]


def _best_ways(
    nearness: Callable[[Sequence[Way]], list[float]], last: Way, idles: Sequence[Idle], most_turns: float
) -> list[Way]:
    """The ways that were tried, the nearest first: all from scratch; from the public values one choice after the other.

    These begin with the best of shorter trainings, and take turns until nothing comes nearer, or so many at most. One
    turn tries as many ways as there are from scratch.
    """
    found: dict[Way, float] = {}

    def best_of(*ways: Way) -> Way:
        new = [way for way in ways if way not in found]
        found.update(zip(new, nearness(new)))
        return max(ways, key=found.__getitem__)

    if not last.from_public:
        best_of(*(replace(last, rate=rate, is_even=is_even) for rate in RATES for is_even in (True, False)))
    way, before, turns = last, None, 0
    while last.from_public and way != before and turns < most_turns:
        before, turns = way, turns + 1
        way = best_of(*(replace(way, rate=rate) for rate in RATES))
        way = best_of(*(replace(way, marked=marked) for marked in (False, True)))
        way = best_of(*(replace(way, idle=idle) for idle in idles))
        way = best_of(*(replace(way, is_even=is_even) for is_even in (False, True)))
    return sorted(found, key=found.__getitem__, reverse=True)
