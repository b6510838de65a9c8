"""Evaluation of a model on data folders: what is read, measured, ranked and written, and what is refused."""

import csv
import json

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.cases import plan_cases
from AMIFusionLib.evaluation.eight_bit import eight_bit, eight_bit_luma
from AMIFusionLib.evaluation.evaluate import EvaluationPlan, evaluate
from AMIFusionLib.evaluation.metrics import RANKED, fusion_metrics
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.evaluation.subject import open_subject
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.training.manifest import read_manifest, read_pair
from PIL import Image
from test_cli import run
from test_metrics import texture
from typer.testing import CliRunner

MANIFEST = (
    "pair,case,split,functional_or_ct,mri,atlas_slices\n"
    "ct-mri,07,validation,ct.nrrd,mr.nrrd,011 013 015\n"
    "pet-mri,08,validation,pet.nrrd,mr.nrrd,020 021 022\n"
    "ct-mri,09,train,ct.nrrd,mr.nrrd,011 013 015\n"
)
PEERS = {
    "slices": {"ct-mri": {"case": "07", "slices": ["015", "011"]}},
    "values": {
        "ct-mri": {
            "Best": dict.fromkeys(RANKED, 99),
            "Worst": {name: -9 for name in RANKED if name != "EN"},
            "Maximum": {"EN": 1e6},
        }
    },
}
METHODS = ["licensed", "unlicensed", *ALTERNATIVES]


def write_volume(path, array, spacing=(1, 1, 4), direction=None, is_vector=False):
    """A volume file of a (slice, row, column) array."""
    image = SimpleITK.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(spacing)
    if direction is not None:
        image.SetDirection(direction)
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture
def data(tmp_path):
    """A data folder: CT-like and MR-like gray volumes and a colored one."""
    folder = tmp_path / "hospital"
    folder.mkdir()
    ct, mr = (np.stack([texture(seed + index, 48) for index in range(3)]) for seed in (1, 5))
    pet = np.stack([np.full_like(ct, 30), ct // 2, ct], axis=-1)
    for name, array in (("ct", ct), ("mr", mr), ("pet", pet)):
        write_volume(folder / f"{name}.nrrd", array, is_vector=array.ndim == 4)
    (folder / "manifest.csv").write_text(MANIFEST)
    (folder / "peers.json").write_text(json.dumps(PEERS))
    return folder


@pytest.fixture
def license_path(tmp_path, issue):
    """A license for ``model_path``."""
    path = tmp_path / "jane.license"
    path.write_text(issue())
    return path


def evaluate_files(*arguments, expect=0):
    """Run the command in one process, without the phantom."""
    return run("evaluate", *arguments, "--no-phantom", "--processes", 1, expect=expect)


def read_rows(folder):
    """The lines of measures.csv."""
    with open(folder / "measures.csv", newline="") as file:
        return list(csv.DictReader(file))


def files_in(folder):
    """Every file's path below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_model_is_measured_ranked_and_shown(data, tmp_path, model_path, license_path):
    out = tmp_path / "out"
    shown = evaluate_files(model_path, "--license", license_path, "--data", data, "--out", out)
    assert "ct-mri: place" in shown and "pet-mri: place" in shown and "No license" not in shown
    assert files_in(out) == [
        "contact-sheets/ct-mri-07-01.png", "contact-sheets/pet-mri-08-01.png", "evaluation.json", "evaluation.md",
        "measures.csv",
    ]  # fmt: skip
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    rows, summary = read_rows(out), json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [row["method"] for row in rows if row["slice"] == "013"] == METHODS
    assert len(rows) == 6 * len(METHODS)
    assert summary["model"]["sha256"] == read_model(model_path).sha256 and summary["model"]["judged"] == "licensed"
    assert summary["data"]["name"] == "hospital, split validation"
    pair = summary["pairs"]["pet-mri"]
    assert pair["cases"] == {"08": ["020", "021", "022"]} and pair["slices"] == 3
    assert list(pair["mean_rank"]) == sorted(pair["mean_rank"], key=pair["mean_rank"].get)
    assert pair["mean_rank"].keys() == {"licensed", *ALTERNATIVES}, "the unlicensed result does not compete"
    for method in METHODS:
        values = [float(row["Qabf"]) for row in rows if row["pair"] == "pet-mri" and row["method"] == method]
        assert pair["means"][method]["Qabf"] == pytest.approx(np.mean(values), rel=1e-5)
    assert pair["hue_error"]["Average"] > 0 and summary["pairs"]["ct-mri"]["hue_error"]["Average"] is None
    assert pair["means"]["licensed"]["MS_SSIM"] is None, "not defined for small images"
    distances = pair["to_licensed"]
    assert distances["best_free"]["psnr"] == max(ALTERNATIVES, key=distances["psnr"].get)
    assert "licensed" not in distances["psnr"] and "unlicensed" in distances["psnr"]


def test_figures_are_the_measures_of_what_the_network_gives(data, model, issue, parameter_sets, tmp_path, model_path):
    """The network run by hand, without the engine, the command's reader or its processes."""
    subject = open_subject(model_path, issue())
    evaluate(subject, EvaluationPlan("hand", plan_cases(data, "validation")), tmp_path / "out")
    found = {(row["slice"], row["method"]): row for row in read_rows(tmp_path / "out") if row["pair"] == "pet-mri"}
    first, second = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(data / f"{name}.nrrd")))[1] for name in ("pet", "mr")
    )
    first = eight_bit_luma(first)
    tensors = [torch_image(image) for image in (first, second)]
    fused = {}
    for result, parameters in zip(("unlicensed", "licensed"), parameter_sets):
        network = build_network(model.description.architecture, model.description.hyperparameters, parameters)
        # The MR, which is drawn finer, comes first.
        fused[result] = eight_bit(network(*tensors[::-1], network.mark_field(48, 48))[0, 0].numpy())
        for name, value in fusion_metrics(first, second, fused[result]).items():
            text = found["021", result][name]
            assert np.isnan(value) if text == "" else float(text) == pytest.approx(value, rel=1e-5), (result, name)
    error = np.mean((fused["unlicensed"].astype(float) - fused["licensed"]) ** 2)
    decibels = float(found["021", "unlicensed"]["psnr_to_licensed"])
    assert decibels == pytest.approx(10 * np.log10(255**2 / error), rel=1e-5)
    assert found["021", "licensed"]["psnr_to_licensed"] == ""


