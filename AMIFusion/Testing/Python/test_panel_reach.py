"""The panel at a keyboard, in a narrow column, beside another module, and during a run."""
# ruff: noqa: F811 (fixtures are imported by name)

import numpy as np
import pytest
import slicer_emulation
import vtk
from AMIFusionLib.volumes.result import is_foreign
from PySide6 import QtCore, QtWidgets
from slicer_emulation.strict_objects import unwrap
from test_logic_and_panel import pair, panel, results, select, wait_for  # noqa: F401 (fixtures, and helpers)

IN_ORDER = [
    "volumesCollapsibleButton", "in referenceSelector", "in movingSelector", "swapButton", "alignmentCollapsibleButton",
    "checkAlignmentButton", "alignButton", "undoAlignmentButton", "fusionCollapsibleButton", "planeComboBox",
    "windowComboBox", "in balanceSlider", "in balanceSlider", "colorCheckBox", "deviceComboBox", "previewCheckBox",
    "licenseCollapsibleButton", "licenseLineEdit", "openLicenseButton", "rememberLicenseCheckBox",
    "forgetLicenseButton", "fuseButton", "resultCollapsibleButton", "in outputSelector", "threeUpButton",
    "compareButton", "measureButton", "exportPictureButton",
]  # fmt: skip


def stops(panel):
    """Where Tab stops, from the first header on, by Qt's own rule: a widget with a focus proxy is passed."""
    first = widget = unwrap(panel._ui.volumesCollapsibleButton)
    while True:
        # The text field in a spin box has it for its proxy's sake.
        if widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus and widget.focusProxy() is None:
            is_named = bool(widget.objectName()) and not widget.objectName().startswith("qt_")
            yield widget.objectName() if is_named else f"in {widget.parent().objectName()}"
        widget = widget.nextInFocusChain()
        if widget is first:
            return


def test_tab_goes_through_everything_from_top_to_bottom(panel):
    assert [name for name in stops(panel) if name != "in "] == IN_ORDER


@pytest.mark.parametrize("name", ["reference", "moving", "output", "balance"])
def test_the_letter_of_a_label_leads_into_its_field(panel, name):
    label = unwrap(getattr(panel._ui, f"{name}Label"))
    field = label.buddy()
    assert field.focusPolicy() != QtCore.Qt.FocusPolicy.NoFocus
    target = field.focusProxy()
    assert target.parent() is field and target.accessibleName() == label.text().replace("&", "").rstrip(":")


@pytest.mark.parametrize(("points", "width"), [(9, 350), (12, 400)])
def test_long_names_leave_the_panel_narrow(panel, pair, points, width):
    pair[0].SetName("MR_T2_TSE_AX_4MM_HEAD_WITHOUT_CONTRAST_20260101_120000_ORIGINAL_PRIMARY")
    pair[1].SetName("CT_HEAD_0625_BONE_RECONSTRUCTION_IMR1_20260101_121500_ORIGINAL_PRIMARY")
    application = QtWidgets.QApplication.instance()
    font = application.font()
    larger = application.font()
    larger.setPointSize(points)
    application.setFont(larger)
    try:
        select(panel, *pair)
        panel._ui.fuseButton.click()
        wait_for(lambda: not panel.is_busy)
        slicer_emulation.process_events()
        widget = unwrap(panel._ui.volumesCollapsibleButton).parentWidget()
        assert widget.minimumSizeHint().width() <= width
    finally:
        application.setFont(font)


def test_a_volume_of_the_patient_s_is_never_the_output(panel, pair, add_volume, scene):
    other = add_volume(np.full((9, 20, 20), 7, np.int16), "Other CT")
    select(panel, *pair)
    panel._ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    (result,) = results(scene)
    selector = panel._ui.outputSelector
    assert [selector.nodeFromIndex(index) for index in range(selector.nodeCount())] == [result]
    assert is_foreign(other) and not is_foreign(result)
    panel._parameters.outputVolume = other
    slicer_emulation.process_events()
    assert panel._ui.fuseButton.text == "Select another output" and not panel._ui.fuseButton.enabled
    assert "'Other CT' is no result of a fusion" in panel._ui.fuseButton.toolTip


def test_a_result_made_while_another_module_is_open_waits_to_be_shown(panel, pair, scene, slicer):
    select(panel, *pair)
    panel._ui.fuseButton.click()
    panel.left()
    layout = slicer.app.layoutManager().layout
    backgrounds = [node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
    wait_for(lambda: not panel.is_busy)
    slicer_emulation.process_events()
    (result,) = results(scene)
    assert slicer.app.layoutManager().layout == layout
    assert backgrounds == [
        node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ]
    panel.entered()
    assert slicer.app.layoutManager().layout != layout
    assert result.GetID() in [
        node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ]


def test_what_is_chosen_during_a_run_is_locked_or_said_to_come_later(panel, pair, logic):
    ui = panel._ui
    select(panel, *pair)
    ui.fuseButton.click()
    widgets = (
        ui.referenceSelector, ui.movingSelector, ui.swapButton, ui.outputSelector, ui.planeComboBox, ui.windowComboBox,
        ui.balanceSlider, ui.colorCheckBox, ui.deviceComboBox,
    )  # fmt: skip
    assert not any(widget.enabled for widget in widgets)
    ui.licenseLineEdit.setText(logic.evaluationLicense())
    wait_for(lambda: not panel.is_busy)
    assert "marked as unlicensed" in ui.statusLabel.text and "Fuse again for a result with it." in ui.statusLabel.text
    assert all(widget.enabled for widget in widgets)


def test_volumes_apart_are_said_where_they_are_selected(panel, pair, add_volume):
    away = np.eye(4)
    away[0, 3] = 900
    select(panel, pair[0], add_volume(np.ones((9, 20, 20), np.int16), "CT far", away))
    assert "overlap" in panel._ui.volumesNoteLabel.text and "resampled" not in panel._ui.volumesNoteLabel.text


def test_undo_is_there_after_a_swap(panel, pair, scene):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetAttribute("AMIFusion.Aligned", "true")
    select(panel, *pair)
    from AMIFusionLib import alignment_job

    transform.SetAttribute(alignment_job._ALIGNED_ATTRIBUTE, "true")
    pair[1].SetAndObserveTransformNodeID(transform.GetID())
    slicer_emulation.process_events()
    assert panel._ui.undoAlignmentButton.enabled
    panel._ui.swapButton.click()
    slicer_emulation.process_events()
    assert panel._ui.undoAlignmentButton.enabled
    panel._ui.undoAlignmentButton.click()
    assert pair[1].GetParentTransformNode() is None


def test_moved_sources_are_not_measured_after_a_reload_either(panel, pair, scene):
    select(panel, *pair)
    panel._ui.fuseButton.click()
    wait_for(lambda: not panel.is_busy)
    matrix = vtk.vtkMatrix4x4()
    pair[1].GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 2)
    pair[1].SetIJKToRASMatrix(matrix)
    slicer_emulation.close_module("AMIFusion")
    again = slicer_emulation.open_module("AMIFusion")._panel
    again._ui.measureButton.click()
    assert "was moved or changed since it was fused" in again._ui.measuresLabel.text
