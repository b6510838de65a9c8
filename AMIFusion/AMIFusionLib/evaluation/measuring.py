"""Measures of every fusion of a slice: the model's results and the free alternatives', one slice at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from AMIFusionLib.arrays import Array

from .alternatives import ALTERNATIVES
from .cases import EvaluationCase, SlicePair
from .eight_bit import eight_bit
from .metrics import fusion_metrics
from .reader_metrics import hue_error
from .structure_metrics import structural_similarity
from .subject import LICENSED

HUE_ERROR, PSNR_TO_LICENSED, SSIM_TO_LICENSED = "hue_error", "psnr_to_licensed", "ssim_to_licensed"
"""What is measured beside ``metrics.fusion_metrics``."""

Row = dict[str, "str | float"]
"""pair, case, slice, method and the measures by their names."""


@dataclass(frozen=True)
class SliceJob:
    """One slice to measure.

    Attributes:
        names: pair type, case and slice.
        sources: both sources.
        results: the model's results, (rows, columns) uint8 each.
    """

    names: tuple[str, str, str]
    sources: SlicePair
    results: dict[str, Array]


def slice_jobs(case: EvaluationCase, results: dict[str, Array]) -> Iterator[SliceJob]:
    """The slices of a case on which there is something to see.

    Args:
        case: the sources.
        results: of ``Subject.fuse`` for the case.
    """
    for index, name in enumerate(case.slices):
        if case.first[index].any() or case.second[index].any():
            shown = {result: stack[index] for result, stack in results.items()}
            yield SliceJob((case.kind, case.case, name), case[index], shown)


def alternative_fusions(first: Array, second: Array) -> dict[str, Array]:
    """Every free alternative's fusion of two images, (rows, columns) uint8, by name."""
    return {name: eight_bit(fuse(first / 255, second / 255)) for name, fuse in ALTERNATIVES.items()}


def measure_slice(job: SliceJob) -> list[Row]:
    """Measure one slice, fused by the model and by every free alternative.

    Returns:
        A row for each of the model's results and each alternative: the measures of ``metrics.fusion_metrics``; the hue
        error in degrees where a source is in color; PSNR in dB and SSIM to the licensed result where there is one,
        both with a peak of 255. What is not defined is not a number.
    """
    first, second = job.sources.gray
    licensed, rows = job.results.get(LICENSED), []
    for method, fused in {**job.results, **alternative_fusions(first, second)}.items():
        row: Row = dict(zip(("pair", "case", "slice"), job.names), method=method)
        row.update(fusion_metrics(first, second, fused))
        row[HUE_ERROR] = _hue_error(job.sources, fused)
        to_licensed = (float("nan"), float("nan"))
        if licensed is not None and method != LICENSED:
            to_licensed = _signal_to_noise(licensed, fused), _similarity(licensed, fused)
        row[PSNR_TO_LICENSED], row[SSIM_TO_LICENSED] = to_licensed
        rows.append(row)
    return rows


def _hue_error(sources: SlicePair, fused: Array) -> float:
    return float("nan") if sources.colored is None else hue_error(sources.colored, sources.in_color(fused))


def _signal_to_noise(expected: Array, found: Array) -> float:
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(expected, found, data_range=255))


def _similarity(expected: Array, found: Array) -> float:
    return structural_similarity(expected.astype(np.float64), found.astype(np.float64))
