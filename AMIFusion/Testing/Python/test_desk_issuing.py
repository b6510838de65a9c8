"""Licenses for one and for many: all that is wrong is said first, and nothing is half written."""
# ruff: noqa: F811 (fixtures are imported by name)

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import inspect_license
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.desk import issuing
from AMIFusionLib.desk.publisher import read_publisher
from AMIFusionLib.desk.tables import LicenseRequest, check_file_name, read_register, read_requests
from desk_commands import (
    NEXT_YEAR,
    all_secrets,
    in_days,
    issue,
    issue_many,
    mode,
    office,  # noqa: F401 (a fixture)
    opens,
    rows,
)
from test_cli import desk, run  # noqa: F401 (a fixture of a fixture)


class TestIssuingMany:
    TABLE = (
        "licensee,expires,not_before,model,file\n"
        f"Dr. Jane Roe,{NEXT_YEAR},,,\n"
        f"Ärztin Ö,{NEXT_YEAR},{in_days(3)},lab-1,b\n"
    )

    def test_one_file_for_each_line_and_a_register_without_keys(self, office):
        shown = issue_many(self.TABLE)
        assert sorted(os.listdir("licenses")) == ["b.license", "dr-jane-roe.license", "licenses.csv"]
        assert opens("licenses/dr-jane-roe.license") and not opens("licenses/b.license")
        found = rows("licenses/licenses.csv")
        assert [row["licensee"] for row in found] == ["Dr. Jane Roe", "Ärztin Ö"]
        assert (
            found[0]["number"]
            == inspect_license((office / "licenses/dr-jane-roe.license").read_text(encoding="utf-8"))["jti"]
        )
        assert (found[1]["not_before"], found[1]["expires"], found[1]["generation"]) == (in_days(3), NEXT_YEAR, "1")
        text = (office / "licenses/licenses.csv").read_text(encoding="utf-8")
        assert "eyJ" not in text and not any(secret in text + shown for secret in all_secrets(office))
        if os.name != "nt":
            assert {mode(office / "licenses" / name) for name in os.listdir("licenses")} == {0o600}

    def test_license_files_say_what_they_are(self, office):
        issue("jane.license")
        head = (office / "jane.license").read_text(encoding="utf-8").split("\neyJ")[0]
        for said in ("# Model:    lab-1", "# Licensee: Dr. Jane Roe", "# Issuer:   The lab", NEXT_YEAR, "# Number:",
                     "Open this file at License in AMIFusion's panel"):  # fmt: skip
            assert said in head

    def test_spreadsheets_of_other_countries(self, office):
        issue_many("\ufefflicensee;expires\r\n" + f'"Roe; Jane";{NEXT_YEAR}\r\n;;\r\n'.replace(";;", ";"))
        assert rows("licenses/licenses.csv")[0]["licensee"] == "Roe; Jane"

    def test_one_day_for_all(self, office):
        issue_many("licensee,expires\nA,\nB," + in_days(9) + "\n", "--expires", NEXT_YEAR)
        assert [row["expires"] for row in rows("licenses/licenses.csv")] == [NEXT_YEAR, in_days(9)]

    def test_same_names_in_files_are_told_apart(self, office):
        issue_many("licensee\nJane Roe\njane roe\n李\n", "--expires", NEXT_YEAR)
        assert [row["file"] for row in rows("licenses/licenses.csv")] == [
            "jane-roe.license", "jane-roe-2.license", "license.license",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            ("", "must begin with a line of column names"),
            ("name,expires\nA,2099-01-01\n", "must begin with a line of column names"),
            ("licensee,expires,key\nA,2099-01-01,x\n", "must begin with a line of column names"),
            ("licensee,licensee\nA,B\n", "must begin with a line of column names"),
            ("licensee,expires\n", "has no lines below its head"),
            ("licensee,expires\nA\n", "line 2: 2 cells expected"),
            ("licensee,expires\nA,\n", "line 2: no day on which it expires"),
            ("licensee,expires\nA,2099-13-01\n", "line 2: '2099-13-01' is no day like"),
            ("licensee,expires\nA,2099-1-1\n", "is no day like"),
            ("licensee,expires\nA,2020-01-01\n", "line 2: the license would already have expired"),
            ("licensee,expires,not_before\nA,2098-01-01,2099-01-01\n", "A: A license must end after it begins"),
            ("licensee,expires\nA,2099-01-01\n,2099-01-01\n", "line 3: A licensee's name must be one line"),
            ("licensee,expires\nA,2099-01-01\nA,2099-01-01\n", "line 3: 'A' has a line already, 2"),
            ("licensee,expires,model\nA,2099-01-01,other\n", "A: The model 'other' is not among those given"),
            ("licensee,expires,file\nA,2099-01-01,../a\n", "line 2: '../a' cannot be a file's name"),
            ("licensee,expires,file\nA,2099-01-01,con.license\n", "cannot be a file's name"),
            ("licensee,expires,file\nA,2099-01-01,a\nB,2099-01-01,A.license\n", "'A.license' is another license's"),
            ("licensee,expires,file\nA,2099-01-01,licenses.csv\n", "'licenses.csv' is another license's"),
            ('licensee,expires\n"A,2099-01-01\n', "cells expected"),
        ],
    )
    def test_anything_wrong_writes_nothing(self, office, table, sentence):
        before = sorted(os.listdir())
        shown = " ".join(issue_many(table, expect=1).split())
        assert sentence in shown, shown
        assert sorted(set(os.listdir()) - {"people.csv"}) == before

    def test_all_that_is_wrong_is_said_at_once(self, office):
        shown = issue_many("licensee,expires\nA,x\nB,\nC,2099-01-01\nD,2020-01-01\n", expect=1)
        assert "line 2" in shown and "line 3" in shown and "line 4" not in shown and "line 5" in shown

    def test_a_line_that_ends_before_it_begins_is_listed_with_the_others(self, office):
        table = "licensee,expires,not_before\nA,x,\nC,2099-01-01,2100-01-01\nD,,2199-01-01\nE,2099-01-01,2099-01-01\n"
        shown = " ".join(issue_many(table, "--expires", NEXT_YEAR, expect=1).split())
        assert "line 2: 'x' is no day" in shown
        for line, licensee in ((3, "C"), (4, "D"), (5, "E")):
            assert f"line {line}: {licensee}: A license must end after it begins" in shown, shown

    def test_nothing_that_is_named_beside_it_is_written_over(self, office):
        issue("jane.license", "--register", "register.csv")
        before = {name: (office / name).read_bytes() for name in ("lab.amif", "register.csv")}
        for name in before:
            more = ("--register", "register.csv", "--overwrite")
            assert "named as something else too" in issue(name, *more, expect=2)
        assert "named as something else too" in issue("new.csv", "--register", "./new.csv", expect=2)
        rotated = run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "lab.amif", "--overwrite", expect=2)
        assert "named as something else too" in rotated
        assert {name: (office / name).read_bytes() for name in before} == before and not (office / "new.csv").exists()

    def test_values_that_no_license_could_have_are_wrong_use(self, office):
        before = sorted(os.listdir())
        assert "must end after it begins" in issue("a.license", "--not-before", NEXT_YEAR, expect=2)
        assert "must be one line" in issue("a.license", name="Jane\nRoe", expect=2)
        sealed = ("model", "seal", "run", "--model-id", "lab-1", "--keys", "keys", "--out", "other.amif")
        run(*sealed, "--revocation-url", "http://example.org/list", expect=2)
        run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "b.amif", "--revocation-url", "x", expect=2)
        run("publisher", "new", "--out", "k", "--name", "", "--contact", "a@example.org", expect=2)
        assert sorted(os.listdir()) == before

    def test_lines_of_commands_at_the_same_time_are_all_kept(self, office):
        publisher = read_publisher(office / "keys")
        master, signing = read_master_key(publisher.master_key), read_signing_key(publisher.signing_key)
        issuer = issuing.Issuer([read_model(office / "lab.amif")], master, signing)
        names, expires = [f"Licensee {number}" for number in range(24)], datetime(2099, 1, 1, tzinfo=timezone.utc)

        def write(name):
            (issued,) = issuer.issue([LicenseRequest(name, expires)])
            issuing.write_one(office / f"{name}.license", issued, office / "register.csv")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, names))
        assert sorted(row["licensee"] for row in rows(office / "register.csv")) == sorted(names)

    def test_several_models_at_once(self, office):
        run("model", "seal", "run", "--model-id", "lab-2", "--keys", "keys", "--out", "other.amif")
        issue_many("licensee,expires,model\nA,2099-01-01,lab-1\nA,2099-01-01,lab-2\n", "--model", "other.amif")
        assert opens("licenses/a.license") and opens("licenses/a-2.license", "other.amif")
        assert "must say for which" in issue_many("licensee,expires\nA,2099-01-01\n", "--model", "other.amif", out="l2",
                                                  expect=1)  # fmt: skip
        assert "same id" in issue_many("licensee,expires\nA,2099-01-01\n", "--model", "lab.amif", out="l2", expect=1)

    def test_a_register_elsewhere_grows_and_nothing_is_replaced(self, office):
        issue("jane.license", "--register", "all.csv")
        issue_many("licensee,expires\nA,2099-01-01\n", "--register", "all.csv")
        assert [row["licensee"] for row in rows("all.csv")] == ["Dr. Jane Roe", "A"]
        before = (office / "all.csv").read_bytes()
        assert "is there already" in issue("jane.license", "--register", "all.csv", expect=1)
        assert "is there already" in issue_many("licensee,expires\nB,2099-01-01\n", "--register", "all.csv", expect=1)
        assert (office / "all.csv").read_bytes() == before
        issue("jane.license", "--overwrite")

    @pytest.mark.parametrize(
        "content",
        [
            b"hello",
            b"number,licensee\n",
            b"\xff",
            b"number,licensee,model,generation,not_before,expires,file,replaces\nx,A,lab-1,1,2026-01-01,2027-01-01,a,\n",
        ],
    )
    def test_a_broken_register_stops_it_and_stays(self, office, content):
        (office / "all.csv").write_bytes(content)
        issue("jane.license", "--register", "all.csv", expect=1)
        issue_many("licensee,expires\nA,2099-01-01\n", "--register", "all.csv", expect=1)
        assert (office / "all.csv").read_bytes() == content
        assert not (office / "jane.license").exists() and not (office / "licenses").exists()

    def test_a_disk_that_fails_leaves_nothing(self, office, monkeypatch):
        count = 0

        def fail(path, content):
            nonlocal count
            count += 1
            if count == 2:
                raise OSError("No space left.")
            path.write_text(content)

        monkeypatch.setattr(issuing, "write_private", fail)
        before = sorted(os.listdir())
        assert "No space" in issue_many("licensee,expires\nA,2099-01-01\nB,2099-01-01\n", expect=1)
        assert sorted(set(os.listdir()) - {"people.csv"}) == before

    @pytest.mark.parametrize("name", ["a", "Dr. Roe (2).license", "x" * 120])
    def test_file_names(self, name):
        check_file_name(name)

    @pytest.mark.parametrize(
        "name", ["", ".", "..", ".a", "a/b", "a\\b", "a:b", "a.", "a ", "NUL", "com1.license", "a\n"]
    )
    def test_no_file_names(self, name):
        with pytest.raises(ValueError, match="cannot be a file's name"):
            check_file_name(name)

    def test_tables_without_an_end(self, tmp_path):
        (tmp_path / "long.csv").write_text("licensee\n" + "\n".join(map(str, range(10_001))))
        with pytest.raises(ValueError, match="more than 10000 lines"):
            read_requests(tmp_path / "long.csv", datetime.now(timezone.utc))
        (tmp_path / "wide.csv").write_text('licensee\n"' + "x" * 200_000 + '"\n')
        with pytest.raises(ValueError, match="cannot be read as CSV"):
            read_requests(tmp_path / "wide.csv", datetime.now(timezone.utc))


def test_registers_come_back(tmp_path, office):
    issue_many("licensee,expires\n\"=Roe, 'J'\",2099-01-01\n")
    (row,) = read_register(office / "licenses" / "licenses.csv")
    (tmp_path / "again.csv").write_text(issuing.register_text([row]))
    assert read_register(tmp_path / "again.csv") == [row] and row.licensee == "=Roe, 'J'"