def torch_image(image):
    """(1, 1, rows, columns) in 0..1."""
    import torch

    return torch.from_numpy(image.astype(np.float32) / 255)[None, None]


def test_peers_keep_to_their_slices_and_take_part_in_the_ranks(data, tmp_path, model_path, license_path):
    out = tmp_path / "out"
    shown = evaluate_files(
        model_path, "--license", license_path, "--data", data, "--out", out, "--peers", data / "peers.json"
    )
    summary = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    pair = summary["pairs"]["ct-mri"]
    assert pair["cases"] == {"07": ["015", "011"]}
    assert summary["pairs"]["pet-mri"]["slices"] == 3, "a pair type that peers do not have is measured whole"
    assert list(pair["mean_rank"])[0] == "Best" and pair["mean_rank"]["Best"] == 1
    assert pair["mean_rank"]["Worst"] == 3 + len(ALTERNATIVES) == len(pair["mean_rank"])
    assert pair["place"] > 1
    # Free alternatives are measured here; that their recorded values are others is said.
    assert pair["means"]["Maximum"]["EN"] < 8 and pair["difference_to_recorded"] == pytest.approx(1, abs=1e-4)
    assert "recorded measures of ct-mri are 100% away" in shown
    assert "| Best |" in (out / "evaluation.md").read_text(encoding="utf-8")


def test_model_without_a_license_is_measured_by_its_marked_result(data, tmp_path, model_path):
    out = tmp_path / "out"
    shown = evaluate_files(model_path, "--data", data, "--out", out)
    assert "No license was given" in shown
    summary = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert summary["model"]["judged"] == "unlicensed" and summary["pairs"]["ct-mri"]["to_licensed"] is None
    assert {row["method"] for row in read_rows(out)} == {"unlicensed", *ALTERNATIVES}
    report = (out / "evaluation.md").read_text(encoding="utf-8")
    assert "no license was given" in report and "Nearness" not in report and "**Test model, unlicensed**" in report


def test_script_gets_the_summary(data, tmp_path, model_path, license_path):
    out = tmp_path / "out"
    arguments = ["evaluate", model_path, "--license", license_path, "--data", data, "--out", out, "--no-phantom"]
    outcome = CliRunner().invoke(application, [*map(str, arguments), "--processes", "1", "--json"])
    told = json.loads(outcome.stdout)
    summary = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert told["command"] == "evaluate" and told["out"] == str(out) and told["pairs"] == summary["pairs"]


def spoil(data, name, text):
    """Replace a file of the data folder."""
    (data / name).write_text(text)


