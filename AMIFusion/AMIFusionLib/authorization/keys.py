"""The publisher's keys: Ed25519 for signing licenses, a master key from which each model's own is derived."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from AMIFusionLib.input_files import read_input_file

from ..translation import tr as _

MODEL_KEY_BYTES = 32

_LARGEST_KEY_FILE = 4096
"""Of a key with its PEM lines and some comment; parsing other kinds of key takes longer the larger they are."""


def derive_model_key(master_key: bytes, model_id: str, generation: int = 1) -> bytes:
    """A model's 256-bit key: HKDF-SHA256 (RFC 5869) of the master key, without salt.

    The same publisher, model id and generation always give the same key, so that a model trained and sealed again is
    opened by the licenses already issued. A new generation gives an unrelated key.

    Args:
        master_key: 32 bytes.
        model_id: the model's.
        generation: counts from 1; the info is ``amifusion-model:<model id>`` for the first and
            ``amifusion-model-generation:<generation>:<model id>`` for later ones, so that no model id can imitate it.
    """
    info = (
        f"amifusion-model:{model_id}" if generation == 1 else f"amifusion-model-generation:{generation}:{model_id}"
    ).encode()
    return HKDF(algorithm=hashes.SHA256(), length=MODEL_KEY_BYTES, salt=None, info=info).derive(master_key)


def read_master_key(path: Path) -> bytes:
    """Read 32 bytes in hexadecimal.

    Raises:
        ValueError: the file holds something else; the message does not show what.
        OSError: the file cannot be read.
    """
    text = read_input_file(path, _LARGEST_KEY_FILE).decode("ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError(_("{file} is not a master key: it must hold 64 hexadecimal digits.").format(file=path.name))
    return bytes.fromhex(text)


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read the publisher's private key, PEM without a password.

    Raises:
        ValueError: the file holds something else; the message does not show what.
        OSError: the file cannot be read.
    """
    content = read_input_file(path, _LARGEST_KEY_FILE)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (TypeError, UnsupportedAlgorithm, ValueError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(
            _("{file} is not an Ed25519 signing key: it must be PEM, without a password.").format(file=path.name)
        )
    return key


def load_public_key(pem: str) -> Ed25519PublicKey:
    """Parse a publisher's public key.

    Raises:
        ValueError: not an Ed25519 public key in PEM.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode()) if len(pem) <= _LARGEST_KEY_FILE else None
    except (UnsupportedAlgorithm, ValueError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(_("The publisher's public key must be an Ed25519 public key in PEM."))
    return key
