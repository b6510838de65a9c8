"""Texts as they may be shown: without licenses and keys that stand where something else belongs."""

from __future__ import annotations

import re

_SIGNED = r"eyJ[\w.-]{20,}"
"""The part of a license that opens a model, or the beginning of it: a JSON object in base64."""

_LICENSES = re.compile(_SIGNED)
_LICENSES_AND_KEYS = re.compile(rf"{_SIGNED}|\b[0-9a-fA-F]{{64}}\b(?![./\\]\w)")
"""Files and folders that are named by a digest, as some archives do, stay: they go on behind it."""


def without_licenses(text: str) -> str:
    """A text without what opens a model in licenses; digests of files, which look like keys, stay."""
    return _LICENSES.sub("...", text)


def without_secrets(text: str) -> str:
    """A text without that, and without keys in hex digits."""
    return _LICENSES_AND_KEYS.sub("...", text)
