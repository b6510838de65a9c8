"""Work in a thread as a generator, for callers with an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

P = TypeVar("P")
T = TypeVar("T")

_PATIENCE_SECONDS = 0.02
"""Of each step: long enough that the thread gets Python's interpreter lock from an event loop that hardly gives it
away, short enough that nobody notices."""


class StoppedError(Exception):
    """Nobody waits for the work any more."""


class Worker(threading.Thread, Generic[P, T]):
    """Runs a function that tells how far it is.

    Args:
        work: takes the worker, and calls ``tell`` or ``check`` often.
        first: what is told before the work has said anything.
    """

    def __init__(self, work: Callable[[Worker[P, T]], T], first: P) -> None:
        super().__init__(name="AMIFusion alignment")
        self._work, self._told = work, first
        self._news, self._is_unwanted = threading.Event(), threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for the result."""
        return not self._is_unwanted.is_set()

    def tell(self, progress: P) -> bool:
        """Report from within the work.

        Returns:
            Whether to go on: False where nobody waits any more.
        """
        self._told = progress
        self._news.set()
        return self.is_wanted

    def check(self) -> None:
        """Look whether to go on, from within the work.

        Raises:
            StoppedError: nobody waits any more.
        """
        if not self.is_wanted:
            raise StoppedError

    def run(self) -> None:
        """Do the work; in the thread."""
        try:
            self._result.append(self._work(self))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is waited for
            self._error = error
        self._news.set()

    def steps(self) -> Generator[P, None, T]:
        """Start, and wait a short while at a time.

        A generator closed earlier does not wait for the thread, which ends by itself where it looks next, once it is
        given Python's interpreter lock.

        Yields:
            What was told last.

        Returns:
            What the work returns.

        Raises:
            Exception: what the work raises.
        """
        self.start()
        try:
            while self.is_alive():
                self._news.wait(_PATIENCE_SECONDS)
                self._news.clear()
                yield self._told
        finally:
            self._is_unwanted.set()
        if self._error is not None:
            raise self._error
        return self._result[0]
