"""Revocation lists: which licenses a publisher has withdrawn, as a compact JWS (RFC 7515) signed with its key.

A list is one text file. Its head, lines that begin with #, is for people and counts for nothing; what follows is the
signed token, in lines. Every list holds all that were revoked before it, and its sequence number is larger than that of
every list before: whoever has seen one takes none with a smaller number.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from AMIFusionLib.input_files import parse_json

from ..translation import tr as _
from .errors import RevocationListError, RevocationSignatureError
from .keys import load_public_key

LARGEST_LIST = 1 << 20
"""Bytes of a list's file; more is not read."""

MOST_REVOKED = 8000
"""Licenses in one list: about 120 bytes each."""

_ALGORITHM = "EdDSA"
_TYPE = "amifusion-revocations"
_TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}", re.ASCII)
_NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LARGEST_SEQUENCE = 1 << 53
_LONGEST_NAME = 200
_LONGEST_ADDRESS = 500
_UNSAFE = frozenset(' "<>\\^`{|}')
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_REFUSALS = (jwt.PyJWTError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class RevocationList:
    """A list whose signature was found genuine.

    Attributes:
        issuer: the publisher's name.
        sequence: larger than that of every list before.
        issued, next_update: UTC; after the second one a newer list should be there.
        revoked: license number to the moment of its revocation, UTC.
        public_key: the publisher's key that the list was checked with, PEM.
    """

    issuer: str
    sequence: int
    issued: datetime
    next_update: datetime
    revoked: Mapping[str, datetime] = field(repr=False)
    public_key: str = field(repr=False)

    def is_stale(self, now: datetime | None = None) -> bool:
        """Whether a newer list should be there; says nothing about those in this one, who stay revoked."""
        return (now or datetime.now(timezone.utc)) > self.next_update


def issue_revocation_list(
    issuer: str, revoked: Mapping[str, datetime], signing_key: Ed25519PrivateKey, sequence: int, issued: datetime,
    next_update: datetime,
) -> str:  # fmt: skip
    """Make a list's file; the same arguments always give the same text.

    Args:
        issuer: the publisher's name.
        revoked: license number to the moment of its revocation.
        signing_key: the key that signed the licenses.
        sequence: see ``next_sequence``.
        issued, next_update: with a time zone; seconds count, parts of them do not.

    Raises:
        ValueError: a number that no license has, too many of them, no issuer, or an update before the issue.
    """
    payload = {
        "iss": issuer,
        "seq": sequence,
        "iat": int(issued.timestamp()),
        "next": int(next_update.timestamp()),
        "revoked": {number: int(moment.timestamp()) for number, moment in sorted(revoked.items())},
    }
    if not _is_list(payload):
        raise ValueError(
            _(
                "A revocation list needs a publisher's name, at most {count} license numbers, and a next update after "
                "its issue."
            ).format(count=MOST_REVOKED)
        )
    # jwt.encode would check dates as those of a license.
    token = jwt.PyJWS().encode(_json(payload), signing_key, algorithm=_ALGORITHM, headers={"typ": _TYPE})
    return _head(payload) + "\n".join(textwrap.wrap(token, 120, break_on_hyphens=False)) + "\n"


def next_sequence(previous: RevocationList | None, now: datetime) -> int:
    """The number of a new list: the time in seconds, or one more than the last list's where that is larger.

    A publisher who goes on from an old copy of the list thus still makes one that everybody takes.
    """
    return max(int(now.timestamp()), previous.sequence + 1 if previous else 1)


def read_revocation_list(text: object, public_key: str) -> RevocationList:
    """Check a list's signature and take it apart.

    The clock of this computer does not matter: a list that seems to come from the future is one all the same.

    Args:
        text: the file's content.
        public_key: the publisher's, PEM.

    Raises:
        RevocationSignatureError: changed, or somebody else's.
        RevocationListError: not a whole list.
        ValueError: not a public key.
    """
    token, key = _token(text), load_public_key(public_key)
    try:
        decoded = jwt.PyJWS().decode_complete(token, key, algorithms=[_ALGORITHM])
        content: Any = parse_json(decoded["payload"]) if decoded["header"].get("typ") == _TYPE else None
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
        failure: Exception | None = RevocationSignatureError(
            _("This revocation list was changed, or is not from the model's publisher. It does not count.")
        )
    except _REFUSALS:
        failure = _format_error()
    else:
        failure = None if _is_list(content) else _format_error()
    if failure is not None:
        raise failure
    return RevocationList(
        issuer=content["iss"],
        sequence=content["seq"],
        issued=_moment(content["iat"]),
        next_update=_moment(content["next"]),
        revoked={number: _moment(second) for number, second in content["revoked"].items()},
        public_key=public_key,
    )


def is_license_number(text: str) -> bool:
    """Whether a text has the form of a license's number."""
    return bool(_NUMBER.fullmatch(text))


def newest(lists: Iterable[RevocationList | None]) -> RevocationList | None:
    """The list with the largest sequence number."""
    return max((each for each in lists if each is not None), key=lambda each: each.sequence, default=None)


def check_revocation_url(url: str) -> None:
    """Refuse an address that a list must not be fetched from.

    Raises:
        ValueError: neither https nor, on this computer itself, http; or with a password, spaces or no host in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    is_plain = len(url) <= _LONGEST_ADDRESS and url.isascii() and url.isprintable() and not set(url) & _UNSAFE
    if (
        not host
        or port == 0
        or not is_plain
        or "@" in parts.netloc
        or parts.fragment
        or not _is_safe(parts.scheme, host)
    ):
        raise ValueError(_("The address of a revocation list must begin with https:// and hold no password."))


def _is_safe(scheme: str, host: str) -> bool:
    return scheme == "https" or (scheme == "http" and host in _LOCAL_HOSTS)


def _json(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()


def _head(payload: dict[str, Any]) -> str:
    lines = [
        "AMIFusion revocation list",
        f"Issuer:      {payload['iss']}",
        f"Sequence:    {payload['seq']}",
        f"Issued:      {_moment(payload['iat']):%Y-%m-%d %H:%M} UTC",
        f"Next update: {_moment(payload['next']):%Y-%m-%d %H:%M} UTC",
        f"Revoked:     {len(payload['revoked'])}",
        *(f"  {number}  {_moment(second):%Y-%m-%d}" for number, second in payload["revoked"].items()),
        "Publish this file unchanged at the model's revocation address, or put it beside the model file",
        "under the model file's name with the ending .revocations",
    ]
    return "".join(f"# {line}\n" for line in lines)


def _token(text: object) -> str:
    if not isinstance(text, str) or len(text) > LARGEST_LIST:
        raise _format_error()
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    token = "".join(line for line in lines if not line.startswith("#"))
    if not _TOKEN.fullmatch(token):
        raise _format_error()
    return token


def _is_list(content: Any) -> bool:
    """Whether signed content is a list's: even what the publisher signed must not lead to a crash later."""
    if not isinstance(content, dict):
        return False
    issuer, sequence, revoked = (content.get(name) for name in ("iss", "seq", "revoked"))
    issued, next_update = content.get("iat"), content.get("next")
    return (
        isinstance(issuer, str)
        and bool(issuer.strip())
        and issuer.isprintable()
        and len(issuer) <= _LONGEST_NAME
        and type(sequence) is int
        and 0 < sequence <= _LARGEST_SEQUENCE
        and isinstance(issued, int)
        and isinstance(next_update, int)
        and _is_second(issued)
        and _is_second(next_update)
        and issued < next_update
        and isinstance(revoked, dict)
        and len(revoked) <= MOST_REVOKED
        and all(_NUMBER.fullmatch(number) and _is_second(second) for number, second in revoked.items())
    )


def _is_second(value: object) -> bool:
    """Whether a value is a second between 1970 and 9999, which dates can show."""
    return type(value) is int and 0 <= value < 253_402_300_800


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, timezone.utc)


def _format_error() -> RevocationListError:
    return RevocationListError(_("This is not a complete revocation list. Get the file again from the publisher."))
