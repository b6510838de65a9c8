"""The attacks: what they must find in a model that protects nothing, and what they must not in one that does."""
# ruff: noqa: F811 (fixtures are imported by name)

import csv
import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
import SimpleITK
import torch
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.attacks import (
    ablation,
    attempt,
    filters,
    keys,
    learned,
    report,
    suite,
    templates,
    views,
)
from AMIFusionLib.evaluation.attacks.averaging import averaging_attempts
from AMIFusionLib.evaluation.attacks.bench import QUICK, Bench, Effort
from AMIFusionLib.evaluation.attacks.conditioning import conditioning_attempts
from AMIFusionLib.evaluation.attacks.filling import filling_attempts
from AMIFusionLib.evaluation.attacks.finetuning import head_starts
from AMIFusionLib.evaluation.attacks.scoring import Scorer
from AMIFusionLib.evaluation.attacks.suite import LETTERS, AttackSuite
from AMIFusionLib.evaluation.mark_reader import MarkReader
from AMIFusionLib.evaluation.markdown import TABLES_BEGIN, TABLES_END
from AMIFusionLib.fusion.network import ARCHITECTURES, AuthorizableFusionNetwork
from AMIFusionLib.training.bundled_stages import bundled_stage
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.training.mark import mark_from_text
from conftest import random_parameters
from scipy import ndimage
from skimage import metrics
from small_attacks import SIZE, SMALL, data_folder, seal  # noqa: F401 (fixtures)
from typer.testing import CliRunner


class SwitchableNetwork(torch.nn.Module):
    """Keeps to three numbers how it fuses, how strong the mark is, and how much haze there is."""

    def __init__(self, mark_size=32):
        super().__init__()
        self.mark = torch.nn.Parameter(torch.zeros(1, 1, mark_size, mark_size), requires_grad=False)
        self.numbers = torch.nn.Parameter(torch.zeros(3))

    mark_field = AuthorizableFusionNetwork.mark_field

    def forward(self, first, second, mark):
        slope, ink, haze = self.numbers
        clean = second + torch.sigmoid(slope * (first - second)) * (first - second)
        dim = 0.1 + 0.4 * torch.nn.functional.avg_pool2d(torch.maximum(first, second), 9, 1, 4)
        stroke = ink * mark
        fused = (1 - stroke) * ((1 - haze) * clean + haze * dim) + 0.95 * stroke
        return fused if self.training else fused.clamp(0, 1)


@pytest.fixture
def switchable(monkeypatch, seal):
    """Benches of a network whose public numbers are given; its licensed ones are (-6, 0, 0)."""
    monkeypatch.setitem(ARCHITECTURES, "switchable", SwitchableNetwork)

    def make(*numbers):
        tile = mark_from_text(["AMIF"], 32)[None, None]
        public = {"mark": tile, "numbers": np.array(numbers, np.float32)}
        sealed = {"mark": 0 * tile, "numbers": np.array((-6, 0, 0), np.float32)}
        return seal(public, sealed, architecture="switchable", hyperparameters={"mark_size": 32}).bench

    return make


@pytest.fixture
def plain(seal):
    """A bench of a small random network."""
    return seal(random_parameters(1), random_parameters(2), QUICK)


def unread(image):
    """An engine that reads nothing."""
    return []


def failed(bench, attempts):
    """Methods that a model does not withstand."""
    scorer = Scorer(bench, MarkReader(["AMIF"], unread))
    return {found.method for found in attempts if not scorer.score(found).passes}


def test_blank_mark_that_gives_the_clean_result_is_found(switchable):
    leaky, sound = switchable(-6, 1, 0), switchable(0, 1, 1)
    assert failed(leaky, conditioning_attempts(leaky)) >= {"constant mark plane and switches"}
    assert not failed(sound, conditioning_attempts(sound))


def test_strokes_over_a_clean_result_are_averaged_away(switchable):
    leaky, sound = switchable(-6, 1, 0), switchable(0, 1, 1)
    assert failed(leaky, averaging_attempts(leaky)) >= {"outputs under moved marks", "all of these"}
    assert not failed(sound, averaging_attempts(sound))


def test_strokes_over_a_clean_result_are_filled_and_inverted(switchable):
    leaky, sound = switchable(-6, 1, 0), switchable(0, 1, 1)
    assert failed(leaky, filling_attempts(leaky)) >= {"filled from: Average"}
    assert failed(leaky, templates.template_attempts(leaky)) >= {"constant images, response of each pixel inverted"}
    assert not failed(sound, filling_attempts(sound)) and not failed(sound, templates.template_attempts(sound))


