"""``amifusion align`` and ``phantom``, and a fusion under a transform file."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import os
import re
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from AMIFusionLib.dicom.reading import read_dicom
from dicom_files import written
from small_volumes import LICENSED, pair, run  # noqa: F401 (a fixture)


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


def test_an_image_is_no_transform_and_a_transform_is_not_written_over(pair, tmp_path):
    """Gray values would be taken for millimeters."""
    for moved_by in (pair[1], tmp_path / "rgb.mha"):
        if not Path(moved_by).exists():
            SimpleITK.WriteImage(SimpleITK.Image([4, 4, 4], SimpleITK.sitkVectorUInt8, 3), str(moved_by))
        said = run("fuse", *pair, "--transform", moved_by, "--out", tmp_path / "x.nrrd", expect=1)
        assert "cannot be read as a transform" in said.err and not (tmp_path / "x.nrrd").exists()
    field = SimpleITK.Image([4, 4, 4], SimpleITK.sitkVectorFloat64, 3)
    SimpleITK.WriteImage(field, str(tmp_path / "warp.nrrd"))
    before = (tmp_path / "warp.nrrd").read_bytes()
    run("fuse", *pair, "--transform", tmp_path / "warp.nrrd", "--out", tmp_path / "moved.nrrd", *LICENSED)
    command = ("fuse", *pair, "--transform", tmp_path / "warp.nrrd", "--out", tmp_path / "warp.nrrd", "--overwrite")
    assert "is, holds or lies in a source" in run(*command, expect=1).err
    assert (tmp_path / "warp.nrrd").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names in folders")
def test_a_transform_is_not_waited_for(pair, tmp_path):
    field = SimpleITK.Image([4, 4, 4], SimpleITK.sitkVectorFloat64, 3)
    SimpleITK.WriteImage(field, str(tmp_path / "field.nhdr"))
    header = (tmp_path / "field.nhdr").read_text()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "field.nhdr").write_text(re.sub("data file: .*", "data file: pipe", header))
    said = run("fuse", *pair, "--transform", tmp_path / "field.nhdr", "--out", tmp_path / "y.nrrd", expect=1)
    assert "pipe" in said.err


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


def test_neither_file_is_written_where_one_of_them_cannot_be(pair, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError("No place for a transform.")

    monkeypatch.setattr("AMIFusionLib.cli.align.write_transform", refused)
    before = sorted(tmp_path.rglob("*"))
    run("align", *pair, "--out", tmp_path / "t.h5", "--resampled", tmp_path / "moved.nrrd", expect=1)
    assert sorted(tmp_path.rglob("*")) == before
