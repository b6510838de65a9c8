"""``amifusion fuse``: what it writes, what it says, and how it ends."""
# ruff: noqa: F811 (fixtures are imported by name)

import errno
import json
import re
import shutil
import warnings
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import cv2
import numpy as np
import pydicom
import pytest
import SimpleITK
import torch
from AMIFusionLib.authorization.license import license_number
from AMIFusionLib.authorization.revocation import issue_revocation_list
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH
from AMIFusionLib.cli.failures import explained
from AMIFusionLib.dicom.identity import PlaceholderPatient
from AMIFusionLib.dicom.reading import read_dicom
from dicom_files import SeriesMaker, written
from small_volumes import LICENSED, ball, dicom_pair, license_file, pair, run  # noqa: F401 (fixtures)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".nii", ".mha"])
def test_fused_file_has_the_references_grid(pair, tmp_path, ending):
    run("fuse", *pair, "--out", tmp_path / f"out{ending}", *LICENSED)
    image, reference = (SimpleITK.ReadImage(str(path)) for path in (tmp_path / f"out{ending}", pair[0]))
    assert image.GetSize() == reference.GetSize()
    for of in (image.GetSpacing, image.GetOrigin, image.GetDirection):
        np.testing.assert_allclose(of(), getattr(reference, of.__name__)(), atol=1e-5)
    assert SimpleITK.GetArrayFromImage(image).std() > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["ct.nrrd", "mr.nrrd", f"out{ending}"])


def test_exit_code_and_json_tell_a_marked_result(pair, tmp_path, model_path, license_file):
    model = ("--model", model_path)
    told = json.loads(run("fuse", *pair, "--out", tmp_path / "marked.nrrd", *model, "--json", expect=3).out)
    assert (told["marked"], told["licensee"], told["exit_code"], told["license_problem"]) == (True, None, 3, None)
    licensed = run("fuse", *pair, "--out", tmp_path / "clean.nrrd", *model, "--license", license_file, "--json")
    told = json.loads(licensed.out)
    assert (told["marked"], told["licensee"], told["exit_code"]) == (False, "Dr. Test", 0)
    assert [told["reference"], told["moving"]] == [str(path) for path in pair]
    assert told["out"] == str(tmp_path / "clean.nrrd") and told["device"] and told["seconds"] > 0
    assert told["warnings"] == [] and told["model"]["id"] == "test-model-1"
    assert license_file.read_text() not in licensed.out + licensed.err
    arrays = [
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"{n}.nrrd"))) for n in ("marked", "clean")
    ]
    assert (arrays[0] != arrays[1]).any()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("ITK: bad allocation"),
        OSError(errno.ENOMEM, "Cannot allocate memory", "a.nrrd"), "ITK", "numpy", "PyTorch", "OpenCV",
    ],
    ids=repr,
)  # fmt: skip
def test_memory_that_does_not_suffice_is_told_in_a_sentence(pair, tmp_path, monkeypatch, error):
    def read(*_):
        if not isinstance(error, str):
            raise error
        if error == "ITK":
            SimpleITK.Image([2**31 - 1] * 3, SimpleITK.sitkFloat64)
        elif error == "numpy":
            np.empty((10**6,) * 3)
        elif error == "PyTorch":
            torch.empty(10**16)
        else:
            raise cv2.error("OpenCV(4) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes")

    monkeypatch.setattr("AMIFusionLib.cli.fuse.read_pair", read)
    said = run("fuse", *pair, "--out", tmp_path / "o.nrrd", "--json", expect=1)
    sentence = "There is not enough memory for this. Use smaller volumes or a machine with more memory."
    assert said.err == f"amifusion: {sentence}\n" and json.loads(said.out)["error"] == sentence
    assert json.loads(said.out)["exit_code"] == 1 and not (tmp_path / "o.nrrd").exists()


@pytest.mark.parametrize("error", [KeyError("out of memory of names"), RuntimeError("a fault")])
def test_faults_of_the_program_are_not_hidden(error):
    with pytest.raises(type(error)) as raised, explained():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("place", [0, 1])
