"""Every parser under generated files: what was written comes back, and everything else is refused or harmless."""

import csv
import io
import json
import string
import struct
import zipfile
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone

import hostile_builders as build
import numpy as np
import pytest
from AMIFusionLib.array_archive import ArrayArchiveError, unpack_arrays
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import check_license, inspect_license, issue_license, license_file_text
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.input_files import parse_json
from AMIFusionLib.license_store import LicenseStore
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.manifest import read_manifest
from AMIFusionLib.training.run_folder import read_run
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)

NUMBERS = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 2**64, 10**400, 1e300, float("nan"), float("inf"), True, None, "1", []]
)

PARAMETER_NAMES = st.text(string.ascii_letters + string.digits + "._", min_size=1, max_size=30).filter(
    # ".npy" follows.
    lambda name: ".." not in f"{name}."
)

ARRAYS = numpy_strategies.arrays(
    np.float32,
    numpy_strategies.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)

TITLES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@fuzzed
@given(arrays=st.dictionaries(PARAMETER_NAMES, ARRAYS, min_size=1, max_size=4), fortran=st.booleans())
def test_parameters_come_back_from_a_model_file(tmp_path, publisher, describe, arrays, fortran):
    path = tmp_path / "model.amif"
    public = {name: np.asarray(value, order="F" if fortran else "C") for name, value in arrays.items()}
    sealed = {name: value + np.float32(1) for name, value in public.items()}
    assume(all(np.isfinite(value).all() for value in sealed.values()))
    seal_model(path, describe(publisher), public, sealed, publisher.model_key)
    model = read_model(path)
    for found, written in ((model.public_parameters, public), (model.open_parameters(publisher.model_key), sealed)):
        assert found.keys() == written.keys()
        for name, value in written.items():
            assert found[name].dtype == np.float32 and found[name].flags.c_contiguous
            np.testing.assert_array_equal(found[name], value)


@fuzzed
@given(title=TITLES, contact=TITLES, channels=NUMBERS | st.integers(1, 65_536))
def test_description_comes_back_or_is_not_sealed(tmp_path, publisher, describe, title, contact, channels):
    path, values = tmp_path / "model.amif", {"a": np.ones(1, np.float32)}
    path.unlink(missing_ok=True)
    description = describe(publisher, title=title, contact=contact, hyperparameters={"channels": channels})
    try:
        seal_model(path, description, values, values, publisher.model_key)
    except ValueError as error:
        assert "must be" in str(error) or "needs a text" in str(error)
        assert not path.exists()
    else:
        assert read_model(path).description == description


@fuzzed
@given(data=st.data())
def test_changed_header_opens_nothing(model_path, publisher, data):
    """Any field, however deep, with any other value: lengths and hash are made to fit."""
    whole = model_path.read_bytes()
    header, public, ciphertext = build.parts(whole)
    fields = header if data.draw(st.booleans()) else header["model"]
    name = data.draw(st.sampled_from(sorted(fields)) | st.text(max_size=5))
    fields[name] = data.draw(NUMBERS | JSON_VALUES)
    if data.draw(st.booleans()):
        del fields[name]
    fitting = data.draw(st.booleans())
    try:
        model_path.write_bytes(build.assembled(header, public, ciphertext, fitting))
        found = read_model(model_path)
    except errors.ModelFileError as error:
        assert len(str(error)) > 40
    else:
        with pytest.raises(errors.LicenseKeyError):
            found.open_parameters(publisher.model_key)
    finally:
        model_path.write_bytes(whole)


@fuzzed
@given(data=st.data())
def test_cut_moved_or_repeated_pieces_of_a_model_file(model_path, publisher, issue, data):
    whole, license_text = model_path.read_bytes(), issue()
    start, stop = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=2)))
    place = data.draw(st.integers(0, len(whole)))
    piece = {
        "cut": b"", "reversed": whole[start:stop][::-1], "twice": whole[start:stop] * 2,
        "zero": bytes(stop - start), "other": whole[place : place + stop - start],
        "any": data.draw(st.binary(max_size=40)),
    }[data.draw(st.sampled_from(["cut", "reversed", "twice", "zero", "other", "any"]))]  # fmt: skip
    changed = whole[:start] + piece + whole[stop:]
    assume(changed != whole)
    model_path.write_bytes(changed)
    try:
        authorization = authorize(read_model(model_path), license_text)
    except errors.ModelFileError as error:
        assert len(str(error)) > 40
    else:
        assert not authorization.is_licensed and authorization.problem
    finally:
        model_path.write_bytes(whole)


WHOLE_ARCHIVE = build.zipped(*((name, build.array_file(np.arange(6, dtype=np.float32))) for name in ("a.npy", "b.npy")))


