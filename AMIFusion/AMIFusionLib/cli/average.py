"""``amifusion average``: the mean of several training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .failures import explained
from .options import AsJson
from .report import Report


def average(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the mean goes, as a run's folder.")],
    runs: Annotated[
        list[Path], typer.Argument(exists=True, file_okay=False, help="Folders of runs of one network and mark.")
    ],
    weight: Annotated[
        list[float] | None, typer.Option(help="Weight of each run, in their order; all are 1 where none is given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Average the parameters of runs that began with one another: often better than each, and between them."""
    report = Report("average", as_json)
    if weight and len(weight) != len(runs):
        raise typer.BadParameter("Give a --weight for each run, or none.")
    with explained(report):
        from AMIFusionLib.training.averaging import average_runs

        average_runs(runs, weight or [1.0] * len(runs), folder)
    report.say(f"Averaged {len(runs)} runs. Seal it with: amifusion model seal {folder}")
    report.finish(out=str(folder), runs=[str(run) for run in runs])
