"""Write what the bundled model's training was into the model card.

    PYTHONPATH=AMIFusion python docs/make_model_card.py DATA_FOLDER "what it was trained on" RUN_FOLDER...

The last run folder is the one that the bundled model was sealed from; one of another network is refused. With
`--after-card` the stages that the card has already came before these runs.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import MODEL_PATH
from AMIFusionLib.evaluation.markdown import markdown_table, split_at_markers, write_between_markers
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.run_folder import CONFIGURATION_NAME, LOG_NAME, read_run

STAGE = "Stage"
CARD_PATH = Path(__file__).with_name("model_card.md")


def main() -> None:
    """Read the runs, compare the last with the bundled model, replace the card's tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("machine")
    parser.add_argument("--after-card", action="store_true")
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    stages = (stages_of(CARD_PATH) if arguments.after_card else []) + [stage(run) for run in arguments.runs]
    head = [STAGE, *(str(number) for number in range(1, len(stages) + 1))]
    names = dict.fromkeys(name for each in stages for name in each)
    parts = [
        markdown_table(["", ""], model_facts(arguments.runs[-1], arguments.data).items()),
        markdown_table(head, ((name, *(each.get(name, "–") for each in stages)) for name in names)),
        f"Trained on {arguments.machine}.",
    ]
    write_between_markers(CARD_PATH, "\n\n".join(parts))


def stages_of(card: Path) -> list[dict[str, str]]:
    """The stages that a card names, as ``stage`` gave them."""
    lines = split_at_markers(card)[1].splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {STAGE} |"))
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:] if line.startswith("|")]
    return [{row[0]: row[column] for row in table[2:]} for column in range(1, len(table[0]))]


def model_facts(run_folder: Path, data: Path) -> dict[str, object]:
    """What the bundled model is, and the cases that it learned from."""
    model, run = read_model(MODEL_PATH), read_run(run_folder)
    if any(not np.array_equal(model.public_parameters[name], value) for name, value in run.public.items()):
        raise SystemExit(f"{run_folder} is not what {MODEL_PATH.name} was sealed from.")
    with open(data / "manifest.csv", newline="", encoding="utf-8") as file:
        cases = [row for row in csv.DictReader(file) if row["split"] == "train"]
    kinds = {kind: [row for row in cases if row["pair"] == kind] for kind in sorted({row["pair"] for row in cases})}
    learned = [value for name, value in run.sealed.items() if name not in ("mark", "air_gain")]
    return {
        "Model": f"{model.description.model_id}, architecture {model.description.architecture}",
        "Hyper-parameters": ", ".join(f"{name} {value}" for name, value in run.hyperparameters.items()),
        "Learned parameters": f"{sum(value.size for value in learned):,} in each of the two sets",
        "File": f"{MODEL_PATH.stat().st_size / 1e6:.1f} MB",
        "Training cases": "; ".join(
            f"{kind}: {len(rows)} cases, {sum(int(row['slices']) for row in rows)} slices"
            for kind, rows in kinds.items()
        ),
    }


def stage(run_folder: Path) -> dict[str, object]:
    """What one run was."""
    settings = TrainingConfiguration.load(run_folder / CONFIGURATION_NAME)
    with open(run_folder / LOG_NAME, newline="", encoding="utf-8") as file:
        log = list(csv.DictReader(file))
    return {
        "Steps": f"{int(log[-1]['step']):,} of {settings.steps:,}",
        "Batch": f"{settings.batch_size} crops of {settings.crop_size} x {settings.crop_size} pixels",
        "Licensed batch": "all of it" if settings.licensed else "none: the sealed set stays as it is",
        "Unlicensed batch": unlicensed_batch(settings),
        "Crops enlarged up to 4 times": f"{settings.enlarged_share:.0%}",
        "Batches reduced 2 or 4 times": f"{settings.reduced_share:.0%}",
        "Gammas of the crops": f"{math.exp(-settings.log_gamma_range):.2f} to {math.exp(settings.log_gamma_range):.2f}",
        "Crops through other windows": f"{0.5 * settings.window_share:.0%}",
        "Weight: flat": f"{settings.flat_weight:g}",
        "Weight: step": f"{settings.step_weight:g}",
        "Weight: alone": f"{settings.alone_weight:g}",
        "Learning rate (Adam)": f"{settings.learning_rate:g} falling along a half cosine",
        "Mean of the sealed values": f"decay {settings.averaging_decay:g}" if settings.averaging_decay else "none",
        "bfloat16 convolutions": f"in the first {settings.mixed_precision_share:.0%} of the steps",
        **(licensed_weights(settings) if settings.licensed else {}),
        "Hours": f"{sum(float(row['seconds']) for row in log) / 3600:.2f}",
    }


def licensed_weights(settings: TrainingConfiguration) -> dict[str, str]:
    """Weights and goals by their names."""
    return {f"Weight or goal: {name}": shown_weight(settings, name) for name in asdict(settings.licensed_weights)}


def unlicensed_batch(settings: TrainingConfiguration) -> str:
    """How often the public set is trained, and on what."""
    if not settings.unlicensed_every:
        return "none: the public set stays as it is"
    return f"half of it, every {settings.unlicensed_every} steps" if settings.unlicensed_every > 1 else "half of it"


def shown_weight(settings: TrainingConfiguration, name: str) -> str:
    """A weight, and in brackets what it is for pair types that have another."""
    others = [
        f"{kind} {weights[name]:g}" for kind, weights in settings.licensed_weights_by_kind.items() if name in weights
    ]
    return f"{getattr(settings.licensed_weights, name):g}" + (f" ({', '.join(others)})" if others else "")


if __name__ == "__main__":
    main()
