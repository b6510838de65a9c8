"""Attack c: a search over what conditions the network, its mark input and its switches, for a clean result.

The attacker has no licensed result to aim at, but free ones, and the measures that fusion is trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork
from AMIFusionLib.training.bundled_stages import attackers_stage
from AMIFusionLib.training.objective import licensed_objective

from .attempt import Attempt, tuned
from .bench import Bench, Slices, as_batch, run

PLANES = (-3.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 3.0)
"""Gray values of constant mark planes; the network was trained on 0..1."""

SWITCHES = (-1.0, 0.0, 0.5, 1.0, 2.0)
"""Values of the public parameters that are single numbers."""

_LEARNING_RATE = 0.2
"""Of Adam on gray values; of 0.05, 0.2 and 0.5 it came nearest to the licensed results."""

_TILE_BATCH = 2

Objective = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Takes the sources, the result and a free fusion, all (n, 1, h, w); gives a number to minimize."""

TARGETS = ("Maximum", "LapPyr-maxbase", "fusion measures")
"""What a search aims at: two free fusions, or the measures that licensed fusion is trained for."""


def conditioning_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack c: constant planes and switches by trial; the tile and a plane for each slice by gradient."""
    names = [name for name, value in bench.model.public_parameters.items() if value.size == 1]
    for kind in bench.kinds:
        yield tuned(bench, kind, "constant mark plane and switches", lambda slices, plane, switch: run(
            bench.network({name: np.full_like(bench.model.public_parameters[name], switch) for name in names}),
            slices.first, slices.second, np.full_like(slices.marks, plane)),
            {"plane": PLANES, "switch": SWITCHES})  # fmt: skip
    tiles = {target: _searched_tile(bench, target, names) for target in TARGETS}
    for kind in bench.kinds:
        yield tuned(bench, kind, "mark tile and switches by gradient",
                    lambda slices, target: _with_tile(bench, slices, tiles[target]), {"target": TARGETS})  # fmt: skip
        yield tuned(bench, kind, "a mark plane and switches for each slice by gradient",
                    lambda slices, target: _searched_planes(bench, slices, target, names),
                    {"target": TARGETS}, bench.effort.search_slices)  # fmt: skip


def distance(target: str, kinds: Sequence[str], first: Tensor, second: Tensor, fused: Tensor, aim: Tensor) -> Tensor:
    """How far results are from what a search aims at.

    Args:
        target: one of ``TARGETS``.
        kinds: pair type of each result.
        first, second, fused: (n, 1, h, w).
        aim: the free fusion of that name, where the target is one.
    """
    if target != "fusion measures":
        return functional.mse_loss(fused, aim)
    stage = attackers_stage()
    weights = [stage.weights_of(kind) for kind in kinds]
    return licensed_objective(first, second, fused, weights, stage.information_bins)[0]


def aim_of(target: str, slices: Slices) -> Array:
    """The free fusion (n, rows, columns) that a target names; the first source where it names none."""
    if target not in ALTERNATIVES:
        return slices.first
    return np.stack([ALTERNATIVES[target](*pair) for pair in zip(slices.first, slices.second)])


def _searched_planes(bench: Bench, slices: Slices, target: str, switches: list[str]) -> Array:
    """A free mark plane and switches for each slice, found by gradient descent on that very slice from a blank one."""
    results, aims = [], aim_of(target, slices)
    for index in range(len(slices.first)):
        network = bench.network()
        parameters = dict(network.named_parameters())
        searched = [parameters[name].requires_grad_(True) for name in switches]
        one = slice(index, index + 1)
        first, second, aim = (as_batch(part[one]) for part in (slices.first, slices.second, aims))
        plane = torch.zeros_like(first).requires_grad_(True)
        _descend(
            [plane, *searched], bench.effort.search_steps,
            partial(_reached, network, target, slices.kind, first, second, plane, aim),
        )  # fmt: skip
        found = plane.detach()[:, 0].numpy()
        results.append(run(network.eval(), slices.first[one], slices.second[one], found))
    return np.concatenate(results)


def _reached(
    network: AuthorizableFusionNetwork,
    target: str,
    kind: str,
    first: Tensor,
    second: Tensor,
    plane: Tensor,
    aim: Tensor,
) -> Tensor:
    """How far a mark plane brings one result from its aim."""
    # In training mode the output is not limited, where gradients would end.
    return distance(target, [kind], first, second, network.train()(first, second, plane), aim)


def _searched_tile(bench: Bench, target: str, switches: list[str]) -> dict[str, Array]:
    """One mark tile and one value of each switch for all slices, found on training slices of all kinds."""
    network = bench.network().train()
    parameters = dict(network.named_parameters())
    searched = {name: parameters[name].requires_grad_(True) for name in ("mark", *switches)}
    parts = [bench.tuning[kind] for kind in bench.kinds]
    first, second = (np.concatenate([getattr(part, name) for part in parts]) for name in ("first", "second"))
    aims = np.concatenate([aim_of(target, part) for part in parts])
    kinds = [part.kind for part in parts for _slice in part.first]
    random = np.random.default_rng(0)

    def loss() -> Tensor:
        chosen = random.choice(len(first), min(_TILE_BATCH, len(first)), replace=False)
        a, b, aim = (as_batch(part[chosen]) for part in (first, second, aims))
        fused = network(a, b, network.mark_field(*a.shape[-2:]))
        return distance(target, [kinds[index] for index in chosen], a, b, fused, aim)

    _descend(list(searched.values()), bench.effort.search_steps, loss)
    return {name: value.detach().numpy() for name, value in searched.items()}


def _with_tile(bench: Bench, slices: Slices, found: dict[str, Array]) -> Array:
    network = bench.network(found)
    return run(network, slices.first, slices.second, network.mark_field(*bench.slice_shape)[0].numpy())


def _descend(values: list[Tensor], steps: int, loss: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.Adam(values, lr=_LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
