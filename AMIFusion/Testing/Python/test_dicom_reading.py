"""Reading DICOM: places, values and order of slices, of single images and of multi-frame ones."""

import shutil

import numpy as np
import pydicom
import pytest
from AMIFusionLib.dicom.errors import DicomError, SeriesChoiceError
from AMIFusionLib.dicom.reading import read_dicom
from AMIFusionLib.dicom.series import chosen_series, series_in
from dicom_files import SeriesMaker, add_pixels, enhanced, nuclear_reconstruction, tilted
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid

SLOPES = (1, 0.5, 0.123456, 2.75, 0.01)


@pytest.fixture
def stored():
    """(5, 6, 7) stored values, no two slices alike."""
    return np.random.default_rng(0).integers(0, 4096, (5, 6, 7)).astype(np.uint16)


@pytest.mark.parametrize("orientation", [None, tilted(20), tilted(-35, 12), -tilted(90)[::-1]])
def test_slices_lie_where_their_headers_say(tmp_path, stored, orientation):
    maker = SeriesMaker("MR", stored, orientation)
    volume = read_dicom(maker.write(tmp_path / "mr"))
    np.testing.assert_allclose(volume.ijk_to_ras, maker.ijk_to_ras, atol=1e-8)
    np.testing.assert_array_equal(volume.array, stored)
    assert volume.array.dtype == np.uint16
    assert [frame.image.InstanceNumber for frame in volume.frames] == [1, 2, 3, 4, 5]


def test_slices_that_were_taken_from_head_to_foot_come_in_the_order_of_space(tmp_path, stored):
    maker = SeriesMaker("MR", stored, step=(0, 0, -2.5))
    volume = read_dicom(maker.write(tmp_path / "mr"))
    np.testing.assert_array_equal(volume.array, stored[::-1])
    assert np.linalg.det(volume.ijk_to_ras[:3, :3]) > 0


def test_tilted_gantry_gives_a_sheared_grid(tmp_path, stored):
    maker = SeriesMaker("CT", stored, tilted(18), step=(0, 0, 2.5))
    volume = read_dicom(maker.write(tmp_path / "ct", [1] * 5, -1024))
    np.testing.assert_allclose(volume.ijk_to_ras, maker.ijk_to_ras, atol=1e-8)
    np.testing.assert_array_equal(volume.array, stored.astype(int) - 1024)
    assert volume.array.dtype == np.int32


def test_each_pet_slice_has_its_own_slope(tmp_path, stored):
    # The first slope is whole: GDCM takes its type for all slices, and cuts the others' values to whole numbers.
    volume = read_dicom(SeriesMaker("PT", stored).write(tmp_path / "pt", SLOPES))
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array, stored * np.array(SLOPES)[:, None, None], rtol=1e-6)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_enhanced_image_equals_the_series_it_was_made_of(tmp_path, stored, modality):
    maker = SeriesMaker(modality, stored, tilted(25, -10), WindowCenter=40, WindowWidth=300)
    slopes = {"CT": [1] * 5, "MR": None, "PT": SLOPES}[modality]
    path = enhanced(maker.images(slopes, -1000 if modality == "CT" else 0), tmp_path / "enhanced.dcm")
    maker.write(tmp_path / "series", slopes, -1000 if modality == "CT" else 0)
    series, volume = read_dicom(tmp_path / "series"), read_dicom(path)
    np.testing.assert_array_equal(volume.array, series.array)
    np.testing.assert_allclose(volume.ijk_to_ras, maker.ijk_to_ras, atol=1e-8)
    assert volume.window == series.window == (-110, 190)
    assert sorted(frame.number for frame in volume.frames) == [1, 2, 3, 4, 5]
    assert [frame.number for frame in volume.frames] != [1, 2, 3, 4, 5]


def test_highdicom_finds_the_same_grid_and_values(tmp_path, stored):
    import highdicom

    maker = SeriesMaker("PT", stored, tilted(25, -10))
    path = enhanced(maker.images(SLOPES), tmp_path / "enhanced.dcm")
    volume, theirs = read_dicom(path), highdicom.imread(path).get_volume()
    places = np.array([(k, j, i, 1) for k in range(5) for j in (0, 5) for i in (0, 6)]).T
    in_space = np.diag((-1, -1, 1, 1)) @ theirs.affine @ places
    ours = np.rint(np.linalg.inv(volume.ijk_to_ras) @ in_space).astype(int)
    np.testing.assert_allclose(volume.ijk_to_ras @ ours, in_space, atol=1e-6)
    found = volume.array[ours[2], ours[1], ours[0]]
    np.testing.assert_allclose(found, theirs.array[places[0], places[1], places[2]], rtol=1e-6)


