"""The panel's license: entered in every way, said in words, remembered only when asked, and shown nowhere else."""

import logging
import re

import pytest
import slicer_emulation
from AMIFusionLib.license_store import LicenseStore, LicenseStoreError

UI_FILE = "Resources/UI/AMIFusion.ui"


@pytest.fixture
def logic(module, model_path):
    """The module's logic with the throw-away publisher's model in place of the bundled one."""

    class Logic(module.AMIFusionLogic):
        def model(self, path=None):
            return super().model(path or model_path)

    return Logic()


@pytest.fixture
def ui(slicer, module):
    """The real panel's widgets."""
    from pathlib import Path

    widget = slicer.util.loadUI(str(Path(module.__file__).parent / UI_FILE))
    widget.setMRMLScene(slicer.mrmlScene)
    return slicer.util.childWidgetVariables(widget)


@pytest.fixture
def store(tmp_path):
    """A store of this test's own."""
    return LicenseStore(tmp_path / "kept")


@pytest.fixture
def calls():
    """Grows by one for each call of ``changed``."""
    return []


@pytest.fixture
def make(ui, logic, store, calls):
    """Makes sections on the same widgets, as a new session of Slicer would; the one before is closed."""
    from AMIFusionLib.panel.license_section import LicenseSection

    made = []

    def make_section(**options):
        if made:
            made.pop().close()
            ui.rememberLicenseCheckBox.setChecked(False)
        made.append(LicenseSection(ui, logic, lambda: calls.append(1), **{"store": store, **options}))
        return made[-1]

    yield make_section
    for section in made:
        section.close()


@pytest.fixture
def section(make):
    """The section as a user first finds it."""
    return make()


def enter(ui, text):
    """Paste a text as a user does."""
    from PySide6 import QtWidgets

    QtWidgets.QApplication.clipboard().setText(text)
    ui.licenseLineEdit.selectAll()
    ui.licenseLineEdit.paste()


def status(ui):
    """What the panel says."""
    return ui.licenseStatusLabel.text


class TestStatus:
    def test_without_a_license_it_says_what_that_means_and_whom_to_ask(self, ui, section):
        assert section.text == "" and not section.is_licensed
        assert "visible mark" in status(ui) and "degraded" in status(ui)
        assert "Ask desk@example.org for a license." in status(ui)
        assert not ui.rememberLicenseCheckBox.checked and not ui.forgetLicenseButton.enabled

    def test_a_license_is_named_and_announced_once(self, ui, section, issue, calls):
        license_text = issue(licensee="Dr. Jane {Roe}")
        enter(ui, license_text)
        assert re.fullmatch(r"Licensed to Dr\. Jane \{Roe\} until 20\d\d-\d\d-\d\d\.", status(ui))
        assert section.text == license_text and section.is_licensed and calls == [1]

    @pytest.mark.parametrize(
        ("end", "said"),
        [
            (0.5, "Less than a day is left."),
            (1.5, "Only 1 day is left."),
            (3.5, "Only 3 days are left."),
            (14.5, "Only 14 days are left."),
            (15.5, None),
        ],
    )
    def test_a_license_that_ends_soon_says_the_days(self, ui, section, issue, end, said):
        enter(ui, issue(end=end))
        assert status(ui).startswith("Licensed to") and section.is_licensed
        if said is None:
            assert "left" not in status(ui)
        else:
            assert said in status(ui) and status(ui).endswith("Ask desk@example.org for a new license.")

    @pytest.mark.parametrize(
        ("options", "said"),
        [({"start": -9, "end": -2}, "expired on"), ({"start": 2, "end": 9}, "valid from")],
        ids=["expired", "early"],
    )
    def test_a_license_that_does_not_hold_is_explained(self, ui, section, issue, options, said):
        enter(ui, issue(**options))
        assert said in status(ui) and not section.is_licensed

    def test_a_strangers_license_and_no_license_are_explained(self, ui, section, issue, make_publisher, describe):
        from types import SimpleNamespace

        other = make_publisher()
        enter(ui, issue(model=SimpleNamespace(description=describe(other)), publisher=other))
        assert "was not issued by Test publisher" in status(ui)
        enter(ui, issue()[:-4])
        assert "not a complete license" in status(ui)

    @pytest.mark.parametrize("wrapping", ["file", "wrapped", "quoted", "typographic", "blanks", "mail"])
    def test_a_license_is_taken_however_it_was_pasted(self, ui, section, issue, wrapping):
        from AMIFusionLib.authorization.license import license_file_text

        token = issue()
        lines = [token[start : start + 60] for start in range(0, len(token), 60)]
        enter(ui, {
            "file": license_file_text(token).replace("\n", "\r\n"),
            "wrapped": "\n".join(lines),
            "quoted": f'"{token}"',
            "typographic": f" \u201c{token}\u201d \n",
            "blanks": f"\n\n\t {token} \u00a0\n",
            "mail": "Dear colleague,\n" + "\n".join(f"> {line}" for line in lines),
        }[wrapping])  # fmt: skip
        assert status(ui).startswith("Licensed to Dr. Test") and "\n" not in section.text

    @pytest.mark.parametrize("blank", ["", "  \n", '""'])
    def test_blank_is_none(self, ui, section, issue, blank):
        enter(ui, issue())
        ui.licenseLineEdit.setText(blank)
        assert section.text == "" and status(ui).startswith("No license")

    def test_a_license_that_ends_meanwhile_is_noticed(self, ui, section, issue, logic, calls, monkeypatch):
        from AMIFusionLib.authorization.authorize import Authorization
        from AMIFusionLib.panel import license_section

        enter(ui, issue())
        monkeypatch.setattr(logic, "authorization", lambda text: Authorization({}, None, "This license expired."))
        section.update(None)
        assert section.is_licensed and calls == [1]
        monkeypatch.setattr(license_section, "_LOOK_AGAIN_SECONDS", 0)
        section.update(None)
        section.update(None)
        assert status(ui) == "This license expired." and not section.is_licensed and calls == [1, 1]

    def test_a_model_file_that_cannot_be_read_is_said(self, ui, section, issue, model_path):
        model_path.unlink()
        enter(ui, issue())
        assert "test.amif" in status(ui) and not section.is_licensed


