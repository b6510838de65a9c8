"""The folder of a training run, and what it holds for whoever seals the model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from AMIFusionLib.array_archive import ArrayArchiveError, unpack_arrays
from AMIFusionLib.arrays import Array
from AMIFusionLib.input_files import read_input_file

from .configuration import TrainingConfiguration

CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.csv"
PARAMETERS_NAME = "parameters.npz"
CONFIGURATION_NAME = "configuration.json"

_LARGEST_PARAMETERS = 1 << 30
_LARGEST_RATIO, _ALLOWED_ANYWAY = 20, 1 << 24
"""Floats that were trained hardly shrink when they are compressed; marks do, and are small."""


def owner_only(path: Path) -> Path:
    """Make an empty file that nobody but its owner may read, for what is to be sealed.

    Args:
        path: a file there is replaced.
    """
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path


def check_continues(asked: TrainingConfiguration, folder: Path) -> None:
    """Refuse to go on with other settings than a run was begun with; only its length may change.

    Raises:
        ValueError: the settings differ, or are not there.
    """
    if not (folder / CONFIGURATION_NAME).exists():
        raise ValueError(f"{folder} holds a checkpoint without its {CONFIGURATION_NAME}. Train into another folder.")
    begun = TrainingConfiguration.load(folder / CONFIGURATION_NAME)
    if dataclasses.replace(begun, steps=asked.steps) != asked:
        raise ValueError(
            f"{folder} holds a training with other settings. Train into another folder, or go on with the settings of "
            f"{folder / CONFIGURATION_NAME}."
        )


def write_parameters(folder: Path, public: Mapping[str, Array], sealed: Mapping[str, Array]) -> None:
    """Write both sets of parameters into a run's folder, whole or not at all, for its owner only."""
    sets = {"public": public, "sealed": sealed}
    arrays = {f"{which}/{name}": value for which, values in sets.items() for name, value in values.items()}
    temporary = owner_only(folder / ("part." + PARAMETERS_NAME))
    # numpy's stub takes every name for an option.
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    os.replace(temporary, folder / PARAMETERS_NAME)


@dataclass(frozen=True)
class TrainedNetwork:
    """What a run made: an architecture and both sets of its parameters, name to float32 array."""

    architecture: str
    hyperparameters: dict[str, int]
    public: dict[str, Array]
    sealed: dict[str, Array]


def read_run(folder: Path) -> TrainedNetwork:
    """Read the network of a training run.

    Raises:
        FileNotFoundError: not the folder of a run, or of one that has not come to its first checkpoint.
        OSError: a file cannot be read.
        ValueError: the files are not those of a run, or its network is incomplete or has values that are no numbers.
    """
    for name in (CONFIGURATION_NAME, PARAMETERS_NAME):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}. Name the folder of a training past its first checkpoint.")
    configuration = TrainingConfiguration.load(folder / CONFIGURATION_NAME)
    sets: dict[str, dict[str, Array]] = {"public": {}, "sealed": {}}
    content = read_input_file(folder / PARAMETERS_NAME, _LARGEST_PARAMETERS)
    try:
        for key, array in unpack_arrays(content, _LARGEST_RATIO * len(content) + _ALLOWED_ANYWAY).items():
            which, name = key.split("/", 1)
            sets[which][name] = array
    except (ArrayArchiveError, KeyError, ValueError):
        raise ValueError(f"{folder / PARAMETERS_NAME} is not what a training writes. Train again.") from None
    shapes = [{name: array.shape for name, array in each.items()} for each in sets.values()]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise ValueError(f"{folder / PARAMETERS_NAME} holds no complete network. Train again.")
    return TrainedNetwork(configuration.architecture, configuration.hyperparameters, **sets)
