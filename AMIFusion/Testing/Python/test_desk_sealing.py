"""Sealing writes over nothing that its owner did not give up, and never over keys."""
# ruff: noqa: F811 (fixtures are imported by name)

import pytest
from AMIFusionLib.authorization.model_file import read_model
from desk_commands import NEXT_YEAR, issue, issue_many, office, revoke  # noqa: F401 (a fixture)
from test_cli import desk, run  # noqa: F401 (a fixture of a fixture)

SEAL = ("model", "seal", "run", "--model-id", "lab-1", "--keys", "keys", "--out")
KEYS = ("signing.pem", "public.pem", "master.key", "publisher.json")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_sealed_over_unasked(office):
    (office / "licenses.csv").write_text("precious")
    before = contents(office)
    for name in ("licenses.csv", "lab.amif"):
        assert "is there already" in run(*SEAL, name, expect=1)
    assert contents(office) == before
    run(*SEAL, "lab.amif", "--overwrite", "--generation", 2)
    assert read_model(office / "lab.amif").description.generation == 2


@pytest.mark.parametrize("name", [*KEYS, "new.amif", "deeper/new.amif"])
def test_no_command_writes_among_the_keys(office, name):
    before = contents(office)
    for command in (SEAL, ("model", "rotate", "lab.amif", "--keys", "keys", "--out")):
        assert "lies in the folder of the keys" in run(*command, f"keys/{name}", "--overwrite", expect=2)
    assert "lies in the folder of the keys" in issue(f"keys/{name}", "--overwrite", expect=2)
    (office / "link").symlink_to(office / "keys")
    assert "lies in the folder of the keys" in run(*SEAL, f"link/{name}", "--overwrite", expect=2)
    (office / "link").unlink()
    assert contents(office) == before


def test_single_keys_and_the_training_are_not_written_over(office):
    before = contents(office)
    single = (
        "--publisher",
        "A",
        "--contact",
        "b",
        "--public-key",
        "keys/public.pem",
        "--master-key",
        "keys/master.key",
    )
    for name in ("public.pem", "master.key"):
        said = run("model", "seal", "run", "--model-id", "x", *single, "--out", f"keys/{name}", "--overwrite", expect=2)
        assert "is a key" in said
    assert "folder of the training" in run(*SEAL, "run/parameters.npz", "--overwrite", expect=2)
    assert contents(office) == before


ISSUE = ("license", "issue", "A", "--expires", NEXT_YEAR, "--model", "lab.amif", "--keys", "keys", "--out")
MANY = ("license", "issue", "--from", "people.csv", "--model", "lab.amif", "--keys", "keys", "--out")
REISSUE = ("license", "reissue", "--model", "lab.amif", "--keys", "keys", "--list", "list.txt", "--out")
REVOKE = ("license", "revoke", "--keys", "keys", "--list")
SINGLE = ("--master-key", "keys/master.key", "--signing-key", "keys/signing.pem")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ((*ISSUE, "a.license", "--register", "lab.amif"), "--register"),
        ((*ISSUE, "a.license", "--register", "./a.license"), "--register"),
        ((*ISSUE, "a.license", "--register", "link.amif"), "--register"), ((*ISSUE, "link.amif"), "--out"),
        ((*MANY, "new", "--register", "people.csv"), "--register"), ((*MANY, "new", "--register", "new"), "--register"),
        ((*REISSUE, "new", "lab.amif"), "table"), ((*REISSUE, "new", "list.txt"), "table"),
        ((*REVOKE, "all.csv", "--register", "all.csv"), "--list"),
        ((*REVOKE, "jane.license", "jane.license"), "--list"),
    ],
)  # fmt: skip
def test_what_is_named_twice_is_wrong_use(office, command, named):
    run("license", "revoke", "--keys", "keys", "--list", "list.txt")
    issue("jane.license", "--register", "all.csv")
    (office / "people.csv").write_text(f"licensee,expires\nA,{NEXT_YEAR}\n")
    (office / "link.amif").symlink_to("lab.amif")
    before = contents(office)
    said = " ".join(run(*command, expect=2).split())
    assert f"named as something else too. Choose another {named}." in said
    assert contents(office) == before and not (office / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        (*REVOKE, "keys/list.txt"), (*REVOKE, "keys/public.pem"), (*REVOKE, "link/deeper/list.txt"),
        ("license", "revoke", "--signing-key", "keys/signing.pem", "--publisher", "A", "--list", "keys/signing.pem"),
        (*ISSUE, "a.license", "--register", "keys/all.csv"), (*MANY, "new", "--register", "keys/all.csv"),
        (*REISSUE, "keys/new", "all.csv"), (*REISSUE, "new", "keys/all.csv"),
        (*ISSUE[:-3], *SINGLE, "--out", "a.license", "--register", "keys/master.key"),
    ],
)  # fmt: skip
def test_no_list_and_no_register_is_written_among_the_keys(office, command):
    run("license", "revoke", "--keys", "keys", "--list", "list.txt")
    issue("jane.license", "--register", "all.csv")
    (office / "people.csv").write_text(f"licensee,expires\nA,{NEXT_YEAR}\n")
    (office / "keys" / "all.csv").write_bytes((office / "all.csv").read_bytes())
    (office / "link").symlink_to(office / "keys")
    before = contents(office)
    assert "is a key or lies in the folder of the keys" in run(*command, expect=2)
    assert contents(office) == before


