"""The command line: an owner's way from a trained network to a licensed user, and the demo."""

import json
import os
import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.cli.__main__ import application
from conftest import random_parameters
from cryptography.hazmat.primitives import serialization
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

IN_A_YEAR = (datetime.now(timezone.utc) + timedelta(days=365)).strftime("%Y-%m-%d")


def run(*arguments, expect=0):
    """Run a command; gives all that it printed. Without ``expect`` it may end as it likes."""
    outcome = CliRunner().invoke(application, [str(argument) for argument in arguments])
    assert expect is None or outcome.exit_code == expect, outcome.output
    return outcome.output


@pytest.fixture
def desk(tmp_path, publisher):
    """An owner's desk: a training run's folder and the publisher's key files."""
    folder = tmp_path / "run"
    folder.mkdir()
    hyperparameters = {"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32}
    network = {"architecture": "amif-residual-2", "hyperparameters": hyperparameters}
    (folder / "configuration.json").write_text(json.dumps(network))
    sets = {"public": random_parameters(1), "sealed": random_parameters(2)}
    arrays = {f"{which}/{name}": value for which, values in sets.items() for name, value in values.items()}
    np.savez(folder / "parameters.npz", **arrays)
    (tmp_path / "public.pem").write_text(publisher.public_key)
    (tmp_path / "signing.pem").write_bytes(
        publisher.signing_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "master.key").write_text(os.urandom(32).hex() + "\n")
    return tmp_path


def seal(desk, *more, model_id="lab-1", out="lab.amif", expect=0, master="master.key"):
    """Seal the desk's network."""
    return run(
        "model", "seal", desk / "run", "--model-id", model_id, "--publisher", "The lab", "--contact", "lab@example.org",
        "--public-key", desk / "public.pem", "--master-key", desk / master, "--out", desk / out, *more,
        expect=expect,
    )  # fmt: skip


def issue(desk, *more, expires=IN_A_YEAR, expect=0, model="lab.amif"):
    """Issue a license for the desk's model."""
    return run(
        "license", "issue", "Dr. Jane Roe", "--model", desk / model, "--signing-key", desk / "signing.pem",
        "--master-key", desk / "master.key", "--expires", expires, "--out", desk / "jane.license", *more, expect=expect,
    )  # fmt: skip


def test_owners_way_from_network_to_license(desk):
    assert "Sealed" in seal(desk)
    shown = run("model", "inspect", desk / "lab.amif")
    assert "lab-1" in shown and "The lab" in shown and "amif-residual-2" in shown
    assert f"until {IN_A_YEAR}" in issue(desk)
    shown = run("license", "inspect", desk / "jane.license", "--model", desk / "lab.amif")
    assert "Dr. Jane Roe" in shown and "it opens lab.amif" in shown
    text = (desk / "jane.license").read_text()
    assert text.startswith("# AMIFusion license\n") and "# Licensee: Dr. Jane Roe" in text
    authorization = authorize(read_model(desk / "lab.amif"), text)
    assert authorization.is_licensed
    np.testing.assert_array_equal(authorization.parameters["head.bias"], random_parameters(2)["head.bias"])


def test_license_outlives_a_new_training_of_the_same_model(desk):
    seal(desk)
    issue(desk)
    seal(desk, "--overwrite")
    assert "it opens" in run("license", "inspect", desk / "jane.license", "--model", desk / "lab.amif")


def test_license_does_not_open_another_model(desk):
    seal(desk)
    issue(desk)
    seal(desk, model_id="lab-2", out="other.amif")
    shown = run("license", "inspect", desk / "jane.license", "--model", desk / "other.amif", expect=1)
    assert "'lab-1', not for 'lab-2'" in shown


def test_wrong_master_key_issues_nothing(desk):
    seal(desk)
    (desk / "master.key").write_text(os.urandom(32).hex())
    assert "does not open" in issue(desk, expect=1)
    assert not (desk / "jane.license").exists()


def test_days_in_the_past_are_refused(desk):
    seal(desk)
    assert "already begun" in issue(desk, expires="2020-01-01", expect=2)


@pytest.mark.parametrize("content", ["", "not hex", "ab" * 31, "zz" * 32])
def test_bad_master_key_is_named_and_not_shown(desk, content):
    (desk / "bad.key").write_text(content)
    shown = seal(desk, master="bad.key", expect=1)
    assert "bad.key is not a master key" in shown
    assert not content or content not in shown
    assert not (desk / "lab.amif").exists()


def test_network_that_cannot_be_built_is_not_sealed(desk):
    (desk / "run" / "configuration.json").write_text(
        json.dumps({"hyperparameters": {"channels": 8, "blocks": 1, "fine_channels": 4, "mark_size": 32}})
    )
    assert "do not fit" in seal(desk, expect=1)
    assert not (desk / "lab.amif").exists()


def test_folders_without_a_training_or_data_say_what_to_name(desk):
    (desk / "run" / "parameters.npz").unlink()
    assert "has no parameters.npz. Name the folder of a training" in seal(desk, expect=1)
    (desk / "data").mkdir()
    assert "has no manifest.csv. Name the folder" in run("train", desk / "new", "--data", desk / "data", expect=1)
    assert not (desk / "new").exists()


@pytest.mark.parametrize("spoil", ["truncated", "empty", "text", "missing", "nan"])
def test_broken_training_is_not_sealed(desk, spoil):
    path = desk / "run" / "parameters.npz"
    content = path.read_bytes()
    if spoil in ("missing", "nan"):
        arrays = dict(np.load(path))
        arrays["sealed/head.bias"] *= np.nan
        if spoil == "missing":
            del arrays["sealed/head.bias"]
        np.savez(path, **arrays)
    else:
        path.write_bytes({"truncated": content[:-500], "empty": b"", "text": b"hello"}[spoil])
    assert "Train again" in seal(desk, expect=1)
    assert not (desk / "lab.amif").exists()


def test_private_key_given_for_the_public_one_is_refused(desk):
    (desk / "public.pem").write_bytes((desk / "signing.pem").read_bytes())
    shown = seal(desk, expect=1)
    assert "PRIVATE" not in shown and not (desk / "lab.amif").exists()


def test_commands_never_print_keys(desk):
    shown = seal(desk) + issue(desk) + run("license", "inspect", desk / "jane.license")
    license_text = (desk / "jane.license").read_text()
    assert (desk / "master.key").read_text().strip() not in shown
    assert license_text[license_text.index("eyJ") :].strip() not in shown


def test_inspecting_something_else(desk):
    (desk / "note.txt").write_text("hello")
    assert "not a complete license" in run("license", "inspect", desk / "note.txt", expect=1)
    assert "not an AMIFusion model file" in run("model", "inspect", desk / "note.txt", expect=1)


def write_pair(folder, suffix):
    """Two small files of one head."""
    generator = np.random.default_rng(0)
    paths = []
    for name, size in (("mr", (40, 36, 9)), ("ct", (44, 40, 10))):
        image = SimpleITK.GetImageFromArray((1000 * generator.random(size[::-1])).astype(np.int16))
        image.SetSpacing((1.0, 1.1, 3.0))
        path = folder / f"{name}{suffix}"
        if suffix == "":
            write_dicom_series(image, path)
        else:
            SimpleITK.WriteImage(image, str(path))
        paths.append(path)
    return paths


def write_dicom_series(image, folder):
    """A folder with one CT series."""
    folder.mkdir()
    for index in range(image.GetDepth()):
        part = image[:, :, index]
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{index + 1}",
            "0008|0060": "CT", "0020|000d": "1.2.826.0.1.3680043.2.1125.2", "0020|000e": "1.2.826.0.1.3680043.2.1125.3",
            "0020|0013": str(index + 1), "0020|0032": "\\".join(str(value) for value in position),
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }  # fmt: skip
        for tag, value in tags.items():
            part.SetMetaData(tag, value)
        writer = SimpleITK.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{index:03}.dcm"))
        writer.Execute(part)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha", ""], ids=["NRRD", "NIfTI", "MetaImage", "DICOM"])
