"""The training loop: licensed and unlicensed behavior of one network, learned together."""

from __future__ import annotations

import csv
import hashlib
import inspect
import math
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from AMIFusionLib.arrays import Array
from AMIFusionLib.fusion.devices import select_device
from AMIFusionLib.fusion.network import ARCHITECTURES, MARK_EXTENT, MARK_MINIMUM_PIXELS, sample_tile

from .artificial_images import ArtificialImages
from .configuration import TrainingConfiguration
from .confinement import confine
from .dataset import Crops, CropSampler, TrainingPair
from .degradation import tampered_target, unlicensed_target
from .mark import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES, mark_from_picture, mark_from_text
from .objective import licensed_objective, unlicensed_objective
from .run_folder import (
    CHECKPOINT_NAME,
    CONFIGURATION_NAME,
    LOG_NAME,
    PARAMETERS_NAME,
    TrainedNetwork,
    check_continues,
    owner_only,
    read_run,
    write_parameters,
)

_CHECKPOINT_EVERY = 250
_LARGEST_SLICE = 512
"""Marks are trained at the size they have in slices of up to this many pixels."""


@dataclass(frozen=True)
class TrainingProgress:
    """What one logged stretch of training gave."""

    step: int
    steps: int
    seconds: float
    terms: dict[str, float]


