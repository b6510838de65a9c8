"""What the emulation notes down for a test to look at: slot errors, refused connections, dialogs, pip requests."""

import sys
import traceback
from collections import deque
from dataclasses import dataclass, field


@dataclass
class SlotError:
    """An exception that left a slot or a VTK observer; Slicer prints it and goes on."""

    where: str
    error: BaseException
    text: str = field(repr=False)

    def __str__(self):
        return f"{self.where}: {type(self.error).__name__}: {self.error}"


@dataclass
class ShownDialog:
    """A dialog that a person would have seen."""

    kind: str
    title: str = ""
    text: str = ""
    details: str = ""
    answer: object = None


class Dialogs:
    """Modal dialogs never block here: each is recorded, and answered from `answers`, else as if dismissed."""

    def __init__(self):
        self.shown = []
        self.answers = deque()

    def answer_next(self, *values):
        """Queue the values that the next dialogs return, in order."""
        self.answers.extend(values)

    def show(self, kind, dismissed, **what):
        """Record a dialog and return its answer: the next queued one, else `dismissed`."""
        answer = self.answers.popleft() if self.answers else dismissed
        self.shown.append(ShownDialog(kind, answer=answer, **what))
        return answer

    def clear(self):
        """Forget the dialogs and the answers that were not used."""
        self.shown.clear()
        self.answers.clear()


slot_errors = []
refused_connections = []
pip_requests = []
dialogs = Dialogs()


def record_slot_error(where, error):
    """Print the exception as Slicer's console does, and keep it for the test."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    sys.stderr.write(text)
    slot_errors.append(SlotError(where, error, text))


def excepthook(_kind, error, _trace):
    """VTK prints an exception that leaves an observer through sys.excepthook: record it as a slot's."""
    record_slot_error("observer", error)


def clear():
    """Forget everything."""
    for kept in (slot_errors, refused_connections, pip_requests):
        kept.clear()
    dialogs.clear()