def test_volume_of_nan_is_refused(pair, tmp_path, place):
    image = SimpleITK.ReadImage(str(pair[place]), SimpleITK.sitkFloat32) * np.nan
    SimpleITK.WriteImage(image, str(tmp_path / "void.nrrd"))
    sources = [tmp_path / "void.nrrd" if at == place else path for at, path in enumerate(pair)]
    for command, name in (("fuse", "o.nrrd"), ("align", "o.h5")):
        said = run(command, *sources, "--out", tmp_path / name, expect=1)
        assert "'void' has no values: all of its voxels are NaN or infinite. Select another volume." in said.err
        assert not (tmp_path / name).exists()


def test_license_that_does_not_hold_is_explained(pair, tmp_path, model_path, make_publisher, issue, license_file):
    license_file.write_text(license_file.read_text()[:-8])
    said = run("fuse", *pair, "--out", tmp_path / "o.nrrd", "--model", model_path, "--license", license_file, expect=3)
    assert "not a complete license" in said.err and "unlicensed: the result is marked" in said.out


def test_revoked_license_gives_a_marked_result(pair, tmp_path, model_path, publisher, license_file):
    number = license_number(license_file.read_text(), publisher.public_key)
    now = datetime.now(timezone.utc)
    days = (now - timedelta(days=1), now + timedelta(days=30))
    text = issue_revocation_list("Test publisher", {number: days[0]}, publisher.signing_key, 1, *days)
    (tmp_path / "list.txt").write_text(text)
    command = ("fuse", *pair, "--model", model_path, "--license", license_file)
    run(*command, "--out", tmp_path / "before.nrrd")
    said = run(*command, "--out", tmp_path / "o.nrrd", "--revocations", tmp_path / "list.txt", expect=3)
    assert "revoked" in said.err
    missing = run(*command, "--out", tmp_path / "p.nrrd", "--revocations", tmp_path / "none.txt", expect=2)
    assert "does not exist" in missing.err and not (tmp_path / "p.nrrd").exists()


def test_license_is_also_found_by_the_environment(pair, tmp_path, monkeypatch):
    monkeypatch.setenv("AMIFUSION_LICENSE", str(EVALUATION_LICENSE_PATH))
    assert "licensed to Public evaluation" in run("fuse", *pair, "--out", tmp_path / "o.nrrd").out


def test_color_is_asked_for(pair, tmp_path):
    components = {}
    for name, more in (("gray", ()), ("color", ("--colors", "pet-heat"))):
        told = json.loads(run("fuse", *pair, "--out", tmp_path / f"{name}.nrrd", *LICENSED, *more, "--json").out)
        components[name] = SimpleITK.ReadImage(str(tmp_path / f"{name}.nrrd")).GetNumberOfComponentsPerPixel()
        assert told["color"] == (name == "color")
    assert components == {"gray": 1, "color": 3}
    run("fuse", pair[0], tmp_path / "color.nrrd", "--gray", "--out", tmp_path / "again.nrrd", *LICENSED)
    assert SimpleITK.ReadImage(str(tmp_path / "again.nrrd")).GetNumberOfComponentsPerPixel() == 1
    wrong = run("fuse", *pair, "--colors", "nothing", "--out", tmp_path / "x.nrrd", expect=2)
    assert "no color table 'nothing'" in wrong.err and "PET-Heat" in wrong.err


def test_windows_and_balance_count(pair, tmp_path):
    def fused(*more):
        run("fuse", *pair, "--out", tmp_path / "o.nrrd", *LICENSED, "--overwrite", *more)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "o.nrrd"))).astype(float)

    plain = fused()
    assert fused("--moving-window", "0", "200").mean() > plain.mean()
    assert fused("--reference-window", "0", "9000").mean() < plain.mean()
    assert (fused("--balance", "0") != plain).any() and (fused("--plane", "coronal") != plain).any()
    assert (fused("--window", "percentiles") != plain).any()
    run("fuse", *pair, "--out", tmp_path / "x.nrrd", "--moving-window", "5", "5", expect=2)