def test_demo_on_the_users_files(scene, tmp_path, suffix):
    reference, moving = write_pair(tmp_path, suffix)
    shown = run("demo", "--reference", reference, "--moving", moving, "--out", tmp_path / "out")
    assert len(re.findall(r"Fused: .*9 slices in .* ms a slice", shown)) == 2
    results = [
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out" / f"fused-{state}.nrrd")))
        for state in ("unlicensed", "licensed")
    ]
    assert results[0].shape == results[1].shape == (9, 36, 40)
    assert (results[0] != results[1]).mean() > 0.9
    image = SimpleITK.ReadImage(str(tmp_path / "out" / "fused-licensed.nrrd"))
    assert image.GetSpacing() == pytest.approx((1.0, 1.1, 3.0))
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        assert picture.width > 4 * 40
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.png", "fused-licensed.nrrd", "fused-unlicensed.nrrd",
    ]  # fmt: skip


def test_demo_tells_a_script(scene, tmp_path):
    pair = write_pair(tmp_path, ".nrrd")
    told = json.loads(run("demo", "--reference", pair[0], "--moving", pair[1], "--out", tmp_path / "out", "--json"))
    for state in ("unlicensed", "licensed"):
        assert told[state]["slices"] == 9 and os.path.isfile(told[state]["out"])
    assert os.path.isfile(told["picture"]) and told["exit_code"] == 0


def test_demo_replaces_nothing_unasked_and_no_source(scene, tmp_path):
    pair, out = write_pair(tmp_path, ".nrrd"), tmp_path / "out"
    command = ("demo", "--reference", pair[0], "--moving", pair[1], "--out", out)
    run(*command)
    (out / "note.txt").write_text("precious")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "--overwrite" in run(*command, expect=1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "comparison.png").write_bytes(b"old")
    run(*command, "--overwrite")
    assert {path.name for path in out.iterdir()} == set(before) and (out / "comparison.png").read_bytes() != b"old"
    source = out / "fused-licensed.nrrd"
    again = run("demo", "--reference", source, "--moving", pair[1], "--out", out, "--overwrite", expect=1)
    assert "in a source of this command" in again


def leaf_commands(group, names=()):
    """Every command with its words."""
    for name, command in group.commands.items():
        yield from (
            leaf_commands(command, (*names, name)) if hasattr(command, "commands") else [((*names, name), command)]
        )


def test_every_command_can_talk_to_scripts():
    found = dict(leaf_commands(get_command(application)))
    assert len(found) >= 18
    assert [
        names for names, command in found.items() if not {"--json"} & {o for p in command.params for o in p.opts}
    ] == []


def test_demo_with_wrong_input_writes_nothing(scene, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.nrrd").write_text("hello")
    reference, _ = write_pair(tmp_path, ".nrrd")
    for moving, sentence, code in (
        ("missing.nrrd", "does not exist", 2), ("empty", "no DICOM series", 1), ("note.nrrd", "cannot be read", 1),
    ):  # fmt: skip
        command = ("demo", "--reference", reference, "--moving", tmp_path / moving, "--out", tmp_path / "o")
        shown = run(*command, expect=code)
        assert sentence in shown
        assert not (tmp_path / "o").exists()
    run("demo", "--reference", reference, expect=2)
