"""The benchmark programs: fair turns, parts of a page that keep each other, and the GPU's on a stand-in for one."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import MODEL_PATH

MODULE = Path(__file__).resolve().parents[2]
FOLDER = MODULE.parent / "benchmarks"


@pytest.fixture
def program(monkeypatch):
    """Imports a benchmark as if it were run."""

    def load(name):
        monkeypatch.syspath_prepend(str(FOLDER))
        monkeypatch.setattr(sys, "argv", [str(FOLDER / f"{name}.py")])
        for each in ("measuring", name):
            monkeypatch.delitem(sys.modules, each, raising=False)
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_all_can_be_loaded(path):
    """Each on its own, as it is run: one that needs what was moved elsewhere would be noticed by nobody else."""
    program = f"import runpy; runpy.run_path({str(path)!r}, run_name='loaded')"
    folders = os.pathsep.join(map(str, (MODULE, MODULE / "Testing" / "Python", FOLDER)))
    environment = {**os.environ, "PYTHONPATH": folders, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


def test_candidates_take_turns_and_the_first_round_does_not_count(program):
    order = []
    candidates = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = program("measuring").take_turns(candidates, rounds=2)
    assert order == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_ratio_is_of_the_same_round(program):
    """A machine that becomes ten times as slow changes no ratio."""
    assert program("measuring").ratio([2, 20, 200], [1, 10, 100]) == "2.00 (2.00 to 2.00)"


def test_a_part_replaces_itself_and_keeps_the_others(program, tmp_path):
    page = tmp_path / "page.md"
    for name, text in (("large_volume", "L1"), ("fuse_slice", "S1"), ("large_volume", "L2\n\n| a |\n| --- |")):
        program(name)
        sys.modules["measuring"].write_part(text, page)
    text = page.read_text()
    assert text.startswith("# Benchmarks\n")
    assert "L1" not in text
    assert text.index("## benchmarks/fuse_slice.py\n\nS1\n") < text.index(
        "## benchmarks/large_volume.py\n\nL2\n\n| a |"
    )
    assert list(tmp_path.iterdir()) == [page]


def test_a_part_names_the_model_that_was_measured(program, tmp_path):
    page, named = tmp_path / "page.md", f"Bundled model: SHA-256 `{read_model(MODEL_PATH).sha256[:16]}`."
    program("fuse_slice")
    for fuses in (True, False):
        sys.modules["measuring"].write_part("S1", page, fuses=fuses)
        assert (named in page.read_text()) == fuses


def test_gpu_benchmark_reports_and_says_where_there_is_no_gpu(program, monkeypatch, capsys, tmp_path):
    gpu = program("fuse_on_gpu")
    for name, value in {"SIZE": 16, "SLICES": 3, "BATCHES": (1, 2), "CHANNELS": (2, 4)}.items():
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(gpu.torch.cuda, "get_device_name", lambda device: "A stand-in")
    text = gpu.report("cpu", 0.01)
    assert "A stand-in" in text and "| network alone, 2 at a time |" in text and "| 3 slices from memory" in text
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", [sys.argv[0], "--out", str(tmp_path / "page.md")])
    gpu.main()
    assert "no CUDA device" in capsys.readouterr().out and not list(tmp_path.iterdir())
