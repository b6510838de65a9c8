"""What every attack works on: a model, slices to tune it on and other slices to measure it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from AMIFusionLib.arrays import Array
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import SealedModel
from AMIFusionLib.authorization.revocation import RevocationList
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.fusion.network import ARCHITECTURES, AuthorizableFusionNetwork, build_network, mark_shift
from AMIFusionLib.training.dataset import TrainingPair, load_pairs

T = TypeVar("T")

_SHOWN = 0.05
"""Gray value, and share of pixels above it, from which a slice shows anything."""


@dataclass(frozen=True)
class Effort:
    """How much is put into the attacks.

    Attributes:
        reported: slices of each pair type on which attacks are measured.
        tuning: slices of each pair type on which they are tuned.
        search_slices: of these, how many the slow searches tune on.
        search_steps: gradient steps of a search over the conditioning input.
        removal_steps: training steps of the removal network.
        student_steps: training steps of each student.
        finetuning_steps: steps at which fine-tuning is measured.
        finetuning_repeats: trainings of each length from each start, the mean of which counts.
        combinations: most settings of a method, and ablations of one kind, that are tried; None for all.
    """

    reported: int = 16
    tuning: int = 12
    search_slices: int = 2
    search_steps: int = 200
    removal_steps: int = 1500
    student_steps: int = 1500
    finetuning_steps: tuple[int, ...] = (50, 200, 1000, 5000)
    finetuning_repeats: int = 3
    combinations: int | None = None


QUICK = Effort(
    reported=1, tuning=2, search_slices=1, search_steps=2, removal_steps=3, student_steps=3, finetuning_steps=(1, 2),
    finetuning_repeats=2, combinations=2,
)  # fmt: skip
"""Runs everything once, to see that it runs; its figures mean nothing."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of one pair type; equal only to themselves. All arrays are (n, rows, columns) float32 in 0..1.

    Attributes:
        kind: pair type ("ct-mri", ...).
        first, second: the sources, in the order in which the extension gives them to the network.
        marks: the mark planes that the extension gives the network with them.
        licensed, unlicensed: what the model makes of them.
        neighbors: the slices before and after each, without licensed results; empty for neighbors themselves.
    """

    kind: str
    first: Array
    second: Array
    marks: Array
    licensed: Array
    unlicensed: Array
    neighbors: tuple[Slices, ...] = ()

    def head(self, count: int) -> Slices:
        """Some of the slices, spread over all."""
        if count >= len(self.first):
            return self
        chosen = np.linspace(0, len(self.first) - 1, count).round().astype(int)
        arrays = {
            field.name: getattr(self, field.name)[chosen]
            for field in dataclasses.fields(self)
            if field.name not in ("kind", "neighbors")
        }
        neighbors = tuple(each.head(count) for each in self.neighbors)
        return dataclasses.replace(self, **arrays, neighbors=neighbors)


class Bench:
    """A model under attack, with its slices.

    Args:
        model: the model file.
        license_text: opens it, to make what attacks are measured by; no attack uses it.
        data: folder with a ``manifest.csv`` whose cases have the splits train and validation.
        effort: how much is put into the attacks.
        revocations: the newest revocation list that is known, or None.

    Raises:
        ValueError: the license does not open the model, or the cases differ in slice size, or there are none.
        FileNotFoundError: no manifest in the folder.
    """

    def __init__(
        self,
        model: SealedModel,
        license_text: str,
        data: Path,
        effort: Effort,
        revocations: RevocationList | None = None,
    ) -> None:
        authorization = authorize(model, license_text, revocations)
        if not authorization.is_licensed:
            raise ValueError(authorization.problem or "The attacks are measured by licensed results: give a license.")
        self._maker = partial(Bench, model, license_text, data, effort, revocations)
        self.model = model
        self.license_text = license_text
        self.effort = effort
        self.public = self.network()
        self._remembered: dict[Hashable, Any] = {}
        self._licensed = self.network(authorization.parameters)
        self.training_pairs = load_pairs(data, "train")
        self.measured_pairs = [pair.in_order() for pair in load_pairs(data, "validation")]
        sizes = {pair.first.shape[1:] for pair in (*self.training_pairs, *self.measured_pairs)}
        if len(sizes) > 1:
            raise ValueError(f"The slices of all cases must be of one size, not of {len(sizes)} as in {data}.")
        self.slice_shape: tuple[int, int] = sizes.pop()
        self.tuning = self._by_kind([pair.in_order() for pair in self.training_pairs], effort.tuning)
        self.reported = self._by_kind(self.measured_pairs, effort.reported)
        self.kinds = [kind for kind in self.reported if kind in self.tuning]
        if not self.kinds:
            raise ValueError(f"{data} has no pair type with both training and validation cases.")

    def maker(self) -> Callable[[], Bench]:
        """Makes this bench again, in another process: it can be pickled."""
        return self._maker

    def network(self, parameters: Mapping[str, Array] | None = None) -> AuthorizableFusionNetwork:
        """The model's network with other values in the place of some public ones; it shares no memory with others."""
        values = {**self.model.public_parameters, **(parameters or {})}
        description = self.model.description
        copied = {name: np.array(value) for name, value in values.items()}
        return build_network(description.architecture, description.hyperparameters, copied)

    def fresh_network(self) -> AuthorizableFusionNetwork:
        """The same architecture with new random values, as training begins with; torch's generator decides."""
        description = self.model.description
        return ARCHITECTURES[description.architecture](**description.hyperparameters)

    def fuse(self, slices: Slices, marks: Array | None = None) -> Array:
        """An unlicensed run over slices, with their own mark planes or others."""
        return run(self.public, slices.first, slices.second, slices.marks if marks is None else marks)

    def some(self, tried: list[T]) -> list[T]:
        """As many of what could be tried as the effort allows, spread over all."""
        limit = self.effort.combinations
        return tried if limit is None or limit >= len(tried) else tried[:: -(-len(tried) // limit)]

    def mark_fields(self) -> Tensor:
        """The mark planes (n, rows, columns) of all slices of the deepest training case."""
        shape = max((pair.first.shape for pair in self.training_pairs), key=lambda shape: shape[0])
        return torch.cat([mark_field(self.public, index, shape)[0] for index in range(shape[0])])

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once for each key: several attacks need the same runs."""
        if key not in self._remembered:
            self._remembered[key] = make()
        remembered: T = self._remembered[key]
        return remembered

    def _by_kind(self, pairs: list[TrainingPair], count: int) -> dict[str, Slices]:
        kinds = sorted({pair.kind for pair in pairs})
        return {kind: self._slices([pair for pair in pairs if pair.kind == kind], count) for kind in kinds}

    def _slices(self, pairs: list[TrainingPair], count: int) -> Slices:
        shown = [(pair, index) for pair in pairs for index in range(len(pair.first)) if _shows_something(pair, index)]
        if not shown:
            raise ValueError(f"No slice of {pairs[0].name} shows anything.")
        chosen = [shown[place] for place in np.linspace(0, len(shown) - 1, min(count, len(shown))).round().astype(int)]
        # A case's first and last slice are their own neighbors.
        neighbors = [
            self._runs([(pair, min(max(index + step, 0), len(pair.first) - 1)) for pair, index in chosen])
            for step in (-1, 1)
        ]
        return dataclasses.replace(self.slices_of(chosen), neighbors=tuple(neighbors))

    def slices_of(self, chosen: list[tuple[TrainingPair, int]]) -> Slices:
        """Slices named by their pair and index, run without a license and with one."""
        slices = self._runs(chosen)
        unmarked = np.concatenate([mark_field(self._licensed, i, pair.first.shape)[0].numpy() for pair, i in chosen])
        return dataclasses.replace(slices, licensed=run(self._licensed, slices.first, slices.second, unmarked))

    def _runs(self, chosen: list[tuple[TrainingPair, int]]) -> Slices:
        """Unlicensed runs; what is licensed is left blank."""
        first, second = (np.stack([getattr(pair, name)[i] for pair, i in chosen]) for name in ("first", "second"))
        marks = np.concatenate([mark_field(self.public, i, pair.first.shape)[0].numpy() for pair, i in chosen])
        unlicensed = run(self.public, first, second, marks)
        return Slices(chosen[0][0].kind, first, second, marks, np.zeros_like(first), unlicensed)


def mark_field(network: AuthorizableFusionNetwork, index: int, shape: tuple[int, int, int]) -> Tensor:
    """The mark plane (1, 1, rows, columns) that the extension gives a network for a slice of a volume.

    Args:
        network: whose mark it is.
        index: of the slice.
        shape: slices, rows, columns of the volume; its voxels are taken for cubes.
    """
    return network.mark_field(*shape[1:], shift=mark_shift(index, shape, (1.0, 1.0, 1.0)))


def run(
    network: AuthorizableFusionNetwork, first: Array, second: Array, marks: Array
) -> Array:  # fmt: skip
    """Fuse slices one by one, as the extension does on a CPU without units for bfloat16.

    Args:
        network: in evaluation mode.
        first, second: (n, rows, columns) float32.
        marks: as these, or (1, rows, columns) for all.

    Returns:
        (n, rows, columns) float32 in 0..1; values that are no numbers, which spoiled parameters give, are 0.
    """
    marks = np.broadcast_to(marks, first.shape)
    with torch.inference_mode():
        fused = [network(*(as_batch(part[index : index + 1]) for part in (first, second, marks)))
                 for index in range(len(first))]  # fmt: skip
    return np.nan_to_num(torch.cat(fused)[:, 0].numpy(), nan=0.0, posinf=1.0, neginf=0.0)


def as_batch(images: Array) -> Tensor:
    """(n, rows, columns) as (n, 1, rows, columns) float32."""
    return torch.from_numpy(np.array(images, dtype=np.float32))[:, None]


def free_fusions(slices: Slices) -> dict[str, Array]:
    """What anyone gets without the model: either source alone, and the free fusions; (n, rows, columns) each."""
    fused = {
        name: np.stack([fuse(*pair) for pair in zip(slices.first, slices.second)]).astype(np.float32)
        for name, fuse in ALTERNATIVES.items()
    }
    return {"First source": slices.first, "Second source": slices.second, **fused}


def _shows_something(pair: TrainingPair, index: int) -> bool:
    return bool(max((part[index] > _SHOWN).mean() for part in (pair.first, pair.second)) > _SHOWN)
