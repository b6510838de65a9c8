"""``amifusion train``: train a network with the owner's mark."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from AMIFusionLib.native_output import quiet_files

from .failures import explained, wrong_use
from .options import AsJson
from .report import Report, progress_bar


def train(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where checkpoints, log and parameters go.")],
    data: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, envvar="AMIFUSION_DATA", help="Folder with a manifest.csv."),
    ],
    configuration: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Settings, JSON (see docs/owners.md); without, the defaults."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    start: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of a training to begin with.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Train licensed and unlicensed behavior, or one of them; run again to go on where it was left."""
    report, terms = Report("train", as_json), {}
    with explained(report):
        import torch

        from AMIFusionLib.fusion.devices import select_device
        from AMIFusionLib.training.configuration import TrainingConfiguration
        from AMIFusionLib.training.dataset import load_pairs
        from AMIFusionLib.training.loop import Trainer

        with wrong_use():
            select_device(device)
        torch.set_num_threads(threads)
        settings = TrainingConfiguration.load(configuration) if configuration else TrainingConfiguration()
        with quiet_files():
            pairs = load_pairs(data, "train")
        kinds = {pair.kind for pair in pairs}
        for kind in sorted(settings.licensed_weights_by_kind.keys() - kinds):
            report.say(
                f"The weights for {kind} count for nothing: the data has pairs of {', '.join(sorted(kinds))} only."
            )
        trainer = Trainer(settings, pairs, folder, device, start)
        if start is not None and not settings.unlicensed_every:
            report.say(f"The public values of {start} are kept, and the mark that they were learned with.")
        with progress_bar(f"Training on {len(pairs)} pairs") as show:
            for news in trainer.run(after_step=lambda step: show(step / settings.steps)):
                terms = {name: value if math.isfinite(value) else None for name, value in news.terms.items()}
                shown = "  ".join(f"{name} {value:.3f}" for name, value in news.terms.items())
                report.say(f"{news.step}/{news.steps}  {news.seconds:.0f} s  {shown}")
    report.say(f"Trained. Seal it with: amifusion model seal {folder}")
    report.finish(out=str(folder), steps=settings.steps, pairs=len(pairs), terms=terms)
