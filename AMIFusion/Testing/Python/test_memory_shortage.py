"""Volumes that do not fit into memory are refused before a voxel is read: VTK and ITK would end the process."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib import memory_shortage
from AMIFusionLib.dicom.reading import read_dicom
from AMIFusionLib.memory_shortage import check_memory, not_enough_memory
from AMIFusionLib.volumes.files import load_volume
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.resampled import resampled_volume
from AMIFusionLib.volumes.result import ResultImage
from dicom_files import SeriesMaker, enhanced
from small_volumes import dicom_pair, pair, run  # noqa: F401 (fixtures)
from test_batch import task  # noqa: F401 (fixture)
from test_cli_processes import COMMAND, ENVIRONMENT
from test_logic_and_panel import panel, select  # noqa: F401 (fixture)

SENTENCE = "There is not enough memory for this. Use smaller volumes or a machine with more memory."
EDGE = 20_000
"""Voxels along each axis: 16 TB of 16-bit values, more than any machine has."""


def nrrd():
    head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {EDGE} {EDGE} {EDGE}\nendian: little\nencoding: raw\n\n"
    return head.encode() + bytes(64)


def metaimage():
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {EDGE} {EDGE} {EDGE}\nElementType = MET_SHORT\n"
    return (head + "BinaryData = True\nElementDataFile = LOCAL\n").encode() + bytes(64)


@pytest.fixture
def room(monkeypatch):
    """Sets how many bytes this process can still get."""
    return lambda size: monkeypatch.setattr(memory_shortage, "_left", lambda: size)


@pytest.mark.parametrize(("name", "content"), [("huge.nrrd", nrrd()), ("huge.mha", metaimage())], ids=["nrrd", "mha"])
def test_a_header_that_claims_more_than_any_memory_ends_a_command_in_a_sentence(pair, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    for command, out in (("fuse", "o.nrrd"), ("align", "o.h5")):
        for sources in ((pair[0], tmp_path / name), (tmp_path / name, pair[1])):
            said = run(command, *sources, "--out", tmp_path / out, "--json", expect=1)
            assert said.err == f"amifusion: {SENTENCE}\n" and json.loads(said.out)["error"] == SENTENCE
            assert not (tmp_path / out).exists()


def test_a_nifti_file_as_large_as_it_claims(scene, tmp_path):
    path, header = tmp_path / "huge.nii", bytearray(352)
    edge = 8_000
    for kind, place, values in (
        ("i", 0, [348]), ("h", 40, [3, edge, edge, edge, 1, 1, 1, 1]), ("h", 70, [4, 16]), ("f", 76, [1, 1, 1, 2]),
        ("f", 108, [352]),
    ):  # fmt: skip
        struct.pack_into(f"<{len(values)}{kind}", header, place, *values)
    header[344:348] = b"n+1\0"
    with path.open("wb") as file:
        file.write(header)
        try:
            file.truncate(352 + 2 * edge**3)  # takes no room on most disks
        except OSError:
            pytest.skip("the disk has no files with holes")
    with pytest.raises(MemoryError, match="not enough memory"):
        load_volume(scene, path)


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize(("components", "scalar"), [(1, np.int16), (1, np.float64), (3, np.uint8)])
def test_files_are_measured_by_their_header(scene, tmp_path, monkeypatch, room, ending, components, scalar):
    values = np.ones((9, 36, 40, *((components,) if components > 1 else ())), scalar)
    path, copies = tmp_path / f"a{ending}", 1 if ending == ".nrrd" else 2
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=components > 1), str(path))
    count = scene.GetNumberOfNodes()
    room(copies * values.nbytes - 1)
    with pytest.raises(MemoryError):
        load_volume(scene, path)
    assert scene.GetNumberOfNodes() == count
    room(copies * values.nbytes)
    assert load_volume(scene, path).GetImageData().GetNumberOfPoints() == 9 * 36 * 40


@pytest.mark.parametrize("kind", ["series", "enhanced", "rescaled", "color"])
def test_dicom_is_measured_by_its_headers(tmp_path, monkeypatch, room, kind):
    shape = (9, 36, 40, 3) if kind == "color" else (9, 36, 40)
    maker = SeriesMaker("PT", np.ones(shape, np.uint8 if kind == "color" else np.uint16))
    path = maker.write(tmp_path / "series", [0.5] * 9 if kind == "rescaled" else None)
    if kind == "enhanced":
        path = enhanced(maker.images([1] * 9), tmp_path / "enhanced.dcm")
    size = 2 * read_dicom(path).array.nbytes
    assert size == 2 * 9 * 36 * 40 * {"color": 3, "rescaled": 4}.get(kind, 2)
    room(size)
    assert read_dicom(path).array.nbytes * 2 == size
    room(size - 1)
    monkeypatch.setattr("AMIFusionLib.dicom.reading.iter_pixels", lambda *_, **__: pytest.fail("pixels were read"))
    with pytest.raises(MemoryError, match="not enough memory"):
        read_dicom(path)


def test_a_batch_says_it_of_the_pair(task, room):
    from AMIFusionLib.batch.work import FAILED, fuse_pair

    room(1000)
    done = fuse_pair(replace(task, overwrite=True))
    assert done.state == FAILED and done.problem == "The memory did not suffice. Use fewer workers."


def test_the_result_is_measured_before_it_is_made(add_volume, room):
    reference = add_volume(np.ones((4, 5, 6), np.uint8))
    for is_color, size in ((False, 240), (True, 360)):
        room(size)
        assert ResultImage(reference, slice_layout(reference, "acquisition"), is_color).image is not None
        room(size - 1)
        with pytest.raises(MemoryError, match="not enough memory"):
            ResultImage(reference, slice_layout(reference, "acquisition"), is_color)


def test_a_resampled_volume_is_measured_before_it_is_made(scene, add_volume, room):
    moving, reference = (add_volume(np.ones(shape, np.int16)) for shape in ((4, 5, 6), (8, 9, 10)))
    room(8 * 9 * 10 * 6)
    assert resampled_volume(scene, moving, reference) is not None
    count = scene.GetNumberOfNodes()
    room(8 * 9 * 10 * 6 - 1)
    with pytest.raises(MemoryError, match="not enough memory"):
        resampled_volume(scene, moving, reference)
    assert scene.GetNumberOfNodes() == count


def test_the_panel_says_it(panel, add_volume, room):
    generator = np.random.default_rng(0)
    volumes = [add_volume(generator.integers(0, 900, (9, 40, 40)).astype(np.int16), name) for name in ("MR", "CT")]
    select(panel, *volumes)
    room(100)
    panel._ui.fuseButton.click()
    assert panel._ui.statusLabel.text == SENTENCE and not panel.is_busy


def test_what_the_system_does_not_tell_is_no_limit(monkeypatch):
    check_memory(1 << 20)
    monkeypatch.setattr(memory_shortage, "physical_memory", lambda: None)
    monkeypatch.setattr(memory_shortage, "_address_limit", lambda: None)
    check_memory(1 << 80)
    monkeypatch.setattr(memory_shortage, "_held", lambda: (300, 100))
    for name, limit, left in (("physical_memory", 1000, 900), ("_address_limit", 1100, 800)):
        monkeypatch.setattr(memory_shortage, name, lambda limit=limit: limit)
        check_memory(left)
        with pytest.raises(MemoryError) as raised:
            check_memory(left + 1)
        assert str(raised.value) == not_enough_memory() == SENTENCE


LIMITED = """
import resource, sys
from pathlib import Path
import slicer
from AMIFusionLib.memory_shortage import _held
from AMIFusionLib.volumes.files import load_volume
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.result import ResultImage
from AMIFusionLib.volumes.scene import new_scene

def leave(size):
    resource.setrlimit(resource.RLIMIT_AS, (_held()[0] + size, resource.getrlimit(resource.RLIMIT_AS)[1]))

slicer.mrmlScene = scene = new_scene()
path, voxels = Path(sys.argv[1]), 400**3
try:
    leave(voxels // 2)
    load_volume(scene, path)
except MemoryError as error:
    print("reading:", error)
leave(2 * voxels)
node = load_volume(scene, path)
leave(3 * voxels // 2)
try:
    ResultImage(node, slice_layout(node, "acquisition"), False)
except MemoryError as error:
    print("result:", error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold processes to this limit")
def test_a_limit_of_the_shell_counts(tmp_path):
    """It left a volume of bytes readable, and its result, of two bytes a voxel, ended the process by std::bad_alloc."""
    path = tmp_path / "bytes.nrrd"
    path.write_bytes(nrrd().replace(b"short", b"uchar").replace(str(EDGE).encode(), b"400")[:-64])
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 400**3)
    ran = subprocess.run([COMMAND[0], "-c", LIMITED, str(path)], capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    assert (ran.returncode, ran.stdout) == (0, f"reading: {SENTENCE}\nresult: {SENTENCE}\n"), ran.stderr
