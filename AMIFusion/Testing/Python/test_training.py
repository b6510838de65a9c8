"""Training: what a run learns, how it is resumed, begun with another and averaged, and what is refused."""
# ruff: noqa: F811 (fixtures are imported by name)

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.fusion.network import ARCHITECTURES, build_network
from AMIFusionLib.training.averaging import average_runs
from AMIFusionLib.training.configuration import LicensedWeights, TrainingConfiguration
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.training.loop import Trainer
from AMIFusionLib.training.run_folder import read_run
from small_training import SMALL, data_folder, train  # noqa: F401 (a fixture)
from typer.testing import CliRunner


def test_public_values_may_be_left_as_they_are(tmp_path, data_folder):
    """A stage that makes only the licensed fusion better changes nothing that is public."""
    train(tmp_path / "first", data_folder, steps=1)
    settings = TrainingConfiguration(**{**SMALL, "steps": 3, "unlicensed_every": 0, "flat_weight": 1.0})
    trainer = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "second", start=tmp_path / "first")
    assert np.isnan(list(trainer.run())[-1].terms["unlicensed"])
    before, after = (read_run(tmp_path / name) for name in ("first", "second"))
    for name, value in before.public.items():
        np.testing.assert_array_equal(after.public[name], value)
    assert not np.array_equal(after.sealed["stem.weight"], before.sealed["stem.weight"])


def test_gray_values_are_told_apart_as_finely_as_the_settings_say(tmp_path, data_folder):
    told = {}
    for bins in (2, 86, 256):
        settings = TrainingConfiguration(**{**SMALL, "steps": 1, "information_bins": bins})
        (progress,) = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / str(bins)).run()
        told[bins] = 3 - progress.terms["information"]
    assert told[2] < told[86] < told[256]


def test_sealed_values_may_be_left_as_they_are(tmp_path, data_folder):
    """A stage may learn the unlicensed behavior alone, at any step in two."""
    train(tmp_path / "first", data_folder, steps=1)
    settings = TrainingConfiguration(**{**SMALL, "steps": 3, "licensed": False, "unlicensed_every": 2})
    trainer = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "second", start=tmp_path / "first")
    (progress,) = trainer.run()
    assert list(progress.terms) == ["unlicensed"] and np.isfinite(progress.terms["unlicensed"])
    before, after = (read_run(tmp_path / name) for name in ("first", "second"))
    for name, value in before.sealed.items():
        np.testing.assert_array_equal(after.sealed[name], value)
    assert not np.array_equal(after.public["stem.weight"], before.public["stem.weight"])


@pytest.mark.parametrize(
    "architecture, whole, half",
    [
        ("amif-two-scale-1", {"channels": 8, "blocks": 2, "fine_channels": 6},
         {"channels": 4, "blocks": 2, "fine_channels": 3}),
        ("amif-residual-2", {"channels": 8, "blocks": 2, "scale": 4}, {"channels": 4, "blocks": 2, "scale": 4}),
    ],
)  # fmt: skip
def test_public_values_may_be_those_of_a_smaller_network(tmp_path, data_folder, architecture, whole, half):
    """What the unlicensed behavior does not need would serve whoever trains the public values on."""
    size = {"mark_size": SMALL["hyperparameters"]["mark_size"]}
    settings = {"architecture": architecture, "hyperparameters": {**whole, **size}, "steps": 3}
    train(tmp_path / "run", data_folder, **settings, public_channel_share=0.5)
    run = read_run(tmp_path / "run")
    shapes = {name: value.shape for name, value in ARCHITECTURES[architecture](**half, **size).named_parameters()}
    kept = {name: value[tuple(map(slice, shapes[name]))] for name, value in run.public.items()}
    assert all(kept[name].all() and np.count_nonzero(run.public[name]) == kept[name].size for name in kept
               if name not in ("mark", "air_gain"))  # fmt: skip
    images = [torch.rand(1, 1, 48, 48) for _ in range(3)]
    smaller, larger = (
        build_network(architecture, half | size, kept),
        build_network(architecture, whole | size, run.public),
    )
    torch.testing.assert_close(larger(*images), smaller(*images))
    assert all(value.all() for name, value in run.sealed.items() if name not in ("mark", "air_gain"))
    train(tmp_path / "dense", data_folder, **settings)
    assert all(value.all() for name, value in read_run(tmp_path / "dense").public.items() if name != "mark")
    # A run that begins with one of all channels, and is stopped and goes on, keeps to them too.
    asked = TrainingConfiguration(**{**SMALL, **settings, "public_channel_share": 0.5})
    for steps in (2, 4):
        stage = dataclasses.replace(asked, steps=steps)
        pairs = load_pairs(data_folder, "train")
        list(Trainer(stage, pairs, tmp_path / "stage", start=tmp_path / "dense").run())
    for name, value in read_run(tmp_path / "stage").public.items():
        assert name in ("mark", "air_gain") or np.count_nonzero(value) == kept[name].size


