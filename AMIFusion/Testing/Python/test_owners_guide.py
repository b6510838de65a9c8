"""docs/owners.md, from an empty folder to a protected model and its licenses: each command does what the guide says."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib import revocation_download
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.cli.__main__ import application
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "owners.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
TINY = {
    "hyperparameters": {"channels": 4, "blocks": 1, "fine_channels": 4, "mark_size": 48}, "steps": 2, "batch_size": 2,
    "crop_size": 48,
}  # fmt: skip
SHORTENED = {
    ("evaluate",): ["--no-phantom", "--processes", "1"],
    ("attack",): ["--quick", "--only", "a"],
}
"""What is added so that a command takes seconds; everything else runs as it is written."""


def commands():
    """Each command of the guide with the exit code that it announces."""
    shell = "".join(text for kind, text in BLOCKS if kind == "sh").replace("\\\n", " ")
    for line in shell.splitlines():
        words = shlex.split(line, comments=True)
        code = re.search(r"# exit code (\d)", line)
        yield words, int(code[1]) if code else 0


def block(kind, start):
    """The text of the one block of a kind that begins so."""
    (found,) = [text for each, text in BLOCKS if each == kind and text.startswith(start)]
    return found


def write_data(folder, head):
    """The head phantom's CT and MR, in the form that the guide's manifest names, a few small slices of each."""
    folder.mkdir()
    manifest = block("", "pair,case")
    (folder / "manifest.csv").write_text(manifest)
    for kind, source in (("ct", "CT"), ("mr", "MRT2")):
        array = np.asarray(head.sample(source).array, np.float32)
        middle = array[len(array) // 2 - 1 : len(array) // 2 + 2]
        rows, columns = (np.linspace(0, size - 1, 64).astype(int) for size in middle.shape[1:])
        small = middle[:, rows][:, :, columns]
        low, high = np.percentile(small, (1, 99))
        image = SimpleITK.GetImageFromArray((255 * np.clip((small - low) / (high - low), 0, 1)).astype(np.uint8))
        for case in ("001", "002"):
            SimpleITK.WriteImage(image, str(folder / f"{case}_{kind}.nrrd"))


@pytest.fixture
def empty(tmp_path, monkeypatch, head_model):
    """An owner without anything but data, in a folder of their own, and without a network."""

    def unreachable(url, timeout):
        raise revocation_download.DownloadError("no network")

    monkeypatch.setattr(revocation_download, "download_text", unreachable)
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "my-data", head_model)
    settings = json.loads(block("json", "{"))
    Path("my-model.json").write_text(json.dumps({**settings, **TINY}))
    Path("people.csv").write_text(block("csv", "licensee"))
    return tmp_path


def test_the_whole_guide(empty, monkeypatch):
    # An OCR engine takes long to say that it reads nothing in what a network of two steps makes.
    monkeypatch.setattr("AMIFusionLib.evaluation.mark_reader._rapid_ocr", lambda: lambda image: ["MY LAB"])
    ran = []
    for words, code in commands():
        if words[0] == "pip":
            continue
        assert words[0] == "amifusion", words
        more = next((added for name, added in SHORTENED.items() if tuple(words[1:2]) == name), [])
        outcome = CliRunner().invoke(application, [*words[1:], *more])
        assert outcome.exit_code == code, (words, outcome.output, outcome.exception)
        ran.append(" ".join(words[1:3]))
    assert {"publisher new", "train my-run", "model seal", "license issue", "license revoke", "model rotate",
            "license reissue", "evaluate my-model.amif", "attack my-model.amif"} <= set(ran)  # fmt: skip
    old, new = read_model(Path("my-model.amif")), read_model(Path("my-model-2.amif"))
    assert authorize(old, Path("jane.license").read_text()).license.licensee == "Dr. Jane Roe"
    assert sorted(path.name for path in Path("licenses").iterdir()) == ["general-hospital.license", "john-doe.license"]
    assert sorted(path.name for path in Path("licenses-2").iterdir()) == ["general-hospital.license", "jane.license"]
    for path in Path("licenses-2").iterdir():
        assert authorize(new, path.read_text()).is_licensed
    assert (empty / "results").is_dir() and (empty / "attack-results").is_dir()


def test_the_guide_names_every_option_of_the_tables():
    from AMIFusionLib.desk.publisher import Publisher

    made = Publisher(Path(), "x", "x")
    for path in (made.signing_key, made.public_key, made.master_key):
        assert f"| `{path.name}` |" in GUIDE
    for column in ("licensee", "expires", "not_before", "model", "file"):
        assert f"`{column}`" in GUIDE


def test_pages_show_commands_that_exist():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL) for page in pages]
    shell = "".join("".join(each) for each in blocks).replace("\\\n", " ")
    lines = [line.strip() for line in shell.splitlines() if re.match(r"\s*amifusion [a-z]", line)]
    assert len(lines) > 20 and any("publisher new" in line for line in lines)
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        depth = 2 if words[0] in ("license", "model", "publisher") else 1
        outcome = CliRunner().invoke(application, [*words[:depth], "--help"], env={"COLUMNS": "200"})
        assert outcome.exit_code == 0, line
        for option in re.findall(r"--[a-z-]+", line):
            assert option in outcome.output, (option, line)
