"""Errors that a user can mend, as one line on standard error instead of a traceback."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from AMIFusionLib.memory_shortage import is_memory_shortage, not_enough_memory
from AMIFusionLib.whole_output import problem_of

from .exit_codes import FAILED, INTERRUPTED, WRONG_USE
from .report import say_on_error

if TYPE_CHECKING:
    from .report import Report


class WrongUseError(ValueError):
    """A value that an option does not take, or a file to read that is not there; the message says what to give."""


@contextmanager
def wrong_use() -> Iterator[None]:
    """Count errors of what depends on the command line alone as wrong use.

    Raises:
        WrongUseError: instead of ValueError and OSError.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise WrongUseError(str(error)) from error


@contextmanager
def explained(report: Report | None = None) -> Iterator[None]:
    """End the command with the sentence of an expected error; unexpected ones pass.

    Args:
        report: gets the sentence too, for its JSON.
    """
    try:
        with warnings.catch_warnings():
            # Nobody here can mend what a scanner wrote, and pydicom shows some of the values, UIDs for example.
            warnings.filterwarnings("ignore", module="pydicom")
            yield
    except ModuleNotFoundError as error:
        how = 'run in the folder of AMIFusion\'s source: pip install ".[batch,evaluation]"'
        # Slicer's own packages must stay as they are, and pip would replace some of them.
        where = " of a Python other than Slicer's" if "SLICER_HOME" in os.environ else ""
        _end(f"The package {error.name} is missing. To install all that commands need{where}, {how}", report)
    except WrongUseError as error:
        _end(str(error), report, WRONG_USE)
    except BrokenPipeError:
        # Who reads standard output has had enough; click ends the command without a word.
        raise
    except Exception as error:
        if is_memory_shortage(error):
            message = not_enough_memory()
        elif isinstance(error, (ValueError, OSError)):
            message = problem_of(error) if isinstance(error, OSError) else str(error)
        else:
            raise
        _end(message, report)
    except KeyboardInterrupt:
        _end("stopped before it was done.", report, INTERRUPTED)


def _end(message: str, report: Report | None, exit_code: int = FAILED) -> None:
    say_on_error(message, typer.colors.RED)
    if report is not None:
        report.fail(message, exit_code)
    raise typer.Exit(exit_code) from None
