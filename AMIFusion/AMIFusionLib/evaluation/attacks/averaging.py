"""Attack f: many outputs that differ in where the mark lies, put together so that it cancels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from AMIFusionLib.arrays import Array

from .attempt import Attempt, tuned
from .bench import Bench, Slices, run
from .templates import moved_planes

COMBINATIONS: dict[str, Callable[[Array], Array]] = {
    "mean": lambda outputs: outputs.mean(axis=0),
    "median": lambda outputs: np.median(outputs, axis=0),
    "lower quarter": lambda outputs: np.quantile(outputs, 0.25, axis=0),
    "minimum": lambda outputs: outputs.min(axis=0),
    "upper quarter": lambda outputs: np.quantile(outputs, 0.75, axis=0),
}
"""Low ranks leave bright strokes out, high ranks dark ones."""

GAINS = (0.3, 0.5, 0.7, 1.0)


def averaging_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack f: outputs under moved marks, of moved, turned, dimmed and swapped sources, and of neighboring slices."""
    ways: dict[str, Callable[[Slices], Array]] = {
        "outputs under moved marks": lambda slices: _moved_marks(bench, slices),
        "outputs of shifted sources, shifted back": lambda slices: _shifted(bench, slices),
        "outputs of turned and flipped sources, turned back": lambda slices: _turned(bench, slices),
        "outputs of dimmed sources, brightened": lambda slices: _dimmed(bench, slices),
        "outputs of neighboring slices": lambda slices: _neighbors(slices),
        "outputs of swapped sources": lambda slices: _swapped(bench, slices),
        "all of these": lambda slices: _all(bench, slices),
    }
    for kind in bench.kinds:
        for name, outputs in ways.items():
            made = {part: outputs(part) for part in (bench.tuning[kind], bench.reported[kind])}
            yield tuned(bench, kind, name,
                        lambda slices, how, made=made: COMBINATIONS[how](made[slices]),
                        {"how": COMBINATIONS})  # fmt: skip


def _moved_marks(bench: Bench, slices: Slices, count: int = 12) -> Array:
    """(count, n, rows, columns)."""
    return np.stack([bench.fuse(slices, marks) for marks in moved_planes(slices.marks, count)])


def _shifted(bench: Bench, slices: Slices, count: int = 12) -> Array:
    height, width = slices.first.shape[1:]
    shifts = [(int(height * (step * 0.382 % 1)), int(width * (step * 0.618 % 1))) for step in range(count)]
    outputs = []
    for shift in shifts:
        first, second = (np.roll(part, shift, axis=(1, 2)) for part in (slices.first, slices.second))
        back = (-shift[0], -shift[1])
        outputs.append(np.roll(run(bench.public, first, second, slices.marks), back, axis=(1, 2)))
    return np.stack(outputs)


def _turned(bench: Bench, slices: Slices) -> Array:
    """Half turns and flips, and quarter turns where slices are square."""
    square = slices.first.shape[1] == slices.first.shape[2]
    outputs = []
    for quarters in range(4) if square else (0, 2):
        for step in (1, -1):
            first, second = (np.rot90(part, quarters, (1, 2))[:, :, ::step] for part in (slices.first, slices.second))
            output = run(bench.public, first, second, slices.marks)
            outputs.append(np.rot90(output[:, :, ::step], -quarters, (1, 2)))
    return np.stack(outputs)


def _dimmed(bench: Bench, slices: Slices) -> Array:
    """Outputs for dimmed sources, each brought back to the range of the first by its own 1st and 99th percentiles."""
    outputs = [run(bench.public, gain * slices.first, gain * slices.second, slices.marks) for gain in GAINS]
    low, high = (np.quantile(outputs[-1], share) for share in (0.01, 0.99))
    stretched = []
    for output in outputs:
        own_low, own_high = (np.quantile(output, share) for share in (0.01, 0.99))
        stretched.append(low + (output - own_low) * (high - low) / max(own_high - own_low, 1e-3))
    return np.stack(stretched)


def _neighbors(slices: Slices) -> Array:
    return np.stack([slices.unlicensed, *(each.unlicensed for each in slices.neighbors)])


def _swapped(bench: Bench, slices: Slices) -> Array:
    return np.stack([slices.unlicensed, run(bench.public, slices.second, slices.first, slices.marks)])


def _all(bench: Bench, slices: Slices) -> Array:
    return np.concatenate(
        [_moved_marks(bench, slices, 8), _shifted(bench, slices, 8), _turned(bench, slices), _swapped(bench, slices)]
    )
