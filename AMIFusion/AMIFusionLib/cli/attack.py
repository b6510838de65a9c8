"""``amifusion attack``: measure what someone without a license gets out of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .failures import explained, wrong_use
from .options import AsJson, MeasuredModel, MeasuringLicense, existing_file, measured_model
from .report import Report, progress_bar
from .revocations import RevocationSource, known_revocations


def attack(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for tables, pictures and trainings.")],
    data: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, envvar="AMIFUSION_DATA", help="Folder with a manifest.csv."),
    ],
    model: MeasuredModel = None,
    license_file: MeasuringLicense = None,
    words: Annotated[str, typer.Option(help="What the mark says, words with commas between.")] = "AMIF,UNLICENSED",
    only: Annotated[str, typer.Option(help="Letters of attacks, with commas between; by default all.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Run everything once; the figures mean nothing.")] = False,
    document: Annotated[Path | None, existing_file("A document whose tables are replaced by these.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that train for attack k, with one thread and some 2 GB each.")
    ] = 1,
    revocations: RevocationSource = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Attack a model in every way there is, without its license, and measure how near it comes to the licensed result.

    Run it again to go on where it was left. Attack k, fine-tuning, takes hours; all others together half an hour.
    """
    report, attacks = Report("attack", as_json), {}
    with explained(report):
        import torch

        from AMIFusionLib.authorization.model_file import read_model
        from AMIFusionLib.evaluation.attacks.bench import QUICK, Bench, Effort
        from AMIFusionLib.evaluation.attacks.report import write_reports
        from AMIFusionLib.evaluation.attacks.suite import LETTERS, AttackSuite, check_letters
        from AMIFusionLib.evaluation.markdown import split_at_markers, write_between_markers
        from AMIFusionLib.whole_output import check_writable

        torch.set_num_threads(threads)
        letters = _parts(only) or LETTERS
        with wrong_use():
            check_letters(letters)
            if not _parts(words):
                raise ValueError("Give at least one word of the mark with --words.")
        check_writable(out, into=True)
        if document:
            split_at_markers(document)
        path, license_text = measured_model(model, license_file)
        sealed = read_model(path)
        revoked = known_revocations(sealed.description, path, revocations, report)
        bench = Bench(sealed, license_text or "", data, QUICK if quick else Effort(), revoked)
        suite = AttackSuite(bench, _parts(words), out, processes=processes)
        # Before the attacks come what anyone has for free, and how visible the mark is.
        parts = len(letters) + 2
        with progress_bar("Attacking") as show:
            for done in suite.run(letters):
                how = "kept from before" if done.was_kept else f"{done.seconds:.0f} s"
                report.say(f"{done.letter}: {len(done.rows)} results, {done.failed} not withstood ({how})")
                attacks[done.letter] = {"results": len(done.rows), "not_withstood": done.failed}
                show(len(attacks) / parts)
        text = write_reports(suite, out)
        if document:
            write_between_markers(document, text)
    report.say(f"Written to {out}")
    report.finish(out=str(out), attacks=attacks)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
