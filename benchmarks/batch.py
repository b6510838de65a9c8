"""Batches on Dask: how much faster two workers are than one, and what is left when a worker is killed.

    PYTHONPATH=AMIFusion python benchmarks/batch.py [--out docs/benchmarks.md] [--only scaling|killing]

Scaling: pairs of 256 x 256 x 24 are fused by one worker and by two in turns, on processes that have fused one before,
one CPU thread each. What the machine gives is shown beside it: the same pairs in two plain processes without Dask, half
each. Killing: 200 small pairs, 5 of them with a broken file, and a worker gets SIGKILL while it fuses;
every result is compared with the same pair fused in the main process, and the batch is run again. Scaling wants a
machine that does nothing else; killing does not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import slicer
from AMIFusionLib.batch.cluster import local_workers, outcomes
from AMIFusionLib.batch.pairs import read_pairs
from AMIFusionLib.batch.results import ResultsFolder
from AMIFusionLib.batch.run import BatchEnd, BatchPlan, run_batch
from AMIFusionLib.batch.work import FAILED, FUSED, KEPT, PairTask, fuse_pair
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.phantom.head import HeadModel, PhantomGrid
from AMIFusionLib.phantom.nodes import add_phantom_volume
from AMIFusionLib.volumes.files import load_volume, save_volume
from measuring import PAGE, machine, ratio, take_turns, write_part
from slicer.util import arrayFromVolume

SCALING_PAIRS, SCALING_SIZE = 16, (24, 256, 256)
KILLING_PAIRS, KILLING_SIZE, KINDS = 200, (12, 64, 64), 10
BROKEN = (17, 55, 90, 133, 188)
"""Which of the pairs have a file that is cut off, empty, text, missing, or a folder without DICOM."""

_FIELD_OF_VIEW = (150.0, 220.0, 220.0)


def write_phantoms(folder: Path, size: tuple[int, int, int], kinds: int) -> None:
    """MR and CT of the head phantom, each turned a little otherwise, as mr0.nrrd, ct0.nrrd, mr1.nrrd..."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    model = HeadModel(0)
    for kind in range(kinds):
        for name, tilt in (("MRT2", (0.0, 0.0)), ("CT", (2.0 * kind, -kind))):
            spacing = [extent / count for extent, count in zip(_FIELD_OF_VIEW, size)][::-1]
            volume = model.sample(name, PhantomGrid.centered(size, spacing, (0.0, 0.0, 15.0), tilt))
            node = add_phantom_volume(scene, volume)
            save_volume(node, folder / f"{name[:2].lower()}{kind}.nrrd")
            scene.RemoveNode(node)


def write_table(folder: Path, count: int, kinds: int, broken: tuple[int, ...] = ()) -> Path:
    """A table of pairs, some of them with a broken second file."""
    whole = (folder / "ct0.nrrd").read_bytes()
    contents = (whole[: len(whole) // 2], b"", b"no volume", None, "folder")
    lines = ["reference,moving,name"]
    for index in range(count):
        moving = f"ct{index % kinds}.nrrd"
        if index in broken:
            moving, content = f"broken{index}.nrrd", contents[broken.index(index)]
            if content == "folder":
                (folder / moving).mkdir()
            elif content is not None:
                (folder / moving).write_bytes(content)
        lines.append(f"mr{index % kinds}.nrrd,{moving},pair-{index:03}")
    table = folder / "pairs.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def plan_for(table: Path, out: Path, overwrite: bool = False) -> BatchPlan:
    """A licensed batch with one thread for each worker."""
    results = ResultsFolder(out, ".nrrd")
    return BatchPlan(read_pairs(table), results, MODEL_PATH, EVALUATION_LICENSE_PATH, "cpu", 1, overwrite)


def fuse_all(tasks: list[PairTask]) -> None:
    """Fuse pairs one after the other in this process."""
    for task in tasks:
        outcome = fuse_pair(task)
        if outcome.state != FUSED:
            raise SystemExit(f"Not fused: {outcome}")


def scaling(folder: Path, rounds: int) -> str:
    """Time one worker, two, and two processes without Dask, and report as Markdown."""
    write_phantoms(folder, SCALING_SIZE, 1)
    table = write_table(folder, SCALING_PAIRS, 1)
    with ExitStack() as stack:
        clients = {count: stack.enter_context(local_workers(count)) for count in (1, 2)}
        pool = stack.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))

        def run(count: int) -> None:
            ended = list(outcomes(clients[count], plan_for(table, folder / f"out{count}", True).tasks()))
            if {each.state for each in ended} != {FUSED}:
                raise SystemExit(f"Not all pairs were fused: {ended}")

        def run_plainly() -> None:
            tasks = list(plan_for(table, folder / "plain", True).tasks())
            list(pool.map(fuse_all, (tasks[::2], tasks[1::2])))

        ways = {f"{count} on Dask": lambda count=count: run(count) for count in clients}
        seconds = take_turns({**ways, "alternative: 2 plain processes": run_plainly}, rounds)
    rows = [
        [count, f"{middle:.1f}", f"{60 * SCALING_PAIRS / middle:.0f}", ratio(seconds["1 on Dask"], each)]
        for count, each in seconds.items()
        for middle in [statistics.median(each)]
    ]
    head = ["workers", "seconds", "pairs a minute", "times as fast as one"]
    size = " x ".join(str(count) for count in SCALING_SIZE[::-1])
    what = f"{SCALING_PAIRS} pairs of {size}, reading, hashing and writing included; each worker with {machine(1)}"
    return f"{what}; {rounds} rounds in which they take turns.\n\n{markdown_table(head, rows)}"


