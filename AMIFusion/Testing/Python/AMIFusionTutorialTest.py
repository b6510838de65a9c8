"""Both tutorials of docs/tutorial.md, step by step as a reader takes them; in Slicer (ctest) and in the emulation."""

import os
import tempfile

import numpy as np
import slicer
import slicer.util
from panel_driver import PanelDriver

BRAIN, BONE = (100, 50), (1000, 400)
"""Window and level of the CT, in HU."""


class AMIFusionTutorialTest(PanelDriver):
    """What the pages promise, on the head phantom and on Slicer's own sample."""

    def load(self, sample):
        """The nodes of a sample by name, as its button in Sample Data loads them."""
        import SampleData

        logic = SampleData.SampleDataLogic()
        source = logic.sourceForSampleName(sample)
        nodes = source.customDownloader(source) if source.customDownloader else logic.downloadFromSource(source)
        self.turn()
        return {node.GetName(): node for node in nodes}

    def select(self, reference, moving):
        """Choose both volumes and wait until the panel has looked at them."""
        self.ui.referenceSelector.setCurrentNode(reference)
        self.ui.movingSelector.setCurrentNode(moving)
        self.wait(lambda: self.ui.fuseButton.text == "Fuse")

    def newest(self):
        """Fuse, and give the result that this made."""
        known = {node.GetID() for node in self.results()}
        self.fuse()
        (result,) = (node for node in self.results() if node.GetID() not in known)
        return result

    def enter_license(self):
        """Copy the evaluation license into the field."""
        self.ui.licenseLineEdit.setText(self.logic.evaluationLicense())
        self.assertIn("Licensed to Public evaluation", self.ui.licenseStatusLabel.text)

    def check_alignment(self):
        """Press Check and give what the panel says."""
        self.ui.alignmentStatusLabel.setText("")
        self.ui.checkAlignmentButton.click()
        self.wait(lambda: bool(self.ui.alignmentStatusLabel.text))
        return self.ui.alignmentStatusLabel.text

    def test_head_phantom(self):
        """The first tutorial."""
        nodes = self.load("Head phantom")
        self.assertEqual(sorted(nodes), ["PhantomCT", "PhantomMRT1", "PhantomMRT2", "PhantomPET"])
        self.select(nodes["PhantomMRT2"], nodes["PhantomCT"])
        self.assertIn("resampled from 256 x 256 x 48 to 256 x 256 x 42", self.ui.volumesNoteLabel.text)
        self.assertIn("lie on each other", self.check_alignment())
        self.assertEqual(self.newest().GetAttribute("AMIFusion.Authorized"), "false")
        self.enter_license()
        self.assertEqual(self.newest().GetAttribute("AMIFusion.Authorized"), "true")
        self.ui.compareButton.click()
        red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        self.assertEqual(red.GetBackgroundVolumeID(), nodes["PhantomMRT2"].GetID())
        self.select(nodes["PhantomMRT1"], nodes["PhantomPET"])
        colored = self.newest()
        self.assertTrue(colored.IsA("vtkMRMLVectorVolumeNode"))
        self.ui.measureButton.click()
        self.wait(lambda: not self.panel.is_busy)
        self.assertRegex(self.ui.measuresLabel.text, r"\d+ ?%")
        self.ui.previewCheckBox.setChecked(True)
        self.ui.balanceSlider.value = 20
        self.wait(lambda: "ms" in self.ui.previewStatusLabel.text)
        self.ui.previewCheckBox.setChecked(False)

    def test_ct_mr_brain(self):
        """The second tutorial."""
        nodes = self.load("CTMRBrain")
        self.assertEqual(sorted(nodes), ["CTBrain", "MRBrainT1", "MRBrainT2"])
        ct, t1, t2 = (nodes[name] for name in sorted(nodes))
        self.set_window(ct, BRAIN)
        self.select(t2, ct)
        self.assertIn("CTBrain will be resampled", self.ui.volumesNoteLabel.text)
        self.was_unaligned = "⚠" in self.check_alignment()
        if self.was_unaligned:
            self.align_and_undo(ct)
        self.enter_license()
        with_brain_window = self.newest()
        self.assertEqual(with_brain_window.GetAttribute("AMIFusion.Authorized"), "true")
        self.assertEqual(self.size(with_brain_window), self.size(t2))
        self.ui.swapButton.click()
        self.wait(lambda: self.ui.fuseButton.text == "Fuse")
        self.assertEqual(self.size(self.newest()), self.size(ct))
        self.select(t1, ct)
        self.assertEqual(self.size(self.newest()), self.size(t1))
        self.select(t2, ct)
        self.set_window(ct, BONE)
        with_bone_window = self.newest()
        kept = [self.likeness(result, t2) for result in (with_brain_window, with_bone_window)]
        self.assertGreater(kept[1], kept[0], "the bone window leaves the brain to the MR")
        self.save_and_load(t2, ct)

    def set_window(self, node, window):
        """Manual window and level, as in the module Volumes."""
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(*window)
        self.turn()

    def align_and_undo(self, moving):
        """Align, undo, and align again, so that the rest shows what lies on each other."""
        self.align(moving)
        self.ui.undoAlignmentButton.click()
        self.assertIsNone(moving.GetParentTransformNode())
        self.align(moving)
        self.assertNotIn("⚠", self.check_alignment())

    def align(self, moving):
        """Press Align rigidly and wait for its transform."""
        self.ui.alignButton.click()
        self.wait(lambda: not self.panel.is_busy)
        self.assertIsNotNone(moving.GetParentTransformNode(), self.ui.alignmentStatusLabel.text)

    def size(self, node):
        """Columns, rows and slices."""
        return node.GetImageData().GetDimensions()

    def likeness(self, result, source):
        """Correlation of a result with one of its sources, on its own grid."""
        arrays = (slicer.util.arrayFromVolume(node).ravel() for node in (result, source))
        return np.corrcoef(*arrays)[0, 1]

    def save_and_load(self, reference, moving):
        """The scene holds sources, results and choices, but no part of the license."""
        names = [node.GetName() for node in (reference, moving)]
        count, secret = len(self.results()), self.logic.evaluationLicense().strip().split(".")[1]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scene.mrml")
            self.assertTrue(slicer.util.saveScene(path))
            with open(path, encoding="utf-8") as file:
                self.assertNotIn(secret, file.read())
            slicer.mrmlScene.Clear(0)
            self.turn()
            slicer.util.loadScene(path)
            self.turn()
        self.assertEqual(len(self.results()), count)
        chosen = self.ui.referenceSelector.currentNode(), self.ui.movingSelector.currentNode()
        self.assertEqual([node.GetName() for node in chosen], names)
