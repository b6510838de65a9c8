"""A training's settings: kept in a file, with typing errors named, and those that are bundled."""

import json
from pathlib import Path

import pytest
from AMIFusionLib.fusion.network import ARCHITECTURES
from AMIFusionLib.training import bundled_stages
from AMIFusionLib.training.bundled_stages import BUNDLED_MODEL, BUNDLED_STAGES, bundled_stage
from AMIFusionLib.training.configuration import TrainingConfiguration
from small_training import SMALL


def test_mark_may_be_one_text(tmp_path):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps({"mark": "logo.png"}))
    assert TrainingConfiguration.load(path).mark == ("logo.png",)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_has_usual_hyperparameters(tmp_path, name):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps({"architecture": name}))
    made = ARCHITECTURES[name](**TrainingConfiguration.load(path).hyperparameters)
    assert made.hyperparameters == ARCHITECTURES[name]().hyperparameters


def test_configuration_comes_back_and_typing_errors_are_named(tmp_path):
    path = tmp_path / "configuration.json"
    settings = TrainingConfiguration(**SMALL, mark=("LAB",))
    path.write_text(settings.to_json())
    assert TrainingConfiguration.load(path) == settings
    for text in (
        "{",
        json.dumps({"step": 3}),
        json.dumps({"licensed_weights": {"edge": 1}}),
        "[]",
        '{"steps": "x"}',
        '{"steps": 0}',
        '{"crop_size": 32}',
        '{"hyperparameters": {}}',
        '{"mixed_precision_share": 2}',
        '{"unlicensed_every": -1}',
        '{"information_bins": 1}',
        '{"information_bins": 257}',
        '{"information_bins": 86.0}',
        '{"licensed": 1}',
        '{"licensed": false, "unlicensed_every": 0}',
        '{"public_channel_share": 0}',
        '{"public_channel_share": 1.5}',
        '{"public_channel_share": 0.3}',
        '{"public_channel_share": 1e-9}',
        '{"public_channel_share": 0.25, "unlicensed_every": 0}',
        '{"enlarged_share": 1.5}',
        '{"reduced_share": 0.1}',
        '{"flat_weight": -1}',
        '{"step_weight": -1}',
        '{"layers_weight": -1}',
        '{"white_weight": -1}',
        '{"alone_weight": "x"}',
        '{"licensed_weights": {"dark_lines": -2}}',
        '{"licensed_weights": {"lost_white": -1}}',
        '{"licensed_weights": {"enlarged_edges": null}}',
        '{"window_share": 1.1}',
        '{"inverted_share": -0.1}',
        '{"finer_first": 1}',
        '{"averaging_decay": 1.5}',
        '{"averaging_decay": 1}',
        '{"licensed_weights": {"edges": -5}}',
        '{"licensed_weights_by_kind": {"ct-mri": {"edges": -5}}}',
        '{"log_gamma_range": -0.1}',
        '{"mark": [3]}',
        '{"mark": 3}',
        '{"learning_rate": "fast"}',
        '{"tampered_share": null}',
        '{"licensed_weights": 1}',
        '{"licensed_weights": {"edges": "many"}}',
        '{"licensed_weights_by_kind": {"ct-mri": {"edge": 1}}}',
        '{"licensed_weights_by_kind": {"ct-mri": {"edges": true}}}',
        '{"licensed_weights_by_kind": ["ct-mri"]}',
        '{"hyperparameters": [64]}',
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match="not a training configuration: (Expecting|.* must|.* cannot)") as refused:
            TrainingConfiguration.load(path)
        assert str(refused.value).endswith(". Correct it.")
        assert not any(word in str(refused.value) for word in ("__init__", "object is", "supported between"))


def test_the_bundled_models_stages_are_all_of_the_default_network():
    usual = TrainingConfiguration()
    for name in BUNDLED_STAGES:
        settings = bundled_stage(name)
        for same in ("architecture", "hyperparameters", "mark"):
            assert getattr(settings, same) == getattr(usual, same)


def test_the_bundled_models_stages_begin_with_earlier_ones_and_no_settings_are_left_over():
    done = []
    for name, start in BUNDLED_STAGES.items():
        assert set(start) <= set(done)
        done.append(name)
    assert set(BUNDLED_MODEL) <= set(done)
    settings = Path(bundled_stages.__file__).with_name("bundled_model").glob("*.json")
    assert {path.stem for path in settings} == set(done)


def test_the_bundled_models_stages_name_every_setting():
    """A default that changes must not change what a stage was."""
    for path in Path(bundled_stages.__file__).with_name("bundled_model").glob("*.json"):
        assert path.read_text() == bundled_stage(path.stem).to_json()


def test_the_public_set_is_learned_alone_and_first():
    # What is learned beside licensed fusion, or after it, might carry something of it.
    first, *later = map(bundled_stage, BUNDLED_STAGES)
    assert not first.licensed
    assert all(settings.licensed and not settings.unlicensed_every for settings in later)