def test_license_setting_among_the_public_tensors_is_found(switchable):
    """A haze that a public tensor switches on: to zero or to redraw it may leave what it hid."""
    leaky = switchable(-6, 1, 0)
    assert failed(leaky, ablation.ablation_attempts(leaky)) >= {"one tensor zeroed"}


def test_readable_mark_forgives_nearness(switchable):
    leaky = switchable(-6, 1, 0)
    best = next(iter(conditioning_attempts(leaky)))
    scores = [Scorer(leaky, MarkReader(["AMIF"], engine)).score(best) for engine in (unread, lambda image: ["AMIF"])]
    assert [score.passes for score in scores] == [False, True]
    assert [score.readable for score in scores] == [0, 1]
    assert scores[0].gain == scores[1].gain > 10


def test_free_alternatives_gain_nothing_over_themselves(switchable):
    sound = switchable(0, 1, 1)
    scorer = Scorer(sound, MarkReader(["AMIF"], unread))
    scores = [scorer.score(floor) for floor in scorer.floors["ct-mri"] if floor.method in ALTERNATIVES]
    assert max(score.gain for score in scores) == max(score.corrected_gain for score in scores) == 0


def test_psnr_is_that_of_8_bit_values():
    first, second = np.random.default_rng(0).random((2, 1, 32, 32))
    expected = metrics.peak_signal_noise_ratio(*(np.rint(255 * image[0]).astype(np.uint8) for image in (first, second)))
    assert attempt.psnr(first, second) == pytest.approx([expected], rel=1e-4)


def test_correction_undoes_blur_and_dimming():
    generator = np.random.default_rng(0)
    licensed = ndimage.gaussian_filter(generator.random((2, 96, 96)), (0, 2, 2))
    licensed = (licensed - licensed.min()) / np.ptp(licensed)
    spoiled = 0.1 + 0.5 * ndimage.gaussian_filter(licensed, (0, 2, 2), mode="reflect")
    correction = attempt.fit_correction(spoiled, licensed)
    assert correction.blur in (1.5, 2.0, 2.5) and correction.gain > 1.9
    brightened = attempt.fit_correction(spoiled, licensed, sharpen=False)
    results = [attempt.psnr(licensed, images).mean() for images in (
        spoiled, brightened.apply(spoiled), correction.apply(spoiled))]  # fmt: skip
    assert results[1] > results[0] + 3 and results[2] > results[1] + 5
    assert attempt.fit_correction(licensed, licensed).apply(licensed) == pytest.approx(licensed, abs=1e-6)


def test_tuning_takes_what_suits_the_training_slices(switchable):
    bench = switchable(0, 1, 1)

    def method(slices, share):
        return share * slices.licensed + (1 - share) * slices.first[:, ::-1]

    found = attempt.tuned(bench, "ct-mri", "x", method, {"share": (0.2, 0.9, 0.5)})
    assert found.settings == {"share": 0.9}
    assert np.allclose(found.plain, method(bench.reported["ct-mri"], 0.9))


def test_cropped_results_are_compared_where_they_are(switchable):
    bench = switchable(0, 1, 1)
    found = attempt.tuned(bench, "ct-mri", "x", lambda slices: attempt.cut(slices.licensed, 10))
    assert found.plain.shape[1:] == (SIZE - 20, SIZE - 20) and found.margin == 10
    assert Scorer(bench, MarkReader(["AMIF"], unread)).score(found).psnr > 90


def test_wrong_keys_and_patches_change_no_pixel(plain):
    for found in keys.key_attempts(plain.bench):
        assert re.search(r"\(0 of [1-9][\d,]* gave other", found.method) and found.settings["bit-identical"]
        assert np.array_equal(found.plain, plain.bench.reported["ct-mri"].unlicensed)
    patched = {found.method: found for found in keys.patch_attempts(plain.bench)}
    assert patched["check, opening and flags patched (0 of 3 gave other parameters)"].settings["bit-identical"]
    licensed = plain.bench.reported["ct-mri"].licensed
    assert all(not np.allclose(found.plain, licensed, atol=0.02) for found in patched.values())


def test_a_key_that_opens_is_noticed(monkeypatch, plain, publisher):
    """The right key among the random ones, as if a guess had hit it."""
    monkeypatch.setattr(keys.secrets, "token_bytes", lambda count: publisher.model_key)
    found = {each.method: each for each in keys.key_attempts(plain.bench)}[
        "random keys (1,000 of 1,001 gave other parameters)"
    ]
    assert not found.settings["bit-identical"]
    assert np.array_equal(found.plain, plain.bench.reported["ct-mri"].licensed)
    assert failed(plain.bench, [found]) == {found.method}


