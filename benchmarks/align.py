"""How near rigid alignment comes, how long it takes, its longest step, and whom its check calls unaligned.

    PYTHONPATH=AMIFusion python benchmarks/align.py [--data FOLDER] [--out docs/benchmarks.md]

The head phantom is displaced at random by up to 20 mm and 15 degrees. Yardstick: SimpleITK's registration with the
settings of its own examples (scales estimated from physical shift, steps halved, three levels in one call), on images
of the same size.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.phantom.head import HeadModel
from AMIFusionLib.phantom.modalities import PhantomGrid
from AMIFusionLib.registration.check import alignment_check
from AMIFusionLib.registration.images import SpatialImage, working_copy
from AMIFusionLib.registration.poses import transformed, translation_by
from AMIFusionLib.registration.rigid import RigidAlignment, alignment_steps
from AMIFusionLib.registration.simpleitk_images import simpleitk_image
from AMIFusionLib.volumes.color import luma
from measuring import PAGE, machine, write_part
from scipy.spatial.transform import Rotation

PAIRS = (("MRT1", "CT"), ("MRT2", "CT"), ("MRT1", "PET"), ("MRT2", "PET"))
LARGE = PhantomGrid.centered((94, 256, 256), (0.95, 0.95, 1.7), (0.0, 0.0, 15.0))
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

DISPLACEMENTS = {
    "registered": ((0, 0), (0, 0)),
    "8 mm": ((8, 8), (0, 0)),
    "8 degrees": ((0, 0), (8, 8)),
    "8 to 20 mm": ((8, 20), (0, 0)),
    "8 to 15 degrees": ((0, 0), (8, 15)),
    "8 to 20 mm and 8 to 15 degrees": ((8, 20), (8, 15)),
}
"""Millimeters and degrees that the check is asked about."""


def displacement(rng: np.random.Generator, center: np.ndarray, millimeters, degrees) -> np.ndarray:
    """A random rigid motion about a point, 4 x 4."""
    way, axis = (each / np.linalg.norm(each) for each in rng.normal(size=(2, 3)))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(axis * rng.uniform(*degrees), degrees=True).as_matrix()
    turn[:3, 3] = center - turn[:3, :3] @ center
    return translation_by(way * rng.uniform(*millimeters)) @ turn


def moved(image: SpatialImage, matrix: np.ndarray) -> SpatialImage:
    """The same image elsewhere."""
    return SpatialImage(image.array, matrix @ image.ijk_to_ras, image.name, image.to_gray)


def points_in(image: SpatialImage) -> np.ndarray:
    """(3, n) RAS millimeters of the head, to measure errors at."""
    copy = working_copy(image)
    return transformed(copy.ijk_to_ras, np.argwhere(copy.array > 0.1)[::53, ::-1].T)


def timed(reference: SpatialImage, moving: SpatialImage) -> tuple[RigidAlignment, float, float]:
    """An alignment, its CPU seconds (a free core's time, however busy the machine is), and its longest step's.

    A step counts by how long it keeps the caller's thread busy.
    """
    started, steps, longest = time.process_time(), alignment_steps(reference, moving), 0.0
    while True:
        busy = time.thread_time()
        try:
            next(steps)
        except StopIteration as end:
            return end.value, time.process_time() - started, max(longest, time.thread_time() - busy)
        longest = max(longest, time.thread_time() - busy)


def yardstick(reference: SpatialImage, moving: SpatialImage) -> tuple[np.ndarray, float]:
    """SimpleITK as its examples use it, on one thread: the 4 x 4 RAS matrix of the moving image, and CPU seconds."""
    started = time.process_time()
    images = [simpleitk_image(working_copy(image)) for image in (reference, moving)]
    pose = SimpleITK.Euler3DTransform()
    pose.SetCenter((LPS[:3, :3] @ reference.center).tolist())
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel([0.5, 0.1, 0.05], 1)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([5, 2, 0])
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(pose, True)
    method.Execute(*images)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(pose.GetMatrix(), (3, 3))
    matrix[:3, 3] = pose.TransformPoint((0, 0, 0))
    return LPS @ np.linalg.inv(matrix) @ LPS, time.process_time() - started


def accuracy(volumes: dict[str, SpatialImage], count: int, theirs: int) -> str:
    """One row for each pair of the phantom's volumes."""
    points, rows = points_in(volumes["MRT1"]), []
    for names in PAIRS:
        rng, errors, times, longest, others = np.random.default_rng(0), [], [], [], []
        for index in range(count):
            displaced = displacement(rng, points.mean(axis=1), (0, 20), (0, 15))
            pair = volumes[names[0]], moved(volumes[names[1]], displaced)
            alignment, seconds, step = timed(*pair)
            errors.append(target_error(alignment.matrix @ displaced, points))
            times.append(seconds)
            longest.append(step)
            if index < theirs:
                matrix, seconds = yardstick(*pair)
                others.append((target_error(matrix @ displaced, points), seconds))
        away, took = np.transpose(others)
        rows.append([
            f"{names[1]} to {names[0]}", f"{np.mean(errors):.2f}", f"{np.max(errors):.2f}", f"{np.median(times):.2f}",
            f"{1e3 * np.max(longest):.0f}", f"{np.mean(away):.2f}", f"{np.max(away):.2f}", f"{np.median(took):.2f}",
        ])  # fmt: skip
        print(*rows[-1], flush=True)
    head = ["Pair", "mean error, mm", "worst", "CPU seconds", "longest step, ms", "examples' settings: mean error, mm",
            "worst", "CPU seconds"]  # fmt: skip
    return markdown_table(head, rows)


def target_error(matrix: np.ndarray, points: np.ndarray) -> float:
    """Mean millimeters that points are moved by."""
    return float(np.linalg.norm(transformed(matrix, points) - points, axis=0).mean())


def large(model: HeadModel) -> str:
    """Time at 256 x 256 x 94."""
    volumes = [model.sample(name, LARGE) for name in ("MRT1", "CT")]
    reference, moving = (SpatialImage(each.array, each.ijk_to_ras, each.name) for each in volumes)
    moving = moved(moving, displacement(np.random.default_rng(0), moving.center, (10, 10), (8, 8)))
    runs = [timed(reference, moving)[1:] for _ in range(5)]
    started = time.process_time()
    alignment_check(reference, moving)
    check = time.process_time() - started
    return (
        f"Two volumes of 256 x 256 x 94: {np.median([each[0] for each in runs]):.2f} CPU seconds, longest step "
        f"{1e3 * max(each[1] for each in runs):.0f} ms in 5 runs; the check alone takes {check:.2f} CPU seconds."
    )


def checks(kinds: dict[str, list[tuple[SpatialImage, SpatialImage]]], count: int) -> str:
    """How many pairs the check calls other than ok."""
    rows = []
    for name, (millimeters, degrees) in DISPLACEMENTS.items():
        row, rng = [name], np.random.default_rng(0)
        for pairs in kinds.values():
            called = [
                not alignment_check(
                    reference, moved(moving, displacement(rng, moving.center, millimeters, degrees))
                ).is_ok
                for reference, moving in pairs
                for _ in range(count if name != "registered" else 1)
            ]
            row.append(f"{np.sum(called)} of {len(called)}")
        rows.append(row)
        print(*row, flush=True)
    return markdown_table(["Called unaligned", *kinds], rows)


def real_pairs(data: Path) -> Iterator[tuple[SpatialImage, SpatialImage]]:
    """MR and the other volume of each case of a data folder."""
    with open(data / "manifest.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield load(data / row["mri"]), load(data / row["functional_or_ct"])


def load(path: Path) -> SpatialImage:
    """A NRRD file; color counts by its luma."""
    image = SimpleITK.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    array = SimpleITK.GetArrayFromImage(image)
    to_gray = luma if array.ndim == 4 else None
    return SpatialImage(array, LPS @ matrix, path.stem, to_gray)


def main() -> None:
    """Measure, print, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Folder with a manifest.csv of registered pairs.")
    parser.add_argument("--count", type=int, default=20, help="Displacements of each pair.")
    parser.add_argument(
        "--yardstick", type=int, default=5, help="How many of them are aligned with the examples' settings too."
    )
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    model = HeadModel(0)
    sampled = {name: model.sample(name) for name in ("CT", "MRT1", "MRT2", "PET")}
    volumes = {name: SpatialImage(each.array, each.ijk_to_ras, name) for name, each in sampled.items()}
    kinds = {"phantom": [(volumes[first], volumes[second]) for first, second in PAIRS]}
    if arguments.data:
        kinds["real brains"] = list(real_pairs(arguments.data))
    parts = [
        f"The head phantom's volumes on their own grids, displaced at random by up to 20 mm and 15 degrees, "
        f"{arguments.count} times each; {machine(1)}, SimpleITK {_version()}. Errors are means over the head's voxels. "
        "A step's length is how long it keeps the event loop's thread at work; what a timer feels is measured by "
        "panel.py. Beside it, for "
        f"{arguments.yardstick} of the displacements, SimpleITK's registration with the settings of its own examples.",
        accuracy(volumes, arguments.count, arguments.yardstick),
        large(model),
        "Pairs that the check calls unaligned, of those registered and of those moved by so much:",
        checks(kinds, max(1, arguments.count // 4)),
    ]
    write_part("\n\n".join(parts), arguments.out, fuses=False)


def _version() -> str:
    return SimpleITK.Version_VersionString()


if __name__ == "__main__":
    main()
