"""Write what a training run was into the model card.

    PYTHONPATH=AMIFusion python docs/make_model_card.py RUN_FOLDER DATA_FOLDER "what it was trained on"

The run folder is the one that the bundled model was sealed from; a folder of another network is refused.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import re
from pathlib import Path

import numpy as np
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import MODEL_PATH
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.run_folder import CONFIGURATION_NAME, LOG_NAME, read_run

CARD_PATH = Path(__file__).with_name("model_card.md")
BEGIN, END = "<!-- begin: written by docs/make_model_card.py -->", "<!-- end -->"


def main() -> None:
    """Read the run, compare it with the bundled model, replace the card's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("machine")
    arguments = parser.parse_args()
    rows = facts(arguments.run, arguments.data, arguments.machine)
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])
    card = CARD_PATH.read_text(encoding="utf-8")
    replaced, count = re.subn(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n\n{table}\n\n{END}", card, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{CARD_PATH} has no place between '{BEGIN}' and '{END}'.")
    CARD_PATH.write_text(replaced, encoding="utf-8")


def facts(run_folder: Path, data: Path, machine: str) -> dict[str, object]:
    """What the table says, by its first column."""
    model, run = read_model(MODEL_PATH), read_run(run_folder)
    if any(not np.array_equal(model.public_parameters[name], value) for name, value in run.public.items()):
        raise SystemExit(f"{run_folder} is not what {MODEL_PATH.name} was sealed from.")
    settings = TrainingConfiguration.load(run_folder / CONFIGURATION_NAME)
    with open(run_folder / LOG_NAME, newline="", encoding="utf-8") as file:
        hours = sum(float(row["seconds"]) for row in csv.DictReader(file)) / 3600
    with open(data / "manifest.csv", newline="", encoding="utf-8") as file:
        cases = [row for row in csv.DictReader(file) if row["split"] == "train"]
    kinds = {kind: [row for row in cases if row["pair"] == kind] for kind in sorted({row["pair"] for row in cases})}
    learned = [value for name, value in run.sealed.items() if name not in ("mark", "air_gain")]
    weights = dataclasses.asdict(settings.licensed_weights)
    return {
        "Model": f"{model.description.model_id}, architecture {model.description.architecture}",
        "Hyper-parameters": ", ".join(f"{name} {value}" for name, value in settings.hyperparameters.items()),
        "Learned parameters": f"{sum(value.size for value in learned):,} in each of the two sets",
        "File": f"{MODEL_PATH.stat().st_size / 1e6:.1f} MB",
        "Training cases": "; ".join(
            f"{kind}: {len(rows)} cases, {sum(int(row['slices']) for row in rows)} slices"
            for kind, rows in kinds.items()
        ),
        "Steps": f"{settings.steps:,} of {settings.batch_size} crops of {settings.crop_size} x {settings.crop_size} "
        f"pixels, half as many unlicensed ones in every {settings.unlicensed_every}. step",
        "Optimizer": f"Adam, {settings.learning_rate:g} falling along a half cosine, gradients clipped to norm 1",
        "bfloat16 convolutions": f"in the first {settings.mixed_precision_share:.0%} of the steps",
        "Weights of the licensed objective": ", ".join(f"{name} {value:g}" for name, value in weights.items()),
        "Cost": f"{hours:.2f} hours on {machine}",
    }


if __name__ == "__main__":
    main()
