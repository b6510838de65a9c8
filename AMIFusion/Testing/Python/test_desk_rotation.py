"""New model keys: old licenses do not open what is new, and what was there before is as it was."""
# ruff: noqa: F811 (fixtures are imported by name)

import os
from concurrent.futures import ThreadPoolExecutor

from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.keys import derive_model_key, read_master_key, read_signing_key
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.desk import issuing
from AMIFusionLib.desk.publisher import read_publisher
from AMIFusionLib.revocations import read_list_file
from desk_commands import (
    NEXT_YEAR,
    in_days,
    issue,
    issue_many,
    office,  # noqa: F401 (a fixture)
    opens,
    revoke,
    rows,
)
from test_cli import desk, run  # noqa: F401 (a fixture of a fixture)


class TestRotation:
    def test_old_licenses_do_not_open_the_new_file_and_reissued_ones_do(self, office):
        issue_many("licensee,expires,not_before\nA,2099-01-01,\nB,2099-01-01,\nC," + in_days(1) + ",\n"
                   f"D,2099-01-01,{in_days(20)}\n", "--register", "all.csv")  # fmt: skip
        revoke("licenses/b.license")
        shown = run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "lab-g2.amif")
        assert "lab-1, generation 2" in shown
        shown = run("license", "inspect", "licenses/a.license", "--model", "lab-g2.amif", expect=1)
        assert "exchanged the model's key. Ask lab@example.org" in shown
        assert opens("licenses/a.license")
        arguments = ("license", "reissue", "all.csv", "--model", "lab-g2.amif", "--keys", "keys", "--list",
                     "revocations.txt")  # fmt: skip
        shown = run(*arguments, "--out", "licenses-2")
        assert "Not reissued: 1 revoked" in shown
        assert sorted(os.listdir("licenses-2")) == ["a.license", "c.license", "d.license"]
        assert opens("licenses-2/a.license", "lab-g2.amif") and not opens("licenses-2/a.license", "lab.amif")
        found = rows("all.csv")
        assert len(found) == 7 and [row["generation"] for row in found] == ["1"] * 4 + ["2"] * 3
        assert found[4]["replaces"] == found[0]["number"] and found[6]["not_before"] == in_days(20)
        shown = run(*arguments, "--out", "licenses-3")
        assert "No license is needed" in shown and not (office / "licenses-3").exists()
        assert len(rows("all.csv")) == 7

    def test_a_license_is_reissued_once_however_many_commands_are_at_it(self, office, monkeypatch):
        """Another command comes first between this one's start and its turn."""
        issue_many("licensee,expires\nA,2099-01-01\nB,2099-01-01\n", "--register", "all.csv")
        revoke()
        run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "lab-g2.amif")
        arguments = ("license", "reissue", "all.csv", "--model", "lab-g2.amif", "--keys", "keys", "--list",
                     "revocations.txt", "--out")  # fmt: skip
        locked = issuing.locked

        def overtaken(path):
            monkeypatch.setattr(issuing, "locked", locked)
            assert "for A" in run(*arguments, "first")
            return locked(path)

        monkeypatch.setattr(issuing, "locked", overtaken)
        said = run(*arguments, "second")
        assert "No license is needed" in said and "Not reissued: 2 replaced, 2 other" in said
        assert sorted(os.listdir("first")) == ["a.license", "b.license"] and not (office / "second").exists()
        assert [row["licensee"] for row in rows("all.csv")] == ["A", "B", "A", "B"]

    def test_reissuing_at_the_same_time(self, office):
        issue_many("licensee,expires\nA,2099-01-01\nB,2099-01-01\n", "--register", "all.csv")
        revoke()
        run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "lab-g2.amif")
        publisher, model = read_publisher(office / "keys"), read_model(office / "lab-g2.amif")
        master, signing = read_master_key(publisher.master_key), read_signing_key(publisher.signing_key)
        issuer = issuing.Issuer([model], master, signing)
        none = read_list_file(office / "revocations.txt", model.description.public_key)

        def reissue(number):
            issued, _left = issuing.reissue(office / f"out-{number}", office / "all.csv", issuer, model, none)
            return len(issued)

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(reissue, range(8))) == [0] * 7 + [2]
        assert len(rows("all.csv")) == 4 and len(list(office.glob("out-*"))) == 1

    def test_parameters_are_the_same(self, office):
        run(
            "model", "rotate", "lab.amif", "--keys", "keys", "--out", "next.amif", "--revocation-url", "https://e.org/x"
        )
        master = read_master_key(office / "keys/master.key")
        before, after = read_model(office / "lab.amif"), read_model(office / "next.amif")
        assert after.description.model_id == "lab-1" and after.description.revocation_url == "https://e.org/x"
        opened = [
            model.open_parameters(derive_model_key(master, "lab-1", generation))
            for model, generation in ((before, 1), (after, 2))
        ]
        assert opened[0].keys() == opened[1].keys()
        assert all((opened[0][name] == opened[1][name]).all() for name in opened[0])
        assert before.public_parameters.keys() == after.public_parameters.keys()
        run("model", "rotate", "next.amif", "--keys", "keys", "--out", "third.amif")
        third = read_model(office / "third.amif").description
        assert (third.generation, third.revocation_url) == (3, "https://e.org/x")

    def test_a_newly_trained_network_stays_in_the_generation(self, office):
        run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "g2.amif")
        issue("a.license", model="g2.amif")
        run("model", "seal", "run", "--model-id", "lab-1", "--keys", "keys", "--out", "new.amif", "--generation", 2)
        assert opens("a.license", "new.amif")

    def test_what_fails_writes_nothing(self, office):
        before = (office / "lab.amif").read_bytes()
        rotate = ("model", "rotate", "lab.amif", "--keys", "keys", "--out")
        assert "named as something else too" in run(*rotate, "lab.amif", expect=2)
        assert "must begin with https://" in run(*rotate, "x.amif", "--revocation-url", "http://e.org/x", expect=2)
        (office / "keys/master.key").write_text(os.urandom(32).hex())
        assert "The master key does not open the model 'lab-1'" in run(*rotate, "x.amif", expect=1)
        assert (office / "lab.amif").read_bytes() == before and not (office / "x.amif").exists()

    def test_a_revoked_licensee_may_get_a_new_license(self, office):
        issue("old.license", "--register", "all.csv")
        revoke("old.license")
        issue("new.license", "--register", "all.csv")
        for name, holds in (("old", False), ("new", True)):
            assert opens(f"{name}.license", "lab.amif", "--revocations", "revocations.txt") == holds
        run("model", "rotate", "lab.amif", "--keys", "keys", "--out", "g2.amif")
        run("license", "reissue", "all.csv", "--model", "g2.amif", "--keys", "keys", "--list", "revocations.txt",
            "--out", "next", "--expires", NEXT_YEAR)  # fmt: skip
        assert os.listdir("next") == ["new.license"] and opens("next/new.license", "g2.amif")

    def test_no_model_id_imitates_a_generation(self):
        master = bytes(range(32))
        keys = {
            derive_model_key(master, *arguments)
            for arguments in (
                ("a",),
                ("a", 2),
                ("a", 12),
                ("a:2",),
                ("2:a",),
                ("generation:2:a",),
                ("2:a", 1),
                ("a", 22),
            )
        }
        assert len(keys) == 7  # ("2:a",) and ("2:a", 1) are one

    def test_keys_of_first_generations_are_what_they_were(self):
        """Worked out with HKDF as RFC 5869 describes it, so that licenses issued before go on to open."""
        import hashlib
        import hmac

        master = bytes(range(32))
        pseudorandom = hmac.digest(bytes(32), master, hashlib.sha256)
        expected = hmac.digest(pseudorandom, b"amifusion-model:amifusion-research-1\x01", hashlib.sha256)
        assert derive_model_key(master, "amifusion-research-1") == expected

    def test_the_bundled_model_and_its_license_are_as_they_were(self):
        model = read_model(MODEL_PATH)
        assert (model.description.generation, model.description.revocation_url) == (1, "")
        assert authorize(model, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")).is_licensed
