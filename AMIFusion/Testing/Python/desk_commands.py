"""An owner's folder with keys and a sealed model, and the desk's commands run in it."""

import csv
import json
import os
import re
import stat
from datetime import datetime, timedelta, timezone

import pytest
from AMIFusionLib.authorization.keys import read_signing_key
from cryptography.hazmat.primitives import serialization
from test_cli import desk, run  # noqa: F401 (desk is a fixture)


def in_days(count):
    return (datetime.now(timezone.utc) + timedelta(days=count)).strftime("%Y-%m-%d")


NEXT_YEAR = in_days(365)


@pytest.fixture
def office(desk, monkeypatch):  # noqa: F811
    """An owner's folder: keys, a sealed model, and a shell that stands in it."""
    for name in ("signing.pem", "public.pem", "master.key"):
        (desk / name).unlink()
    monkeypatch.chdir(desk)
    run("publisher", "new", "--out", "keys", "--name", "The lab", "--contact", "lab@example.org")
    run("model", "seal", "run", "--model-id", "lab-1", "--keys", "keys", "--out", "lab.amif")
    return desk


def issue(out, *more, name="Dr. Jane Roe", model="lab.amif", expires=NEXT_YEAR, expect=0):
    return run("license", "issue", name, "--model", model, "--keys", "keys", "--expires", expires, "--out", out, *more,
               expect=expect)  # fmt: skip


def issue_many(table, *more, out="licenses", expect=0):
    with open("people.csv", "w", encoding="utf-8") as file:
        file.write(table)
    return run("license", "issue", "--from", "people.csv", "--model", "lab.amif", "--keys", "keys", "--out", out, *more,
               expect=expect)  # fmt: skip


def revoke(*what, expect=0):
    return run("license", "revoke", *what, "--keys", "keys", "--list", "revocations.txt", expect=expect)


def opens(license_file, model="lab.amif", *more):
    """Whether a license opens a model, as a user's command line finds."""
    outcome = run("license", "inspect", license_file, "--model", model, *more, "--json", expect=None)
    return json.loads(outcome[outcome.index("{") :])["exit_code"] == 0


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def all_secrets(folder):
    """Every key and every license below a folder as text."""
    keys = folder / "keys"
    signing = read_signing_key(keys / "signing.pem")
    raw = signing.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    secrets = [
        (keys / "master.key").read_text(encoding="utf-8").strip(),
        raw.hex(),
        *(keys / "signing.pem").read_text(encoding="utf-8").split("\n")[1:2],
    ]
    tokens = [
        re.search(r"^eyJ.*$", path.read_text(encoding="utf-8"), re.MULTILINE)[0] for path in folder.rglob("*.license")
    ]
    return secrets + [part for token in tokens for part in token.split(".")[1:]]
