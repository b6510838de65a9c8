"""Runs the network over the slices of a volume, a short step at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from AMIFusionLib.arrays import Array

from ..translation import tr as _
from .devices import AUTOMATIC, free_memory, is_faster_in_bfloat16, select_device
from .network import MINIMUM_SLICE_SIZE, AuthorizableFusionNetwork, mark_shift

T = TypeVar("T")

SliceReader = Callable[[int, int], "tuple[Array, Array]"]
"""Gives slices start..stop of both sources, each (n, rows, columns) float32 in 0..1."""

SliceWriter = Callable[[int, Array], None]
"""Takes fused slices (n, rows, columns) float32 in 0..1 that begin at an index."""

STEP_SECONDS = 0.05
"""How long a step should take: an event loop that waits 50 ms still feels immediate."""

_BYTES_PER_PIXEL = 512
"""Memory the network takes for a pixel of a slice, four times what its activations need in float32."""

_MEMORY_SHARE = 0.5
"""Share of a GPU's free memory to plan with: the views render on the same card."""


class SliceSizeError(ValueError):
    """Slices too small for the network."""


def check_slice_size(height: int, width: int) -> None:
    """Refuse slices that the network cannot take.

    Raises:
        SliceSizeError: rows or columns are fewer than ``network.MINIMUM_SLICE_SIZE``.
    """
    if min(height, width) < MINIMUM_SLICE_SIZE:
        raise SliceSizeError(
            _(
                "Slices of {height} x {width} pixels are too small to fuse: they need {least} in each direction. "
                "Choose another slice plane."
            ).format(height=height, width=width, least=MINIMUM_SLICE_SIZE)
        )


def prepare(network: AuthorizableFusionNetwork, device: torch.device) -> AuthorizableFusionNetwork:
    """Move a network to a device, and lower its precision if it is faster for that there.

    Args:
        network: in evaluation mode; changed itself.
        device: where it is to run.

    Returns:
        The network.
    """
    network.to(device)
    if is_faster_in_bfloat16(device):
        network.lower_precision()
    return network


