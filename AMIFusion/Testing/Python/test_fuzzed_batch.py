"""What a batch reads beside its table, under generated contents: its own records, and headers that name other files."""

import json
import os
import stat
from dataclasses import asdict, fields

import pytest
from AMIFusionLib.batch.contents import inputs_hash
from AMIFusionLib.batch.errors import BatchError
from AMIFusionLib.batch.pairs import Pair
from AMIFusionLib.batch.report import write_reports
from AMIFusionLib.batch.results import Record, ResultsFolder
from AMIFusionLib.batch.work import KEPT, Outcome
from AMIFusionLib.volumes.voxel_files import voxel_files
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_batch_contents import META_IMAGE, NRRD, within
from test_fuzzed_parsers import JSON_VALUES, NUMBERS, TITLES, fuzzed

HASHES = st.just("") | st.text("0123456789abcdef", min_size=64, max_size=64)
SIZES = st.integers(0, 2**63 - 1)
RECORDS = st.builds(
    Record, inputs=HASHES, is_complete=st.booleans(), licensee=st.none() | TITLES, device=st.just("") | TITLES,
    warnings=st.lists(TITLES, max_size=3).map(tuple), seconds=st.floats(0, 1e9), files=SIZES, bytes=SIZES,
    sha256=HASHES,
)  # fmt: skip
NAMES = [each.name for each in fields(Record)]
VALUES = JSON_VALUES | NUMBERS | st.sampled_from(["abc", "\ud800", ["\ud800"], [1], "0" * 64, "x" * 100_000])


def write_record(folder, content):
    """Bytes in the place of the record of a result named one."""
    (folder / ".batch").mkdir(exist_ok=True)
    (folder / ".batch" / "one.nrrd.json").write_bytes(content)
    return ResultsFolder(folder, ".nrrd")


@fuzzed
@given(record=RECORDS)
def test_records_come_back(tmp_path, record):
    results = ResultsFolder(tmp_path, ".nrrd")
    results.write_record("one", record)
    assert results.read_record("one") == record and results.may_be_clean("one") == (record.licensee is not None)


@settings(fuzzed, max_examples=200)
@given(
    content=st.binary(max_size=200)
    | JSON_VALUES.map(json.dumps).map(str.encode)
    | st.tuples(RECORDS, st.sampled_from([*NAMES, "other"]), VALUES).map(
        lambda parts: json.dumps({**asdict(parts[0]), parts[1]: parts[2]}).encode()
    )
)
@example(content=b"[" * 100_000)
@example(content=b'{"inputs": "", "is_complete": true, "licensee": null, "files": ' + b"9" * 5000 + b"}")
@example(content=b'{"inputs": "", "is_complete": true, "licensee": null, "licensee": "x"}')
@example(content=b'{"inputs": "", "is_complete": true, "licensee": null, "seconds": "abc"}')
def test_any_bytes_are_a_record_that_reports_can_show_or_none(tmp_path, content):
    results = write_record(tmp_path, content)
    record = results.read_record("one")
    if record is None:
        assert results.may_be_clean("one") in (True, False)
        return
    assert 0 <= record.seconds <= 1e9 and record.files >= 0 and record.bytes >= 0 and record.licensee != ""
    outcome = Outcome(
        Pair(2, "a", "b", "one"), KEPT, record.licensee, record.seconds, "", "", record.warnings, record.device
    )
    write_reports(results, [outcome])
    results.write_record("one", record)
    assert results.read_record("one") == record


FILES = ("raw/s1.raw", "raw/s2.raw", "all.raw")
NAMED = (
    st.sampled_from([*FILES, "raw", "pipe", "zero", "none.raw", "raw/s%d.raw 1 2 1", "%d", "%s%n%d", "raw/%d/../%d", "",
                     "LIST", "LIST 2", "LOCAL", "a\0b", "x" * 5000, "../..", "/%d/%d/%d/%d/%d/%d 1 2 1", "p%d"])
    | st.text("%d/.ps1 [*?\0-", max_size=30)
).map(str.encode) | st.binary(max_size=60)  # fmt: skip
HEADERS = (
    st.builds(
        lambda head, field, first, more, end: head + field + b"\n".join([first, *more]) + end,
        st.sampled_from([NRRD.encode(), META_IMAGE.encode(), b"", b"NRRD0005\n"]),
        st.sampled_from([b"data file: ", b"Data File:", b"datafile:=", b"ElementDataFile = ", b""]),
        NAMED, st.lists(NAMED, max_size=4), st.sampled_from([b"", b"\n", b"\r\n", b"\n\nLIST\nall.raw"]),
    )
    | st.binary(max_size=300)
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Plain files, a pipe that nobody writes to and a device without an end."""
    (tmp_path / "raw").mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b"voxels")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "p1")
    (tmp_path / "zero").symlink_to("/dev/zero")
    return tmp_path


@settings(fuzzed, max_examples=300)
@given(header=HEADERS, ending=st.sampled_from([".nhdr", ".nrrd", ".mhd", ".mha", ".hdr", ".nii.gz", ".raw"]))
@example(header=NRRD.encode() + b"data file: /%d/%d/%d/%d/%d/%d 1 2 1", ending=".nhdr")
@example(header=META_IMAGE.encode() + b"ElementDataFile = LIST\n" + b"%d/../\n" * 50_000, ending=".mhd")
@example(header=META_IMAGE.encode() + b"ElementDataFile = LIST\n" + b"all.raw\n" * 100_000, ending=".mhd")
@example(header=NRRD.encode() + b"data file: " + b"x" * 300, ending=".nhdr")
def test_any_header_names_plain_files_or_is_refused(folder, header, ending):
    path = folder / f"a{ending}"
    path.write_bytes(header)
    with within(10):
        try:
            found = voxel_files(path)
        except (BatchError, ValueError, FileNotFoundError) as error:
            # FileNotFoundError is the project's own here, with a sentence instead of a number.
            assert str(error).startswith(str(path)) and str(error).isprintable()
            assert getattr(error, "errno", None) is None and not isinstance(error, UnicodeError)
        else:
            assert all(stat.S_ISREG(file.stat().st_mode) for file in found) and len(set(found)) == len(found)
            # Opens all of them: a pipe would be waited for, a device has no end.
            assert len(inputs_hash(Pair(2, str(path), str(path), "one"), "0")) == 64
    path.unlink()