def test_the_mean_of_the_values_is_written_and_goes_on(monkeypatch, tmp_path, data_folder):
    monkeypatch.setattr("AMIFusionLib.training.loop._CHECKPOINT_EVERY", 3)
    means = []
    for name, decay in (("plain", 0.0), ("mean", 0.9)):
        train(tmp_path / name, data_folder, steps=6, averaging_decay=decay)
        values = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["values"]["sealed"]["stem.weight"]
        written = read_run(tmp_path / name).sealed["stem.weight"]
        means.append((values.detach().numpy(), written))
    # What is averaged changes nothing of what is trained.
    np.testing.assert_array_equal(means[0][0], means[1][0])
    np.testing.assert_array_equal(*means[0])
    assert 0 < np.abs(np.subtract(*means[1])).max() < 0.02

    settings = TrainingConfiguration(**{**SMALL, "steps": 6, "averaging_decay": 0.9})
    half = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "half")
    next(steps := half.run())
    steps.close()
    train(tmp_path / "half", data_folder, steps=6, averaging_decay=0.9)
    np.testing.assert_allclose(read_run(tmp_path / "half").sealed["stem.weight"], means[1][1], atol=1e-7)


def test_a_training_of_a_version_without_means_goes_on_with_its_values(tmp_path, data_folder):
    train(tmp_path / "run", data_folder, steps=4, averaging_decay=0.9)
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    means = checkpoint.pop("mean")
    torch.save(checkpoint, tmp_path / "run" / "checkpoint.pt")
    settings = TrainingConfiguration(**{**SMALL, "steps": 5, "averaging_decay": 0.9})
    trainer = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "run")
    for name, value in checkpoint["values"]["sealed"].items():
        assert torch.equal(trainer._mean[name], value)
    assert not torch.equal(trainer._mean["head.weight"], means["head.weight"])


def test_what_a_training_that_was_ended_left_is_put_right(tmp_path, data_folder):
    """Ended after the last checkpoint it has older parameters, or none; before it, rows of what is trained again."""
    run = tmp_path / "run"
    train(run, data_folder, steps=2)
    before, log = read_run(run), (run / "log.csv").read_text()
    (run / "parameters.npz").unlink()
    with open(run / "log.csv", "a") as file:
        file.write(log.splitlines()[-1].replace("2,", "3,", 1) + "\n")
    train(run, data_folder, steps=2)
    assert (run / "log.csv").read_text() == log
    (run / "log.csv").write_text("")
    train(run, data_folder, steps=2)
    for name, value in before.sealed.items():
        np.testing.assert_array_equal(read_run(run).sealed[name], value)


@pytest.mark.parametrize("every", [0, 1])
def test_the_mark_stays_with_the_public_values_that_were_learned_with_it(tmp_path, data_folder, every):
    train(tmp_path / "first", data_folder, steps=1)
    first = read_run(tmp_path / "first").public["mark"]
    settings = TrainingConfiguration(**{**SMALL, "steps": 1, "mark": ("OTHER",), "unlicensed_every": every})
    list(Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "second", start=tmp_path / "first").run())
    assert np.array_equal(read_run(tmp_path / "second").public["mark"], first) == (every == 0)


def test_that_a_mark_is_kept_is_told(tmp_path, data_folder):
    train(tmp_path / "first", data_folder, steps=1)
    settings = {**SMALL, "steps": 1, "mark": ["OTHER"], "unlicensed_every": 0}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    command = ["train", str(tmp_path / "second"), "--data", str(data_folder), "--start", str(tmp_path / "first")]
    shown = CliRunner().invoke(application, [*command, "--configuration", str(tmp_path / "settings.json")])
    assert shown.exit_code == 0 and "the mark that they were learned with" in shown.output.replace("\n", " ")


