"""Work on several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

J = TypeVar("J")
R = TypeVar("R")


class ProcessPool:
    """Runs functions on several processes; a context manager.

    An exception that leaves it, as a request to stop does, ends the processes where they stand.

    Args:
        processes: how many; with 1 the calling process does the work itself.
        prepare: what each other process does first; something that can be pickled.
    """

    def __init__(self, processes: int, prepare: Callable[[], None] | None = None) -> None:
        self._executor = None
        if processes > 1:
            # Forking a process in which PyTorch has started threads can hang.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(processes, context, _prepare_process, (prepare,))

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.end()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def end(self) -> None:
        """End the processes where they stand."""
        if self._executor is not None:
            for child in multiprocessing.active_children():
                child.terminate()

    @property
    def has_others(self) -> bool:
        """Whether other processes do the work than the calling one."""
        return self._executor is not None

    def map(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """What the function gives for each job, in order.

        Args:
            function: something that can be pickled.
            jobs: as ``function``.

        Raises:
            OSError: a process was ended from outside, as it happens when memory runs out.
        """
        if self._executor is None:
            yield from map(function, jobs)
            return
        try:
            yield from self._executor.map(function, jobs)
        except BrokenProcessPool:
            raise OSError(
                "A process was ended from outside, perhaps for lack of memory. Try again with fewer of them."
            ) from None


def usable_processes() -> int:
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _prepare_process(prepare: Callable[[], None] | None) -> None:
    torch.set_num_threads(1)
    # Ctrl+C reaches every process of the terminal; only the one that the user started answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()
