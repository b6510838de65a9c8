"""The command as processes of their own: how they end, what they load, and what they print of broken files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

LIBRARY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "AMIFusionLib.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(LIBRARY)}


SLICES = 600
"""So many that a busy computer notices the first one written before the last one is."""


@pytest.fixture
def long_pair(tmp_path):
    """Two files with so many small slices that writing a series of them takes a while."""
    for seed, name in enumerate(("mr", "ct")):
        values = np.random.default_rng(seed).integers(0, 900, (SLICES, 24, 24)).astype(np.int16)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / f"{name}.nrrd"))
    return str(tmp_path / "mr.nrrd"), str(tmp_path / "ct.nrrd")


def ignore_interrupts():
    """As a shell does for what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("request_to_end", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_nothing_half_written(tmp_path, long_pair, request_to_end):
    process = subprocess.Popen(
        [*COMMAND, "fuse", *long_pair, "--out", str(tmp_path / "fused"), "--json"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT, preexec_fn=ignore_interrupts,
    )  # fmt: skip
    while not list(tmp_path.glob(".amifusion-*/fused/*.dcm")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(request_to_end)
    said, errors = process.communicate(timeout=120)
    told = json.loads(said)
    assert (process.returncode, told["exit_code"]) == (130, 130), errors
    assert "stopped" in told["error"] and "stopped" in errors and "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nrrd", "mr.nrrd"]


HEAVY = ("torch", "vtk", "slicer", "SimpleITK")


@pytest.mark.parametrize("words", ["", "amifusion fuse --pla", "amifusion model se", "amifusion demo --o"])
def test_looking_for_a_command_loads_nothing_heavy(words):
    """Shells wait for completion at each press of Tab."""
    completion = {"_AMIFUSION_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = (
        "import sys\n"
        "from AMIFusionLib.cli.__main__ import application\n"
        "try:\n"
        "    application(['--help'] if len(sys.argv) > 1 else None, prog_name='amifusion')\n"
        "finally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *(() if words else ("help",))], capture_output=True, encoding="utf-8",
        env={**ENVIRONMENT, **(completion if words else {})},
    )  # fmt: skip
    assert ran.stderr.splitlines()[-1] == "[]", ran.stderr
    assert (words.split()[-1] if words else "fuse") in ran.stdout


def test_means_of_runs_are_made_without_torch():
    """They are sums of arrays: a second and a download that nobody needs for them."""
    program = "import sys, AMIFusionLib.training.averaging; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    assert ran.stdout.strip() == "False", ran.stderr


def spoiled(folder, name):
    """A file that breaks off, or that is no transform."""
    path = folder / name
    if name.startswith("transform"):
        path.write_text("hello\n")
        return path
    values = np.random.default_rng(0).integers(0, 900, (9, 36, 40)).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("name", ["broken.nrrd", "broken.mha", "transform.license", "transform.h5"])
def test_a_broken_file_is_told_in_one_sentence(tmp_path, long_pair, name):
    path = str(spoiled(tmp_path, name))
    files = [*long_pair, "--transform", path] if name.startswith("transform") else [path, long_pair[1]]
    ran = subprocess.run(
        [*COMMAND, "fuse", *files, "--out", str(tmp_path / "o.nrrd")],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    (line,) = ran.stderr.splitlines()
    assert ran.returncode == 1 and line.startswith(f"amifusion: {path} cannot be read as a"), line


def test_a_worker_tells_of_a_broken_file_in_one_sentence(tmp_path, long_pair):
    spoiled(tmp_path, "broken.mha")
    (tmp_path / "pairs.csv").write_text("reference,moving\nbroken.mha,ct.nrrd\n")
    command = [*COMMAND, "batch", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "out"), "--workers", "1"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    (line,) = ran.stderr.splitlines()
    assert ran.returncode == 1 and "(row 2)" in line and "cannot be read as a volume" in line, line


def test_what_python_prints_is_not_lost():
    program = (
        "import os, sys, warnings\n"
        "from AMIFusionLib.native_output import quiet_files\n"
        "with quiet_files():\n"
        "    os.write(2, b'native\\n')\n"
        "    warnings.warn('warned')\n"
        "    print('printed', file=sys.stderr)\n"
        "os.write(2, b'afterwards\\n')\n"
        "with quiet_files():\n"
        "    raise RuntimeError('raised')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=ENVIRONMENT
    ).stderr
    assert all(word in said for word in ("warned", "printed", "afterwards", "Traceback", "raised")), said
    assert "native\n" not in said
    closed = subprocess.run(["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, program], env=ENVIRONMENT)
    assert closed.returncode == 1


BEYOND_SLICER = ("gdcm", "PIL", "dask", "distributed", "onnxruntime", "cv2", "pywt", "rapidocr", "skimage")
"""What the command can use and Slicer's Python lacks; Pillow it has, but a fusion of files must not need it."""


def test_fusing_in_slicers_python_needs_nothing_but_typer(tmp_path, long_pair):
    program = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({BEYOND_SLICER}))\n"
        "runpy.run_module('AMIFusionLib.cli', run_name='__main__', alter_sys=True)\n"
    )
    arguments = ["fuse", *long_pair, "--out", str(tmp_path / "o.nrrd")]
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, encoding="utf-8", env=ENVIRONMENT
    )
    assert ran.returncode == 3 and (tmp_path / "o.nrrd").exists(), ran.stderr


@pytest.mark.parametrize(("missing", "command"), [("typer", "--help"), ("dask", "batch")])
def test_a_missing_package_is_told_with_what_to_do(tmp_path, missing, command):
    (tmp_path / "pairs.csv").write_text("reference,moving\na.nrrd,b.nrrd\n")
    more = [str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "out")] if command == "batch" else []
    program = (
        "import runpy, sys\n"
        f"sys.modules['{missing}'] = None\n"
        "runpy.run_module('AMIFusionLib.cli', run_name='__main__', alter_sys=True)\n"
    )
    command_line = [sys.executable, "-c", program, command, *more]
    ran = subprocess.run(command_line, capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    assert ran.returncode == 1 and f"package {missing} is missing" in ran.stderr and "pip install" in ran.stderr
    assert "Traceback" not in ran.stderr
    in_slicer = subprocess.run(
        command_line, capture_output=True, encoding="utf-8", env={**ENVIRONMENT, "SLICER_HOME": "/opt/slicer"}
    )
    assert missing == "typer" or "a Python other than Slicer's" in in_slicer.stderr
    # In Slicer the whole project's packages would replace Slicer's own.
    assert missing != "typer" or "PythonSlicer -m pip install typer" in ran.stderr and "install ." not in ran.stderr


def test_a_module_calls_itself_by_the_commands_name(tmp_path):
    """What ``python -m`` is named, as in Slicer's Python, is nothing that a shell completes or a script expects."""

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "AMIFusionLib.cli", *arguments], capture_output=True, encoding="utf-8",
            cwd=tmp_path, env={**ENVIRONMENT, **environment},
        )  # fmt: skip

    wrong = run("fuse", "a.nrrd", "--json")
    assert wrong.returncode == 2 and json.loads(wrong.stdout)["command"] == "fuse"
    script = run("--show-completion", SHELL="/bin/bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    assert "python" not in script.lower()


def test_a_reader_that_has_had_enough_hears_no_more():
    given = LIBRARY / "Resources" / "Models" / "amifusion-research-evaluation.license"
    ran = subprocess.Popen(
        [*COMMAND, "license", "inspect", str(given)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env=ENVIRONMENT,
    )  # fmt: skip
    ran.stdout.close()
    assert "Broken pipe" not in ran.stderr.read() and ran.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_result_that_cannot_be_reported_is_told_in_one_sentence(tmp_path, long_pair, more):
    with open("/dev/full", "wb") as full:
        ran, wrong = (
            subprocess.run(
                [*COMMAND, "fuse", reference, long_pair[1], "--out", str(tmp_path / "o.nrrd"), *more],
                stdout=full, stderr=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT,
            )
            for reference in (long_pair[0], "none")
        )  # fmt: skip
    (line,) = ran.stderr.splitlines()
    assert ran.returncode == 1 and "all that it was to write is written, but that could not be reported" in line, line
    assert SimpleITK.ReadImage(str(tmp_path / "o.nrrd")).GetSize() == (24, 24, SLICES)
    (line,) = wrong.stderr.splitlines()
    assert wrong.returncode == 2 and "does not exist" in line, line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("fuse", "--help"), ("license", "issue", "--help")])
def test_help_that_cannot_be_shown_ends_with_one_sentence(arguments):
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT
        )
    assert ran.returncode == 1
    assert ran.stderr == "amifusion: standard output cannot be written (No space left on device).\n"