def test_a_training_is_not_gone_on_with_from_another_start(tmp_path, data_folder):
    for name, seed in (("one", 1), ("other", 2)):
        train(tmp_path / name, data_folder, steps=1, seed=seed)
    pairs = load_pairs(data_folder, "train")
    begun = TrainingConfiguration(**{**SMALL, "steps": 1})
    list(Trainer(begun, pairs, tmp_path / "run", start=tmp_path / "one").run())
    longer = dataclasses.replace(begun, steps=2)
    with pytest.raises(ValueError, match="began with another run"):
        Trainer(longer, pairs, tmp_path / "run", start=tmp_path / "other")
    for start in (tmp_path / "one", None):
        list(Trainer(longer, pairs, tmp_path / "run", start=start).run())


@pytest.mark.parametrize("name", ["logo.svg", "configuration.json"])
def test_a_mark_that_is_no_picture_is_not_drawn_as_text(tmp_path, data_folder, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configuration.json").write_text("{}")
    with pytest.raises(ValueError, match="no picture that can be read"):
        Trainer(TrainingConfiguration(**{**SMALL, "mark": (name,)}), load_pairs(data_folder, "train"), tmp_path / "run")


def test_a_mark_too_long_to_be_drawn_is_told(tmp_path, data_folder):
    settings = TrainingConfiguration(**{**SMALL, "mark": ("A" * 300,)})
    with pytest.raises(ValueError, match="has 300 letters, too many"):
        Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "run")


