"""The panel driven as a user drives it; runs in Slicer (ctest) and, unchanged, in the emulation (pytest)."""

import os
import tempfile
import time
import unittest

import numpy as np
import slicer
import slicer.util
from panel_driver import PanelDriver


class AMIFusionPanelTest(PanelDriver):
    """What users do with the panel, on volumes of noise."""

    def add_volume(self, name, shape=(12, 40, 40)):
        """A volume of noise as if it had been loaded."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        values = np.random.default_rng(sum(map(ord, name))).random(shape)
        slicer.util.updateVolumeFromArray(node, (1000 * values).astype(np.int16))
        node.CreateDefaultDisplayNodes()
        return node

    def add_pair(self):
        """Two volumes that the panel takes for MR and CT."""
        pair = self.add_volume("Brain MR"), self.add_volume("Brain CT")
        self.wait(lambda: self.ui.fuseButton.text == "Fuse")
        return pair

    def test_two_volumes_are_found_and_fused(self):
        """Two volumes are enough: the panel guesses which is which."""
        mr, ct = self.add_pair()
        self.assertEqual(self.ui.referenceSelector.currentNode(), mr)
        self.assertEqual(self.ui.movingSelector.currentNode(), ct)
        self.assertIn("40 x 40 x 12", self.ui.volumesNoteLabel.text)
        self.fuse()
        self.assertEqual([node.GetAttribute("AMIFusion.Authorized") for node in self.results()], ["false"])
        self.assertIn("UNLICENSED", self.ui.resultStateLabel.text)

    def test_license_makes_the_result_clean(self):
        """A license is pasted, the result is clean, and the scene that is saved holds no part of it."""
        self.add_pair()
        license = self.logic.evaluationLicense()
        self.ui.licenseLineEdit.setText(license)
        self.assertIn("Licensed to", self.ui.licenseStatusLabel.text)
        self.fuse()
        self.assertEqual(self.results()[0].GetAttribute("AMIFusion.Authorized"), "true")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scene.mrml")
            slicer.mrmlScene.SetURL(path)
            slicer.mrmlScene.Commit(path)
            with open(path, encoding="utf-8") as file:
                self.assertNotIn(license.strip().split(".")[1], file.read())

    def test_swap(self):
        """The two volumes change places."""
        mr, ct = self.add_pair()
        self.ui.swapButton.click()
        self.assertEqual((self.ui.referenceSelector.currentNode(), self.ui.movingSelector.currentNode()), (ct, mr))

    def test_balance_is_honored(self):
        """At either end of the slider the result follows one source."""
        mr, ct = self.add_pair()
        self.ui.licenseLineEdit.setText(self.logic.evaluationLicense())
        followed = []
        for value in (0, 100):
            self.ui.balanceSlider.value = value
            self.fuse()
            result = slicer.util.arrayFromVolume(self.results()[-1]).ravel()
            followed.append([np.corrcoef(result, slicer.util.arrayFromVolume(node).ravel())[0, 1] for node in (mr, ct)])
        self.assertGreater(followed[0][0], followed[0][1] + 0.3)
        self.assertGreater(followed[1][1], followed[1][0] + 0.3)

    def test_cancel(self):
        """Half-way through, nothing is left and the panel is ready at once."""
        for name in ("Brain MR", "Brain CT"):
            self.add_volume(name, (60, 128, 128))
        self.wait(lambda: self.ui.fuseButton.text == "Fuse")
        count = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.fuseButton.click()
        self.wait(lambda: self.ui.progressBar.value > 0)
        started = time.monotonic()
        self.ui.fuseButton.click()
        self.turn()
        self.assertEqual((self.ui.fuseButton.text, self.ui.fuseButton.enabled), ("Fuse", True))
        self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_input_deleted_and_scene_closed_during_a_run(self):
        """Whatever happens to the scene, the run ends and the panel stays usable."""
        for interrupt in (lambda pair: slicer.mrmlScene.RemoveNode(pair[1]), lambda pair: slicer.mrmlScene.Clear(0)):
            pair = self.add_pair()
            self.ui.fuseButton.click()
            interrupt(pair)
            self.wait(lambda: not self.panel.is_busy)
            self.assertEqual(self.results(), [])
            slicer.mrmlScene.Clear(0)
            self.turn()
        self.add_pair()
        self.fuse()
        self.assertEqual(len(self.results()), 1)

    def test_preview_leaves_nothing(self):
        """The preview shows in the slice views and is gone when it is switched off."""
        mr, _ = self.add_pair()
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        slicer.util.setSliceViewerLayers(background=mr, fit=True)
        self.turn()
        count = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.previewCheckBox.setChecked(True)
        self.wait(lambda: "ms" in self.ui.previewStatusLabel.text)
        hidden = [
            node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetHideFromEditors()
        ]  # fmt: skip
        self.assertTrue(hidden)
        self.assertFalse(any(node.GetSaveWithScene() for node in hidden))
        self.ui.previewCheckBox.setChecked(False)
        self.turn()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_result_preview_and_comparison_share_the_views(self):
        """A result comes in three-up; a preview takes the user's own layout, and looking at the result ends it."""
        self.add_pair()
        manager, own = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        manager.setLayout(own)
        self.fuse()
        self.assertNotEqual(manager.layout, own)
        self.ui.previewCheckBox.setChecked(True)
        self.assertEqual(manager.layout, own)
        self.wait(lambda: "ms" in self.ui.previewStatusLabel.text)
        self.ui.compareButton.click()
        self.assertFalse(self.ui.previewCheckBox.checked)
        red = manager.sliceWidget("Red").mrmlSliceCompositeNode()
        self.assertEqual(red.GetBackgroundVolumeID(), self.ui.referenceSelector.currentNode().GetID())
        self.ui.compareButton.click()
        self.assertEqual(red.GetBackgroundVolumeID(), self.results()[0].GetID())

    def test_nothing_of_a_patient_stays_for_the_next(self):
        """After the scene is closed no outcome, preview or choice of views is left over."""
        self.add_pair()
        self.fuse()
        self.assertIn("Done", self.ui.statusLabel.text)
        self.ui.threeUpButton.click()
        self.ui.previewCheckBox.setChecked(True)
        slicer.mrmlScene.Clear(0)
        self.turn()
        self.assertEqual(self.ui.statusLabel.text, "")
        self.assertFalse(self.ui.previewCheckBox.checked)
        self.add_pair()
        self.fuse()
        self.assertEqual(self.ui.threeUpButton.text, "Leave &three-up")
        slicer.mrmlScene.RemoveNode(self.results()[0])
        self.turn()
        self.assertEqual(self.ui.statusLabel.text, "")

    def test_button_says_that_volumes_cannot_be_fused(self):
        """What would be refused after the click cannot be clicked, and the tool tip says why."""
        mr, ct = self.add_pair()
        ct.SetOrigin(5000, 0, 0)
        self.wait(lambda: not self.ui.fuseButton.enabled)
        self.assertIn("do not overlap", self.ui.fuseButton.toolTip)
        ct.SetOrigin(0, 0, 0)
        self.wait(lambda: self.ui.fuseButton.enabled)
        # The selector offers results alone; a script may choose anything.
        slicer.util.getModuleLogic("AMIFusion").getParameterNode().outputVolume = mr
        self.turn()
        self.assertEqual((self.ui.fuseButton.text, self.ui.fuseButton.enabled), ("Select another output", False))

    def test_volumes_that_get_their_voxels_later_are_found(self):
        """Readers that turn the event loop add a volume before it has voxels."""
        nodes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("A MRT", "A CT")]
        self.turn()
        self.assertIsNone(self.ui.referenceSelector.currentNode())
        for node in nodes:
            slicer.util.updateVolumeFromArray(node, np.ones((12, 40, 40), np.int16))
        self.wait(lambda: self.ui.referenceSelector.currentNode() is not None)
        self.assertEqual(self.ui.referenceSelector.currentNode(), nodes[0])
        self.assertEqual(self.ui.movingSelector.currentNode(), nodes[1])

    def test_warning_follows_a_volume_that_is_moved(self):
        """A volume moved away is warned of, and moved back it is not."""
        _, ct = self.add_pair()
        ct.SetOrigin(-30, -30, 9)
        self.wait(lambda: "hardly overlap" in self.ui.alignmentStatusLabel.text)
        ct.SetOrigin(0, 0, 0)
        self.wait(lambda: "hardly overlap" not in self.ui.alignmentStatusLabel.text)

    def test_note_follows_a_volume_that_is_moved(self):
        """What will happen to the volumes is said anew when one of them is moved or resampled elsewhere."""
        _, ct = self.add_pair()
        self.assertIn("nothing is resampled", self.ui.volumesNoteLabel.text)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        ct.SetAndObserveTransformNodeID(transform.GetID())
        slicer.util.updateTransformMatrixFromArray(transform, np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3))
        self.wait(lambda: "will be resampled" in self.ui.volumesNoteLabel.text)
        ct.SetAndObserveTransformNodeID(None)
        self.wait(lambda: "nothing is resampled" in self.ui.volumesNoteLabel.text)

    def test_alignment_is_found_and_undone(self):
        """A shifted volume is moved back by a transform that can be taken away."""
        from AMIFusionLib.phantom.head import head_phantom
        from AMIFusionLib.phantom.nodes import add_phantom_volume

        nodes = {name: add_phantom_volume(slicer.mrmlScene, volume) for name, volume in head_phantom().items()}
        moving = nodes["CT"]
        origin = np.array(moving.GetOrigin()) + (6, -5, 4)
        moving.SetOrigin(*origin)
        self.ui.referenceSelector.setCurrentNode(nodes["MRT1"])
        self.ui.movingSelector.setCurrentNode(moving)
        self.wait(lambda: "look unaligned" in self.ui.alignmentStatusLabel.text)
        self.ui.alignButton.click()
        self.assertFalse(self.ui.movingSelector.enabled or self.ui.swapButton.enabled)
        self.ui.alignButton.click()
        self.assertIn("Canceled. Nothing was moved.", self.ui.alignmentStatusLabel.text)
        self.wait(lambda: "look unaligned" in self.ui.alignmentStatusLabel.text)
        self.assertTrue(self.ui.movingSelector.enabled)
        self.ui.alignButton.click()
        self.wait(lambda: not self.panel.is_busy)
        found = slicer.util.arrayFromTransformMatrix(moving.GetParentTransformNode())[:3, 3]
        self.assertLess(np.linalg.norm(found + (6, -5, 4)), 2.5)
        self.ui.undoAlignmentButton.click()
        self.assertIsNone(moving.GetParentTransformNode())


if __name__ == "__main__":
    unittest.main()
