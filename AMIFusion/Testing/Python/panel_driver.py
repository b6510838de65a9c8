"""Drives the panel as a user does; for tests that run in Slicer (ctest) and, unchanged, in the emulation (pytest)."""

import time
import unittest

import slicer
import slicer.util

PATIENCE = 120
"""Seconds that anything may take."""


class PanelDriver(unittest.TestCase):
    """Each test begins with an empty scene and the module open."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule("AMIFusion")
        self.turn()
        self.widget = slicer.util.getModuleWidget("AMIFusion")
        self.panel, self.ui = self.widget._panel, self.widget._panel._ui
        self.ui.previewCheckBox.setChecked(False)
        self.ui.licenseLineEdit.setText("")
        self.logic = self.widget.logic

    def tearDown(self):
        slicer.mrmlScene.Clear(0)
        self.turn()

    def turn(self, condition=lambda: False, seconds=0.0):
        """Turn the event loop once, or until something holds."""
        slicer.app.processEvents()
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            slicer.app.processEvents()

    def wait(self, condition):
        """Turn the event loop until something must hold."""
        self.turn(condition, PATIENCE)
        self.assertTrue(condition(), "waited in vain; the panel says: " + self.ui.statusLabel.text)

    def results(self):
        """Volumes that the module made."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return [node for node in nodes if node.GetAttribute("AMIFusion.Model")]

    def fuse(self):
        """Press the button and wait."""
        self.ui.fuseButton.click()
        self.wait(lambda: not self.panel.is_busy)
