"""Texts as they may be shown: without licenses and keys that stand where something else belongs."""

from __future__ import annotations

import re

_TOKEN = r"eyJ[\w.-]{20,}"
"""A license's, or a part of it: a JSON object in base64."""

_TOKENS = re.compile(_TOKEN)
_SECRETS = re.compile(rf"{_TOKEN}|\b[0-9a-fA-F]{{64}}\b")


def without_tokens(text: str) -> str:
    """A text without the tokens of licenses; digests of files, which look like keys, stay."""
    return _TOKENS.sub("...", text)


def without_secrets(text: str) -> str:
    """A text without the tokens of licenses and keys in hex digits."""
    return _SECRETS.sub("...", text)
