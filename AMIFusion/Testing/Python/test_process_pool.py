"""Work on several processes: what each gives, what is said when one fails, and that none is left behind."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
from AMIFusionLib.evaluation.process_pool import ProcessPool

PATIENCE = 300.0
"""Seconds after which something that should have ended has not."""


def slept(seconds):
    """Something to be done that takes a time, and tells it."""
    time.sleep(seconds)
    return -seconds


def failing(what, *_):
    """Something that cannot be done."""
    raise ValueError(f"No {what}.")


def exit_at_once(_):
    """Ends its process as the system does when memory runs out."""
    os._exit(9)


@pytest.mark.parametrize("processes", [1, 2])
def test_each_job_comes_with_what_it_gave(processes):
    with ProcessPool(processes) as pool:
        assert dict(pool.as_completed(slept, [0.2, 0.0, 0.1])) == {0.2: -0.2, 0.0: 0.0, 0.1: -0.1}


def test_what_is_done_waits_for_nothing_else():
    with pytest.raises(KeyboardInterrupt), ProcessPool(2) as pool:
        assert next(pool.as_completed(slept, [3600.0, 0.0])) == (0.0, 0.0)
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["map", "as_completed"])
def test_a_process_that_is_ended_is_said(name):
    with ProcessPool(2) as pool, pytest.raises(OSError, match="fewer of them"):
        list(getattr(pool, name)(exit_at_once, [None]))


@pytest.mark.parametrize("name", ["map", "as_completed"])
def test_what_fails_says_why(name):
    with ProcessPool(2) as pool, pytest.raises(ValueError, match=r"^No job\.$"):
        list(getattr(pool, name)(partial(failing, "job"), [None]))
    with ProcessPool(2, partial(failing, "data")) as pool, pytest.raises(ValueError, match=r"^No data\.$"):
        list(getattr(pool, name)(slept, [0.0]))


def test_a_request_to_stop_ends_long_work():
    """Whoever stops the command does not wait for what the other processes are at."""
    with ThreadPoolExecutor() as threads:
        with pytest.raises(KeyboardInterrupt), ProcessPool(2) as pool:
            next(pool.map(int, ["1"]))
            sleeping = threads.submit(list, pool.map(time.sleep, [3600.0, 3600.0]))
            time.sleep(0.5)
            raise KeyboardInterrupt
        assert isinstance(sleeping.exception(timeout=PATIENCE), OSError)


USER = """
import sys, time
from AMIFusionLib.evaluation.process_pool import ProcessPool
if __name__ == "__main__":
    with ProcessPool(2) as pool:
        next(pool.map(int, ["1"]))
        print("working", flush=True)
        list(pool.map(time.sleep, [3600.0, 3600.0]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_no_process_outlives_the_one_that_started_it(tmp_path):
    """Which may be killed, and says nothing then."""
    (tmp_path / "user.py").write_text(USER)
    library = Path(sys.modules[ProcessPool.__module__].__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    command = [sys.executable, str(tmp_path / "user.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout.readline() == "working\n"
        workers = [each for each in psutil.Process(user.pid).children() if "spawn_main" in " ".join(each.cmdline())]
        assert workers
        user.kill()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert not alive
    assert multiprocessing.active_children() == []