@pytest.mark.parametrize("spacing", [3.0, -3.0])
def test_nuclear_reconstruction_stacks_by_the_sign_of_its_spacing(tmp_path, stored, spacing):
    volume = read_dicom(nuclear_reconstruction(stored, spacing, tmp_path / "nm.dcm"))
    maker = SeriesMaker("PT", stored, tilted(15))
    np.testing.assert_array_equal(volume.array, stored if spacing > 0 else stored[::-1])
    normal = np.cross(*maker.orientation)
    first = maker.origin + (0 if spacing > 0 else 4 * spacing) * normal
    np.testing.assert_allclose(volume.ijk_to_ras[:3, 3], first * (-1, -1, 1), atol=1e-6)
    np.testing.assert_allclose(volume.ijk_to_ras[:3, 2], 3 * normal * (-1, -1, 1), atol=1e-6)


def test_color_and_its_order(tmp_path):
    stored = np.random.default_rng(1).integers(0, 256, (4, 6, 8, 3)).astype(np.uint8)
    volume = read_dicom(SeriesMaker("PT", stored).write(tmp_path / "color"))
    np.testing.assert_array_equal(volume.array, stored)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=["RLE", "JPEG-LS", "JPEG 2000"])
def test_lossless_compression(tmp_path, syntax):
    stored = np.random.default_rng(2).integers(0, 4096, (3, 32, 40)).astype(np.uint16)
    maker = SeriesMaker("CT", stored)
    (tmp_path / "ct").mkdir()
    for index, image in enumerate(maker.images([1] * 3, -1000)):
        if syntax == JPEG2000Lossless:
            compress_by_gdcm(image, tmp_path / "ct" / f"{index}.dcm", "J2K")
        else:
            image.compress(syntax)
            image.save_as(tmp_path / "ct" / f"{index}.dcm", enforce_file_format=True)
    assert pydicom.dcmread(tmp_path / "ct" / "0.dcm").file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_dicom(tmp_path / "ct").array, stored.astype(int) - 1000)


def test_lossless_jpeg_of_scanners(tmp_path):
    stored = np.random.default_rng(2).integers(0, 4096, (3, 32, 40)).astype(np.uint16)
    (tmp_path / "ct").mkdir()
    for index, image in enumerate(SeriesMaker("CT", stored).images([1] * 3, -1000)):
        compress_by_gdcm(image, tmp_path / "ct" / f"{index}.dcm", "JPEG")
    assert "JPEG Lossless" in pydicom.dcmread(tmp_path / "ct" / "0.dcm").file_meta.TransferSyntaxUID.name
    np.testing.assert_array_equal(read_dicom(tmp_path / "ct").array, stored.astype(int) - 1000)


