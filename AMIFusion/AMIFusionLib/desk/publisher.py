"""A publisher: a folder with its name and its keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from AMIFusionLib.input_files import parse_json, read_input_file
from AMIFusionLib.whole_output import whole

from .files import check_one_line, write_private

_CARD_NAME = "publisher.json"
_LARGEST_CARD = 1 << 16
_MASTER_KEY_BYTES = 32


@dataclass(frozen=True)
class Publisher:
    """Who issues licenses, and where the keys are.

    Attributes:
        folder: of the publisher's files.
        name: what models and licenses say of who issued them.
        contact: where users ask for a license: an address or a page.
    """

    folder: Path
    name: str
    contact: str

    @property
    def signing_key(self) -> Path:
        """The Ed25519 private key, PEM: signs licenses and revocation lists."""
        return self.folder / "signing.pem"

    @property
    def public_key(self) -> Path:
        """Its public half, PEM: goes into model files."""
        return self.folder / "public.pem"

    @property
    def master_key(self) -> Path:
        """32 bytes in hexadecimal, from which the models' keys are derived."""
        return self.folder / "master.key"


def create_publisher(folder: Path, name: str, contact: str) -> Publisher:
    """Make keys that nobody has had before, in a new folder that only its owner may read.

    Args:
        folder: where to; must not be there, or be empty.
        name, contact: see ``Publisher``.

    Raises:
        ValueError: a name or a contact that cannot be shown.
        FileExistsError: something is there: keys are never replaced, because licenses and models would be lost with
            them.
        OSError: it cannot be written; nothing is left.
    """
    check_one_line(name, "A publisher's name")
    check_one_line(contact, "A publisher's contact")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already, and keys are never replaced. Choose another folder.")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    card = json.dumps({"name": name, "contact": contact}, indent=2, ensure_ascii=False)
    with whole(folder, folder=True) as place:
        place.chmod(0o700)
        made = Publisher(place, name, contact)
        write_private(made.signing_key, private.decode())
        write_private(made.public_key, public.decode())
        write_private(made.master_key, secrets.token_hex(_MASTER_KEY_BYTES) + "\n")
        write_private(place / _CARD_NAME, card + "\n")
    return Publisher(folder, name, contact)


def read_publisher(folder: Path) -> Publisher:
    """Read a publisher's name and contact; keys are read where they are needed.

    Raises:
        ValueError: not a publisher's folder.
        OSError: it cannot be read.
    """
    try:
        card = parse_json(read_input_file(folder / _CARD_NAME, _LARGEST_CARD))
        name, contact = card["name"], card["contact"]
        check_one_line(name, "A publisher's name")
        check_one_line(contact, "A publisher's contact")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"{folder / _CARD_NAME} does not say name and contact. Name a folder that amifusion publisher new made."
        ) from None
    return Publisher(folder, name, contact)
