"""Volumes that are pipes or devices, or that take their voxels from one: refused, never waited for."""
# ruff: noqa: F811 (fixtures are imported by name)

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_volumes import pair  # noqa: F401 (fixture)
from test_batch_contents import META_IMAGE, NRRD

MODULE = Path(__file__).resolve().parents[2]
COMMANDS = [("fuse", "o.nrrd"), ("align", "o.h5"), ("demo", "o")]


def refused(command, out, reference, moving):
    """The exit code and what is said. In a process of its own: ITK waits for a pipe where no signal reaches it."""
    volumes = ["--reference", reference, "--moving", moving] if command == "demo" else [reference, moving]
    said = subprocess.run(
        [sys.executable, "-m", "AMIFusionLib.cli", command, *map(str, volumes), "--out", str(out)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(MODULE)},
    )  # fmt: skip
    assert not out.exists()
    return said.returncode, " ".join(said.stderr.split())


@pytest.mark.parametrize(("command", "out"), COMMANDS)
def test_a_pipe_as_a_volume_is_refused(pair, tmp_path, command, out):
    os.mkfifo(tmp_path / "pipe.nrrd")
    code, said = refused(command, tmp_path / out, pair[0], tmp_path / "pipe.nrrd")
    assert code == 2 and "pipe.nrrd is a pipe or a device. Give a file." in said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nhdr", f"{NRRD}data file: /dev/zero\n"), ("a.nrrd", f"{NRRD}data file: pipe\n"),
        ("a.nhdr", f"{NRRD}data file: LIST\nplain1\nplain2\npipe\n"), ("a.nhdr", f"{NRRD}data file: plain%d 1 3 1 2\n"),
        ("a.mhd", f"{META_IMAGE}ElementDataFile = /dev/zero\n"), ("a.mha", f"{META_IMAGE}ElementDataFile = pipe\n"),
        ("a.img", ""), ("a.nii", ""),
    ],
)  # fmt: skip
def test_a_header_that_takes_voxels_from_a_pipe_or_a_device_is_refused(pair, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    for number in (1, 2):
        (tmp_path / f"plain{number}").write_bytes(bytes(40))
    for pipe in ("pipe", "plain3", "a.hdr"):
        os.mkfifo(tmp_path / pipe)
    code, said = refused("fuse", tmp_path / "o.nrrd", pair[0], tmp_path / name)
    assert code == 1 and f"{name} takes its voxels from" in said and "which is no file. Put it there." in said


def test_reading_in_a_script_is_refused_too(scene, tmp_path):
    from AMIFusionLib.volumes.files import read_volume

    os.mkfifo(tmp_path / "pipe.nrrd")
    # In this process only what does not wait can be tried; the tests above would find it.
    with pytest.raises(ValueError, match="is a pipe or a device"):
        read_volume(scene, tmp_path / "pipe.nrrd")
