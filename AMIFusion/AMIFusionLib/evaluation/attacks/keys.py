"""Attacks a and b: wrong keys and licenses, and checks patched away."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

import jwt
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from AMIFusionLib.arrays import Array
from AMIFusionLib.authorization.authorize import Authorization, authorize
from AMIFusionLib.authorization.errors import LicenseKeyError, ModelFileError
from AMIFusionLib.authorization.license import License, check_license, inspect_license
from AMIFusionLib.authorization.model_file import Parameters, SealedModel

from .attempt import Attempt, corrected
from .bench import Bench, Slices, as_batch, run

_RANDOM_KEYS = 1000
_CHANGED_LICENSES = 200
_KEY_BYTES = 32


def key_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack a: keys one bit off, random keys, changed and forged licenses."""
    key = check_license(bench.license_text, bench.model.description).model_key
    near = [_flipped(key, bit) for bit in range(8 * len(key))]
    chance = [bytes(_KEY_BYTES), *(secrets.token_bytes(_KEY_BYTES) for _ in range(_RANDOM_KEYS))]
    groups = {
        "keys one bit off the right one": [_opened(bench.model, key) for key in near],
        "random keys": [_opened(bench.model, key) for key in chance],
        "licenses with one character changed": [_authorized(bench, text) for text in _changed(bench.license_text)],
        "licenses forged without the publisher's key": [_authorized(bench, text) for text in _forged(bench)],
    }
    for name, parameter_sets in groups.items():
        yield from _best_of_sets(bench, name, parameter_sets)


def patch_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack b: the check, the opening and the flags replaced; decryption without its check; licensed settings."""
    model, now = bench.model, datetime.now(timezone.utc)
    forged = License("Me", "Me", model.description.model_id, now, now + timedelta(days=1), "0", bytes(_KEY_BYTES))
    with patch("AMIFusionLib.authorization.authorize.check_license", lambda *_: forged):
        answered_yes = authorize(model, "yes").parameters
        with patch.object(SealedModel, "open_parameters", lambda self, _: dict(self.public_parameters)):
            opened = authorize(model, "yes").parameters
    flagged = Authorization(model.public_parameters, forged).parameters
    yield from _best_of_sets(bench, "check, opening and flags patched", [answered_yes, opened, flagged])
    yield from _best_of_sets(bench, "decryption without its integrity check", [_undecrypted(model)])
    switches = {name: np.zeros_like(value) for name, value in model.public_parameters.items() if value.size == 1}
    for kind in bench.kinds:
        tuning, reported = bench.tuning[kind], bench.reported[kind]
        yield corrected(bench, kind, "output limits removed", {}, _unlimited(bench, tuning),
                        _unlimited(bench, reported))  # fmt: skip
        network = bench.network(switches)
        results = [run(network, part.first, part.second, 0 * part.marks) for part in (tuning, reported)]
        yield corrected(bench, kind, "switches and mark set as in a licensed run", {}, results[0], results[1])


def _best_of_sets(bench: Bench, name: str, parameter_sets: list[Parameters]) -> Iterator[Attempt]:
    """What the network gives with the first set that differs from the public one, if any does."""
    public = bench.model.public_parameters
    others = [values for values in parameter_sets if not _same(values, public)]
    name = f"{name} ({len(others):,} of {len(parameter_sets):,} gave other parameters)"
    network = bench.network(others[0] if others else public)
    for kind in bench.kinds:
        tuning, reported = bench.tuning[kind], bench.reported[kind]
        results = [run(network, part.first, part.second, part.marks) for part in (tuning, reported)]
        settings = {"other parameters": len(others), "bit-identical": np.array_equal(results[1], reported.unlicensed)}
        yield corrected(bench, kind, name, settings, results[0], results[1])


def _opened(model: SealedModel, key: bytes) -> Parameters:
    try:
        return model.open_parameters(key)
    except (LicenseKeyError, ModelFileError):
        return model.public_parameters


def _authorized(bench: Bench, text: str) -> Parameters:
    return authorize(bench.model, text).parameters


def _flipped(key: bytes, bit: int) -> bytes:
    changed = bytearray(key)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _changed(license_text: str) -> Iterator[str]:
    """The license with one character of it replaced, all over its length."""
    token = _token(license_text)
    # A part's last character may hold unused bits, so that another one means the same.
    places = [place for place in range(len(token) - 1) if token[place] != "." and token[place + 1] != "."]
    for place in np.linspace(0, len(places) - 1, _CHANGED_LICENSES).astype(int):
        where = places[place]
        yield token[:where] + ("A" if token[where] != "A" else "B") + token[where + 1 :]


def _forged(bench: Bench) -> Iterator[str]:
    """The license's claims signed by another, by nobody, and with the public key as a shared secret; cut; empty."""
    token, claims = _token(bench.license_text), _claims(bench.license_text)
    claims["key"] = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    yield jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA")
    for algorithm in ("none", "HS256"):
        header = _encoded({"alg": algorithm, "typ": "JWT"})
        yield f"{header}.{_encoded(claims)}.{token.split('.')[2]}"
    yield from (token[:-1], token[:-30], token.rsplit(".", 1)[0] + ".", "", "yes")


def _claims(license_text: str) -> dict[str, object]:
    shown = inspect_license(license_text)
    start, end = 0, 4102444800  # 1970 to 2100
    return {"iss": shown["iss"], "sub": shown["sub"], "model": shown["model"], "jti": shown["jti"], "nbf": start,
            "exp": end}  # fmt: skip


def _token(license_text: str) -> str:
    return str(re.findall(r"eyJ[\w.-]+", license_text)[-1])


def _encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _undecrypted(model: SealedModel) -> Parameters:
    """The sealed bytes decrypted with a random key, integrity unchecked, and read as the parameters' values.

    AES-GCM is a counter mode that begins at 2 behind the nonce (NIST SP 800-38D).
    """
    counter = model._nonce + (2).to_bytes(4, "big")
    decryptor = Cipher(algorithms.AES(secrets.token_bytes(_KEY_BYTES)), modes.CTR(counter)).decryptor()
    stream = np.frombuffer(decryptor.update(model._ciphertext)[: len(model._ciphertext) // 4 * 4], np.float32)
    return _cut_into(np.clip(np.nan_to_num(stream), -1, 1), model.public_parameters)


def _cut_into(values: Array, shapes: Mapping[str, Array]) -> Parameters:
    parameters, start = {}, 0
    for name, like in shapes.items():
        part = np.resize(values[start : start + like.size], like.size) if start < len(values) else np.zeros(like.size)
        parameters[name] = part.reshape(like.shape).astype(np.float32)
        start += like.size
    return parameters


def _unlimited(bench: Bench, slices: Slices) -> Array:
    """The network's output before it is limited to 0..1."""
    network = bench.network().train()
    batches = zip(*(as_batch(part).split(1) for part in (slices.first, slices.second, slices.marks)))
    return np.concatenate([network(*batch)[:, 0].numpy() for batch in batches])


def _same(values: Parameters, public: Parameters) -> bool:
    return values.keys() == public.keys() and all(np.array_equal(values[name], public[name]) for name in public)
