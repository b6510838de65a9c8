"""The model card's program: it has a log of every stage, and its commands can be followed."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import MODEL_PATH
from AMIFusionLib.evaluation.attacks import report
from AMIFusionLib.evaluation.attacks.bench import Effort
from AMIFusionLib.evaluation.attacks.suite import FLOOR, LETTERS, VIEWS
from AMIFusionLib.training.bundled_stages import BUNDLED_STAGES, bundled_stage, last_bundled_stage
from AMIFusionLib.training.confinement import confine
from AMIFusionLib.training.mark import mark_from_text

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture
def program(monkeypatch):
    """The program as a module."""
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "make_model_card", raising=False)
    return importlib.import_module("make_model_card")


def test_every_stage_has_a_log_and_a_row(program):
    rows = [program.stage(name) for name in BUNDLED_STAGES]
    assert [row["Stage"] for row in rows] == list(BUNDLED_STAGES)
    assert {path.stem for path in program.LOGS_PATH.glob("*.csv")} == set(BUNDLED_STAGES)
    assert all(float(row["Hours"]) > 0 for row in rows)
    # What counts for the licensed objective alone says nothing of the public set's stage.
    assert rows[0]["Step"] == "–" and rows[-1]["Step"] == f"{bundled_stage(rows[-1]['Stage']).step_weight:g}"


def test_the_commands_begin_with_what_is_there(program):
    settings, *commands = program.recipe()
    assert settings == f"C={program.SETTINGS}" and (DOCS.parent / program.SETTINGS).is_dir()
    made = set()
    for command in commands:
        _, action, folder, *rest = command.split()
        needed = rest if action == "average" else rest[rest.index("--start") + 1 :] if "--start" in rest else []
        assert {word for word in needed if not word.startswith("--") and not word.isdecimal()} <= made
        assert folder not in made
        made.add(folder)
    assert set(BUNDLED_STAGES) | {"bundled"} <= made


@pytest.mark.parametrize("name", ["evaluation.md", "security.md"])
def test_the_figures_are_of_the_bundled_model(name):
    assert f"SHA-256 `{read_model(MODEL_PATH).sha256[:16]}`" in (DOCS / name).read_text(encoding="utf-8")


def test_the_tables_of_the_attacks_are_of_the_figures_that_are_kept():
    """Of one model: those of the bundled one before are gone."""
    [folder] = (DOCS / "attacks" / "results").iterdir()
    paths = {path.stem.split("-")[0]: path for path in folder.glob("*.json")}
    kept = {letter: json.loads(paths[letter].read_text(encoding="utf-8")) for letter in (FLOOR, VIEWS, *LETTERS)}
    assert len(kept) == len(list(folder.glob("*.json")))
    setting = {"model": "", "sha256": "", "reported": {}, "tuning": {}, "words": []}
    text = report.markdown({**setting, "effort": dataclasses.asdict(Effort())}, kept)
    assert text[text.index("### Summary") :] in (DOCS / "security.md").read_text(encoding="utf-8")


def test_the_public_values_are_those_of_the_share_of_channels_that_their_stage_names():
    values = {name: torch.ones(value.shape) for name, value in read_model(MODEL_PATH).public_parameters.items()}
    learned = {name: value for name, value in values.items() if name not in ("mark", "air_gain")}
    confine(learned, bundled_stage(next(iter(BUNDLED_STAGES))).public_channel_share)
    for name, mask in learned.items():
        np.testing.assert_array_equal(read_model(MODEL_PATH).public_parameters[name] != 0, mask.numpy() != 0)


def test_the_bundled_model_is_of_the_last_stages_network_and_the_first_ones_mark():
    model, last, first = read_model(MODEL_PATH), last_bundled_stage(), bundled_stage(next(iter(BUNDLED_STAGES)))
    assert model.description.architecture == last.architecture
    assert model.description.hyperparameters == last.hyperparameters
    mark = model.public_parameters["mark"]
    np.testing.assert_array_equal(mark.reshape(mark.shape[-2:]), mark_from_text(list(first.mark), mark.shape[-1]))


def test_the_card_is_what_the_program_writes(program):
    """But for the training cases, which come from the data."""
    card = program.CARD_PATH.read_text(encoding="utf-8")
    assert f"| {read_model(MODEL_PATH).sha256[:16]} |" in card
    for part in program.stage_tables():
        assert part in card
