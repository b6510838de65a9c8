"""Every reader of a table under generated rows: what was written comes back, and everything else is refused."""

import csv
import io
from datetime import date, datetime, timedelta, timezone

import pytest
from AMIFusionLib.batch.errors import PairsError
from AMIFusionLib.batch.pairs import COLUMNS, PLANES, WINDOW_CHOICES, Pair, read_pairs
from AMIFusionLib.desk.tables import RegisteredLicense, day, read_register, read_requests, register_text
from AMIFusionLib.volumes.paths import is_same_source
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_fuzzed_parsers import TITLES, fuzzed

CELLS = TITLES.filter(lambda text: text.strip() and "\0" not in text)
NUMBERS = st.floats(-1e6, 1e6)
WINDOWS = st.none() | st.tuples(NUMBERS, NUMBERS).filter(lambda limits: limits[0] < limits[1])
NAMES = st.text("abcÄö09 .=+-@'", min_size=1, max_size=20).filter(lambda name: name.strip(" .") == name)
FILES = st.from_regex(r"\A[a-z@+-][\w .@()+,-]{0,20}[a-z]\Z").filter(
    lambda name: name not in ("con", "prn", "aux", "nul")
)
LICENSEES = (
    st.text("abcÄö =+-@'\",;", min_size=1, max_size=30)
    | st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
).map(str.strip).filter(lambda text: text and text.isprintable())  # fmt: skip
DAYS = st.dates(date(1970, 1, 1), date(9999, 12, 31)).map(date.isoformat)
PATIENTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\=^"), min_size=1, max_size=64
).filter(str.strip)
"""What DICOM can hold as an ID and as a name."""

COMING_DAYS = st.dates(date.today() + timedelta(days=2), date(9999, 12, 31)).map(date.isoformat)
CONTENT = (st.text(max_size=200) | st.text("ab1-=,;\t\"'\n\r\0 /.", max_size=200)).map(str.encode) | st.binary(
    max_size=200
)

PAIRS = st.builds(
    Pair, row=st.just(0), reference=CELLS, moving=CELLS, name=NAMES, plane=st.sampled_from(PLANES),
    window=st.sampled_from(WINDOW_CHOICES), balance=st.floats(0, 100), reference_window=WINDOWS, moving_window=WINDOWS,
    colors=st.none(), gray=st.booleans(), transform=st.none() | CELLS, patient_id=st.none() | PATIENTS,
    patient_name=st.none() | PATIENTS,
).filter(lambda pair: not is_same_source(*(f"/{name.strip()}" for name in (pair.reference, pair.moving))))  # fmt: skip

REGISTERED = st.builds(
    RegisteredLicense, number=st.uuids().map(str), licensee=LICENSEES, model=FILES,
    generation=st.integers(0, 9_999_999), not_before=DAYS, expires=DAYS, file=FILES,
    replaces=st.just("") | st.uuids().map(str),
)  # fmt: skip


def as_cell(value):
    """A value as a user writes it into a table of pairs."""
    if isinstance(value, tuple):
        return " ".join(map(repr, value))
    return {None: "", True: "yes", False: "no"}.get(value, str(value)) if not isinstance(value, float) else repr(value)


def as_read(pair, row, folder):
    """A pair as it is read back: without blanks around it, and with paths from the table's folder on."""
    texts = {name: value.strip() for name, value in vars(pair).items() if isinstance(value, str)}
    paths = {name: str(folder / texts[name]) for name in ("reference", "moving", "transform") if name in texts}
    return Pair(**{**vars(pair), **texts, **paths, "row": row})


@fuzzed
@given(
    pairs=st.lists(PAIRS, min_size=1, max_size=4, unique_by=lambda pair: pair.name.casefold()),
    columns=st.permutations(COLUMNS), delimiter=st.sampled_from(",;\t"), mark=st.sampled_from(["", "\ufeff"]),
)  # fmt: skip
def test_pairs_come_back(tmp_path, pairs, columns, delimiter, mark):
    text, table = io.StringIO(), tmp_path / "pairs.csv"
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([columns, *([as_cell(getattr(pair, name)) for name in columns] for pair in pairs)])
    table.write_bytes((mark + text.getvalue()).encode())
    assert read_pairs(table) == [as_read(pair, row, tmp_path) for row, pair in enumerate(pairs, start=2)]


