"""A publisher's keys: new, their owner's alone, never replaced and never shown."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import os

import pytest
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.desk import publisher
from cryptography.hazmat.primitives import serialization
from desk_commands import (
    NEXT_YEAR,
    all_secrets,
    issue,
    mode,
    office,  # noqa: F401 (a fixture)
)
from hypothesis import given
from hypothesis import strategies as st
from test_cli import desk, run  # noqa: F401 (a fixture of a fixture)
from test_fuzzed_parsers import JSON_VALUES, fuzzed


class TestPublisher:
    def test_keys_are_new_each_time_and_readable_by_the_owner_only(self, tmp_path):
        for name in ("one", "two"):
            run("publisher", "new", "--out", tmp_path / name, "--name", "The lab", "--contact", "lab@example.org")
        made = publisher.read_publisher(tmp_path / "one")
        assert (made.name, made.contact) == ("The lab", "lab@example.org")
        assert len(read_master_key(made.master_key)) == 32
        private = read_signing_key(made.signing_key)
        public = serialization.load_pem_public_key(made.public_key.read_bytes())
        assert private.public_key() == public
        other = publisher.read_publisher(tmp_path / "two")
        assert made.master_key.read_text(encoding="utf-8") != other.master_key.read_text(encoding="utf-8")
        assert made.signing_key.read_text(encoding="utf-8") != other.signing_key.read_text(encoding="utf-8")
        assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
            "master.key", "public.pem", "publisher.json", "signing.pem",
        ]  # fmt: skip

    @pytest.mark.skipif(os.name == "nt", reason="files have no modes on Windows")
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_whatever_the_umask(self, tmp_path, umask):
        before = os.umask(umask)
        try:
            publisher.create_publisher(tmp_path / "keys", "The lab", "lab@example.org")
        finally:
            os.umask(before)
        assert mode(tmp_path / "keys") == 0o700
        assert {mode(path) for path in (tmp_path / "keys").iterdir()} == {0o600}

    def test_keys_are_never_replaced(self, tmp_path):
        arguments = ("publisher", "new", "--out", tmp_path / "keys", "--name", "The lab", "--contact", "x@example.org")
        run(*arguments)
        before = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
        assert "keys are never replaced" in run(*arguments, expect=1)
        assert {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before
        (tmp_path / "file").write_text("x")
        run(*arguments[:3], tmp_path / "file", *arguments[4:], expect=2)
        with pytest.raises(FileExistsError, match="never replaced"):
            publisher.create_publisher(tmp_path / "file", "The lab", "x@example.org")
        assert (tmp_path / "file").read_text(encoding="utf-8") == "x"

    def test_a_disk_that_fails_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(path, content):
            if path.name == "master.key":
                raise OSError("No space left.")
            path.write_text(content)

        monkeypatch.setattr(publisher, "write_private", fail)
        with pytest.raises(OSError, match="No space"):
            publisher.create_publisher(tmp_path / "keys", "The lab", "lab@example.org")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 201, "\x1b[31m"])
    def test_names_that_cannot_be_shown(self, tmp_path, name):
        with pytest.raises(ValueError, match="must be one line"):
            publisher.create_publisher(tmp_path / "keys", name, "lab@example.org")
        with pytest.raises(ValueError, match="must be one line"):
            publisher.create_publisher(tmp_path / "keys", "The lab", name)
        assert not (tmp_path / "keys").exists()

    def test_output_shows_no_key(self, tmp_path):
        shown = run("publisher", "new", "--out", tmp_path / "keys", "--name", "The lab", "--contact", "x", "--json")
        assert json.loads(shown)["exit_code"] == 0
        assert not any(secret in shown for secret in all_secrets(tmp_path))

    @pytest.mark.parametrize(
        "content", ["", "{}", "[]", '{"name": 3, "contact": "x"}', '{"name": "a\\nb", "contact": "x"}']
    )
    def test_folders_of_something_else(self, office, content):
        (office / "keys" / "publisher.json").write_text(content)
        assert "Name a folder that amifusion publisher new made" in issue("x.license", expect=1)

    def test_without_keys_a_command_says_what_to_give(self, office):
        for option, arguments in (
            ("--master-key", ["license", "issue", "x", "--model", "lab.amif", "--expires", NEXT_YEAR, "--out", "x"]),
            ("--publisher", ["model", "seal", "run", "--model-id", "x", "--out", "x.amif"]),
            ("--signing-key", ["license", "revoke", "--list", "x"]),
            ("--master-key", ["model", "rotate", "lab.amif", "--out", "x.amif"]),
        ):
            assert f"Give --keys or {option}" in " ".join(run(*arguments, expect=2).replace("│", "").split())


@fuzzed
@given(card=st.binary(max_size=200) | JSON_VALUES.map(json.dumps).map(str.encode))
def test_any_publishers_card_is_read_or_refused(tmp_path, card):
    (tmp_path / "publisher.json").write_bytes(card)
    try:
        found = publisher.read_publisher(tmp_path)
    except ValueError as error:
        assert "does not say name and contact" in str(error)
    else:
        assert found.name.isprintable() and found.contact.isprintable()
