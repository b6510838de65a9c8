"""Results as derived DICOM series: read back alike, valid, and honest about where they come from."""

import numpy as np
import pydicom
import pytest
import SimpleITK
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.dicom.errors import DicomError
from AMIFusionLib.dicom.identity import PlaceholderPatient
from AMIFusionLib.dicom.reading import read_dicom
from AMIFusionLib.dicom.writing import SliceStack, write_series
from AMIFusionLib.fused_series import FusedSeries
from AMIFusionLib.fusion_job import FusionJob
from AMIFusionLib.volumes.files import read_volume
from dicom_files import SeriesMaker, enhanced, tilted, written
from dicom_validity import dciodvfy_errors, problems_of, values_are_valid
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage
from slicer.util import arrayFromVolume

NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def voxels(slices=9, seed=0, largest=900):
    """(slice, 36, 40) uint16 of a bright ball."""
    k, j, i = np.ogrid[:slices, :36, :40]
    inside = ((k - slices / 2) / slices) ** 2 + ((j - 18) / 36) ** 2 + ((i - 20) / 40) ** 2 < 0.2
    return (inside * np.random.default_rng(seed).integers(100, largest, (slices, 36, 40))).astype(np.uint16)


def mr_series(folder, **changes):
    """An oblique MR series, written to a folder."""
    settings = {"ScanningSequence": "SE", "SequenceVariant": "SK", "EchoTime": "15", "RepetitionTime": "500"}
    return SeriesMaker("MR", voxels(), tilted(12, 5), **{**settings, **changes}).write(folder)


def ct_series(folder, **changes):
    """A straight CT series on another grid, written to a folder."""
    maker = SeriesMaker("CT", voxels(12, 1), KVP="120", **changes)
    return maker.write(folder, [1] * 12, -100)


@pytest.fixture
def fuse_to_series(scene, tmp_path, model, issue):
    """Fuses two files or folders and writes the series; gives its folder and the result's node."""

    def fuse(reference, moving, licensed=True, color=False, patient=None):
        pair = [read_volume(scene, path) for path in (reference, moving)]
        if color:
            from AMIFusionLib.volumes.scene import show_colors

            show_colors(scene, pair[1].node, "PET-Heat")
        job = FusionJob(pair[0].node, pair[1].node, model, authorize(model, issue() if licensed else None))
        result = job.run()
        folder = tmp_path / "out"
        folder.mkdir()
        patient = patient or PlaceholderPatient()
        count = FusedSeries(result, *pair, model.description, patient).write(folder)
        assert count == len(list(folder.iterdir()))
        return folder, result

    return fuse


