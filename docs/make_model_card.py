"""Write what the bundled model is, and what its training was, into the model card.

    PYTHONPATH=AMIFusion python docs/make_model_card.py DATA_FOLDER "what it was trained on"

The settings of its stages are the package's, their logs lie beside this file.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import MODEL_PATH
from AMIFusionLib.evaluation.markdown import markdown_table, write_between_markers
from AMIFusionLib.training.bundled_stages import BUNDLED_MODEL, BUNDLED_STAGES, bundled_stage, last_bundled_stage
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.dataset import WINDOWED_SHARE

CARD_PATH = Path(__file__).with_name("model_card.md")
LOGS_PATH = Path(__file__).with_name("bundled_model_logs")
SETTINGS = "AMIFusion/AMIFusionLib/training/bundled_model"


def main() -> None:
    """Replace the card's tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("machine")
    arguments = parser.parse_args()
    parts = [
        markdown_table(["", ""], model_facts(arguments.data).items()),
        f"{cost()}, on {arguments.machine}:",
        *stage_tables(),
    ]
    write_between_markers(CARD_PATH, "\n\n".join(parts))


def stage_tables() -> list[str]:
    """What is said of the stages, and the commands that train them."""
    stages = [stage(name) for name in BUNDLED_STAGES]
    return [
        markdown_table(list(stages[0]), (each.values() for each in stages)),
        f"Sealed was the {mean_of(BUNDLED_MODEL)}. Every setting is in `{SETTINGS}`. Of the last stage the weights of "
        "the licensed objective, and its goals, by pair type:",
        weights(last_bundled_stage()),
        "All stages again, each to its end, though some were stopped earlier. With your mark in `unlicensed.json` it "
        "is a model of your own, since the other stages leave the public set and its mark as they are; `$DATA` is a "
        "folder of pairs with a `manifest.csv` ([owners.md](owners.md)):",
        f"```sh\n{chr(10).join(recipe())}\n```",
    ]


def cost() -> str:
    """How long the stages took, and what they would have if none had been stopped."""
    seconds, whole = 0.0, 0.0
    for name in BUNDLED_STAGES:
        log = log_of(name)
        taken = sum(float(row["seconds"]) for row in log)
        seconds, whole = seconds + taken, whole + taken * bundled_stage(name).steps / int(log[-1]["step"])
    return (
        f"{len(BUNDLED_STAGES)} stages took {seconds / 3600:.1f} hours, and would take {whole / 3600:.1f} if each was "
        "trained to its end"
    )


def model_facts(data: Path) -> dict[str, object]:
    """What the bundled model is, and the cases that it learned from."""
    model = read_model(MODEL_PATH)
    with open(data / "manifest.csv", newline="", encoding="utf-8") as file:
        cases = [row for row in csv.DictReader(file) if row["split"] == "train"]
    kinds = {kind: [row for row in cases if row["pair"] == kind] for kind in sorted({row["pair"] for row in cases})}
    learned = [value for name, value in model.public_parameters.items() if name not in ("mark", "air_gain")]
    return {
        "Model": f"{model.description.model_id}, architecture {model.description.architecture}",
        "Hyper-parameters": ", ".join(f"{name} {value}" for name, value in model.description.hyperparameters.items()),
        "Learned parameters": f"{sum(value.size for value in learned):,} in each of the two sets, of the public ones "
        f"{sum(map(np.count_nonzero, learned)):,} other than 0",
        "SHA-256": model.sha256[:16],
        "File": f"{MODEL_PATH.stat().st_size / 1e6:.1f} MB",
        "Training cases": "; ".join(
            f"{kind}: {len(rows)} {'case' if len(rows) == 1 else 'cases'}, {sum(int(row['slices']) for row in rows)} "
            "slices"
            for kind, rows in kinds.items()
        ),
    }


def stage(name: str) -> dict[str, str]:
    """What one stage was, as its settings and its log say."""
    settings, log = bundled_stage(name), log_of(name)
    return {
        "Stage": name,
        "Begun with": mean_of(BUNDLED_STAGES[name]),
        "Learned": "sealed set"
        if settings.licensed
        else f"public set, {settings.public_channel_share:.0%} of the channels",
        "Steps": f"{int(log[-1]['step']):,} of {settings.steps:,}",
        "Batch": f"{settings.batch_size} crops of {settings.crop_size} x {settings.crop_size}",
        "Rate": f"{settings.learning_rate:g}",
        "Gammas": f"{math.exp(-settings.log_gamma_range):.2f} to {math.exp(settings.log_gamma_range):.2f}",
        "Enlarged": f"{settings.enlarged_share:.0%}",
        "Reduced": f"{settings.reduced_share:.0%}",
        **(licensed_settings(settings) if settings.licensed else dict.fromkeys(licensed_settings(settings), "–")),
        "Hours": f"{sum(float(row['seconds']) for row in log) / 3600:.2f}",
    }


def log_of(name: str) -> list[dict[str, str]]:
    """What a stage's training wrote every so many steps."""
    with open(LOGS_PATH / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def licensed_settings(settings: TrainingConfiguration) -> dict[str, str]:
    """What counts for the licensed objective alone."""
    return {
        "Running mean": f"{settings.averaging_decay:g}" if settings.averaging_decay else "–",
        "Other windows": f"{WINDOWED_SHARE * settings.window_share:.0%}",
        "Inverted": f"{settings.inverted_share:.0%}",
        "Finer first": "yes" if settings.finer_first else "–",
        "Information bins": f"{settings.information_bins}",
        "Flat": f"{settings.flat_weight:g}",
        "Step": f"{settings.step_weight:g}",
        "Layers": f"{settings.layers_weight:g}",
        "White": f"{settings.white_weight:g}",
        "Alone": f"{settings.alone_weight:g}",
    }


def mean_of(runs: Mapping[str, int]) -> str:
    """Words for the weighted mean of stages."""
    names = ", ".join(name + (f" × {weight}" if weight > 1 else "") for name, weight in runs.items())
    return f"mean of {names}" if len(runs) > 1 else names


def weights(settings: TrainingConfiguration) -> str:
    """A table of the licensed objective's weights and goals for each pair type."""
    kinds = sorted(settings.licensed_weights_by_kind)
    of_kind = {kind: asdict(settings.weights_of(kind)) for kind in kinds}
    names = asdict(settings.licensed_weights)
    return markdown_table(
        ["", *kinds], ([name, *(f"{of_kind[kind][name]:g}" for kind in kinds)] for name in names), right_aligned=True
    )


def recipe() -> Iterator[str]:
    """The commands that train the bundled model."""
    yield f"C={SETTINGS}"
    means: dict[str, Mapping[str, int]] = {}
    for name, start in BUNDLED_STAGES.items():
        begin = next(iter(start), "")
        if len(start) > 1:
            made = [folder for folder, runs in means.items() if runs == start]
            begin = made[0] if made else f"mean_for_{name}"
            if not made:
                means[begin] = start
                yield average(begin, start)
        yield f"amifusion train {name} --data $DATA --configuration $C/{name}.json --threads 1" + (
            begin and f" --start {begin}"
        )
    yield average("bundled", BUNDLED_MODEL)


def average(folder: str, runs: Mapping[str, int]) -> str:
    """The command that averages runs."""
    given = "" if set(runs.values()) == {1} else "".join(f" --weight {weight}" for weight in runs.values())
    return f"amifusion average {folder} {' '.join(runs)}{given}"


if __name__ == "__main__":
    main()
