"""A training's settings: kept in a file, with typing errors named, and those that are bundled."""

import json

import pytest
from AMIFusionLib.fusion.network import ARCHITECTURES
from AMIFusionLib.training.configuration import BUNDLED_STAGES, TrainingConfiguration, bundled_stage
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
        '{"licensed": 1}',
        '{"licensed": false, "unlicensed_every": 0}',
        '{"enlarged_share": 1.5}',
        '{"reduced_share": 0.1}',
        '{"flat_weight": -1}',
        '{"step_weight": -1}',
        '{"alone_weight": "x"}',
        '{"window_share": 1.1}',
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
        assert not any(word in str(refused.value) for word in ("__init__", "object is", "supported between"))


def test_bundled_settings_can_be_loaded_and_the_first_stage_is_the_default():
    coarse, *later = map(bundled_stage, BUNDLED_STAGES)
    assert coarse == TrainingConfiguration()
    for settings in later:
        for name in ("architecture", "hyperparameters", "mark"):
            assert getattr(settings, name) == getattr(coarse, name)
