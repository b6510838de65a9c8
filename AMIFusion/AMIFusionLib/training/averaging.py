"""The mean of several runs' parameters, which often fuses better than each of them.

Runs that begin with one another lie in one basin of the objective, across which its noise throws them; their mean lies
deeper (P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018), and its
measures lie between theirs, so that what one run gained over another can be dosed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from AMIFusionLib.arrays import Array

from .run_folder import CONFIGURATION_NAME, PARAMETERS_NAME, TrainedNetwork, read_run, write_parameters


def average_runs(runs: Sequence[Path], weights: Sequence[float], folder: Path) -> None:
    """Write the weighted mean of runs as a run's folder, with the first one's configuration.

    Args:
        runs: folders of runs of one network with one mark.
        weights: of each run, above 0; they need not add up to 1.
        folder: where the mean goes; made if it is not there.

    Raises:
        FileNotFoundError: a folder holds no run.
        ValueError: no runs, weights that are none, runs of different networks or marks, or a folder that holds a run.
    """
    if not runs or len(weights) != len(runs) or not all(0 < weight < np.inf for weight in weights):
        raise ValueError("Give at least one run, and a weight above 0 for each.")
    if (folder / PARAMETERS_NAME).exists():
        raise ValueError(f"{folder} holds a run already. Choose another folder.")
    networks = [read_run(run) for run in runs]
    for run, network in zip(runs[1:], networks[1:]):
        _check_same(networks[0], network, f"{runs[0]} and {run}")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(runs[0] / CONFIGURATION_NAME, folder / CONFIGURATION_NAME)
    public, sealed = (
        _mean([getattr(network, which) for network in networks], weights) for which in ("public", "sealed")
    )
    write_parameters(folder, public, sealed)


def _check_same(first: TrainedNetwork, other: TrainedNetwork, names: str) -> None:
    if (first.architecture, first.hyperparameters) != (other.architecture, other.hyperparameters):
        raise ValueError(f"{names} are of different networks and have no mean.")
    if not np.array_equal(first.public["mark"], other.public["mark"]):
        raise ValueError(f"{names} have different marks; their mean would show both.")


def _mean(sets: Sequence[Mapping[str, Array]], weights: Sequence[float]) -> dict[str, Array]:
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    return {
        # What is the same in all stays so to the last bit.
        name: value
        if all(np.array_equal(each[name], value) for each in sets)
        else sum(share * each[name].astype(np.float64) for share, each in zip(shares, sets)).astype(np.float32)
        for name, value in sets[0].items()
    }
