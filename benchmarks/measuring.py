"""What the benchmarks share: taking turns, memory, the licensed network, and their page in the documentation."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from AMIFusionLib.authorization.authorize import Authorization, authorize
from AMIFusionLib.authorization.model_file import SealedModel, read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion.engine import prepare
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork, build_network

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_HEAD = "# Benchmarks\n\nEach part is written by the program that it names; run it to measure your own machine.\n"
_KINDS = (
    "fuse_slice.py",
    "fuse_volume.py",
    "large_volume.py",
    "preview.py",
    "panel.py",
    "align.py",
    "phantom.py",
    "fuse_on_gpu.py",
    "edge_limit.py",
    "rank_limit.py",
    "batch.py",
)
DEFAULT_THREADS = min(2, os.cpu_count() or 1)


def parser_of_rounds(document: str, rounds: int) -> argparse.ArgumentParser:
    """The options of a program that measures in rounds: its page, how many rounds, and CPU threads.

    Args:
        document: the program's own docstring, whose first line says what it measures.
        rounds: how many unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=document.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS)
    return parser


def licensed_model() -> tuple[SealedModel, Authorization]:
    """The bundled model, opened with the public evaluation license."""
    sealed = read_model(MODEL_PATH)
    return sealed, authorize(sealed, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))


def licensed_network(device: str = "cpu") -> AuthorizableFusionNetwork:
    """The network that makes the bundled model's clean results, prepared for a device as the engine does it."""
    sealed, authorization = licensed_model()
    description = sealed.description
    network = build_network(description.architecture, description.hyperparameters, authorization.parameters)
    return prepare(network, torch.device(device))


def take_turns(candidates: dict[str, Callable[[], object]], rounds: int, calls: int = 1) -> dict[str, list[float]]:
    """Time candidates one after the other in many rounds, so that a slow moment of the machine hits all of them.

    Args:
        candidates: what to run, by name.
        rounds: how often each has its turn; one round before does not count.
        calls: in each turn, of which the mean counts; with more than one, another before them does not, because
            threads that were waiting must wake up.

    Returns:
        Seconds of one call of each candidate in each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_index in range(rounds + 1):
        for name, run in candidates.items():
            if calls > 1:
                run()
            started = time.perf_counter()
            for _ in range(calls):
                run()
            if round_index:
                seconds[name].append((time.perf_counter() - started) / calls)
    return seconds


def ratio(seconds: Sequence[float], others: Sequence[float]) -> str:
    """One candidate's time over another's, round by round: the median and the middle half of the rounds."""
    ratios = [a / b for a, b in zip(seconds, others)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts what the parent process had into ru_maxrss, but not into this.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text()).group(1)) / 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if platform.system() == "Darwin" else 1e3)


def in_a_process(*arguments: str) -> dict:
    """Run the calling program again with other arguments, in a process of its own, and read the JSON that it prints.

    Raises:
        SystemExit: it failed; with what it said.
    """
    done = subprocess.run([sys.executable, sys.argv[0], *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def machine(threads: int) -> str:
    """What the figures were measured on."""
    return f"{threads} CPU threads, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"


def write_part(text: str, page: Path, fuses: bool = True) -> None:
    """Put what this program measured into its part of a page, and show it.

    Args:
        text: Markdown below the part's headline; the headline is the program's own name.
        page: a file that may hold other programs' parts already, which are kept.
        fuses: whether the bundled model was measured, which is then named.
    """
    if fuses:
        text = f"{text.strip()}\n\nBundled model: SHA-256 `{read_model(MODEL_PATH).sha256[:16]}`."
    name = Path(sys.argv[0]).name
    parts = _parts(page.read_text(encoding="utf-8")) if page.exists() else {}
    parts[name] = f"## benchmarks/{name}\n\n{text.strip()}\n"
    ordered = sorted(parts, key=lambda each: (_KINDS.index(each) if each in _KINDS else len(_KINDS), each))
    temporary = page.with_suffix(".part")
    temporary.write_text("\n".join([_HEAD, *(parts[each] for each in ordered)]), encoding="utf-8")
    os.replace(temporary, page)
    print(parts[name])


def _parts(text: str) -> dict[str, str]:
    """Parts of a page by the program that wrote them."""
    found = re.split(r"^## benchmarks/(\S+)\n", text, flags=re.MULTILINE)[1:]
    return {name: f"## benchmarks/{name}\n{body.rstrip()}\n" for name, body in zip(found[::2], found[1::2])}
