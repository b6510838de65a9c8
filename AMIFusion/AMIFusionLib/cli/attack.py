"""``amifusion attack``: measure what someone without a license gets out of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .failures import explained
from .options import existing_file


def attack(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for tables, pictures and trainings.")],
    data: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, envvar="AMIFUSION_DATA", help="Folder with a manifest.csv."),
    ],
    model: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="The model file; by default the bundled one.")
    ] = None,
    license_file: Annotated[
        Path | None,
        typer.Option(
            "--license", exists=True, dir_okay=False, help="Its license, to measure by; no attack uses it. The bundled "
            "model comes with one.",
        ),
    ] = None,
    words: Annotated[str, typer.Option(help="What the mark says, words with commas between.")] = "AMIF,UNLICENSED",
    only: Annotated[str, typer.Option(help="Letters of attacks, with commas between; by default all.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Run everything once; the figures mean nothing.")] = False,
    document: Annotated[Path | None, existing_file("A document whose tables are replaced by these.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:  # fmt: skip
    """Attack a model in every way there is, and measure how near each comes to the licensed result.

    Run it again to go on where it was left. Attack k, fine-tuning, takes hours; all others together half an hour.
    """
    with explained():
        import torch

        from AMIFusionLib.evaluation.attacks.bench import QUICK, Effort
        from AMIFusionLib.evaluation.attacks.report import write_reports
        from AMIFusionLib.evaluation.attacks.suite import LETTERS, AttackSuite, check_letters
        from AMIFusionLib.evaluation.report import check_markers, write_between_markers

        torch.set_num_threads(threads)
        letters = _parts(only) or LETTERS
        check_letters(letters)
        if document:
            check_markers(document)
        suite = AttackSuite(_bench(model, license_file, data, QUICK if quick else Effort()), _parts(words), out)
        for done in suite.run(letters):
            how = "kept from before" if done.was_kept else f"{done.seconds:.0f} s"
            typer.echo(f"{done.letter}: {len(done.rows)} results, {done.failed} not withstood ({how})")
        text = write_reports(suite, out)
        if document:
            write_between_markers(document, text)
    typer.echo(f"Written to {out}")


def _bench(model: Path | None, license_file: Path | None, data: Path, effort):
    from AMIFusionLib.authorization.model_file import read_model
    from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
    from AMIFusionLib.evaluation.attacks.bench import Bench

    if model is None:
        model, license_file = MODEL_PATH, license_file or EVALUATION_LICENSE_PATH
    text = license_file.read_text(encoding="utf-8", errors="replace") if license_file else ""
    return Bench(read_model(model), text, data, effort)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