class TestOpening:
    def test_a_file_is_read(self, ui, section, issue, tmp_path, calls):
        path = tmp_path / "mine.license"
        path.write_text("\ufeff" + issue(), encoding="utf-8")
        for _ in range(2):
            slicer_emulation.dialogs.answer_next(str(path))
            ui.openLicenseButton.click()
        assert status(ui).startswith("Licensed to") and calls == [1]

    def test_no_file_changes_nothing(self, ui, section, issue, calls):
        enter(ui, issue())
        ui.openLicenseButton.click()
        assert status(ui).startswith("Licensed to") and calls == [1]

    @pytest.mark.parametrize("what", ["binary", "too large", "folder", "gone"])
    def test_what_is_no_license_file_is_named_and_the_license_stays(self, ui, section, issue, tmp_path, what):
        license_text = issue()
        enter(ui, license_text)
        path = tmp_path / "scan.nrrd"
        if what == "binary":
            path.write_bytes(b"\xff\xfe\x00")
        elif what == "too large":
            path.write_bytes(b"a" * (1 << 20))
        elif what == "folder":
            path.mkdir()
        slicer_emulation.dialogs.answer_next(str(path))
        ui.openLicenseButton.click()
        assert status(ui).startswith("Licensed to") and "'scan.nrrd' cannot be read" in status(ui)
        assert section.text == license_text


