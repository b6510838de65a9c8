"""Command lines on volumes that cannot be understood: told before any work, and to scripts too."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pydicom
import pytest
import typer
from AMIFusionLib import __version__
from AMIFusionLib.cli import fuse as fuse_command
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.redaction import without_licenses, without_secrets
from small_volumes import LICENSED, dicom_pair, pair, run  # noqa: F401 (fixtures)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fuse", "a.nrrd"), ("fuse", "a.nrrd", "b.nrrd"), ("fuse", "a.nrrd", "b.nrrd", "--out", "o.jpg"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--format", "dicom"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--format", "nifti"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--plane", "tilted"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--balance", "101"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--colors", "PET-Heat", "--gray"),
        ("fuse", "a.nrrd", "b.nrrd", "--out", "o.nrrd", "--license", "missing"),
        ("align", "a.nrrd", "b.nrrd", "--out", "o.nrrd"),
        ("align", "a.nrrd", "b.nrrd", "--out", "o.h5", "--resampled", "folder"),
        ("phantom", "--out", "o", "--only", "MRT9"), ("phantom",), ("nonsense",),
    ],
)  # fmt: skip
def test_wrong_use_is_exit_code_2(scene, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    run(*arguments, expect=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--colors", "Nope"), "There is no color table 'Nope'"), (("--device", "cuda:99"), "There is no device"),
        (("--moving-window", "100", "-20"), "A window from 100 to -20"), (("--license", "none"), "does not exist"),
        (("--moving-window", "0", "inf"), "A window from 0 to inf shows nothing. Give two finite numbers."),
        (("--reference-window", "-inf", "5"), "A window from -inf to 5"),
        (("--reference-window", "-1.7e308", "1.7e308"), "A window from -1.7e+308 to 1.7e+308"),
        (("--reference-window", "nan", "5"), "A window from nan to 5"), (("--revocations", "none"), "does not exist"),
    ],
)  # fmt: skip
def test_values_that_no_volume_could_be_fused_with_are_wrong_use(pair, tmp_path, monkeypatch, more, sentence):
    if "--revocations" not in more:
        monkeypatch.setattr("AMIFusionLib.volumes.files.read_volume", lambda *_: pytest.fail("work began"))
    licensed = LICENSED if "--license" not in more else ()
    said = run("fuse", *pair, "--out", tmp_path / "o.nrrd", *licensed, *more, "--json", expect=2)
    told = json.loads(said.out)
    assert told["exit_code"] == 2 and sentence in told["error"]


def test_one_volume_for_both_is_refused(pair, dicom_pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.nrrd").symlink_to(pair[0])
    study = tmp_path / "study"
    for first, second in ((pair[0], pair[0]), (pair[0], "mr.nrrd"), (pair[0], "link.nrrd"), (f"{study}#3", "study#3")):
        for command in (("fuse", first, second, "--out", "o.nrrd"), ("align", first, second, "--out", "o.h5")):
            assert "is named twice. Name two different volumes" in run(*command, expect=2).err
    # Only what is in the files tells that these are one.
    uid = pydicom.dcmread(next(dicom_pair[0].iterdir()), stop_before_pixels=True).SeriesInstanceUID
    assert "is named twice" in run("fuse", f"{study}#3", f"{study}#{uid}", "--out", "o.nrrd", expect=2).err
    table = tmp_path / "pairs.csv"
    table.write_text(f"reference,moving\nstudy#3,study#{uid}\n")
    run("batch", table, "--out", tmp_path / "batch", "--workers", "1", expect=1)
    assert "are one DICOM series" in (tmp_path / "batch" / "report.csv").read_text()
    twice = ("demo", "--reference", f"{study}#3", "--moving", dicom_pair[0])
    assert "is named twice" in run(*twice, expect=2).err
    assert "is named twice" in run("demo", "--reference", pair[0], "--moving", "mr.nrrd", expect=2).err
    assert not list(tmp_path.glob("o.*")) and not (tmp_path / "demo-results").exists()


@pytest.mark.parametrize("name", ["", " "])
def test_a_volume_without_a_name_is_not_the_folder_one_stands_in(dicom_pair, monkeypatch, name):
    monkeypatch.chdir(dicom_pair[0])
    for command in (("fuse", name, dicom_pair[1], "--out", "o.nrrd"), ("align", dicom_pair[1], name, "--out", "o.h5")):
        assert "A volume has no name" in run(*command, expect=2).err


def test_version_is_told():
    assert run("--version").out == f"amifusion {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "command", "error"),
    [
        (("fuse", "a.nrrd", "--json"), "fuse", "Missing argument"), (("fuse", "--json", "--nope"), "fuse", "--nope"),
        (("fuse", "a.nrrd", "b.nrrd", "--out", "o.jpg", "--json"), "fuse", "ends in none of"),
        (("license", "revoke", "--list", "x", "--json"), "license revoke", "--signing-key"),
        (("license", "nonsense", "--json"), "license", "nonsense"), (("nonsense", "--json"), "", "nonsense"),
        (("--nope", "--json"), "", "--nope"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_to_scripts_too(tmp_path, monkeypatch, arguments, command, error):
    monkeypatch.chdir(tmp_path)
    said = run(*arguments, expect=2)
    told = json.loads(said.out)
    assert (told["exit_code"], told["command"]) == (2, command) and error in told["error"] and error in said.err
    assert run(*(word for word in arguments if word != "--json"), expect=2).out == ""


def test_missing_files_are_exit_code_2_and_broken_ones_1(pair, tmp_path):
    (tmp_path / "note.nrrd").write_text("hello")
    for moving, sentence, code in (("missing.nrrd", "does not exist", 2), ("note.nrrd", "cannot be read", 1)):
        said = run("fuse", pair[0], tmp_path / moving, "--out", tmp_path / "o.nrrd", "--json", expect=code)
        assert sentence in json.loads(said.out)["error"] and sentence in said.err
        assert not (tmp_path / "o.nrrd").exists()


def test_choices_are_those_of_the_library():
    from AMIFusionLib.cli.volumes import SUFFIXES
    from AMIFusionLib.volumes.files import FILE_SUFFIXES
    from AMIFusionLib.volumes.intensity import WINDOW_CHOICES
    from AMIFusionLib.volumes.planes import PLANES

    assert fuse_command.Plane.__args__ == PLANES and fuse_command.WindowChoice.__args__ == WINDOW_CHOICES
    assert set(SUFFIXES.values()) <= set(FILE_SUFFIXES)


TOKEN = "eyJ0eXAiOiJhbWlmdXNpb24" + "Q" * 300 + ".eyJzdWIiOiJKYW5lIn0.c2VjcmV0"
SECRETS = (
    TOKEN,
    "0f1e2d3c" * 8,
    "# License\n" + TOKEN,
    "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END KEY-----\n",
)
OF_SECRETS = {"license_file", "keys", "signing_key", "master_key", "public_key"}


PLACES_OF_OTHER_TEXT = (
    ("fuse", TOKEN, "MR", "--out", "o.nrrd"), ("align", "MR", TOKEN, "--out", "o.h5"),
    ("fuse", "MR", "CT", "--out", "o.nrrd", "--colors", TOKEN),
    ("fuse", "MR", "CT", "--out", "o.nrrd", "--device", TOKEN),
    ("fuse", "MR", "CT", "--out", "o.nrrd", *LICENSED, "--revocations", TOKEN),
    ("batch", "pairs.csv", "--out", "o", "--workers", "1"),
)  # fmt: skip
"""Where a license's text may land by mistake."""


