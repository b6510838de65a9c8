"""The sealed model file: what anyone may have in the clear, what a license opens under AES-256-GCM.

Layout, in this order and nothing after it::

    8 bytes     b"AMIFMODL"
    4 bytes     length of the header, little endian
    header      JSON, UTF-8
    public      npz archive of float32 arrays, uncompressed
    sealed      AES-256-GCM ciphertext and tag of a second such archive

The header holds the lengths of both archives, so that a file that was cut off is noticed without a key.

The bytes before the public archive are the ciphertext's associated data, and the header holds the public archive's
SHA-256: whoever changes anything makes a file that no license opens.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
import secrets
import struct
import tokenize
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.lib import format as npy_format

from ..translation import tr as _
from .errors import LicenseKeyError, ModelFileError
from .keys import MODEL_KEY_BYTES, load_public_key

FORMAT_VERSION = 1

_MAGIC = b"AMIFMODL"
_LENGTH = struct.Struct("<I")
_NONCE_BYTES, _TAG_BYTES = 12, 16
_LARGEST_HEADER = 1 << 20
_LARGEST_FILE = 1 << 30

_DAMAGES = (
    AttributeError, EOFError, KeyError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip
"""What parsing JSON, zip archives and array headers raises on content that was cut off or changed."""

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class ModelDescription:
    """What a model file says of its model, all of it public.

    Attributes:
        model_id: the name that licenses refer to; kept when a model is trained or sealed again.
        title: the name that users see.
        architecture: a key of ``fusion.network.ARCHITECTURES``.
        hyperparameters: that architecture's keyword arguments.
        publisher: who issues the licenses.
        contact: where to ask for one.
        public_key: the publisher's Ed25519 key, PEM.
        license_terms: under what conditions the model may be used.
    """

    model_id: str
    title: str
    architecture: str
    hyperparameters: dict[str, int]
    publisher: str
    contact: str
    public_key: str
    license_terms: str


@dataclass(frozen=True)
class SealedModel:
    """A model file in memory.

    Attributes:
        description: the header's public part.
        public_parameters: name to float32 array; enough to run the network, marked.
        sha256: of the whole file, hexadecimal; names the exact model a result was made with.
    """

    description: ModelDescription
    public_parameters: Parameters
    sha256: str
    _nonce: bytes = field(repr=False)
    _ciphertext: bytes = field(repr=False)
    _associated_data: bytes = field(repr=False)

    def open_parameters(self, model_key: bytes) -> Parameters:
        """All parameters of the licensed network: the sealed ones in the place of the public ones.

        Args:
            model_key: 32 bytes.

        Raises:
            LicenseKeyError: the key does not open this file.
            ModelFileError: the key opens it, but what is inside is not a set of parameters.
        """
        try:
            archive = AESGCM(model_key).decrypt(self._nonce, self._ciphertext, self._associated_data)
        except (InvalidTag, ValueError):
            raise LicenseKeyError(
                _(
                    "This license does not open this copy of the model '{model}': the model file was changed, or "
                    "sealed with another key. Ask {contact} for a matching pair."
                ).format(model=self.description.title, contact=self.description.contact)
            ) from None
        try:
            return {**self.public_parameters, **_unpack(archive)}
        except _DAMAGES as error:
            raise ModelFileError(
                _(
                    "The sealed part of the model '{model}' is damaged. Ask {contact} for a new copy of the model file."
                ).format(model=self.description.title, contact=self.description.contact)
            ) from error


def seal_model(
    path: Path, description: ModelDescription, public: Mapping[str, np.ndarray], sealed: Mapping[str, np.ndarray],
    model_key: bytes,
) -> None:  # fmt: skip
    """Write a model file, at once or not at all.

    Args:
        path: where to; an existing file is replaced.
        description: the public part of the header.
        public: parameters that anyone may read.
        sealed: parameters that only a license opens; each has a public value of the same shape.
        model_key: 32 bytes.

    Raises:
        ValueError: a key of another length, an incomplete description, nothing to seal, or a sealed parameter without a
            public value of its shape.
    """
    if len(model_key) != MODEL_KEY_BYTES:
        raise ValueError(_("A model key has {count} bytes.").format(count=MODEL_KEY_BYTES))
    check_description(description)
    if not sealed:
        raise ValueError(_("There is nothing to seal."))
    for name, value in sealed.items():
        if name not in public or np.shape(public[name]) != np.shape(value):
            raise ValueError(
                _("The sealed parameter '{name}' has no public value of the same shape.").format(name=name)
            )
    public_archive, sealed_archive = _pack(public), _pack(sealed)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    header = {
        "format_version": FORMAT_VERSION,
        "model": dataclasses.asdict(description),
        "public_bytes": len(public_archive),
        "sealed_bytes": len(sealed_archive) + _TAG_BYTES,
        "public_sha256": hashlib.sha256(public_archive).hexdigest(),
        "nonce": b64encode(nonce).decode(),
    }
    encoded = json.dumps(header, indent=1, sort_keys=True).encode()
    head = _MAGIC + _LENGTH.pack(len(encoded)) + encoded
    ciphertext = AESGCM(model_key).encrypt(nonce, sealed_archive, head)
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_bytes(head + public_archive + ciphertext)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_model(path: Path) -> SealedModel:
    """Read a model file without opening what is sealed.

    Raises:
        ModelFileError: not a model file, a damaged one, or one of a newer format.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise ModelFileError(_("{file} is too large for an AMIFusion model file.").format(file=path.name))
    content = path.read_bytes()
    if content[: len(_MAGIC)] != _MAGIC:
        raise ModelFileError(
            _("{file} is not an AMIFusion model file. Choose a file whose name ends in .amif.").format(file=path.name)
        )
    try:
        return _parse(content)
    except ModelFileError:
        raise
    except _DAMAGES as error:
        raise ModelFileError(
            _("{file} is damaged: it was cut off or changed. Get a new copy of the model file.").format(file=path.name)
        ) from error


