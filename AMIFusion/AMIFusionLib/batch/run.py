"""A whole batch: from the pairs to results and reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from AMIFusionLib.input_files import has_unicode_name
from AMIFusionLib.volumes.paths import source_path

from .errors import BatchError
from .pairs import Pair
from .report import CSV, HTML, write_reports
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
        table: the file that the pairs were read from, or None.
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
    table: Path | None = None

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
    """Fuse all pairs that are not done, and write the reports, also when it ends early; without workers it writes none.

    Args:
        plan: what to do.
        workers: opens a connection to Dask workers, see ``cluster``.
        tell: called with each outcome as it comes.

    Raises:
        BatchError: a file would take the place of one that the batch reads, or of a report that no batch wrote; the
            folder is in use, or there are no workers.
        OSError: the folder cannot be written to.
        KeyboardInterrupt: it was stopped before there were workers.
    """
    from .cluster import outcomes

    _check_apart(plan)
    _check_reports(plan)
    ended = {pair.row: Outcome(pair, NOT_DONE) for pair in plan.pairs}
    is_begun = is_interrupted = False
    with plan.results.owned():
        try:
            with workers() as client:
                is_begun = True
                for outcome in outcomes(client, plan.tasks()):
                    ended[outcome.pair.row] = outcome
                    tell(outcome)
        except KeyboardInterrupt:
            if not is_begun:
                raise
            is_interrupted = True
        finally:
            # An earlier report says more than one of a batch that could not begin.
            if is_begun:
                write_reports(plan.results, list(ended.values()))
    return BatchEnd(list(ended.values()), is_interrupted)


def check_named(results: ResultsFolder, pairs: Sequence[Pair], files: Mapping[str, Path | None]) -> None:
    """Refuse to write over what a batch is told by.

    Args:
        results: where to.
        pairs: what for; none where only the reports are known yet.
        files: by what they are, files that the batch reads, or None.

    Raises:
        BatchError: with what to do.
    """
    if not has_unicode_name(results.path):
        raise BatchError(f"The name {ascii(str(results.path))} is not in Unicode. Choose another --out.")
    written = _written(results, pairs)
    for what, path in files.items():
        if path is not None and _is_written(path, written):
            raise BatchError(f"The batch would write over {path}, which is the {what}. Choose another --out.")


def _check_apart(plan: BatchPlan) -> None:
    """Refuse to write over or among what the batch reads."""
    folder, written = plan.results.path.resolve(), _written(plan.results, plan.pairs)
    for pair in plan.pairs:
        for text in filter(None, (pair.reference, pair.moving, pair.transform)):
            source = source_path(text)[0].resolve()
            is_around = source.is_dir() and (source == folder or source in folder.parents)
            if is_around or _is_in(source, written):
                raise BatchError(
                    f"Row {pair.row}: a result would be written over or into {source}, which is a source. Choose "
                    "another --out."
                )
    named = {"table of pairs": plan.table, "model": plan.model, "license": plan.license_file}
    check_named(plan.results, plan.pairs, named)


def _written(results: ResultsFolder, pairs: Sequence[Pair]) -> set[Path]:
    """All files that a batch may write, and folders of series."""
    results = replace(results, path=results.path.resolve())
    places = {place for pair in pairs for place in results.places(pair.name)}
    return {results.path / HTML, results.path / CSV, *places}


def _is_written(path: Path, written: set[Path]) -> bool:
    """Whether a file is among those that are written, by its own place or behind a link."""
    if any(_is_in(place, written) for place in (path.resolve(), path.parent.resolve() / path.name)):
        return True
    # Some disks do not tell upper from lower case.
    reports = [each for each in written if each.name in (HTML, CSV) and each.is_file() and not each.is_symlink()]
    return path.exists() and any(report.samefile(path) for report in reports)


def _is_in(path: Path, written: set[Path]) -> bool:
    return not written.isdisjoint((path, *path.parents))


def _check_reports(plan: BatchPlan) -> None:
    """Refuse to write over a report that no batch wrote."""
    for name in (HTML, CSV):
        report = plan.results.path / name
        if report.is_dir():
            raise BatchError(f"{report} is a folder, and the report cannot take its place. Choose another --out.")
        if os.path.lexists(report) and not plan.overwrite and not plan.results.is_of_batch:
            raise BatchError(
                f"{report} is there already, and no batch wrote it. Choose another --out, or add --overwrite to "
                "replace it."
            )