@settings(fuzzed, max_examples=200)
@given(data=st.data(), largest=st.none() | st.integers(0, 10_000))
def test_changed_archive_gives_what_was_in_it_or_nothing(data, largest):
    """The fields of zip's three structures get other numbers; a checksum guards the arrays themselves."""
    archive = bytearray(WHOLE_ARCHIVE)
    for _ in range(data.draw(st.integers(1, 3))):
        magic = data.draw(st.sampled_from([b"PK\1\2", b"PK\3\4", b"PK\5\6"]))
        start = archive.find(magic) if data.draw(st.booleans()) else archive.rfind(magic)
        place = min(max(start, 0) + data.draw(st.integers(4, 48)), len(archive) - 4)
        kind, values = data.draw(
            st.sampled_from([("<B", (0, 1, 8, 255)), ("<H", (0, 1, 0xFFFF)), ("<L", (0, 1, 100, 1 << 31, 0xFFFFFFFF))])
        )
        struct.pack_into(kind, archive, place, data.draw(st.sampled_from(values)))
    try:
        found = unpack_arrays(bytes(archive), largest)
    except ArrayArchiveError:
        return
    for value in found.values():
        np.testing.assert_array_equal(value, np.arange(6))


@fuzzed
@given(
    shape=st.lists(st.integers(-2, 4) | NUMBERS, max_size=4).map(tuple),
    descr=st.sampled_from(["<f4", ">f4", "<f8", "|O", "<U4", "<c8", "|V4", "<M8[D]", ["a"], None]),
    fortran_order=st.sampled_from([False, True, None, 1]), count=st.integers(0, 70),
)  # fmt: skip
def test_array_headers_are_believed_only_where_the_data_agree(shape, descr, fortran_order, count):
    content = build.npy(shape=shape, descr=descr, fortran_order=fortran_order, data=bytes(4 * count))
    try:
        found = unpack_arrays(build.zipped(("a.npy", content)))["a"]
    except ArrayArchiveError:
        return
    assert descr == "<f4" and found.shape == shape and found.size == count


@settings(fuzzed, max_examples=200)
@given(
    content=st.binary(max_size=300), head=st.sampled_from([b"", b"AMIFMODL", b"PK\3\4", b"\xef\xbb\xbf", b"{", b"["])
)
def test_any_bytes_are_refused_by_every_reader(tmp_path, content, head):
    path = tmp_path / "thing"
    path.write_bytes(head + content)
    for name in ("manifest.csv", "parameters.npz"):
        (tmp_path / name).write_bytes(head + content)
    (tmp_path / "configuration.json").write_text(TrainingConfiguration().to_json())
    for read in (
        read_model, read_signing_key, read_master_key, read_peers, read_run_of, unpack_content, manifest_of,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=".{20}"):
            read(path)
    if (head + content).strip() != b"{}":
        with pytest.raises(ValueError, match="is not a training configuration: ."):
            TrainingConfiguration.load(path)


def read_run_of(path):
    return read_run(path.parent)


def manifest_of(path):
    return read_manifest(path.parent, "train")


def unpack_content(path):
    return unpack_arrays(path.read_bytes(), 10_000)


@settings(fuzzed, max_examples=200)
@given(text=st.text(max_size=400) | st.from_regex(r"eyJ[\w-]{1,40}\.eyJ[\w-]{1,40}\.[\w-]{86}", fullmatch=True))
def test_any_text_is_no_license(model, text):
    authorization = authorize(model, text)
    assert not authorization.is_licensed
    assert authorization.problem or not text.strip()


@fuzzed
@given(
    licensee=st.text(max_size=60), start=st.integers(-40_000, 0), days=st.integers(1, 60_000),
    breaks=st.lists(st.tuples(st.integers(0, 900), st.sampled_from("\n\r\t >\u200b\ufeff\"")), max_size=8),
    in_a_file=st.booleans(),
)  # fmt: skip
def test_license_comes_back_however_it_is_broken(model, publisher, licensee, start, days, breaks, in_a_file):
    now = datetime.now(timezone.utc).replace(microsecond=0)
    first, last = now + timedelta(days=start), now + timedelta(days=days)
    try:
        text = issue_license(model.description, publisher.model_key, publisher.signing_key, licensee, first, last)
    except ValueError as error:
        assert "licensee" in str(error)
        return
    broken = license_file_text(text) if in_a_file else text
    offset = broken.index(text)
    for place, mark in breaks:
        place = offset + place % len(text)
        broken = broken[:place] + mark + broken[place:]
    found = check_license(broken, model.description)
    assert (found.licensee, found.model_key) == (licensee.strip(), publisher.model_key)
    assert (found.not_before, found.expires) == (first, last)


@settings(fuzzed, max_examples=150)
@given(
    name=st.sampled_from(["iss", "sub", "model", "nbf", "exp", "jti", "key", "iat", "aud", "more"]),
    value=NUMBERS | JSON_VALUES | st.integers(-(10**12), 10**12),
)  # fmt: skip
def test_any_signed_claim_is_taken_or_refused(model, publisher, issue, name, value):
    """Only a license whose model and key are the right ones and whose days include today opens anything."""
    claims = {**build.claims_of(issue()), name: value}
    text = build.token(claims, publisher.signing_key.sign)
    authorization = authorize(model, text)
    try:
        assert all(shown.isprintable() for shown in inspect_license(text).values())
    except errors.LicenseFormatError:
        assert not authorization.is_licensed
    if not authorization.is_licensed:
        assert 40 < len(authorization.problem) < 600
        return
    held = authorization.license
    assert claims["model"] == "test-model-1" and held.model_key == publisher.model_key
    assert held.not_before - timedelta(minutes=6) < datetime.now(timezone.utc) < held.expires + timedelta(minutes=6)
    assert all(shown.isprintable() for shown in (held.licensee, held.issuer, held.token_id))


