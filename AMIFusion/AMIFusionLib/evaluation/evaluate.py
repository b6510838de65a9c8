"""A whole evaluation: from planned cases to a folder of measures, tables and contact sheets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from .cases import EvaluationCase, PlannedCase
from .contact_sheet import SheetRow, case_sheets, columns_of, contact_sheet, row_of
from .eight_bit import eight_bit_luma
from .measuring import Row, measure_slice, slice_jobs
from .phantom_pairs import PAIRS, EvaluationPhantom, pair_name
from .process_pool import ProcessPool
from .ranking import Peers
from .report import tables
from .results_folder import LESIONS_SHEET, ResultsFolder
from .subject import Subject
from .summary import summarize

T = TypeVar("T")


class Tracker(Protocol):
    """Shows progress."""

    def __call__(self, steps: Iterable[T], count: int, name: str, /) -> Iterable[T]:
        """Take steps, their number and a name; gives the same steps."""


def untracked(steps: Iterable[T], _count: int, _name: str) -> Iterable[T]:
    """Shows nothing."""
    return steps


@dataclass(frozen=True)
class EvaluationPlan:
    """What to evaluate on.

    Attributes:
        data: the data's name, for the record.
        cases: of a data folder; without any the phantom is measured as if it were data.
        peers: recorded measures of other methods on the planned slices.
        phantom: whose lesions to measure, too; None for none.
    """

    data: str
    cases: Sequence[PlannedCase] = ()
    peers: Peers | None = None
    phantom: EvaluationPhantom | None = field(default=None, repr=False)


def evaluate(
    subject: Subject, plan: EvaluationPlan, out: Path, processes: int = 1, track: Tracker = untracked
) -> dict[str, object]:
    """Evaluate a model and write what was found; one case at a time is in memory.

    Args:
        subject: the model.
        plan: what to evaluate on.
        out: folder for the results, see ``results_folder.ResultsFolder``.
        processes: to measure with.
        track: shows progress.

    Returns:
        What ``summary.summarize`` gives.

    Raises:
        ValueError: volumes that cannot be fused or measured, or nothing to see on any slice.
        OSError: files cannot be read or written, or a measuring process was ended from outside.
    """
    rows: list[Row] = []
    with ResultsFolder(out) as results, ProcessPool(processes) as pool:
        for case in _cases(plan):
            rows += _evaluate_case(subject, case, results, pool, track)
        if not rows:
            raise ValueError("Nothing is seen on any slice. Check the volumes and their range of values.")
        lesions = {}
        if plan.phantom is not None:
            lesions = _evaluate_lesions(subject, plan.phantom, results, track)
        summary = summarize(rows, subject, {"name": plan.data}, plan.peers, lesions)
        results.write_measures(rows)
        results.write_summary(summary)
        results.write_report(tables(summary))
    return summary


def _cases(plan: EvaluationPlan) -> Iterator[EvaluationCase]:
    if plan.cases or plan.phantom is None:
        yield from (planned.load() for planned in plan.cases)
    else:
        yield from plan.phantom.cases()


def _evaluate_case(
    subject: Subject, case: EvaluationCase, results: ResultsFolder, pool: ProcessPool, track: Tracker
) -> list[Row]:
    name = f"{case.kind} {case.case}"
    first, second = (np.stack([eight_bit_luma(picture) for picture in stack]) for stack in (case.first, case.second))
    fused = subject.fuse(first, second, case.pixel_spacing, case.takes_second_first)
    jobs = list(slice_jobs(case, fused))
    rows = [row for slice_rows in track(pool.map(measure_slice, jobs), len(jobs), name) for row in slice_rows]
    for page, sheet in enumerate(case_sheets(case, fused, f"{name}, {_shown(subject)}")):
        sheet.save(results.sheet(f"{name}-{page + 1:02}"))
    return rows


def _evaluate_lesions(
    subject: Subject, phantom: EvaluationPhantom, results: ResultsFolder, track: Tracker
) -> dict[str, dict[str, dict[str, float]]]:
    """By pair, lesion and method what is kept; a sheet shows each pair where its lesions are seen best."""
    kept, rows = {}, []
    for pair in track(PAIRS, len(PAIRS), "lesions of the phantom"):
        kept[pair_name(pair)] = phantom.kept_lesions(pair, subject)
        case = phantom.case(pair)
        for lesion in phantom.lesions(pair):
            shown = f"{case.labels[1]}\n{lesion.name.replace('_', ' ')}"
            rows.append(_lesion_row(subject, case, lesion.best_slice, shown))
    columns = ["CT or PET", "MR", *columns_of(case, list(subject.networks))[2:]]
    sheet = contact_sheet(f"Head phantom, {_shown(subject)}", columns, rows, case.pixel_spacing)
    sheet.save(results.sheet(LESIONS_SHEET), optimize=True)
    return kept


def _lesion_row(subject: Subject, case: EvaluationCase, index: int, name: str) -> SheetRow:
    first, second = (image[None] for image in case[index].gray)
    one_slice = EvaluationCase(
        case.kind, case.case, case.labels, (name,), case.first[index, None], case.second[index, None],
        case.pixel_spacing,
    )  # fmt: skip
    return row_of(one_slice, 0, subject.fuse(first, second, case.pixel_spacing, case.takes_second_first))


def _shown(subject: Subject) -> str:
    return f"{subject.title} {subject.sha256[:8]}"
