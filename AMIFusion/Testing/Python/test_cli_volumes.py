"""The commands on volumes: what they write, what they say, and how they end."""

import json
import shutil
import warnings
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK
from AMIFusionLib import __version__
from AMIFusionLib.authorization.license import license_number
from AMIFusionLib.authorization.revocation import issue_revocation_list
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH
from AMIFusionLib.cli import fuse as fuse_command
from AMIFusionLib.cli.__main__ import application
from AMIFusionLib.dicom.reading import read_dicom
from dicom_files import SeriesMaker, tilted, written
from typer.testing import CliRunner


def run(*arguments, expect=0):
    """Run a command; gives its standard output and error."""
    outcome = CliRunner().invoke(application, [str(argument) for argument in arguments])
    assert outcome.exit_code == expect, outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    return SimpleNamespace(out=outcome.stdout, err=outcome.stderr)


def ball(shape, seed):
    """(slice, row, column) uint16."""
    axes = np.meshgrid(*(np.linspace(-1, 1, count) for count in shape), indexing="ij")
    values = np.random.default_rng(seed).integers(100, 900, shape)
    return (values * (sum(axis**2 for axis in axes) < 0.8)).astype(np.uint16)


@pytest.fixture
def pair(scene, tmp_path):
    """Two small NRRD files on different grids."""
    for name, shape, seed in (("mr", (9, 36, 40), 0), ("ct", (12, 44, 36), 1)):
        image = SimpleITK.GetImageFromArray(ball(shape, seed).astype(np.int16))
        image.SetSpacing((1.0, 1.1, 3.0))
        SimpleITK.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
    return tmp_path / "mr.nrrd", tmp_path / "ct.nrrd"


@pytest.fixture
def dicom_pair(scene, tmp_path):
    """Two small DICOM series of one patient."""
    mr = SeriesMaker("MR", ball((9, 36, 40), 0), tilted(12)).write(tmp_path / "study" / "mr")
    ct = SeriesMaker("CT", ball((12, 40, 44), 1), SeriesNumber=4).write(tmp_path / "study" / "ct", [1] * 12, -100)
    return mr, ct


@pytest.fixture
def license_file(tmp_path, issue):
    """A license of the test model."""
    path = tmp_path / "test.license"
    path.write_text(issue())
    return path


LICENSED = ("--license", EVALUATION_LICENSE_PATH)


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


def head_image(head_model, name):
    """One of the phantom's volumes for SimpleITK, in LPS."""
    volume = head_model.sample(name)
    image = SimpleITK.GetImageFromArray(volume.array)
    lps = np.diag((-1, -1, 1, 1)) @ volume.ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((lps[:3, :3] / spacing).ravel())
    image.SetOrigin(lps[:3, 3])
    return image


@pytest.mark.parametrize("ending", [".h5", ".tfm", ".txt", ".mat"])
def test_aligned_volume_comes_back(scene, tmp_path, head_model, ending):
    matrix = SimpleITK.Euler3DTransform((0, 0, 0), 0.05, -0.03, 0.04, (4.0, -3.0, 2.0))
    paths = []
    for name, transform in (("MRT2", None), ("MRT1", matrix)):
        image = head_image(head_model, name)
        if transform is not None:
            image = SimpleITK.Resample(image, transform)
        image = SimpleITK.Shrink(image, (2, 2, 1))
        paths.append(tmp_path / f"{name}.nrrd")
        SimpleITK.WriteImage(image, str(paths[-1]))
    resampled = ("--resampled", tmp_path / "moved.nii.gz") if ending == ".h5" else ()
    told = json.loads(run("align", *paths, "--out", tmp_path / f"t{ending}", *resampled, "--json").out)
    assert told["is_better"] and told["mutual_information"][1] > told["mutual_information"][0]
    found = SimpleITK.ReadTransform(str(tmp_path / f"t{ending}"))
    for point in product((-50.0, 50.0), repeat=3):
        # The image was resampled by the motion, so that what brings it back maps points by the inverse.
        expected = matrix.GetInverse().TransformPoint(point)
        assert np.linalg.norm(np.subtract(found.TransformPoint(point), expected)) < 0.5
    ras = np.array(told["matrix_ras"])
    lps = np.diag((-1, -1, 1, 1)) @ ras @ np.diag((-1, -1, 1, 1))
    np.testing.assert_allclose(lps[:3] @ (*found.TransformPoint((1.0, 2.0, 3.0)), 1), (1, 2, 3), atol=1e-4)
    if resampled:
        moved, reference = (SimpleITK.ReadImage(str(path)) for path in (tmp_path / "moved.nii.gz", paths[0]))
        assert moved.GetSize() == reference.GetSize()
        arrays = [SimpleITK.GetArrayFromImage(image).astype(float) for image in (moved, head_t1(reference, head_model))]
        assert np.corrcoef(arrays[0].ravel(), arrays[1].ravel())[0, 1] > 0.97


def head_t1(reference, head_model):
    """The unmoved T1 image on a reference's grid."""
    return SimpleITK.Resample(head_image(head_model, "MRT1"), reference)


