"""The runner: every run ends exactly once, whatever happens between its steps."""

import pytest
from AMIFusionLib.panel.runner import FusionRunner


class Recorder:
    """A listener that keeps what it hears, and an event loop that runs when told."""

    def __init__(self):
        self.heard = []
        self.waiting = []
        self.cancel_at = None
        self.runner = FusionRunner(self.waiting.append, self)

    def turn(self, count=1):
        """Run what was scheduled before, some turns of the loop."""
        for _ in range(count):
            scheduled, self.waiting[:] = list(self.waiting), []
            for function in scheduled:
                function()

    def on_progress(self, progress):
        self.heard.append(progress)
        if progress == self.cancel_at:
            self.runner.cancel()

    def on_finished(self, node):
        self.heard.append(("finished", node))

    def on_failed(self, error):
        self.heard.append(("failed", str(error)))

    def on_canceled(self):
        self.heard.append("canceled")


class Job:
    """A job of some steps."""

    def __init__(self, steps=3, fails_at=None):
        self.node = None
        self.closed = False
        self._count, self._fails_at = steps, fails_at

    def steps(self):
        try:
            for step in range(self._count):
                if step == self._fails_at:
                    raise ValueError("no memory left")
                yield step
            self.node = "result"
        finally:
            self.closed = True


@pytest.fixture
def recorder():
    """A runner with its listener and its event loop."""
    return Recorder()


def test_one_step_a_turn_then_the_result(recorder):
    recorder.runner.start(Job())
    assert recorder.heard == [] and recorder.runner.is_running
    recorder.turn()
    assert recorder.heard == [0]
    recorder.turn(9)
    assert recorder.heard == [0, 1, 2, ("finished", "result")]
    assert not recorder.runner.is_running and recorder.waiting == []


def test_failure_ends_the_run_once(recorder):
    job = Job(fails_at=1)
    recorder.runner.start(job)
    recorder.turn(9)
    assert recorder.heard == [0, ("failed", "no memory left")]
    assert job.closed and not recorder.runner.is_running


def test_cancel_between_steps_closes_the_job(recorder):
    job = Job()
    recorder.runner.start(job)
    recorder.turn()
    recorder.runner.cancel()
    recorder.runner.cancel()
    recorder.turn(9)
    assert recorder.heard == [0, "canceled"]
    assert job.closed and job.node is None


def test_cancel_while_progress_is_told(recorder):
    recorder.cancel_at = 1
    recorder.runner.start(Job())
    recorder.turn(9)
    assert recorder.heard == [0, 1, "canceled"]


def test_late_call_of_an_ended_run_does_not_drive_the_next(recorder):
    recorder.runner.start(Job())
    recorder.runner.cancel()
    recorder.runner.start(Job(steps=2))
    recorder.turn()
    assert recorder.heard == ["canceled", 0]
    recorder.turn(9)
    assert recorder.heard == ["canceled", 0, 1, ("finished", "result")]


def test_two_runs_at_once_are_refused(recorder):
    recorder.runner.start(Job())
    with pytest.raises(RuntimeError, match="under way"):
        recorder.runner.start(Job())
