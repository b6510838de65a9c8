"""Revocation at the owner's desk and at the licensee's command line."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from AMIFusionLib.authorization.keys import read_signing_key
from AMIFusionLib.authorization.revocation import issue_revocation_list, read_revocation_list
from AMIFusionLib.desk import issuing, revoking
from AMIFusionLib.desk.lock import locked
from AMIFusionLib.revocations import user_folder
from desk_commands import (
    all_secrets,
    issue,
    issue_many,
    office,  # noqa: F401 (a fixture)
    opens,
    revoke,
    rows,
)
from list_server import serving
from test_cli import desk, run  # noqa: F401 (a fixture of a fixture)
from test_revocation_list import NOW, make_list


class TestRevoking:
    def test_by_number_and_by_file_and_renewed(self, office):
        issue_many("licensee,expires\nA,2099-01-01\nB,2099-01-01\nC,2099-01-01\n")
        numbers = [row["number"] for row in rows("licenses/licenses.csv")]
        assert "1 license is on the list" in revoke(numbers[0].upper(), "--register", "licenses/licenses.csv")
        first = read_revocation_list(
            (office / "revocations.txt").read_text(encoding="utf-8"),
            (office / "keys/public.pem").read_text(encoding="utf-8"),
        )
        revoke("licenses/b.license")
        revoke()
        made = read_revocation_list(
            (office / "revocations.txt").read_text(encoding="utf-8"),
            (office / "keys/public.pem").read_text(encoding="utf-8"),
        )
        assert set(made.revoked) == set(numbers[:2]) and made.issuer == "The lab"
        assert made.sequence >= first.sequence + 2 and made.revoked[numbers[0]] == first.revoked[numbers[0]]
        for name, holds in (("a", False), ("b", False), ("c", True)):
            assert opens(f"licenses/{name}.license", "lab.amif", "--revocations", "revocations.txt") == holds
        shown = run("license", "revocations", "revocations.txt", "--model", "lab.amif")
        assert "The lab" in shown and all(number in shown for number in numbers[:2])

    def test_what_cannot_be_revoked_leaves_the_list_as_it_was(self, office, publisher, model_path, issue):
        revoke()
        (office / "foreign.license").write_text(issue())
        before = (office / "revocations.txt").read_bytes()
        for what, sentence, code in (
            ("0521c3c6-9573-4a80-89ca-7a34f3d0869", "neither a license number nor a license file", 2),
            (issue(), "neither a license number nor a license file", 2),
            ("foreign.license", "not signed with this key", 1),
            ("lab.amif", "not a complete license|larger", 1),
        ):
            shown = revoke(what, expect=code)
            assert re.search(sentence, shown) and what[-30:] not in shown.replace("lab.amif", "")
        unknown = "0521c3c6-9573-4a80-89ca-7a34f3d08695"
        (office / "all.csv").write_text(issuing.register_text([]))
        assert f"has no license {unknown}" in revoke(unknown, "--register", "all.csv", expect=1)
        assert "already begun" in revoke("--next-update", "2020-01-01", expect=2)
        assert (office / "revocations.txt").read_bytes() == before

    def test_revocations_of_commands_at_the_same_time_are_all_kept(self, tmp_path, publisher):
        path, numbers = tmp_path / "revocations.txt", [str(uuid.uuid4()) for _ in range(24)]

        def put(number):
            revoking.revoke(path, [number], publisher.signing_key, NOW + timedelta(days=9999), "Lab")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, numbers))
        made = read_revocation_list(path.read_text(encoding="utf-8"), publisher.public_key)
        assert sorted(made.revoked) == sorted(numbers)

    @pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
    def test_the_list_behind_a_link_is_the_one_that_is_written(self, office):
        revoke()
        (office / "revocations.txt").rename(office / "published.txt")
        (office / "revocations.txt").symlink_to("published.txt")
        issue("a.license")
        revoke("a.license")
        assert (office / "revocations.txt").is_symlink()
        made = read_revocation_list(
            (office / "published.txt").read_text(encoding="utf-8"),
            (office / "keys/public.pem").read_text(encoding="utf-8"),
        )
        assert len(made.revoked) == 1

    def test_a_new_list_is_warned_of(self, office):
        """A mistyped name would begin one, and those revoked before would be forgotten with the list that has them."""
        told = [json.loads(shown[shown.index("{") :]) for shown in (revoke("--json"), revoke("--json"))]
        assert [each["is_new"] for each in told] == [True, False]
        assert "is a new list" in told[0]["warnings"][0] and not told[1]["warnings"]

    def test_a_list_that_another_command_holds_is_left_alone(self, office, monkeypatch):
        revoke()
        before = (office / "revocations.txt").read_bytes()
        monkeypatch.setattr("AMIFusionLib.desk.lock._PATIENCE", 0.1)
        with locked(office / "revocations.txt"):
            assert "Another command is at work" in revoke(expect=1)
        assert (office / "revocations.txt").read_bytes() == before

    def test_a_list_that_is_never_current_is_not_written(self, tmp_path, publisher):
        path = tmp_path / "revocations.txt"
        with pytest.raises(ValueError, match="must be later than now"):
            revoking.revoke(path, [], publisher.signing_key, datetime.now(timezone.utc), "Lab")
        assert not path.exists()

    @pytest.mark.parametrize("kind", ["cut", "foreign", "text"])
    def test_a_list_that_is_not_ours_is_not_replaced(self, office, make_publisher, kind):
        revoke()
        text = (office / "revocations.txt").read_text(encoding="utf-8")
        spoiled = {"cut": text[:-40], "foreign": make_list(make_publisher()), "text": "hello"}[kind]
        (office / "revocations.txt").write_text(spoiled)
        assert "or a new file's name" in revoke(expect=1)
        assert (office / "revocations.txt").read_text(encoding="utf-8") == spoiled

    def test_a_publisher_without_a_folder(self, office):
        arguments = ("license", "revoke", "--signing-key", "keys/signing.pem", "--list", "new.txt")
        assert "needs the publisher's name" in run(*arguments, expect=1) and not (office / "new.txt").exists()
        run(*arguments, "--publisher", "Another name")
        run(*arguments)
        assert "# Issuer:      Another name\n" in (office / "new.txt").read_text(encoding="utf-8")

    def test_commands_never_print_secrets(self, office):
        shown = issue("a.license") + revoke("a.license", "--json") + run("license", "inspect", "a.license")
        shown += run(
            "license", "inspect", "a.license", "--model", "lab.amif", "--revocations", "revocations.txt", expect=1
        )
        shown += run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "b.amif") + run(
            "model", "inspect", "b.amif"
        )
        kept = "".join(path.read_text(encoding="utf-8") for path in user_folder().iterdir()) + (
            office / "revocations.txt"
        ).read_text(encoding="utf-8")
        assert kept and not any(secret in shown + kept for secret in all_secrets(office))


class TestUsersSide:
    """What a licensee's command line finds."""

    def test_sources_of_a_list(self, office):
        issue("a.license")
        shown = run("license", "inspect", "a.license", "--model", "lab.amif")
        assert "it opens lab.amif" in shown and "No revocation list is known" in shown
        revoke()
        assert "Not revoked by" in run("license", "inspect", "a.license", "--model", "lab.amif", "--revocations",
                                       "revocations.txt")  # fmt: skip
        revoke("a.license")
        (office / "lab.revocations").write_bytes((office / "revocations.txt").read_bytes())
        shown = run("license", "inspect", "a.license", "--model", "lab.amif", expect=1)
        assert "was revoked by The lab" in shown and "Ask lab@example.org for a new one" in shown
        (office / "lab.revocations").unlink()
        assert not opens("a.license")

    def test_the_address_in_the_model(self, office):
        with serving() as server:
            run("model", "seal", "run", "--model-id", "lab-1", "--keys", "keys", "--out", "lab.amif",
                "--revocation-url", server.url(), "--overwrite")  # fmt: skip
            assert server.url() in run("model", "inspect", "lab.amif")
            issue("a.license")
            revoke("a.license")
            server.content = (office / "revocations.txt").read_bytes()
            assert not opens("a.license") and len(server.requests) == 1
            assert not opens("a.license") and len(server.requests) == 1
        assert not opens("a.license")

    def test_no_answer_is_warned_of_only_where_the_address_was_given(self, office):
        with serving() as server:
            url = server.url()
        run(
            "model",
            "seal",
            "run",
            "--model-id",
            "lab-1",
            "--keys",
            "keys",
            "--out",
            "lab.amif",
            "--revocation-url",
            url,
            "--overwrite",
        )
        issue("a.license")
        assert "cannot be fetched" not in run("license", "inspect", "a.license", "--model", "lab.amif")
        shown = run("license", "inspect", "a.license", "--model", "lab.amif", "--revocations", url)
        assert "cannot be fetched" in shown and "it opens" in shown

    @pytest.mark.parametrize("source", ["missing.txt", "http://example.org/x", "file:///etc/passwd"])
    def test_sources_that_are_none(self, office, source):
        issue("a.license")
        shown = run("license", "inspect", "a.license", "--model", "lab.amif", "--revocations", source, expect=2)
        assert "does not exist" in shown or "must begin with https://" in shown

    def test_a_stale_list_is_warned_of(self, office):
        issue("a.license")
        key, then = read_signing_key(office / "keys/signing.pem"), NOW - timedelta(days=60)
        text = issue_revocation_list("The lab", {}, key, 1, then, then + timedelta(days=30))
        (office / "lab.revocations").write_text(text)
        shown = run("license", "inspect", "a.license", "--model", "lab.amif", "--json")
        said = json.loads(shown[shown.index("{") :])
        assert "should have been renewed by" in said["warnings"][0] and said["exit_code"] == 0
