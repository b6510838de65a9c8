"""Takes model files and licenses apart and puts them together wrongly, as somebody with bad intentions would."""

import base64
import hashlib
import io
import json
import struct
import warnings
import zipfile
import zlib

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MAGIC = b"AMIFMODL"
FLIPS = 10_000
DIGITS = "9" * 4000


def parts(content):
    """(header as a dictionary, public archive, ciphertext) of a model file."""
    (length,) = struct.unpack("<I", content[8:12])
    header = json.loads(content[12 : 12 + length])
    public_end = 12 + length + header["public_bytes"]
    return header, content[12 + length : public_end], content[public_end:]


def assembled(header, public, ciphertext, fitting=True):
    """A model file of these parts; unless told otherwise its lengths and its hash fit."""
    if fitting:
        sums = {"public_bytes": len(public), "public_sha256": hashlib.sha256(public).hexdigest()}
        header = {**header, **sums, "sealed_bytes": len(ciphertext)}
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return MAGIC + struct.pack("<I", len(encoded)) + encoded + public + ciphertext


def with_header(content, **fields):
    """The file with other fields in its header."""
    header, public, ciphertext = parts(content)
    return assembled({**header, **fields}, public, ciphertext, fitting=False)


def with_model(content, **fields):
    """The file with another description."""
    header, public, ciphertext = parts(content)
    return assembled({**header, "model": {**header["model"], **fields}}, public, ciphertext)


def with_public(content, archive):
    """The file with another public archive, its hash made to fit."""
    header, _, ciphertext = parts(content)
    return assembled(header, archive, ciphertext)


def npy(header=None, data=b"", **changes):
    """One array file: a header of one's own, or numpy's with some entries changed."""
    if header is None:
        entries = {"descr": "<f4", "fortran_order": False, "shape": (3,), **changes}
        header = f"{{{''.join(f'{name!r}: {value!r}, ' for name, value in entries.items())}}}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def array_file(array):
    """One array file as numpy writes it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zipped(*members, compression=zipfile.ZIP_STORED):
    """An archive of (name, content)."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore")  # two members of one name are meant
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def overlapping(count, size):
    """A bomb without compression: many entries of the directory, all of which point to the same bytes."""
    name, data = b"a.npy", bytes(size)
    local = (20, 0, 0, 0, 0, zlib.crc32(data), size, size, len(name), 0)
    start = struct.pack("<4s5H3L2H", b"PK\3\4", *local) + name + data
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *local, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, count % 65536, len(entry) * count, len(start), 0)
    return start + entry * count + end


def zip64(offset=0, size=10):
    """An archive whose only entry lies or ends beyond what a computer can address."""
    name, data = b"a.npy", bytes(10)
    local = (45, 0, 0, 0, 0, zlib.crc32(data))
    start = struct.pack("<4s5H3L2H", b"PK\3\4", *local, 10, 10, len(name), 0) + name + data
    extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)
    far = 0xFFFFFFFF
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, *local, far, far, len(name), len(extra), 0, 0, 0, 0, far)
    entry += name + extra
    return start + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(start), 0)


def lying_deflation(size):
    """An archive whose member unpacks to far more than its directory says."""
    archive = bytearray(zipped(("public/a.npy", bytes(size)), compression=zipfile.ZIP_DEFLATED))
    for magic, field in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = archive.index(magic) + field
        archive[start : start + 4] = struct.pack("<L", 100)
    return bytes(archive)


def encoded(part):
    """A token's part in base64."""
    return base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=")


def token(claims, sign, header=b'{"alg":"EdDSA","typ":"JWT"}'):
    """A token that PyJWT itself would not make; ``sign`` makes the signature's bytes."""
    body = encoded(header) + b"." + encoded(claims)
    return (body + b"." + encoded(sign(body))).decode()


def claims_of(text):
    """What a license says, with its key."""
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims_of_key(text):
    """The model key in a token that can be read, or a text that occurs nowhere."""
    try:
        return str(claims_of(text)["key"])[:40] or "no key"
    except (ValueError, KeyError, IndexError, RecursionError, TypeError):
        return "no key"


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
    encoded = base64.b64encode(der).decode()
    return f"-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n"


GOOD_ARRAY = array_file(np.ones(3, np.float32))
