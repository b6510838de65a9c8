"""The panel's license: entering it, saying in words what it allows, and keeping it on this computer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from AMIFusionLib.license_store import LARGEST_BYTES, LicenseStore, LicenseStoreError

from .revocation_watch import RevocationWatch

if TYPE_CHECKING:
    from AMIFusionLib.authorization.license import License

    from .interfaces import Logic, Parameters

WARNING_DAYS = 14
"""From how many days before its end a license is spoken of as ending."""

_LOOK_AGAIN_SECONDS = 60
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"


def license_folder() -> Path:
    """Where a license is kept: in a folder of its own beside the user's Slicer settings."""
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "AMIFusion"


class LicenseSection:
    """The license widgets of AMIFusion.ui.

    The text lives in the masked field and, if the user ticks the box, in the store; never in the scene, the settings,
    a log or an exception.

    Args:
        ui: the widgets by name.
        logic: AMIFusionLogic.
        changed: called when another license is entered or the one entered ends, not while this is constructed.
        store: where a license is remembered; None takes ``license_folder()``.
    """

    def __init__(self, ui: Any, logic: Logic, changed: Callable[[], None], store: LicenseStore | None = None) -> None:
        self._ui = ui
        self._logic = logic
        self._store = store if store is not None else LicenseStore(license_folder())
        self._changed: Callable[[], None] = lambda: None
        self._watch = RevocationWatch(logic, self._on_list_fetched)
        self._licensed = False
        self._looked_at = 0.0
        self._closed = False
        ui.licenseLineEdit.connect("textChanged(QString)", self._on_text)
        ui.openLicenseButton.connect("clicked()", self._on_open)
        ui.rememberLicenseCheckBox.connect("toggled(bool)", self._on_remember)
        ui.forgetLicenseButton.connect("clicked()", self._on_forget)
        self._load_remembered()
        self._changed = changed

    @property
    def text(self) -> str:
        """The license now entered, in one line; empty if there is none. It may be one that does not hold."""
        return _one_line(self._ui.licenseLineEdit.text)

    @property
    def is_licensed(self) -> bool:
        """Whether the license now entered held when it was last looked at."""
        return self._licensed

    def update(self, parameters: Parameters | None) -> None:
        """Look at the license again from time to time: it may have ended since.

        Args:
            parameters: not needed; a license is none of the scene's parameters.
        """
        if self._closed or time.monotonic() - self._looked_at < _LOOK_AGAIN_SECONDS:
            return
        self._look_again()

    def close(self) -> None:
        """Clear the field; what is remembered stays."""
        if self._closed:
            return
        self._closed = True
        self._watch.close()
        self._changed = lambda: None
        ui = self._ui
        ui.licenseLineEdit.disconnect("textChanged(QString)", self._on_text)
        ui.openLicenseButton.disconnect("clicked()", self._on_open)
        ui.rememberLicenseCheckBox.disconnect("toggled(bool)", self._on_remember)
        ui.forgetLicenseButton.disconnect("clicked()", self._on_forget)
        ui.licenseLineEdit.setText("")
        self._licensed = False

    # What the user does

    def _on_text(self, _text: str = "") -> None:
        self._show(remember=True)
        self._changed()

    def _on_open(self) -> None:
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Open a license"), "", _("License files (*.license *.txt);;All files (*)")
        )
        if not path:
            return
        text = _file_text(Path(path))
        if text is None:
            note = _("'{file}' cannot be read as a license. Open another file.").format(file=Path(path).name)
            self._show(note)
        elif text == self._ui.licenseLineEdit.text:
            self._show()
        else:
            self._ui.licenseLineEdit.setText(text)

    def _on_remember(self, checked: bool) -> None:
        if checked:
            self._show(remember=True)
            return
        note = self._delete_remembered()
        self._set_box(bool(note))
        self._show(note)

    def _on_forget(self) -> None:
        note = self._delete_remembered()
        self._set_box(bool(note))
        if self._ui.licenseLineEdit.text:
            self._ui.licenseLineEdit.setText("")
        self._show(note)

    # What follows from it

    def _on_list_fetched(self) -> None:
        """A revocation list has come, or did not: the license may be revoked now."""
        if not self._closed:
            self._look_again()

    def _look_again(self) -> None:
        before = self._licensed
        self._show()
        if self._licensed != before:
            self._changed()

    def _load_remembered(self) -> None:
        text = self._store.load()
        if text is not None:
            self._set_box(True)
            self._ui.licenseLineEdit.setText(_one_line(text))
        elif self._store.is_occupied:
            self._show(_("The remembered license cannot be read. Press Forget, and enter it again."))
        else:
            self._show()

    def _show(self, note: str = "", remember: bool = False) -> None:
        """Say what the license allows and, with a note, what was just done."""
        self._looked_at = time.monotonic()
        held, problem, warning = self._authorization()
        self._licensed = held is not None
        if remember and self._ui.rememberLicenseCheckBox.checked:
            note = self._remember()
        sentence = self._validity(held) if held is not None else problem or self._unlicensed()
        self._ui.licenseStatusLabel.setText(" ".join(part for part in (sentence, warning, note) if part))
        self._watch.look()
        self._ui.forgetLicenseButton.setEnabled(self._store.is_occupied or bool(self._ui.licenseLineEdit.text))

    def _authorization(self) -> tuple[License | None, str, str]:
        """(the license if it holds, why it does not, what else to see to); the opened model is not kept."""
        text = self.text
        if not text:
            return None, "", ""
        try:
            authorization = self._logic.authorization(text)
        except (ValueError, OSError) as error:
            return None, str(error), ""
        return authorization.license, authorization.problem, authorization.warning

    def _remember(self) -> str:
        """Keep the license if it holds; what to say about that, or nothing."""
        text, remembered = self.text, _one_line(self._store.load() or "")
        if self._licensed:
            return "" if text == remembered else self._save(text)
        if remembered and text in ("", remembered):
            return _("The remembered license stays until you press Forget.")
        if not text:
            return ""
        # A ticked box would say that it is kept, and keep the next one without being asked.
        self._set_box(bool(remembered))
        return _("Only a license that holds is remembered.")

    def _save(self, text: str) -> str:
        """Keep a license; what went wrong, or nothing."""
        try:
            self._store.save(text)
        except LicenseStoreError as error:
            self._set_box(self._store.load() is not None)
            return str(error)
        return ""

    def _delete_remembered(self) -> str:
        """Delete the remembered license; what went wrong, or nothing."""
        try:
            self._store.forget()
        except LicenseStoreError as error:
            return str(error)
        return ""

    def _validity(self, held: License) -> str:
        sentence = _("Licensed to {licensee} until {day}.").format(licensee=held.licensee, day=_last_day(held.expires))
        days = (held.expires - datetime.now(timezone.utc)).days
        if days > WARNING_DAYS:
            return sentence
        if days > 1:
            left = _("Only {days} days are left.").format(days=days)
        elif days == 1:
            left = _("Only 1 day is left.")
        else:
            left = _("Less than a day is left.")
        return " ".join((sentence, left, self._where_to_ask(_("Ask {contact} for a new license."))))

    def _unlicensed(self) -> str:
        meaning = _("No license: the result will carry a visible mark and be degraded.")
        return " ".join((meaning, self._where_to_ask(_("Ask {contact} for a license.")))).strip()

    def _where_to_ask(self, sentence: str) -> str:
        try:
            return sentence.format(contact=self._logic.model().description.contact)
        except (ValueError, OSError) as error:
            return str(error)

    def _set_box(self, checked: bool) -> None:
        box = self._ui.rememberLicenseCheckBox
        blocked = box.blockSignals(True)
        box.setChecked(checked)
        box.blockSignals(blocked)


def _last_day(expires: datetime) -> str:
    """The last day on which a license holds, here: one that ends at midnight does not hold on the day that begins."""
    return f"{(expires - timedelta(seconds=1)).astimezone():%Y-%m-%d}"


def _one_line(text: str) -> str:
    """A text as it was pasted, without breaks and without quotation marks around it."""
    return " ".join(text.split()).strip(_QUOTES + " ")


def _file_text(path: Path) -> str | None:
    """The text of a license file in one line, or None: no file, too large or no text."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return None
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError):
        return None
