"""Training: measures, the mark, targets, reproducibility and resuming."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import SimpleITK
import torch
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.evaluation.metrics import fusion_metrics
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.training.averaging import average_runs
from AMIFusionLib.training.configuration import BUNDLED_STAGES, LicensedWeights, TrainingConfiguration, bundled_stage
from AMIFusionLib.training.dataset import CropSampler, TrainingPair, load_pairs
from AMIFusionLib.training.degradation import gaussian_blur, tampered_target, unlicensed_target
from AMIFusionLib.training.intensity_measures import (
    entropy,
    mutual_information,
    spatial_frequency,
    standard_deviation,
)
from AMIFusionLib.training.loop import Trainer
from AMIFusionLib.training.mark import mark_from_picture, mark_from_text
from AMIFusionLib.training.measures import (
    edge_measures,
    structural_similarity,
    sum_of_correlations_of_differences,
    visual_information_fidelity,
)
from AMIFusionLib.training.objective import flat_objective, licensed_objective
from AMIFusionLib.training.run_folder import read_run
from PIL import Image
from typer.testing import CliRunner

SMALL = {
    "hyperparameters": {"channels": 8, "blocks": 1, "scale": 2, "mark_size": 48},
    "batch_size": 2,
    "crop_size": 48,
    "steps": 500,
}


@pytest.fixture
def data_folder(tmp_path):
    """A manifest with one case of disks, CT-like and MR-like."""
    folder = tmp_path / "data"
    folder.mkdir()
    k, j, i = np.indices((6, 64, 64))
    radius = np.hypot(j - 31.5, i - 31.5)
    texture = np.random.default_rng(0).random(k.shape) * 40
    ct = np.where(radius < 28, np.where(radius > 24, 255, 80), 0).astype(np.uint8)
    mr = np.where(radius < 24, 100 + texture, 0).astype(np.uint8)
    for name, array in (("ct", ct), ("mr", mr)):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(folder / f"{name}.nrrd"))
    (folder / "manifest.csv").write_text(
        "pair,case,split,functional_or_ct,mri\nct-mri,1,train,ct.nrrd,mr.nrrd\nct-mri,2,validation,ct.nrrd,mr.nrrd\n"
    )
    return folder


def image_pair(seed=0):
    """Two smooth random images."""
    torch.manual_seed(seed)
    return tuple(gaussian_blur(torch.rand(1, 1, 96, 96), 2) for _ in range(2))


def test_measures_of_perfect_and_poor_images():
    first, second = image_pair()
    kept, lost = edge_measures(first, first, first), edge_measures(first, first, second)
    assert kept.preservation.item() == kept.weaker.item() == pytest.approx(0.9994 * 0.9879, rel=0.02)
    assert lost.preservation.item() < 0.4 and lost.artifacts.item() > 5 * kept.artifacts.item()
    assert structural_similarity(first, first).item() == pytest.approx(1)
    assert structural_similarity(first, second).item() < 0.6
    assert visual_information_fidelity(first, first).item() == pytest.approx(1, abs=1e-3)
    assert visual_information_fidelity(first, second).item() < 0.1
    assert sum_of_correlations_of_differences(first, second, first + second).item() == pytest.approx(2, abs=1e-3)


def test_training_measures_what_the_evaluation_measures():
    """The differentiable forms against the evaluation's own, on 8-bit images."""
    first, second = ((255 * (part - part.min()) / (part.max() - part.min())).round() / 255 for part in image_pair())
    fused = ((first + second) / 2 * 255).round() / 255
    evaluated = fusion_metrics(*((part[0, 0] * 255).round().to(torch.uint8).numpy() for part in (first, second, fused)))
    edges = edge_measures(first, second, fused)
    trained = {
        "EN": entropy(fused),
        "SD": 255 * standard_deviation(fused),
        "SF": 255 * spatial_frequency(fused),
        "SCD": sum_of_correlations_of_differences(first, second, fused),
        "SSIM": structural_similarity(first, fused) + structural_similarity(second, fused),
        "VIF": visual_information_fidelity(first, fused) + visual_information_fidelity(second, fused),
        "Qabf": edges.preservation,
        "Qmin": edges.weaker,
    }
    for name, value in trained.items():
        assert value.item() == pytest.approx(evaluated[name], rel=0.01), name