def read_by_gdcm(folder):
    """Array and matrix to RAS, as ITK reads them."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), np.diag((-1, -1, 1, 1)) @ matrix


@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_gdcm_reads_the_same_voxels_at_the_same_place(scene, fuse_to_series, tmp_path, modality, color):
    mr, ct = mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct")
    reference, moving = (mr, ct) if modality == "MR" else (ct, mr)
    folder, result = fuse_to_series(reference, moving, color=color)
    array, matrix = read_by_gdcm(folder)
    np.testing.assert_array_equal(array, arrayFromVolume(result))
    np.testing.assert_allclose(matrix, read_dicom(reference).ijk_to_ras, atol=1e-3)
    again = read_dicom(folder)
    np.testing.assert_array_equal(again.array, arrayFromVolume(result))
    np.testing.assert_allclose(again.ijk_to_ras, read_dicom(reference).ijk_to_ras, atol=1e-8)
    assert array.std() > 10
    images = written(folder)
    is_mr = modality == "MR" and not color
    assert {image.SOPClassUID for image in images} == {MRImageStorage if is_mr else SecondaryCaptureImageStorage}
    assert {image.Modality for image in images} == {modality}
    if not color:
        assert again.window == (0, 4095)


SOURCES = {
    "MR": lambda folder: mr_series(folder),
    "MR by inversion": lambda folder: mr_series(folder, ScanningSequence=["SE", "IR"]),
    "CT": lambda folder: ct_series(folder),
    "enhanced MR": lambda folder: enhanced(
        SeriesMaker("MR", voxels(), tilted(12, 5)).images(), folder.with_suffix(".dcm")
    ),
    "sparse": lambda folder: SeriesMaker("PT", voxels(), BodyPartExamined="").write(folder, [0.5] * 9),
    "other language": lambda folder: mr_series(folder, SpecificCharacterSet="ISO_IR 192", PatientName=NAME),
}


@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
@pytest.mark.parametrize("source", SOURCES)
def test_series_are_valid(scene, fuse_to_series, tmp_path, source, color):
    folder, _ = fuse_to_series(SOURCES[source](tmp_path / "reference"), ct_series(tmp_path / "ct"), color=color)
    for path in sorted(folder.iterdir())[::4]:
        assert not problems_of(pydicom.dcmread(path))
        values_are_valid(path)


def test_series_without_dicom_sources_are_valid(scene, fuse_to_series, tmp_path, add_volume):
    folder, _ = fuse_to_series(*nrrd_pair(tmp_path, add_volume))
    for path, image in zip(sorted(folder.iterdir()), written(folder)):
        assert not problems_of(image)
        values_are_valid(path)
    assert {(image.PatientID, str(image.PatientName), image.Modality) for image in written(folder)} == {
        ("UNKNOWN", "Unknown^Patient", "OT")
    }


@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
@pytest.mark.parametrize("source", [*SOURCES, "no DICOM"])
def test_dciodvfy_finds_no_error(scene, fuse_to_series, tmp_path, add_volume, source, color):
    if source == "no DICOM":
        reference, moving = nrrd_pair(tmp_path, add_volume)
    else:
        reference, moving = SOURCES[source](tmp_path / "reference"), ct_series(tmp_path / "ct")
    folder, _ = fuse_to_series(reference, moving, color=color)
    paths = sorted(folder.iterdir())
    for path in (paths[0], paths[len(paths) // 2]):
        assert not dciodvfy_errors(path)


def test_the_checks_find_what_is_wrong(fuse_to_series, tmp_path):
    folder, _ = fuse_to_series(mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct"))
    image = written(folder)[0]
    del image.PatientID
    image.ImageType, image.Units = None, "GML"
    shown = " ".join(problems_of(image))
    assert "PatientID of type 2 is missing" in shown and "ImageType of type 1 is empty" in shown
    assert "Units is in no module" in shown
    image.save_as(tmp_path / "wrong.dcm")
    assert any("PatientID" in line for line in dciodvfy_errors(tmp_path / "wrong.dcm"))


def nrrd_pair(tmp_path, add_volume):
    """Two NRRD files."""
    from AMIFusionLib.volumes.files import save_volume

    for name, seed in (("a", 0), ("b", 1)):
        save_volume(add_volume(voxels(seed=seed).astype(np.int16), name), tmp_path / f"{name}.nrrd")
    return tmp_path / "a.nrrd", tmp_path / "b.nrrd"


def test_identity_is_the_references_and_uids_are_new(fuse_to_series, tmp_path):
    mr = mr_series(tmp_path / "mr", SpecificCharacterSet="ISO_IR 192", PatientName=NAME, PatientAge="070Y")
    ct = ct_series(tmp_path / "ct")
    folder, _ = fuse_to_series(mr, ct)
    images, sources = written(folder), [*written(mr), *written(ct)]
    header = written(mr)[0]
    for image in images:
        for keyword in ("PatientID", "PatientName", "PatientAge", "StudyInstanceUID", "AccessionNumber", "StudyDate"):
            assert image[keyword].value == header[keyword].value
        assert image.FrameOfReferenceUID == header.FrameOfReferenceUID
        assert image.Manufacturer == "AMIFusion"
        assert image.ContributingEquipmentSequence[0].Manufacturer == "Scanner works"
    uids = [image.SOPInstanceUID for image in images]
    assert len(set(uids)) == len(images) == 9
    assert len({image.SeriesInstanceUID for image in images}) == 1
    assert not set(uids) & {image.SOPInstanceUID for image in sources}
    assert images[0].SeriesInstanceUID not in {image.SeriesInstanceUID for image in sources}
    assert [image.file_meta.MediaStorageSOPInstanceUID for image in images] == uids


@pytest.mark.parametrize(
    ("characters", "name"), [("ISO_IR 100", "Müller^Jürgen"), (["", "ISO 2022 IR 87"], NAME)], ids=["Latin", "Japanese"]
)
def test_patient_of_a_source_in_an_old_character_set(fuse_to_series, tmp_path, characters, name):
    mr = mr_series(tmp_path / "mr", SpecificCharacterSet=characters, PatientName=name)
    assert name.split("=")[-1].encode() not in next(mr.iterdir()).read_bytes()
    folder, _ = fuse_to_series(mr, ct_series(tmp_path / "ct"))
    assert str(written(folder)[0].PatientName) == name
    assert written(folder)[0].SpecificCharacterSet == "ISO_IR 192"


def test_text_in_sequences_of_a_source_in_an_old_character_set(fuse_to_series, tmp_path):
    procedure, issuer = Dataset(), Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "1", "99LOCAL", "Schädel-MR"
    issuer.PatientID, issuer.IssuerOfPatientID = "7", "Zürich"
    more = {"ProcedureCodeSequence": [procedure], "OtherPatientIDsSequence": [issuer]}
    mr = mr_series(tmp_path / "mr", SpecificCharacterSet="ISO_IR 100", **more)
    assert "Schädel".encode("latin-1") in next(mr.iterdir()).read_bytes()
    image = written(fuse_to_series(mr, ct_series(tmp_path / "ct"))[0])[0]
    assert image.ProcedureCodeSequence[0].CodeMeaning == "Schädel-MR"
    assert image.OtherPatientIDsSequence[0].IssuerOfPatientID == "Zürich"


def test_each_slice_names_the_images_that_it_was_made_from(fuse_to_series, tmp_path):
    mr, ct = mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct")
    folder, _ = fuse_to_series(mr, ct)
    reference, moving = read_dicom(mr), read_dicom(ct)
    for index, image in enumerate(written(folder)):
        own, *others = image.SourceImageSequence
        assert own.ReferencedSOPInstanceUID == reference.frames[index].image.SOPInstanceUID
        assert (own.SpatialLocationsPreserved, own.PurposeOfReferenceCodeSequence[0].CodeValue) == ("YES", "121322")
        corners = np.array([(i, j, index, 1) for i in (0, 39) for j in (0, 35)]).T
        at = (np.linalg.inv(moving.ijk_to_ras) @ reference.ijk_to_ras @ corners)[2]
        expected = [
            frame.image.SOPInstanceUID for k, frame in enumerate(moving.frames) if at.min() - 1 < k < at.max() + 1
        ]
        assert [item.ReferencedSOPInstanceUID for item in others] == expected
        named = [part.SeriesInstanceUID for part in image.ReferencedSeriesSequence]
        assert named == [reference.header.SeriesInstanceUID]
        other = image.StudiesContainingOtherReferencedInstancesSequence
        assert [study.StudyInstanceUID for study in other] == [moving.header.StudyInstanceUID]
    assert any(len(image.SourceImageSequence) > 2 for image in written(folder))


def test_series_of_one_study_are_referenced_together(fuse_to_series, tmp_path):
    mr = mr_series(tmp_path / "mr")
    header = written(mr)[0]
    ct = ct_series(tmp_path / "ct", StudyInstanceUID=header.StudyInstanceUID)
    image = written(fuse_to_series(mr, ct)[0])[4]
    assert {part.SeriesInstanceUID for part in image.ReferencedSeriesSequence} == {
        header.SeriesInstanceUID, written(ct)[0].SeriesInstanceUID,
    }  # fmt: skip
    assert "StudiesContainingOtherReferencedInstancesSequence" not in image


def test_frames_of_an_enhanced_source_are_named(fuse_to_series, tmp_path):
    path = enhanced(SeriesMaker("MR", voxels(), tilted(12, 5)).images(), tmp_path / "mr.dcm")
    folder, _ = fuse_to_series(path, ct_series(tmp_path / "ct"))
    source = pydicom.dcmread(path)
    for frame, image in zip(read_dicom(path).frames, written(folder)):
        item = image.SourceImageSequence[0]
        assert (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) == (source.SOPInstanceUID, frame.number)


def test_mark_is_told_where_people_and_programs_look(fuse_to_series, tmp_path, model):
    mr, ct = mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct")
    marked = written(fuse_to_series(mr, ct, licensed=False)[0])[0]
    assert marked.SeriesDescription.startswith("UNLICENSED AMIFusion MR head + CT head")
    for part in ("UNLICENSED", "visibly marked", "AMIFusion", model.description.title, model.sha256[:16]):
        assert part in marked.DerivationDescription
    assert list(marked.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]


def test_clean_result_says_so(fuse_to_series, tmp_path):
    clean = written(fuse_to_series(mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct"))[0])[0]
    assert "UNLICENSED" not in clean.SeriesDescription + clean.DerivationDescription
    assert "Licensed result, without a mark" in clean.DerivationDescription
    assert "Dr. Test" not in str(clean) and "eyJ" not in str(clean)
    assert clean.DerivationCodeSequence[0].CodeMeaning == "Image fusion"


@pytest.mark.parametrize("which", ["mr", "ct"])
def test_burned_in_names_and_lost_detail_are_inherited(fuse_to_series, tmp_path, which):
    changes = {"BurnedInAnnotation": "YES", "LossyImageCompression": "01", "LossyImageCompressionRatio": "12",
               "LossyImageCompressionMethod": "ISO_10918_1"}  # fmt: skip
    mr = mr_series(tmp_path / "mr", **(changes if which == "mr" else {}))
    ct = ct_series(tmp_path / "ct", **(changes if which == "ct" else {}))
    image = written(fuse_to_series(mr, ct)[0])[0]
    assert (image.BurnedInAnnotation, image.LossyImageCompression, image.LossyImageCompressionRatio) == (
        "YES",
        "01",
        12,
    )


@pytest.mark.parametrize("licensed", [True, False])
def test_the_mark_is_told_as_burned_in(fuse_to_series, tmp_path, licensed):
    image = written(fuse_to_series(mr_series(tmp_path / "mr"), ct_series(tmp_path / "ct"), licensed=licensed)[0])[0]
    assert image.BurnedInAnnotation == ("NO" if licensed else "YES") and "LossyImageCompression" not in image


def test_tilted_gantry_is_written_with_its_shear(fuse_to_series, tmp_path):
    maker = SeriesMaker("CT", voxels(), tilted(15), step=(0, 0, 2.5))
    folder, result = fuse_to_series(maker.write(tmp_path / "ct", [1] * 9), mr_series(tmp_path / "mr"))
    again = read_dicom(folder)
    np.testing.assert_allclose(again.ijk_to_ras, maker.ijk_to_ras, atol=1e-8)
    np.testing.assert_array_equal(again.array, arrayFromVolume(result))


def test_incomplete_and_wrong_sources_make_a_whole_series(fuse_to_series, tmp_path):
    """What a scanner, or somebody after it, left out or wrote too long."""
    with disable_value_validation():
        changes = {"PatientID": "", "SeriesNumber": None, "PatientAge": "70", "PatientName": "A" * 90}
        mr = mr_series(tmp_path / "mr", SeriesDescription="T1\\T2" + "x" * 80, **changes)
        ct = ct_series(tmp_path / "ct")
        for path in [*mr.iterdir(), *ct.iterdir()]:
            image = pydicom.dcmread(path)
            for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "PatientSex", "Manufacturer"):
                del image[keyword]
            tag = pydicom.tag.Tag("PatientWeight")
            image[tag] = pydicom.dataelem.RawDataElement(tag, "DS", 8, b"seventy ", 0, False, True)
            image.save_as(path)
    images = written(fuse_to_series(mr, ct)[0])
    assert len(images) == 9 and not problems_of(images[0])
    assert len({(image.StudyInstanceUID, image.FrameOfReferenceUID) for image in images}) == 1
    assert (images[0].PatientAge, images[0].SeriesNumber) == ("70", 9000)
    assert len(images[0].SeriesDescription) == 64 and "SourceImageSequence" not in images[0]


def test_types_that_dicom_cannot_hold_are_refused(tmp_path):
    with pytest.raises(DicomError, match="float32"):
        write_series(tmp_path, SliceStack(np.zeros((2, 3, 4), np.float32), np.eye(4)), pydicom.Dataset())
    assert not list(tmp_path.iterdir())
