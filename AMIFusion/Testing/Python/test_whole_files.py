"""Volume files that were cut off, damaged or mixed up are refused with a sentence, by every command that reads any."""

import gzip
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.training.manifest import ManifestRow, check_files, read_pair
from AMIFusionLib.volumes.errors import EmptyVolumeError, IncompleteVolumeError
from AMIFusionLib.volumes.files import load_volume
from slicer.util import arrayFromVolume
from small_volumes import pair, run  # noqa: F401 (fixture)
from test_batch import task  # noqa: F401 (fixture)

VALUES = np.random.default_rng(0).integers(1, 3000, (6, 20, 16)).astype(np.int16)
"""(slice, row, column), no zero among them."""

LAYOUTS = {
    "one file": ("a.nii", "a.nii"), "one compressed file": ("a.nii.gz", "a.nii.gz"), "a pair": ("a.hdr", "a.img"),
    "a pair by its voxels": ("a.img", "a.img"), "a compressed pair": ("a.hdr.gz", "a.img.gz"),
    "capitals": ("A.NII", "A.NII"),
}  # fmt: skip
"""The file that is named, and the one with the voxels."""


def nifti(order="<", voxels=VALUES, offset=352):
    """A NIfTI file in one order of bytes; the header may claim another start of the voxels than theirs."""
    header = bytearray(352)
    for kind, place, values in (
        ("i", 0, [348]), ("h", 40, [3, *voxels.shape[::-1], 1, 1, 1, 1]), ("h", 70, [4, 16]),
        ("f", 76, [1, 1, 1, 2]), ("f", 108, [offset]),
    ):  # fmt: skip
        struct.pack_into(f"{order}{len(values)}{kind}", header, place, *values)
    header[344:348] = b"n+1\0"
    return bytes(header) + voxels.astype(f"{order}i2").tobytes()


def write(folder, name, values=VALUES):
    # The writer knows no capitals, which the reader does.
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(folder / name.lower()))
    return (folder / name.lower()).rename(folder / name)


@pytest.mark.parametrize("left", ["no voxels", "half", "all but one"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_cut_off_nifti_files_are_refused(scene, tmp_path, layout, left):
    named, voxels = (tmp_path / name for name in LAYOUTS[layout])
    write(tmp_path, LAYOUTS[layout][0])
    np.testing.assert_array_equal(arrayFromVolume(load_volume(scene, named)), VALUES)
    content = voxels.read_bytes()
    voxels.write_bytes(content[: {"no voxels": 348 if "i" in voxels.suffix.lower() else 200,
                                  "half": len(content) // 2, "all but one": len(content) - 2}[left]])  # fmt: skip
    count = scene.GetNumberOfNodes()
    with pytest.raises(IncompleteVolumeError, match=rf"{voxels.name} is cut off.*\. Copy it again\.$"):
        load_volume(scene, named)
    assert scene.GetNumberOfNodes() == count
    row = ManifestRow("ct-mri", "1", named, named)
    for read in (check_files, read_pair):
        with pytest.raises(ValueError, match=f"{voxels.name} is cut off"):
            read(row)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_both_orders_of_bytes(scene, tmp_path, order, ending):
    path, packed = tmp_path / f"a{ending}", gzip.compress if ending == ".nii.gz" else bytes
    for more in (b"", b"more behind the voxels"):
        path.write_bytes(packed(nifti(order) + more))
        np.testing.assert_array_equal(arrayFromVolume(load_volume(scene, path)), VALUES)
    path.write_bytes(packed(nifti(order)[:-1]))
    with pytest.raises(IncompleteVolumeError, match="holds 4191 of the 4192 bytes"):
        load_volume(scene, path)
    path.write_bytes(packed(nifti(order, offset=400)))
    with pytest.raises(IncompleteVolumeError, match="holds 4192 of the 4240 bytes"):
        load_volume(scene, path)


def test_compressed_by_its_name_alone_or_in_parts(scene, tmp_path):
    path, content = tmp_path / "a.nii.gz", nifti()
    for whole in (content, gzip.compress(content[:1000]) + gzip.compress(content[1000:])):
        path.write_bytes(whole)
        np.testing.assert_array_equal(arrayFromVolume(load_volume(scene, path)), VALUES)
    path.write_bytes(content[:-1])
    with pytest.raises(IncompleteVolumeError, match="is cut off"):
        load_volume(scene, path)


@pytest.mark.parametrize("place", [0.5, -8, -2])
def test_damaged_compressed_files_are_refused(scene, tmp_path, place):
    """In the middle, in the checksum and in the length behind it."""
    # Of a small file not even the header could be read.
    path = write(tmp_path, "a.nii.gz", np.random.default_rng(0).integers(1, 3000, (48, 80, 64)).astype(np.int16))
    content = bytearray(path.read_bytes())
    content[place if place < 0 else int(place * len(content))] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(IncompleteVolumeError, match=r"a.nii.gz is cut off or damaged: .* Copy it again\.$"):
        load_volume(scene, path)


def test_compressed_files_without_an_end_are_left_early(scene, tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(nifti() + bytes(1 << 27), 1))
    tracemalloc.start()
    try:
        with pytest.raises(IncompleteVolumeError, match="holds far more than its header says"):
            load_volume(scene, path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_voxels_of_another_file_are_not_taken(scene, tmp_path):
    """The reader takes those of a.nii for those of a.nii.gz beside it."""
    for name, other in (("a.nii.gz", "a.nii"), ("b.img.gz", "b.img")):
        write(tmp_path, other, VALUES)
        write(tmp_path, name, VALUES + 1)
        with pytest.raises(EmptyVolumeError, match=rf"{other} lies beside .*{name}, and would be read instead\. Name"):
            load_volume(scene, tmp_path / name)
        np.testing.assert_array_equal(arrayFromVolume(load_volume(scene, tmp_path / other)), VALUES)
    (tmp_path / "linked.nii").symlink_to("a.nii")
    np.testing.assert_array_equal(arrayFromVolume(load_volume(scene, tmp_path / "linked.nii")), VALUES)


def test_header_without_its_voxels_is_refused(scene, tmp_path):
    write(tmp_path, "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(ValueError, match="a.hdr"):
        load_volume(scene, tmp_path / "a.hdr")


def test_commands_refuse_a_cut_off_file(task, pair, tmp_path):  # noqa: F811
    from AMIFusionLib.batch.work import FAILED, fuse_pair

    cut = tmp_path / "cut.nii"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(pair[1])), str(cut))
    cut.write_bytes(cut.read_bytes()[:-1000])
    for command in ("fuse", "align"):
        out = tmp_path / ("out.nrrd" if command == "fuse" else "out.h5")
        said = run(command, pair[0], cut, "--out", out, expect=1)
        assert "cut.nii is cut off" in " ".join(said.err.split()) and not out.exists()
    done = fuse_pair(replace(task, pair=replace(task.pair, moving=str(cut))))
    assert done.state == FAILED and "cut.nii is cut off" in done.problem
