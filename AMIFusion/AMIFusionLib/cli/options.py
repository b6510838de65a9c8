"""Options that several commands share."""

from __future__ import annotations

import typer


def existing_file(help_text: str):
    """An option that names a file which must be there."""
    return typer.Option(exists=True, dir_okay=False, readable=True, help=help_text)