def test_dicom_in_and_out(dicom_pair, tmp_path):
    told = json.loads(run("fuse", *dicom_pair, "--out", tmp_path / "fused", *LICENSED, "--json").out)
    assert (told["format"], told["files"]) == ("dicom", 9) and not told["warnings"]
    np.testing.assert_allclose(
        read_dicom(tmp_path / "fused").ijk_to_ras, read_dicom(dicom_pair[0]).ijk_to_ras, atol=1e-8
    )
    assert written(tmp_path / "fused")[0].PatientID == "P-17"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused", "study"]


def test_series_of_a_folder_are_chosen(dicom_pair, tmp_path):
    study = tmp_path / "study"
    said = run("fuse", study, dicom_pair[1], "--out", tmp_path / "o.nrrd", expect=1)
    assert "holds 2 DICOM series" in said.err and "MR head" in said.err and "CT head" in said.err
    run("fuse", f"{study}#3", f"{study}#4", "--out", tmp_path / "o.nrrd", *LICENSED)
    assert SimpleITK.ReadImage(str(tmp_path / "o.nrrd")).GetSize() == (40, 36, 9)


def test_two_patients_and_single_slices_are_warned_of(dicom_pair, tmp_path):
    other = SeriesMaker("CT", ball((12, 40, 44), 1), PatientID="Q-99").write(tmp_path / "other", [1] * 12)
    told = json.loads(run("fuse", dicom_pair[0], other, "--out", tmp_path / "o.nrrd", *LICENSED, "--json").out)
    assert "different patients" in told["warnings"][0] and "Q-99" not in str(told)
    one = next(path for path in dicom_pair[0].iterdir() if pydicom.dcmread(path).InstanceNumber == 5)
    said = run("fuse", one, dicom_pair[1], "--out", tmp_path / "one.nrrd", *LICENSED)
    assert "is one slice. Name its folder" in said.err


def test_placeholder_patient(pair, tmp_path):
    said = run("fuse", *pair, "--out", tmp_path / "a", *LICENSED)
    assert "placeholder patient 'UNKNOWN'" in said.err
    names = ("--patient-id", "X1", "--patient-name", "Roe^Jane")
    said = run("fuse", *pair, "--out", tmp_path / "b", *LICENSED, *names)
    assert "placeholder" not in said.err
    image = written(tmp_path / "b")[0]
    assert (image.PatientID, str(image.PatientName)) == ("X1", "Roe^Jane")
    run("fuse", *pair, "--out", tmp_path / "c.nrrd", *names, expect=2)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("id", "a\\b"), ("id", "x" * 65), ("id", "a\nb"), ("id", "a\udcffb"), ("name", "A=B=C=D^^^^^^^"),
        ("name", "A=B=C=D"), ("name", "A^B^C^D^E^F"), ("name", "x" * 65), ("name", "a\\b"), ("name", "a\x1b[2Jb"),
    ],
)  # fmt: skip
def test_a_patient_that_dicom_cannot_hold_is_wrong_use(pair, tmp_path, monkeypatch, option, text):
    monkeypatch.setattr("AMIFusionLib.volumes.files.read_volume", lambda *_: pytest.fail("work began"))
    said = run("fuse", *pair, "--out", tmp_path / "o", *LICENSED, f"--patient-{option}", text, expect=2)
    sentence = "A patient ID has up to 64 characters" if option == "id" else "A patient's name, as Family^Given, has"
    assert sentence in " ".join(said.err.split()) and text not in said.err and not (tmp_path / "o").exists()
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PlaceholderPatient(**{"patient_id" if option == "id" else "name": text})


def test_a_patient_as_long_as_dicom_holds_is_kept():
    name = f"{'a' * 56}^b^c^d^e"
    assert PlaceholderPatient("x" * 64, f"{name}={name}={name}").patient_id == "x" * 64


def test_patient_of_a_dicom_reference_is_not_renamed(dicom_pair, tmp_path):
    said = run("fuse", *dicom_pair, "--out", tmp_path / "o", "--patient-id", "X1", expect=1)
    assert "names its patient" in said.err and not (tmp_path / "o").exists()


