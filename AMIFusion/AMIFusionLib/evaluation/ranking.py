"""Ranks of methods over the measures that the field compares by, and recorded values of other methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from AMIFusionLib.input_files import parse_json, read_input_file

from .metrics import RANKED

Means = Mapping[str, Mapping[str, float]]
"""By method, the mean of each measure."""

_LARGEST_FILE = 1 << 22

_DIGITS = 4
"""To which means are compared: recorded ones have no more, and a rank should not hang on the fifth."""


@dataclass(frozen=True)
class Peers:
    """Recorded measures of other methods on named slices.

    Attributes:
        slices: by pair type, the case and its slices' names.
        values: by pair type, the means of each method over those slices.
    """

    slices: dict[str, tuple[str, tuple[str, ...]]]
    values: dict[str, dict[str, dict[str, float]]]


def read_peers(path: Path) -> Peers:
    """Read a JSON file with recorded measures.

    Args:
        path: an object with ``slices`` (by pair type: ``{"case": name, "slices": [names]}``) and ``values`` (by pair
            type, by method, by measure: a number).

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not of this form.
    """
    file_content = read_input_file(path, _LARGEST_FILE)
    try:
        content = parse_json(file_content)
        slices = {
            kind: (_text(named["case"]), tuple(_text(name) for name in named["slices"]))
            for kind, named in content["slices"].items()
        }
        values = {
            kind: {
                method: {name: _number(value) for name, value in measures.items()}
                for method, measures in content["values"][kind].items()
            }
            for kind in slices
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"{path} does not hold recorded measures: it needs 'slices' with a case and names, and 'values' with the "
            "means of each method, for each pair type."
        ) from None
    return Peers(slices, values)


def ranks(means: Means) -> dict[str, dict[str, int]]:
    """The place of each method in each measure of ``metrics.RANKED``, 1 for the highest mean.

    Equal means share the better place. A method without a value in a measure comes last in it.

    Args:
        means: by method and measure.
    """
    by_measure = {}
    for measure in RANKED:
        values = [round(float(each.get(measure, math.nan)), _DIGITS) for each in means.values()]
        ordered = rankdata(-np.nan_to_num(values, nan=-np.inf), method="min")
        by_measure[measure] = dict(zip(means, map(int, ordered)))
    return {method: {measure: by_measure[measure][method] for measure in RANKED} for method in means}


def mean_ranks(means: Means) -> dict[str, float]:
    """The mean of each method's ranks, in the order of those means: the best method first."""
    places = {method: float(np.mean(list(each.values()))) for method, each in ranks(means).items()}
    return dict(sorted(places.items(), key=lambda item: item[1]))


def largest_difference(found: Means, recorded: Means) -> float:
    """How far the ranked measures of methods that both hold are apart at most, relative to the recorded value.

    Not a number where they have no method in common.
    """
    pairs = [
        (found[method][measure], recorded[method][measure])
        for method in found.keys() & recorded.keys()
        for measure in RANKED
        if measure in recorded[method]
    ]
    differences = [abs(ours - theirs) / max(abs(theirs), 1e-3) for ours, theirs in pairs]
    return max(differences, default=math.nan)


def _number(value: object) -> float:
    # An OverflowError of float is no ValueError.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
        raise TypeError("not a number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a name")
    return value
