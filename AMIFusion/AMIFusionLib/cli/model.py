"""``amifusion model``: seal and look at model files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from AMIFusionLib.authorization.keys import derive_model_key, read_master_key
from AMIFusionLib.authorization.model_file import ModelDescription, read_model, seal_model
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.training.run_folder import read_run

from .failures import explained
from .options import existing_file

model_commands = typer.Typer(help="Seal and inspect model files.", no_args_is_help=True)


@model_commands.command()
def seal(
    training: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder `amifusion train` made.")],
    model_id: Annotated[str, typer.Option(help="The name licenses refer to; keep it when you train again.")],
    publisher: Annotated[str, typer.Option(help="Who issues the licenses.")],
    contact: Annotated[str, typer.Option(help="Where users ask for a license: an address or a page.")],
    public_key: Annotated[Path, existing_file("The publisher's Ed25519 public key, PEM.")],
    master_key: Annotated[Path, existing_file("The publisher's master key, 64 hex digits.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The model file to write, *.amif.")],
    title: Annotated[str | None, typer.Option(help="The name users see; the default is the model id.")] = None,
    terms: Annotated[str, typer.Option(help="License terms, in a sentence.")] = "As agreed with the publisher.",
) -> None:
    """Seal a trained network: anyone can run it marked, a license opens the clean result."""
    with explained():
        run = read_run(training)
        pem = public_key.read_text(encoding="ascii", errors="replace")
        # A model that no network can be built of would only be found out by the licensee.
        for parameters in (run.public, {**run.public, **run.sealed}):
            build_network(run.architecture, run.hyperparameters, parameters)
        description = ModelDescription(
            model_id, title or model_id, run.architecture, run.hyperparameters, publisher, contact, pem, terms
        )
        seal_model(out, description, run.public, run.sealed, derive_model_key(read_master_key(master_key), model_id))
    typer.echo(f"Sealed {out} ({out.stat().st_size / 1e6:.2f} MB).")


@model_commands.command()
def inspect(model: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A model file.")]) -> None:
    """Show what a model file says of itself."""
    with explained():
        sealed = read_model(model)
    description = sealed.description
    settings = ", ".join(f"{name} {value}" for name, value in description.hyperparameters.items())
    count = sum(int(np.prod(value.shape)) for value in sealed.public_parameters.values())
    for label, value in (
        ("Model", description.model_id), ("Title", description.title),
        ("Network", f"{description.architecture} ({settings}; {count} public parameters)"),
        ("Publisher", description.publisher), ("Contact", description.contact),
        ("Terms", description.license_terms), ("SHA-256", sealed.sha256),
    ):  # fmt: skip
        typer.echo(f"{label + ':':11}{value}")