WRONG = {
    "no manifest": (lambda data: (data / "manifest.csv").unlink(), "has no manifest.csv"),
    "a column missing": (lambda data: spoil(data, "manifest.csv", "pair,case\nct-mri,7\n"), "lacks the column 'split'"),
    "not a text": (lambda data: (data / "manifest.csv").write_bytes(b"\xff\xfe\x00p"), "commas between its columns"),
    "another split": (lambda data: spoil(data, "manifest.csv", MANIFEST.replace("validation", "x")), "no case with"),
    "no file named": (lambda data: spoil(data, "manifest.csv", MANIFEST.replace("pet.nrrd", "")), "one of its two"),
    "one name twice": (
        lambda data: spoil(data, "manifest.csv", MANIFEST.replace("09,train", "07,validation")),
        "2 cases",
    ),
    "a volume missing": (lambda data: (data / "pet.nrrd").unlink(), "pet.nrrd is not there"),
    "no volume": (lambda data: spoil(data, "pet.nrrd", "hello"), "cannot be read as a volume"),
    "cut off": (lambda data: (data / "pet.nrrd").write_bytes((data / "pet.nrrd").read_bytes()[:-900]), "cannot be"),
    "a flat picture": (lambda data: Image.new("L", (48, 48)).save(data / "pet.nrrd", "png"), "is not a volume|cannot"),
    "slices not named": (
        lambda data: spoil(data, "manifest.csv", MANIFEST.replace(" 022", "")),
        "the manifest names 2",
    ),
    "peers of other slices": (lambda data: change_peers(data, "slices", "015", "099"), "has no slice 099"),
    "peers of another case": (lambda data: change_peers(data, "slices", '"07"', '"55"'), "no case 55 of ct-mri"),
    "peers of other pairs": (lambda data: change_peers(data, None, "ct-mri", "us-mri"), "no measures of a pair type"),
    "peers of nothing": (lambda data: spoil(data, "peers.json", '{"slices": []}'), "not hold recorded measures"),
    "peers without values": (lambda data: change_peers(data, None, "99", '"x"'), "not hold recorded measures"),
    "sizes": (lambda data: write_volume(data / "pet.nrrd", np.ones((3, 48, 47), np.uint8)), "differ in size"),
    "grids": (lambda data: write_volume(data / "pet.nrrd", np.ones((3, 48, 48), np.uint8), (2, 2, 4)), "grids"),
    "too small": (lambda data: shrink(data), "too small to fuse"),
    "nothing to see": (lambda data: shrink(data, 48), "Nothing is seen"),
}


def change_peers(data, key, old, new):
    """Replace a text in the peers' file, or only in one of its parts."""
    content = json.loads((data / "peers.json").read_text(encoding="utf-8"))
    part = content if key is None else content[key]
    changed = json.loads(json.dumps(part).replace(old, new))
    spoil(data, "peers.json", json.dumps(changed if key is None else {**content, key: changed}))


def shrink(data, size=6):
    """Blank volumes of another size."""
    for name in ("ct", "mr", "pet"):
        write_volume(data / f"{name}.nrrd", np.zeros((3, size, size), np.uint8))


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_a_sentence_and_nothing_is_written(wrong, data, tmp_path, model_path):
    spoil_data, sentence = WRONG[wrong]
    spoil_data(data)
    peers = ("--peers", data / "peers.json") if "peers" in wrong else ()
    shown = evaluate_files(model_path, "--data", data, "--out", tmp_path / "a" / "out", *peers, expect=1)
    notice = "amifusion: No license was given: the unlicensed, marked result is measured."
    lines = [line for line in shown.splitlines() if line.startswith("amifusion: ") and line != notice]
    assert shown.count(notice) <= 1 and len(lines) == 1 and any(part in lines[0] for part in sentence.split("|")), shown
    assert "Traceback" not in shown and not (tmp_path / "a" / "out").exists()


def test_command_replaces_an_earlier_evaluation_and_nothing_else(data, tmp_path, model_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "measures.csv").write_text("precious")
    with monkeypatch.context() as patch:
        patch.setattr("AMIFusionLib.evaluation.subject.open_subject", lambda *_: pytest.fail("began"))
        shown = evaluate_files(model_path, "--data", data, "--out", out, expect=1)
    assert f"{out / 'measures.csv'} is there already, and no evaluation wrote it" in shown
    assert files_in(out) == ["measures.csv"] and (out / "measures.csv").read_text() == "precious"
    (out / "measures.csv").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("AMIFusionLib.evaluation.subject.open_subject", lambda *_: pytest.fail("began"))
        shown = evaluate_files(model_path, "--data", data, "--out", data / "manifest.csv" / "out", expect=1)
    assert f"{data / 'manifest.csv'} is no folder. Choose another place." in shown
    for _ in range(2):
        evaluate_files(model_path, "--data", data, "--out", out)


