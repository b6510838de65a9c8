"""Time and memory of fusing a whole volume, beside a free alternative and the network alone.

    PYTHONPATH=AMIFusion python benchmarks/fuse_volume.py [--out docs/benchmarks.md]

The pair is the head phantom's MR and CT sampled at 256 x 256 x 94 on two different grids, so that resampling is part
of the work. The candidates take turns in one process, so that a slow moment of the machine hits all of them; medians
are reported. Memory is that of another process, which reads the same pair from files and fuses it.
"""

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
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer
import torch
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.head import HeadModel, PhantomGrid, head_phantom
from AMIFusionLib.phantom.nodes import add_phantom_volume
from AMIFusionLib.volumes.files import load_volume, save_volume
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.resampling import ResamplingReader
from AMIFusionLib.volumes.source import VolumeSource

SLICES, SIZE = 94, 256


def phantom_pair():
    """MR (T2) and CT of the head phantom at 256 x 256 x 94, on different grids."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    model, nodes = HeadModel(0), []
    for name in ("MRT2", "CT"):
        original = head_phantom(names=(name,))[name]
        refined = original.ijk_to_ras.copy()
        refined[:, 2] *= original.array.shape[0] / SLICES
        volume = model.sample(name, PhantomGrid((SLICES, SIZE, SIZE), refined))
        nodes.append(add_phantom_volume(scene, volume))
    return nodes


def candidates(reference, moving) -> dict[str, Callable[[], object]]:
    """What is timed, by what the table says of it."""
    sealed = read_model(MODEL_PATH)
    authorization = authorize(sealed, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))
    network = build_network(
        sealed.description.architecture, sealed.description.hyperparameters, authorization.parameters
    )
    layout = slice_layout(reference, "acquisition")
    sources = [VolumeSource(node, reference, layout, "display", True) for node in (reference, moving)]
    first, second = (torch.from_numpy(source.read(0, SLICES).luma)[:, None] for source in sources)
    mark = network.mark_field(SIZE, SIZE)
    convolution, features = torch.nn.Conv2d(32, 32, 3, padding=1), torch.rand(1, 32, SIZE, SIZE)

    def whole_job():
        job = FusionJob(reference, moving, sealed, authorization, FusionOptions(device="cpu"))
        slicer.mrmlScene.RemoveNode(job.run())

    def network_alone():
        with torch.inference_mode():
            for index in range(SLICES):
                network(first[index : index + 1], second[index : index + 1], mark)

    def resampling_alone():
        reader = ResamplingReader(moving, reference)
        for index in range(SLICES):
            reader.read(0, index, index + 1)

    def maximum():
        np.maximum(*(source.read(0, SLICES).luma for source in sources))

    def convolutions():
        with torch.inference_mode():
            for _ in range(SLICES):
                convolution(features)

    return {
        "AMIFusion, nodes to result node": whole_job,
        "of that: the network alone": network_alone,
        "of that: resampling the second volume": resampling_alone,
        "free alternative: resample, window, pixelwise maximum": maximum,
        "yardstick: one 3 x 3 convolution, 32 to 32 channels, per slice": convolutions,
    }


def measure(timed: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each candidate in each round, in turns; one round before does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for round_index in range(rounds + 1):
        for name, run in timed.items():
            started = time.perf_counter()
            run()
            if round_index:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts what the parent process had into ru_maxrss, but not into this.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text()).group(1)) / 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if platform.system() == "Darwin" else 1e3)


def memory_of_files(folder: Path) -> tuple[float, float]:
    """Peak of this process before and after fusing two volumes read from files."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    pair = [load_volume(scene, folder / f"{name}.nrrd") for name in ("reference", "moving")]
    sealed = read_model(MODEL_PATH)
    authorization = authorize(sealed, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))
    before = peak_megabytes()
    FusionJob(*pair, sealed, authorization, FusionOptions(device="cpu")).run()
    return before, peak_megabytes()


def memory_of_a_fresh_process(reference, moving, folder: Path, threads: int) -> tuple[float, float]:
    """``memory_of_files`` in a process of its own: making the phantom takes more memory than fusing it."""
    for name, node in (("reference", reference), ("moving", moving)):
        save_volume(node, folder / f"{name}.nrrd")
    command = [sys.executable, __file__, "--memory-of", str(folder), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def report(seconds: dict[str, list[float]], memory: tuple[float, float], threads: int) -> str:
    """The measurements as Markdown."""
    rows = [
        f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} to {max(values):.2f} | "
        f"{1000 * statistics.median(values) / SLICES:.1f} |"
        for name, values in seconds.items()
    ]
    before, after = memory
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `benchmarks/fuse_volume.py`; run it to measure your own machine.",
            "",
            f"A pair of {SIZE} x {SIZE} x {SLICES} on two grids, {threads} CPU threads, {platform.machine()}, Python "
            f"{platform.python_version()}, torch {torch.__version__}; median of {len(next(iter(seconds.values())))} "
            "rounds in which the candidates take turns.",
            "",
            "| | seconds | range | ms a slice |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Peak memory of the process: {before:.0f} MB with Python, torch, MRML, the model and both volumes loaded, "
            f"{after:.0f} MB after fusing: {after - before:.0f} MB for the work and the result.",
            "",
        ]
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(json.dumps(memory_of_files(arguments.memory_of)))
        return
    reference, moving = phantom_pair()
    with tempfile.TemporaryDirectory() as folder:
        memory = memory_of_a_fresh_process(reference, moving, Path(folder), arguments.threads)
    text = report(measure(candidates(reference, moving), arguments.rounds), memory, arguments.threads)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
