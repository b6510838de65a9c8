"""A whole batch: from the pairs to results and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from AMIFusionLib.volumes.paths import source_path

from .errors import BatchError
from .pairs import Pair
from .report import write_reports
from .results import ResultsFolder
from .work import NOT_DONE, Outcome, PairTask

if TYPE_CHECKING:
    from distributed import Client

    from AMIFusionLib.authorization.revocation import RevocationList


@dataclass(frozen=True)
class BatchPlan:
    """What to do.

    Attributes:
        pairs: from ``pairs.read_pairs``.
        results: where to.
        model: the model file, absolute.
        license_file: the license, absolute, or None.
        device: as ``FusionOptions`` takes it.
        threads: CPU threads for each worker, or None.
        overwrite: whether to fuse all again, and to replace what no batch wrote.
        with_traceback: whether failures bring tracebacks.
        revocations: the newest revocation list that is known of the model's publisher, or None.
    """

    pairs: list[Pair]
    results: ResultsFolder
    model: Path
    license_file: Path | None
    device: str = "auto"
    threads: int | None = None
    overwrite: bool = False
    with_traceback: bool = False
    revocations: RevocationList | None = None

    def tasks(self) -> Iterator[PairTask]:
        """One for each pair, made when it is asked for."""
        license_file = str(self.license_file) if self.license_file else None
        for pair in self.pairs:
            yield PairTask(
                pair, self.results, str(self.model), license_file, self.device, self.threads, self.overwrite,
                self.with_traceback, self.revocations,
            )  # fmt: skip


@dataclass(frozen=True)
class BatchEnd:
    """What became of a batch.

    Attributes:
        outcomes: of all pairs, in the order of the rows.
        is_interrupted: whether it was stopped before all were done.
    """

    outcomes: list[Outcome]
    is_interrupted: bool

    def count(self, *states: str) -> int:
        """How many pairs ended so."""
        return sum(outcome.state in states for outcome in self.outcomes)

    @property
    def marked(self) -> int:
        """How many results bear the mark."""
        return sum(outcome.is_marked for outcome in self.outcomes)


def run_batch(
    plan: BatchPlan, workers: Callable[[], AbstractContextManager[Client]], tell: Callable[[Outcome], None]
) -> BatchEnd:
    """Fuse all pairs that are not done, and write the reports, also when it ends early.

    Args:
        plan: what to do.
        workers: opens a connection to Dask workers, see ``cluster``.
        tell: called with each outcome as it comes.

    Raises:
        BatchError: a result would take a source's place, the folder is in use, or there are no workers.
        OSError: the folder cannot be written to.
    """
    from .cluster import outcomes

    _check_apart(plan.pairs, plan.results)
    ended = {pair.row: Outcome(pair, NOT_DONE) for pair in plan.pairs}
    is_interrupted = False
    with plan.results.owned():
        try:
            with workers() as client:
                for outcome in outcomes(client, plan.tasks()):
                    ended[outcome.pair.row] = outcome
                    tell(outcome)
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            write_reports(plan.results, list(ended.values()))
    return BatchEnd(list(ended.values()), is_interrupted)


def _check_apart(pairs: list[Pair], results: ResultsFolder) -> None:
    """Refuse to write over or among sources."""
    folder = results.path.resolve()
    targets = {folder / results.result(pair.name).name for pair in pairs}
    for pair in pairs:
        for text in (pair.reference, pair.moving):
            source = source_path(text)[0].resolve()
            is_inside = source.is_dir() and (source == folder or source in folder.parents)
            if is_inside or source in targets or not targets.isdisjoint(source.parents):
                raise BatchError(
                    f"Row {pair.row}: a result would be written over or into {source}, which is a source. Choose "
                    "another --out."
                )
