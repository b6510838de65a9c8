"""``amifusion model``: seal and look at model files, and exchange their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from AMIFusionLib.authorization.keys import derive_model_key, read_master_key
from AMIFusionLib.authorization.model_file import ModelDescription, read_model, seal_model

from .failures import WrongUseError, explained, wrong_use
from .keys import Keys, MasterKey, check_places, chosen, publisher_of
from .options import AsJson, secret_file
from .report import Report

model_commands = typer.Typer(help="Seal and inspect model files, and exchange their keys.", no_args_is_help=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a model file that is there.")]


@model_commands.command()
def seal(
    training: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder `amifusion train` made.")],
    model_id: Annotated[str, typer.Option(help="The name licenses refer to; keep it when you train again.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The model file to write, *.amif.")],
    keys: Keys = None,
    publisher: Annotated[str | None, typer.Option(help="Who issues the licenses; by default that of --keys.")] = None,
    contact: Annotated[
        str | None, typer.Option(help="Where users ask for a license; by default that of --keys.")
    ] = None,
    public_key: Annotated[
        Path | None, secret_file(help_text="The publisher's Ed25519 public key, PEM; by default that in --keys.")
    ] = None,
    master_key: MasterKey = None,
    title: Annotated[str | None, typer.Option(help="The name users see; the default is the model id.")] = None,
    terms: Annotated[str, typer.Option(help="License terms, in a sentence.")] = "As agreed with the publisher.",
    generation: Annotated[
        int, typer.Option(min=1, help="Of the model's key, as amifusion model inspect says after a rotation.")
    ] = 1,
    revocation_url: Annotated[str, typer.Option(help="Where users find your revocation list, https.")] = "",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Seal a trained network: anyone can run it marked, a license opens the clean result."""
    report = Report("model seal", as_json)
    with explained(report):
        from AMIFusionLib.fusion.network import build_network
        from AMIFusionLib.training.run_folder import read_run
        from AMIFusionLib.whole_output import check_free

        check_places({"--out": out}, [], keys, public_key, master_key)
        if training.resolve() in out.resolve().parents:
            raise WrongUseError(f"{out} lies in the folder of the training. Choose another --out.")
        check_free(out, overwrite, folder=False)
        _check_url(revocation_url)
        if not model_id.strip():
            raise WrongUseError("A model needs an id that licenses can name. Give one with --model-id.")
        desk = publisher_of(keys)
        name = chosen(publisher, desk.name if desk else None, "--publisher")
        where = chosen(contact, desk.contact if desk else None, "--contact")
        pem_path = chosen(public_key, desk.public_key if desk else None, "--public-key")
        master = read_master_key(chosen(master_key, desk.master_key if desk else None, "--master-key"))
        run = read_run(training)
        pem = pem_path.read_text(encoding="ascii", errors="replace")
        # A model that no network can be built of would only be found out by the licensee.
        for parameters in (run.public, {**run.public, **run.sealed}):
            build_network(run.architecture, run.hyperparameters, parameters)
        description = ModelDescription(
            model_id, title or model_id, run.architecture, run.hyperparameters, name, where, pem, terms, generation,
            revocation_url,
        )  # fmt: skip
        seal_model(out, description, run.public, run.sealed, derive_model_key(master, model_id, generation))
    report.say(f"Sealed {out} ({out.stat().st_size / 1e6:.2f} MB).")
    report.finish(out=str(out), model=model_id, generation=generation)


@model_commands.command()
def rotate(
    model: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The model file as it is.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The model file to write, *.amif.")],
    keys: Keys = None,
    master_key: MasterKey = None,
    revocation_url: Annotated[
        str | None, typer.Option(help="Where users find your revocation list from now on.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Seal the same model under a new key: licenses issued so far do not open the new file."""
    report = Report("model rotate", as_json)
    with explained(report):
        from AMIFusionLib.desk.revoking import rotate_model

        check_places({"--out": out}, [model], keys, master_key)
        _check_url(revocation_url)
        desk = publisher_of(keys)
        master = read_master_key(chosen(master_key, desk.master_key if desk else None, "--master-key"))
        sealed = read_model(model)
        generation = rotate_model(sealed, master, out, overwrite, revocation_url)
    model_id = sealed.description.model_id
    report.say(f"Sealed {out}: {model_id}, generation {generation}.")
    report.say("Give new licenses to those who shall go on: amifusion license reissue. The old file and its licenses")
    report.say("still go together, wherever there are copies of both.")
    report.finish(out=str(out), model=model_id, generation=generation)


@model_commands.command()
def inspect(
    model: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A model file.")], as_json: AsJson = False
) -> None:
    """Show what a model file says of itself."""
    report = Report("model inspect", as_json)
    with explained(report):
        sealed = read_model(model)
    description = sealed.description
    settings = ", ".join(f"{name} {value}" for name, value in description.hyperparameters.items())
    count = sum(int(np.prod(value.shape)) for value in sealed.public_parameters.values())
    for label, value in (
        ("Model", description.model_id), ("Title", description.title),
        ("Network", f"{description.architecture} ({settings}; {count} public parameters)"),
        ("Publisher", description.publisher), ("Contact", description.contact),
        ("Terms", description.license_terms), ("Generation", description.generation),
        ("Revocation", description.revocation_url or "no address"), ("SHA-256", sealed.sha256),
    ):  # fmt: skip
        report.say(f"{label + ':':12}{value}")
    report.finish(
        model=description.model_id, title=description.title, publisher=description.publisher,
        contact=description.contact, terms=description.license_terms, generation=description.generation,
        revocation_url=description.revocation_url or None, sha256=sealed.sha256,
    )  # fmt: skip


def _check_url(url: str | None) -> None:
    """Refuse an address that no list may be fetched from."""
    from AMIFusionLib.authorization.revocation import check_revocation_url

    if url:
        with wrong_use():
            check_revocation_url(url)
