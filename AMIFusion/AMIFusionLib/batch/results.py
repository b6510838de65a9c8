"""A batch's folder: results, thumbnails, and a record beside each result that says what it was made from."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from AMIFusionLib.input_files import parse_json, read_input_file
from AMIFusionLib.whole_output import write_text

from .contents import files_hash
from .errors import BatchError

THUMBNAILS = "thumbnails"
DICOM_SUFFIX = ".dcm"
_RECORDS = ".batch"
_PARTIAL = ".amifusion-????????"
"""Folders that ``whole_output.whole`` writes in, and a killed process leaves behind."""

_LARGEST_RECORD = 1 << 20
_LONGEST_TEXT = 1 << 14
_MOST_WARNINGS = 1000
_LARGEST_SIZE = 1 << 63
_MOST_SECONDS = 1e9
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Record:
    """What is known of a result.

    Attributes:
        inputs: hash of what it was made from, see ``contents.inputs_hash``.
        is_complete: whether the result is in its place; False from shortly before until it is.
        licensee: whose license made it clean; None for a marked one.
        device: where it was fused.
        warnings: sentences about the pair.
        seconds: the work took.
        files, bytes: of the result, to notice at once that it is no longer whole.
        sha256: of the result's files, see ``contents.files_hash``, to notice it where they are as large as before;
            empty in records of earlier versions, whose results are made again.
    """

    inputs: str
    is_complete: bool
    licensee: str | None
    device: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    files: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class ResultsFolder:
    """Where everything of a batch lies.

    Attributes:
        path: the folder, absolute.
        ending: of results' files, as ".nrrd"; empty for folders with a DICOM series each.
    """

    path: Path
    ending: str

    @property
    def is_of_batch(self) -> bool:
        """Whether a batch has worked in it."""
        return (self.path / _RECORDS).is_dir()

    @property
    def is_dicom(self) -> bool:
        """Whether results are DICOM series."""
        return not self.ending

    def result(self, name: str) -> Path:
        """A result's file, or folder of a series."""
        return self.path / (name + self.ending)

    def thumbnail(self, name: str) -> Path:
        """The picture of a pair and its result."""
        return self.path / THUMBNAILS / f"{name}{self.ending}.jpg"

    def places(self, name: str) -> tuple[Path, Path, Path]:
        """All that is written of a pair: result, thumbnail and record."""
        return self.result(name), self.thumbnail(name), self._record(name)

    def read_record(self, name: str) -> Record | None:
        """What is known of a result; None: nothing, or nothing that can be relied on."""
        return _record_of(self._read_json(name))

    def has_record(self, name: str) -> bool:
        """Whether there is a record of a result, be it damaged: then this program wrote the result."""
        return os.path.lexists(self._record(name))

    def may_be_clean(self, name: str) -> bool:
        """Whether a result of which there is a record may be a clean one; a damaged record leaves that open."""
        content = self._read_json(name)
        return not isinstance(content, dict) or content.get("licensee", "") is not None

    def write_record(self, name: str, record: Record) -> None:
        """Keep what is known of a result; it appears whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_text(self._record(name), json.dumps(asdict(record)))

    def measure(self, name: str) -> tuple[int, int]:
        """Number and bytes of a result's files; zeros where there is none."""
        sizes = [file.stat().st_size for file in self._files(name)]
        return len(sizes), sum(sizes)

    def content_hash(self, name: str) -> str:
        """Hash of a result's files, see ``contents.files_hash``.

        Raises:
            OSError: one cannot be read.
        """
        return files_hash(self._files(name), self.result(name))

    def is_whole(self, name: str, record: Record) -> bool:
        """Whether a result is what was written.

        Raises:
            OSError: it cannot be read.
        """
        is_alike = record.is_complete and (record.files, record.bytes) == self.measure(name)
        return is_alike and record.sha256 == self.content_hash(name)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep other batches out of the folder, and remove what killed workers left in it, before and afterwards.

        Raises:
            BatchError: another batch is at work in it.
            OSError: the folder cannot be made.
        """
        from filelock import FileLock, Timeout

        records = self.path / _RECORDS
        records.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(records / "lock", timeout=0):
                self._clean()
                try:
                    yield
                finally:
                    self._clean()
        except Timeout:
            raise BatchError(f"Another batch is at work in {self.path}. Wait, or choose another --out.") from None

    def _files(self, name: str) -> list[Path]:
        path = self.result(name)
        files = path.iterdir() if path.is_dir() else [path]
        return sorted(file for file in files if file.is_file())

    def _record(self, name: str) -> Path:
        return self.path / _RECORDS / f"{name}{self.ending}.json"

    def _read_json(self, name: str) -> Any:
        """A record's content; None where there is none that can be read."""
        try:
            return parse_json(read_input_file(self._record(name), _LARGEST_RECORD))
        except (OSError, ValueError):
            return None

    def _clean(self) -> None:
        for folder in (self.path, self.path / THUMBNAILS, self.path / _RECORDS):
            for left in folder.glob(_PARTIAL):
                shutil.rmtree(left, ignore_errors=True)


def _record_of(content: Any) -> Record | None:
    """A record from its JSON; None where a value is none that this program writes."""
    if not isinstance(content, dict) or not _REQUIRED <= content.keys() <= _IS_RIGHT.keys():
        return None
    if not all(_IS_RIGHT[name](value) for name, value in content.items()):
        return None
    return Record(**{**content, "warnings": tuple(content.get("warnings", ()))})


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and (not value or _SHA256.fullmatch(value) is not None)


def _is_text(value: Any) -> bool:
    """Whether it is a text that reports can be written of."""
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and not any("\ud800" <= a <= "\udfff" for a in value)


def _is_licensee(value: Any) -> bool:
    return value is None or (_is_text(value) and bool(value))


def _are_warnings(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_WARNINGS and all(map(_is_text, value))


def _is_duration(value: Any) -> bool:
    # A bool is an int to Python, but none here.
    return type(value) in (int, float) and 0 <= value <= _MOST_SECONDS


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_SIZE


_REQUIRED = {each.name for each in fields(Record) if each.default is MISSING}
_IS_RIGHT: dict[str, Callable[[Any], bool]] = {
    "inputs": _is_hash,
    "is_complete": lambda value: isinstance(value, bool),
    "licensee": _is_licensee,
    "device": _is_text,
    "warnings": _are_warnings,
    "seconds": _is_duration,
    "files": _is_size,
    "bytes": _is_size,
    "sha256": _is_hash,
}
"""By name, what a record's value must be."""
