"""Time and memory of fusing a whole volume, beside a free alternative and the network alone.

    PYTHONPATH=AMIFusion python benchmarks/fuse_volume.py [--out docs/benchmarks.md]

The pair is the head phantom's MR and CT sampled at 256 x 256 x 94 on two different grids, so that resampling is part
of the work. The candidates take turns in one process, so that a slow moment of the machine hits all of them; medians
are reported. Memory is that of another process, which reads the same pair from files and fuses it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer
import torch
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.head import HeadModel, PhantomGrid, head_phantom
from AMIFusionLib.phantom.nodes import add_phantom_volume
from AMIFusionLib.volumes.files import load_volume, save_volume
from AMIFusionLib.volumes.planes import slice_layout
from AMIFusionLib.volumes.resampling import ResamplingReader
from AMIFusionLib.volumes.source import VolumeSource
from measuring import (
    in_a_process,
    licensed_model,
    licensed_network,
    machine,
    parser_of_rounds,
    peak_megabytes,
    ratio,
    take_turns,
    write_part,
)

WHOLE, NETWORK = "AMIFusion, nodes to result node", "of that: the network alone"
SLICES, SIZE = 94, 256


def phantom_pair(scene):
    """MR (T2) and CT of the head phantom at 256 x 256 x 94, on different grids, added to a scene."""
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
    sealed, authorization = licensed_model()
    network = licensed_network()
    layout = slice_layout(reference, "acquisition")

    def new_sources():
        return [VolumeSource(node, reference, layout, "display", True) for node in (reference, moving)]

    first, second = (torch.from_numpy(source.read(0, SLICES).luma)[:, None] for source in new_sources())
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
        # New sources each time: VTK would give what it has resampled before.
        np.maximum(*(source.read(0, SLICES).luma for source in new_sources()))

    def convolutions():
        with torch.inference_mode():
            for _ in range(SLICES):
                convolution(features)

    return {
        WHOLE: whole_job,
        NETWORK: network_alone,
        "of that: resampling the second volume": resampling_alone,
        "free alternative: resample, window, pixelwise maximum": maximum,
        "yardstick: one 3 x 3 convolution, 32 to 32 channels, per slice": convolutions,
    }


def memory_of_files(folder: Path) -> dict[str, float]:
    """Peak of this process in megabytes before and after fusing two volumes read from files."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    pair = [load_volume(scene, folder / f"{name}.nrrd") for name in ("reference", "moving")]
    sealed, authorization = licensed_model()
    before = peak_megabytes()
    FusionJob(*pair, sealed, authorization, FusionOptions(device="cpu")).run()
    return {"before": before, "after": peak_megabytes()}


def memory_of_a_fresh_process(reference, moving, threads: int) -> dict[str, float]:
    """``memory_of_files`` in a process of its own: making the phantom takes more memory than fusing it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, node in (("reference", reference), ("moving", moving)):
            save_volume(node, Path(folder) / f"{name}.nrrd")
        return in_a_process("--memory-of", folder, "--threads", str(threads))


def report(seconds: dict[str, list[float]], memory: dict[str, float], threads: int) -> str:
    """The measurements as Markdown."""
    rows = [
        [
            name,
            f"{statistics.median(values):.2f}",
            f"{min(values):.2f} to {max(values):.2f}",
            f"{1000 * statistics.median(values) / SLICES:.1f}",
        ]
        for name, values in seconds.items()
    ]
    return "\n\n".join(
        [
            f"A pair of {SIZE} x {SIZE} x {SLICES} on two grids, {machine(threads)}; medians of "
            f"{len(seconds[WHOLE])} rounds in which the candidates take turns.",
            markdown_table(["", "seconds", "range", "ms a slice"], rows),
            f"From nodes to result node over the network alone: {ratio(seconds[WHOLE], seconds[NETWORK])}; the median "
            "of the rounds' ratios and the middle half of them.",
            f"Peak memory of the process: {memory['before']:.0f} MB with Python, torch, MRML, the model and both "
            f"volumes loaded, {memory['after']:.0f} MB after fusing: {memory['after'] - memory['before']:.0f} MB for "
            "the work and the result.",
        ]
    )


def main() -> None:
    """Measure and write the table."""
    parser = parser_of_rounds(__doc__, 9)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(json.dumps(memory_of_files(arguments.memory_of)))
        return
    slicer.mrmlScene = slicer.vtkMRMLScene()
    reference, moving = phantom_pair(slicer.mrmlScene)
    memory = memory_of_a_fresh_process(reference, moving, arguments.threads)
    seconds = take_turns(candidates(reference, moving), arguments.rounds)
    write_part(report(seconds, memory, arguments.threads), arguments.out)


if __name__ == "__main__":
    main()
