"""Model files that are damaged or made to do harm: a clear refusal, never a licensed result."""

import os
import random
import struct
import tracemalloc
import warnings
import zipfile

import hostile_builders as build
import numpy as np
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.fusion.network import build_network
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SAYS_WHAT_TO_DO = "Get a new copy|Choose a file|Update AMIFusion|Give a"


def archive_of(*arrays):
    return build.zipped(*((f"{index}.npy", array) for index, array in enumerate(arrays)))


HOSTILE_ARCHIVES = {
    "empty": b"",
    "no archive": b"x" * 500,
    "compressed": build.zipped(("a.npy", bytes(10**6)), compression=zipfile.ZIP_DEFLATED),
    "other compression": build.zipped(("a.npy", build.GOOD_ARRAY), compression=zipfile.ZIP_LZMA),
    "overlapping members": build.overlapping(2000, 1 << 16),
    "more members than a network has": build.overlapping(60_000, 1),
    "offset of 2**64 - 1": build.zip64(offset=2**64 - 1),
    "offset of 2**63": build.zip64(offset=2**63),
    "size of 2**64 - 1": build.zip64(size=2**64 - 1),
    "size of 2**40": build.zip64(size=2**40),
    "two members of one name": build.zipped(("a.npy", build.GOOD_ARRAY), ("a.npy", build.GOOD_ARRAY)),
    "a name that leads up": build.zipped(("../a.npy", build.GOOD_ARRAY)),
    "an absolute name": build.zipped(("/etc/a.npy", build.GOOD_ARRAY)),
    "a name with a null byte": build.zipped(("a\0.npy", build.GOOD_ARRAY)),
    "no array file": build.zipped(("a.txt", build.GOOD_ARRAY)),
    "archive with a comment": build.zipped(("a.npy", build.GOOD_ARRAY))[:-2] + b"\1\0x",
    "empty array file": archive_of(b""),
    "array cut off": archive_of(build.GOOD_ARRAY[:-1]),
    "array with more behind it": archive_of(build.GOOD_ARRAY + b"x"),
    "array of 4 TB": archive_of(build.npy(shape=(10**12,))),
    "array with 4000 digits": archive_of(build.npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }")),
    "negative shape": archive_of(build.npy(shape=(-1,), data=bytes(4))),
    "product of negative shapes": archive_of(build.npy(shape=(-1, -1), data=bytes(4))),
    "shape that overflows": archive_of(build.npy(shape=(2**32, 2**32, 0))),
    "100 dimensions": archive_of(build.npy(shape=(1,) * 100, data=bytes(4))),
    "shape of truths": archive_of(build.npy(shape=(True,), data=bytes(4))),
    "float64": archive_of(build.array_file(np.ones(3))),
    "integers": archive_of(build.array_file(np.ones(3, np.int32))),
    "big-endian": archive_of(build.array_file(np.ones(3, ">f4"))),
    "text": archive_of(build.array_file(np.array(["x"]))),
    "records": archive_of(build.array_file(np.zeros(3, [("a", "<f4")]))),
    "Python objects": archive_of(build.array_file(np.array([{}], dtype=object))),
    "NaN": archive_of(build.array_file(np.full(3, np.nan, np.float32))),
    "infinity": archive_of(build.array_file(np.full(3, np.inf, np.float32))),
    "header that exhausts Python's parser": archive_of(build.npy(b"-" * 9000 + b"1")),
    "header of brackets": archive_of(build.npy(b"(" * 9000)),
    "header that runs": archive_of(build.npy(b"__import__('os').abort()")),
    "header of Python 2": archive_of(build.npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), }\n")),
    "header with null bytes": archive_of(build.npy(bytes(100))),
    "header longer than the file": archive_of(b"\x93NUMPY\x01\x00\xff\xff{"),
    "header of version 3": archive_of(build.GOOD_ARRAY.replace(b"NUMPY\1", b"NUMPY\3")),
}


@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_hostile_public_archive(model_path, publisher, name):
    """The attacker makes the hash fit."""
    refused_model(model_path, build.with_public(model_path.read_bytes(), HOSTILE_ARCHIVES[name]), publisher)


def rsa_public_key():
    public = rsa.generate_private_key(65537, 2048).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def header_only(header):
    return lambda content: build.MAGIC + struct.pack("<I", len(header)) + header + content[500:]


HOSTILE_MODELS = {
    "empty": lambda content: b"",
    "null bytes": lambda content: bytes(len(content)),
    "byte order mark before it": lambda content: b"\xef\xbb\xbf" + content,
    "Windows line ends": lambda content: content.replace(b"\n", b"\r\n"),
    "twice in a row": lambda content: 2 * content,
    "header of 4 GB announced": lambda content: content[:8] + b"\xff" * 4 + content[12:],
    "header of the whole file announced": lambda content: content[:8] + struct.pack("<I", len(content)) + content[12:],
    "no header": header_only(b""),
    "deep nesting": header_only(b'{"model":' + b"[" * 500_000),
    "deep nesting of objects": header_only(b'{"a":' * 100_000),
    "number of 5000 digits": header_only(b'{"format_version":' + b"1" * 5000 + b"}"),
    "header not in UTF-8": header_only(b'{"format_version": "\xff"}'),
    "header in UTF-16": header_only('{"format_version": 1}'.encode("utf-16")),
    "name given twice": lambda content: content.replace(b'"nonce"', b'"model"'),
    "format NaN": lambda content: build.with_header(content, format_version=float("nan")),
    "format a long text": lambda content: build.with_header(content, format_version="x" * 100_000),
    "format true": lambda content: build.with_header(content, format_version=True),
    "public part of negative length": lambda content: build.with_header(content, public_bytes=-100),
    "public part of infinite length": lambda content: build.with_header(content, public_bytes=float("inf")),
    "public part of a huge length": lambda content: build.with_header(content, public_bytes=int(build.DIGITS)),
    "sealed part of negative length": lambda content: build.with_header(content, sealed_bytes=-1),
    "nonce too short": lambda content: build.with_header(content, nonce="AAAA"),
    "nonce no base64": lambda content: build.with_header(content, nonce="é" * 16),
    "description a list": lambda content: build.with_header(content, model=[]),
    "publisher's key of RSA": lambda content: build.with_model(content, public_key=rsa_public_key()),
    "publisher's key of no known curve": lambda content: build.with_model(content, public_key=build.unknown_curve()),
    "publisher's key of no known kind": lambda content: build.with_model(
        content, public_key=build.pem("PUBLIC KEY", bytes.fromhex("302a300506032b6577032100") + bytes(32))
    ),
    "publisher's key with half a character": lambda content: build.with_model(content, public_key="\ud800"),
    "publisher's key of a megabyte": lambda content: build.with_model(content, public_key="A" * 900_000),
    "title with a line break": lambda content: build.with_model(content, title="Good model\nLicensed to you"),
    "title with a null byte": lambda content: build.with_model(content, title="x\0"),
    "title with half a character": lambda content: build.with_model(content, title="\ud800"),
    "contact that paints a terminal": lambda content: build.with_model(content, contact="\x1b[2J"),
    "title of a megabyte": lambda content: build.with_model(content, title="x" * 900_000),
    "parameter of no size": lambda content: build.with_model(content, hyperparameters={"channels": 0}),
    "parameter of negative size": lambda content: build.with_model(content, hyperparameters={"blocks": -1}),
    "parameter of 4000 digits": lambda content: build.with_model(content, hyperparameters={"blocks": int("9" * 4000)}),
    "parameter true": lambda content: build.with_model(content, hyperparameters={"blocks": True}),
    "parameter of floating size": lambda content: build.with_model(content, hyperparameters={"blocks": 1.0}),
    "parts swapped": lambda content: build.assembled(*swapped(content), fitting=False),
    "parts swapped, lengths and hash made to fit": lambda content: build.assembled(*swapped(content)),
    "public part twice": lambda content: build.assembled(
        *(build.parts(content)[at] for at in (0, 1, 1)), fitting=False
    ),
}


def swapped(content):
    header, public, ciphertext = build.parts(content)
    return header, ciphertext, public


@pytest.mark.parametrize("name", HOSTILE_MODELS)
def test_hostile_model_file(model_path, publisher, name):
    refused_model(model_path, HOSTILE_MODELS[name](model_path.read_bytes()), publisher)


def refused_model(path, content, publisher):
    """A hostile file is refused with a sentence, without a warning and with little memory."""
    before = sorted(path.parent.rglob("*"))
    path.write_bytes(content)
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(errors.ModelFileError, match=SAYS_WHAT_TO_DO) as caught:
            read_model(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * len(content) + (64 << 20)
    assert len(str(caught.value)) < 300
    assert publisher.model_key.hex() not in repr(caught.value)
    assert sorted(path.parent.rglob("*")) == before


READABLE_BUT_NOT_OPENED = {
    "other contact": lambda content: build.with_model(content, contact="me@example.org"),
    "other hyper-parameters": lambda content: build.with_model(content, hyperparameters={"channels": 1}),
    "other public parameters": lambda content: build.with_public(content, archive_of(build.GOOD_ARRAY)),
    "a field more": lambda content: build.with_header(content, more="x"),
    "same header, written otherwise": lambda content: build.with_header(content),
    "other nonce": lambda content: build.with_header(content, nonce="A" * 16),
    "blocks that exhaust memory": lambda content: build.with_model(content, hyperparameters={"blocks": 65_536}),
}


@pytest.mark.parametrize("name", READABLE_BUT_NOT_OPENED)
def test_model_file_changed_consistently_is_not_opened(model_path, publisher, issue, name):
    """Whoever changes header or public parameters can make lengths and hash fit, but not the seal."""
    license_text = issue()
    model_path.write_bytes(READABLE_BUT_NOT_OPENED[name](model_path.read_bytes()))
    not_opened(read_model(model_path), license_text, publisher)


def test_publishers_key_exchanged_for_ones_own(model_path, publisher, make_publisher, issue):
    """Then the attacker's licenses are genuine, and the key that they need is still not there."""
    stranger = make_publisher()
    model_path.write_bytes(build.with_model(model_path.read_bytes(), public_key=stranger.public_key))
    changed = read_model(model_path)
    not_opened(changed, issue(model=changed, publisher=stranger), publisher)


def not_opened(model, license_text, publisher):
    authorization = authorize(model, license_text)
    assert not authorization.is_licensed and len(authorization.problem) > 40
    assert authorization.parameters is model.public_parameters
    with pytest.raises(errors.LicenseKeyError):
        model.open_parameters(publisher.model_key)


@pytest.mark.parametrize(
    "hyperparameters",
    [{"blocks": 65_536}, {"channels": 65_536}, {"mark_size": 65_536}, {"scale": 65_536}, {"unknown": 3}],
)
def test_network_larger_than_its_parameters_is_not_built(parameter_sets, hyperparameters):
    given = {"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32, **hyperparameters}
    tracemalloc.start()
    with pytest.raises(ValueError, match="do not fit its architecture"):
        build_network("amif-residual-2", given, parameter_sets[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_ten_thousand_flipped_bits_in_a_model_file(model_path, publisher, issue):
    """Nothing in the file is unprotected.

    A flip is found when the file is read (magic, length, JSON, hash of the public part) or when it is opened (the
    header is authenticated with the sealed part); until it is opened, what it gives are the true public parameters.
    """
    content, license_text, source = model_path.read_bytes(), issue(), random.Random(20)
    truth, head = read_model(model_path).public_parameters, 12 + struct.unpack("<I", content[8:12])[0]
    # The head is a small part of the file and the one with a structure: half of the flips go there.
    places = [source.randrange(head if index % 2 else len(content)) for index in range(build.FLIPS)]
    refused, read = 0, 0
    with open(model_path, "r+b", buffering=0) as file:
        for place in places:
            os.pwrite(file.fileno(), bytes([content[place] ^ 1 << source.randrange(8)]), place)
            try:
                flipped = read_model(model_path)
            except errors.ModelFileError:
                refused += 1
            else:
                read += 1
                not_opened(flipped, license_text, publisher)
                for name, value in truth.items():
                    assert np.array_equal(flipped.public_parameters[name], value)
            os.pwrite(file.fileno(), content[place : place + 1], place)
    assert refused + read == build.FLIPS and min(refused, read) > build.FLIPS / 10
    assert authorize(read_model(model_path), license_text).is_licensed


def test_model_file_cut_off_at_every_length(tmp_path, describe, publisher):
    path, values = tmp_path / "small.amif", {"a": np.ones((2, 3), np.float32), "b": np.float32(2)}
    seal_model(path, describe(publisher), values, values, publisher.model_key)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(errors.ModelFileError, match=SAYS_WHAT_TO_DO):
            read_model(path)


def test_sealing_refuses_what_could_not_be_read(tmp_path, describe, publisher, parameter_sets):
    public, sealed = parameter_sets
    path = tmp_path / "new.amif"
    for change, values, sentence in (
        ({"hyperparameters": {"blocks": 0}}, sealed, "whole numbers from 1"),
        ({"title": "two\nlines"}, sealed, "one line"),
        ({}, {**sealed, "head.bias": np.full_like(sealed["head.bias"], np.nan)}, "'head.bias' has values"),
    ):
        with pytest.raises(ValueError, match=sentence):
            seal_model(path, describe(publisher, **change), public, values, publisher.model_key)
    assert list(tmp_path.iterdir()) == []
