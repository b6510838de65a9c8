"""What a result depends on: the contents of all files that a pair's voxels come from, and the options."""

import glob
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.batch.contents import inputs_hash
from AMIFusionLib.batch.pairs import Pair
from AMIFusionLib.volumes.voxel_files import voxel_files
from small_volumes import dicom_pair, pair  # noqa: F401 (fixtures)


@contextmanager
def within(seconds):
    """Fails what takes longer, also while it waits for a pipe."""

    def fail(*_):
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_hash_depends_on_contents_and_options_but_not_on_places(pair, dicom_pair, tmp_path):  # noqa: F811
    one = Pair(2, str(pair[0]), str(pair[1]), "a")
    first = inputs_hash(one, "0")
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")
    assert inputs_hash(Pair(9, str(moved / "mr.nrrd"), str(moved / "ct.nrrd"), "b"), "0") == first
    other = SimpleITK.WriteTransform(SimpleITK.AffineTransform(3), str(tmp_path / "t.tfm")) or str(tmp_path / "t.tfm")
    hashes = {first, inputs_hash(one, "1"), inputs_hash(replace(one, reference=one.moving, moving=one.reference), "0")}
    for change in (
        {"plane": "axial"}, {"window": "percentiles"}, {"balance": 49.0}, {"reference_window": (0.0, 1.0)},
        {"moving_window": (0.0, 1.0)}, {"colors": "PET-Heat"}, {"gray": True}, {"transform": other},
        {"patient_id": "a"}, {"patient_name": "a"}, {"reference": str(dicom_pair[0])},
        {"reference": f"{dicom_pair[0]}#3"},
    ):  # fmt: skip
        hashes.add(inputs_hash(replace(one, **change), "0"))
    assert len(hashes) == 15
    content = bytearray(pair[1].read_bytes())
    content[-1] ^= 1
    pair[1].write_bytes(content)
    assert inputs_hash(one, "0") not in hashes


NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nencoding: raw\nendian: little\n"


META_IMAGE = "NDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\nBinaryData = True\n"


LISTED = "LIST\nraw/s1.raw\nraw/s2.raw\nraw/s3.raw\n"


DETACHED = {
    "nhdr": ("a.nhdr", f"{NRRD}data file: raw/all.raw\n"), "nrrd": ("a.nrrd", f"{NRRD}Data File: raw/all.raw\r\n"),
    "nrrd beside": ("a.nhdr", f"{NRRD}data file: ./s2.raw\n\nLIST"),
    "nrrd list": ("a.nhdr", f"{NRRD}datafile: {LISTED}"),
    "nrrd pattern": ("a.nhdr", f"{NRRD}data file: raw/s%d.raw 1 3 1 2\n"),
    "mhd": ("a.mhd", f"{META_IMAGE}ElementDataFile = raw/all.raw\n"),
    "mha": ("a.mha", f"{META_IMAGE}ElementDataFile = raw/all.raw"),
    "mhd list": ("a.mhd", f"{META_IMAGE}ElementDataFile = {LISTED}"),
    "mha pattern": ("a.mha", f"{META_IMAGE}ElementDataFile = raw/s%d.raw\n"),
    "pair": ("a.hdr", None), "pair by its voxels": ("a.img", None), "compressed pair": ("a.hdr.gz", None),
}  # fmt: skip


@pytest.fixture
def volume_files(tmp_path):
    """Writes a volume with its voxels apart from the header; gives the header and the files with voxels."""

    def write(layout):
        name, text = DETACHED[layout]
        folder, voxels = tmp_path / "volume", np.arange(60, dtype=np.int16).reshape(3, 4, 5)
        (folder / "raw").mkdir(parents=True)
        header = folder / name
        if text is None:
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(voxels), str(header))
            return header, [file for file in folder.iterdir() if file.is_file() and file != header]
        header.write_bytes(text.encode())
        (folder / "raw" / "all.raw").write_bytes(voxels.tobytes())
        (folder / "s2.raw").write_bytes(voxels.tobytes())
        for number, each in enumerate(voxels, start=1):
            (folder / "raw" / f"s{number}.raw").write_bytes(each.tobytes())
        names = (
            ["s2.raw"] if "./s2" in text else ["raw/all.raw"] if "all" in text else [f"raw/s{n}.raw" for n in (1, 2, 3)]
        )
        return header, [folder / each for each in names]

    return write


