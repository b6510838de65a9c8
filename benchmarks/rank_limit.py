"""How high any fused image can rank over the eight measures of the field, by changing its pixels for that alone.

    PYTHONPATH=AMIFusion python benchmarks/rank_limit.py --data FOLDER --peers PEERS.json [--out docs/benchmarks.md]

No network limits the result: gradient steps move the gray values of all slices together, beginning with the bundled
model's licensed results, toward the next better method of each measure. What they may not do is what a radiologist
would not have either: gray air, halos, checkers. What it ends with is no proof of a limit, but a network, which has to
serve unseen slices with a few parameters, can hardly be expected beyond it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation import edge_metrics, intensity_metrics, structure_metrics
from AMIFusionLib.evaluation.cases import EvaluationCase, plan_cases
from AMIFusionLib.evaluation.eight_bit import eight_bit
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.evaluation.metrics import RANKED
from AMIFusionLib.evaluation.ranking import mean_ranks, ranks, read_peers
from AMIFusionLib.training.configuration import LicensedWeights
from AMIFusionLib.training.objective import licensed_objective
from measuring import PAGE, licensed_network, write_part
from torch import Tensor

OURS = "moved pixels"

SHOWN = (*RANKED, "Qmin", "Nabf")
"""What the table has; the last two are not ranked."""

STEPS, STEPS_BETWEEN, RATE = 90, 6, 0.004
"""Gradient steps, from one look at the exact measures to the next, and the first steps' size in gray values of 0..1."""

CHUNK = 7
"""Slices in memory at once."""

MARGIN = 5e-4
"""By which share of a method's measure it is to be surpassed."""


@dataclass(frozen=True)
class Term:
    """How a measure is pulled up.

    Attributes:
        name: of its term in the objective.
        step: a change of the measure that counts as much as one of the others'.
        per_maximum: whether the term counts shares of the sources' maximum's measure.
    """

    name: str
    step: float
    per_maximum: bool = False


TERMS = {
    "EN": Term("entropy", 0.05),
    "SD": Term("contrast", 0.4, per_maximum=True),
    "SF": Term("detail", 0.4, per_maximum=True),
    "MI": Term("information", 0.04),
    "SCD": Term("differences", 0.01),
    "VIF": Term("fidelity", 0.03),
    "Qabf": Term("edges", 0.005),
    "SSIM": Term("similarity", 0.004),
}

FIXED = {
    "weaker_edges": 0.0, "intensity": 0.0, "artifacts": 200.0, "tolerated_artifacts": 0.02, "overshoot": 300.0,
    "pattern": 200.0, "checkerboard": 30000.0, "contrast_goal": 10.0, "detail_goal": 10.0,
}  # fmt: skip
"""Against what no measure of the eight minds; goals for contrast and detail that nothing reaches."""

_MEANING = (
    "How high any fused image can rank over the eight measures: the pixels of the licensed results themselves were "
    "moved toward the next better method of each measure, without a network, but with black air and without halos and "
    "checkers. In brackets: the rank."
)


