"""``amifusion license``: issue and look at licenses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from AMIFusionLib.authorization.keys import derive_model_key, read_master_key, read_signing_key
from AMIFusionLib.authorization.license import check_license, inspect_license, issue_license, license_file_text
from AMIFusionLib.authorization.model_file import read_model

from .failures import explained
from .options import existing_file

license_commands = typer.Typer(help="Issue and inspect licenses.", no_args_is_help=True)


@license_commands.command()
def issue(
    licensee: Annotated[str, typer.Argument(help="To whom the license is given; shown on the panel.")],
    model: Annotated[Path, existing_file("The sealed model file.")],
    signing_key: Annotated[Path, existing_file("The publisher's Ed25519 private key, PEM.")],
    master_key: Annotated[Path, existing_file("The publisher's master key, 64 hex digits.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The license file to write.")],
    expires: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last moment: this day, 0:00 UTC.")],
    not_before: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, 0:00 UTC; the default is now.")
    ] = None,
) -> None:
    """Issue a license for a model."""
    with explained():
        sealed = read_model(model)
        model_key = derive_model_key(read_master_key(master_key), sealed.description.model_id)
        # A license for a key that does not open the file would only be found out by the licensee.
        sealed.open_parameters(model_key)
        start = _utc(not_before) if not_before else datetime.now(timezone.utc)
        if _utc(expires) < datetime.now(timezone.utc) + timedelta(minutes=1):
            raise ValueError("The license would already have expired. Choose a later day with --expires.")
        text = issue_license(
            sealed.description, model_key, read_signing_key(signing_key), licensee, start, _utc(expires)
        )
        shown = inspect_license(text)
        out.write_text(license_file_text(text), encoding="utf-8")
    typer.echo(f"License {shown['jti']} for {licensee}, until {shown['exp']}: {out}")


@license_commands.command()
def inspect(
    license_file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A license file.")],
    model: Annotated[Path | None, existing_file("Check it against this model file.")] = None,
) -> None:
    """Show what a license says and, given a model, whether it opens that model. Its key is never shown."""
    with explained():
        text = license_file.read_text(encoding="utf-8", errors="replace")
        shown = inspect_license(text)
        for label, claim in (
            ("Model", "model"), ("Licensee", "sub"), ("Issuer", "iss"), ("Valid from", "nbf"), ("Expires", "exp"),
            ("Number", "jti"),
        ):  # fmt: skip
            typer.echo(f"{label + ':':12}{shown[claim]}")
        if model is None:
            typer.echo("Not checked: give the model file with --model to check signature, dates and key.")
            return
        sealed = read_model(model)
        sealed.open_parameters(check_license(text, sealed.description).model_key)
    typer.echo(f"Valid: it opens {model.name}.")


def _utc(day: datetime) -> datetime:
    return day.replace(tzinfo=timezone.utc)
