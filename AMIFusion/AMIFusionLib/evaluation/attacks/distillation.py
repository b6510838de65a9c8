"""Attack j: students of the public network, which learn from its outputs on the sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork

from .attempt import Attempt, tuned
from .bench import Bench, Slices, run
from .learned import Crops, trained

RATES = (5e-4, 2e-3, 8e-3)
"""Peak learning rates; each pair type is given the student of the one that suits it best."""

Students = Mapping[tuple[bool, float], AuthorizableFusionNetwork]
"""By whether they are given the mark, and learning rate."""


def distillation_attempts(bench: Bench, folder: Path) -> Iterator[Attempt]:
    """Attack j: a student given the mark, run with it and without; one never given it, which learns the median.

    A student that cannot know where the mark lies can only learn what is under it most of the time.

    Args:
        bench: the model and its slices.
        folder: where the trainings are kept.
    """
    students = {
        (sees_mark, rate): _student(bench, folder, sees_mark, rate) for sees_mark in (True, False) for rate in RATES
    }
    ways = {
        "student given the mark": (True, 1.0),
        "student given the mark, run on a blank one": (True, 0.0),
        "student of results under moved marks": (False, 0.0),
    }
    for kind in bench.kinds:
        for name, (sees_mark, strength) in ways.items():
            yield tuned(bench, kind, name, partial(_fused, students, sees_mark, strength), {"rate": RATES})


def _student(bench: Bench, folder: Path, sees_mark: bool, rate: float) -> AuthorizableFusionNetwork:
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

    checkpoint = folder / f"student-{'with' if sees_mark else 'without'}-mark-{rate:g}.pt"
    return trained(student, bench.effort.student_steps, rate, loss, checkpoint)


def _fused(students: Students, sees_mark: bool, strength: float, slices: Slices, rate: float) -> Array:
    return run(students[sees_mark, rate], slices.first, slices.second, strength * slices.marks)
