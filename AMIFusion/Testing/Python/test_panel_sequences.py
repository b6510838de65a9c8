"""Random sequences of what a user may do: no exception, no orphan node, no stuck state."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import slicer_emulation
import vtk
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

SEQUENCES, ACTIONS = 200, 14
VIEWS = ("Red", "Yellow", "Green")


class PanelUser(RuleBasedStateMachine):
    """Somebody at the panel who tries everything, in any order."""

    module = None

    def __init__(self):
        super().__init__()
        import slicer

        slicer_emulation.reset()
        self.slicer, self.scene = slicer, slicer.mrmlScene
        self.widget = slicer_emulation.open_module("AMIFusion")
        self.count = 0
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = self._temporary.name

    @property
    def panel(self):
        """The open panel."""
        return self.widget._panel

    @property
    def ui(self):
        """Its widgets."""
        return self.panel._ui

    def volumes(self):
        """Volumes that a user sees."""
        nodes = self.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return [node for node in nodes if not node.GetHideFromEditors()]

    @initialize()
    def two_volumes(self):
        for name in ("MR", "CT"):
            self.add_volume(name, False)

    @rule(name=st.sampled_from(["MR T1", "CT", "FDG PET", "x"]), is_color=st.booleans())
    def add_volume(self, name, is_color):
        if len(self.volumes()) > 5:
            return
        generator = np.random.default_rng(self.count)
        self.count += 1
        shape = (6, 20, 24, 3) if is_color else (6, 20, 24)
        kind = "vtkMRMLVectorVolumeNode" if is_color else "vtkMRMLScalarVolumeNode"
        node = self.scene.AddNewNodeByClass(kind, name)
        self.slicer.util.updateVolumeFromArray(node, (255 * generator.random(shape)).astype(np.uint8))
        node.CreateDefaultDisplayNodes()

    @rule(which=st.sampled_from(["referenceSelector", "movingSelector", "outputSelector"]), index=st.integers(-1, 5))
    def select(self, which, index):
        volumes = self.volumes()
        node = volumes[index % len(volumes)] if volumes and index >= 0 else None
        getattr(self.ui, which).setCurrentNode(node)

    @rule(index=st.integers(0, 5))
    def delete(self, index):
        volumes = self.volumes()
        if volumes:
            node = volumes[index % len(volumes)]
            # As the subject hierarchy deletes a volume: with what displays it.
            for display in [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]:
                self.scene.RemoveNode(display)
            self.scene.RemoveNode(node)

    @rule(button=st.sampled_from([
        "swapButton", "fuseButton", "alignButton", "checkAlignmentButton", "undoAlignmentButton", "threeUpButton",
        "compareButton", "measureButton", "forgetLicenseButton",
    ]))  # fmt: skip
    def press(self, button):
        getattr(self.ui, button).click()

    @rule(turns=st.integers(1, 6))
    def wait(self, turns):
        for _ in range(turns):
            slicer_emulation.process_events()

    @rule(box=st.sampled_from(["planeComboBox", "windowComboBox", "deviceComboBox"]), index=st.integers(0, 3))
    def choose(self, box, index):
        getattr(self.ui, box).setCurrentIndex(index % getattr(self.ui, box).count)

    @rule(value=st.integers(0, 100))
    def balance(self, value):
        self.ui.balanceSlider.value = value

    @rule(box=st.sampled_from(["colorCheckBox", "previewCheckBox", "rememberLicenseCheckBox"]))
    def tick(self, box):
        getattr(self.ui, box).click()

    @rule(text=st.sampled_from(["", "nonsense", "evaluation", "cut"]))
    def enter_license(self, text):
        real = self.panel._logic.evaluationLicense()
        self.ui.licenseLineEdit.setText({"evaluation": real, "cut": real[:-9]}.get(text, text))

    @rule(view=st.sampled_from(VIEWS), offset=st.floats(-20, 20))
    def scroll(self, view, offset):
        self.slicer.app.layoutManager().sliceWidget(view).sliceLogic().SetSliceOffset(offset)

    @rule(window=st.floats(1, 300))
    def change_window(self, window):
        for node in self.volumes()[:1]:
            if node.GetDisplayNode():
                node.GetDisplayNode().SetWindowLevel(window, window / 2)

    @rule(index=st.integers(0, 5), distance=st.floats(-30, 30))
    def move(self, index, distance):
        volumes = self.volumes()
        if volumes:
            node = volumes[index % len(volumes)]
            matrix = vtk.vtkMatrix4x4()
            node.GetIJKToRASMatrix(matrix)
            matrix.SetElement(0, 3, distance)
            node.SetIJKToRASMatrix(matrix)

    @rule(text=st.sampled_from(["evaluation", "nonsense"]))
    def open_license(self, text):
        path = Path(self.folder) / "a.license"
        path.write_text(self.panel._logic.evaluationLicense() if text == "evaluation" else text, encoding="utf-8")
        slicer_emulation.dialogs.answer_next(str(path))
        self.ui.openLicenseButton.click()

    @rule(name=st.sampled_from(["a.png", "", "none/a.png"]))
    def export(self, name):
        if self.ui.exportPictureButton.enabled:
            slicer_emulation.dialogs.answer_next(str(Path(self.folder) / name) if name else "")
            self.ui.exportPictureButton.click()

    @rule()
    def save_and_load_scene(self):
        path = str(Path(self.folder) / "scene.mrb")
        names = sorted(node.GetName() for node in self.volumes())
        assert self.slicer.util.saveScene(path)
        self.scene.Clear(0)
        self.slicer.util.loadScene(path)
        assert sorted(node.GetName() for node in self.volumes()) == names

    @rule()
    def leave_without_a_wait(self):
        self.slicer.util.selectModule("Welcome")

    @rule()
    def leave_and_come_back(self):
        self.slicer.util.selectModule("Welcome")
        slicer_emulation.process_events()
        self.slicer.util.selectModule("AMIFusion")

    @rule()
    def close_scene(self):
        self.scene.Clear(0)

    @rule()
    @precondition(lambda self: self.count % 2)
    def close_and_open_module(self):
        slicer_emulation.close_module("AMIFusion")
        self.widget = slicer_emulation.open_module("AMIFusion")

    @invariant()
    def nothing_was_raised(self):
        assert not slicer_emulation.slot_errors and not slicer_emulation.refused_connections

    def teardown(self):
        """Whatever was begun comes to its end, and leaves what it should."""
        for _ in range(400):
            slicer_emulation.process_events()
            if not self.panel.is_busy:
                break
        assert not self.panel.is_busy
        assert self.ui.fuseButton.text in {
            "Fuse", "Select a reference volume", "Select a second volume", "Select two different volumes",
            "Select another output", "Select volumes that can be fused",
        }  # fmt: skip
        for node in self.slicer.util.getNodesByClass("vtkMRMLVolumeNode"):
            assert node.GetImageData() is not None, node.GetName()
        slicer_emulation.close_module("AMIFusion")
        assert not [node for node in self.slicer.util.getNodesByClass("vtkMRMLVolumeNode") if node.GetHideFromEditors()]
        self.no_orphans()
        self.nothing_was_raised()
        self._temporary.cleanup()

    def no_orphans(self):
        """Every display and storage node of a volume belongs to one."""
        owned = set()
        for node in self.slicer.util.getNodesByClass("vtkMRMLVolumeNode"):
            owned |= {node.GetNthDisplayNodeID(index) for index in range(node.GetNumberOfDisplayNodes())}
        for display in self.slicer.util.getNodesByClass("vtkMRMLVolumeDisplayNode"):
            assert display.GetID() in owned, display.GetID()


@pytest.mark.parametrize("part", range(4))
def test_nothing_a_user_does_leaves_an_error_an_orphan_or_a_stuck_panel(module, part):
    PanelUser.module = module
    kept = settings(
        max_examples=SEQUENCES // 4, stateful_step_count=ACTIONS, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip

    class Part(PanelUser):
        """Another set of sequences for each part: they are derived from the name."""

    Part.__qualname__ = Part.__name__ = f"PanelUser{part}"
    run_state_machine_as_test(Part, settings=kept)
