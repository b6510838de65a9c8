"""CPU time of the head phantom, and the longest of its steps: how long a click on Sample Data does not answer.

    PYTHONPATH=AMIFusion python benchmarks/phantom.py [--rounds 5] [--out docs/benchmarks.md]

Yardstick: one Gaussian filter of a field of the head's 1 mm grid, which any way of making it needs many of.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.phantom import head_phantom_steps
from AMIFusionLib.phantom.shapes import SHAPE
from measuring import PAGE, machine, write_part
from scipy import ndimage


def step_seconds() -> list[float]:
    """CPU seconds of each step of all four volumes."""
    steps, taken = head_phantom_steps(), []
    while True:
        started = time.process_time()
        try:
            next(steps)
        except StopIteration:
            return taken
        finally:
            taken.append(time.process_time() - started)


def filter_seconds() -> float:
    """CPU seconds of the yardstick."""
    field = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    started = time.process_time()
    ndimage.gaussian_filter(field, 2.0)
    return time.process_time() - started


def report(rounds: int) -> str:
    """Markdown; medians of the rounds, in which phantom and yardstick take turns."""
    measured = [(step_seconds(), filter_seconds()) for _ in range(rounds)]
    whole = statistics.median(sum(taken) for taken, _ in measured)
    rows = [
        ["CT, two MR and PET on their own grids", f"{whole:.2f} s"],
        ["the longest step", f"{1e3 * statistics.median(max(taken) for taken, _ in measured):.0f} ms"],
        ["one Gaussian filter of the 1 mm grid", f"{1e3 * statistics.median(each for _, each in measured):.0f} ms"],
    ]
    return (
        f"The head phantom in {len(measured[0][0])} steps; CPU time, medians of {rounds} rounds; {machine(1)}.\n\n"
        + markdown_table(["What", "CPU time"], rows)
    )


def main() -> None:
    """Measure and write the page's part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    write_part(report(arguments.rounds), arguments.out, fuses=False)


if __name__ == "__main__":
    main()
