"""docs/command-line.md does what it says, every option has help, and shells complete the command."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.cli.__main__ import application
from distributed import Client, LocalCluster
from small_volumes import dicom_pair  # noqa: F401 (a fixture)
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
LOOP = re.search(r"^for .*?^done$", SHELL, re.DOTALL | re.MULTILINE).group(0)
NOT_RUN = ("--install-completion", "--scheduler")
"""The first changes the shell of whoever runs the tests, the second wants several machines."""

WRITES = ("--out", "--resampled")
TABLE = "\n".join(line for line in SHELL.splitlines() if line.startswith("printf "))


def examples():
    """Each command of the page with the exit code that it announces."""
    for line in SHELL.replace(LOOP, "").splitlines():
        words = shlex.split(line, comments=False)
        if not words or words[0] != "amifusion":
            continue
        code = re.search(r"# exit code (\d)", line)
        command = shlex.split(re.split(r"\s#", line)[0])[1:]
        if not set(command) & set(NOT_RUN):
            yield command, int(code.group(1)) if code else 0


@pytest.fixture
def desk(scene, tmp_path, monkeypatch):
    """A folder with the files that the page's examples take for granted."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(EVALUATION_LICENSE_PATH, "my.license")
    shutil.copy(MODEL_PATH, "my-model.amif")
    subprocess.run(["sh", "-c", TABLE], check=True)
    return tmp_path


@contextmanager
def workers_in_threads(count):
    """Workers of this process instead of new ones, which take seconds to start."""
    options = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=count, threads_per_worker=1, **options) as cluster, Client(cluster) as client:
        yield client


def test_every_example_works(desk, quick_phantom, monkeypatch):  # noqa: F811
    monkeypatch.setattr("AMIFusionLib.batch.cluster.local_workers", workers_in_threads)
    commands = list(examples())
    assert {command[0] for command, _ in commands} == {"phantom", "fuse", "align", "batch", "model", "license"}
    for command, code in commands:
        outcome = CliRunner().invoke(application, command)
        assert outcome.exit_code == code, (command, outcome.output)
    written = [word for command, _ in commands for option, word in zip(command, command[1:]) if option in WRITES]
    assert len(written) >= len(commands) - 3
    for name in written:
        assert (desk / name).exists(), name


def test_the_loop_works(desk, dicom_pair):  # noqa: F811
    for part in dicom_pair:
        target = desk / "studies" / "patient-1" / part.name
        shutil.copytree(part, target)
    function = f'amifusion() {{ "{sys.executable}" -m AMIFusionLib.cli "$@"; }}\n'
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "AMIFusion")}
    ran = subprocess.run(["sh", "-c", function + LOOP], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert len(list((desk / "fused" / "patient-1").iterdir())) == 9
    assert json.loads((desk / "patient-1.json").read_text())["exit_code"] == 0


def test_page_and_help_name_the_same_exit_codes():
    from AMIFusionLib.cli.exit_codes import DONE, EXIT_CODES, FAILED, UNLICENSED, WRONG_USE

    listed = re.findall(r"^\| (\d) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [int(code) for code, _ in listed] == [DONE, FAILED, WRONG_USE, UNLICENSED]
    for command in ([], ["fuse"], ["batch"], ["align"], ["phantom"]):
        shown = " ".join(CliRunner().invoke(application, [*command, "--help"], env={"COLUMNS": "300"}).output.split())
        assert EXIT_CODES in shown.replace("│ ", ""), command


def commands_below(command, name="amifusion"):
    """A command and all its subcommands by their full names."""
    yield name, command
    for sub, child in getattr(command, "commands", {}).items():
        yield from commands_below(child, f"{name} {sub}")


def test_every_command_and_option_has_help():
    found = dict(commands_below(typer.main.get_command(application)))
    assert {
        "amifusion fuse",
        "amifusion batch",
        "amifusion align",
        "amifusion phantom",
        "amifusion model inspect",
    } <= found.keys()
    for name, command in found.items():
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", ""), (name, parameter.name)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("words", "completed"), [("amifusion fu", "fuse"), ("amifusion fuse --pla", "--plane"), ("amifusion al", "align")]
)
def test_shells_complete_commands_and_options(shell, words, completed):
    variables = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
    }[shell]
    outcome = CliRunner().invoke(
        application, prog_name="amifusion", env={"_AMIFUSION_COMPLETE": f"complete_{shell}", **variables}
    )
    assert completed in outcome.stdout