def test_wrong_values_are_kept_and_not_shown(dicom_pair, tmp_path):
    for path in dicom_pair[0].iterdir():
        image = pydicom.dcmread(path)
        image.add(pydicom.DataElement("StudyInstanceUID", "UI", "1.02.seventy", validation_mode=pydicom.config.IGNORE))
        image.save_as(path)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        said = run("fuse", *dicom_pair, "--out", tmp_path / "fused", *LICENSED)
    assert "seventy" not in said.out + said.err + " ".join(str(warning.message) for warning in shown)
    with pytest.warns(UserWarning, match="seventy"):
        assert written(tmp_path / "fused")[0].StudyInstanceUID == "1.02.seventy"


def test_nothing_is_replaced_unasked(pair, dicom_pair, tmp_path):
    (tmp_path / "o.nrrd").write_text("precious")
    assert "is there already" in run("fuse", *pair, "--out", tmp_path / "o.nrrd", expect=1).err
    assert (tmp_path / "o.nrrd").read_text() == "precious"
    run("fuse", *pair, "--out", tmp_path / "o.nrrd", "--overwrite", *LICENSED)
    assert (tmp_path / "o.nrrd").stat().st_size > 1000
    run("fuse", *dicom_pair, "--out", tmp_path / "series", *LICENSED)
    before = {path.name: path.read_bytes() for path in (tmp_path / "series").iterdir()}
    assert "is there already" in run("fuse", *dicom_pair, "--out", tmp_path / "series", expect=1).err
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "series").iterdir()}
    run("fuse", *dicom_pair, "--out", tmp_path / "series", "--overwrite", *LICENSED)
    assert before.keys() == {path.name for path in (tmp_path / "series").iterdir()}
    assert before != {path.name: path.read_bytes() for path in (tmp_path / "series").iterdir()}
    (tmp_path / "series" / "thesis.txt").write_text("precious")
    assert "other things" in run("fuse", *dicom_pair, "--out", tmp_path / "series", "--overwrite", expect=1).err
    assert (tmp_path / "series" / "thesis.txt").exists()


def test_sources_are_never_written_over(pair, dicom_pair, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for sources, out in (
        (pair, pair[1]), (dicom_pair, dicom_pair[0]), (dicom_pair, tmp_path / "study"),
        (dicom_pair, dicom_pair[1] / "fused"), ((f"{dicom_pair[0]}#3", dicom_pair[1]), dicom_pair[0]),
    ):  # fmt: skip
        said = run("fuse", *sources, "--out", out, "--overwrite", *LICENSED, expect=1)
        assert "in a source of this command" in said.err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_failure_while_writing_leaves_nothing(dicom_pair, pair, tmp_path, monkeypatch):
    before = sorted(path.name for path in tmp_path.iterdir())

    def broken(image, path):
        if path.name == "0005.dcm":
            raise OSError("No space left on device")
        path.write_bytes(b"part")

    monkeypatch.setattr("AMIFusionLib.dicom.writing._save", broken)
    said = run("fuse", *dicom_pair, "--out", tmp_path / "deep" / "fused", "--json", expect=1)
    told = json.loads(said.out)
    assert "No space left" in told["error"] and told["exit_code"] == 1
    assert not (tmp_path / "deep").exists() or not list((tmp_path / "deep").iterdir())
    shutil.rmtree(tmp_path / "deep", ignore_errors=True)
    full = SimpleNamespace(SetFileName=lambda path: None, WriteData=lambda node: 0)
    monkeypatch.setattr("slicer.vtkMRMLNRRDStorageNode", lambda: full)
    assert "cannot be written" in run("fuse", *pair, "--out", tmp_path / "o.nrrd", expect=1).err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_place_that_cannot_be_written_is_told_before_the_fusion(pair, tmp_path, monkeypatch):
    (tmp_path / "afile").write_text("precious")
    monkeypatch.setattr("AMIFusionLib.volumes.files.read_volume", lambda *_: pytest.fail("work began"))
    for name in ("afile/x.nrrd", "afile/deeper/series"):
        said = run("fuse", *pair, "--out", tmp_path / name, expect=1)
        assert "afile is no folder. Choose another place." in said.err
    assert (tmp_path / "afile").read_text() == "precious"
