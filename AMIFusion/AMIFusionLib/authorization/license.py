"""Licenses: JSON Web Tokens signed with Ed25519 (RFC 8037) that carry a model's key."""

from __future__ import annotations

import binascii
import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from AMIFusionLib.input_files import read_input_file
from AMIFusionLib.license_store import LARGEST_BYTES

from ..translation import tr as _
from .errors import (
    LicenseExpiredError,
    LicenseFormatError,
    LicenseGenerationError,
    LicenseModelError,
    LicenseNotYetValidError,
    LicenseSignatureError,
)
from .keys import MODEL_KEY_BYTES, load_public_key
from .model_file import ModelDescription

CLOCK_LEEWAY = timedelta(minutes=5)
"""How far the user's clock may be off."""

_ALGORITHM = "EdDSA"
_LONGEST_TEXT = 16384
_LONGEST_NAME = 200
_BREAKS = re.compile(r"[\s>=\"'`\u00ab\u00ad\u00bb\u200b-\u200d\u2018-\u201f\u2060\ufeff]+")
"""What mail programs, word processors and editors put into a long line: breaks and soft breaks, quotation marks, marks
of zero width. No token holds any of them."""

_REFUSALS = (jwt.PyJWTError, OverflowError, RecursionError, TypeError, ValueError)
"""What reading a token raises, before and after its signature was found genuine, in all versions of PyJWT."""

_TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}", re.ASCII)
"""Header and claims, which begin with {" in base64, and 64 bytes of signature."""

_REQUIRED_CLAIMS = ("iss", "sub", "model", "nbf", "exp", "jti", "key")


@dataclass(frozen=True)
class License:
    """A license that was checked and holds.

    Attributes:
        licensee: to whom it was given.
        issuer: the publisher's name.
        model_id: the model it opens.
        not_before, expires: UTC.
        token_id: names this license, for revocation.
        model_key: 32 bytes; never shown.
    """

    licensee: str
    issuer: str
    model_id: str
    not_before: datetime
    expires: datetime
    token_id: str
    model_key: bytes = field(repr=False)


def issue_license(
    model: ModelDescription, model_key: bytes, signing_key: Ed25519PrivateKey, licensee: str,
    not_before: datetime, expires: datetime,
) -> str:  # fmt: skip
    """Make a license for one model.

    Args:
        model: what the license opens.
        model_key: 32 bytes.
        signing_key: the private half of the model's publisher key.
        licensee: to whom it is given; people read it on the panel.
        not_before, expires: with a time zone.

    Returns:
        The license, one line.

    Raises:
        ValueError: no licensee or one that cannot be shown, an end before the start, a model key of another length, or
            a signing key that is not this model's publisher's.
    """
    if not licensee.strip():
        raise ValueError(_("A license needs the name of its licensee."))
    if len(licensee) > _LONGEST_NAME or not licensee.isprintable():
        raise ValueError(
            _("The licensee's name must be one line of at most {count} printable characters.").format(
                count=_LONGEST_NAME
            )
        )
    if expires <= not_before:
        raise ValueError(_("A license must end after it begins."))
    if len(model_key) != MODEL_KEY_BYTES:
        raise ValueError(_("A model key has {count} bytes.").format(count=MODEL_KEY_BYTES))
    if signing_key.public_key() != load_public_key(model.public_key):
        raise ValueError(_("The signing key is not that of the publisher of '{model}'.").format(model=model.model_id))
    claims = {
        "iss": model.publisher,
        "sub": licensee,
        "model": model.model_id,
        "iat": datetime.now(timezone.utc),
        "nbf": not_before,
        "exp": expires,
        "jti": str(uuid.uuid4()),
        "key": urlsafe_b64encode(model_key).decode(),
    }
    if model.generation != 1:
        claims["generation"] = model.generation
    return jwt.encode(claims, signing_key, algorithm=_ALGORITHM)


def license_file_text(license_text: str) -> str:
    """A license as a file whose head people can read; ``check_license`` takes the whole text."""
    shown = inspect_license(license_text)
    return (
        "# AMIFusion license\n"
        "# Open this file at License in AMIFusion's panel, or paste all of it there. Keep it to yourself: whoever\n"
        "# has it can use the model in your name.\n"
        f"# Model:    {' '.join(shown['model'].split())}\n"
        f"# Licensee: {' '.join(shown['sub'].split())}\n"
        f"# Issuer:   {' '.join(shown['iss'].split())}\n"
        f"# Valid:    {shown['nbf']} to {shown['exp']} (0:00 UTC)\n"
        f"# Number:   {shown['jti']}\n"
        f"{license_text}\n"
    )


def read_license_file(path: Path) -> str:
    """The text of a license file, whatever it holds: bytes that are no UTF-8 are replaced.

    Raises:
        InputFileError: no plain file, or one of more than ``license_store.LARGEST_BYTES``.
        OSError: the file is not there or cannot be opened.
    """
    return read_input_file(Path(path), LARGEST_BYTES).decode("utf-8-sig", errors="replace")


