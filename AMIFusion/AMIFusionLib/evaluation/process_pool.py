"""Work on several processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
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

    def as_completed(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R]]:
        """As ``map``, but each job with what the function gives for it, as soon as that is there."""
        if self._executor is None:
            yield from ((job, function(job)) for job in jobs)
            return
        with _told_from_outside():
            running = {self._executor.submit(_run, function, job): job for job in jobs}
            for done in as_completed(running):
                yield running[done], done.result()

    def map(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """What the function gives for each job, in order.

        Args:
            function: something that can be pickled.
            jobs: as ``function``.

        Raises:
            OSError: a process was ended from outside, as it happens when memory runs out.
            Exception: what ``prepare`` or the function raised.
        """
        if self._executor is None:
            yield from map(function, jobs)
            return
        with _told_from_outside():
            yield from self._executor.map(partial(_run, function), jobs)


def usable_processes() -> int:
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _told_from_outside() -> Iterator[None]:
    """Say in a sentence that a process was ended."""
    try:
        yield
    except BrokenProcessPool:
        raise OSError(
            "A process was ended from outside, perhaps for lack of memory. Try again with fewer of them."
        ) from None


_failures: list[Exception] = []
"""Why this process could not be prepared."""


def _prepare_process(prepare: Callable[[], None] | None) -> None:
    torch.set_num_threads(1)
    # Ctrl+C reaches every process of the terminal; only the one that the user started answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    if prepare is not None:
        try:
            prepare()
        except Exception as error:
            # Raised here it would never be told, only that a process has ended.
            _failures.append(error)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process when the one that started it is gone, which nobody told it if that was killed."""
    parent.join()
    os._exit(1)


def _run(function: Callable[[J], R], job: J) -> R:
    if _failures:
        raise _failures[0]
    return function(job)
