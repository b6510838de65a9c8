"""What can be wrong with DICOM files, each with a sentence that says what to do."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.errors import BytesLengthException, InvalidDicomError


class DicomError(ValueError):
    """DICOM files that cannot be read as a volume, or a volume that cannot be written as such."""


class SeriesChoiceError(DicomError):
    """A folder holds several series, or not the one that was asked for; the message lists them."""


_PARSING = (
    ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError, LookupError, RuntimeError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
"""What pydicom and numpy raise over bytes that are no DICOM, and over numbers that no image has."""


def printable(text: str) -> str:
    """What a file says, for a message: what a scanner wrote, or damage made of it, could move a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)


def damaged(path: Path | str) -> DicomError:
    """The error of a file that is not what it was."""
    return DicomError(f"{path} is cut off, damaged or no DICOM file. Get a whole copy of it, or take it away.")


def emptied(path: Path | str) -> DicomError:
    """The error of a file without content whose name an image could have."""
    return DicomError(
        f"{path} is empty, and without it a series could lack a slice. Get a whole copy of it, or take it away if it "
        "was no image."
    )


@contextmanager
def parsing(path: Path | str) -> Iterator[None]:
    """Take whatever goes wrong with a file's content for damage; this project's own errors pass.

    Raises:
        DicomError: the content cannot be used.
        OSError: the file cannot be read.
    """
    try:
        yield
    except DicomError:
        raise
    except _PARSING as error:
        raise damaged(path) from error
