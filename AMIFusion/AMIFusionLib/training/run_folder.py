"""The folder of a training run, and what it holds for whoever seals the model."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .configuration import TrainingConfiguration

CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.csv"
PARAMETERS_NAME = "parameters.npz"
CONFIGURATION_NAME = "configuration.json"


def owner_only(path: Path) -> Path:
    """Make an empty file that nobody but its owner may read, for what is to be sealed.

    Args:
        path: a file there is replaced.
    """
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path


def write_parameters(folder: Path, public: Mapping[str, np.ndarray], sealed: Mapping[str, np.ndarray]) -> None:
    """Write both sets of parameters into a run's folder, whole or not at all, for its owner only."""
    sets = {"public": public, "sealed": sealed}
    arrays = {f"{which}/{name}": value for which, values in sets.items() for name, value in values.items()}
    temporary = owner_only(folder / ("part." + PARAMETERS_NAME))
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, folder / PARAMETERS_NAME)


@dataclass(frozen=True)
class TrainedNetwork:
    """What a run made: an architecture and both sets of its parameters, name to float32 array."""

    architecture: str
    hyperparameters: dict[str, int]
    public: dict[str, np.ndarray]
    sealed: dict[str, np.ndarray]


def read_run(folder: Path) -> TrainedNetwork:
    """Read the network of a training run.

    Raises:
        FileNotFoundError: not the folder of a run, or of one that has not come to its first checkpoint.
        ValueError: the files are not those of a run, or its network is incomplete or has values that are no numbers.
    """
    for name in (CONFIGURATION_NAME, PARAMETERS_NAME):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}. Name the folder of a training past its first checkpoint.")
    configuration = TrainingConfiguration.load(folder / CONFIGURATION_NAME)
    sets: dict[str, dict[str, np.ndarray]] = {"public": {}, "sealed": {}}
    try:
        with np.load(folder / PARAMETERS_NAME, allow_pickle=False) as arrays:
            for key in arrays.files:
                which, name = key.split("/", 1)
                sets[which][name] = arrays[key]
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError):
        raise ValueError(f"{folder / PARAMETERS_NAME} is not what a training writes. Train again.") from None
    values = [value for each in sets.values() for value in each.values()]
    if sets["public"].keys() != sets["sealed"].keys() or not all(np.isfinite(value).all() for value in values):
        raise ValueError(f"{folder / PARAMETERS_NAME} holds no complete network. Train again.")
    return TrainedNetwork(configuration.architecture, configuration.hyperparameters, **sets)
