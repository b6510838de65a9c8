"""Licenses and keys that are damaged, forged or of strange make: a clear refusal, never a licensed result."""

import hashlib
import hmac
import json
import os
import random
from datetime import datetime, timezone

import hostile_builders as build
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import check_license, inspect_license, license_file_text
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Licenses


def test_ten_thousand_flipped_bits_in_a_license(issue, model):
    """Every single flip, and then flips of two bits: each is verified and refused, or is the same token.

    The same token: the flip lies in the four bits that base64 leaves over at the signature's end.
    """
    text, source = issue(), random.Random(21)
    flips = [((place, bit),) for place in range(len(text)) for bit in range(8)]
    while len(flips) < build.FLIPS:
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
    "of no known kind": build.pem("PRIVATE KEY", PRIVATE_DER.replace(b"\x2b\x65\x70", b"\x2b\x65\x77")).encode(),
    "cut off": build.pem("PRIVATE KEY", PRIVATE_DER[:-1]).encode(),
    "of no known cipher": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAAAA\n"
    b"-----END RSA PRIVATE KEY-----\n",
    "a public key": build.unknown_curve().encode(),
    "a megabyte": build.pem("PRIVATE KEY", bytes(10**6)).encode(),
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