@contextmanager
def _killing(after: int, results: Path, killed: list[int]):
    """Two workers, of which a busy one is killed once there are so many results."""
    with local_workers(2) as client:

        def kill() -> None:
            pids = client.run(os.getpid)
            while len(list(results.glob("*.nrrd"))) < after:
                time.sleep(0.01)
            busy = [address for address, keys in client.processing().items() if keys]
            killed.append(pids[busy[0]])
            os.kill(pids[busy[0]], signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        yield client


def killing(folder: Path) -> str:
    """Run the batch with a worker killed in the middle, check what is left, and report as Markdown."""
    write_phantoms(folder, KILLING_SIZE, KINDS)
    plan = plan_for(write_table(folder, KILLING_PAIRS, KINDS, BROKEN), folder / "out")
    out, killed = plan.results.path, []
    first = run_batch(plan, lambda: _killing(KILLING_PAIRS // 2, out, killed), lambda outcome: None)
    before = {path: path.read_bytes() for path in out.glob("*.nrrd")}
    left = [path for path in out.rglob(".amifusion-????????")]
    second = run_batch(plan, lambda: local_workers(2), lambda outcome: None)
    failed = {outcome.pair.row - 2 for outcome in first.outcomes if outcome.state == FAILED}
    rows = [
        ["pairs; with a broken file", f"{KILLING_PAIRS}; {len(BROKEN)}"],
        ["workers killed while fusing", len(killed)],
        ["fused", first.count(FUSED)],
        ["failed; of them those with a broken file", f"{first.count(FAILED)}; {len(failed & set(BROKEN))}"],
        ["lost", KILLING_PAIRS - first.count(FUSED, FAILED)],
        ["results equal to those of one process", _equal(plan, first, folder / "alone")],
        ["half-written files or folders left", len(left)],
        ["kept by a second run; failed again", f"{second.count(KEPT)}; {second.count(FAILED)}"],
        ["results that the second run changed", sum(path.read_bytes() != old for path, old in before.items())],
    ]
    size = " x ".join(str(count) for count in KILLING_SIZE[::-1])
    return f"Pairs of {size} on two workers.\n\n{markdown_table(['', 'number'], rows)}"


def _equal(plan: BatchPlan, end: BatchEnd, alone: Path) -> int:
    """How many results have the voxels that the same pair gets in this process."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    expected, equal = {}, 0
    other = BatchPlan(plan.pairs, ResultsFolder(alone, ".nrrd"), plan.model, plan.license_file, "cpu", 1)
    for task, outcome in zip(other.tasks(), end.outcomes):
        if not outcome.is_done:
            continue
        kind = task.pair.reference
        if kind not in expected:
            fuse_pair(task)
            expected[kind] = arrayFromVolume(load_volume(scene, other.results.result(task.pair.name))).copy()
        node = load_volume(scene, plan.results.result(task.pair.name))
        equal += np.array_equal(arrayFromVolume(node), expected[kind])
        scene.RemoveNode(node)
    return equal


def main() -> None:
    """Measure and write the page's part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--only", choices=("scaling", "killing"))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    parts = []
    for name, measure in (("scaling", lambda folder: scaling(folder, arguments.rounds)), ("killing", killing)):
        if arguments.only in (None, name):
            folder = Path(tempfile.mkdtemp())
            try:
                parts.append(measure(folder))
            finally:
                shutil.rmtree(folder)
    write_part("\n\n".join(parts), arguments.out)


if __name__ == "__main__":
    main()