def _parse(content: bytes) -> SealedModel:
    start = len(_MAGIC) + _LENGTH.size
    (header_bytes,) = _LENGTH.unpack(content[len(_MAGIC) : start])
    if header_bytes > _LARGEST_HEADER:
        raise ValueError("header too long")
    head = content[: start + header_bytes]
    header = json.loads(head[start:])
    if header["format_version"] != FORMAT_VERSION:
        raise ModelFileError(
            _("This model file has format {found}, this version of AMIFusion reads {known}. Update AMIFusion.").format(
                found=header["format_version"], known=FORMAT_VERSION
            )
        )
    public_end = len(head) + header["public_bytes"]
    public_archive, ciphertext = content[len(head) : public_end], content[public_end:]
    nonce = b64decode(header["nonce"], validate=True)
    if not _TAG_BYTES < len(ciphertext) == header["sealed_bytes"] or len(nonce) != _NONCE_BYTES:
        raise ValueError("sealed parameters cut off")
    if hashlib.sha256(public_archive).hexdigest() != header["public_sha256"]:
        raise ValueError("public parameters changed")
    return SealedModel(
        _description(header["model"]),
        _unpack(public_archive),
        hashlib.sha256(content).hexdigest(),
        nonce,
        ciphertext,
        head,
    )


def check_description(description: ModelDescription) -> None:
    """Refuse a description that licenses could not refer to.

    Raises:
        ValueError: an empty field, one that is no text, or a public key that is none.
    """
    for field_ in dataclasses.fields(description):
        value = getattr(description, field_.name)
        if field_.name != "hyperparameters" and not (isinstance(value, str) and value.strip()):
            raise ValueError(_("A model needs a text for its {field}.").format(field=field_.name.replace("_", " ")))
    load_public_key(description.public_key)


def _description(fields: dict) -> ModelDescription:
    """The header's description, if every field is of its kind."""
    description = ModelDescription(**fields)
    check_description(description)
    if not all(type(value) is int for value in description.hyperparameters.values()):
        raise TypeError("a hyper-parameter is no whole number")
    return description


def _pack(parameters: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(value, dtype=np.float32) for name, value in parameters.items()})
    return buffer.getvalue()


def _unpack(archive: bytes) -> Parameters:
    """Read what ``_pack`` wrote, and nothing that claims to be larger than it is.

    numpy's own reader allocates what an array's header announces before it looks for the data.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
            raise ModelFileError(_("The model file's parameters are compressed, which its format does not allow."))
        return {name.removesuffix(".npy"): _array(members.read(name)) for name in members.namelist()}


def _array(content: bytes) -> np.ndarray:
    """One array of an npz archive, float32 in C order."""
    stream = io.BytesIO(content)
    if npy_format.read_magic(stream) != (1, 0):
        raise ValueError("unknown array format")
    shape, fortran_order, dtype = npy_format.read_array_header_1_0(stream)
    if dtype != np.float32 or fortran_order or 4 * math.prod(shape) != len(content) - stream.tell():
        raise ValueError("not the array that its header announces")
    return np.frombuffer(content, np.float32, offset=stream.tell()).reshape(shape).copy()
