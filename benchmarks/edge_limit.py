"""How much of both sources' edges any fused image can keep, by changing its pixels for that alone.

    PYTHONPATH=AMIFusion python benchmarks/edge_limit.py --data FOLDER [--out docs/benchmarks.md]

No network is involved: gradient ascent moves the gray values of each slice, beginning with a free fusion. What it ends
with is no proof of a limit, but no fusion method that must serve other measures too can be expected beyond it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.cases import plan_cases
from AMIFusionLib.evaluation.eight_bit import eight_bit
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.evaluation.metrics import fusion_metrics
from AMIFusionLib.training.measures import EdgeMeasures, edge_measures
from measuring import PAGE, write_part
from torch import Tensor

SHOWN = ("Qabf", "Qmin", "Nabf", "SSIM", "VIF", "MI", "SCD")
STARTS = ("GFF", "Maximum")
GOALS: dict[str, Callable[[EdgeMeasures], Tensor]] = {
    "edges of both (Qabf)": lambda edges: edges.preservation,
    "and of the weaker (Qabf + Qmin)": lambda edges: edges.preservation + edges.weaker,
}


_MEANING = (
    "How much of both sources' edges any fused image can keep: the pixels themselves were moved uphill for these "
    "measures alone, from the better of two free fusions, without a network. What serves other measures too ends below."
)


def climb(first: Tensor, second: Tensor, start: Tensor, goal: Callable[[EdgeMeasures], Tensor], steps: int) -> Tensor:
    """Move an image's gray values uphill, (1, 1, h, w) in 0..1; air stays exactly 0."""
    seen = ((first > 0) | (second > 0)).float()
    image = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([image])
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / steps) + 1e-4
        optimizer.zero_grad()
        (-goal(edge_measures(first, second, (image * seen).clamp(0, 1))).sum()).backward()
        optimizer.step()
    return (image.detach() * seen).clamp(0, 1)


def best_climb(sources: list[np.ndarray], goal: Callable[[EdgeMeasures], Tensor], steps: int) -> dict[str, float]:
    """Measures of the better of two climbs, from either start."""
    first, second = (torch.from_numpy(source / 255).float()[None, None] for source in sources)
    climbed = []
    for name in STARTS:
        start = torch.from_numpy(ALTERNATIVES[name](*(source / 255 for source in sources))).float()[None, None]
        image = climb(first, second, start, goal, steps)
        climbed.append((goal(edge_measures(first, second, image)).item(), image))
    return fusion_metrics(*sources, eight_bit(max(climbed, key=lambda each: each[0])[1][0, 0].numpy()))


def table(data: Path, split: str, every: int, steps: int) -> str:
    """One row for each pair type and goal, means over every so many slices."""
    rows = []
    for planned in plan_cases(data, split):
        case = planned.load()
        pairs = [list(case[index].gray) for index in range(every // 2, len(case), every)]
        for name, goal in GOALS.items():
            measured = [best_climb(pair, goal, steps) for pair in pairs]
            means = [f"{np.nanmean([each[measure] for each in measured]):.3f}" for measure in SHOWN]
            rows.append([f"{case.kind} {case.case}, {len(pairs)} slices", name, *means])
            print(*rows[-1], flush=True)
    return markdown_table(["Pair type", "Climbed for", *SHOWN], rows)


def main() -> None:
    """Climb, print, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Folder with a manifest.csv.")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--every", type=int, default=8, help="Take one of so many slices.")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    text = table(arguments.data, arguments.split, arguments.every, arguments.steps)
    write_part(f"{_MEANING}\n\n{text}", arguments.out, fuses=False)


if __name__ == "__main__":
    main()
