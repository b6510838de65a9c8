"""Attack j: students of the public network, which learn from its outputs on the sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork

from .attempt import Attempt, corrected
from .bench import Bench, Slices, run
from .learned import Crops, trained

_RATE = 2e-3


def distillation_attempts(bench: Bench, folder: Path) -> Iterator[Attempt]:
    """Attack j: a student given the mark, run with it and without; one never given it, which learns the median.

    A student that cannot know where the mark lies can only learn what is under it most of the time.

    Args:
        bench: the model and its slices.
        folder: where the trainings are kept.
    """
    informed = _student(bench, folder / "student-with-mark.pt", sees_mark=True)
    blind = _student(bench, folder / "student-without-mark.pt", sees_mark=False)
    ways = {
        "student given the mark": (informed, 1.0),
        "student given the mark, run on a blank one": (informed, 0.0),
        "student of results under moved marks": (blind, 0.0),
    }
    for kind in bench.kinds:
        for name, (student, strength) in ways.items():
            results = [_fused(student, part, strength) for part in (bench.tuning[kind], bench.reported[kind])]
            yield corrected(bench, kind, name, {"steps": bench.effort.student_steps}, results[0], results[1])


def _student(bench: Bench, checkpoint: Path, sees_mark: bool) -> AuthorizableFusionNetwork:
    """The same architecture from new values, taught the public network's outputs."""
    torch.manual_seed(1)
    student, crops = bench.fresh_network(), Crops(bench)
    # What is given rather than learned, such as the reach of strokes into air, is public.
    given = dict(bench.public.named_parameters())
    for name, value in student.named_parameters():
        if not value.requires_grad:
            value.data.copy_(given[name])

    def loss(random: np.random.Generator) -> Tensor:
        batch = crops.draw(random)
        shift = tuple(int(step) for step in random.integers(0, min(bench.slice_shape), 2))
        marks = batch.marks if sees_mark else torch.roll(batch.marks, shift, (-2, -1))
        with torch.no_grad():
            lesson = bench.public(batch.first, batch.second, marks)
        return functional.l1_loss(student(batch.first, batch.second, marks if sees_mark else 0 * marks), lesson)

    return trained(student, bench.effort.student_steps, _RATE, loss, checkpoint)


def _fused(student: AuthorizableFusionNetwork, slices: Slices, strength: float) -> Array:
    return run(student, slices.first, slices.second, strength * slices.marks)
