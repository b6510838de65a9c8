"""``amifusion evaluate``: measure a model beside free alternatives and recorded peers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .exit_codes import DONE
from .failures import explained
from .options import AsJson, MeasuredModel, MeasuringLicense, existing_file, measured_model
from .report import Report
from .revocations import RevocationSource, known_revocations

if TYPE_CHECKING:
    from AMIFusionLib.evaluation.cases import PlannedCase
    from AMIFusionLib.evaluation.ranking import Peers
    from AMIFusionLib.evaluation.subject import Subject

T = TypeVar("T")

_SUSPICIOUS = 0.01
"""From this relative difference on, recorded measures are of other data than ours."""


def evaluate(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for measures, tables and contact sheets.")],
    model: MeasuredModel = None,
    license_file: MeasuringLicense = None,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder with a manifest.csv; without it the head phantom."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which of the manifest's cases.")] = "validation",
    peers: Annotated[
        Path | None, existing_file("Recorded measures of other methods, JSON; keeps to the slices it names.")
    ] = None,
    phantom: Annotated[bool, typer.Option(help="Measure how the head phantom's lesions are kept.")] = True,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Measure with so many; by default one for each CPU core, 8 at most.")
    ] = None,
    revocations: RevocationSource = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Measure a model's results and rank them among free alternatives and recorded peers.

    Without a license the unlicensed, marked result is measured.
    """
    if data is None and not phantom:
        raise typer.BadParameter("Give --data, or leave --no-phantom out.")
    if data is None and peers is not None:
        raise typer.BadParameter("Recorded measures need the --data they were taken on.")
    report = Report("evaluate", as_json)
    with explained(report):
        import torch

        from AMIFusionLib.evaluation.evaluate import EvaluationPlan, evaluate
        from AMIFusionLib.evaluation.phantom_pairs import EvaluationPhantom
        from AMIFusionLib.evaluation.process_pool import usable_processes
        from AMIFusionLib.evaluation.results_folder import check_folder

        check_folder(out)
        torch.set_num_threads(1)
        subject = _open(model, license_file, revocations, report)
        recorded, cases = _plan(data, split, peers)
        if phantom:
            typer.echo("Making the head phantom.", err=True)
        name = f"{data.resolve().name}, split {split}" if data else "head phantom"
        plan = EvaluationPlan(name, cases, recorded, EvaluationPhantom() if phantom else None)
        summary = evaluate(subject, plan, out, processes or min(usable_processes(), 8), _tracked)
    _show(summary, report)
    report.say(f"Written to {out}")
    report.finish(DONE, out=str(out), **summary)


def _open(model: Path | None, license_file: Path | None, revocations: str | None, report: Report) -> Subject:
    from AMIFusionLib.authorization.model_file import read_model
    from AMIFusionLib.evaluation.subject import LICENSED, open_subject

    path, text = measured_model(model, license_file)
    revoked = known_revocations(read_model(path).description, path, revocations, report) if text else None
    subject = open_subject(path, text, revoked)
    if subject.judged != LICENSED:
        report.warn("No license was given: the unlicensed, marked result is measured.")
    return subject


def _plan(data: Path | None, split: str, peers: Path | None) -> tuple[Peers | None, list[PlannedCase]]:
    """Recorded peers and planned cases."""
    from AMIFusionLib.evaluation.cases import plan_cases
    from AMIFusionLib.evaluation.ranking import read_peers

    recorded = read_peers(peers) if peers else None
    cases = plan_cases(data, split, recorded.slices if recorded else None) if data else []
    if recorded and not recorded.slices.keys() & {case.kind for case in cases}:
        raise ValueError(f"{peers} has no measures of a pair type of {data}. Leave --peers out.")
    return recorded, cases


def _tracked(steps: Iterable[T], count: int, name: str) -> Iterator[T]:
    """A progress bar on standard error; where that is no terminal, a line when the work begins."""
    with typer.progressbar(steps, length=count, label=f"{name} ({count})", file=sys.stderr) as bar:
        yield from bar


def _show(summary: Mapping[str, Any], report: Report) -> None:
    from AMIFusionLib.evaluation.report import headline

    judged = summary["model"]["judged"]
    report.say(f"{summary['model']['title']}, {judged}, SHA-256 {summary['model']['sha256'][:16]}")
    for kind, pair in summary["pairs"].items():
        report.say(headline(kind, pair, judged))
        if (pair["difference_to_recorded"] or 0) > _SUSPICIOUS:
            report.warn(
                f"The recorded measures of {kind} are {100 * pair['difference_to_recorded']:.0f}% away from those "
                "found here for the same methods: were they taken on these slices?"
            )