class FusionEngine:
    """Fuses slices with one network on one device.

    On the CPU every slice goes through the network alone, which costs nothing there and makes the result independent
    of how many slices a step takes. A CPU with units for bfloat16 uses them where the network has layers for that;
    single voxels were then, in tests, up to two gray levels in 255 from what other CPUs give. On a GPU a step is one
    batch, and its libraries may round another way in batches of another size: results can then differ by a gray level
    in 4095.

    Args:
        network: in evaluation mode; moved to the device, see ``prepare``.
        device: "auto" or a name of ``devices.available_devices``.
        step_seconds: how long a step should take.

    Raises:
        DeviceUnavailableError: no such device here.
    """

    def __init__(
        self, network: AuthorizableFusionNetwork, device: str = AUTOMATIC, step_seconds: float = STEP_SECONDS
    ) -> None:
        self.device = select_device(device)
        self._network = network
        self._step_seconds = step_seconds
        self._largest_batch = 1
        self._seconds_per_slice: float | None = None
        self._clock = _Clock()
        self._is_marked = bool(network.mark.any())
        self._recovering(lambda: prepare(self._network, self.device))

    def fuse(
        self, read: SliceReader, write: SliceWriter, shape: tuple[int, int, int],
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), mark_senses: tuple[int, int] = (1, 1),
        gains: tuple[float, float] = (1.0, 1.0), takes_second_first: bool = False,
    ) -> Iterator[int]:  # fmt: skip
        """Fuse all slices, yielding after each step how many are done.

        A slice that takes the CPU longer than a step is paused between the network's layers. The generator may be
        closed at any point; slices already written stay written. When a GPU's memory runs out the batch is halved, then
        the CPU takes over.

        Args:
            read: gives slices of both sources.
            write: takes fused slices.
            shape: slices, rows, columns.
            spacing: (slice, row, column) spacing in one unit, for a mark without distortion.
            mark_senses: how the mark advances from slice to slice, as in ``network.mark_shift``.
            gains: what the sources are multiplied by before the network sees them, as ``balance.balance_gains`` gives
                it; 1 changes nothing.
            takes_second_first: whether the network takes the second source first: the one that is drawn finer, see
                ``fineness.is_second_finer``.

        Raises:
            SliceSizeError: rows or columns are fewer than the network needs.
        """
        count, height, width = shape
        check_slice_size(height, width)
        self._largest_batch = self._batch_that_fits(height, width)
        done = 0
        while done < count:
            stop = min(count, done + self._slices_in_a_step())
            self._clock = _Clock()
            sources = [_scaled(source, gain) for source, gain in zip(read(done, stop), gains)]
            ordered = sources[::-1] if takes_second_first else sources
            shifts = [mark_shift(index, shape, spacing, mark_senses) for index in range(done, stop)]
            marks = self._recovering(partial(self._marks, shifts, (height, width), spacing[1:]))
            fused = yield from self._fuse_in_memory(done, *ordered, marks)
            write(done, fused[:, 0].numpy())
            self._seconds_per_slice = self._clock.worked() / (stop - done)
            done = stop
            yield done

    def _recovering(self, work: Callable[[], T]) -> T:
        """Do something that takes memory, again with less at stake if there is too little."""
        while True:
            try:
                return work()
            except RuntimeError as error:
                if not self._make_room(error):
                    raise

    def _marks(
        self, shifts: list[tuple[float, float]], size: tuple[int, int], pixel_spacing: tuple[float, float]
    ) -> Tensor:
        """The mark in each slice of a step, (n, 1, h, w)."""
        with torch.inference_mode():
            if not self._is_marked:
                # A licensed network's: sampling nothing for each slice would take some hundredths of its time.
                return self._network.mark.new_zeros(1, 1, 1, 1).expand(len(shifts), 1, *size)
            # One by one: a slice's mark must not depend on which others are made beside it.
            return torch.cat([self._network.mark_field(*size, pixel_spacing, shift) for shift in shifts])

    def _slices_in_a_step(self) -> int:
        """As many as the last step's speed allows, and no more than fit in memory; one until there is a speed."""
        if self._seconds_per_slice is None:
            return 1
        fitting = max(1, int(self._step_seconds / self._seconds_per_slice))
        return fitting if self.device.type == "cpu" else min(fitting, self._largest_batch)

    def _fuse_in_memory(self, done: int, *images: Tensor) -> Generator[int, None, Tensor]:
        """Fuse some slices, with their marks, in batches, smaller ones if memory runs out; pauses yield ``done``."""
        fused = []
        while len(images[0]):
            if self.device.type == "cpu":
                part = yield from self._run_in_steps(done, *(image[:1] for image in images))
            else:
                part = self._recovering(partial(self._fuse_first_batch, *images))
            fused.append(part)
            images = tuple(image[len(part) :] for image in images)
        return torch.cat(fused)

    def _run_in_steps(self, done: int, first: Tensor, second: Tensor, marks: Tensor) -> Generator[int, None, Tensor]:
        """One slice on the CPU, with a pause wherever it has taken a step's time."""
        # The marks may have been made on a GPU that had no room for the rest.
        steps = self._network.forward_steps(first, second, marks.to(first.device))
        while True:
            # Not across the pauses, in which others work.
            with torch.inference_mode():
                try:
                    next(steps)
                    while self._clock.since_pause() <= self._step_seconds:
                        next(steps)
                except StopIteration as end:
                    fused: Tensor = end.value
                    return fused
            with self._clock.paused():
                yield done

    def _fuse_first_batch(self, *images: Tensor) -> Tensor:
        """As many of the slices as now go through the network at once."""
        batch = 1 if self.device.type == "cpu" else self._largest_batch
        return self._run_network(*(image[:batch] for image in images))

    def _run_network(self, first: Tensor, second: Tensor, marks: Tensor) -> Tensor:
        # Deterministic algorithms, and half precision only where it is fast and was made for it.
        half = torch.autocast("cuda", dtype=torch.float16, enabled=self.device.type == "cuda")
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with torch.inference_mode(), half, exact:
            inputs = (image.to(self.device) for image in (first, second, marks))
            fused: Tensor = self._network(*inputs).float().cpu()
        return fused

    def _make_room(self, error: RuntimeError) -> bool:
        """Halve the batch, or leave a GPU that cannot hold one slice; False if the error is no lack of memory."""
        if self.device.type == "cpu" or not _is_out_of_memory(error):
            return False
        if self._largest_batch > 1:
            self._largest_batch //= 2
        else:
            self.device = torch.device("cpu")
            prepare(self._network, self.device)
        # Frames of the failed run hold its tensors until the error is gone.
        error.__traceback__ = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return True

    def _batch_that_fits(self, height: int, width: int) -> int:
        free = free_memory(self.device)
        if free is None:
            return 1 if self.device.type == "cpu" else 8
        return max(1, int(free * _MEMORY_SHARE / (height * width * _BYTES_PER_PIXEL)))


class _Clock:
    """Times work that pauses."""

    def __init__(self) -> None:
        self._begun, self._worked = time.perf_counter(), 0.0

    def since_pause(self) -> float:
        """Seconds since the last pause, or since the beginning."""
        return time.perf_counter() - self._begun

    def worked(self) -> float:
        """Seconds of work, pauses left out."""
        return self._worked + self.since_pause()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A pause."""
        self._worked = self.worked()
        yield
        self._begun = time.perf_counter()


def _scaled(slices: Array, gain: float) -> Tensor:
    """Slices as the network takes them, (n, 1, h, w); the array itself stays as it is."""
    images = torch.from_numpy(slices)[:, None]
    return images if gain == 1 else images * gain


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a class for it; MPS says so in words."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error).lower()
