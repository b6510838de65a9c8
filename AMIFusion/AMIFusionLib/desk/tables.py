"""Tables that an owner writes and keeps: who is to get a license, and who got which."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from AMIFusionLib.authorization.revocation import is_license_number
from AMIFusionLib.input_files import read_input_file

from .files import check_one_line

LICENSE_SUFFIX = ".license"

_LARGEST_TABLE = 1 << 24
_MOST_ROWS = 10_000
_MOST_COMPLAINTS = 10
_FILE_NAME = re.compile(r"(?!\.)[\w .@()+,-]{1,120}(?<![ .])")
_FORMULA = re.compile(r"'*[=+\-@]")
"""Begins a cell that a spreadsheet takes for a formula, or one that was escaped: those are escaped once more, so that
each cell has one meaning."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class LicenseRequest:
    """A license to issue.

    Attributes:
        licensee: to whom.
        expires: UTC.
        not_before: UTC; None from now on.
        model: the model's id; empty where there is only one to choose.
        file: the license file's name; empty for one made of the licensee's name.
        replaces: the number of the license that it stands in for, or empty.
    """

    licensee: str
    expires: datetime
    not_before: datetime | None = None
    model: str = ""
    file: str = ""
    replaces: str = ""


@dataclass(frozen=True)
class RegisteredLicense:
    """A license that was issued, without what makes it one: no key is among this.

    Attributes:
        number: what revoking needs.
        licensee, model, generation: to whom, and for what.
        not_before, expires: days, YYYY-MM-DD.
        file: the license file's name.
        replaces: the number of the license that it stands in for, or empty.
    """

    number: str
    licensee: str
    model: str
    generation: int
    not_before: str
    expires: str
    file: str
    replaces: str = ""


_COLUMNS = tuple(each.name for each in fields(RegisteredLicense))


def read_requests(path: Path, default_expires: datetime | None = None) -> list[LicenseRequest]:
    """Read who is to get a license.

    Args:
        path: a CSV file, UTF-8, with commas or semicolons: ``licensee``, ``expires`` and, if wanted, ``not_before``,
            ``model`` and ``file``. Days are YYYY-MM-DD and begin at 0:00 UTC.
        default_expires: for rows that do not say.

    Raises:
        ValueError: anything that is wrong with any row, all of it by line, or no row.
        OSError: it cannot be read.
    """
    complaints: list[str] = []
    found: list[LicenseRequest] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in _rows(path, {"licensee", "expires", "not_before", "model", "file"}, {"licensee"}):
        try:
            request = _request(row, default_expires)
            first = seen.setdefault((request.licensee, request.model), line)
            if first != line:
                raise ValueError(f"'{request.licensee}' has a line already, {first}")
            found.append(request)
        except ValueError as error:
            complaints.append(f"line {line}: {str(error).rstrip('.')}")
    _refuse(path, complaints)
    if not found:
        raise ValueError(f"{path.name} has no lines below its head. Give each licensee one.")
    return found


def read_register(path: Path) -> list[RegisteredLicense]:
    """Read which licenses were issued.

    Raises:
        ValueError: not such a table.
        OSError: it cannot be read.
    """
    complaints: list[str] = []
    found: list[RegisteredLicense] = []
    for line, row in _rows(path, set(_COLUMNS), set(_COLUMNS)):
        try:
            found.append(_registered({name: _unescaped(cell) for name, cell in row.items()}))
        except ValueError as error:
            complaints.append(f"line {line}: {error}")
    _refuse(path, complaints)
    return found


def register_text(rows: Iterable[RegisteredLicense]) -> str:
    """A register as CSV, in which no spreadsheet finds a formula; ``read_register`` gives the same values again."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _escaped(value) for name, value in asdict(row).items()} for row in rows)
    return stream.getvalue()


def day(text: str) -> datetime:
    """A day, YYYY-MM-DD, as its first moment, UTC.

    Raises:
        ValueError: no such day.
    """
    try:
        # strptime also takes 2027-1-5, which sorts wrongly.
        found = datetime.strptime(text, "%Y-%m-%d") if len(text) == len("2027-01-05") else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"'{text[:40]}' is no day like 2027-01-31")
    return found.replace(tzinfo=timezone.utc)


def check_file_name(name: str) -> None:
    """Refuse what is no plain file name on every system.

    Raises:
        ValueError: it is not.
    """
    if not _FILE_NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise ValueError(f"'{name[:40]}' cannot be a file's name")


def _escaped(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _unescaped(cell: str) -> str:
    """What ``_escaped`` was given.

    Registers were once written without it. Their cells come as they are too, but for an apostrophe before a sign.
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _request(row: Mapping[str, str], default_expires: datetime | None) -> LicenseRequest:
    check_one_line(row["licensee"], "A licensee's name")
    name = row.get("file", "")
    if name:
        check_file_name(name)
    last, start = row.get("expires", ""), row.get("not_before", "")
    expires = day(last) if last else default_expires
    if expires is None:
        raise ValueError("no day on which it expires")
    if expires <= datetime.now(timezone.utc):
        raise ValueError("the license would already have expired; choose a later day")
    not_before = day(start) if start else None
    if not_before is not None and expires <= not_before:
        raise ValueError(f"{row['licensee']}: A license must end after it begins")
    return LicenseRequest(
        row["licensee"],
        expires,
        not_before,
        row.get("model", ""),
        name,
    )


def _registered(row: Mapping[str, str]) -> RegisteredLicense:
    check_one_line(row["licensee"], "A licensee's name")
    for number in filter(None, (row["number"], row["replaces"])):
        if not is_license_number(number):
            raise ValueError(f"'{number[:40]}' is no license number")
    if not row["number"] or not row["model"]:
        raise ValueError("number and model must not be empty")
    if not (row["generation"].isascii() and row["generation"].isdecimal() and len(row["generation"]) < 8):
        raise ValueError("a generation is a whole number")
    check_file_name(row["file"])
    day(row["not_before"])
    day(row["expires"])
    texts = {name: value for name, value in row.items() if name != "generation"}
    return RegisteredLicense(generation=int(row["generation"]), **texts)


def _rows(path: Path, known: set[str], needed: set[str]) -> Iterable[tuple[int, dict[str, str]]]:
    """Line number and cells of each row that is not empty."""
    try:
        text = read_input_file(path, _LARGEST_TABLE).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not in UTF-8. Save the table as CSV in UTF-8.") from None
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head and "," not in head else ",")
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        if set(columns) - known or needed - set(columns) or len(set(columns)) < len(columns):
            listed = ", ".join(sorted(known))
            raise ValueError(f"{path.name} must begin with a line of column names, of these: {listed}.")
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"{path.name} cannot be read as CSV: {error}.") from None
    rows = [(line, cells) for line, cells in rows if any(cells)]
    _refuse(path, [f"line {line}: {len(columns)} cells expected" for line, cells in rows if len(cells) != len(columns)])
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"{path.name} has more than {_MOST_ROWS} lines. Divide it.")
    return [(line, dict(zip(columns, cells))) for line, cells in rows]


def _refuse(path: Path, complaints: list[str]) -> None:
    if complaints:
        shown = "; ".join(complaints[:_MOST_COMPLAINTS])
        more = f"; and {len(complaints) - _MOST_COMPLAINTS} more" if len(complaints) > _MOST_COMPLAINTS else ""
        raise ValueError(f"{path.name}: {shown}{more}. Nothing was written.")
