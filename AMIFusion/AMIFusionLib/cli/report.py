"""What a command says: text for people, or one JSON object for scripts; progress on a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from .failures import FAILED


class Report:
    """The output of one command.

    Args:
        command: its name.
        as_json: whether standard output is one JSON object; text is left out then.
        inputs: what the command was given, for the JSON.
    """

    def __init__(self, command: str, as_json: bool, **inputs: str | None) -> None:
        self._command, self._as_json, self._inputs = command, as_json, inputs
        self._started = time.perf_counter()
        self._warnings: list[str] = []

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return time.perf_counter() - self._started

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._as_json:
            typer.echo(text)

    def warn(self, text: str) -> None:
        """A sentence for people, on standard error, and for the JSON."""
        self._warnings.append(text)
        typer.secho(f"amifusion: {text}", err=True, fg=typer.colors.YELLOW)

    def finish(self, exit_code: int = 0, **facts: object) -> None:
        """End the command with what came of it."""
        self._print(exit_code, facts)
        if exit_code:
            raise typer.Exit(exit_code)

    def fail(self, message: str, exit_code: int = FAILED) -> None:
        """Tell a failure; who calls ends the command."""
        self._print(exit_code, {"error": message})

    def _print(self, exit_code: int, facts: dict[str, object]) -> None:
        if not self._as_json:
            return
        content = {"command": self._command, "exit_code": exit_code, **self._inputs, **facts}
        content.update(seconds=round(self.seconds, 3), warnings=self._warnings)
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while it is a terminal.

    Yields:
        Tells how far the work is, 0..1.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)
