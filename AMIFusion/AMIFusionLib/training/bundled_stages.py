"""The stages of the bundled model's training, and what each begins with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .configuration import TrainingConfiguration

_TO_26 = {"slices_25": 24, "slices_26": 6, "slices_24a": 10, "slices_24b": 6, "slices_11a": 1, "slices_11b": 1}
"""A mean that the last stages begin with, or with more of themselves in it."""

_TO_29 = {"slices_29": 11, "slices_27": 3, "slices_28": 2}
"""A mean that the stages which mind lost bone begin with, or with more of themselves in it."""

_TO_34 = {"slices_31": 4, "slices_34": 3, "slices_32": 2, "slices_30": 1}
"""A mean that the stages which see the finer source first begin with, or with more of themselves in it."""

BUNDLED_STAGES: Mapping[str, Mapping[str, int]] = {
    "unlicensed": {},
    "crops": {"unlicensed": 1},
    "slices_1": {"crops": 1},
    "slices_2": {"slices_1": 1},
    "slices_3": {"slices_2": 1},
    "slices_4": {"slices_3": 1},
    "slices_5": {"slices_4": 1},
    "slices_6": {"slices_1": 1, "slices_4": 1, "slices_5": 1},
    "slices_7": {"slices_6": 1},
    "slices_8": {"slices_7": 1},
    "slices_9": {"slices_6": 1, "slices_8": 2},
    "slices_10a": {"slices_9": 1},
    "slices_10b": {"slices_9": 1},
    "slices_11a": {"slices_10a": 1, "slices_10b": 1},
    "slices_11b": {"slices_10a": 1, "slices_10b": 1},
    "slices_12a": {"slices_11a": 1, "slices_11b": 1},
    "slices_12b": {"slices_11a": 1, "slices_11b": 1},
    "slices_13a": {"slices_11a": 1, "slices_11b": 1, "slices_12a": 1, "slices_12b": 1},
    "slices_13b": {"slices_11a": 1, "slices_11b": 1, "slices_12a": 1, "slices_12b": 1},
    "slices_14a": {"slices_12a": 1, "slices_12b": 1, "slices_13a": 1, "slices_13b": 1},
    "slices_14b": {"slices_12a": 1, "slices_12b": 1, "slices_13a": 1, "slices_13b": 1},
    "slices_15a": {"slices_14a": 1, "slices_14b": 1},
    "slices_15b": {"slices_14a": 1, "slices_14b": 1},
    "slices_16a": {"slices_14a": 1, "slices_14b": 1, "slices_15a": 1, "slices_15b": 1},
    "slices_16b": {"slices_14a": 1, "slices_14b": 1, "slices_15a": 1, "slices_15b": 1},
    "slices_17": {
        "slices_10a": 1,
        "slices_10b": 1,
        "slices_11a": 1,
        "slices_11b": 1,
        "slices_16a": 2,
        "slices_16b": 2,
    },
    "slices_18a": {"slices_17": 1},
    "slices_18b": {"slices_17": 1},
    "slices_19a": {"slices_17": 1, "slices_18a": 1, "slices_18b": 1},
    "slices_19b": {"slices_17": 1, "slices_18a": 1, "slices_18b": 1},
    "slices_20a": {"slices_19a": 1, "slices_19b": 1},
    "slices_20b": {"slices_19a": 1, "slices_19b": 1},
    "slices_21a": {"slices_20a": 1, "slices_20b": 1},
    "slices_21b": {"slices_20a": 1, "slices_20b": 1},
    "slices_22a": {"slices_21a": 1, "slices_21b": 1},
    "slices_22b": {"slices_21a": 1, "slices_21b": 1},
    "slices_23a": {"slices_11a": 1, "slices_11b": 1},
    "slices_23b": {"slices_11a": 1, "slices_11b": 1},
    "slices_24a": {"slices_22a": 1, "slices_22b": 1, "slices_23a": 1, "slices_23b": 1},
    "slices_24b": {"slices_22a": 1, "slices_22b": 1, "slices_23a": 1, "slices_23b": 1},
    "slices_25": {"slices_24a": 10, "slices_24b": 6, "slices_11a": 1, "slices_11b": 1},
    "slices_26": {"slices_25": 1},
    "slices_27": _TO_26,
    "slices_28": {"slices_27": 80, **_TO_26},
    "slices_29": {"slices_28": 128, "slices_27": 80, **_TO_26},
    "slices_30": _TO_29,
    "slices_31": {"slices_30": 32, **_TO_29},
    "slices_32": {"slices_30": 1, "slices_31": 1},
    "slices_33": {"slices_32": 2, "slices_31": 2, "slices_30": 1},
    "slices_34": {"slices_33": 2, "slices_31": 1},
    "slices_35a": _TO_34,
    "slices_35b": _TO_34,
    "slices_36": {"slices_35a": 10, "slices_35b": 10, **_TO_34},
}
"""Each stage, in order, with the ones whose mean it begins with and the weight of each in it."""

BUNDLED_MODEL: Mapping[str, int] = {
    "slices_35a": 45, "slices_36": 20, "slices_35b": 15, "slices_31": 8, "slices_34": 6, "slices_32": 4, "slices_30": 2
}  # fmt: skip
"""The stages whose mean was sealed, and the weight of each in it."""

_ATTACKERS_STAGE = "slices_25"
"""Fixed, so that an attacker's trainings, which take hours, outlast a change of the sealed values alone."""


def bundled_stage(name: str) -> TrainingConfiguration:
    """The settings of one of the ``BUNDLED_STAGES``."""
    return TrainingConfiguration.load(Path(__file__).with_name("bundled_model") / f"{name}.json")


def last_bundled_stage() -> TrainingConfiguration:
    """The settings of the last one, whose weights by pair type are what the bundled model was made for in the end."""
    return bundled_stage(list(BUNDLED_STAGES)[-1])


def attackers_stage() -> TrainingConfiguration:
    """The settings that attackers search and train with: of a late stage, with its weights by pair type."""
    return bundled_stage(_ATTACKERS_STAGE)