def test_transform_moves_the_second_volume(pair, tmp_path):
    for name, millimeters in (("none", 0.0), ("far", 9.0)):
        motion = SimpleITK.TranslationTransform(3, (millimeters, 0.0, 0.0))
        affine = SimpleITK.AffineTransform(3)
        affine.SetTranslation(motion.GetOffset())
        SimpleITK.WriteTransform(affine, str(tmp_path / f"{name}.tfm"))
    arrays = []
    for name in ("none", "far"):
        run("fuse", *pair, "--transform", tmp_path / f"{name}.tfm", "--out", tmp_path / f"{name}.nrrd", *LICENSED)
        arrays.append(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"{name}.nrrd"))))
    run("fuse", *pair, "--out", tmp_path / "plain.nrrd", *LICENSED)
    plain = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "plain.nrrd")))
    np.testing.assert_array_equal(arrays[0], plain)
    assert (arrays[1] != plain).mean() > 0.2
    (tmp_path / "bad.tfm").write_text("hello")
    said = run("fuse", *pair, "--transform", tmp_path / "bad.tfm", "--out", tmp_path / "x.nrrd", expect=1)
    assert "cannot be read as a transform" in said.err


def test_phantom_as_dicom_reads_back(scene, tmp_path, quick_phantom, head_model):
    from dicom_validity import dciodvfy_errors, problems_of, values_are_valid

    told = json.loads(run("phantom", "--out", tmp_path / "p", "--format", "dicom", "--json").out)
    assert [Path(path).name for path in told["volumes"]] == ["PhantomCT", "PhantomMRT1", "PhantomMRT2", "PhantomPET"]
    studies = set()
    for name in ("CT", "MRT1", "PET"):
        volume, original = read_dicom(tmp_path / "p" / f"Phantom{name}"), head_model.sample(name)
        tolerance = original.array.max() / 60000 if name == "PET" else 0
        np.testing.assert_allclose(volume.array, original.array, atol=tolerance)
        np.testing.assert_allclose(volume.ijk_to_ras, original.ijk_to_ras, atol=1e-8)
        assert (volume.modality, volume.window) == (original.modality, original.window)
        studies.add((volume.header.StudyInstanceUID, volume.header.FrameOfReferenceUID))
        path = tmp_path / "p" / f"Phantom{name}" / "0007.dcm"
        assert not problems_of(pydicom.dcmread(path))
        values_are_valid(path)
        assert not dciodvfy_errors(path)
    assert len(studies) == 1
    slopes = {float(image.RescaleSlope) for image in written(tmp_path / "p" / "PhantomPET")}
    assert len(slopes) > 10


def test_phantom_keeps_what_is_there(scene, tmp_path, quick_phantom):
    (tmp_path / "note.txt").write_text("precious")
    assert "is there already" in run("phantom", "--out", tmp_path, expect=1).err
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    run("phantom", "--out", tmp_path / "new", "--only", "CT", "--format", "nifti")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["PhantomCT.nii.gz"]


@pytest.mark.parametrize("file_format", ["nrrd", "dicom"])
def test_phantom_is_replaced_when_asked(scene, tmp_path, quick_phantom, file_format):
    command = ("phantom", "--only", "CT", "--format", file_format, "--out", tmp_path / "p")
    run(*command)
    assert "--overwrite" in run(*command, expect=1).err
    (old,) = (tmp_path / "p").iterdir()
    before = old.stat().st_ino
    run(*command, "--overwrite")
    assert [path.name for path in (tmp_path / "p").iterdir()] == [old.name] and old.stat().st_ino != before
    (tmp_path / "p" / "PhantomMRT2").mkdir()
    (tmp_path / "p" / "PhantomMRT2" / "thesis.txt").write_text("precious")
    assert "other things" in run(*command, "--overwrite", expect=1).err
    assert (tmp_path / "p" / "PhantomMRT2" / "thesis.txt").exists()


def test_a_place_that_cannot_be_written_is_told_before_the_fusion(pair, tmp_path, monkeypatch):
    (tmp_path / "afile").write_text("precious")
    monkeypatch.setattr("AMIFusionLib.volumes.files.read_volume", lambda *_: pytest.fail("work began"))
    for name in ("afile/x.nrrd", "afile/deeper/series"):
        said = run("fuse", *pair, "--out", tmp_path / name, expect=1)
        assert "afile is no folder. Choose another place." in said.err
    assert (tmp_path / "afile").read_text() == "precious"


def test_choices_are_those_of_the_library():
    from AMIFusionLib.cli.volumes import SUFFIXES
    from AMIFusionLib.volumes.files import FILE_SUFFIXES
    from AMIFusionLib.volumes.intensity import WINDOW_CHOICES
    from AMIFusionLib.volumes.planes import PLANES

    assert fuse_command.Plane.__args__ == PLANES and fuse_command.WindowChoice.__args__ == WINDOW_CHOICES
    assert set(SUFFIXES.values()) <= set(FILE_SUFFIXES)