def check_license(text: str, model: ModelDescription) -> License:
    """Check a license against a model, offline.

    Args:
        text: a license as pasted or as read from a file; line breaks and the file's head do not matter.
        model: what it should open.

    Raises:
        LicenseError: one of its subclasses, each with a sentence for the user. Exceptions of the parts below are not
            chained, because their text or their frames could show the license.
    """
    token, public_key = _token(text), load_public_key(model.public_key)
    try:
        claims = jwt.decode(
            token,
            public_key,
            algorithms=[_ALGORITHM],
            leeway=CLOCK_LEEWAY,
            options={"require": list(_REQUIRED_CLAIMS), "verify_aud": False},
        )
    except _REFUSALS as error:
        failure = _failure(error, token, model)
    else:
        return _license(claims, model)
    raise failure


def inspect_license(text: str) -> dict[str, str]:
    """What a license says, unchecked and without its key.

    Raises:
        LicenseFormatError: not a license.
    """
    claims = _unverified_claims(_token(text))
    if claims is None:
        raise _format_error()
    shown = {name: _shown(claims.get(name)) for name in ("model", "sub", "iss", "jti")}
    return {**shown, "nbf": _day(claims.get("nbf")), "exp": _day(claims.get("exp"))}


def license_number(text: str, public_key: str) -> str:
    """The number of a license that the publisher of a public key (PEM) signed, whether or not it has expired.

    Raises:
        LicenseFormatError: not a license.
        LicenseSignatureError: not this publisher's.
    """
    token, key = _token(text), load_public_key(public_key)
    try:
        jwt.PyJWS().decode(token, key, algorithms=[_ALGORITHM])
        claims = _unverified_claims(token)
    except _REFUSALS:
        claims = None
    if claims is None:
        raise LicenseSignatureError(_("This license was not signed with this key, or it was changed afterwards."))
    identifier = claims.get("jti")
    if not isinstance(identifier, str):
        raise _format_error()
    return identifier


def _license(claims: dict[str, Any], model: ModelDescription) -> License:
    if claims["model"] != model.model_id:
        raise LicenseModelError(
            _(
                "This license is for the model '{licensed}', not for '{model}'. Choose that model, or ask {contact} "
                "for a license of this one."
            ).format(licensed=_shown(claims["model"]), model=model.model_id, contact=model.contact)
        )
    if claims.get("generation", 1) != model.generation:
        raise LicenseGenerationError(
            _(
                "This license is for another generation of the model '{model}': its publisher has exchanged the "
                "model's key. Ask {contact} for a license and the model file that belong together."
            ).format(model=model.title, contact=model.contact)
        )
    key, first, last = _decoded_key(claims["key"]), _moment(claims["nbf"]), _moment(claims["exp"])
    # Versions of PyJWT differ in what they take for an issuer, a subject and an id.
    are_texts = all(isinstance(claims[name], str) for name in ("iss", "sub", "jti"))
    if key is None or first is None or last is None or not are_texts:
        raise _format_error()
    return License(
        licensee=_shown(claims["sub"]),
        issuer=_shown(claims["iss"]),
        model_id=model.model_id,
        not_before=first,
        expires=last,
        token_id=_shown(claims["jti"]),
        model_key=key,
    )


def _failure(error: Exception, token: str, model: ModelDescription) -> Exception:
    """Our exception for one of PyJWT's."""
    claims = _unverified_claims(token) or {}
    if isinstance(error, jwt.ExpiredSignatureError):
        return LicenseExpiredError(
            _("This license expired on {day}. Ask {contact} for a new one.").format(
                day=_day(claims.get("exp")), contact=model.contact
            )
        )
    if isinstance(error, jwt.ImmatureSignatureError):
        return LicenseNotYetValidError(
            _(
                "This license is valid from {day}. Use it from then on; if that day is past, correct this computer's "
                "clock."
            ).format(day=_day(claims.get("nbf")))
        )
    if isinstance(error, (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)):
        return LicenseSignatureError(
            _(
                "This license was not issued by {publisher}, the publisher of the model '{model}', or it was changed "
                "afterwards. Enter it again as you received it, or ask {contact}."
            ).format(publisher=model.publisher, model=model.title, contact=model.contact)
        )
    return _format_error()


def _token(text: object) -> str:
    """The token in a text: wrapped, quoted, with the head of a license file or with other words around it."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise _format_error()
    tokens: list[str] = _TOKEN.findall(_BREAKS.sub("", text))
    if not tokens:
        raise _format_error()
    return tokens[-1]


def _unverified_claims(token: str) -> dict[str, Any] | None:
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_nbf": False})
    except _REFUSALS:
        return None


def _decoded_key(encoded: object) -> bytes | None:
    try:
        key = urlsafe_b64decode(str(encoded).encode())
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == MODEL_KEY_BYTES else None


def _moment(timestamp: object) -> datetime | None:
    """A NumericDate (RFC 7519), or None where it is beyond the calendar."""
    try:
        return datetime.fromtimestamp(float(_shown(timestamp)), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _shown(claim: object) -> str:
    """A claim in one line that a panel, a terminal and a scene can take; empty where it is no text and no number."""
    if not isinstance(claim, (str, int, float)):
        return ""
    return "".join(each if each.isprintable() else " " for each in str(claim)[:_LONGEST_NAME]).strip()


def _day(timestamp: object) -> str:
    moment = _moment(timestamp)
    return f"{moment:%Y-%m-%d}" if moment else _("an unknown day")


def _format_error() -> LicenseFormatError:
    return LicenseFormatError(
        _("This is not a complete license. Paste the whole text that you received, or open the license file.")
    )
