"""How to fuse: plane, intensities, and the device."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from AMIFusionLib.fusion.cpu import describe_processor

if TYPE_CHECKING:
    from .interfaces import Parameters

AUTOMATIC = "auto"


class FusionSection:
    """Choices that Slicer's own binding does not cover: combo boxes whose entries are translated.

    Balance and color are bound by their ``SlicerParameterName`` in the .ui file.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: Parameters | None = None
        self._knows_devices = False
        _fill(ui.planeComboBox, _plane_labels())
        _fill(ui.windowComboBox, _window_labels())
        _fill(
            ui.deviceComboBox,
            {AUTOMATIC: _("Automatic (a GPU where there is one)"), "cpu": describe_processor(_("CPU"))},
        )
        self._choices = {"plane": ui.planeComboBox, "window": ui.windowComboBox, "device": ui.deviceComboBox}
        ui.planeComboBox.connect("currentIndexChanged(int)", lambda index: self._on_choice("plane", index))
        ui.windowComboBox.connect("currentIndexChanged(int)", lambda index: self._on_choice("window", index))
        ui.deviceComboBox.connect("currentIndexChanged(int)", lambda index: self._on_choice("device", index))

    def update(self, parameters: Parameters | None, is_blocked: bool = False) -> None:
        """Show a parameter node's choices.

        Args:
            parameters: AMIFusionParameterNode, or None while there is none.
            is_blocked: whether a fusion is under way, which keeps to the choices that it was begun with.
        """
        # What is shown is not written back: a scene may come from a computer with another GPU and keeps its choice.
        self._parameters = None
        self._name_devices()
        for widget in (*self._choices.values(), self._ui.balanceSlider, self._ui.colorCheckBox):
            widget.setEnabled(not is_blocked)
        if parameters is not None:
            self._offer_device(parameters.device)
            for name, combo_box in self._choices.items():
                combo_box.setCurrentIndex(max(combo_box.findData(getattr(parameters, name)), 0))
        self._parameters = parameters

    @property
    def device(self) -> str:
        """The device that is shown, which is there."""
        device: str = self._ui.deviceComboBox.itemData(self._ui.deviceComboBox.currentIndex)
        return device

    def close(self) -> None:
        """Write nothing into the parameters any more."""
        self._parameters = None

    def _on_choice(self, name: str, index: int) -> None:
        if self._parameters is not None and index >= 0:
            value = self._choices[name].itemData(index)
            if getattr(self._parameters, name) != value:
                setattr(self._parameters, name, value)

    def _offer_device(self, device: str) -> None:
        """Take a scene's device on trust by its raw name as long as nobody knows what is there."""
        if not self._knows_devices and self._ui.deviceComboBox.findData(device) < 0:
            self._ui.deviceComboBox.addItem(device, device)

    def _name_devices(self) -> None:
        """List what is there, once PyTorch has been loaded for something else: loading it takes seconds."""
        if self._knows_devices or "torch" not in sys.modules:
            return
        from AMIFusionLib.fusion.devices import available_devices, describe_device

        self._knows_devices = True
        combo_box = self._ui.deviceComboBox
        combo_box.clear()
        devices = available_devices()
        combo_box.addItem(_("Automatic: {device}").format(device=describe_device(devices[0])), AUTOMATIC)
        for device in devices:
            combo_box.addItem(describe_device(device), device)


def _plane_labels() -> dict[str, str]:
    return {
        "acquisition": _("As acquired"),
        "axial": _("Axial"),
        "sagittal": _("Sagittal"),
        "coronal": _("Coronal"),
    }


def _window_labels() -> dict[str, str]:
    return {"display": _("As displayed"), "percentiles": _("From percentiles")}


def _fill(combo_box: Any, labels: dict[str, str]) -> None:
    for value, label in labels.items():
        combo_box.addItem(label, value)
