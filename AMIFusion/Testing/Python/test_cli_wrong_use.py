"""Command lines on volumes that cannot be understood: told before any work, and to scripts too."""
# ruff: noqa: F811 (fixtures are imported by name)

import json

import pytest
from AMIFusionLib import __version__
from AMIFusionLib.cli import fuse as fuse_command
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