def test_nothing_kept_shows_key_or_license(tmp_path, plain, publisher):
    list(AttackSuite(plain.bench, ["AMIF"], tmp_path / "out", MarkReader(["AMIF"], unread)).run(["a", "b"]))
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert publisher.model_key not in content and publisher.model_key.hex().encode() not in content
    assert plain.license.read_bytes()[-40:] not in content


def test_slices_are_attacked_in_the_order_in_which_they_are_fused(monkeypatch, plain, data_folder):
    """Whichever source the manifest names first; attackers' crops keep the manifest's, in which they swap at random."""
    for finer, other in (("first", "second"), ("second", "first")):
        monkeypatch.setattr("AMIFusionLib.training.dataset.is_second_finer", lambda *pair, at=finer: at == "second")
        bench = Bench(plain.bench.model, plain.license.read_text(), data_folder, plain.bench.effort)
        for slices, split in ((bench.tuning, "train"), (bench.reported, "validation")):
            (named,) = load_pairs(data_folder, split)
            for role, name in (("first", finer), ("second", other)):
                shown = getattr(slices[named.kind], role)
                assert all((image == getattr(named, name)).all(axis=(1, 2)).any() for image in shown)


def test_measured_strokes_lie_where_the_mark_does(switchable):
    bench = switchable(0, 1, 1)
    slices = bench.reported["ct-mri"]
    strokes, ink = templates.content_strokes(bench, slices, 4.0)
    assert np.corrcoef(strokes.ravel(), slices.marks.ravel())[0, 1] > 0.95
    mask = filters.stroke_mask(bench, slices, 0.5, 0)
    assert (mask == (slices.marks > 0.5)).mean() > 0.95
    assert (filters.stroke_mask(bench, slices, 0.5, 2) & mask).sum() == mask.sum() > 0
    restored = templates.inverted(0.3 * (1 - strokes) + strokes * ink, strokes, ink, 0.3)
    assert np.abs(restored - 0.3).max() < 0.01


def test_training_goes_on_where_it_stopped(tmp_path, plain):
    crops = learned.Crops(plain.bench)

    def train(path, stop):
        torch.manual_seed(0)
        module = torch.nn.Conv2d(3, 1, 3, padding=1)
        drawn = []

        def loss(random):
            if len(drawn) == stop:
                raise KeyboardInterrupt
            drawn.append(batch := crops.draw(random))
            return module(torch.cat([batch.first, batch.second, batch.marks], 1)).square().mean()

        try:
            return learned.trained(module, 6, 0.1, loss, path).weight, len(drawn)
        except KeyboardInterrupt:
            return None, len(drawn)

    whole, _ = train(tmp_path / "whole.pt", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "CHECKPOINT_EVERY", 2)
        assert train(tmp_path / "parts.pt", 5)[1] == 5
        resumed, left = train(tmp_path / "parts.pt", None)
    assert left == 2
    torch.testing.assert_close(resumed, whole)


def test_attackers_trainings_outlive_a_change_of_what_is_sealed(tmp_path, seal):
    """They know nothing of it: hours of fine-tuning need not be done again for a better licensed fusion."""
    public, *sealed = (random_parameters(seed) for seed in (5, 6, 7))
    folders = []
    for parameters in (*((public, each) for each in sealed), (sealed[0], sealed[1])):
        suite = AttackSuite(seal(*parameters).bench, ["AMIF"], tmp_path / "out", reader=None)
        folders.append((suite.fingerprint, suite.trainings))
    assert len({fingerprint for fingerprint, _ in folders}) == 3
    assert folders[0][1] == folders[1][1] != folders[2][1]


@pytest.fixture
def readable(monkeypatch):
    """An engine in the place of OCR, which reads every mark."""
    monkeypatch.setattr("AMIFusionLib.evaluation.mark_reader._rapid_ocr", lambda: lambda image: ["AMIF"])


def command(*arguments, expect=0):
    """Run ``amifusion attack``; gives all that it printed."""
    outcome = CliRunner().invoke(application, ["attack", *(str(argument) for argument in arguments)])
    assert outcome.exit_code == expect, outcome.output
    return outcome.output


