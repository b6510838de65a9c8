"""Time and memory of fusing volumes of up to 512 x 512 x 600 voxels: both should grow with the voxels and no faster.

    PYTHONPATH=AMIFusion python benchmarks/large_volume.py [--out docs/benchmarks.md]

Each size is fused in a process of its own, whose peak memory is read before and after. The pair is the head phantom's
MR and CT with every voxel repeated until the size is reached, on two grids, both int16, so that the second volume is
resampled; what is in the voxels changes neither time nor memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import slicer
import torch
import vtk
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.head import HeadModel, PhantomGrid
from measuring import (
    DEFAULT_THREADS,
    PAGE,
    in_a_process,
    licensed_model,
    machine,
    peak_megabytes,
    write_part,
)

SIZE, SLICES = 512, (75, 150, 300, 600)
SMALL = (25, 128, 128)
NAMES = ("MRT2", "CT")
FIELD_OF_VIEW = 240.0
"""Millimeters along each axis."""


def save_small_phantom(folder: Path) -> None:
    """The pair before its voxels are repeated; the CT is turned against the MR."""
    model = HeadModel(0)
    for name, tilt in zip(NAMES, ((0.0, 0.0), (8.0, -5.0))):
        spacing = [FIELD_OF_VIEW / count for count in SMALL[::-1]]
        grid = PhantomGrid.centered(SMALL, spacing, (0.0, 0.0, 15.0), tilt)
        volume = model.sample(name, grid)
        np.savez(folder / f"{name}.npz", array=volume.array, ijk_to_ras=volume.ijk_to_ras, window=volume.window)


def large_node(scene, path: Path, slices: int):
    """A node of SIZE x SIZE x ``slices`` voxels, filled in place so that making it leaves no trace in the peak."""
    saved = np.load(path)
    small, scale = saved["array"], np.array([SIZE, SIZE, slices]) / SMALL[::-1]
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.stem)
    image = vtk.vtkImageData()
    image.SetDimensions(SIZE, SIZE, slices)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    node.SetAndObserveImageData(image)
    array = slicer.util.arrayFromVolume(node)
    for index in range(slices):
        array[index] = np.kron(small[int(index / scale[2])], np.ones((int(scale[1]), int(scale[0])), np.int16))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy((saved["ijk_to_ras"] @ np.diag([*(1 / scale), 1])).ravel())
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    low, high = saved["window"]
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(high - low, (high + low) / 2)
    return node


def fuse(folder: Path, slices: int) -> dict[str, float]:
    """Seconds, and megabytes at the peak beyond what was there before and the result takes."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    pair = [large_node(scene, folder / f"{name}.npz", slices) for name in NAMES]
    before = peak_megabytes()
    started = time.perf_counter()
    result = FusionJob(*pair, *licensed_model(), FusionOptions(device="cpu")).run()
    seconds = time.perf_counter() - started
    volumes = sum(node.GetImageData().GetActualMemorySize() / 1024 * 1.048576 for node in (*pair, result))
    made = result.GetImageData().GetActualMemorySize() / 1024 * 1.048576
    return {
        "seconds": seconds,
        "volumes": volumes,
        "beyond": peak_megabytes() - before - made,
        "peak": peak_megabytes(),
    }


def report(measured: dict[int, dict[str, float]], threads: int) -> str:
    """The measurements as Markdown."""
    rows = [
        [
            f"{SIZE} x {SIZE} x {slices}",
            f"{each['seconds']:.1f}",
            f"{1e9 * each['seconds'] / (SIZE * SIZE * slices):.0f}",
            f"{each['volumes']:.0f}",
            f"{each['beyond']:.0f}",
            f"{each['peak']:.0f}",
        ]
        for slices, each in measured.items()
    ]
    head = ["voxels", "seconds", "ns a voxel", "MB of both volumes and the result", "MB beyond", "MB of the process"]
    return "\n\n".join(
        [
            f"From nodes to result node, int16 on two grids, {machine(threads)}; each size once, in a process of its "
            "own. Beyond: what fusing added to the process' peak memory, less the result.",
            markdown_table(head, rows),
        ]
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--slices", type=int, nargs="+", default=SLICES)
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS)
    parser.add_argument("--fuse", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.fuse:
        print(json.dumps(fuse(arguments.fuse, arguments.slices[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        save_small_phantom(Path(folder))
        shared = ("--fuse", folder, "--threads", str(arguments.threads))
        measured = {slices: in_a_process(*shared, "--slices", str(slices)) for slices in arguments.slices}
    write_part(report(measured, arguments.threads), arguments.out)


if __name__ == "__main__":
    main()