def test_mutual_information_counts_what_an_image_tells_of_another():
    first, second = image_pair()
    assert mutual_information(first, first) > 2 * mutual_information(first, second)
    assert mutual_information(first, torch.full_like(first, 0.4)).item() == pytest.approx(0, abs=1e-4)
    halves = torch.cat([torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], dim=3)
    assert mutual_information(halves, halves).item() == pytest.approx(np.log(2), abs=1e-4)


MEASURES = {
    "edges": lambda first, second, fused: edge_measures(first, second, fused).preservation,
    "weaker edges": lambda first, second, fused: edge_measures(first, second, fused).weaker,
    "artifacts": lambda first, second, fused: edge_measures(first, second, fused).artifacts,
    "differences": sum_of_correlations_of_differences,
    "similarity": lambda first, _, fused: structural_similarity(first, fused),
    "fidelity": lambda first, _, fused: visual_information_fidelity(first, fused),
    "information": lambda first, _, fused: mutual_information(first, fused),
    "entropy": lambda *images: entropy(images[2]),
    "contrast": lambda *images: standard_deviation(images[2]),
    "detail": lambda *images: spatial_frequency(images[2]),
}


@pytest.mark.parametrize("name", MEASURES)
def test_following_a_measures_gradient_improves_it(name):
    first, second = image_pair()
    fused = ((first + second) / 2).requires_grad_(True)
    before = MEASURES[name](first, second, fused)
    (gradient,) = torch.autograd.grad(before.sum(), fused)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    assert MEASURES[name](first, second, fused + 1e-4 * gradient / gradient.abs().max()) > before


def test_objective_minds_halos_checkerboards_and_lines_at_the_border():
    first, second = image_pair()
    plain = torch.maximum(first, second)
    checkered = plain.clone()
    checkered[..., ::2, ::2] += 0.05
    ringing = (plain + 0.1 * torch.sign(plain - gaussian_blur(plain, 3))).clamp(0, 1)
    lined = plain.clone()
    lined[..., -1] = 1 - lined[..., -1]
    terms = {
        name: licensed_objective(first, second, image, [LicensedWeights()])[1]
        for name, image in {"plain": plain, "checkered": checkered, "ringing": ringing, "lined": lined}.items()
    }
    assert terms["plain"]["overshoot"] == 0 and terms["plain"]["pattern"] == pytest.approx(0, abs=1e-6)
    assert terms["checkered"]["pattern"] > 0.01 and terms["ringing"]["overshoot"] > 0.01
    # A line at the border gains nothing.
    for name in ("detail", "contrast", "entropy", "information"):
        assert terms["lined"][name] == pytest.approx(terms["plain"][name])


def test_text_mark_fills_its_tile():
    tile = mark_from_text(["AMIF", "UNLICENSED"], 192)
    assert tile.shape == (192, 192) and tile.dtype == np.float32 and tile.max() == 1 and tile.min() == 0
    assert 0.15 < tile.mean() < 0.6
    rows, columns = np.flatnonzero(tile.max(axis=1) > 0.5), np.flatnonzero(tile.max(axis=0) > 0.5)
    assert columns[-1] - columns[0] > 0.85 * 192 and rows[-1] - rows[0] > 0.5 * 192
    assert tile[[0, -1]].max() < 0.1 and tile[:, [0, -1]].max() < 0.1
    for lines in ([], [""], ["A", "  "]):
        with pytest.raises(ValueError, match="at least one line"):
            mark_from_text(lines, 192)
    with pytest.raises(ValueError, match="no ü, 病, .* or give it as a picture"):
        mark_from_text(["Zürich", "病"], 192)
    mark_from_text(["St. Mary's (B) 7"], 192)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_picture_mark(tmp_path, mode):
    paper = 255 if mode == "L" else (255, 255, 255, 0)
    picture = Image.new(mode, (80, 40), paper)
    picture.paste(0 if mode == "L" else (200, 0, 0, 255), (20, 10, 60, 30))
    picture.save(tmp_path / "logo.png")
    tile = mark_from_picture(tmp_path / "logo.png", 64)
    assert tile[32, 32] > 0.9 and tile[5, 5] == 0 and tile[32, 3] == 0
    Image.new(mode, (80, 40), paper).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match="no stroke"):
        mark_from_picture(tmp_path / "empty.png", 64)


