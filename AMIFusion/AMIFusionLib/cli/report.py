"""What a command says: text for people, or one JSON object for scripts; progress on a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer
from typer.core import TyperGroup

from AMIFusionLib.redaction import without_licenses, without_secrets

from .exit_codes import DONE, FAILED, UNLICENSED, WRONG_USE


class Report:
    """The output of one command.

    Args:
        command: its name.
        as_json: whether standard output is one JSON object; text is left out then.
        inputs: what the command was given, for the JSON.
    """

    def __init__(self, command: str, as_json: bool, **inputs: str | None) -> None:
        self._command, self._as_json = command, as_json
        self._inputs = {name: value and without_secrets(value) for name, value in inputs.items()}
        self._started = time.perf_counter()
        self._warnings: list[str] = []
        self._unsaid: OSError | None = None

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return time.perf_counter() - self._started

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._as_json:
            self._echo(text)

    def warn(self, text: str) -> None:
        """A sentence for people, on standard error, and for the JSON."""
        self._warnings.append(without_secrets(text))
        say_on_error(text, typer.colors.YELLOW)

    def finish(self, exit_code: int = 0, **facts: object) -> None:
        """End the command with what came of it."""
        self._print(exit_code, facts)
        if self._unsaid is not None:
            reason = self._unsaid.strerror or type(self._unsaid).__name__
            is_done = exit_code in (DONE, UNLICENSED)
            done = "and all that it was to write is written" if is_done else "and some of it failed"
            with suppress(OSError):
                say_on_error(
                    f"the command ran to its end {done}, but that could not be reported, because standard output "
                    f"cannot be written ({reason}).",
                    typer.colors.RED,
                )
            raise typer.Exit(FAILED)
        if exit_code:
            raise typer.Exit(exit_code)

    def fail(self, message: str, exit_code: int = FAILED) -> None:
        """Tell a failure; who calls ends the command."""
        self._print(exit_code, {"error": without_secrets(message)})

    def _print(self, exit_code: int, facts: dict[str, object]) -> None:
        if not self._as_json:
            return
        content = {"command": self._command, "exit_code": exit_code, **self._inputs, **facts}
        content.update(seconds=round(self.seconds, 3), warnings=self._warnings)
        self._echo(json.dumps(content, indent=2, ensure_ascii=False))

    def _echo(self, text: str) -> None:
        """Write to standard output; work goes on where that cannot be done, as on a full disk."""
        if self._unsaid is not None:
            return
        try:
            typer.echo(_writable(without_licenses(text), sys.stdout.encoding))
        except BrokenPipeError:
            # Who reads it has had enough; click ends the command without a word.
            raise
        except OSError as error:
            self._unsaid = error
            _give_up_standard_output()


def say_on_error(text: str, color: str) -> None:
    """A sentence on standard error."""
    typer.secho(f"amifusion: {_writable(without_secrets(text), sys.stderr.encoding)}", err=True, fg=color)


def _give_up_standard_output() -> None:
    """Write to nowhere from now on: Python would try once more when it ends, and complain."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _writable(text: str, encoding: str | None) -> str:
    """A text with marks in place of what a stream cannot write: half a name of a file, or signs that it has not."""
    return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")


class Commands(TyperGroup):
    """All commands; with --json among the arguments, wrong use is told as JSON too."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read the arguments before the command's name."""
        is_json = "--json" in args
        with _wrong_use_told(is_json), _help_shown():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_IS_JSON] = is_json
        return context

    def invoke(self, ctx: Any) -> Any:
        """Read the command's name and the rest, and run it."""
        with _wrong_use_told(ctx.meta[_IS_JSON]), _help_shown():
            return super().invoke(ctx)


@contextmanager
def _help_shown() -> Iterator[None]:
    """End with a sentence where help or the version cannot be written; commands tell what they cannot write."""
    try:
        yield
    except OSError as error:
        # A named file is none of the standard streams; who reads a broken pipe has had enough, and click ends quietly.
        if error.filename is not None or isinstance(error, BrokenPipeError):
            raise
        _give_up_standard_output()
        reason = error.strerror or type(error).__name__
        with suppress(OSError):
            say_on_error(f"standard output cannot be written ({reason}).", typer.colors.RED)
        raise typer.Exit(FAILED) from None


_IS_JSON = f"{__name__}.is_json"


@contextmanager
def _wrong_use_told(is_json: bool) -> Iterator[None]:
    try:
        yield
    # The base of all kinds of wrong use has no name that is public.
    except Exception as error:
        format_message = getattr(error, "format_message", None)
        is_wrong_use = getattr(error, "exit_code", None) == WRONG_USE and format_message is not None
        if is_wrong_use and hasattr(error, "message"):
            # What is left over of a command line, for example of a license's text that a shell has divided.
            error.message = without_secrets(error.message)
        if is_wrong_use and is_json and format_message is not None:
            context = getattr(error, "ctx", None)
            path = context.command_path.split(" ", 1)[1:] if context else []
            Report(" ".join(path), as_json=True).fail(format_message(), WRONG_USE)
        raise


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
