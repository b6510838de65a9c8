"""``amifusion publisher``: become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .failures import explained, wrong_use
from .options import AsJson
from .report import Report

publisher_commands = typer.Typer(help="Make a publisher's keys.", no_args_is_help=True)


@publisher_commands.callback()
def _publisher() -> None:
    """Make a publisher's keys."""


@publisher_commands.command()
def new(
    out: Annotated[Path, typer.Option(file_okay=False, help="New folder for the keys.")],
    name: Annotated[str, typer.Option(help="Who issues the licenses; users read it.")],
    contact: Annotated[str, typer.Option(help="Where users ask for a license: an address or a page.")],
    as_json: AsJson = False,
) -> None:
    """Make a signing key, its public half and a master key, in a folder that only you may read."""
    report = Report("publisher new", as_json)
    with explained(report):
        from AMIFusionLib.desk.files import check_one_line
        from AMIFusionLib.desk.publisher import create_publisher

        with wrong_use():
            check_one_line(name, "A publisher's name")
            check_one_line(contact, "A publisher's contact")
        made = create_publisher(out, name, contact)
    report.say(f"Keys of {name}: {out}")
    report.say(
        "Keep a copy of the folder where nobody else reads it: no key can be made again, and whoever has them can"
    )
    report.say("issue licenses in your name. Only public.pem is ever given away; model files contain it.")
    report.finish(out=str(out), name=made.name, contact=made.contact, public_key=str(made.public_key))