@settings(fuzzed, max_examples=200)
@given(
    head=st.sampled_from(["", "reference,moving\n", "reference;moving;name;gray\n", "\ufeffMoving\tREFERENCE\n"]),
    content=CONTENT,
)  # fmt: skip
@example(head="reference,moving\n", content=b"a,b\na,b\n")
@example(head="reference,moving\n", content=b"a," + b"b" * 200_000)
def test_any_text_is_refused_as_pairs_or_is_pairs(tmp_path, head, content):
    table = tmp_path / "pairs.csv"
    table.write_bytes(head.encode() + content)
    try:
        found = read_pairs(table)
    except PairsError as error:
        assert str(table) in str(error)
        return
    assert found and len({pair.name.casefold() for pair in found}) == len(found)
    for pair in found:
        assert (tmp_path / pair.name).parent == tmp_path and pair.name not in ("", ".", "..")
        assert 0 <= pair.balance <= 100 and "\0" not in pair.reference + pair.moving


@fuzzed
@given(
    rows=st.lists(st.tuples(LICENSEES, COMING_DAYS, *[st.just("") | each for each in (DAYS, FILES, FILES)])
                  .filter(lambda row: row[2] < row[1]), min_size=1, max_size=4,
                  unique_by=lambda row: (row[0], row[3])),
    delimiter=st.sampled_from(",;"), mark=st.sampled_from(["", "\ufeff"]),
)  # fmt: skip
def test_requests_come_back(tmp_path, rows, delimiter, mark):
    text, path = io.StringIO(), tmp_path / "people.csv"
    csv.writer(text, delimiter=delimiter).writerows([("Licensee", "expires", "not_before", "model", "file"), *rows])
    path.write_bytes((mark + text.getvalue()).encode())
    found = [(each.licensee, each.expires, each.not_before, each.model, each.file) for each in read_requests(path)]
    assert found == [(who, day(last), day(first) if first else None, *more) for who, last, first, *more in rows]


@settings(fuzzed, max_examples=200)
@given(
    head=st.sampled_from(["", "licensee\n", "licensee;expires;file\n", register_text([])]), content=CONTENT,
)  # fmt: skip
def test_any_text_is_refused_as_table_of_the_desk_or_is_one(tmp_path, head, content):
    path, default = tmp_path / "table.csv", datetime(2099, 1, 1, tzinfo=timezone.utc)
    path.write_bytes(head.encode() + content)
    try:
        found = read_requests(path, default)
    except ValueError as error:
        assert str(error).startswith("table.csv") and len(str(error)) > 30
    else:
        assert all(each.licensee.strip() and each.licensee.isprintable() and each.expires.tzinfo for each in found)
    try:
        registered = read_register(path)
    except ValueError as error:
        assert str(error).startswith("table.csv") and len(str(error)) > 30
    else:
        (tmp_path / "again.csv").write_text(register_text(registered), encoding="utf-8")
        assert read_register(tmp_path / "again.csv") == registered


FORMULA = RegisteredLicense(
    "0" * 8 + "-0000-4000-8000-" + "0" * 12, "=cmd()", "lab-1", 1, "2026-01-01", "2027-01-01", "a"
)


@fuzzed
@given(rows=st.lists(REGISTERED, max_size=4))
@example(rows=[FORMULA])
@example(rows=[RegisteredLicense(**{**vars(FORMULA), "licensee": licensee}) for licensee in ("'=a", "''+a", "'a", "'")])
def test_register_comes_back_and_holds_no_formula(tmp_path, rows):
    path = tmp_path / "licenses.csv"
    path.write_text(register_text(rows), encoding="utf-8")
    assert read_register(path) == rows
    for cells in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_register_without_escapes_is_read_as_it_is(tmp_path):
    path = tmp_path / "licenses.csv"
    path.write_text(register_text([FORMULA]).replace("'=", "="), encoding="utf-8")
    assert read_register(path) == [FORMULA]


def test_requests_are_not_unescaped(tmp_path):
    """They are written by people."""
    (tmp_path / "people.csv").write_text("licensee,expires\n'=a,2099-01-01\n", encoding="utf-8")
    assert [each.licensee for each in read_requests(tmp_path / "people.csv")] == ["'=a"]
    with pytest.raises(ValueError, match="people.csv"):
        read_register(tmp_path / "people.csv")
