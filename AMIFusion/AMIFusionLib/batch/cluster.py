"""Dask's side of a batch: workers here or elsewhere, and a task for each pair, few at a time."""

from __future__ import annotations

import logging
import signal
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, wait
from distributed import TimeoutError as DaskTimeoutError
from distributed.system import MEMORY_LIMIT

from AMIFusionLib.interruptions import unheard_by_children

from .errors import ClusterError
from .work import FAILED, Outcome, PairTask, fuse_pair

if TYPE_CHECKING:
    from distributed import Worker

MOST_KILLED = 3
"""A pair that has killed more workers than this is given up; Dask's own default for schedulers elsewhere."""

_MEMORY_OF_A_WORKER = 2 << 30
"""Bytes to reckon with where nobody says how many workers: Python, torch and MRML alone take 0.7 GB."""

_CONNECT_SECONDS = 30
_PATIENCE_SECONDS = 300
"""How long to wait for workers to come back when all are gone."""

_LOOK_SECONDS = 1


class _IgnoreInterrupts(WorkerPlugin):
    """Control-C reaches all processes of a terminal; the main one ends the others in order.

    Elsewhere than on Windows workers do not hear of it anyway, see ``unheard_by_children``.
    """

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def usual_workers(pairs: int) -> int:
    """How many workers to start for so many pairs where nobody says it: a core and some memory for each."""
    return max(1, min(CPU_COUNT, MEMORY_LIMIT // _MEMORY_OF_A_WORKER, pairs))


def usual_threads(workers: int) -> int:
    """CPU threads for each of so many workers."""
    return max(1, CPU_COUNT // workers)


@contextmanager
def local_workers(workers: int) -> Iterator[Client]:
    """Worker processes on this machine, gone afterwards.

    Only this user's processes can talk to them: the certificates of their connections exist in memory alone, and no
    page shows what they do.
    """
    pages: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with (
        tempfile.TemporaryDirectory(prefix="amifusion-dask-", ignore_cleanup_errors=True) as scratch,
        _quiet(),
        dask.config.set(pages),
        ExitStack() as stack,
    ):
        # A worker that is interrupted while it starts complains at length, and so does Dask.
        with unheard_by_children():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers, threads_per_worker=1, memory_limit=MEMORY_LIMIT // workers,
                    local_directory=scratch, security=True, silence_logs=logging.CRITICAL,
                    scheduler_kwargs={
                        "allowed_failures": MOST_KILLED, "dashboard": False, "dashboard_address": "127.0.0.1:0"
                    },
                )
            )  # fmt: skip
            client = stack.enter_context(Client(cluster))
            client.register_plugin(_IgnoreInterrupts())
        yield client


@contextmanager
def workers_of(address: str) -> Iterator[Client]:
    """The workers of a Dask scheduler elsewhere.

    Args:
        address: as tcp://host:8786; for tls:// Dask's own configuration names the certificates.

    Raises:
        ClusterError: no scheduler there, or one without workers.
    """
    with _quiet():
        try:
            client = Client(address, timeout=_CONNECT_SECONDS)
        # What answers may be no Dask: its first bytes are then taken for a size that no memory has.
        except (OSError, DaskTimeoutError, ValueError, TypeError, MemoryError):
            raise ClusterError(
                f"No Dask scheduler answers at {address}. Start one with 'dask scheduler', and give its address as it "
                "shows it."
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except DaskTimeoutError:
                raise ClusterError(
                    f"The scheduler at {address} has no workers. Start some: dask worker {address} --nthreads 1"
                ) from None
            yield client


def outcomes(client: Client, tasks: Iterable[PairTask]) -> Iterator[Outcome]:
    """Do the tasks, as many at a time as there are workers.

    A pair whose worker is killed goes to another; one that kills more than ``MOST_KILLED`` has failed.

    Yields:
        What became of each, in the order in which they end. A generator closed earlier drops the rest.

    Raises:
        ClusterError: all workers are gone and did not come back, or the scheduler is.
    """
    try:
        yield from _outcomes(client, tasks)
    # Connections end with an OSError, and what was waited for on them with the other.
    except (CancelledError, OSError):
        raise ClusterError("The scheduler is gone. Start it again, and run the same command to go on.") from None


def _outcomes(client: Client, tasks: Iterable[PairTask]) -> Iterator[Outcome]:
    run, waiting = uuid.uuid4().hex[:8], iter(tasks)
    flying: dict[Future[Outcome], PairTask] = {}
    alive = time.monotonic()
    try:
        while True:
            # While a worker is gone no other pair may wait behind the one that killed it: Dask would blame both.
            workers = len(client.nthreads())
            alive = time.monotonic() if workers else alive
            if time.monotonic() - alive > _PATIENCE_SECONDS:
                raise ClusterError("All workers are gone. Start them again, and run the same command to go on.")
            for task in islice(waiting, max(0, workers - len(flying))):
                # The key is what logs and the dashboard show.
                future = client.submit(fuse_pair, task, key=f"fuse-{run}-{task.pair.row}", pure=False)
                flying[future] = task
            if workers and not flying:
                return
            yield from _landed(flying)
    finally:
        with suppress(OSError, DaskTimeoutError, CancelledError):
            client.cancel(list(flying))


def _landed(flying: dict[Future[Outcome], PairTask]) -> Iterator[Outcome]:
    """Wait a moment for tasks to end, and take those that did."""
    if not flying:
        time.sleep(_LOOK_SECONDS)
        return
    with suppress(DaskTimeoutError):
        wait(list(flying), timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
    for future in [each for each in flying if each.done()]:
        task = flying.pop(future)
        yield _outcome(future, task)
        future.release()


def _outcome(future: Future[Outcome], task: PairTask) -> Outcome:
    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        problem = f"{error.allowed_failures + 1} workers were killed at it. Its volumes may need more memory."
    elif error is None:
        problem = "The scheduler dropped it. Run the same command again."
    else:
        problem = (
            f"The worker could not begin: {type(error).__name__}: {error}. Install this version of AMIFusion where it "
            'runs, in the folder of its source: pip install ".[batch]"'
        )
    return Outcome(task.pair, FAILED, problem=problem)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from telling what the outcomes tell."""
    # Some of its parts have levels of their own, which the whole one's does not reach.
    named = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    levels = {logger: logger.level for logger in map(logging.getLogger, {"distributed", *named})}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
