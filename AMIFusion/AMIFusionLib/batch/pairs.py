"""The table of pairs: a CSV file with a row for each fusion."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from AMIFusionLib.dicom.identity import check_patient_id, check_patient_name
from AMIFusionLib.input_files import read_input_file
from AMIFusionLib.volumes.paths import is_same_source

from .errors import PairsError

PLANES = ("acquisition", "axial", "sagittal", "coronal")
WINDOW_CHOICES = ("display", "percentiles")
"""As ``volumes.planes`` and ``volumes.intensity`` have them, which cannot be imported without MRML."""

_LARGEST_TABLE = 1 << 26
"""Bytes, for some hundred thousand pairs."""

_LARGEST_NAME = 100
_MOST_TOLD = 20
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_ENDINGS = re.compile(r"(\.nii\.gz|\.nrrd|\.nhdr|\.nii|\.mha|\.mhd|\.dcm)$", re.IGNORECASE)
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class Pair:
    """One row of the table.

    Attributes:
        row: its number, as a spreadsheet shows it.
        reference, moving: the volumes as ``volumes.paths.source_path`` takes them, absolute.
        name: of the result, without an ending.
        plane, window, balance: as ``FusionOptions`` takes them.
        reference_window, moving_window: (low, high) to show a volume with instead of its own window, or None.
        colors: color table to show the second volume with, or None.
        gray: whether the result is gray even where a source is in color.
        transform: file of a transform that moves the second volume, absolute, or None.
        patient_id, patient_name: of a DICOM result whose reference is no DICOM, or None.
    """

    row: int
    reference: str
    moving: str
    name: str
    plane: str = PLANES[0]
    window: str = WINDOW_CHOICES[0]
    balance: float = 50.0
    reference_window: tuple[float, float] | None = None
    moving_window: tuple[float, float] | None = None
    colors: str | None = None
    gray: bool = False
    transform: str | None = None
    patient_id: str | None = field(default=None, repr=False)
    patient_name: str | None = field(default=None, repr=False)


COLUMNS = tuple(each.name for each in fields(Pair) if each.name != "row")


def read_pairs(table: Path) -> list[Pair]:
    """Read a table of pairs.

    Args:
        table: CSV in UTF-8 with a head, columns of ``COLUMNS`` in any order, separated by commas, semicolons or tabs.
            Relative paths start at its folder.

    Returns:
        The pairs in the order of the rows; empty rows are left out.

    Raises:
        PairsError: a table that is not this; names up to 20 rows, and what to do in each.
        OSError: the file cannot be read.
    """
    rows = _rows(table)
    head = [name.strip().lower() for name in rows[0]] if rows else []
    _check_head(table, head)
    folder, pairs, problems = table.resolve().parent, [], []
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            pairs.append(_pair(number, head, cells, folder))
        except ValueError as error:
            problems.append((number, str(error)))
    problems += _same_names(pairs)
    if problems:
        raise PairsError(_told(table, sorted(problems)))
    if not pairs:
        raise PairsError(f"{table} has no pairs. Write a row for each, below the head.")
    return pairs


def _rows(table: Path) -> list[list[str]]:
    try:
        text = read_input_file(table, _LARGEST_TABLE).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise PairsError(f"{table}, row {row}: this is no UTF-8 text. Save the table as CSV in UTF-8.") from None
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader, rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), []
    try:
        for cells in reader:
            rows.append(cells)
    except csv.Error as error:
        raise PairsError(
            f"{table}, row {len(rows) + 1}: {error}. Check the quotation marks from this row on."
        ) from None
    return rows


def _check_head(table: Path, head: list[str]) -> None:
    """Names of columns are shown only where they can be no license that was pasted into the wrong place."""
    for name in ("reference", "moving"):
        if name not in head:
            raise PairsError(f"{table}, row 1: there is no column '{name}'. The first row names the columns.")
    for name in ("license", "model"):
        if name in head:
            raise PairsError(f"{table}, row 1: leave the column '{name}' out. One --{name} counts for all pairs.")
    known = ", ".join(COLUMNS)
    for at, name in enumerate(head, start=1):
        if name not in COLUMNS:
            shown = f"'{name}'" if len(name) <= 40 else f"in place {at}"
            raise PairsError(f"{table}, row 1: the column {shown} is unknown. There are: {known}.")
        if head.count(name) > 1:
            raise PairsError(f"{table}, row 1: there are two columns '{name}'. Leave one.")


def _pair(number: int, head: list[str], cells: list[str], folder: Path) -> Pair:
    if any(cell.strip() for cell in cells[len(head) :]):
        raise ValueError(
            f"there are {len(cells)} cells, but {len(head)} columns. Put cells that hold the separator into quotes."
        )
    if any("\0" in cell for cell in cells):
        raise ValueError("there is a zero byte. Save the table as CSV in UTF-8.")
    given = {name: cell.strip() for name, cell in zip(head, cells) if cell.strip()}
    for name in ("reference", "moving"):
        if name not in given:
            raise ValueError(f"there is no {name}. Name a file or a DICOM folder.")
    if given.get("colors") and _READERS["gray"](given.get("gray", "no")):
        raise ValueError("choose colors or gray.")
    name = _checked_name(given.pop("name", "") or _name_of(given["reference"], given["moving"]))
    values = {column: _READERS.get(column, str)(cell) for column, cell in given.items()}
    for column in ("reference", "moving", "transform"):
        if column in values:
            values[column] = str(folder / values[column])
    if is_same_source(values["reference"], values["moving"]):
        raise ValueError("reference and moving are one volume. Name two different volumes of one patient.")
    return Pair(row=number, name=name, **values)


def _one_of(choices: tuple[str, ...], column: str) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if cell.lower() not in choices:
            raise ValueError(f"the {column} is none of: {', '.join(choices)}.")
        return cell.lower()

    return read


def _balance(cell: str) -> float:
    value = _number(cell, "balance")
    if not 0 <= value <= 100:
        raise ValueError("the balance is no number from 0 to 100.")
    return value


def _limits(cell: str) -> tuple[float, float]:
    parts = re.split(r"[\s;]+", cell)
    if len(parts) != 2:
        raise ValueError("a window is two numbers with a space between, shown black and white.")
    low, high = (_number(part, "window") for part in parts)
    if not low < high:
        raise ValueError("a window's lower number comes first.")
    return low, high


def _number(cell: str, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"the {column} holds what is no number, as 12.5 is one.")
    return value


def _truth(cell: str) -> bool:
    if cell.lower() not in _YES + _NO:
        raise ValueError("gray is yes or no.")
    return cell.lower() in _YES


def _checked(check: Callable[[str], None]) -> Callable[[str], str]:
    def read(cell: str) -> str:
        check(cell)
        return cell

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "plane": _one_of(PLANES, "plane"),
    "window": _one_of(WINDOW_CHOICES, "window"),
    "balance": _balance,
    "reference_window": _limits,
    "moving_window": _limits,
    "gray": _truth,
    "patient_id": _checked(check_patient_id),
    "patient_name": _checked(check_patient_name),
}


def _checked_name(name: str) -> str:
    # What is a file name on one system must be one on all: results are copied.
    if _UNSAFE.search(name) or name[0] == "." or name[-1] in ". " or _is_long(name):
        raise ValueError(
            f'the name is no name of a file. Use up to {_LARGEST_NAME} characters, none of / \\ : * ? " < > | and no '
            "dot at either end."
        )
    if name.casefold() in ("thumbnails", "report.csv", "report.html"):
        raise ValueError("the name is taken by the report. Choose another.")
    return name


def _is_long(name: str) -> bool:
    # Disks count bytes, and endings are added.
    return len(name) > _LARGEST_NAME or len(name.encode()) > 2 * _LARGEST_NAME


def _name_of(*texts: str) -> str:
    """A name that stays the same when rows are added: from the paths as they are written."""
    parts = [re.sub(r"[^\w+-]+", "-", _ENDINGS.sub("", text)).strip("-_") for text in texts]
    name = "_".join(part or "volume" for part in parts)
    if len(name.encode()) <= _LARGEST_NAME:
        return name
    return f"{hashlib.sha256(name.encode()).hexdigest()[:12]}_{name[-_LARGEST_NAME // 4 :]}".rstrip("-_")


def _same_names(pairs: list[Pair]) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    problems = []
    for pair in pairs:
        # Some disks do not tell upper from lower case.
        row = first.setdefault(pair.name.casefold(), pair.row)
        if row != pair.row:
            problems.append((pair.row, f"row {row} has the same name for its result. Name one in the column 'name'."))
    return problems


def _told(table: Path, problems: list[tuple[int, str]]) -> str:
    lines = [f"{table}, row {row}: {problem}" for row, problem in problems[:_MOST_TOLD]]
    if len(problems) > _MOST_TOLD:
        lines.append(f"And {len(problems) - _MOST_TOLD} more rows.")
    return "\n".join(lines)