@pytest.mark.parametrize("arguments", PLACES_OF_OTHER_TEXT)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_a_license_holds_is_not_shown_where_something_else_is_to_be_named(
    pair, tmp_path, monkeypatch, capfd, arguments, more
):
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text(f"reference,moving\n{pair[0]},{TOKEN}\n", encoding="utf-8")
    named = {"MR": str(pair[0]), "CT": str(pair[1])}
    said = run(*(named.get(each, each) for each in arguments), *more, expect=None)
    assert said.out or said.err
    assert hidden(said, TOKEN) and TOKEN[:24] not in capfd.readouterr().err
    for report in tmp_path.glob("o/report.*"):
        assert TOKEN[:24] not in report.read_text(encoding="utf-8")


def test_digests_that_name_files_stay_and_keys_do_not():
    digest = "0f1e2d3c" * 8
    for kept in (f"{digest}.nrrd does not exist", f"/data/{digest}/ct.nrrd", f"file-{digest}.nii.gz, row 3"):
        assert without_secrets(kept) == kept
    for hidden in (digest, f"'{digest}' does not exist.", f"No file {digest}. Name another.", f"/data/{digest}"):
        assert digest not in without_secrets(hidden)
    assert without_licenses(f"SHA-256: {digest} {TOKEN}") == f"SHA-256: {digest} ..."


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_names_that_are_no_text_are_refused_before_libraries_end_the_process(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"caf\xe9.nrrd")
    shutil.copy(pair[0], odd)
    before = sorted(os.listdir())
    for command, code in (
        (("fuse", odd, pair[1], "--out", "o.nrrd"), 2), (("align", pair[1], odd, "--out", "o.h5"), 2),
        (("fuse", *pair, "--out", f"x{odd}"), 1), (("phantom", "--only", "CT", "--out", odd[:-5]), 1),
        (("fuse", *pair, "--out", "o.nrrd", "--transform", odd), 1),
    ):  # fmt: skip
        for more in ((), ("--json",)):
            assert "is not in Unicode" in run(*command, *more, expect=code).err
    assert sorted(os.listdir()) == before
    folder = Path(os.fsdecode(b"\xe9"))
    folder.mkdir()
    shutil.copy(pair[0], folder / "mr.nrrd")
    (folder / "pairs.csv").write_text(f"reference,moving\nmr.nrrd,{pair[1]}\n", encoding="utf-8")
    assert "is not in Unicode" in run("batch", folder / "pairs.csv", "--out", folder / "o", expect=2).err
    told = json.loads(run("batch", folder / "pairs.csv", "--out", "o", "--workers", "1", "--json", expect=1).out)
    assert told["counts"]["failed"] == 1 and "not in Unicode" in Path("o/report.csv").read_text(encoding="utf-8")