@fuzzed
@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]), NUMBERS | JSON_VALUES))
def test_any_header_without_a_signature_is_refused(model, issue, header):
    text = build.token(build.claims_of(issue()), lambda body: bytes(64), header)
    authorization = authorize(model, text)
    assert not authorization.is_licensed and len(authorization.problem) > 40


@fuzzed
@given(value=JSON_VALUES)
def test_strict_json_is_json(value):
    text = json.dumps(value)
    try:
        plain = json.loads(text, parse_constant=lambda name: 1 / 0)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="no number"):
            parse_json(text.encode())
        return
    assert parse_json(text.encode()) == plain == parse_json(b"\xef\xbb\xbf" + text.encode())


@fuzzed
@given(data=st.data())
def test_configuration_comes_back_or_is_refused(tmp_path, data):
    path = tmp_path / "configuration.json"
    settings_ = asdict(TrainingConfiguration())
    places = [(settings_, name) for name in settings_]
    places += [(settings_[name], each) for name in ("licensed_weights", "hyperparameters") for each in settings_[name]]
    for _ in range(data.draw(st.integers(0, 3))):
        place, name = data.draw(st.sampled_from(places))
        place[name] = data.draw(NUMBERS | st.integers(1, 300) | st.floats(0, 1) | JSON_VALUES)
    path.write_text(json.dumps(settings_))
    try:
        found = TrainingConfiguration.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not a training configuration: ")
    else:
        found.check()
        path.write_text(found.to_json())
        assert TrainingConfiguration.load(path) == found == replace(found)


@fuzzed
@given(
    rows=st.lists(
        st.tuples(TITLES, TITLES, st.sampled_from(["train", "validation", "x\0", ""]), TITLES, TITLES), max_size=5
    ),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), end=st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_manifest_comes_back_or_is_refused(tmp_path, rows, mark, end):
    text = io.StringIO()
    # Python's writer leaves a carriage return without quotes where lines end otherwise, and reads it as a line's end.
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else csv.QUOTE_MINIMAL
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerows([("pair", "case", "split", "functional_or_ct", "mri"), *rows])
    (tmp_path / "manifest.csv").write_bytes(mark + text.getvalue().encode())
    asked = [row for row in rows if row[2] == "train"]
    try:
        found = read_manifest(tmp_path, "train")
    except ValueError as error:
        assert "manifest.csv" in str(error)
        return
    assert [(row.kind, row.case) for row in found] == [(row[0].strip(), row[1].strip()) for row in asked]
    for row in found:
        for path in (row.first, row.second):
            assert path.resolve().is_relative_to(tmp_path.resolve())


@fuzzed
@given(
    kind=TITLES, case=st.text() | JSON_VALUES, names=st.lists(st.text(max_size=5), max_size=3) | JSON_VALUES,
    values=st.dictionaries(TITLES, st.dictionaries(TITLES, st.floats(-10, 10) | NUMBERS, max_size=2), max_size=2)
    | JSON_VALUES,
)  # fmt: skip
def test_peers_come_back_or_are_refused(tmp_path, kind, case, names, values):
    path = tmp_path / "peers.json"
    path.write_text(json.dumps({"slices": {kind: {"case": case, "slices": names}}, "values": {kind: values}}))
    try:
        found = read_peers(path)
    except ValueError as error:
        assert "does not hold recorded measures" in str(error)
    else:
        assert found.values == {kind: values} and found.slices == {kind: (case, tuple(names))}


@fuzzed
@given(text=st.text(max_size=200), content=st.binary(max_size=200))
def test_store_gives_back_what_it_keeps_or_nothing(tmp_path, text, content):
    store = LicenseStore(tmp_path / "store")
    store.save(text)
    kept = store.load()
    shown = text.encode("utf-8", errors="replace").decode().removeprefix("\ufeff").strip()
    assert kept in (shown or None, None)
    if shown.isprintable():
        assert kept == (shown or None)
    store.path.write_bytes(content)
    found = store.load()
    assert found is None or found.encode() in content


@fuzzed
@given(
    members=st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=100)), max_size=4), kind=st.sampled_from([0, 8])
)
def test_archives_of_other_things_are_refused(members, kind):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in dict(members).items():
            archive.writestr(zipfile.ZipInfo(name.encode("utf-8", "replace").decode()), content)
    if not members:
        assert unpack_arrays(buffer.getvalue(), 10_000) == {}
        return
    with pytest.raises(ArrayArchiveError):
        unpack_arrays(buffer.getvalue(), 10_000)