def test_license_of_another_model_is_refused(data, tmp_path, model_path):
    text = EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")
    shown = evaluate_files(
        model_path, "--license", EVALUATION_LICENSE_PATH, "--data", data, "--out", tmp_path / "out", expect=1
    )
    assert shown.count("amifusion: ") == 1 and text[text.index("eyJ") :][:40] not in shown
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_fit_together_are_named(data, tmp_path):
    assert "--data" in evaluate_files("--out", tmp_path / "out", expect=2)
    peers = ("--peers", data / "peers.json")
    assert "--data" in run("evaluate", "--out", tmp_path / "out", *peers, expect=2)


def test_recorded_peers_are_read(data):
    peers = read_peers(data / "peers.json")
    assert peers.slices == {"ct-mri": ("07", ("015", "011"))} and peers.values["ct-mri"]["Best"]["EN"] == 99


@pytest.mark.parametrize(
    ("direction", "turn"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0, 1), lambda upright: upright),
        ((-1, 0, 0, 0, -1, 0, 0, 0, 1), lambda upright: upright[:, ::-1, ::-1]),
        ((0, 1, 0, 1, 0, 0, 0, 0, -1), lambda upright: upright.transpose(0, 2, 1)),
        ((1, 0, 0, 0, 0, -1, 0, -1, 0), lambda upright: upright),
        ((1, 0, 0, 0, 0, 1, 0, 1, 0), lambda upright: upright[:, ::-1]),
        ((0, 0, 1, 1, 0, 0, 0, -1, 0), lambda upright: upright),
        ((0, 0, 1, -1, 0, 0, 0, 1, 0), lambda upright: upright[:, ::-1, ::-1]),
    ],
    ids=["axial", "axial RAS", "axial, columns stored as rows", "coronal", "coronal, from below", "sagittal", "turned"],
)
def test_slices_are_turned_upright_and_stay_in_order(data, direction, turn):
    """Stored in any way, a slice shows front or top up and the patient's right or front on the left."""
    upright = np.random.default_rng(0).integers(0, 255, (3, 20, 30)).astype(np.uint8)
    stored = np.ascontiguousarray(turn(upright))
    is_swapped = stored.shape != upright.shape
    for name in ("pet", "mr", "ct"):
        write_volume(data / f"{name}.nrrd", stored, (0.5, 2.0, 4) if is_swapped else (2.0, 0.5, 4), direction)
    first, _ = read_pair(read_manifest(data, "validation")[0])
    assert np.array_equal(first.array, upright) and first.pixel_spacing == (0.5, 2.0)


def test_other_than_8_bit_volumes_are_shown_between_their_percentiles(data):
    values = np.random.default_rng(0).normal(500, 100, (3, 48, 48)).astype(np.float32)
    values[0, 0, :3] = np.inf, np.nan, 1e30
    write_volume(data / "ct.nrrd", values)
    write_volume(data / "mr.nrrd", (10 * values[1:2].repeat(3, 0)).astype(np.int16))
    spoil(data, "manifest.csv", MANIFEST.replace("011 013 015", ""))
    case = plan_cases(data, "validation", {"ct-mri": ("07", ("002", "001"))})[0].load()
    assert case.slices == ("002", "001") and case.first.dtype == case.second.dtype == np.uint8
    low, high = np.percentile(values[np.isfinite(values)], (0.1, 99.9))
    expected = 255 * np.clip((values[2] - low) / (high - low), 0, 1)
    assert abs(case.first[0] - expected).max() <= 0.51
    training = load_pairs(data, "validation")[0]
    assert np.array_equal(eight_bit(training.first[2]), case.first[0]) and np.isfinite(training.first).all()
    with pytest.raises(ValueError, match="no slice 003"):
        plan_cases(data, "validation", {"ct-mri": ("07", ("003",))})[0].load()


def test_real_slices_are_those_named(wholebrain):
    case = plan_cases(wholebrain, "validation", {"pet-mri": ("25", ("021", "015"))})
    (case,) = [planned.load() for planned in case if planned.kind == "pet-mri"]
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(wholebrain / "pet-mri" / "25_pet.nrrd")))
    assert case.labels == ("PET", "MRI") and case.pixel_spacing == pytest.approx((0.9, 0.9))
    assert np.array_equal(case.first, stored[[6, 0]])
