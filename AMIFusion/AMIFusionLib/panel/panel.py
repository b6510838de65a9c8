"""The panel: its sections, and what holds them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
import vtk
from slicer.i18n import tr as _

from AMIFusionLib.volumes.errors import VolumeError
from AMIFusionLib.volumes.result import ATTRIBUTE_PREFIX

from .alignment_section import AlignmentSection
from .fusion_section import FusionSection
from .keyboard import make_reachable
from .license_section import LicenseSection
from .preview_section import LEFT, PreviewSection
from .result_section import ResultSection
from .run_section import RunSection
from .volumes_section import VolumesSection

if TYPE_CHECKING:
    from collections.abc import Callable

    from slicer import vtkMRMLNode, vtkMRMLScalarVolumeNode, vtkMRMLVolumeNode

    from AMIFusionLib.fusion_job import FusionJob

    from .interfaces import Logic, Parameters

_SELECTIONS = ("referenceVolume", "movingVolume", "outputVolume")


class FusionPanel:
    """Connects the widgets of AMIFusion.ui with the logic.

    The parameter node is what the sections share: each shows it, changes it, and hears of its changes by ``update``.

    Args:
        ui: the widgets by name, from ``slicer.util.childWidgetVariables``.
        logic: AMIFusionLogic.
    """

    def __init__(self, ui: Any, logic: Logic) -> None:
        self._ui = ui
        self._logic = logic
        self._parameters: Parameters | None = None
        self._bindings: tuple[int, int] | None = None
        self._is_closed = self._is_left = False
        self._unseen: vtkMRMLVolumeNode | None = None
        self._license_used = ""
        self._volumes = VolumesSection(ui, _soon, self._on_volumes_changed)
        self._fusion = FusionSection(ui)
        self._license = LicenseSection(ui, logic, self._update)
        self._alignment = AlignmentSection(ui, _soon, self._update)
        self._result = ResultSection(ui, logic, self._end_preview)
        self._run = RunSection(ui, _soon, self._create_job, self._on_finished, self._update)
        # Before the section that hears of it too: the views must be the user's own when it looks.
        ui.previewCheckBox.connect("toggled(bool)", self._on_preview_toggled)
        self._preview = PreviewSection(
            ui,
            logic,
            lambda: self._license.text,
            device=lambda: self._fusion.device,
            revocations=lambda public_key: logic.revocations.store.known(public_key),
        )
        _prepare(ui)
        self._update()

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way that takes more than a moment."""
        return self._run.is_running or self._alignment.is_running or self._result.is_measuring

    def connectParameters(self, parameters: Parameters) -> None:  # noqa: N802 - called like Slicer's own methods
        """Show a parameter node's choices and write the user's back into it.

        Args:
            parameters: AMIFusionParameterNode.
        """
        self._unbind()
        self._parameters = parameters
        gui = parameters.connectGui(self._ui)
        observer = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_parameters)
        self._bindings = gui, observer
        self._update()
        self._volumes.guess_soon()

    def disconnectParameters(self) -> None:  # noqa: N802
        """Forget the parameter node, which is about to go, and end what is under way."""
        self._alignment.cancel()
        self._run.cancel()
        # The next patient's preview begins when it is asked for.
        self._end_preview()
        self._unbind()
        self._update()

    def entered(self) -> None:
        """The module is open: what was made meanwhile is shown."""
        self._is_left = False
        node, self._unseen = self._unseen, None
        if node is not None:
            self._show_result(node)
        self._preview.resume(LEFT)

    def left(self) -> None:
        """Another module is open: the slice views are the user's own there."""
        self._is_left = True
        self._preview.pause(LEFT)

    def volume_added(self, node: vtkMRMLScalarVolumeNode) -> None:
        """A volume came into the scene: guess, if nothing has been selected.

        Args:
            node: vtkMRMLScalarVolumeNode.
        """
        self._volumes.volume_added(node)

    def deselect(self, node: vtkMRMLNode) -> None:
        """Select nothing where a node is selected that is about to be removed.

        Left alone, Slicer's selectors take another node instead, and the next result would overwrite that one.

        Args:
            node: vtkMRMLNode.
        """
        if self._parameters is not None:
            for name in _SELECTIONS:
                if getattr(self._parameters, name) is node:
                    setattr(self._parameters, name, None)
        if node is self._unseen:
            self._unseen = None
        # Last: each change above lets the section look for a result, and the node is still in the scene.
        self._result.forget(node)
        self._run.forget(node)
        _soon(self._update_if_open)

    def close(self) -> None:
        """End everything that would call back later, and forget the license."""
        self._is_closed = True
        self._ui.previewCheckBox.disconnect("toggled(bool)", self._on_preview_toggled)
        self.disconnectParameters()
        for section in (
            self._preview,
            self._run,
            self._result,
            self._alignment,
            self._license,
            self._fusion,
            self._volumes,
        ):
            section.close()

    def _create_job(self) -> FusionJob:
        parameters = self._parameters
        if parameters is None:
            raise VolumeError(_("Select the reference volume."))
        self._license_used = self._license.text
        return self._logic.createJob(
            parameters.referenceVolume,
            parameters.movingVolume,
            parameters.outputVolume,
            license=self._license_used,
            plane=parameters.plane,
            window=parameters.window,
            keepColor=parameters.keepColor,
            balance=parameters.balance,
            device=self._fusion.device,
            askForPyTorch=True,
            tell=self._run.say_preparing,
        )

    def _on_finished(self, node: vtkMRMLVolumeNode) -> None:
        if self._license.is_licensed and self._license.text != self._license_used:
            self._run.add(_("The license was entered after the fusion had begun. Fuse again for a result with it."))
        if self._is_left:
            # The slice views and the layout are the user's own in another module.
            self._unseen = node
        else:
            self._show_result(node)

    def _show_result(self, node: vtkMRMLVolumeNode) -> None:
        self._end_preview()
        self._result.show(node)

    def _on_preview_toggled(self, checked: bool) -> None:
        if checked:
            self._result.make_room()

    def _end_preview(self) -> None:
        """A preview would lie over the result."""
        self._ui.previewCheckBox.setChecked(False)

    def _on_volumes_changed(self) -> None:
        self._alignment.volumes_changed()
        self._update()

    def _on_parameters(self, _caller: object = None, _event: object = None) -> None:
        self._update()

    def _update(self) -> None:
        """Let every section show how things are."""
        parameters = self._parameters
        is_busy = self._run.is_running or self._alignment.is_running
        if is_busy:
            self._preview.pause()
        self._volumes.update(parameters, is_blocked=is_busy)
        self._fusion.update(parameters, is_blocked=self._run.is_running)
        self._license.update(parameters)
        self._result.update(parameters)
        self._ui.outputSelector.setEnabled(not self._run.is_running)
        self._alignment.update(parameters, is_blocked=self._run.is_running)
        self._run.update(parameters, busy=_("Aligning...") if self._alignment.is_running else "")
        self._preview.update(parameters)
        if not is_busy:
            self._preview.resume()

    def _update_if_open(self) -> None:
        if not self._is_closed:
            self._update()

    def _unbind(self) -> None:
        if self._bindings is not None and self._parameters is not None:
            gui, observer = self._bindings
            self._parameters.disconnectGui(gui)
            self._parameters.RemoveObserver(observer)
        self._parameters, self._bindings, self._unseen = None, None, None


def _prepare(ui: Any) -> None:
    """What the .ui file cannot say."""
    for node_class in ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"):
        # Only results: a volume of the patient's would be lost.
        ui.outputSelector.addAttribute(node_class, f"{ATTRIBUTE_PREFIX}Model")
    for selector, label in (
        (ui.referenceSelector, ui.referenceLabel),
        (ui.movingSelector, ui.movingLabel),
        (ui.outputSelector, ui.outputLabel),
    ):
        make_reachable(selector, qt.QComboBox, name=_spoken(label))
    make_reachable(ui.balanceSlider, qt.QSlider, qt.QDoubleSpinBox, name=_spoken(ui.balanceLabel))


def _spoken(label: Any) -> str:
    text: str = label.text
    return text.replace("&", "").rstrip(": ")


def _soon(step: Callable[[], None]) -> None:
    qt.QTimer.singleShot(0, step)