@pytest.mark.parametrize("layout", DETACHED)
def test_hash_sees_voxels_in_other_files(volume_files, layout):
    header, voxels = volume_files(layout)
    one = Pair(2, str(header), str(header), "a")
    assert SimpleITK.ReadImage(str(header)).GetSize() == (5, 4, 3), "what is tested is what is read"
    assert sorted(voxel_files(header)) == sorted(voxels)
    hashes = {inputs_hash(one, "0")}
    (header.parent / "raw" / "other.raw").write_bytes(b"belongs to something else")
    assert inputs_hash(one, "0") in hashes
    for number, file in enumerate(voxels, start=1):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        hashes.add(inputs_hash(one, "0"))
        assert len(hashes) == number + 1, file


@pytest.mark.parametrize("name", ["raw/none.raw", "/dev/zero", "raw", "raw/p%d.raw 1 3 1", "a\0b"])
def test_headers_that_name_no_file_are_refused(tmp_path, name):
    (tmp_path / "raw").mkdir()
    for file, text in (("a.nhdr", f"{NRRD}data file: {name}\n"), ("a.mhd", f"{META_IMAGE}ElementDataFile = {name}\n")):
        (tmp_path / file).write_bytes(text.encode())
        with pytest.raises(
            FileNotFoundError, match=rf"{file} takes its voxels from .*, which is no file\. Put it there"
        ):
            inputs_hash(Pair(2, str(tmp_path / file), str(tmp_path / file), "a"), "0")


@pytest.mark.parametrize("name", ["%d/%d/s%d.raw 1 3 1", "/%d/%d/%d/%d/%d 1 1 1", "x" * 300, "a%d" + "/b" * 2000])
def test_names_that_no_reader_takes_are_not_searched_for(tmp_path, name, monkeypatch):
    monkeypatch.setattr(glob, "glob", lambda pattern: [] if pattern.count("*") == 1 else pytest.fail(pattern))
    (tmp_path / "a.nhdr").write_text(f"{NRRD}data file: {name}\n")
    with pytest.raises(FileNotFoundError, match="which is no file"):
        voxel_files(tmp_path / "a.nhdr")


def test_what_is_told_of_a_name_can_be_written_anywhere(tmp_path):
    (tmp_path / "a.nhdr").write_bytes(f"{NRRD}data file: ".encode() + b"\xff\x1b[2J.raw\n")
    with pytest.raises(FileNotFoundError) as raised:
        voxel_files(tmp_path / "a.nhdr")
    assert str(raised.value).isprintable() and "??[2J.raw" in str(raised.value)


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.nrrd")
    for call in (voxel_files, lambda path: inputs_hash(Pair(2, str(path), str(path), "a"), "0")):
        with within(5), pytest.raises(ValueError, match="is a pipe or a device"):
            call(tmp_path / "a.nrrd")


def test_headers_are_looked_at_as_far_as_headers_go(tmp_path):
    path, more = tmp_path / "a.nrrd", "x\n" * (1 << 21)
    for text in (f"{NRRD}\ndata file: none.raw\n{more}", "hello", ""):
        path.write_text(text)
        assert voxel_files(path) == []
    for text in (f"{NRRD}# {more}", f"{NRRD}data file: LIST\n{more}"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"a.nrrd has a header of more than 4194304 bytes\. Write"):
            voxel_files(path)
    (tmp_path / "a.mha").write_text(f"{META_IMAGE}ElementDataFile = LOCAL\nElementDataFile = none.raw\n{more}")
    assert voxel_files(tmp_path / "a.mha") == []


def test_hash_sees_each_file_of_a_series(dicom_pair):  # noqa: F811
    one, hashes = Pair(2, str(dicom_pair[0]), str(dicom_pair[1]), "a"), []
    for _ in range(2):
        hashes.append(inputs_hash(one, "0"))
        sorted(dicom_pair[0].iterdir())[4].unlink()
    assert hashes[0] != inputs_hash(one, "0") and len(set(hashes)) == 2
