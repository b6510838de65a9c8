"""Sealed model files: what is public, what only the key opens, and what damaged files do."""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from AMIFusionLib.authorization.errors import LicenseKeyError, ModelFileError
from AMIFusionLib.authorization.model_file import read_model, seal_model


def test_key_opens_the_sealed_parameters_and_nothing_shows_them_without(model, model_path, parameter_sets, publisher):
    public, sealed = parameter_sets
    opened = model.open_parameters(publisher.model_key)
    for name in public:
        np.testing.assert_array_equal(model.public_parameters[name], public[name])
        np.testing.assert_array_equal(opened[name], sealed[name])
    content = model_path.read_bytes()
    assert public["stem.weight"].tobytes() in content
    assert sealed["stem.weight"].tobytes() not in content
    assert publisher.model_key not in content


def test_parameters_that_are_not_sealed_stay_public(tmp_path, publisher, describe, parameter_sets):
    public, sealed = parameter_sets
    path = tmp_path / "partly.amif"
    seal_model(path, describe(publisher), public, {"head.bias": sealed["head.bias"]}, publisher.model_key)
    opened = read_model(path).open_parameters(publisher.model_key)
    np.testing.assert_array_equal(opened["head.bias"], sealed["head.bias"])
    np.testing.assert_array_equal(opened["stem.weight"], public["stem.weight"])


@pytest.mark.parametrize("key", [bytes(32), bytes(16), b"short", b""])
def test_wrong_key_is_refused_with_a_sentence(model, key):
    with pytest.raises(LicenseKeyError, match="desk@example.org"):
        model.open_parameters(key)


def test_changed_header_is_not_opened(model_path, publisher):
    content = model_path.read_bytes()
    changed = content.replace(b"For tests.", b"For free!!")
    assert changed != content
    model_path.write_bytes(changed)
    with pytest.raises(LicenseKeyError):
        read_model(model_path).open_parameters(publisher.model_key)


def test_sealed_part_that_is_no_archive(monkeypatch, tmp_path, publisher, describe, parameter_sets):
    """A publisher's mistake: the key fits, but what it opens is no set of parameters."""
    from AMIFusionLib.authorization import model_file

    path = tmp_path / "mistake.amif"
    pack = model_file.pack_arrays
    monkeypatch.setattr(
        model_file, "pack_arrays", lambda values: pack(values) if values is parameter_sets[0] else b"oops"
    )
    seal_model(path, describe(publisher), *parameter_sets, publisher.model_key)
    with pytest.raises(ModelFileError, match="sealed part.*is damaged"):
        read_model(path).open_parameters(publisher.model_key)


def test_changed_public_parameters_are_noticed(model_path, parameter_sets):
    raw = parameter_sets[0]["stem.weight"].tobytes()
    model_path.write_bytes(model_path.read_bytes().replace(raw, bytes(len(raw))))
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(model_path)


@pytest.mark.parametrize("length", [0, 4, 11, 12, 100, 2000, -1000, -1])
def test_truncated_file_is_refused(model_path, length):
    model_path.write_bytes(model_path.read_bytes()[:length])
    with pytest.raises(ModelFileError, match="new copy|not an AMIFusion model file"):
        read_model(model_path)


def test_file_with_more_behind_it_is_refused(model_path):
    model_path.write_bytes(model_path.read_bytes() + b"more")
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(model_path)


def test_newer_format_asks_for_an_update(model_path):
    content = model_path.read_bytes()
    model_path.write_bytes(content.replace(b'"format_version": 1', b'"format_version": 9'))
    with pytest.raises(ModelFileError, match="Update AMIFusion"):
        read_model(model_path)


def test_another_file_is_not_taken_for_a_model(tmp_path):
    path = tmp_path / "volume.nrrd"
    path.write_bytes(b"NRRD0004\n" + bytes(1000))
    with pytest.raises(ModelFileError, match="not an AMIFusion model file"):
        read_model(path)


@pytest.mark.parametrize("parameter", ["compressed", "object"])
def test_hostile_archives_are_refused(model_path, parameter):
    """Archives that expand, or that hold Python objects, would cost memory or run code."""
    buffer = io.BytesIO()
    if parameter == "compressed":
        np.savez_compressed(buffer, bomb=np.zeros(10**6, np.float32))
    else:
        np.savez(buffer, bomb=np.array([{}], dtype=object))
    _replace_public(model_path, buffer.getvalue())
    with pytest.raises(ModelFileError):
        read_model(model_path)


def test_array_that_announces_more_than_it_holds_is_refused(model_path):
    """numpy would allocate 4 TB before it missed the data."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(10, np.float32))
    lie = buffer.getvalue().replace(b"(10,), }".ljust(20), b"(999999999999,), }".ljust(20))
    assert lie != buffer.getvalue()
    _refuse_array(model_path, lie)


@pytest.mark.parametrize("header", [b"{", b"((((", b"{'descr': '<f4'"])
def test_array_headers_that_do_not_parse_are_refused(model_path, header):
    _refuse_array(model_path, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}, {"title": 3}, {"extra": "x"},
        {"hyperparameters": {"channels": "many"}}, {"hyperparameters": [1]},
    ],
)  # fmt: skip
def test_headers_with_wrong_fields_are_refused(model_path, change):
    _change_header(model_path, lambda header: header["model"].update(change))
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(model_path)


@pytest.mark.parametrize("header", [b"[" * 900_000, b"[]", b"\xff\xfe", b"{}", b"null"])
def test_headers_that_are_no_object_are_refused(tmp_path, header):
    path = tmp_path / "odd.amif"
    path.write_bytes(b"AMIFMODL" + struct.pack("<I", len(header)) + header)
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(path)


def test_failed_sealing_leaves_no_file(tmp_path, publisher, describe, parameter_sets):
    path = tmp_path / "new.amif"
    public, sealed = parameter_sets
    with pytest.raises(ValueError, match="no public value"):
        seal_model(path, describe(publisher), public, {"unknown": sealed["head.bias"]}, publisher.model_key)
    with pytest.raises(ValueError, match="nothing to seal"):
        seal_model(path, describe(publisher), public, {}, publisher.model_key)
    with pytest.raises(ValueError, match="text for its contact"):
        seal_model(path, describe(publisher, contact=" "), public, sealed, publisher.model_key)
    with pytest.raises(ValueError, match="32 bytes"):
        seal_model(path, describe(publisher), public, sealed, b"short")
    assert list(tmp_path.iterdir()) == []


def test_secrets_do_not_show_in_a_models_text(model, publisher):
    assert publisher.model_key.hex() not in repr(model)
    assert "ciphertext" not in repr(model)


def _refuse_array(path, content):
    """Put one array file into a model file's public archive, and see the file refused."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("odd.npy", content)
    _replace_public(path, archive.getvalue())
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(path)


def _replace_public(path, archive):
    """Rewrite a model file with another public archive, its hash made to fit."""
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[8:12])
    public_bytes = json.loads(content[12 : 12 + length])["public_bytes"]
    path.write_bytes(content[: 12 + length] + archive + content[12 + length + public_bytes :])
    fitting = {"public_bytes": len(archive), "public_sha256": hashlib.sha256(archive).hexdigest()}
    _change_header(path, lambda header: header.update(fitting))


def _change_header(path, change):
    """Rewrite a model file with a changed header."""
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[8:12])
    header = json.loads(content[12 : 12 + length])
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(content[:8] + struct.pack("<I", len(encoded)) + encoded + content[12 + length :])
