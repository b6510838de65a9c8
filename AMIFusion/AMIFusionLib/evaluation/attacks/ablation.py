"""Attack d: public tensors zeroed, shuffled, negated and redrawn, alone and in pairs, with the mark and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from AMIFusionLib.arrays import Array

from .attempt import Attempt, corrected, fit_correction, psnr
from .bench import Bench, Slices, run

Change = tuple[str, str, "int | None"]
"""A tensor's name, an operation, and the output channel it is confined to or None for all of the tensor."""

_PAIRED = 6
"""How many of the best single changes are tried in pairs."""

_SLICES = 2
"""Training slices of each pair type on which every change is tried."""

Operation = Callable[[Array, np.random.Generator], Array]

OPERATIONS: dict[str, Operation] = {
    "zeroed": lambda value, random: np.zeros_like(value),
    "shuffled": lambda value, random: random.permutation(value.ravel()).reshape(value.shape),
    "negated": lambda value, random: -value,
    "redrawn": lambda value, random: random.normal(value.mean(), value.std(), value.shape).astype(np.float32),
}


def ablation_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack d: the best change of a whole tensor by each operation, of one channel, and of two tensors."""
    channels: list[Change] = [
        (tensor, "zeroed", channel)
        for tensor, value in bench.model.public_parameters.items()
        for channel in range(value.shape[0] if value.ndim > 1 and len(value) > 1 else 0)
    ]
    for kind in bench.kinds:
        leading: list[tuple[list[Change], bool]] = []
        for name in OPERATIONS:
            changes: list[Change] = [(tensor, name, None) for tensor in bench.model.public_parameters]
            ranked = _ranked(bench, kind, [([change], marked) for change in changes for marked in (True, False)])
            leading += ranked[:_PAIRED]
            yield _attempt(bench, kind, f"one tensor {name}", ranked)
        if channels:
            yield _attempt(bench, kind, "one channel zeroed", _ranked(bench, kind, [([c], True) for c in channels]))
        leaders = list(dict.fromkeys(entry[0][0] for entry in _ranked(bench, kind, leading)))[:_PAIRED]
        pairs = [(list(pair), marked) for pair in itertools.combinations(leaders, 2) for marked in (True, False)]
        yield _attempt(bench, kind, "two tensors changed", _ranked(bench, kind, pairs))


def _ranked(bench: Bench, kind: str, entries: list[tuple[list[Change], bool]]) -> list[tuple[list[Change], bool]]:
    """Changes, each with whether the mark is given, the nearest to the licensed result first."""
    entries = bench.some(entries)
    tuning = bench.tuning[kind].head(_SLICES)

    def nearness(entry: tuple[list[Change], bool]) -> float:
        images = _changed_run(bench, tuning, *entry)
        corrected_images = fit_correction(images, tuning.licensed, sharpen=False).apply(images)
        return float(psnr(tuning.licensed, corrected_images).mean())

    return sorted(entries, key=nearness, reverse=True)


def _attempt(bench: Bench, kind: str, name: str, ranked: list[tuple[list[Change], bool]]) -> Attempt:
    changes, marked = ranked[0]
    shown = [f"{tensor}{'' if channel is None else f'[{channel}]'} {how}" for tensor, how, channel in changes]
    settings = {"tried": len(ranked), "best": " and ".join(shown), "mark": "given" if marked else "blank"}
    results = [_changed_run(bench, part, changes, marked) for part in (bench.tuning[kind], bench.reported[kind])]
    return corrected(bench, kind, name, settings, results[0], results[1])


def _changed_run(bench: Bench, slices: Slices, changes: list[Change], marked: bool) -> Array:
    values: dict[str, Array] = {}
    random = np.random.default_rng(0)
    for tensor, operation, channel in changes:
        value = np.array(values.get(tensor, bench.model.public_parameters[tensor]))
        where = Ellipsis if channel is None else channel
        value[where] = OPERATIONS[operation](value[where], random)
        values[tensor] = value
    network = bench.network(values)
    # The network takes its mark as a plane; of a changed tile, one place stands for all.
    marks = network.mark_field(*bench.slice_shape)[0].numpy() if "mark" in values else slices.marks
    return run(network, slices.first, slices.second, marks if marked else 0 * slices.marks)