def test_weights_of_pair_types_that_the_data_has_not_are_told(tmp_path, data_folder):
    settings = dataclasses.asdict(TrainingConfiguration(**{**SMALL, "steps": 1}))
    settings["licensed_weights_by_kind"] = {"ct-mr": {"edges": 3}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    command = ["train", str(tmp_path / "run"), "--data", str(data_folder)]
    shown = CliRunner().invoke(application, [*command, "--configuration", str(tmp_path / "settings.json")])
    assert shown.exit_code == 0 and "weights for ct-mr count for nothing" in shown.output


def test_an_unlicensed_training_that_diverges_is_told(tmp_path, data_folder):
    with pytest.raises(ValueError, match="diverged at step"):
        train(tmp_path / "run", data_folder, steps=20, licensed=False, unlicensed_every=1, learning_rate=1e25)


def test_every_term_is_trained(tmp_path, data_folder):
    names = ("flat_weight", "step_weight", "layers_weight", "white_weight", "alone_weight")
    weights = {**dict.fromkeys(names, 1.0), "window_share": 0.5, "inverted_share": 0.5}
    progress = train(tmp_path / "run", data_folder, steps=2, **weights)
    assert np.isfinite(list(progress[-1].terms.values())).all()


def test_white_among_layers_and_inverted_sources_are_learned_from(tmp_path, data_folder):
    settings = {"plain": {}, "white": {"white_weight": 5.0}, "inverted": {"inverted_share": 1.0}}
    learned = []
    for name, more in settings.items():
        train(tmp_path / name, data_folder, steps=2, **more)
        learned.append(read_run(tmp_path / name).sealed["head.weight"])
    assert not any(np.array_equal(learned[0], other) for other in learned[1:])


def test_the_edges_of_enlarged_crops_weigh_as_asked(tmp_path, data_folder):
    """Where no crop is enlarged that weight is for nothing."""
    weights, learned = dataclasses.asdict(LicensedWeights()), {}
    for share in (0.0, 1.0):
        for more in (0.0, 9.0):
            settings = {
                "enlarged_share": share,
                "licensed_weights": LicensedWeights(**{**weights, "enlarged_edges": more}),
            }
            train(tmp_path / f"{share}-{more}", data_folder, steps=2, **settings)
            learned[share, more] = read_run(tmp_path / f"{share}-{more}").sealed["head.weight"]
    np.testing.assert_array_equal(learned[0.0, 0.0], learned[0.0, 9.0])
    assert not np.array_equal(learned[1.0, 0.0], learned[1.0, 9.0])


def test_every_architecture_is_trained(tmp_path, data_folder):
    """Another one than the default, with a run that begins with it; a run of the default one cannot."""
    sizes = {"channels": 8, "blocks": 1, "scale": 2, "mark_size": SMALL["hyperparameters"]["mark_size"]}
    settings = {"architecture": "amif-residual-2", "hyperparameters": sizes}
    first = train(tmp_path / "first", data_folder, steps=1, **settings)
    assert np.isfinite(list(first[-1].terms.values())).all()
    before = read_run(tmp_path / "first")
    assert before.sealed["head.weight"].shape == (8, 8, 3, 3) and before.public["head.weight"].std() > 0
    build_network(before.architecture, before.hyperparameters, before.sealed)
    pairs = load_pairs(data_folder, "train")
    changed = TrainingConfiguration(**{**SMALL, **settings, "steps": 2})
    list(Trainer(changed, pairs, tmp_path / "second", start=tmp_path / "first").run())
    assert not np.array_equal(read_run(tmp_path / "second").sealed["head.weight"], before.sealed["head.weight"])
    with pytest.raises(ValueError, match="of another network"):
        Trainer(TrainingConfiguration(**{**SMALL, "steps": 2}), pairs, tmp_path / "third", start=tmp_path / "first")


def test_the_command_draws_no_bar_into_a_pipe(tmp_path, data_folder):
    settings = dataclasses.asdict(TrainingConfiguration(**{**SMALL, "steps": 1}))
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    command = ["train", str(tmp_path / "run"), "--data", str(data_folder)]
    ran = CliRunner().invoke(application, [*command, "--configuration", str(tmp_path / "settings.json")])
    assert (ran.exit_code, ran.stderr) == (0, "") and ran.stdout.startswith("1/1"), ran.output


def test_mean_of_runs(tmp_path, data_folder):
    train(tmp_path / "first", data_folder, steps=1)
    settings = TrainingConfiguration(**{**SMALL, "steps": 2, "unlicensed_every": 0})
    pairs = load_pairs(data_folder, "train")
    list(Trainer(settings, pairs, tmp_path / "second", start=tmp_path / "first").run())
    command = ["average", str(tmp_path / "mean"), str(tmp_path / "first"), str(tmp_path / "second")]
    ran = CliRunner().invoke(application, [*command, "--weight", "1", "--weight", "3"])
    assert ran.exit_code == 0, ran.output
    first, second, mean = (read_run(tmp_path / name) for name in ("first", "second", "mean"))
    for name, value in mean.sealed.items():
        np.testing.assert_allclose(value, 0.25 * first.sealed[name] + 0.75 * second.sealed[name], atol=1e-6)
    for name, value in mean.public.items():
        np.testing.assert_array_equal(value, first.public[name])
    assert "holds a run already" in CliRunner().invoke(application, command).output

    train(tmp_path / "other mark", data_folder, steps=1, mark=("OTHER",))
    train(tmp_path / "larger", data_folder, steps=1, hyperparameters={**SMALL["hyperparameters"], "channels": 10})
    for name, said in (("other mark", "different marks"), ("larger", "different networks")):
        with pytest.raises(ValueError, match=said):
            average_runs([tmp_path / "first", tmp_path / name], [1, 1], tmp_path / "none")
    for weights in ([1], [1, -1], [1, float("nan")]):
        with pytest.raises(ValueError, match="weight above 0"):
            average_runs([tmp_path / "first", tmp_path / "second"], weights, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_training_learns_both_behaviors_and_can_be_resumed(monkeypatch, tmp_path, data_folder):
    monkeypatch.setattr("AMIFusionLib.training.loop._CHECKPOINT_EVERY", 100)
    progress = train(tmp_path / "whole", data_folder, steps=300)
    assert [part.step for part in progress] == [100, 200, 300]
    for term in ("edges", "intensity", "unlicensed"):
        assert progress[-1].terms[term] < progress[0].terms[term]
    run = read_run(tmp_path / "whole")
    networks = [build_network(run.architecture, run.hyperparameters, values) for values in (run.public, run.sealed)]
    pair = load_pairs(data_folder, "train")[0]
    first, second = (torch.from_numpy(part[2])[None, None] for part in (pair.first, pair.second))
    marked, clean = (network(first, second, network.mark_field(64, 64)) for network in networks)
    assert -10 * torch.log10(((marked - clean) ** 2).mean()) < 20
    assert (clean[(first == 0) & (second == 0)] == 0).all()

    settings = TrainingConfiguration(**{**SMALL, "steps": 300})
    resumed = Trainer(settings, load_pairs(data_folder, "train"), tmp_path / "half")
    next(steps := resumed.run())
    steps.close()
    shutil.copytree(tmp_path / "half", tmp_path / "moved")
    train(tmp_path / "moved", data_folder, steps=300)
    again = read_run(tmp_path / "moved")
    for name, value in run.sealed.items():
        np.testing.assert_allclose(again.sealed[name], value, atol=1e-6)
    assert len((tmp_path / "moved" / "log.csv").read_text().splitlines()) == 4


def test_other_settings_do_not_go_on_with_a_begun_run(tmp_path, data_folder):
    """The mark, say: going on would keep the old one under the new name."""
    train(tmp_path / "run", data_folder, steps=1)
    before = (tmp_path / "run" / "configuration.json").read_text()
    with pytest.raises(ValueError, match="training with other settings"):
        train(tmp_path / "run", data_folder, steps=1, mark=("OTHER",))
    assert (tmp_path / "run" / "configuration.json").read_text() == before
    assert [part.step for part in train(tmp_path / "run", data_folder, steps=2)] == [2]


def test_shorter_run_than_was_trained_is_refused(tmp_path, data_folder):
    train(tmp_path / "run", data_folder, steps=2)
    with pytest.raises(ValueError, match="2 steps already"):
        train(tmp_path / "run", data_folder, steps=1)
    (tmp_path / "run" / "configuration.json").unlink()
    with pytest.raises(ValueError, match="without its configuration.json"):
        train(tmp_path / "run", data_folder, steps=3)


@pytest.mark.parametrize("change", [{"architecture": "zz"}, {"hyperparameters": {"mark_size": 48, "depth": 3}}])
def test_networks_that_do_not_exist_are_named(tmp_path, data_folder, change):
    refusal = "no architecture 'zz'|has no depth, only channels, .* another 'architecture': amif-residual-2"
    with pytest.raises(ValueError, match=refusal):
        train(tmp_path / "run", data_folder, **change)


def test_picture_that_is_not_there_is_not_drawn_as_text(tmp_path, data_folder):
    with pytest.raises(FileNotFoundError):
        train(tmp_path / "run", data_folder, mark=("missing.png",))


def test_training_may_begin_with_another_run(tmp_path, data_folder):
    train(tmp_path / "first", data_folder, steps=2)
    pairs = load_pairs(data_folder, "train")
    settings = TrainingConfiguration(**{**SMALL, "steps": 1, "learning_rate": 1e-12}, mark=("LAB",))
    list(Trainer(settings, pairs, tmp_path / "second", start=tmp_path / "first").run())
    first, second = (read_run(tmp_path / name) for name in ("first", "second"))
    for name in ("stem.weight", "head.bias"):
        np.testing.assert_allclose(second.sealed[name], first.sealed[name], atol=1e-9)
        np.testing.assert_allclose(second.public[name], first.public[name], atol=1e-9)
    assert not np.array_equal(second.public["mark"], first.public["mark"])
    other = TrainingConfiguration(**{**SMALL, "hyperparameters": {**SMALL["hyperparameters"], "channels": 4}})
    with pytest.raises(ValueError, match="of another network"):
        Trainer(other, pairs, tmp_path / "third", start=tmp_path / "first")
    with pytest.raises(FileNotFoundError, match="no configuration.json"):
        Trainer(settings, pairs, tmp_path / "third", start=tmp_path / "nowhere")
    assert not (tmp_path / "third").exists()


def test_what_cannot_be_trained_is_said_in_a_sentence(tmp_path, data_folder):
    pairs = load_pairs(data_folder, "train")
    with pytest.raises(ValueError, match="no device 'gpu'"):
        Trainer(TrainingConfiguration(**SMALL), pairs, tmp_path / "run", device="gpu")
    with pytest.raises(ValueError, match="diverged at step .* Lower its 'learning_rate'"):
        train(tmp_path / "wild", data_folder, learning_rate=1e30, steps=50)
    empty = [dataclasses.replace(pair, first=0 * pair.first, second=0 * pair.second) for pair in pairs]
    with pytest.raises(ValueError, match="Hardly any part of ct-mri 1"):
        list(Trainer(TrainingConfiguration(**SMALL), empty, tmp_path / "empty").run())
    train(tmp_path / "spoiled", data_folder, steps=1)
    (tmp_path / "spoiled" / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="not what a training wrote"):
        train(tmp_path / "spoiled", data_folder, steps=2)