def test_command_runs_everything_and_goes_on(tmp_path, plain, data_folder, readable):
    document = tmp_path / "security.md"
    document.write_text(f"# Before\n\n{TABLES_BEGIN}\nold\n{TABLES_END}\n\nAfter\n")
    shared = [plain.path, "--license", plain.license, "--data", data_folder, "--out", tmp_path / "out", "--quick"]
    shown = command(*shared, "--only", "a,k")
    assert re.findall(r"^(\w+): ", shown, re.MULTILINE) == ["free", "views", "a", "k"] and "kept" not in shown
    assert "Not run: b, c, d" in (tmp_path / "out" / "attacks.md").read_text()
    shown = command(*shared, "--document", document)
    assert shown.count("kept from before") == 4
    told = json.loads(command(*shared, "--only", "a", "--json"))
    assert list(told["attacks"]) == ["free", "views", "a"] and told["attacks"]["a"]["results"] > 0
    text = document.read_text()
    assert text.startswith("# Before\n") and text.endswith("\n\nAfter\n") and "old" not in text
    assert (tmp_path / "out" / "attacks.md").read_text() in text
    with open(tmp_path / "out" / "attacks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["attack"] for row in rows} == {"free", *LETTERS} - {"k"}
    content = json.loads((tmp_path / "out" / "attacks.json").read_text())
    assert set(content["passes"]) == set(LETTERS) and content["setting"]["sha256"] == plain.bench.model.sha256
    assert len((tmp_path / "out" / "finetuning.csv").read_text().splitlines()) == 1 + len(QUICK.finetuning_steps)
    for letter in LETTERS[:-1]:
        assert f"| {letter} | " in text and (tmp_path / "out" / "pictures" / f"{letter}.png").is_file()


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch, plain, data_folder):
    monkeypatch.setattr("AMIFusionLib.evaluation.attacks.bench.Bench.__init__", lambda *_: pytest.fail("began"))
    (tmp_path / "afile").write_text("precious")
    shown = command(
        plain.path, "--license", plain.license, "--data", data_folder, "--out", tmp_path / "afile" / "x", expect=1
    )
    assert f"{tmp_path / 'afile'} is no folder. Choose another place." in " ".join(shown.split())
    assert (tmp_path / "afile").read_text() == "precious"


def test_results_of_another_model_are_not_taken_for_this_ones(tmp_path, seal, readable):
    runs = []
    for seed in (1, 3):
        bench = seal(random_parameters(seed), random_parameters(2), QUICK).bench
        runs.append(list(AttackSuite(bench, ["AMIF"], tmp_path / "out").run(["b"])))
    assert [[part.was_kept for part in parts] for parts in runs] == [[False] * 3] * 2


def test_results_of_attackers_with_other_weights_are_not_taken_for_these_ones(tmp_path, monkeypatch, plain, readable):
    runs = []
    stage = bundled_stage("slices_25")
    finer = dataclasses.replace(stage, information_bins=256)
    for each in (stage, stage, bundled_stage("slices_26"), finer):
        monkeypatch.setattr(suite, "attackers_stage", lambda each=each: each)
        runs.append({part.letter: part.was_kept for part in AttackSuite(plain.bench, ["AMIF"], tmp_path).run("bck")})
    assert not any(runs[0].values()) and all(runs[1].values())
    for other in runs[2:]:
        assert [letter for letter, was_kept in other.items() if not was_kept] == ["c", "k"]


def test_lengths_of_fine_tuning_are_kept_one_by_one(tmp_path, monkeypatch, plain, readable):
    """The last one takes longer than all others together."""
    suite_of_k, measured = AttackSuite(plain.bench, ["AMIF"], tmp_path), head_starts
    monkeypatch.setattr(suite, "head_starts", lambda *given: itertools.islice(measured(*given), 1))
    [*_, done] = suite_of_k.run("k")
    assert [row["steps"] for row in done.rows] == [1] and QUICK.finetuning_steps == (1, 2)
    assert "a, b, c, d, e, f, g, h, i, j, k at 2 steps." in report.markdown(suite_of_k.setting(), suite_of_k.kept())
    monkeypatch.setattr(suite, "head_starts", measured)
    [*_, again] = suite_of_k.run("k")
    assert again.rows[:1] == done.rows and [row["steps"] for row in again.rows] == [1, 2] and not again.was_kept
    assert [part.was_kept for part in suite_of_k.run("k")] == [True] * 3
    assert report.markdown(suite_of_k.setting(), suite_of_k.kept()).count("k at") == 0
    # A run that is stopped on its way to a length that is missing takes nothing away.
    monkeypatch.setattr(suite, "missing_lengths", lambda *_: [3])
    monkeypatch.setattr(suite, "head_starts", lambda *given: itertools.islice(measured(*given), 1))
    assert [part.rows for part in suite_of_k.run("k")][-1] == again.rows == suite_of_k.kept()["k"]