class TestRemembering:
    def test_off_by_default(self, ui, section, issue, store):
        enter(ui, issue())
        section.close()
        assert not store.is_occupied

    def test_a_remembered_license_is_there_in_the_next_session(self, ui, section, make, issue, store, calls):
        from AMIFusionLib.authorization.license import license_file_text

        license_text = issue()
        enter(ui, license_file_text(license_text))
        ui.rememberLicenseCheckBox.click()
        assert ui.forgetLicenseButton.enabled
        section.close()
        assert ui.licenseLineEdit.text == "" and license_text in store.load()
        calls.clear()
        again = make()
        assert license_text in again.text and again.is_licensed and ui.rememberLicenseCheckBox.checked
        assert status(ui).startswith("Licensed to") and ui.forgetLicenseButton.enabled and calls == []

    def test_ticked_before_a_license_is_entered(self, ui, section, issue, store):
        ui.rememberLicenseCheckBox.click()
        assert not store.is_occupied and status(ui).startswith("No license")
        license_text = issue()
        enter(ui, license_text)
        assert store.load() == license_text

    def test_only_a_license_that_holds_is_remembered(self, ui, section, issue, store):
        enter(ui, issue(start=-9, end=-2))
        ui.rememberLicenseCheckBox.click()
        assert not store.is_occupied and "Only a license that holds is remembered." in status(ui)

    def test_a_better_license_replaces_the_remembered_one_and_a_bad_one_does_not(self, ui, section, issue, store):
        first, second = issue(), issue(end=60)
        enter(ui, first)
        ui.rememberLicenseCheckBox.click()
        enter(ui, "nonsense")
        assert store.load() == first
        enter(ui, "")
        assert store.load() == first and "until you press Forget" in status(ui)
        enter(ui, second)
        assert store.load() == second

    def test_unticking_forgets_and_the_license_serves_on(self, ui, section, issue, store):
        enter(ui, issue())
        ui.rememberLicenseCheckBox.click()
        ui.rememberLicenseCheckBox.click()
        assert not store.is_occupied and section.is_licensed and ui.forgetLicenseButton.enabled

    def test_forget_deletes_clears_and_unticks(self, ui, section, issue, store, calls):
        enter(ui, issue())
        ui.rememberLicenseCheckBox.click()
        calls.clear()
        ui.forgetLicenseButton.click()
        assert (store.is_occupied, section.text, ui.rememberLicenseCheckBox.checked) == (False, "", False)
        assert status(ui).startswith("No license") and not ui.forgetLicenseButton.enabled and calls == [1]
        ui.licenseLineEdit.undo()
        assert section.text == ""

    def test_an_expired_remembered_license_is_kept_until_forgotten(self, ui, make, issue, store):
        from AMIFusionLib.authorization.license import license_file_text

        store.save(license_file_text(issue(start=-9, end=-2)))
        section = make()
        assert "expired on" in status(ui) and "until you press Forget" in status(ui)
        assert ui.rememberLicenseCheckBox.checked and not section.is_licensed
        make()
        assert store.is_occupied
        ui.forgetLicenseButton.click()
        assert not store.is_occupied

    def test_a_remembered_file_that_cannot_be_read_can_be_forgotten(self, ui, make, store):
        store.save("text")
        store.path.write_bytes(b"\xff\x00")
        make()
        assert "cannot be read" in status(ui) and not ui.rememberLicenseCheckBox.checked
        ui.forgetLicenseButton.click()
        assert not store.is_occupied and not ui.forgetLicenseButton.enabled

    def test_a_store_that_fails_is_said_and_the_box_tells_the_truth(self, ui, section, issue, store, monkeypatch):
        def fail(*_):
            raise LicenseStoreError("No space.")

        enter(ui, issue())
        with monkeypatch.context() as patched:
            patched.setattr(store, "save", fail)
            ui.rememberLicenseCheckBox.click()
        assert status(ui).endswith("No space.") and not ui.rememberLicenseCheckBox.checked and section.is_licensed
        ui.rememberLicenseCheckBox.click()
        with monkeypatch.context() as patched:
            patched.setattr(store, "forget", fail)
            ui.rememberLicenseCheckBox.click()
            assert status(ui).endswith("No space.") and ui.rememberLicenseCheckBox.checked
            ui.forgetLicenseButton.click()
            assert status(ui).endswith("No space.") and ui.rememberLicenseCheckBox.checked and section.text == ""

    def test_the_default_place_is_beside_slicers_settings(self, slicer, ui, make, issue):
        from pathlib import Path

        make(store=None)
        enter(ui, issue())
        ui.rememberLicenseCheckBox.click()
        folder = Path(slicer.app.slicerUserSettingsFilePath).parent / "AMIFusion"
        assert [path.parent for path in folder.iterdir()] == [folder]


class TestSecrecyAndEnd:
    def test_the_license_reaches_no_scene_setting_log_or_label(
        self, slicer, ui, section, issue, tmp_path, caplog, capsys
    ):
        caplog.set_level(logging.DEBUG)
        license_text = issue()
        secrets = [license_text, *license_text.split(".")[1:]]
        for text in (license_text, license_text[:-3], license_text[3:]):
            enter(ui, text)
            ui.rememberLicenseCheckBox.click()
            assert not any(secret[:20] in status(ui) for secret in secrets)
        assert slicer.util.saveScene(str(tmp_path / "scene.mrml"))
        slicer.app.userSettings().sync()
        from pathlib import Path

        written = [tmp_path / "scene.mrml", *Path(slicer.app.slicerUserSettingsFilePath).parent.glob("*.ini")]
        shown = "".join(path.read_text() for path in written) + caplog.text + "".join(capsys.readouterr())
        assert not any(secret in shown for secret in secrets)

    def test_closed_twice_it_is_silent(self, ui, section, issue, store, calls):
        enter(ui, issue())
        ui.rememberLicenseCheckBox.click()
        calls.clear()
        section.close()
        section.close()
        assert ui.licenseLineEdit.text == "" and section.text == "" and store.is_occupied
        ui.rememberLicenseCheckBox.click()
        ui.forgetLicenseButton.click()
        enter(ui, issue())
        section.update(None)
        assert store.is_occupied and calls == [] and not section.is_licensed
