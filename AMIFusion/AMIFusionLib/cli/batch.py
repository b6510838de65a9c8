"""``amifusion batch``: a table of pairs to as many results, on the workers of a Dask cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from AMIFusionLib.redaction import without_secrets

from .exit_codes import DONE, FAILED, UNLICENSED
from .failures import explained, wrong_use
from .options import AsJson, existing_file, secret_file
from .report import Report, progress_bar
from .revocations import RevocationSource, known_revocations
from .volumes import SUFFIXES, Format

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from distributed import Client

    from AMIFusionLib.authorization.revocation import RevocationList
    from AMIFusionLib.batch.results import ResultsFolder
    from AMIFusionLib.batch.run import BatchEnd, BatchPlan
    from AMIFusionLib.batch.work import Outcome


def batch(
    pairs: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, metavar="PAIRS.CSV", help="Columns reference and moving, as fuse takes them; "
            "if you like name, plane, window, balance, reference_window, moving_window, colors, gray, transform, "
            "patient_id, patient_name. Relative paths start at this file.",
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for results, thumbnails and reports.")],
    license_file: Annotated[
        Path | None, secret_file("--license", envvar="AMIFUSION_LICENSE",
                                 help_text="License file for clean results; without one they are marked.")
    ] = None,
    model: Annotated[Path | None, existing_file("Model file, *.amif; by default the bundled one.")] = None,
    file_format: Annotated[Format, typer.Option("--format", help="What the results are written as.")] = "nrrd",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine, a pair each; by default one for each core.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of each worker.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use the workers of a Dask scheduler, as tcp://host:8786.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps; on each worker.")] = "auto",
    revocations: RevocationSource = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Fuse also what is done, and replace what no batch wrote.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the program a pair failed.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fuse many pairs. Run it again to go on: what is done, from the same contents and options, is skipped."""
    if scheduler and workers:
        raise typer.BadParameter("Choose --workers on this machine or the --scheduler of others.")
    report = Report("batch", as_json)
    with explained(report):
        from AMIFusionLib.batch import cluster
        from AMIFusionLib.batch.pairs import read_pairs
        from AMIFusionLib.batch.results import ResultsFolder
        from AMIFusionLib.batch.run import BatchPlan
        from AMIFusionLib.bundled import MODEL_PATH

        results = ResultsFolder(out.resolve(), SUFFIXES.get(file_format, ""))
        _check_reports_apart(results, pairs, model, license_file, revocations)
        if not scheduler and device not in ("auto", "cpu"):
            _check_device(device)
        read = read_pairs(pairs)
        model, license_file = (model or MODEL_PATH).resolve(), license_file and license_file.resolve()
        revoked, told = _announce(model, license_file, revocations, report)
        if scheduler:
            connect = lambda: cluster.workers_of(scheduler)  # noqa: E731
        else:
            count = workers or cluster.usual_workers(len(read))
            threads = threads or cluster.usual_threads(count)
            connect = lambda: cluster.local_workers(count)  # noqa: E731
        plan = BatchPlan(read, results, model, license_file, device, threads, overwrite, traceback, revoked, pairs)
        _finish(report, plan, _run(plan, connect, report, told))


def _check_reports_apart(
    results: ResultsFolder, pairs: Path, model: Path | None, license_file: Path | None, revocations: str | None
) -> None:
    """Refuse to write a report over what is named beside it; results' names are in the table, see ``run_batch``."""
    from AMIFusionLib.batch.run import check_named

    listed = Path(revocations) if revocations and "://" not in revocations else None
    named = {"table of pairs": pairs, "model": model, "license": license_file, "revocation list": listed}
    with wrong_use():
        check_named(results, [], named)


def _check_device(device: str) -> None:
    """Refuse a device that the workers of this machine do not have; loads torch."""
    from AMIFusionLib.fusion.devices import select_device

    with wrong_use():
        select_device(device)


def _announce(
    model: Path, license_file: Path | None, revocations: str | None, report: Report
) -> tuple[RevocationList | None, str]:
    """Tell model and license before the work; gives the revocation list and what was said of the license."""
    from AMIFusionLib.authorization.authorize import authorize
    from AMIFusionLib.authorization.license import read_license_file
    from AMIFusionLib.authorization.model_file import read_model

    sealed = read_model(model)
    text = read_license_file(license_file) if license_file else None
    revoked = known_revocations(sealed.description, model, revocations, report) if text else None
    authorization = authorize(sealed, text, revoked)
    licensee = authorization.license.licensee if authorization.license else None
    report.say(f"Model:     {sealed.description.title}")
    report.say(f"License:   {f'of {licensee}' if licensee else 'none that is valid: results are marked'}")
    for problem in filter(None, (authorization.problem, authorization.warning)):
        report.warn(problem)
    return revoked, authorization.problem


def _run(
    plan: BatchPlan, connect: Callable[[], AbstractContextManager[Client]], report: Report, told_already: str
) -> BatchEnd:
    from AMIFusionLib.batch.run import run_batch

    told, ended = {told_already, ""}, 0
    with progress_bar("Fusing pairs") as show:

        def tell(outcome: Outcome) -> None:
            nonlocal ended
            ended += 1
            show(ended / len(plan.pairs))
            sentences = [outcome.problem, *outcome.warnings] if outcome.state != "kept" else []
            for sentence in filter(None, sentences):
                report.warn(f"{outcome.pair.name} (row {outcome.pair.row}): {sentence}")
            if outcome.license_problem not in told:
                told.add(outcome.license_problem)
                report.warn(outcome.license_problem)
            if outcome.traceback:
                typer.echo(without_secrets(outcome.traceback), err=True)

        return run_batch(plan, connect, tell)


def _finish(report: Report, plan: BatchPlan, end: BatchEnd) -> None:
    from AMIFusionLib.batch.report import CSV, HTML
    from AMIFusionLib.batch.work import FAILED as PAIR_FAILED
    from AMIFusionLib.batch.work import FUSED, KEPT, NOT_DONE

    counts = {state: end.count(state) for state in (FUSED, KEPT, PAIR_FAILED, NOT_DONE)}
    if end.is_interrupted:
        left = "1 pair is" if counts[NOT_DONE] == 1 else f"{counts[NOT_DONE]} pairs are"
        report.warn(f"Interrupted: {left} not done. Run the same command again to go on.")
    report.say("Pairs:     " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if end.marked:
        results = "1 result" if end.marked == 1 else f"{end.marked} results"
        report.say(f"Marked:    {results}, made without a valid license")
    report.say(f"Report:    {plan.results.path / HTML}")
    is_bad = counts[PAIR_FAILED] or counts[NOT_DONE]
    report.finish(
        FAILED if is_bad else UNLICENSED if end.marked else DONE,
        out=str(plan.results.path),
        report={"html": str(plan.results.path / HTML), "csv": str(plan.results.path / CSV)},
        counts=counts,
        marked=end.marked,
        interrupted=end.is_interrupted,
        pairs=[_facts(plan, outcome) for outcome in end.outcomes],
    )


def _facts(plan: BatchPlan, outcome: Outcome) -> dict[str, object]:
    return {
        "row": outcome.pair.row,
        "name": outcome.pair.name,
        "state": outcome.state,
        "out": str(plan.results.result(outcome.pair.name)) if outcome.is_done else None,
        "marked": outcome.is_marked if outcome.is_done else None,
        "licensee": outcome.licensee,
        "seconds": round(outcome.seconds, 3),
        "device": outcome.device or None,
        "problem": outcome.problem or None,
        "warnings": list(outcome.warnings),
    }
