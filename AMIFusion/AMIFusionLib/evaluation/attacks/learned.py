"""What attacks by learning share: crops of unlicensed results, and a training that can be taken up again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from AMIFusionLib.training.dataset import CropSampler
from AMIFusionLib.whole_output import whole

from .bench import Bench

M = TypeVar("M", bound=nn.Module)

CROP_SIZE, BATCH_SIZE = 96, 6
CHECKPOINT_EVERY = 250
_WARM_UP = 0.02


@dataclass(frozen=True)
class Batch:
    """Crops of every pair type in turn; tensors are (n, 1, size, size).

    Attributes:
        kinds: pair type of each crop.
        first, second: the sources, of random slices, orientation and tone.
        marks: what lies over each crop of the mark plane of a random slice.
    """

    kinds: list[str]
    first: Tensor
    second: Tensor
    marks: Tensor


class Crops:
    """Draws batches from the training cases of a bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._fields = bench.mark_fields()

    def draw(self, random: np.random.Generator) -> Batch:
        """The next batch; ``random`` is the only source of chance."""
        parts, kinds, count = [], [], max(1, BATCH_SIZE // len(self._bench.kinds))
        size = min(CROP_SIZE, *self._bench.slice_shape)
        for kind in self._bench.kinds:
            pairs = [pair for pair in self._bench.training_pairs if pair.kind == kind]
            parts.append(CropSampler(pairs, size, count, random).draw())
            kinds += [kind] * count
        first, second, rows, columns = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("first", "second", "rows", "columns")
        )
        # Crops know their pixels' distance from the slice's center.
        height, width = self._bench.slice_shape
        places = (rows + (height - 1) / 2).round().long(), (columns + (width - 1) / 2).round().long()
        marks = self._fields[random.integers(len(self._fields))][places][:, None]
        return Batch(kinds, first, second, marks)


def trained(
    module: M, steps: int, rate: float, loss: Callable[[np.random.Generator], Tensor], checkpoint: Path,
    seed: int = 0,
) -> M:  # fmt: skip
    """Train a module with Adam, warm-up and half a cosine; go on from a checkpoint if there is one.

    Args:
        module: trained in place.
        steps: batches.
        rate: learning rate at its peak.
        loss: draws a batch with the generator it is given, and gives what to minimize.
        checkpoint: where the training is kept, every so many steps.
        seed: of the batches.

    Returns:
        The module, in evaluation mode.
    """
    values = [value for value in module.parameters() if value.requires_grad]
    optimizer, random = torch.optim.Adam(values, lr=rate), np.random.default_rng(seed)
    step = _restored(checkpoint, module, optimizer, random)
    module.train()
    while step < steps:
        warm_up = min(1.0, (step + 1) / max(1.0, _WARM_UP * steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss(random).backward()
        nn.utils.clip_grad_norm_(values, 1.0)
        optimizer.step()
        step += 1
        if step % CHECKPOINT_EVERY == 0 or step == steps:
            _keep(checkpoint, step, module, optimizer, random)
    return module.eval().requires_grad_(False)


def _keep(
    path: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, random: np.random.Generator
) -> None:
    state = {"step": step, "module": module.state_dict(), "optimizer": optimizer.state_dict(),
             "random": random.bit_generator.state}  # fmt: skip
    with whole(path) as place:
        torch.save(state, place)


def _restored(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, random: np.random.Generator) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    random.bit_generator.state = state["random"]
    return int(state["step"])
