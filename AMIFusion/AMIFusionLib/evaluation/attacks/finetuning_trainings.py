"""The trainings of attack k: the public parameters, or new ones, trained for clean fusion, and how near each comes."""

from __future__ import annotations

import csv
import io
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from AMIFusionLib.evaluation.process_pool import ProcessPool
from AMIFusionLib.fusion.network import AuthorizableFusionNetwork
from AMIFusionLib.training.bundled_stages import attackers_stage
from AMIFusionLib.training.objective import licensed_objective
from AMIFusionLib.whole_output import write_text

from .attempt import psnr
from .bench import Bench, Slices, run
from .learned import Crops, trained

T = TypeVar("T")

Idle = Literal["kept", "unheard", "heard"]
"""What becomes of channels that the public values leave at 0, where they could never learn: they stay so, or get new
values, which the other channels do not hear at first, so that the network does what it did (as networks are widened by
T. Chen et al., "Net2Net: Accelerating learning via knowledge transfer", ICLR 2016), or hear from the first step on."""


@dataclass(frozen=True)
class Way:
    """What a training begins with, and how fast it learns.

    Attributes:
        from_public: the public values, or new ones.
        rate: peak learning rate.
        marked: whether the network is given the mark, or a blank plane.
        idle: what becomes of idle channels of the public values.
        is_even: whether the network gives the sources' average at first, the values of its last layer being 0, and not
            the public values' image or one by chance.
    """

    from_public: bool
    rate: float
    marked: bool = False
    idle: Idle = "kept"
    is_even: bool = False

    def __str__(self) -> str:
        """For file names."""
        idle = "" if self.idle == "kept" else f"-{self.idle}"
        start = f"{'public' if self.from_public else 'scratch'}{'-even' if self.is_even else ''}"
        return f"{start}{'-marked' if self.marked else ''}{idle}"


@dataclass(frozen=True)
class Training:
    """One training: how it begins, how many steps it takes, and which repeat it is, with new values and batches."""

    way: Way
    steps: int
    repeat: int = 0

    def __str__(self) -> str:
        """For file names and tables."""
        again = f"-repeat-{self.repeat}" if self.repeat else ""
        return f"finetuning-{self.way}-{self.steps}-{self.way.rate:g}{again}"


@dataclass(frozen=True)
class Nearness:
    """Mean PSNR in dB to the licensed results, by pair type: on training cases, and on those kept back."""

    tuning: dict[str, float]
    reported: dict[str, float]

    @property
    def tuned(self) -> float:
        """On training cases, over all pair types: what anything may be chosen by."""
        return float(np.mean(list(self.tuning.values())))


class Trainings:
    """Makes trainings and measures them, each once; a context manager.

    Args:
        bench: the model and its slices.
        folder: where the networks are kept, so that a training that was stopped goes on.
        figures: a CSV file of how near each came, a line each; trainings that it names are not made again.
        processes: to train with; each loads the data anew.
    """

    def __init__(self, bench: Bench, folder: Path, figures: Path, processes: int = 1) -> None:
        self._figures = _Figures(figures, bench.kinds)
        self._pool = ProcessPool(processes, partial(_open_bench, bench.maker()))
        self._measure: Callable[[Training], Nearness] = (
            partial(_measured_here, folder) if self._pool.has_others else partial(measured, bench, folder)
        )

    def __enter__(self) -> Trainings:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._pool.__exit__(kind, *rest)

    def nearness(self, wanted: Sequence[Training]) -> list[Nearness]:
        """How near each training comes, at once where there are processes for it."""
        missing = [training for training in dict.fromkeys(wanted) if training not in self._figures]
        for training, near in self._pool.as_completed(self._measure, missing):
            self._figures.add(training, near)
        return [self._figures[training] for training in wanted]

    def side_by_side(self, searches: Iterable[Iterator[T]]) -> list[T]:
        """The next result of each search; where other processes train, no search waits for another."""
        if not self._pool.has_others:
            return [next(search) for search in searches]
        with ThreadPoolExecutor() as threads:
            running = [threads.submit(next, search) for search in searches]
            try:
                for done in wait(running, return_when=FIRST_EXCEPTION).done:
                    done.result()
            except BaseException:
                # The other search would go on for hours before this one's failure was told.
                self._pool.end()
                raise
            return [each.result() for each in running]


