"""What an evaluation found, as one JSON-ready dictionary that tables are made of."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pywt
import scipy
import skimage
import torch

import AMIFusionLib

from .alternatives import ALTERNATIVES
from .measuring import HUE_ERROR, PSNR_TO_LICENSED, SSIM_TO_LICENSED, Row
from .ranking import Peers, largest_difference, mean_ranks, ranks
from .subject import LICENSED, UNLICENSED, Subject

_LABELS = ("pair", "case", "slice", "method")


def summarize(
    rows: Sequence[Row], subject: Subject, data: Mapping[str, str], peers: Peers | None,
    lesions: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, object]:  # fmt: skip
    """Means, ranks and what follows from them.

    Args:
        rows: of ``measuring``, at least one for each method of a pair type.
        subject: the model.
        data: what was evaluated on, for the record.
        peers: recorded measures of other methods, or None.
        lesions: by the phantom's pair, lesion and method, the ratio of contrasts kept.

    Returns:
        model, data, versions; "pairs" with an entry for each pair type; "phantom", as ``lesions``. What is not defined
        or not finite is None.
    """
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(str(row["pair"]), []).append(row)
    found = {
        "model": {
            "id": subject.model_id,
            "title": subject.title,
            "sha256": subject.sha256,
            "judged": subject.judged,
        },
        "data": dict(data),
        "versions": versions(),
        "pairs": {
            kind: _pair_summary(chosen, subject.judged, _recorded(peers, kind)) for kind, chosen in by_kind.items()
        },
        "phantom": lesions,
    }
    return {key: _plain(value) for key, value in found.items()}


def versions() -> dict[str, str]:
    """Of this project and of what the measures are made with."""
    return {
        "amifusion": AMIFusionLib.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pywavelets": pywt.__version__,
        "scikit-image": skimage.__version__,  # type: ignore[attr-defined]  # its stub leaves it out
        "scipy": scipy.__version__,
        "torch": torch.__version__,
    }


def _pair_summary(rows: Sequence[Row], judged: str, recorded: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    """One pair type's means, ranks, hue errors and distances to the licensed result."""
    measured = _means(rows)
    competitors: dict[str, Mapping[str, float]] = {method: measured[method] for method in (judged, *ALTERNATIVES)}
    competitors |= {method: values for method, values in recorded.items() if method not in measured}
    order = mean_ranks(competitors)
    cases: dict[str, list[str]] = {}
    for row in rows:
        if row["method"] == judged:
            cases.setdefault(str(row["case"]), []).append(str(row["slice"]))
    return {
        "cases": cases,
        "slices": sum(map(len, cases.values())),
        "means": {**{method: measured[method] for method in measured if method not in competitors}, **competitors},
        "ranks": ranks(competitors),
        "mean_rank": order,
        "place": 1 + sum(value < order[judged] for value in order.values()),
        "shares_place": sum(value == order[judged] for value in order.values()) > 1,
        "hue_error": _column(measured, HUE_ERROR),
        "to_licensed": _distances(measured),
        "difference_to_recorded": largest_difference(measured, recorded),
    }


def _means(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """By method, the mean of each measure over the slices on which it is defined."""
    methods: dict[str, list[Row]] = {}
    for row in rows:
        methods.setdefault(str(row["method"]), []).append(row)
    return {
        method: {name: _mean([float(row[name]) for row in chosen]) for name in chosen[0] if name not in _LABELS}
        for method, chosen in methods.items()
    }


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _distances(measured: Mapping[str, Mapping[str, float]]) -> dict[str, object] | None:
    """How near the unlicensed result and the alternatives come to the licensed one, and which of these is nearest."""
    if LICENSED not in measured:
        return None
    signal, similarity = _column(measured, PSNR_TO_LICENSED), _column(measured, SSIM_TO_LICENSED)
    methods = [method for method in (UNLICENSED, *ALTERNATIVES) if method in measured]
    return {
        "psnr": {method: signal[method] for method in methods},
        "ssim": {method: similarity[method] for method in methods},
        "best_free": {
            "psnr": max(ALTERNATIVES, key=signal.__getitem__),
            "ssim": max(ALTERNATIVES, key=similarity.__getitem__),
        },
    }


def _column(measured: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    return {method: values[name] for method, values in measured.items()}


def _recorded(peers: Peers | None, kind: str) -> Mapping[str, Mapping[str, float]]:
    return peers.values.get(kind, {}) if peers else {}


def _plain(value: object) -> object:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