class Climb:
    """Moves the pixels of all slices of a case.

    Args:
        case: its slices.
        others: the other methods' measures.
        starts: (slices, rows, columns) in 0..1 to begin with.
    """

    def __init__(self, case: EvaluationCase, others: Mapping[str, Mapping[str, float]], starts: Array) -> None:
        self._sources = [case[index].gray for index in range(len(case))]
        self._others = others
        stacks = (np.stack(stack) for stack in zip(*self._sources))
        self._first, self._second = (torch.from_numpy(stack / 255).float()[:, None] for stack in stacks)
        self._seen = ((self._first > 0) | (self._second > 0)).float()
        self._pixels = torch.from_numpy(starts).float()[:, None].requires_grad_(True)
        self._optimizer = torch.optim.Adam([self._pixels])

    def run(self, steps: int) -> tuple[dict[str, float], dict[str, float]]:
        """Means of the measures at the start, and where the mean rank was best."""
        begun = best = self._measured()
        weights = self._weights(begun)
        for step in range(steps):
            for group in self._optimizer.param_groups:
                group["lr"] = RATE * (1 - step / steps) + 1e-4
            self._step(weights)
            if (step + 1) % STEPS_BETWEEN == 0:
                found = self._measured()
                print(f"step {step + 1}: mean rank {self._rank(found):.2f}", flush=True)
                best = min(best, found, key=self._rank)
                weights = self._weights(found)
        return begun, best

    def places(self, means: Mapping[str, float]) -> dict[str, int]:
        """The rank in each measure."""
        return ranks({**self._others, OURS: means})[OURS]

    def _rank(self, means: Mapping[str, float]) -> float:
        return mean_ranks({**self._others, OURS: means})[OURS]

    def _fused(self, part: slice) -> Tensor:
        return self._pixels[part] * self._seen[part]

    def _step(self, weights: LicensedWeights) -> None:
        self._optimizer.zero_grad()
        for begin in range(0, len(self._pixels), CHUNK):
            part = slice(begin, begin + CHUNK)
            fused = self._fused(part)
            loss, _ = licensed_objective(self._first[part], self._second[part], fused, [weights])
            (loss * len(fused)).backward()
        self._optimizer.step()

    def _measured(self) -> dict[str, float]:
        """Means of the ranked measures, as the evaluation has them."""
        images = [eight_bit(image) for image in self._fused(slice(None)).detach().clamp(0, 1)[:, 0].numpy()]
        rows = [shown_measures(*sources, image) for sources, image in zip(self._sources, images)]
        return {name: float(np.nanmean([row[name] for row in rows])) for name in SHOWN}

    def _weights(self, means: Mapping[str, float]) -> LicensedWeights:
        """Pull at each measure by what is near: the method behind, and the next one ahead."""
        weights = {}
        for name, term in TERMS.items():
            values = [other[name] for other in self._others.values() if name in other]
            behind = max((value for value in values if value < means[name]), default=means[name] - 20 * term.step)
            ahead = min((value for value in values if value >= means[name]), default=math.inf)
            lead = (means[name] - behind * (1 + MARGIN)) / term.step
            gap = (ahead * (1 + MARGIN) - means[name]) / term.step
            pull = 3 * math.exp(-2 * max(lead, -1)) + math.exp(-gap / 2)
            unit = self._others["Maximum"][name] if term.per_maximum else 1.0
            weights[term.name] = pull * unit / term.step
        return LicensedWeights(**FIXED, **weights)


def shown_measures(first: Array, second: Array, fused: Array) -> dict[str, float]:
    """The measures of ``SHOWN`` alone, of (rows, columns) uint8, because all of them take several times as long."""
    one, other, image = (each.astype(np.float64) for each in (first, second, fused))
    both, *each_alone = edge_metrics.edge_preservation_of_each(one, other, image)
    return {
        "EN": intensity_metrics.entropy(image),
        "SD": intensity_metrics.standard_deviation(image),
        "SF": intensity_metrics.spatial_frequency(image),
        "MI": sum(intensity_metrics.mutual_information(source, image) for source in (one, other)),
        "SCD": intensity_metrics.sum_of_correlations_of_differences(one, other, image),
        "VIF": sum(structure_metrics.visual_information_fidelity(source, image) for source in (one, other)),
        "Qabf": both,
        "SSIM": sum(structure_metrics.structural_similarity(source, image) for source in (one, other)),
        "Qmin": float(np.fmin(*each_alone)),
        "Nabf": edge_metrics.artifacts(one, other, image),
    }


def licensed_results(case: EvaluationCase) -> Array:
    """The bundled model's licensed results, (slices, rows, columns) in 0..1."""
    network = licensed_network()
    with torch.inference_mode():
        fused = []
        for index in range(len(case)):
            gray = case[index].gray[::-1] if case.takes_second_first else case[index].gray
            images = [torch.from_numpy(image / 255).float()[None, None] for image in gray]
            fused.append(network(*images, network.mark_field(*images[0].shape[-2:]))[0, 0].numpy())
    return np.stack(fused)


def table(data: Path, peers_path: Path, split: str, steps: int, kinds: set[str]) -> str:
    """Two rows for each pair type: where the pixels began, and the best that they came to."""
    peers, rows = read_peers(peers_path), []
    for planned in plan_cases(data, split, peers.slices):
        if kinds and planned.kind not in kinds:
            continue
        case = planned.load()
        climb = Climb(case, peers.values[case.kind], licensed_results(case))
        for images, means in zip(("licensed results", OURS), climb.run(steps)):
            places = climb.places(means)
            cells = [
                f"{means[name]:.3f} ({places[name]})" if name in places else f"{means[name]:.3f}" for name in SHOWN
            ]
            rows.append([f"{case.kind} {case.case}", images, *cells, f"{np.mean(list(places.values())):.2f}"])
            print(*rows[-1], flush=True)
    return markdown_table(["Pair type", "Images", *SHOWN, "Mean rank"], rows)


def main() -> None:
    """Climb, print, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Folder with a manifest.csv.")
    parser.add_argument("--peers", type=Path, required=True, help="Recorded measures of other methods.")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--kind", action="append", default=[], help="Only this pair type; may be given again.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = table(arguments.data, arguments.peers, arguments.split, arguments.steps, set(arguments.kind))
    write_part(f"{_MEANING}\n\n{text}", arguments.out)


if __name__ == "__main__":
    main()
