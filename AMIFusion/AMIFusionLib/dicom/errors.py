"""What can be wrong with DICOM files, each with a sentence that says what to do."""

from __future__ import annotations


class DicomError(ValueError):
    """DICOM files that cannot be read as a volume, or a volume that cannot be written as such."""


class SeriesChoiceError(DicomError):
    """A folder holds several series, or not the one that was asked for; the message lists them."""
