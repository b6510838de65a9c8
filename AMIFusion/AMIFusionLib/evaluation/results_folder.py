"""The folder of an evaluation's files, which appear all at once or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from AMIFusionLib.input_files import parse_json, read_input_file
from AMIFusionLib.whole_output import check_writable

from .measuring import Row

MEASURES_NAME, SUMMARY_NAME, REPORT_NAME = "measures.csv", "evaluation.json", "evaluation.md"
SHEETS_NAME, LESIONS_SHEET = "contact-sheets", "phantom-lesions"

_LARGEST_SUMMARY = 1 << 26
_SUMMARY_PARTS = {"model", "data", "versions", "pairs", "phantom"}
"""By these an evaluation's summary is known, see ``summary.summarize``."""


def check_folder(folder: Path) -> None:
    """Refuse to write over what no evaluation wrote, or where nothing can be written.

    Args:
        folder: for an evaluation's files; it need not be there.

    Raises:
        FileExistsError: a file or the folder of contact sheets is there and no earlier evaluation's, or something of
            another kind is in its place.
        OSError: the folder cannot be looked into or written to.
    """
    check_writable(folder, into=True)
    is_earlier = _holds_evaluation(folder)
    for name in (MEASURES_NAME, SUMMARY_NAME, REPORT_NAME, SHEETS_NAME):
        path = folder / name
        if not os.path.lexists(path):
            continue
        if not is_earlier or path.is_dir() != (name == SHEETS_NAME):
            raise FileExistsError(f"{path} is there already, and no evaluation wrote it. Choose another --out.")


class ResultsFolder:
    """Collects files aside and puts them in place at the end; a context manager.

    Files of an earlier evaluation are replaced, its contact sheets removed; other files stay, and those that are in the
    way are refused. When the block is left by an exception, what was there before is there again.

    Args:
        folder: made if it is not there.

    Raises:
        OSError: the folder cannot be made or written to, or ``check_folder`` refuses it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_new = not folder.exists()

    def __enter__(self) -> ResultsFolder:
        check_folder(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._aside = Path(tempfile.mkdtemp(prefix=".part-", dir=self._folder))
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self._put_in_place()
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)
            if self._is_new and not any(self._folder.iterdir()):
                self._folder.rmdir()

    def sheet(self, name: str) -> Path:
        """Where to write a contact sheet of this name."""
        (self._aside / SHEETS_NAME).mkdir(exist_ok=True)
        return self._aside / SHEETS_NAME / f"{_file_name(name)}.png"

    def write_measures(self, rows: Sequence[Row]) -> None:
        """A line for each slice and method; what is not defined is left empty."""
        with open(self._aside / MEASURES_NAME, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """Means, ranks and what follows from them, as JSON."""
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        (self._aside / SUMMARY_NAME).write_text(text + "\n", encoding="utf-8")

    def write_report(self, tables: str) -> None:
        """The tables as a document."""
        (self._aside / REPORT_NAME).write_text(f"# Evaluation\n\n{tables}", encoding="utf-8")

    def _put_in_place(self) -> None:
        former = set((self._folder / SHEETS_NAME).glob("*.png"))
        for path in sorted(self._aside.rglob("*")):
            target = self._folder / path.relative_to(self._aside)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                path.replace(target)
                former.discard(target)
        for sheet in former:
            sheet.unlink()


def _holds_evaluation(folder: Path) -> bool:
    """Whether a folder has the summary of an earlier evaluation."""
    try:
        summary = parse_json(read_input_file(folder / SUMMARY_NAME, _LARGEST_SUMMARY))
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and summary.keys() >= _SUMMARY_PARTS


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def _file_name(name: str) -> str:
    """The name with nothing that a file system takes for something else."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
