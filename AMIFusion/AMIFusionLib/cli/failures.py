"""Errors that a user can mend, as one line on standard error instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED = 1
"""Exit code of a command that could not do its work."""


@contextmanager
def explained() -> Iterator[None]:
    """End the command with the sentence of an expected error; unexpected ones pass."""
    try:
        yield
    except ModuleNotFoundError as error:
        extras = "amifusion[cli,mrml,training,evaluation]"
        message = f"the package {error.name} is missing. Install AMIFusion with its extras: {extras}"
        typer.secho(f"amifusion: {message}", err=True, fg=typer.colors.RED)
        raise typer.Exit(FAILED) from None
    except (ValueError, OSError) as error:
        typer.secho(f"amifusion: {error}", err=True, fg=typer.colors.RED)
        raise typer.Exit(FAILED) from None
