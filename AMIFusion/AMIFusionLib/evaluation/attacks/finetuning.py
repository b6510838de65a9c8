"""Attack k: the public parameters trained on for clean fusion, against the same network trained from scratch.

Whoever has pairs of images can train a fusion network; that needs no model file. What counts is how much earlier one
gets there from the public parameters: the head start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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

RATES = (5e-4, 1.5e-3, 4e-3)
"""Peak learning rates; each start is given the one that suits it best."""

_MARK_SEARCHED_UP_TO, _RATE_SEARCHED_UP_TO = 200, 1000
"""Steps up to which trainings are tried with the mark and without, and with every rate; longer ones take the best."""


@dataclass(frozen=True)
class Way:
    """How a training begins.

    Attributes:
        from_public: from the public values, or from new ones.
        rate: peak learning rate.
        marked: whether the network is given the mark, or a blank plane.
    """

    from_public: bool
    rate: float
    marked: bool


@dataclass(frozen=True)
class HeadStart:
    """How near both starts came to the licensed result, in dB, after as many steps on as much data.

    One training's nearness is partly chance: between new values and batches it differs by more than a dB, and longer
    trainings are not always nearer. So trainings are repeated, and their mean decides.

    Attributes:
        kind: pair type.
        steps: training steps.
        tuned, scratch: mean PSNR on slices of cases that neither was trained on, of each repeat.
    """

    kind: str
    steps: int
    tuned: tuple[float, ...]
    scratch: tuple[float, ...]

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

    The learning rate, and whether the mark is given, are searched for on the shorter trainings, with the licensed
    results' help, and kept for the longer ones. The best way is then repeated with other new values and batches.

    Args:
        bench: the model and its slices.
        folder: where the trainings are kept; they take hours, and go on from there.
    """
    ways = {
        True: [Way(True, rate, marked) for rate in RATES for marked in (False, True)],
        False: [Way(False, rate, False) for rate in RATES],
    }
    for steps in bench.effort.finetuning_steps:
        best = {}
        for start, tried in ways.items():
            networks = {way: _retrained(bench, folder, way, steps) for way in tried}
            tuned = {way: _nearness(network, way.marked, bench.tuning) for way, network in networks.items()}
            chosen = max(tuned, key=lambda way: np.mean(list(tuned[way].values())))
            repeats = range(1, bench.effort.finetuning_repeats)
            trained_so = [networks[chosen], *(_retrained(bench, folder, chosen, steps, each) for each in repeats)]
            best[start] = [_nearness(network, chosen.marked, bench.reported) for network in trained_so]
            ways[start] = [way for way in tried if _is_still_tried(way, chosen, steps)]
        for kind in bench.kinds:
            yield HeadStart(kind, steps, *(tuple(each[kind] for each in best[start]) for start in (True, False)))


def _is_still_tried(way: Way, best: Way, steps: int) -> bool:
    """Whether trainings longer than these steps try a way too."""
    other_mark, other_rate = way.marked != best.marked, way.rate != best.rate
    return not (other_mark and steps >= _MARK_SEARCHED_UP_TO or other_rate and steps >= _RATE_SEARCHED_UP_TO)


def _retrained(bench: Bench, folder: Path, way: Way, steps: int, repeat: int = 0) -> AuthorizableFusionNetwork:
    """The architecture trained for the licensed objective, from the public values or from new ones.

    Each repeat has new values and batches of its own.
    """
    torch.manual_seed(2 + repeat)
    network, crops = bench.fresh_network(), Crops(bench)
    if way.from_public:
        # The mark and the switches keep the values of a licensed run, which a fresh network has.
        given = dict(bench.public.named_parameters())
        for name, value in network.named_parameters():
            if value.requires_grad:
                value.data.copy_(given[name])
    weights_of = attackers_stage().weights_of

    def loss(random: np.random.Generator) -> Tensor:
        batch = crops.draw(random)
        fused = network(batch.first, batch.second, batch.marks if way.marked else 0 * batch.marks)
        return licensed_objective(batch.first, batch.second, fused, [weights_of(kind) for kind in batch.kinds])[0]

    name = f"{'public' if way.from_public else 'scratch'}{'-marked' if way.marked else ''}-{steps}-{way.rate:g}"
    path = folder / f"finetuning-{name}{f'-repeat-{repeat}' if repeat else ''}.pt"
    return trained(network, steps, way.rate, loss, path, seed=steps + repeat)


def _nearness(network: AuthorizableFusionNetwork, marked: bool, parts: Mapping[str, Slices]) -> dict[str, float]:
    """Mean PSNR to the licensed results, by pair type."""
    results = {}
    for kind, slices in parts.items():
        fused = run(network, slices.first, slices.second, slices.marks if marked else 0 * slices.marks)
        results[kind] = float(psnr(slices.licensed, fused).mean())
    return results