class _Figures:
    """Figures in a CSV file that grows, by training; others may add to it meanwhile."""

    def __init__(self, path: Path, kinds: Sequence[str]) -> None:
        self._path, self._kinds = path, list(kinds)
        self._lock = threading.Lock()
        self._known = self._read()

    def __contains__(self, training: Training) -> bool:
        return str(training) in self._known

    def __getitem__(self, training: Training) -> Nearness:
        return self._known[str(training)]

    def add(self, training: Training, near: Nearness) -> None:
        with self._lock:
            self._known = {**self._read(), **self._known, str(training): near}
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["training", *self._columns("tuning"), *self._columns("reported")])
            for name, known in self._known.items():
                values = [part[kind] for part in (known.tuning, known.reported) for kind in self._kinds]
                writer.writerow([name, *(f"{value:.4f}" for value in values)])
            write_text(self._path, text.getvalue())

    def _columns(self, part: str) -> list[str]:
        return [f"{part} {kind}" for kind in self._kinds]

    def _read(self) -> dict[str, Nearness]:
        if not self._path.exists():
            return {}
        try:
            with open(self._path, newline="", encoding="utf-8") as file:
                return {row["training"]: self._nearness(row) for row in csv.DictReader(file)}
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{self._path} does not have figures of trainings. Move it, or delete it.") from None

    def _nearness(self, row: Mapping[str, str]) -> Nearness:
        parts = [
            {kind: float(row[name]) for kind, name in zip(self._kinds, self._columns(part))}
            for part in ("tuning", "reported")
        ]
        if not all(math.isfinite(value) for part in parts for value in part.values()):
            raise ValueError
        return Nearness(*parts)


def measured(bench: Bench, folder: Path, training: Training) -> Nearness:
    """Make a training, or go on with it, and measure it."""
    network, is_marked = _retrained(bench, folder, training), training.way.marked
    return Nearness(_nearness(network, is_marked, bench.tuning), _nearness(network, is_marked, bench.reported))


def has_idle_channels(public: AuthorizableFusionNetwork) -> bool:
    """Whether a network has channels in which all values are 0."""
    return any(bool(_is_idle(value).any()) for value in public.parameters() if value.ndim > 1)


_here: list[Bench] = []
"""The bench of a process that trains for another one."""


def _open_bench(make: Callable[[], Bench]) -> None:
    _here[:] = [make()]


def _measured_here(folder: Path, training: Training) -> Nearness:
    return measured(_here[0], folder, training)


def _retrained(bench: Bench, folder: Path, training: Training) -> AuthorizableFusionNetwork:
    """The architecture trained for the licensed objective, from the public values or from new ones.

    Each repeat has new values and batches of its own.
    """
    way = training.way
    torch.manual_seed(2 + training.repeat)
    network, crops = bench.fresh_network(), Crops(bench)
    if way.from_public:
        _begin_with(bench.public, network, way.idle)
    if way.is_even:
        for name, value in network.named_parameters():
            if name.startswith("head."):
                value.data.zero_()
    stage = attackers_stage()

    def loss(random: np.random.Generator) -> Tensor:
        batch = crops.draw(random)
        fused = network(batch.first, batch.second, batch.marks if way.marked else 0 * batch.marks)
        weights = [stage.weights_of(kind) for kind in batch.kinds]
        return licensed_objective(batch.first, batch.second, fused, weights, stage.information_bins)[0]

    path, seed = folder / f"{training}.pt", training.steps + training.repeat
    return trained(network, training.steps, way.rate, loss, path, seed=seed)


def _begin_with(public: AuthorizableFusionNetwork, network: AuthorizableFusionNetwork, idle: Idle) -> None:
    """Give a new network the public values; idle channels may keep their new ones."""
    given = dict(public.named_parameters())
    for name, value in network.named_parameters():
        # The mark and the switches keep the values of a licensed run, which a fresh network has.
        if value.requires_grad:
            new = {"kept": 0 * value.data, "unheard": value.data * _is_idle(given[name]), "heard": value.data}[idle]
            value.data.copy_(torch.where(given[name] == 0, new, given[name]))


def _is_idle(values: Tensor) -> Tensor:
    """Which output channels of a layer have no value but 0, for broadcasting."""
    return (values == 0).flatten(1).all(1).view(-1, *[1] * (values.ndim - 1)) if values.ndim > 1 else values == 0


def _nearness(network: AuthorizableFusionNetwork, marked: bool, parts: Mapping[str, Slices]) -> dict[str, float]:
    """Mean PSNR to the licensed results, by pair type; to the digits that are kept."""
    results = {}
    for kind, slices in parts.items():
        fused = run(network, slices.first, slices.second, slices.marks if marked else 0 * slices.marks)
        results[kind] = round(float(psnr(slices.licensed, fused).mean()), 4)
    return results
