"""A batch's folder: results, thumbnails, and a record beside each result that says what it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from AMIFusionLib.whole_output import whole

from .contents import files_hash
from .errors import BatchError

THUMBNAILS = "thumbnails"
DICOM_SUFFIX = ".dcm"
_RECORDS = ".batch"
_PARTIAL = ".amifusion-????????"
"""Folders that ``whole_output.whole`` writes in, and a killed process leaves behind."""


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
    def is_dicom(self) -> bool:
        """Whether results are DICOM series."""
        return not self.ending

    def result(self, name: str) -> Path:
        """A result's file, or folder of a series."""
        return self.path / (name + self.ending)

    def thumbnail(self, name: str) -> Path:
        """The picture of a pair and its result."""
        return self.path / THUMBNAILS / f"{name}{self.ending}.jpg"

    def read_record(self, name: str) -> Record | None:
        """What is known of a result; None: nothing that this program wrote."""
        try:
            content = json.loads(self._record(name).read_text(encoding="utf-8"))
            return Record(**{**content, "warnings": tuple(content["warnings"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_record(self, name: str, record: Record) -> None:
        """Keep what is known of a result; it appears whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        with whole(self._record(name)) as place:
            place.write_text(json.dumps(asdict(record)), encoding="utf-8")

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

    def _clean(self) -> None:
        for folder in (self.path, self.path / THUMBNAILS, self.path / _RECORDS):
            for left in folder.glob(_PARTIAL):
                shutil.rmtree(left, ignore_errors=True)