def test_a_single_license_is_no_folder(office):
    """The register got its line, and then there was no file to write."""
    (office / "empty").mkdir()
    assert "is a folder" in " ".join(issue("empty", "--register", "all.csv", expect=2).split())
    assert not (office / "all.csv").exists() and not list((office / "empty").iterdir())
    assert "long" in issue("n" * 300, expect=1)


def test_folders_above_a_sealed_model_are_made(office):
    run(*SEAL, "deep/er/lab.amif")
    assert [path.name for path in (office / "deep" / "er").iterdir()] == ["lab.amif"]


def test_a_refused_command_leaves_no_lock(office):
    """Nor a folder for it."""
    issue("jane.license", "--register", "all.csv")
    reissue = ("license", "reissue", "all.csv", "--model", "lab.amif", "--keys", "keys", "--list", "list.txt", "--out")
    run("license", "revoke", "--keys", "keys", "--list", "list.txt")
    for lock in office.glob(".*.lock"):
        lock.unlink()
    before = contents(office)
    assert "No license is needed" in run(*reissue, "again")
    for name in ("all.csv", "list.txt"):
        (office / name).write_text("hello")
    run("license", "revoke", "--keys", "keys", "--list", "list.txt", expect=1)
    run("license", "revoke", "--signing-key", "keys/signing.pem", "--list", "new/list.txt", expect=1)
    issue("b.license", "--register", "all.csv", expect=1)
    issue_many(f"licensee,expires\nA,{NEXT_YEAR}\n", "--register", "all.csv", expect=1)
    (office / "list.txt").write_bytes(before[office / "list.txt"])
    run(*reissue, "again", expect=1)
    assert contents(office).keys() - {office / "people.csv"} == before.keys() and not (office / "new").exists()


def test_overwriting_is_advised_only_to_commands_that_have_it(office):
    table = f"licensee,expires\nA,{NEXT_YEAR}\n"
    issue_many(table, "--register", "all.csv")
    revoke("licenses/a.license")
    reissue = ("license", "reissue", "all.csv", "--model", "lab.amif", "--keys", "keys", "--list", "revocations.txt")
    for said in (issue_many(table, expect=1), run(*reissue, "--out", "licenses", expect=1)):
        assert "is there already" in said and "--overwrite" not in said
    issue("jane.license")
    assert "add --overwrite" in issue("jane.license", expect=1)