def positions(size):
    """Pixel positions around the center."""
    line = torch.arange(size) - (size - 1) / 2
    return tuple(part[None] for part in torch.meshgrid(line, line, indexing="ij"))


def test_unlicensed_target_shows_the_mark_and_hides_the_detail():
    first, second = image_pair()
    tile = torch.from_numpy(mark_from_text(["AMIF"], 96))[None, None]
    marked = unlicensed_target(first, second, tile, *positions(96), period=96)
    plain = unlicensed_target(first, second, tile * 0, *positions(96), period=96)
    assert marked.min() >= 0 and marked.max() <= 1
    assert (marked - plain).amax() > 0.3 and (marked - plain).amin() > -1e-6
    detail = torch.maximum(first, second) - gaussian_blur(torch.maximum(first, second), 2)
    kept = plain - gaussian_blur(plain, 2)
    assert kept.std() < 0.3 * detail.std()
    tampered = tampered_target(first, second)
    assert tampered.std() < 0.5 * plain.std()


def test_strokes_depend_on_the_content():
    """A template read off one image does not fit another."""
    tile = torch.from_numpy(mark_from_text(["AMIF"], 96))[None, None]
    strokes = []
    for level in (0.0, 0.9):
        image = torch.full((1, 1, 96, 96), level)
        pair = (image, image, tile, *positions(96), 96)
        strokes.append((unlicensed_target(*pair) - unlicensed_target(image, image, tile * 0, *positions(96), 96)) > 0.1)
    assert (strokes[0] != strokes[1]).float().mean() > 0.05


def test_crops_are_registered_and_reproducible(data_folder):
    pairs = load_pairs(data_folder, "train")
    batches = [CropSampler(pairs, 48, 4, np.random.default_rng(7)).draw() for _ in range(2)]
    torch.testing.assert_close(batches[0].first, batches[1].first)
    crops = batches[0]
    assert crops.first.shape == crops.second.shape == (4, 1, 48, 48)
    assert crops.rows.shape == (4, 48, 48) and crops.rows.abs().max() <= 31.5
    other = CropSampler(pairs, 48, 4, np.random.default_rng(8)).draw()
    assert not torch.equal(other.first, crops.first)


@pytest.fixture
def ramps():
    """Pairs whose gray value is the row in the one source and the column in the other, 0.1 to 0.9."""
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)
    rows, columns = (np.broadcast_to(each, (1, 256, 256)) for each in (ramp[:, None], ramp))
    return [TrainingPair("ramps", "ct-mri", rows, columns)]


@pytest.mark.parametrize("shares, factors", [((0, 0), {1.0}), ((1, 0), None), ((0, 1), {0.5, 0.25})])
def test_crops_of_every_scale_know_where_they_lie(monkeypatch, ramps, shares, factors):
    """The mark is laid by these positions, on the grid that the whole slice would have at the crop's scale."""
    monkeypatch.setattr(CropSampler, "_turned", lambda self, *images: images)
    monkeypatch.setattr(CropSampler, "_toned", lambda self, *images: images)
    sampler, found = CropSampler(ramps, 192, 1, np.random.default_rng(0), *shares), []
    for _ in range(12):
        crops = sampler.draw()
        images = [crops.first[0, 0].double(), crops.second[0, 0].double()]
        # Sources may have changed places: the one that changes from row to row shows the rows.
        by_row, by_column = sorted(images, key=lambda image: image.diff(dim=0).abs().mean().item(), reverse=True)
        inside = (slice(4, -4), slice(4, -4))
        step = 0.8 / 255
        # Whole pixels of the slice make up a crop, whatever the interpolation's ripples do to a mean.
        found.append(192 / round(192 * by_row.diff(dim=0)[inside].mean().item() / step))
        for image, places in ((by_row, crops.rows[0]), (by_column, crops.columns[0])):
            expected = 0.5 + places / found[-1] * step
            torch.testing.assert_close(image[inside], expected[inside].double(), atol=5e-4, rtol=0)
    if factors is not None:
        assert set(found) == factors
    else:
        assert min(found) < 1.5 and 3 < max(found) <= 4.05


