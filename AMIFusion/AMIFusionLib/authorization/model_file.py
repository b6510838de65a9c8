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
import json
import secrets
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from AMIFusionLib.array_archive import pack_arrays, unpack_arrays
from AMIFusionLib.arrays import Array
from AMIFusionLib.input_files import InputFileError, parse_json, read_input_file
from AMIFusionLib.whole_output import whole

from ..translation import tr as _
from .errors import LicenseKeyError, ModelFileError
from .keys import MODEL_KEY_BYTES, load_public_key
from .revocation import check_revocation_url

FORMAT_VERSION = 2
"""The newest that is read. Version 2 says more of its model than 1; a model of which there is no more to say is still
written as 1, so that every version of AMIFusion reads it."""

_MAGIC = b"AMIFMODL"
_LENGTH = struct.Struct("<I")
_NONCE_BYTES, _TAG_BYTES = 12, 16
_LARGEST_HEADER = 1 << 20
_LARGEST_FILE = 1 << 30
_LARGEST_GENERATION = 1_000_000
_LATER_FIELDS = {"generation": 1, "revocation_url": ""}
"""What version 2 added, with the values that version 1 stands for."""

_LONGEST_FIELD = 1000
_LARGEST_HYPERPARAMETER = 1 << 16
_DAMAGES = (AttributeError, KeyError, TypeError, ValueError, struct.error)
"""What parsing a header and archives raises on content that was cut off or changed."""

Parameters = dict[str, Array]


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
        generation: counts from 1 how often the model's key was exchanged; licenses are for one generation.
        revocation_url: where the publisher's revocation list is, https; empty if nowhere.
    """

    model_id: str
    title: str
    architecture: str
    hyperparameters: dict[str, int]
    publisher: str
    contact: str
    public_key: str
    license_terms: str
    generation: int = 1
    revocation_url: str = ""


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
            return {**self.public_parameters, **unpack_arrays(archive)}
        except _DAMAGES as error:
            raise ModelFileError(
                _(
                    "The sealed part of the model '{model}' is damaged. Ask {contact} for a new copy of the model file."
                ).format(model=self.description.title, contact=self.description.contact)
            ) from error


def seal_model(
    path: Path, description: ModelDescription, public: Mapping[str, Array], sealed: Mapping[str, Array],
    model_key: bytes,
) -> None:  # fmt: skip
    """Write a model file, at once or not at all.

    Args:
        path: where to; an existing file is replaced, folders above it are made.
        description: the public part of the header.
        public: parameters that anyone may read.
        sealed: parameters that only a license opens; each has a public value of the same shape.
        model_key: 32 bytes.

    Raises:
        ValueError: a key of another length, an incomplete description, nothing to seal, a sealed parameter without a
            public value of its shape, or parameters that ``pack_arrays`` does not take.
        OSError: it cannot be written.
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
    public_archive, sealed_archive = pack_arrays(public), pack_arrays(sealed)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    header = {
        **_versioned(description),
        "public_bytes": len(public_archive),
        "sealed_bytes": len(sealed_archive) + _TAG_BYTES,
        "public_sha256": hashlib.sha256(public_archive).hexdigest(),
        "nonce": b64encode(nonce).decode(),
    }
    encoded = json.dumps(header, indent=1, sort_keys=True).encode()
    head = _MAGIC + _LENGTH.pack(len(encoded)) + encoded
    ciphertext = AESGCM(model_key).encrypt(nonce, sealed_archive, head)
    with whole(path) as place:
        place.write_bytes(head + public_archive + ciphertext)


def read_model(path: Path) -> SealedModel:
    """Read a model file without opening what is sealed.

    Raises:
        ModelFileError: not a model file, a damaged one, or one of a newer format.
        OSError: the file cannot be read.

    It takes no more memory than some five times the file's size and 64 MiB.
    """
    try:
        content = read_input_file(path, _LARGEST_FILE)
    except InputFileError as error:
        raise ModelFileError(str(error)) from None
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
    header = parse_json(head[start:])
    lengths = [header[name] for name in ("format_version", "public_bytes", "sealed_bytes")]
    if not all(type(length) is int and 0 < length <= _LARGEST_FILE for length in lengths):
        raise ValueError("no lengths")
    if header["format_version"] > FORMAT_VERSION:
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
        unpack_arrays(public_archive),
        hashlib.sha256(content).hexdigest(),
        nonce,
        ciphertext,
        head,
    )


def check_description(description: ModelDescription) -> None:
    """Refuse a description that licenses could not refer to.

    Raises:
        ValueError: an empty field, one that is no text of one line, a public key that is none, or a hyper-parameter
            that is no whole number or out of range, an impossible generation, or an address that no list may be
            fetched from.
    """
    for field_ in dataclasses.fields(description):
        value = getattr(description, field_.name)
        if field_.name in ("hyperparameters", *_LATER_FIELDS):
            continue
        name = field_.name.replace("_", " ")
        if not (isinstance(value, str) and value.strip()):
            raise ValueError(_("A model needs a text for its {field}.").format(field=name))
        # They are shown in sentences and kept in scenes, neither of which takes every character.
        if field_.name != "public_key" and (len(value) > _LONGEST_FIELD or not value.isprintable()):
            raise ValueError(
                _("A model's {field} must be one line of at most {count} printable characters.").format(
                    field=name, count=_LONGEST_FIELD
                )
            )
    load_public_key(description.public_key)
    for size in description.hyperparameters.values():
        if type(size) is not int or not 0 < size <= _LARGEST_HYPERPARAMETER:
            raise ValueError(
                _("A model's hyperparameters must be whole numbers from 1 to {largest}.").format(
                    largest=_LARGEST_HYPERPARAMETER
                )
            )
    if type(description.generation) is not int or not 1 <= description.generation <= _LARGEST_GENERATION:
        raise ValueError(
            _("A model's generation must be a whole number from 1 to {count}.").format(count=_LARGEST_GENERATION)
        )
    if description.revocation_url != "":
        check_revocation_url(str(description.revocation_url))


def _versioned(description: ModelDescription) -> dict[str, Any]:
    """A description for the header, as the oldest version of the format that can say it."""
    fields = dataclasses.asdict(description)
    version = 1 if all(fields[name] == value for name, value in _LATER_FIELDS.items()) else FORMAT_VERSION
    if version == 1:
        fields = {name: value for name, value in fields.items() if name not in _LATER_FIELDS}
    return {"format_version": version, "model": fields}


def _description(fields: dict[str, Any]) -> ModelDescription:
    """The header's description, if every field is of its kind."""
    description = ModelDescription(**fields)
    check_description(description)
    return description
