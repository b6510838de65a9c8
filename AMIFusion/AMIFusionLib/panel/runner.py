"""Drives a job one step per turn of the event loop, so that the panel stays alive and can cancel."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol


class Job(Protocol):
    """What a runner needs of a job."""

    @property
    def node(self) -> Any:
        """The result after the last step."""

    def steps(self) -> Generator[object, None, None]:
        """Work, yielding progress; may be closed at any time."""


class Listener(Protocol):
    """Who is told how a run goes. Each run ends with exactly one of the last three.

    Progress and results are what the jobs give that the listener starts.
    """

    def on_progress(self, progress: Any) -> None:
        """A step is done."""

    def on_finished(self, node: Any) -> None:
        """All is done."""

    def on_failed(self, error: Exception) -> None:
        """The job raised; the scene is as it was."""

    def on_canceled(self) -> None:
        """The run was canceled; the scene is as it was."""


class FusionRunner:
    """Runs one job at a time.

    A worker thread would be slower: beside Qt's event loop it starves for Python's interpreter lock (16.4 s where
    this takes 2.4 s).

    Args:
        schedule: calls a function soon, from the event loop (in Slicer: a zero-delay ``qt.QTimer.singleShot``).
        listener: who is told.
    """

    def __init__(self, schedule: Callable[[Callable[[], None]], None], listener: Listener) -> None:
        self._schedule = schedule
        self._listener = listener
        self._job: Job | None = None
        self._steps: Generator[object, None, None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a job is under way."""
        return self._steps is not None

    def start(self, job: Job) -> None:
        """Begin a job; its first step comes with the next turn of the event loop.

        Raises:
            RuntimeError: another job is under way.
        """
        if self.is_running:
            raise RuntimeError("A fusion is under way. Cancel it before you start another.")
        self._job, self._steps = job, job.steps()
        self._schedule_step()

    def cancel(self) -> None:
        """End the run at once; nothing happens if there is none."""
        if self.is_running:
            self._drop()
            self._listener.on_canceled()

    def _schedule_step(self) -> None:
        # Bound to this run: a call that comes after its run has ended must not drive the next one.
        steps = self._steps
        self._schedule(lambda: self._step() if self._steps is steps else None)

    def _step(self) -> None:
        job, steps = self._job, self._steps
        if job is None or steps is None:
            return
        try:
            progress = next(steps, None)
        except Exception as error:  # noqa: BLE001 - whatever a step raises must end the run and reach the user
            self._drop()
            self._listener.on_failed(error)
            return
        if progress is None:
            self._drop()
            self._listener.on_finished(job.node)
            return
        self._listener.on_progress(progress)
        # The listener may have canceled.
        if self.is_running:
            self._schedule_step()

    def _drop(self) -> None:
        steps, self._steps, self._job = self._steps, None, None
        if steps is not None:
            steps.close()
