"""Attack e: the mark read off runs on blank, constant and blurred images, and the blend inverted with it.

The attacker knows or guesses that a marked result is ``paper + stroke * (ink - paper)`` with a blurred, dimmed fusion
as paper, and has as many runs as are needed to measure the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array

from .attempt import Attempt, tuned
from .bench import Bench, Slices, run

CONSTANTS = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
LEAST_PAPER = (0.05, 0.15, 0.3, 0.5)
"""Shares of paper below which a pixel is taken for lost and filled from around it."""


def template_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack e: four ways of measuring the mark, each with the inversion that goes with it."""
    for kind in bench.kinds:
        yield tuned(bench, kind, "blank-image template subtracted",
                    lambda slices, strength: slices.unlicensed - strength * _blank(bench, slices),
                    {"strength": (0.25, 0.5, 0.75, 1.0)})  # fmt: skip
        yield tuned(bench, kind, "blank-image template, blend inverted",
                    lambda slices, least: inverted(slices.unlicensed, *blank_strokes(bench, slices), least),
                    {"least": LEAST_PAPER})  # fmt: skip
        yield tuned(bench, kind, "constant images, response of each pixel inverted",
                    lambda slices, least, both: _from_constants(bench, slices, least, both),
                    {"least": (0.05, 0.1, 0.2, 0.3), "both": (True, False)})  # fmt: skip
        yield tuned(bench, kind, "template from the blurred sources, blend inverted",
                    lambda slices, least, blur: inverted(
                        slices.unlicensed, *content_strokes(bench, slices, blur), least),
                    {"least": LEAST_PAPER, "blur": (4.0, 8.0, 12.0)})  # fmt: skip


def inverted(marked: Array, strokes: Array, ink: Array, least: float) -> Array:
    """The paper of marked images, where enough of it is left; from around there where not.

    Args:
        marked, strokes, ink: (n, rows, columns); strokes in 0..1.
        least: share of paper that is enough.
    """
    share = 1 - strokes
    paper = (marked - strokes * ink) / np.maximum(share, least)
    return np.stack([filled_from_around(*pair) for pair in zip(np.clip(paper, 0, 1), share < least)])


def filled_from_around(image: Array, lost: Array, reach: float = 3.0) -> Array:
    """An image (rows, columns) with lost pixels replaced by a Gaussian mean of those that are left."""
    weight = ndimage.gaussian_filter((~lost).astype(np.float64), reach, truncate=8)
    around = ndimage.gaussian_filter(np.where(lost, 0, image), reach, truncate=8) / np.maximum(weight, 1e-6)
    return np.where(lost, around, image).astype(np.float32)


def blank_strokes(bench: Bench, slices: Slices) -> tuple[Array, Array]:
    """Strokes (n, rows, columns) in 0..1 and the ink's brightness, read off a run on blank images."""
    return _scaled(_blank(bench, slices))


def content_strokes(bench: Bench, slices: Slices, blur: float) -> tuple[Array, Array]:
    """Strokes and ink where the content puts them, read off runs on blurred sources.

    The same without strokes is the lower envelope of runs under a mark plane moved about, in which every pixel is
    paper once.
    """
    return bench.once(("strokes", slices, blur), lambda: _measured_strokes(bench, slices, blur))


def _measured_strokes(bench: Bench, slices: Slices, blur: float) -> tuple[Array, Array]:
    first, second = (ndimage.gaussian_filter(part, (0, blur, blur)) for part in (slices.first, slices.second))
    with_strokes = run(bench.public, first, second, slices.marks)
    paper = np.min([run(bench.public, first, second, moved) for moved in moved_planes(slices.marks, 6)], axis=0)
    rise = np.clip(with_strokes - paper, 0, None)
    # Ink is as much brighter than paper everywhere as it is where it is drawn in full.
    full = np.maximum(np.quantile(rise, 0.98, axis=(1, 2), keepdims=True), 1e-3)
    return np.clip(rise / full, 0, 1), paper + full


def moved_planes(marks: Array, count: int) -> list[Array]:
    """Mark planes (n, rows, columns) shifted around, ``count`` ways, by parts of their size that share no factor."""
    height, width = marks.shape[1:]
    shifts = [(step * 0.382 % 1, step * 0.618 % 1) for step in range(count)]
    return [np.roll(marks, (int(down * height), int(across * width)), axis=(1, 2)) for down, across in shifts]


def _blank(bench: Bench, slices: Slices) -> Array:
    return run(bench.public, 0 * slices.first, 0 * slices.second, slices.marks)


def _scaled(template: Array) -> tuple[Array, Array]:
    low, high = (np.quantile(template, share, axis=(1, 2), keepdims=True) for share in (0.02, 0.98))
    return np.clip((template - low) / np.maximum(high - low, 1e-3), 0, 1), np.broadcast_to(high, template.shape)


def _from_constants(bench: Bench, slices: Slices, least: float, both: bool) -> Array:
    """The gray value that each pixel would need for its output, from runs on constant images.

    Args:
        bench, slices: as everywhere.
        least: smallest slope of the response that is inverted.
        both: whether the constant is fed as both sources, or as the second alone.
    """
    outputs = np.stack([
        run(bench.public, np.full_like(slices.first, value if both else 0), np.full_like(slices.first, value),
            slices.marks) for value in CONSTANTS
    ])  # fmt: skip
    centered = np.array(CONSTANTS) - np.mean(CONSTANTS)
    slope = np.tensordot(centered, outputs, axes=1) / np.sum(centered**2)
    offset = outputs.mean(axis=0) - slope * np.mean(CONSTANTS)
    values = (slices.unlicensed - offset) / np.maximum(slope, least)
    return np.stack([filled_from_around(*pair) for pair in zip(np.clip(values, 0, 1), slope < least)])