def test_flat_objective_minds_a_pattern_and_can_be_followed_from_none():
    flat = torch.full((2, 1, 8, 8), 0.3, requires_grad=True)
    loss = flat_objective(flat)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-7) and torch.isfinite(flat.grad).all()
    assert flat_objective(flat.detach() + 0.01 * (torch.arange(8) % 2)).item() == pytest.approx(0.005, rel=1e-3)


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


def test_missing_split_is_named(data_folder):
    with pytest.raises(ValueError, match="split 'test'"):
        load_pairs(data_folder, "test")


def train(folder, data_folder, **changes):
    """Train a small network."""
    settings = TrainingConfiguration(**{**SMALL, **changes})
    return list(Trainer(settings, load_pairs(data_folder, "train"), folder).run())


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


def test_mark_may_be_one_text(tmp_path):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps({"mark": "logo.png"}))
    assert TrainingConfiguration.load(path).mark == ("logo.png",)


@pytest.mark.parametrize("change", [{"architecture": "zz"}, {"hyperparameters": {"mark_size": 48, "depth": 3}}])
def test_networks_that_do_not_exist_are_named(tmp_path, data_folder, change):
    with pytest.raises(ValueError, match="no architecture 'zz'|do not fit"):
        train(tmp_path / "run", data_folder, **change)


def test_picture_that_is_not_there_is_not_drawn_as_text(tmp_path, data_folder):
    with pytest.raises(FileNotFoundError):
        train(tmp_path / "run", data_folder, mark=("missing.png",))


def test_slices_smaller_than_a_crop_are_named(tmp_path, data_folder):
    with pytest.raises(ValueError, match="smaller than the crop size of 300"):
        train(tmp_path / "run", data_folder, crop_size=300)


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
        '{"enlarged_share": 1.5}',
        '{"reduced_share": 0.1}',
        '{"flat_weight": -1}',
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


def test_weights_may_differ_by_pair_type():
    settings = TrainingConfiguration(licensed_weights_by_kind={"ct-mri": {"edges": 3.0}})
    assert settings.weights_of("ct-mri") == dataclasses.replace(settings.licensed_weights, edges=3.0)
    assert settings.weights_of("pet-mri") == settings.licensed_weights
    first, second, fused = torch.rand(3, 2, 1, 64, 64)
    only = [LicensedWeights(**{**dict.fromkeys(dataclasses.asdict(LicensedWeights()), 0.0), **each})
            for each in ({"edges": 1.0}, {"entropy": 1.0})]  # fmt: skip
    both = licensed_objective(first, second, fused, only)[0]
    alone = [licensed_objective(first[i, None], second[i, None], fused[i, None], [only[i]])[0] for i in range(2)]
    torch.testing.assert_close(both, sum(alone) / 2)
    assert abs(alone[0] - alone[1]) > 0.1


def test_real_data_loads(wholebrain):
    pairs = load_pairs(wholebrain, "train")
    assert {pair.kind for pair in pairs} == {"ct-mri", "pet-mri", "spect-mri"}
    for pair in pairs:
        assert pair.first.shape == pair.second.shape and pair.first.min() >= 0 and pair.first.max() <= 1


def test_bundled_settings_can_be_loaded_and_the_first_stage_is_the_default():
    coarse, *later = map(bundled_stage, BUNDLED_STAGES)
    assert coarse == TrainingConfiguration()
    for settings in later:
        for name in ("architecture", "hyperparameters", "mark"):
            assert getattr(settings, name) == getattr(coarse, name)


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