def parameters_of_secrets(command=None, path=()):
    """(words of the command, parameter) of all that name a license or a key."""
    command = command or typer.main.get_command(application)
    for name, child in getattr(command, "commands", {}).items():
        yield from parameters_of_secrets(child, (*path, name))
    for parameter in command.params:
        if parameter.name in OF_SECRETS:
            yield path, parameter


def unwrapped(text):
    return " ".join(text.replace("│", " ").split())


def hidden(said, secret):
    """Whether no line of a secret is in an answer, however that was wrapped."""
    answer = re.sub(r"[\s│]", "", said.out + said.err)
    return not any(line[:24] in answer for line in secret.replace(" ", "").splitlines())


@pytest.mark.parametrize("secret", SECRETS)
def test_what_a_license_or_a_key_holds_is_not_shown_where_its_file_is_to_be_named(tmp_path, monkeypatch, secret):
    monkeypatch.chdir(tmp_path)
    found = list(parameters_of_secrets())
    assert {path[-1] for path, _ in found} == {
        "fuse", "batch", "evaluate", "attack", "inspect", "issue", "reissue", "revoke", "seal", "rotate",
    }  # fmt: skip
    for path, parameter in found:
        is_option = parameter.opts[0].startswith("-")
        given = (parameter.opts[0], secret) if is_option else ("--", secret)
        # What is given is looked at before what is missing.
        for more in ((), ("--json",)):
            said = run(*path, *more, *given, expect=2)
            answer = unwrapped(said.err)
            assert "does not exist" in answer and hidden(said, secret), (path, parameter.name, answer)
            assert parameter.opts[0].lower() in answer.lower()
            assert not more or "does not exist" in json.loads(said.out)["error"]


@pytest.mark.parametrize("secret", SECRETS)
def test_nor_where_a_variable_holds_it(pair, tmp_path, monkeypatch, secret):
    monkeypatch.setenv("AMIFUSION_LICENSE", secret)
    monkeypatch.setenv("AMIFUSION_KEYS", secret)
    model = tmp_path / "m.amif"
    model.write_text("")
    for command in (
        ("fuse", *pair, "--out", tmp_path / "o.nrrd"), ("batch", pair[0], "--out", tmp_path / "o"),
        ("model", "rotate", model, "--out", tmp_path / "n.amif"), ("license", "revoke", "--list", tmp_path / "list"),
    ):  # fmt: skip
        said = run(*command, "--json", expect=2)
        assert "does not exist" in json.loads(said.out)["error"] and hidden(said, secret), said


def test_a_license_that_may_not_be_read_is_wrong_use(tmp_path, monkeypatch):
    """The system is asked; what it answers depends on who runs the tests."""
    (tmp_path / "jane.license").touch()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "jane.license")
    assert "It cannot be read" in run("license", "inspect", tmp_path / "jane.license", expect=2).err


def test_a_folder_is_no_license_and_a_file_no_folder_of_keys(pair, tmp_path):
    assert "It is a folder" in run("license", "inspect", tmp_path, expect=2).err
    assert "It is a folder" in unwrapped(run("fuse", *pair, "--out", "o", "--license", tmp_path, expect=2).err)
    assert "It is a file" in unwrapped(run("license", "revoke", "--list", "l", "--keys", pair[0], expect=2).err)


def test_what_is_left_over_of_a_license_is_not_shown(pair):
    """As a shell divides the text of a file that is not between quotation marks."""
    said = run(
        "fuse", *pair, "--out", "o.nrrd", "--license", pair[0], "Licensee:", TOKEN, SECRETS[1], "--json", expect=2
    )
    assert "Licensee:" in json.loads(said.out)["error"] and hidden(said, TOKEN) and hidden(said, SECRETS[1])
