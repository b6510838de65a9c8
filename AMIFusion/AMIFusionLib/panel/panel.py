"""The panel's behavior: what its widgets do with the logic and the parameter node."""

from __future__ import annotations

import logging
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from AMIFusionLib.pytorch import PyTorchMissingError

from .runner import FusionRunner

PLANE_LABELS = {
    "acquisition": "As acquired",
    "axial": "Axial",
    "sagittal": "Sagittal",
    "coronal": "Coronal",
}
WINDOW_LABELS = {"display": "As displayed", "percentiles": "From percentiles"}

_PROGRESS_MAXIMUM = 1000


class FusionPanel:
    """Connects the widgets of AMIFusion.ui with the logic.

    Args:
        ui: the widgets by name, from ``slicer.util.childWidgetVariables``.
        logic: AMIFusionLogic.
    """

    def __init__(self, ui, logic) -> None:
        self._ui = ui
        self._logic = logic
        self._parameters = None
        self._bindings: tuple | None = None
        self._problem = ""
        self._runner = FusionRunner(lambda step: qt.QTimer.singleShot(0, step), self)
        _fill(ui.planeComboBox, PLANE_LABELS)
        _fill(ui.windowComboBox, WINDOW_LABELS)
        ui.progressBar.setRange(0, _PROGRESS_MAXIMUM)
        ui.progressBar.setVisible(False)
        ui.planeComboBox.connect("currentIndexChanged(int)", self._on_plane)
        ui.windowComboBox.connect("currentIndexChanged(int)", self._on_window)
        ui.licenseLineEdit.connect("textChanged(QString)", self._on_license)
        ui.openLicenseButton.connect("clicked()", self._on_open_license)
        ui.fuseButton.connect("clicked()", self._on_fuse)
        self._on_license()

    def connectParameters(self, parameters) -> None:  # noqa: N802 - called like Slicer's own methods
        """Show a parameter node's choices and write the user's back into it.

        Args:
            parameters: AMIFusionParameterNode.
        """
        self._unbind()
        self._parameters = parameters
        gui = parameters.connectGui(self._ui)
        observer = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_parameters)
        self._bindings = gui, observer
        self._on_parameters()

    def disconnectParameters(self) -> None:  # noqa: N802
        """Forget the parameter node, which is about to go, and cancel a run."""
        self._runner.cancel()
        self._unbind()
        self._update_fuse_button()

    def deselect(self, node) -> None:
        """Select nothing where a node is selected that is about to be removed.

        Left alone, Slicer's selectors take another node instead, and the next result would overwrite that one.

        Args:
            node: vtkMRMLNode.
        """
        if self._parameters is None:
            return
        for name in ("referenceVolume", "movingVolume", "outputVolume"):
            if getattr(self._parameters, name) is node:
                setattr(self._parameters, name, None)

    def close(self) -> None:
        """End everything that would call back later, and forget the license."""
        self.disconnectParameters()
        self._ui.licenseLineEdit.setText("")

    # What the runner tells

    def on_progress(self, progress) -> None:
        """Show how far the run is."""
        self._ui.progressBar.setValue(round(_PROGRESS_MAXIMUM * progress.fraction))
        self._say(_("Fusing: {done} of {total} slices").format(done=progress.done_slices, total=progress.total_slices))

    def on_finished(self, node) -> None:
        """Show the result."""
        self._end_run()
        # Alone: a second layer at half opacity over the result would be one more fusion.
        slicer.util.setSliceViewerLayers(background=node, foreground=None)
        state = _("clean") if node.GetAttribute("AMIFusion.Authorized") == "true" else _("marked as unlicensed")
        done = _("Done: '{name}', {state}.").format(name=node.GetName(), state=state)
        self._say(f"{done} {self._problem}".strip())

    def on_failed(self, error: Exception) -> None:
        """Say what was wrong."""
        self._end_run()
        self._explain(error)

    def on_canceled(self) -> None:
        """Say that nothing was made."""
        self._end_run()
        self._say(_("Canceled. Nothing was changed."))

    # What the user does

    def _on_fuse(self) -> None:
        if self._runner.is_running:
            self._runner.cancel()
            return
        parameters = self._parameters
        try:
            with slicer.util.WaitCursor(True):
                job = self._logic.createJob(
                    parameters.referenceVolume,
                    parameters.movingVolume,
                    parameters.outputVolume,
                    license=self._ui.licenseLineEdit.text,
                    plane=parameters.plane,
                    window=parameters.window,
                    keepColor=parameters.keepColor,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see that nothing was fused
            self._explain(error)
            return
        self._problem = job.problem
        self._ui.progressBar.setValue(0)
        self._ui.progressBar.setVisible(True)
        self._say(_("Fusing on {device}").format(device=job.device))
        self._runner.start(job)
        self._update_fuse_button()

    def _on_open_license(self) -> None:
        path = qt.QFileDialog.getOpenFileName(
            None, _("Open a license"), "", _("License files (*.license *.txt);;All files (*)")
        )
        if not path:
            return
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            self._ui.licenseStatusLabel.setText(_("This file cannot be read as a license. Open another."))
            return
        self._ui.licenseLineEdit.setText(" ".join(text.split()))

    def _on_license(self, _text: str = "") -> None:
        self._ui.licenseStatusLabel.setText(_license_sentence(self._logic, self._ui.licenseLineEdit.text))

    def _on_plane(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.plane = self._ui.planeComboBox.itemData(index)

    def _on_window(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.window = self._ui.windowComboBox.itemData(index)

    def _on_parameters(self, _caller=None, _event=None) -> None:
        ui, parameters = self._ui, self._parameters
        ui.planeComboBox.setCurrentIndex(ui.planeComboBox.findData(parameters.plane))
        ui.windowComboBox.setCurrentIndex(ui.windowComboBox.findData(parameters.window))
        self._update_fuse_button()

    def _update_fuse_button(self) -> None:
        button = self._ui.fuseButton
        if self._runner.is_running:
            button.setText(_("Cancel"))
            button.setEnabled(True)
            button.setToolTip(_("Stop; nothing is changed."))
            return
        missing = self._missing_input()
        button.setText(missing or _("Fuse"))
        button.setEnabled(not missing)
        button.setToolTip(_("Fuse the two volumes into a new one."))

    def _missing_input(self) -> str:
        """What the user must still select, or nothing."""
        parameters = self._parameters
        if parameters is None or parameters.referenceVolume is None:
            return _("Select a reference volume")
        if parameters.movingVolume is None:
            return _("Select a second volume")
        if parameters.movingVolume is parameters.referenceVolume:
            return _("Select two different volumes")
        return ""

    def _unbind(self) -> None:
        if self._bindings is not None:
            gui, observer = self._bindings
            self._parameters.disconnectGui(gui)
            self._parameters.RemoveObserver(observer)
        self._parameters, self._bindings = None, None

    def _end_run(self) -> None:
        self._ui.progressBar.setVisible(False)
        self._update_fuse_button()

    def _explain(self, error: Exception) -> None:
        """Expected errors carry a sentence for the user; others go to the log with a pointer."""
        if isinstance(error, (ValueError, PyTorchMissingError, OSError)):
            self._say(str(error))
        else:
            logging.error("AMIFusion: fusion failed", exc_info=error)
            self._say(_("Fusing failed. The Python console says more; please report it."))

    def _say(self, text: str) -> None:
        self._ui.statusLabel.setText(text)


def _license_sentence(logic, text: str) -> str:
    if not text.strip():
        return _("No license: the result will carry a visible mark.")
    authorization = logic.authorization(text)
    if not authorization.is_licensed:
        return authorization.problem
    held = authorization.license
    return _("Licensed to {licensee} until {day}.").format(licensee=held.licensee, day=f"{held.expires:%Y-%m-%d}")


def _fill(combo_box, labels: dict[str, str]) -> None:
    for value, label in labels.items():
        combo_box.addItem(_(label), value)
