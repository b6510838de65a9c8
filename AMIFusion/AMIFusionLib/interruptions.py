"""Requests to stop, where something cannot be stopped halfway."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

_REQUESTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def import_mrml() -> None:
    """Load MRML's libraries, a second's work, before anything else needs them.

    Its packages can be loaded only once: a request that comes in between would end as an import that failed, or as a
    crash.
    """
    with held_back():
        import slicer  # noqa: F401


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Let requests wait until the block is done, and keep control-C from threads and processes that begin in it.

    Control-C reaches all processes of a terminal, also those that should end as their parent wants. Windows has no such
    mask. A block that hangs cannot be stopped but by killing the process: keep it to what ends by itself.
    """
    with held_back():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        # Python starts this process before the first other one, and lifts the mask thereby.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def held_back() -> Iterator[None]:
    """Let control-C and other requests to end wait until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        waiting.append(number)

    answers = {number: signal.getsignal(number) for number in _REQUESTS}
    held = {number: answer for number, answer in answers.items() if answer not in (signal.SIG_IGN, None)}
    for number in held:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, answer in held.items():
            signal.signal(number, answer)
        if waiting:
            signal.raise_signal(waiting[0])