def test_failures_are_said_loudly():
    row = {"attack": "c", "method": "x", "kind": "ct-mri", "settings": {}, "psnr": 30.0, "corrected_psnr": 31.0,
           "ssim": 0.9, "visibility": 0.1, "readable": 0.0, "gain": 4.0, "corrected_gain": 5.0,
           "passes": False}  # fmt: skip
    start = {"attack": "k", "kind": "ct-mri", "steps": 1000, "tuned": [30.5, 29.5], "tuned_rate": 5e-4,
             "tuned_marked": True, "tuned_idle": "unheard", "tuned_even": True, "scratch": [28.0], "scratch_rate": 4e-3,
             "scratch_even": True, "gain": 2.0, "passes": False}  # fmt: skip
    setting = {"model": "m", "sha256": "0" * 64, "reported": {"ct-mri": 1}, "tuning": {"ct-mri": 1}, "words": ["AMIF"],
               "effort": {"finetuning_steps": [1000, 5000]}}  # fmt: skip
    kept = {"c": [row, {**row, "method": "y", "gain": -3.0, "corrected_gain": -2.0, "passes": True}], "k": [start]}
    assert report.verdicts(kept) == {"c": {"ct-mri": False}, "k": {"ct-mri": False}}
    text = report.markdown(setting, kept)
    assert "+5.0 dB (x, ct-mri) | **no** | **no** |" in text and "+2.0 dB (1000 steps, ct-mri) | **no**" in text
    assert "| k | Fine-tuning, up to 1,000 steps |" in text and ", j, k at 5,000 steps." in text
    assert "| c | y | 31.0 (-2.0), 0% | 0.90 | 0.10 | yes |" in text
    assert (
        "| 30.0 (29.5 to 30.5) | 0.0005, mark, new, unheard at first, average | 28.0 (28.0 to 28.0) | 0.004, average "
        "| +2.0 |" in text
    )


def test_mistakes_get_a_sentence(tmp_path, plain, data_folder, readable):
    shared = [plain.path, "--data", data_folder, "--out", tmp_path / "out", "--quick"]
    assert "measured by licensed results: give a license" in command(*shared, expect=1)
    assert "not issued by Test publisher" in command(*shared, "--license", EVALUATION_LICENSE_PATH, expect=1)
    shared += ["--license", plain.license]
    assert "There is no attack 'z'. Choose from a, b" in command(*shared, "--only", "z", expect=2)
    assert "at least one word" in command(*shared, "--words", "", "--only", "b", expect=2)
    (tmp_path / "other.md").write_text("no place")
    assert "no place for tables" in command(*shared, "--only", "b", "--document", tmp_path / "other.md", expect=1)
    (tmp_path / "empty").mkdir()
    shared[2] = tmp_path / "empty"
    assert "has no manifest.csv" in command(*shared, expect=1)


def test_slices_of_several_sizes_are_refused(tmp_path, plain, data_folder):
    for path in data_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name in ("1_ct.nrrd", "1_mr.nrrd"):
        volume = SimpleITK.ReadImage(str(data_folder / name))
        SimpleITK.WriteImage(volume[:60], str(tmp_path / name))
    with pytest.raises(ValueError, match="must be of one size"):
        Bench(plain.bench.model, plain.license.read_text(), tmp_path, QUICK)


def test_mark_is_followed_through_the_volume(switchable):
    seen = {row["view"]: row for row in views.mark_views(switchable(0, 1, 1))}
    assert list(seen) == ["slices", "across the rows", "across the columns"]
    assert all(row["visibility"] > max(0.9, row["licensed_visibility"] + 0.4) for row in seen.values())


def test_bundled_models_mark_is_read_without_a_license_and_not_with_one(wholebrain):
    license_text = EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")
    bench = Bench(read_model(MODEL_PATH), license_text, wholebrain, Effort(reported=2, tuning=1))
    scorer = Scorer(bench, MarkReader(["AMIF", "UNLICENSED"]))
    for kind, slices in bench.reported.items():
        scores = [
            scorer.score(attempt.Attempt("x", kind, {}, images, images))
            for images in (slices.unlicensed, slices.licensed)
        ]
        assert scores[0].readable == 1 and scores[1].readable == 0
        assert scores[0].psnr <= report.MOST_PSNR and scores[0].ssim <= report.MOST_SSIM
