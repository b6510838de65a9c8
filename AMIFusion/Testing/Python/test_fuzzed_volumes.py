"""Volume files cut off at any place, or with another header: refused, or read as the voxels that are there."""

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.training.manifest import ManifestRow, read_pair
from AMIFusionLib.volumes.files import FILE_SUFFIXES, load_volume, save_volume
from hypothesis import example, given
from hypothesis import strategies as st
from slicer.util import arrayFromVolume
from test_fuzzed_parsers import fuzzed

VALUES = {
    "gray": np.random.default_rng(0).integers(1, 3000, (5, 7, 9)).astype(np.int16),
    "color": np.random.default_rng(0).integers(1, 256, (4, 6, 5, 3)).astype(np.uint8),
}
"""(slice, row, column) and (slice, row, column, 3), no zero among them: a missing voxel would be seen."""

DETACHED = {".nhdr": ".raw", ".nhdr of gzip": ".raw.gz", ".mhd": ".raw", ".mhd of zlib": ".zraw", ".hdr": ".img"}
"""Formats of two files that are read but not written, and what the one with the voxels ends in."""


@pytest.fixture(params=[(suffix, kind) for suffix in FILE_SUFFIXES for kind in VALUES], ids="-".join)
def written(request, scene, add_volume, tmp_path):
    """A file that this library wrote, its content, and the voxels in it as both readers give them."""
    suffix, kind = request.param
    path = tmp_path / f"volume{suffix}"
    save_volume(add_volume(VALUES[kind]), path)
    return path, path.read_bytes(), both(scene, path, VALUES[kind])


@pytest.fixture(params=DETACHED)
def detached(request, scene, tmp_path):
    """A header, its file with the voxels, the content of that, and the voxels as both readers give them."""
    header = tmp_path / f"volume{request.param.split()[0]}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VALUES["gray"]), str(header), " of " in request.param)
    path = tmp_path / f"volume{DETACHED[request.param]}"
    return header, path, path.read_bytes(), both(scene, header, VALUES["gray"])


def for_fusion(scene, path):
    """(slice, row, column) or (slice, row, column, 3)."""
    node = load_volume(scene, path)
    try:
        return arrayFromVolume(node).copy()
    finally:
        scene.RemoveNode(node)


def for_training(scene, path):
    """The same, turned upright."""
    return read_pair(ManifestRow("ct-mri", "1", path, path))[0].array


def both(scene, path, values):
    """The voxels of a whole file, by reader."""
    np.testing.assert_array_equal(for_fusion(scene, path), values)
    return {for_fusion: values, for_training: for_training(scene, path)}


def check(scene, path, expected):
    """Each reader refuses a file with a sentence that names it, or gives the voxels."""
    for read, values in expected.items():
        try:
            found = read(scene, path)
        except ValueError as error:
            assert "volume." in str(error) and str(error).endswith(".")
        else:
            np.testing.assert_array_equal(found, values)


@fuzzed
@given(length=st.integers(0, 1 << 20), from_end=st.booleans())
@example(length=0, from_end=True)
@example(length=1, from_end=True)
@example(length=8, from_end=True)
@example(length=352, from_end=False)
@example(length=262145, from_end=False)
@example(length=1091, from_end=False)
def test_cut_off_files_are_refused_or_whole(scene, written, length, from_end):
    path, content, expected = written
    length %= len(content) + 1
    path.write_bytes(content[: len(content) - length if from_end else length])
    check(scene, path, expected)


@fuzzed
@given(length=st.integers(0, 1 << 20))
@example(length=0)
def test_cut_off_voxels_of_two_files_are_refused_or_whole(scene, detached, length):
    header, path, content, expected = detached
    path.write_bytes(content[: len(content) - length % (len(content) + 1)])
    check(scene, header, expected)


@fuzzed
@given(changes=st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=6))
@example(changes=[(42, 255), (43, 127), (44, 255), (45, 127)])  # 32,767 columns and rows
def test_changed_nifti_headers_are_refused_or_fill_their_volume(scene, tmp_path, add_volume, changes):
    path = tmp_path / "volume.nii"
    save_volume(add_volume(VALUES["gray"]), path)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place] = value
    path.write_bytes(content)
    try:
        found = for_fusion(scene, path)
    except ValueError as error:
        assert "volume." in str(error) and str(error).endswith(".")
    else:
        # No voxel that the file does not hold.
        assert found.nbytes <= 8 * len(content)