def compress_by_gdcm(image, path, kind):
    """Write an image as lossless JPEG ("JPEG") or JPEG 2000 ("J2K")."""
    import gdcm

    plain = path.with_suffix(".plain")
    image.save_as(plain, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    syntaxes = {"JPEG": gdcm.TransferSyntax.JPEGLosslessProcess14_1, "J2K": gdcm.TransferSyntax.JPEG2000Lossless}
    change.SetTransferSyntax(gdcm.TransferSyntax(syntaxes[kind]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    plain.unlink()


def test_several_series_are_listed_and_one_can_be_named(tmp_path, stored):
    first = SeriesMaker("MR", stored, SeriesNumber=3, SeriesDescription="T1 axial")
    second = SeriesMaker("PT", stored[:4] + 1, SeriesNumber=7, SeriesDescription="FDG")
    first.write(tmp_path / "study" / "a")
    second.write(tmp_path / "study" / "b")
    with pytest.raises(SeriesChoiceError) as refused:
        read_dicom(tmp_path / "study")
    for shown in ("T1 axial", "FDG", "5 images", "4 images", str(first.common.SeriesInstanceUID), "study#3"):
        assert shown in str(refused.value)
    assert "Doe" not in str(refused.value) and "P-17" not in str(refused.value)
    np.testing.assert_array_equal(read_dicom(tmp_path / "study", "7").array, stored[:4] + 1)
    np.testing.assert_array_equal(read_dicom(tmp_path / "study", str(first.common.SeriesInstanceUID)).array, stored)
    with pytest.raises(SeriesChoiceError, match="no one DICOM series '9'"):
        chosen_series(tmp_path / "study", "9")


def test_other_files_in_a_folder_are_passed_over(tmp_path, stored):
    folder = SeriesMaker("MR", stored).write(tmp_path / "mr")
    (folder / "notes.txt").write_text("hello")
    report = SeriesMaker("MR", stored).images()[0]
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(report, keyword)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = pydicom.uid.BasicTextSRStorage
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    (folder / "copies").mkdir()
    shutil.copy(next(folder.glob("*0*.dcm")), folder / "copies")
    (folder / "._0001.dcm").write_bytes(b"\0\5\x16\7")  # as macOS writes beside 0001.dcm on a stick
    assert [series.images for series in series_in(folder)] == [5]
    np.testing.assert_array_equal(read_dicom(folder).array, stored)


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 128 + b"DICM" + b"\x02\x00"])
def test_a_damaged_file_in_a_folder_is_not_passed_over(tmp_path, stored, content):
    """The last slice, or every second one, could be missing without being missed."""
    folder = SeriesMaker("MR", stored).write(tmp_path / "mr")
    sorted(folder.iterdir())[-1].write_bytes(content)
    with pytest.raises(DicomError, match="cut off, damaged or no DICOM file"):
        read_dicom(folder)


@pytest.mark.parametrize("name", ["IM0001", "1.2.840.1", "slices/00000004", "image.004"])
def test_an_emptied_file_that_a_scanner_named_is_not_passed_over(tmp_path, stored, name):
    folder = SeriesMaker("MR", stored).write(tmp_path / ".hidden" / "mr")
    last = sorted(folder.iterdir())[-1]
    (folder / name).parent.mkdir(exist_ok=True)
    last.rename(folder / name)
    assert [series.images for series in series_in(folder)] == [5]
    (folder / name).write_bytes(b"")
    with pytest.raises(DicomError, match=rf"{name} is empty, and .* Get a whole copy of it, or take it away"):
        read_dicom(folder)


def test_empty_files_that_are_no_images_by_their_nature_are_passed_over(tmp_path, stored):
    folder = SeriesMaker("MR", stored).write(tmp_path / "mr")
    for name in ("notes.txt", "Thumbs.db", ".complete", "._IM0001", ".AppleDouble/IM0001", "DICOMDIR", "film.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "IM0001").mkdir()
    np.testing.assert_array_equal(read_dicom(folder).array, stored)


def test_files_are_compared_only_where_they_could_be_copies(tmp_path, stored, monkeypatch):
    """Each with each, thousands of slices would take minutes."""
    folder = SeriesMaker("MR", stored).write(tmp_path / "mr")
    monkeypatch.setattr("AMIFusionLib.dicom.series.cmp", lambda *_, **__: pytest.fail("compared"))
    assert [series.images for series in series_in(folder)] == [5]


def test_images_that_share_a_uid_are_all_read(tmp_path, stored):
    images = SeriesMaker("MR", stored).images()
    for index, image in enumerate(images):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        image.save_as(tmp_path / f"{index}.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_dicom(tmp_path).array, stored)


def test_what_is_no_stack_is_refused_with_the_reason(tmp_path, stored):
    def refused(name, images):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            image.save_as(tmp_path / name / f"{index}.dcm", enforce_file_format=True)
        with pytest.raises(DicomError) as error:
            read_dicom(tmp_path / name)
        return str(error.value)

    maker = SeriesMaker("MR", stored)
    message = refused("hole", [image for index, image in enumerate(maker.images()) if index != 2])
    assert "not evenly spaced: 5.00 mm between the slices 2 and 3, 2.50 mm usually" in message
    assert "several images at one place" in refused("time", [*maker.images(), *maker.images()])
    other = SeriesMaker("MR", stored, tilted(90), SeriesInstanceUID=maker.common.SeriesInstanceUID)
    assert "different directions" in refused("localizer", [*maker.images(), *other.images()])
    small = SeriesMaker("MR", stored[:, :4], SeriesInstanceUID=maker.common.SeriesInstanceUID)
    small.origin = small.origin + 5 * small.step
    assert "differ in size" in refused("sizes", [*maker.images(), *small.images()])
    nowhere = maker.images()[:1]
    del nowhere[0].ImagePositionPatient
    assert "does not say where" in refused("nowhere", nowhere)
    frames = maker.images()[:1]
    add_pixels(frames[0], stored, frames=True)
    assert "5 frames, but does not say where" in refused("frames", frames)
    garbled = maker.images()
    spacing = pydicom.DataElement("PixelSpacing", "DS", None)
    garbled[1].add(spacing)
    garbled[1][spacing.tag] = pydicom.dataelem.RawDataElement(spacing.tag, "DS", 8, b"0.7\\wide", 0, False, True)
    assert "1.dcm is cut off, damaged" in refused("garbled", garbled)
    damaged = maker.images()[:2]
    damaged[1].PixelData = damaged[1].PixelData[:20]
    assert "cannot be decoded" in refused("damaged", damaged)


def test_image_with_fewer_than_no_frames_is_refused(tmp_path, stored):
    path = nuclear_reconstruction(stored, 3.0, tmp_path / "nm.dcm")
    image = pydicom.dcmread(path)
    image.NumberOfFrames = -1
    image.save_as(path)
    with pytest.raises(DicomError, match="holds no images"):
        read_dicom(path)


def test_folder_without_dicom(tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(DicomError, match="holds no DICOM series"):
        read_dicom(tmp_path)


def test_one_slice_takes_its_thickness(tmp_path, stored):
    volume = read_dicom(SeriesMaker("CT", stored[:1], SOPInstanceUID=generate_uid()).write(tmp_path / "one"))
    np.testing.assert_allclose(volume.ijk_to_ras[:3, 2], (0, 0, 2.5))
