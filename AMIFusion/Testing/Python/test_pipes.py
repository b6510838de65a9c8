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


HEADERS = [
    ("a.nhdr", f"{NRRD}data file: /dev/zero\n"), ("b.nrrd", f"{NRRD}data file: pipe\n"),
    ("c.nhdr", f"{NRRD}data file: LIST\nplain1\nplain2\npipe\n"), ("d.nhdr", f"{NRRD}data file: plain%d 1 3 1 2\n"),
    ("e.mhd", f"{META_IMAGE}ElementDataFile = /dev/zero\n"), ("f.mha", f"{META_IMAGE}ElementDataFile = pipe\n"),
    ("g.img", ""), ("h.nii", ""),
]  # fmt: skip

READ = """
import sys
from pathlib import Path
from AMIFusionLib.volumes.files import read_volume
from AMIFusionLib.volumes.scene import new_scene
for name in sys.argv[1:]:
    try:
        read_volume(new_scene(), Path(name))
    except FileNotFoundError as error:
        print(error)
"""


def test_headers_that_take_voxels_from_a_pipe_or_a_device_are_refused(tmp_path):
    for number in (1, 2):
        (tmp_path / f"plain{number}").write_bytes(bytes(40))
    for pipe in ("pipe", "plain3", "g.hdr", "h.hdr"):
        os.mkfifo(tmp_path / pipe)
    for name, content in HEADERS:
        (tmp_path / name).write_text(content)
    said = subprocess.run(
        [sys.executable, "-c", READ, *(name for name, _ in HEADERS)], cwd=tmp_path, capture_output=True, text=True,
        timeout=120, check=True, env={**os.environ, "PYTHONPATH": str(MODULE)},
    ).stdout.splitlines()  # fmt: skip
    assert len(said) == len(HEADERS)
    for line, (name, _) in zip(said, HEADERS):
        assert line.startswith(f"{name} takes its voxels from ") and line.endswith("which is no file. Put it there.")


def test_reading_in_a_script_is_refused_too(scene, tmp_path):
    from AMIFusionLib.volumes.files import read_volume

    os.mkfifo(tmp_path / "pipe.nrrd")
    # In this process only what does not wait can be tried; the tests above would find it.
    with pytest.raises(ValueError, match="is a pipe or a device"):
        read_volume(scene, tmp_path / "pipe.nrrd")
