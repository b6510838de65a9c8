"""Attack k: the public parameters trained on for clean fusion, against the same network trained from scratch.

Whoever has pairs of images can train a fusion network; that needs no model file. What counts is how much earlier one
gets there from the public parameters: the head start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from AMIFusionLib.fusion.network import AuthorizableFusionNetwork
from AMIFusionLib.training.bundled_stages import attackers_stage
from AMIFusionLib.training.objective import licensed_objective

from .attempt import psnr
from .bench import Bench, Slices, run
from .learned import Crops, trained

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

Idle = Literal["kept", "unheard", "heard"]
"""What becomes of channels that the public values leave at 0, where they could never learn: they stay so, or get new
values, which the other channels do not hear at first, so that the network does what it did (as networks are widened by
T. Chen et al., "Net2Net: Accelerating learning via knowledge transfer", ICLR 2016), or hear from the first step on."""


@dataclass(frozen=True)
class Way:
    """What a training begins with, and how fast it learns.

    Attributes:
        from_public: the public values, or new ones.
        rate: peak learning rate.
        marked: whether the network is given the mark, or a blank plane.
        idle: what becomes of idle channels of the public values.
        is_even: whether the network gives the sources' average at first, the values of its last layer being 0, and not
            the public values' image or one by chance.
    """

    from_public: bool
    rate: float
    marked: bool = False
    idle: Idle = "kept"
    is_even: bool = False

    def __str__(self) -> str:
        """For file names."""
        idle = "" if self.idle == "kept" else f"-{self.idle}"
        start = f"{'public' if self.from_public else 'scratch'}{'-even' if self.is_even else ''}"
        return f"{start}{'-marked' if self.marked else ''}{idle}"


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


def head_starts(bench: Bench, folder: Path) -> Iterator[HeadStart]:
    """Attack k: trainings of every length from both starts, each with its own whole schedule.

    The learning rate and how to begin are searched for at every length: long trainings want lower rates, and what is
    ahead after 1,000 steps can be behind after 5,000. The best ways are then repeated with other new values and
    batches, and the best of these counts, over all pair types. Licensed results of the training cases help with all.

    Args:
        bench: the model and its slices.
        folder: where the trainings are kept; they take hours, and go on from there.
    """
    idles: tuple[Idle, ...] = get_args(Idle) if _has_idle_channels(bench.public) else ("kept",)
    best = {True: Way(True, RATES[0], idle=idles[-1]), False: Way(False, RATES[0], is_even=True)}
    for steps in bench.effort.finetuning_steps:
        near = {}
        repeats = range(bench.effort.finetuning_repeats)
        for start, last in best.items():
            nearness = partial(_tuned_nearness, bench, folder, steps)
            finalists = _best_ways(nearness, last, idles, _LONG_TURNS if steps > COUNTED_FROM else np.inf)[:FINALISTS]
            way = max(finalists, key=lambda way: np.mean([nearness(way, repeat) for repeat in repeats]))
            networks = (_retrained(bench, folder, way, steps, repeat) for repeat in repeats)
            near[start] = [_nearness(network, way.marked, bench.reported) for network in networks]
            best[start] = way
        for kind in bench.kinds:
            of_tuned, of_scratch = (tuple(each[kind] for each in near[start]) for start in (True, False))
            tuned, scratch = best[True], best[False]
            yield HeadStart(
                kind, steps, of_tuned, of_scratch, tuned.rate, scratch.rate,
                tuned.marked, tuned.idle, tuned.is_even, scratch.is_even,
            )  # fmt: skip


def search_fingerprint() -> str:
    """Names how is searched: the results of another search are others."""
    search = [RATES, get_args(Idle), "all ways from scratch", COUNTED_FROM, _LONG_TURNS, FINALISTS]
    return hashlib.sha256(json.dumps(search).encode()).hexdigest()[:8]


def _best_ways(nearness: Callable[[Way], float], last: Way, idles: tuple[Idle, ...], most_turns: float) -> list[Way]:
    """The ways that were tried, the nearest first: all from scratch; from the public values one choice after the other.

    These begin with the best of shorter trainings, and take turns until nothing comes nearer, or so many at most. One
    turn tries as many ways as there are from scratch.
    """
    found: dict[Way, float] = {}

    def best_of(*ways: Way) -> Way:
        found.update({way: nearness(way) for way in ways if way not in found})
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


def _tuned_nearness(bench: Bench, folder: Path, steps: int, way: Way, repeat: int = 0) -> float:
    """On training cases, over all pair types."""
    near = _nearness(_retrained(bench, folder, way, steps, repeat), way.marked, bench.tuning)
    return float(np.mean(list(near.values())))


def _retrained(bench: Bench, folder: Path, way: Way, steps: int, repeat: int = 0) -> AuthorizableFusionNetwork:
    """The architecture trained for the licensed objective, from the public values or from new ones.

    Each repeat has new values and batches of its own.
    """
    torch.manual_seed(2 + repeat)
    network, crops = bench.fresh_network(), Crops(bench)
    if way.from_public:
        _begin_with(bench.public, network, way.idle)
    if way.is_even:
        for name, value in network.named_parameters():
            if name.startswith("head."):
                value.data.zero_()
    stage = attackers_stage()

    def loss(random: np.random.Generator) -> Tensor:
        batch = crops.draw(random)
        fused = network(batch.first, batch.second, batch.marks if way.marked else 0 * batch.marks)
        weights = [stage.weights_of(kind) for kind in batch.kinds]
        return licensed_objective(batch.first, batch.second, fused, weights, stage.information_bins)[0]

    path = folder / f"finetuning-{way}-{steps}-{way.rate:g}{f'-repeat-{repeat}' if repeat else ''}.pt"
    return trained(network, steps, way.rate, loss, path, seed=steps + repeat)


def _begin_with(public: AuthorizableFusionNetwork, network: AuthorizableFusionNetwork, idle: Idle) -> None:
    """Give a new network the public values; idle channels may keep their new ones."""
    given = dict(public.named_parameters())
    for name, value in network.named_parameters():
        # The mark and the switches keep the values of a licensed run, which a fresh network has.
        if value.requires_grad:
            new = {"kept": 0 * value.data, "unheard": value.data * _is_idle(given[name]), "heard": value.data}[idle]
            value.data.copy_(torch.where(given[name] == 0, new, given[name]))


def _is_idle(values: Tensor) -> Tensor:
    """Which output channels of a layer have no value but 0, for broadcasting."""
    return (values == 0).flatten(1).all(1).view(-1, *[1] * (values.ndim - 1)) if values.ndim > 1 else values == 0


def _has_idle_channels(public: AuthorizableFusionNetwork) -> bool:
    return any(bool(_is_idle(value).any()) for value in public.parameters() if value.ndim > 1)


def _nearness(network: AuthorizableFusionNetwork, marked: bool, parts: Mapping[str, Slices]) -> dict[str, float]:
    """Mean PSNR to the licensed results, by pair type."""
    results = {}
    for kind, slices in parts.items():
        fused = run(network, slices.first, slices.second, slices.marks if marked else 0 * slices.marks)
        results[kind] = float(psnr(slices.licensed, fused).mean())
    return results
