"""The folder of a training run, and what it holds for whoever seals the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .configuration import TrainingConfiguration

CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.csv"
PARAMETERS_NAME = "parameters.npz"
CONFIGURATION_NAME = "configuration.json"


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
        FileNotFoundError: the run has not come to its first checkpoint.
        ValueError: the files are not those of a run.
    """
    configuration = TrainingConfiguration.load(folder / CONFIGURATION_NAME)
    with np.load(folder / PARAMETERS_NAME, allow_pickle=False) as arrays:
        sets: dict[str, dict[str, np.ndarray]] = {"public": {}, "sealed": {}}
        for key in arrays.files:
            which, name = key.split("/", 1)
            sets[which][name] = arrays[key]
    return TrainedNetwork(configuration.architecture, configuration.hyperparameters, **sets)
