"""Revokes licenses, and exchanges a model's key."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from AMIFusionLib.authorization.errors import RevocationListError
from AMIFusionLib.authorization.keys import derive_model_key
from AMIFusionLib.authorization.license import license_number, read_license_file
from AMIFusionLib.authorization.model_file import SealedModel, seal_model
from AMIFusionLib.authorization.revocation import (
    RevocationList,
    is_license_number,
    issue_revocation_list,
    next_sequence,
    read_revocation_list,
)
from AMIFusionLib.revocations import read_list_file
from AMIFusionLib.whole_output import check_free, write_text

from .issuing import open_as_owner
from .lock import locked

_LONGEST_PATH = 255


def public_half(signing_key: Ed25519PrivateKey) -> str:
    """The public key of a private one, PEM."""
    encoding, layout = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return signing_key.public_key().public_bytes(encoding, layout).decode()


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are neither numbers of licenses nor files.

    Raises:
        ValueError: without the name, which could be a license, given instead of its file.
    """
    for name in names:
        # A name that is too long for a file raises an error that shows it.
        if not is_license_number(name.strip().lower()) and (len(name) > _LONGEST_PATH or not Path(name).exists()):
            raise ValueError("There is neither a license number nor a license file of a name that was given.")


def named_licenses(names: Sequence[str], signing_key: Ed25519PrivateKey) -> list[str]:
    """The numbers of licenses that are named by number or by file.

    Raises:
        ValueError: neither, or a license that this publisher did not sign.
        OSError: a file cannot be read.
    """
    check_names(names)
    numbers = []
    for name in names:
        if is_license_number(name.strip().lower()):
            numbers.append(name.strip().lower())
            continue
        text = read_license_file(Path(name))
        number = license_number(text, public_half(signing_key))
        if not is_license_number(number):
            raise ValueError(f"The license in {Path(name).name} has no number that a list can hold.")
        numbers.append(number)
    return numbers


def revoke(
    path: Path, numbers: Sequence[str], signing_key: Ed25519PrivateKey, next_update: datetime, issuer: str = ""
) -> tuple[RevocationList, bool]:
    """Write a list with more licenses on it, instead of the one before; without more it is renewed.

    Args:
        path: of the list; it is made if it is not there.
        numbers: of the licenses to revoke.
        signing_key: the publisher's.
        next_update: when users should look for the next list, with a time zone.
        issuer: the publisher's name; empty for that on the list before.

    Returns:
        The list, and whether there was none before it.

    Raises:
        ValueError: the list before is broken or another publisher's, there is no name, or the update is no later than
            now; the list before is then as it was.
        OSError: something cannot be read or written.
    """
    if not issuer and not path.exists():
        raise ValueError("A new list needs the publisher's name. Give --keys or --publisher.")
    if next_update <= datetime.now(timezone.utc):
        raise ValueError("The next update must be later than now. Choose a later day.")
    public_key = public_half(signing_key)
    path = path.resolve()  # behind a link lies the list that is published

    def make() -> tuple[str, RevocationList, bool]:
        before, now = _list_before(path, public_key), datetime.now(timezone.utc)
        revoked = {**{number: now for number in numbers}, **(before.revoked if before else {})}
        name = issuer or (before.issuer if before else "")
        text = issue_revocation_list(name, revoked, signing_key, next_sequence(before, now), now, next_update)
        return text, read_revocation_list(text, public_key), before is None

    make()  # what is refused is so before there is a lock, which would stay
    with locked(path):
        text, made, is_new = make()
        write_text(path, text)
    return made, is_new


def rotate_model(
    model: SealedModel, master_key: bytes, target: Path, overwrite: bool = False, revocation_url: str | None = None
) -> int:
    """Seal the same parameters again under the next generation of the model's key.

    Args:
        model: the model as it is.
        master_key: the publisher's.
        target: the file to write.
        overwrite: whether it may be replaced.
        revocation_url: the address of the publisher's list; None leaves it as it is.

    Returns:
        The new generation.

    Raises:
        ValueError: the master key does not open the model, or no such address.
        OSError: it cannot be written.
    """
    check_free(target, overwrite, folder=False)
    _old_key, parameters = open_as_owner(model, master_key)
    before = model.description
    description = dataclasses.replace(
        before,
        generation=before.generation + 1,
        revocation_url=before.revocation_url if revocation_url is None else revocation_url,
    )
    key = derive_model_key(master_key, description.model_id, description.generation)
    seal_model(target, description, model.public_parameters, parameters, key)
    return description.generation


def _list_before(path: Path, public_key: str) -> RevocationList | None:
    if not path.exists():
        return None
    try:
        return read_list_file(path, public_key)
    except RevocationListError as error:
        raise ValueError(
            f"{path.name}: {error} Give the list that this signing key made, or a new file's name."
        ) from None
