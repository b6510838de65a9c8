"""``amifusion attack``: measure what someone without a license gets out of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH

from .failures import explained
from .options import existing_file


def attack(
    out: Annotated[Path, typer.Argument(file_okay=False, help="Where tables, pictures and trainings go.")],
    data: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, envvar="AMIFUSION_DATA", help="Folder with a manifest.csv."),
    ],
    model: Annotated[Path, existing_file("The model file; the default is the bundled one.")] = MODEL_PATH,
    license_file: Annotated[
        Path,
        typer.Option("--license", exists=True, dir_okay=False, help="Opens it, to measure by; no attack uses it."),
    ] = EVALUATION_LICENSE_PATH,
    words: Annotated[str, typer.Option(help="What the mark says, words with commas between.")] = "AMIF,UNLICENSED",
    only: Annotated[str, typer.Option(help="Letters of attacks, with commas between; the default is all.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Run everything once; the figures mean nothing.")] = False,
    document: Annotated[Path | None, existing_file("A document whose tables are replaced by these.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Attack a model in every way there is, and write how near each comes to the licensed result.

    Run it again to go on where it was left. Attack k, fine-tuning, takes hours; all others together half an hour.
    """
    with explained():
        import torch

        from AMIFusionLib.authorization.model_file import read_model
        from AMIFusionLib.evaluation.attacks.bench import QUICK, Bench, Effort
        from AMIFusionLib.evaluation.attacks.report import insert_tables, write_reports
        from AMIFusionLib.evaluation.attacks.suite import LETTERS, AttackSuite

        torch.set_num_threads(threads)
        license_text = license_file.read_text(encoding="utf-8", errors="replace")
        bench = Bench(read_model(model), license_text, data, QUICK if quick else Effort())
        suite = AttackSuite(bench, _parts(words), out)
        for done in suite.run(_parts(only) or LETTERS):
            how = "kept from before" if done.was_kept else f"{done.seconds:.0f} s"
            typer.echo(f"{done.letter}: {len(done.rows)} results, {done.failed} not withstood ({how})")
        text = write_reports(suite, out)
        if document:
            insert_tables(document, text)
    typer.echo(f"Tables: {out / 'attacks.md'}, attacks.csv, attacks.json")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