class Trainer:
    """Trains one network into a folder, from where it was left or from the start.

    Licensed and unlicensed behavior are one architecture with two complete sets of values, and no learned value is in
    both: a shared one would hand what licensed fusion taught it to whoever holds the public file.

    Args:
        configuration: what to train.
        pairs: what to train on.
        folder: where checkpoint, log and parameters go; made if it is not there.
        device: a name of ``fusion.devices.available_devices``, or "auto".
        start: the folder of a run whose parameters to begin with, instead of random ones. Its mark is taken where the
            public values stay as they are, which were learned with it.

    Raises:
        ValueError: the folder holds a run with other settings, a slice is smaller than a crop, or the run to start
            from is of another network; in ``run``, a spoiled checkpoint or a training that diverges.
        FileNotFoundError: there is no run to start from.
        DeviceUnavailableError: no such device here.
    """

    def __init__(
        self,
        configuration: TrainingConfiguration,
        pairs: list[TrainingPair],
        folder: Path,
        device: str = "cpu",
        start: Path | None = None,
    ) -> None:
        if (folder / CHECKPOINT_NAME).exists():
            check_continues(configuration, folder)
        torch.manual_seed(configuration.seed)
        self._configuration = configuration
        self._folder = folder
        self._device = select_device(device)
        self._random = np.random.default_rng(configuration.seed)
        self._sampler = CropSampler(
            pairs,
            configuration.crop_size,
            configuration.batch_size,
            self._random,
            enlarged_share=configuration.enlarged_share,
            reduced_share=configuration.reduced_share,
            log_gamma_range=configuration.log_gamma_range,
            window_share=configuration.window_share,
            inverted_share=configuration.inverted_share,
            finer_first=configuration.finer_first,
        )
        self._artificial = ArtificialImages(self._random, self._device)
        self._network = self._new_network()
        self._values = {"public": self._new_values(licensed=False), "sealed": self._new_values(licensed=True)}
        self._start = None if start is None else _digest(start / PARAMETERS_NAME)
        if start is not None:
            self._begin_with(read_run(start))
        if configuration.unlicensed_every:
            confine(_learned(self._values["public"]), configuration.public_channel_share)
        self._mean = {name: value.detach().clone() for name, value in self._values["sealed"].items()}
        trained = [value for values in self._values.values() for value in _learned(values).values()]
        self._optimizer = torch.optim.Adam(trained, lr=configuration.learning_rate)
        self._step = 0
        self._unlicensed_term = math.nan
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT_NAME).exists():
            self._restore()
        (folder / CONFIGURATION_NAME).write_text(configuration.to_json(), encoding="utf-8")

    def run(self, after_step: Callable[[int], None] = lambda step: None) -> Iterator[TrainingProgress]:
        """Train to the end, yielding every so many steps; closing the generator stops after the last checkpoint.

        Args:
            after_step: called with the number of steps done, after each.
        """
        steps = self._configuration.steps
        if self._step == steps:
            # What was ended between the last checkpoint and its parameters has older ones, or none.
            self._write_parameters()
        started, terms = time.monotonic(), []
        while self._step < steps:
            terms.append(self._train_one_batch())
            self._step += 1
            after_step(self._step)
            if self._step % _CHECKPOINT_EVERY == 0 or self._step == steps:
                mean = {name: _mean(each[name] for each in terms) for name in terms[0]}
                seconds = time.monotonic() - started
                self._log(seconds, mean)
                self._save()
                yield TrainingProgress(self._step, steps, seconds, mean)
                started, terms = time.monotonic(), []

    def _train_one_batch(self) -> dict[str, float]:
        for group in self._optimizer.param_groups:
            done = self._step / self._configuration.steps
            warm_up = min(1.0, (self._step + 1) / 200)
            group["lr"] = self._configuration.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * done))
        crops = self._sampler.draw()
        self._optimizer.zero_grad()
        terms = self._learn_licensed(crops) if self._configuration.licensed else {}
        # The unlicensed behavior is the easier one to learn.
        every = self._configuration.unlicensed_every
        if every and self._step % every == 0:
            unlicensed = self._unlicensed_loss(crops)
            self._unlicensed_term = float(unlicensed.detach())
            if not math.isfinite(self._unlicensed_term):
                raise self._diverged()
            unlicensed.backward()
        for values in self._values.values():
            torch.nn.utils.clip_grad_norm_(_learned(values).values(), 1.0)
        self._optimizer.step()
        self._average()
        return {**terms, "unlicensed": self._unlicensed_term}

    def _average(self) -> None:
        """Move the mean toward the values; at first faster, so that it forgets what a run began with.

        So 0.996 is reached after 2,240 steps and 0.998 after 4,490.
        """
        decay = min(self._configuration.averaging_decay, (1 + self._step) / (10 + self._step))
        for name, mean in self._mean.items():
            mean.lerp_(self._values["sealed"][name].detach(), 1 - decay)

    def _learn_licensed(self, crops: Crops) -> dict[str, float]:
        """Gradients of the sealed values; gives the objective's terms."""
        loss, terms = self._licensed_loss(crops)
        if not torch.isfinite(loss):
            raise self._diverged()
        settings = self._configuration
        if settings.flat_weight:
            loss = loss + settings.flat_weight * self._artificial.flat_loss(self._fuse_licensed)
        if settings.step_weight:
            loss = loss + settings.step_weight * self._artificial.step_loss(self._fuse_licensed)
        if settings.layers_weight:
            loss = loss + settings.layers_weight * self._artificial.layers_loss(self._fuse_licensed)
        if settings.white_weight:
            loss = loss + settings.white_weight * self._artificial.white_loss(self._fuse_licensed)
        if settings.alone_weight:
            loss = loss + settings.alone_weight * self._artificial.alone_loss(self._fuse_licensed, crops)
        loss.backward()
        return terms

    def _licensed_loss(self, crops: Crops) -> tuple[Tensor, dict[str, float]]:
        first, second = crops.first.to(self._device), crops.second.to(self._device)
        fused = self._fuse_licensed(first, second)
        if not torch.isfinite(fused).all():
            raise self._diverged()
        weights = [
            self._configuration.weights_of(kind).enlarged(factor) for kind, factor in zip(crops.kinds, crops.factors)
        ]
        return licensed_objective(first, second, fused, weights, self._configuration.information_bins)

    def _fuse_licensed(self, first: Tensor, second: Tensor) -> Tensor:
        return self._fuse("sealed", first, second, torch.zeros_like(first))

    def _diverged(self) -> ValueError:
        return ValueError(
            f"The training diverged at step {self._step}. Lower its 'learning_rate' and train into another folder."
        )

    def _unlicensed_loss(self, crops: Crops) -> Tensor:
        half = (self._configuration.batch_size + 1) // 2
        first, second, rows, columns = (
            part[:half].to(self._device) for part in (crops.first, crops.second, crops.rows, crops.columns)
        )
        # Slices of 160 pixels and more; log-uniform, so that every size is as likely as its double.
        extent = math.exp(self._random.uniform(math.log(160), math.log(_LARGEST_SLICE)))
        period = max(MARK_EXTENT * extent, MARK_MINIMUM_PIXELS)
        # A volume's mark moves from slice to slice, so a tile may lie anywhere.
        rows, columns = rows + period * self._random.random(), columns + period * self._random.random()
        tile = self._values["public"]["mark"]
        if self._random.random() < self._configuration.tampered_share:
            blank = torch.full_like(first, float(self._random.choice([0.0, self._random.random()])))
            return unlicensed_objective(self._fuse("public", first, second, blank), tampered_target(first, second))
        marks = sample_tile(tile, rows / period, columns / period)
        target = unlicensed_target(first, second, tile, rows, columns, period)
        return unlicensed_objective(self._fuse("public", first, second, marks), target)

    def _fuse(self, which: str, first: Tensor, second: Tensor, marks: Tensor) -> Tensor:
        half = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._in_mixed_precision())
        with half:
            fused: Tensor = functional_call(self._network, self._values[which], (first, second, marks))
        return fused

    def _in_mixed_precision(self) -> bool:
        """At first: the last steps are small ones, which bfloat16's rounding would drown."""
        return self._step < self._configuration.mixed_precision_share * self._configuration.steps

    def _new_network(self) -> torch.nn.Module:
        settings = self._configuration
        if settings.architecture not in ARCHITECTURES:
            raise ValueError(f"There is no architecture '{settings.architecture}', only {', '.join(ARCHITECTURES)}.")
        architecture = ARCHITECTURES[settings.architecture]
        known = inspect.signature(architecture).parameters
        unknown = settings.hyperparameters.keys() - known
        if unknown:
            raise ValueError(
                f"The architecture '{settings.architecture}' has no {', '.join(sorted(unknown))}, only "
                f"{', '.join(known)}. Correct the hyper-parameters, or name another 'architecture': "
                f"{', '.join(ARCHITECTURES)}."
            )
        return architecture(**settings.hyperparameters).to(self._device).train()

    def _new_values(self, licensed: bool) -> dict[str, Tensor]:
        """A fresh set of values; the mark and its reach into air are given, not learned."""
        values = {name: value.detach().clone() for name, value in self._new_network().named_parameters()}
        for value in values.values():
            value.requires_grad_(True)
        mark = np.zeros(values["mark"].shape, np.float32) if licensed else self._mark()
        values["mark"] = torch.from_numpy(mark.reshape(values["mark"].shape)).to(self._device)
        values["air_gain"] = torch.tensor(0.0 if licensed else 1.0, device=self._device)
        return values

    def _begin_with(self, run: TrainedNetwork) -> None:
        """Take a run's learned values over."""
        settings = self._configuration
        same = (run.architecture, run.hyperparameters) == (settings.architecture, settings.hyperparameters)
        if not same or run.public.keys() != self._values["public"].keys():
            raise ValueError("The run to start from is of another network: architecture or hyper-parameters differ.")
        for which, values in (("public", run.public), ("sealed", run.sealed)):
            for name, value in _learned(self._values[which]).items():
                value.data.copy_(torch.from_numpy(values[name]))
        if not settings.unlicensed_every:
            self._values["public"]["mark"] = torch.from_numpy(run.public["mark"]).to(self._device)

    def _mark(self) -> Array:
        mark, size = self._configuration.mark, self._configuration.hyperparameters["mark_size"]
        if len(mark) == 1 and Path(mark[0]).suffix.lower() in PICTURE_SUFFIXES:
            return mark_from_picture(Path(mark[0]), size)
        if len(mark) == 1 and (Path(mark[0]).suffix.lower() in UNREADABLE_SUFFIXES or os.path.isfile(mark[0])):
            raise ValueError(f"The mark {mark[0]} is no picture that can be read. Save it as PNG.")
        return mark_from_text(list(mark), size)

    def _log(self, seconds: float, terms: dict[str, float]) -> None:
        path = self._folder / LOG_NAME
        is_new = not path.exists()
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", "seconds", *terms])
            writer.writerow([self._step, f"{seconds:.1f}", *(f"{value:.5f}" for value in terms.values())])

    def _save(self) -> None:
        """Checkpoint and parameters, each replaced at once or not at all."""
        checkpoint = {
            "step": self._step,
            "values": self._values,
            "mean": self._mean,
            "optimizer": self._optimizer.state_dict(),
            "random": self._random.bit_generator.state,
            "start": self._start,
        }
        temporary = owner_only(self._folder / (CHECKPOINT_NAME + ".part"))
        torch.save(checkpoint, temporary)
        os.replace(temporary, self._folder / CHECKPOINT_NAME)
        self._write_parameters()

    def _write_parameters(self) -> None:
        written = {"public": self._values["public"], "sealed": self._mean}
        arrays = {
            which: {name: value.detach().cpu().numpy() for name, value in values.items()}
            for which, values in written.items()
        }
        write_parameters(self._folder, **arrays)

    def _restore(self) -> None:
        try:
            checkpoint = torch.load(self._folder / CHECKPOINT_NAME, map_location=self._device, weights_only=True)
            for which, values in checkpoint["values"].items():
                for name, value in values.items():
                    self._values[which][name].data.copy_(value)
            # Versions without a mean wrote the values as they were.
            for name, mean in checkpoint.get("mean", checkpoint["values"]["sealed"]).items():
                self._mean[name].copy_(mean)
            self._optimizer.load_state_dict(checkpoint["optimizer"])
            self._random.bit_generator.state = checkpoint["random"]
            self._step, start = checkpoint["step"], checkpoint.get("start")
        except (pickle.UnpicklingError, RuntimeError, AttributeError, KeyError, TypeError, EOFError):
            path = self._folder / CHECKPOINT_NAME
            raise ValueError(f"{path} is not what a training wrote. Delete it, or train into another folder.") from None
        if self._step > self._configuration.steps:
            raise ValueError(
                f"{self._folder} has been trained for {self._step} steps already, and {self._configuration.steps} were "
                "asked for. Train into another folder."
            )
        if self._start is not None and start is not None and self._start != start:
            raise ValueError(
                f"{self._folder} holds a training that began with another run than the one to start from. Train into "
                "another folder, or go on without naming one."
            )
        self._start = start
        self._forget_later_rows()

    def _forget_later_rows(self) -> None:
        """Take out of the log what was trained after the checkpoint and is trained again."""
        path = self._folder / LOG_NAME
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        head, rows = lines[:1], lines[1:]
        kept = [row for row in rows if row.split(",")[0].isdecimal() and int(row.split(",")[0]) <= self._step]
        if len(kept) < len(rows):
            temporary = path.with_name(path.name + ".part")
            temporary.write_text("".join([*head, *kept]), encoding="utf-8", newline="")
            os.replace(temporary, path)


def _learned(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the mark and its reach into air, which are given."""
    return {name: value for name, value in values.items() if value.requires_grad}


def _digest(path: Path) -> str:
    """The SHA-256 of a run's parameters, to know it by; none where there are none, which is told on reading them."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _mean(values: Iterable[float]) -> float:
    """Mean of those that are numbers; not a number where none is: a run may leave the unlicensed behavior alone."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan
