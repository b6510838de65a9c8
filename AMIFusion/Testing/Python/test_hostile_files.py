"""Broken and hostile files: each is refused with a sentence, in bounded memory and time, and none gives a license."""

import hashlib
import hmac
import io
import json
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import hostile_builders as build
import numpy as np
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import check_license, inspect_license, license_file_text
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.license_store import LARGEST_BYTES, LicenseStore
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.manifest import read_manifest
from AMIFusionLib.training.run_folder import read_run
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FLIPS = 10_000

SAYS_WHAT_TO_DO = "Get a new copy|Choose a file|Update AMIFusion|Give a"

GOOD_ARRAY = build.array_file(np.ones(3, np.float32))
DIGITS = "9" * 4000


def archive_of(*arrays):
    return build.zipped(*((f"{index}.npy", array) for index, array in enumerate(arrays)))


HOSTILE_ARCHIVES = {
    "empty": b"",
    "no archive": b"x" * 500,
    "compressed": build.zipped(("a.npy", bytes(10**6)), compression=zipfile.ZIP_DEFLATED),
    "other compression": build.zipped(("a.npy", GOOD_ARRAY), compression=zipfile.ZIP_LZMA),
    "overlapping members": build.overlapping(2000, 1 << 16),
    "more members than a network has": build.overlapping(60_000, 1),
    "offset of 2**64 - 1": build.zip64(offset=2**64 - 1),
    "offset of 2**63": build.zip64(offset=2**63),
    "size of 2**64 - 1": build.zip64(size=2**64 - 1),
    "size of 2**40": build.zip64(size=2**40),
    "two members of one name": build.zipped(("a.npy", GOOD_ARRAY), ("a.npy", GOOD_ARRAY)),
    "a name that leads up": build.zipped(("../a.npy", GOOD_ARRAY)),
    "an absolute name": build.zipped(("/etc/a.npy", GOOD_ARRAY)),
    "a name with a null byte": build.zipped(("a\0.npy", GOOD_ARRAY)),
    "no array file": build.zipped(("a.txt", GOOD_ARRAY)),
    "archive with a comment": build.zipped(("a.npy", GOOD_ARRAY))[:-2] + b"\1\0x",
    "empty array file": archive_of(b""),
    "array cut off": archive_of(GOOD_ARRAY[:-1]),
    "array with more behind it": archive_of(GOOD_ARRAY + b"x"),
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
    "header of version 3": archive_of(GOOD_ARRAY.replace(b"NUMPY\1", b"NUMPY\3")),
}


@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_hostile_public_archive(model_path, publisher, name):
    """The attacker makes the hash fit."""
    refused_model(model_path, build.with_public(model_path.read_bytes(), HOSTILE_ARCHIVES[name]), publisher)


def unknown_curve():
    """The public key of an elliptic curve that does not exist, PEM."""
    der = bytearray(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    der[der.index(bytes.fromhex("2a8648ce3d030107")) + 7] = 0x55
    return pem("PUBLIC KEY", bytes(der))


def pem(label, der):
    encoded = build.base64.b64encode(der).decode()
    return f"-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n"


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
    "public part of a huge length": lambda content: build.with_header(content, public_bytes=int(DIGITS)),
    "sealed part of negative length": lambda content: build.with_header(content, sealed_bytes=-1),
    "nonce too short": lambda content: build.with_header(content, nonce="AAAA"),
    "nonce no base64": lambda content: build.with_header(content, nonce="é" * 16),
    "description a list": lambda content: build.with_header(content, model=[]),
    "publisher's key of RSA": lambda content: build.with_model(content, public_key=rsa_public_key()),
    "publisher's key of no known curve": lambda content: build.with_model(content, public_key=unknown_curve()),
    "publisher's key of no known kind": lambda content: build.with_model(
        content, public_key=pem("PUBLIC KEY", bytes.fromhex("302a300506032b6577032100") + bytes(32))
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
    "parameter of 4000 digits": lambda content: build.with_model(content, hyperparameters={"blocks": int(DIGITS)}),
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
    "other public parameters": lambda content: build.with_public(content, archive_of(GOOD_ARRAY)),
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
    places = [source.randrange(head if index % 2 else len(content)) for index in range(FLIPS)]
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
    assert refused + read == FLIPS and min(refused, read) > FLIPS / 10
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


# Licenses


def test_ten_thousand_flipped_bits_in_a_license(issue, model):
    """Every single flip, and then flips of two bits: each is verified and refused, or is the same token.

    The same token: the flip lies in the four bits that base64 leaves over at the signature's end.
    """
    text, source = issue(), random.Random(21)
    flips = [((place, bit),) for place in range(len(text)) for bit in range(8)]
    while len(flips) < FLIPS:
        flips.append(tuple((source.randrange(len(text)), source.randrange(8)) for _ in range(2)))
    whole = check_license(text, model.description)
    for flip in flips:
        letters = list(text)
        for place, bit in flip:
            letters[place] = chr(ord(letters[place]) ^ 1 << bit)
        flipped = "".join(letters)
        try:
            found = check_license(flipped, model.description)
        except errors.LicenseError as error:
            assert len(str(error)) > 40 and text[:20] not in str(error)
        else:
            assert found == whole and flipped[:-1] == text[:-1]


def test_license_cut_off_at_every_length(issue, model):
    text = issue()
    for length in range(len(text)):
        for cut in (text[:length], text[length + 1 :], text[:length] + text[length + 1 :]):
            authorization = authorize(model, cut)
            assert not authorization.is_licensed
            assert authorization.problem or not cut


@pytest.mark.parametrize(
    "shape",
    ["byte order mark", "Windows file", "old Mac line ends", "line breaks", "blanks", "tabs", "quoted lines",
     "backticks", "curly quotes", "French quotes", "soft breaks of mail", "soft hyphens", "zero width", "marks within",
     "mail reply", "null bytes around"],
)  # fmt: skip
def test_license_as_programs_hand_it_over(issue, model, shape):
    text = issue()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    shapes = {
        "byte order mark": "\ufeff" + license_file_text(text),
        "Windows file": "\ufeff" + license_file_text(text).replace("\n", "\r\n"),
        "old Mac line ends": "\r".join(lines),
        "line breaks": "\n\n".join(lines),
        "blanks": "\u00a0 ".join(lines),
        "tabs": "\t".join(lines),
        "quoted lines": "\n".join(f'"{line}"' for line in lines),
        "backticks": f"```\n{text}\n```",
        "curly quotes": f"\u201c{text}\u201d",
        "French quotes": f"\u00ab\u00a0{text}\u00a0\u00bb",
        "soft breaks of mail": "=\r\n".join(lines),
        "soft hyphens": "\u00ad".join(lines),
        "zero width": "\u200b\u200d\u2060".join(lines),
        "marks within": "\ufeff".join(lines),
        "mail reply": "\r\n".join(f">> {line}" for line in lines),
        "null bytes around": f"\0{text}\0",
    }
    assert check_license(shapes[shape], model.description).licensee == "Dr. Test"


FORGED_HEADERS = {
    "none": {"alg": "none"},
    "none in capitals": {"alg": "NONE"},
    "no algorithm": {"typ": "JWT"},
    "several algorithms": {"alg": ["EdDSA", "none"]},
    "algorithm null": {"alg": None},
    "RSA": {"alg": "RS256"},
    "detached": {"alg": "EdDSA", "b64": False, "crit": ["b64"]},
    "critical and unknown": {"alg": "EdDSA", "crit": ["x"], "x": 1},
    "key's name a path": {"alg": "EdDSA", "kid": "../../../dev/null"},
    "key's name no text": {"alg": "EdDSA", "kid": {}},
    "key's address": {"alg": "EdDSA", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/keys"},
}


@pytest.mark.parametrize("name", FORGED_HEADERS)
def test_license_signed_by_nobody(issue, model, name):
    for signature in (bytes(64), b"\xff" * 64, os.urandom(64)):
        refused_license(
            model, build.token(build.claims_of(issue()), lambda body, bytes_=signature: bytes_, FORGED_HEADERS[name])
        )


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_license_signed_with_the_public_key_as_a_secret(issue, model, publisher, algorithm):
    hashed = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    public = publisher.signing_key.public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for secret in (publisher.public_key.encode(), publisher.public_key.strip().encode(), raw, b""):
        forged = build.token(
            build.claims_of(issue()), lambda body, key=secret: hmac.new(key, body, hashed).digest(), {"alg": algorithm}
        )
        refused_license(model, forged)


def test_license_that_brings_its_own_key(issue, model):
    stranger = Ed25519PrivateKey.generate()
    raw = stranger.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    own = {"kty": "OKP", "crv": "Ed25519", "x": build.encoded(raw).decode()}
    for header in ({"alg": "EdDSA", "jwk": own}, {"alg": "EdDSA", "x5c": [own["x"]]}, {"alg": "EdDSA"}):
        refused_license(model, build.token(build.claims_of(issue()), stranger.sign, header))


def test_parts_of_two_licenses(issue, model):
    one, other = issue().split("."), issue(licensee="Dr. Other", end=99).split(".")
    for choice in range(1, 7):
        mixed = [(one, other)[choice >> part & 1][part] for part in range(3)]
        if mixed[1:] not in (one[1:], other[1:]):
            refused_license(model, ".".join(mixed))


SIGNED_CLAIMS = {
    "end NaN": b'"exp": NaN',
    "end infinite": b'"exp": Infinity',
    "end beyond a float": b'"exp": 1e999',
    "end beyond the calendar": b'"exp": 99999999999999',
    "end of 5000 digits": b'"exp": ' + b"9" * 5000,
    "end of 400 digits": b'"exp": ' + b"9" * 400,
    "end true": b'"exp": true',
    "end null": b'"exp": null',
    "end an object": b'"exp": {"a": 1}',
    "end a date in words": b'"exp": "2099-12-31"',
    "end long past": b'"exp": -99999999999999',
    "end before 1970": b'"exp": -1',
    "start infinite": b'"nbf": Infinity',
    "start minus infinite": b'"nbf": -Infinity',
    "start beyond the calendar": b'"nbf": -99999999999999',
    "start far ahead": b'"nbf": 99999999999999',
    "issued infinite": b'"iat": Infinity',
    "issued in the future": b'"iat": 99999999999',
    "other model": b'"model": "another"',
    "model a list with the right one": b'"model": ["test-model-1"]',
    "model with a blank": b'"model": "test-model-1 "',
    "model null": b'"model": null',
    "key null": b'"key": null',
    "key too long": b'"key": "' + b"A" * 9000 + b'"',
    "key of other letters": '"key": "ключ"'.encode(),
    "licensee a number": b'"sub": 3',
    "number a list": b'"jti": []',
    "issuer a list": b'"iss": ["Test publisher"]',
    "deep nesting": b'"more": ' + b"[" * 6000,
    "deep nesting that ends": b'"sub": ' + b"[" * 900 + b"]" * 900,
    "not in UTF-8": b'"more": "\xff"',
    "no value": b'"more":',
}


@pytest.mark.parametrize("name", SIGNED_CLAIMS)
def test_nonsense_that_the_publisher_signed(issue, model, publisher, name):
    """A license that was issued by mistake does not hold either; of a name given twice the last value counts."""
    claims = json.dumps(build.claims_of(issue())).encode()
    text = build.token(claims[:-1] + b", " + SIGNED_CLAIMS[name] + b"}", publisher.signing_key.sign)
    refused_license(model, text)
    try:
        shown = inspect_license(text)
    except errors.LicenseFormatError:
        return
    assert all(value.isprintable() for value in shown.values())


@pytest.mark.parametrize("header", [b'{"alg":' + b"[" * 6000, b'{"a":' * 2000, b'{"alg":' + b"1" * 5000 + b"}"])
def test_header_that_exhausts_the_parser(issue, model, publisher, header):
    refused_license(model, build.token(build.claims_of(issue()), publisher.signing_key.sign, header))


@pytest.mark.parametrize("shape", ["heads", "heads after a dot", "dots", "two long parts", "breaks", "marks"])
def test_text_made_to_be_searched_for_long(model, shape):
    shapes = {
        "heads": "eyJ" * 5461,
        "heads after a dot": "eyJa." + "eyJ" * 5459,
        "dots": "eyJa.eyJa." * 1638,
        "two long parts": "eyJ" * 2700 + "." + "eyJ" * 2700,
        "breaks": " >" * 8192,
        "marks": "\u200b" * 16_384,
    }
    started = datetime.now(timezone.utc)
    refused_license(model, shapes[shape])
    assert (datetime.now(timezone.utc) - started).total_seconds() < 10


def test_what_a_license_shows_fits_into_a_line(issue, model, publisher):
    """It goes to a panel, a terminal and, as a node's attribute, into a scene, which cannot keep every character."""
    claims = {**build.claims_of(issue()), "sub": "Dr.\nLicensed\x1b[2J\0 \ud800" + "x" * 5000}
    text = build.token(claims, publisher.signing_key.sign)
    for licensee in (check_license(text, model.description).licensee, inspect_license(text)["sub"]):
        assert licensee.isprintable() and licensee.startswith("Dr. Licensed") and len(licensee) <= 200


def refused_license(model, text):
    authorization = authorize(model, text)
    assert not authorization.is_licensed and 40 < len(authorization.problem) < 600
    assert authorization.parameters is model.public_parameters
    with pytest.raises(errors.LicenseError) as caught:
        check_license(text, model.description)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert build.claims_of_key(text) not in authorization.problem


# Keys

PRIVATE_DER = Ed25519PrivateKey.generate().private_bytes(
    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)

NO_SIGNING_KEYS = {
    "empty": b"",
    "null bytes": bytes(100),
    "not in UTF-8": b"\xff\xfe" * 20,
    "DER": PRIVATE_DER,
    "of no known kind": pem("PRIVATE KEY", PRIVATE_DER.replace(b"\x2b\x65\x70", b"\x2b\x65\x77")).encode(),
    "cut off": pem("PRIVATE KEY", PRIVATE_DER[:-1]).encode(),
    "of no known cipher": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAAAA\n"
    b"-----END RSA PRIVATE KEY-----\n",
    "a public key": unknown_curve().encode(),
    "a megabyte": pem("PRIVATE KEY", bytes(10**6)).encode(),
}


@pytest.mark.parametrize("name", NO_SIGNING_KEYS)
def test_no_signing_key(tmp_path, name):
    path = tmp_path / "signing.pem"
    path.write_bytes(NO_SIGNING_KEYS[name])
    with pytest.raises(ValueError, match="must be PEM|Give another file") as caught:
        read_signing_key(path)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "content",
    [b"", b"0" * 63, b"0" * 65, b"g" * 64, b"\xef\xbb\xbf" + b"0" * 64, b"0x" + b"0" * 62, bytes(64), b"0" * 10_000,
     "\u0660".encode() * 64],
)  # fmt: skip
def test_no_master_key(tmp_path, content):
    path = tmp_path / "master.key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="64 hexadecimal digits|Give another file") as caught:
        read_master_key(path)
    assert "00000000" not in str(caught.value)


# What training and evaluation read

MANIFEST_HEAD = b"pair,case,split,functional_or_ct,mri\n"

HOSTILE_MANIFESTS = {
    "empty": b"",
    "null bytes": bytes(1000),
    "UTF-16": "pair,case,split,functional_or_ct,mri\nct,1,train,a,b\n".encode("utf-16"),
    "name with a null byte": MANIFEST_HEAD + b"ct,1,train,a\0.nrrd,b.nrrd\n",
    "name that leads up": MANIFEST_HEAD + b"ct,1,train,../a.nrrd,b.nrrd\n",
    "name that leads up in the middle": MANIFEST_HEAD + b"ct,1,train,a.nrrd,x/../../b.nrrd\n",
    "absolute name": MANIFEST_HEAD + b"ct,1,train,/etc/passwd,b.nrrd\n",
    "case that paints a terminal": MANIFEST_HEAD + b"ct,\x1b[2J,train,a.nrrd,b.nrrd\n",
    "case of two lines": MANIFEST_HEAD + b'ct,"1\n2",train,a.nrrd,b.nrrd\n',
    "long case": MANIFEST_HEAD + b"ct," + b"1" * 5000 + b",train,a.nrrd,b.nrrd\n",
    "field of a megabyte": MANIFEST_HEAD + b"ct," + b"1" * 1_000_000 + b",train,a.nrrd,b.nrrd\n",
    "quotation mark that does not end": MANIFEST_HEAD + b'ct,"1,train,a.nrrd,b.nrrd\n' * 3,
    "column given twice": b"pair,case,split,functional_or_ct,mri,mri\nct,1,train,a.nrrd,b.nrrd,c.nrrd\n",
    "short row": MANIFEST_HEAD + b"ct,1,train\n",
    "a million columns": b",".join(b"%d" % at for at in range(300_000)) + b"\n" + b"x\n" * 300_000,
    "too large": MANIFEST_HEAD + b"ct,1,validation,a.nrrd,b.nrrd\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE_MANIFESTS)
def test_hostile_manifest(tmp_path, name):
    (tmp_path / "manifest.csv").write_bytes(HOSTILE_MANIFESTS[name])
    with pytest.raises(ValueError, match=r"manifest\.csv .*"):
        read_manifest(tmp_path, "train")


def test_manifest_from_a_spreadsheet_on_windows(tmp_path):
    content = b"\xef\xbb\xbf" + MANIFEST_HEAD + b"ct,1,train,sub/a.nrrd,b.nrrd\n"
    (tmp_path / "manifest.csv").write_bytes(content.replace(b"\n", b"\r\n"))
    (row,) = read_manifest(tmp_path, "train")
    assert row.first == tmp_path / "sub" / "a.nrrd"


HOSTILE_CONFIGURATIONS = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "deep nesting": b'{"mark": ' + b"[" * 100_000,
    "deep nesting that ends": b'{"licensed_weights": {"edges": ' + b"[" * 700 + b"]" * 700 + b"}}",
    "name given twice": b'{"steps": 1, "steps": 2}',
    "NaN": b'{"learning_rate": NaN}',
    "infinity": b'{"learning_rate": Infinity}',
    "beyond a float": b'{"learning_rate": 1e999}',
    "rate of 4000 digits": b'{"learning_rate": ' + DIGITS.encode() + b"}",
    "weight of 4000 digits": b'{"licensed_weights": {"edges": ' + DIGITS.encode() + b"}}",
    "steps of 4000 digits": b'{"steps": ' + DIGITS.encode() + b"}",
    "seed that PyTorch does not take": b'{"seed": 100000000000000000000}',
    "crop that fills the memory": b'{"crop_size": 1000000}',
    "negative batch": b'{"batch_size": -1}',
    "channels of 4000 digits": b'{"hyperparameters": {"mark_size": 9, "channels": ' + DIGITS.encode() + b"}}",
    "truth for a number": b'{"steps": true}',
    "not in UTF-8": b'{"mark": "\xff"}',
    "UTF-16": '{"steps": 1}'.encode("utf-16"),
    "too large": b" " * (1 << 21),
}


@pytest.mark.parametrize("name", HOSTILE_CONFIGURATIONS)
def test_hostile_configuration(tmp_path, name):
    path = tmp_path / "configuration.json"
    path.write_bytes(HOSTILE_CONFIGURATIONS[name])
    with pytest.raises(ValueError, match=r"configuration\.json (is not a training configuration: .|is larger)"):
        TrainingConfiguration.load(path)


def test_configuration_from_an_editor_on_windows(tmp_path):
    path = tmp_path / "configuration.json"
    path.write_bytes(b"\xef\xbb\xbf" + TrainingConfiguration(steps=7).to_json().replace("\n", "\r\n").encode())
    assert TrainingConfiguration.load(path) == TrainingConfiguration(steps=7)


def run_archive(public=GOOD_ARRAY, sealed=GOOD_ARRAY, **options):
    return build.zipped(("public/a.npy", public), ("sealed/a.npy", sealed), **options)


HOSTILE_RUNS = {
    "empty": b"",
    "one set only": build.zipped(("public/a.npy", GOOD_ARRAY)),
    "no set": build.zipped(),
    "a third set": build.zipped(("other/a.npy", GOOD_ARRAY)),
    "no set's name": build.zipped(("a.npy", GOOD_ARRAY)),
    "name that leads up": build.zipped(("public/../a.npy", GOOD_ARRAY), ("sealed/../a.npy", GOOD_ARRAY)),
    "shapes that differ": run_archive(sealed=build.array_file(np.ones(4, np.float32))),
    "Python objects": run_archive(build.array_file(np.array([{}], dtype=object))),
    "a pickle for an array": run_archive(b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    "NaN": run_archive(build.array_file(np.full(3, np.nan, np.float32))),
    "float64": run_archive(build.array_file(np.ones(3))),
    "array of 4 TB": run_archive(build.npy(shape=(10**12,)), compression=zipfile.ZIP_DEFLATED),
    "200 MB in 200 kB": run_archive(build.npy(shape=(50_000_000,), data=bytes(200_000_000)), compression=8),
    "200 MB in 200 kB, said to be 100 bytes": build.lying_deflation(200_000_000),
    "overlapping members": build.overlapping(2000, 1 << 16),
}


@pytest.mark.parametrize("name", HOSTILE_RUNS)
def test_hostile_parameters_of_a_run(tmp_path, name):
    (tmp_path / "configuration.json").write_text(TrainingConfiguration().to_json())
    (tmp_path / "parameters.npz").write_bytes(HOSTILE_RUNS[name])
    tracemalloc.start()
    with pytest.raises(ValueError, match="Train again"):
        read_run(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_compressed_parameters_of_a_run_are_read(tmp_path):
    """What training writes, with a mark that compresses a hundred times."""
    values = {f"{which}/{name}": array for which in ("public", "sealed") for name, array in (
        ("mark", np.zeros((1, 1, 192, 192), np.float32)), ("gain", np.float32(1)),
        ("weight", np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))),
    )}  # fmt: skip
    (tmp_path / "configuration.json").write_text(TrainingConfiguration().to_json())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **values)
    (tmp_path / "parameters.npz").write_bytes(buffer.getvalue())
    run = read_run(tmp_path)
    for name, value in values.items():
        which, key = name.split("/")
        np.testing.assert_array_equal(getattr(run, which)[key], value)


def peers(case="1", value="0.5", slices='["a"]'):
    return (
        f'{{"slices": {{"ct": {{"case": {json.dumps(case)}, "slices": {slices}}}}},'
        f' "values": {{"ct": {{"m": {{"SSIM": {value}}}}}}}}}'
    ).encode()


HOSTILE_PEERS = {
    "empty": b"",
    "null": b"null",
    "deep nesting": b'{"slices": ' + b"[" * 100_000,
    "deep nesting that ends": peers(value="[" * 900 + "]" * 900),
    "name given twice": peers().replace(b'"values"', b'"slices"'),
    "NaN": peers(value="NaN"),
    "beyond a float": peers(value="1e999"),
    "number of 4000 digits": peers(value=DIGITS),
    "number in words": peers(value='"0.5"'),
    "truth for a number": peers(value="true"),
    "case no text": peers(case=3),
    "slices no list": peers(slices="3"),
    "slices no texts": peers(slices="[[1]]"),
    "not in UTF-8": peers().replace(b"SSIM", b"\xff"),
    "too large": b" " * (1 << 23),
}


@pytest.mark.parametrize("name", HOSTILE_PEERS)
def test_hostile_peers(tmp_path, name):
    path = tmp_path / "peers.json"
    path.write_bytes(HOSTILE_PEERS[name])
    with pytest.raises(ValueError, match="does not hold recorded measures: it needs|Give another file"):
        read_peers(path)


def test_peers_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "peers.json"
    path.write_bytes(b"\xef\xbb\xbf" + peers())
    assert read_peers(path).values == {"ct": {"m": {"SSIM": 0.5}}}


# The license store


@pytest.mark.parametrize("content", [b"", b" \n", bytes(50), b"\xff\xfe\x00", b"a\x1b[2J", b"x" * (LARGEST_BYTES + 1)])
def test_store_with_something_else_in_it(tmp_path, content):
    store = LicenseStore(tmp_path)
    store.path.write_bytes(content)
    assert store.load() is None and store.is_occupied


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u00ad", "\r\n"])
def test_store_gives_back_what_programs_put_into_a_license(tmp_path, issue, model, mark):
    """Such a license holds, so that remembering it must not lose it."""
    text = issue()
    store = LicenseStore(tmp_path)
    store.save(mark + text[:80] + mark + text[80:])
    assert check_license(store.load(), model.description).licensee == "Dr. Test"


# What is no file

READERS = {
    "model": read_model,
    "signing key": read_signing_key,
    "master key": read_master_key,
    "configuration": TrainingConfiguration.load,
    "peers": read_peers,
}


@pytest.mark.parametrize("kind", ["folder", "missing", "link to nothing", "null byte in its name"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(tmp_path, reader, kind):
    path = tmp_path / "thing\0" if kind == "null byte in its name" else tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    with pytest.raises((ValueError, OSError), match="Give a|Check its name"):
        READERS[reader](path)


def test_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.amif"
    path.touch(mode=0o000)
    if os.access(path, os.R_OK):
        # Whoever may read everything finds an empty file.
        with pytest.raises(errors.ModelFileError):
            read_model(path)
    else:
        with pytest.raises(PermissionError, match="Check its name and its permissions"):
            read_model(path)


PROBE = """
import json, resource, sys, time
from pathlib import Path
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.evaluation.ranking import read_peers
from AMIFusionLib.license_store import LicenseStore
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.manifest import read_manifest
from AMIFusionLib.training.run_folder import read_run
readers = {
    "model": read_model, "signing": read_signing_key, "master": read_master_key,
    "configuration": TrainingConfiguration.load, "peers": read_peers, "run": read_run,
    "manifest": lambda path: read_manifest(path, "train"), "store": lambda path: LicenseStore(path).load(),
}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for line in sys.stdin:
    reader, path = line.rstrip("\\n").split(" ", 1)
    started = time.monotonic()
    try:
        outcome = "read" if readers[reader](Path(path)) is not None else "nothing"
    except (ValueError, OSError) as error:
        outcome = f"refused: {error}"
    except BaseException as error:
        outcome = f"crashed: {error!r}"
    print(json.dumps([reader, path, outcome[:300], time.monotonic() - started]), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits of memory are measured where /proc is")
def test_memory_and_time_stay_bounded(tmp_path, model_path, publisher):
    """In a process that may take 160 MB more: pipes, endless devices, and everything that unpacks or announces much."""
    whole, jobs = model_path.read_bytes(), []
    for index, archive in enumerate(HOSTILE_ARCHIVES.values()):
        jobs.append(("model", tmp_path / f"archive-{index}.amif", build.with_public(whole, archive)))
    for index, make in enumerate(HOSTILE_MODELS.values()):
        jobs.append(("model", tmp_path / f"model-{index}.amif", make(whole)))
    for index, content in enumerate(HOSTILE_RUNS.values()):
        jobs.append(("run", tmp_path / f"run-{index}", content))
    for index, content in enumerate(HOSTILE_MANIFESTS.values()):
        jobs.append(("manifest", tmp_path / f"manifest-{index}", content))
    for reader, path, content in jobs:
        if reader in ("run", "manifest"):
            path.mkdir()
            (path / "configuration.json").write_text(TrainingConfiguration().to_json())
            path = path / {"run": "parameters.npz", "manifest": "manifest.csv"}[reader]
        path.write_bytes(content)
    asked = [(reader, path) for reader, path, _ in jobs]
    asked += endless(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", PROBE, str(160 << 20)],
        input="".join(f"{reader} {path}\n" for reader, path in asked),
        capture_output=True, text=True, timeout=100, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(answers) == len(asked), process.stderr[-2000:]
    for reader, path, outcome, seconds in answers:
        assert outcome.startswith("refused: ") or (reader, outcome) == ("store", "nothing"), (reader, path, outcome)
        assert seconds < 10, (reader, path, seconds)


def endless(folder):
    """(reader, path) of a pipe that nobody writes to, of devices without an end and of a sparse file of 2 GB."""
    os.mkfifo(folder / "pipe")
    with open(folder / "sparse", "wb") as file:
        file.truncate(2 << 30)
    (folder / "link to a device").symlink_to("/dev/zero")
    paths = [folder / "pipe", Path("/dev/zero"), Path("/dev/urandom"), folder / "sparse", folder / "link to a device"]
    for reader in ("model", "signing", "master", "configuration", "peers"):
        for path in paths:
            yield reader, path
    for index, path in enumerate(paths):
        for reader, name in (("run", "parameters.npz"), ("manifest", "manifest.csv"), ("store", "remembered.license")):
            place = folder / f"{reader} of endless {index}"
            place.mkdir()
            if reader == "run":
                (place / "configuration.json").write_text(TrainingConfiguration().to_json())
            (place / name).symlink_to(path)
            yield reader, place
