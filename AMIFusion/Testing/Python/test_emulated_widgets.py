"""The emulation's widgets: node selectors, user interface files, and what a person would see."""
# ruff: noqa: F811 (fixtures are imported by name)

import re

import pytest
import slicer_emulation
from emulation_probe import PROBE_UI, add_volume, panel, qt, slicer  # noqa: F401 (fixtures)


class TestNodeComboBox:
    @pytest.fixture
    def box(self, slicer):
        box = slicer.qMRMLNodeComboBox()
        box.nodeTypes, box.noneEnabled = ["vtkMRMLScalarVolumeNode"], True
        assert box.enabled is False
        box.setMRMLScene(slicer.mrmlScene)
        assert box.enabled is True
        return box

    def test_lists_and_selects(self, slicer, box):
        hits = []
        box.connect("currentNodeChanged(vtkMRMLNode*)", hits.append)
        first, second, third = [add_volume(slicer, name) for name in "abc"]
        hidden = add_volume(slicer, "hidden")
        hidden.SetHideFromEditors(True)
        assert hits == [] and box.currentNode() is None
        box.setCurrentNode(second)
        slicer.mrmlScene.RemoveNode(second)
        assert hits == [second, third] and box.currentNodeID == third.GetID()
        slicer.mrmlScene.RemoveNode(third)
        assert box.currentNode() is first

    def test_clearing_the_scene_selects_none_once(self, slicer, box):
        box.setCurrentNode([add_volume(slicer, name) for name in "abc"][0])
        hits = []
        box.currentNodeChanged.connect(lambda node: hits.append(node))
        slicer.mrmlScene.Clear(0)
        assert hits == [None]

    def test_a_box_that_is_gone_follows_no_scene(self, slicer, box):
        box.deleteLater()
        slicer_emulation.process_events()
        add_volume(slicer)
        assert slicer_emulation.slot_errors == []


class TestUserInterfaceFiles:
    @pytest.mark.parametrize(
        "old, new",
        [
            ('name="singleStep"', 'name="singelStep"'),
            ('<widget class="ctkPathLineEdit"', '<widget class="ctkPathLinedit"'),
        ],
    )
    def test_a_misspelt_property_or_class_raises(self, slicer, tmp_path, old, new):
        text = PROBE_UI.read_text()
        assert old in text
        (tmp_path / "a.ui").write_text(text.replace(old, new))
        with pytest.raises(RuntimeError):
            slicer.util.loadUI(str(tmp_path / "a.ui"))

    def test_a_label_may_have_a_buddy_and_only_a_label(self, slicer, tmp_path):
        buddy = '<property name="buddy"><cstring>keyEdit</cstring></property>'
        label = re.search(r'<widget class="QLabel" name="\w+">', PROBE_UI.read_text()).group()
        (tmp_path / "a.ui").write_text(PROBE_UI.read_text().replace(label, label + buddy))
        widget = slicer.util.loadUI(str(tmp_path / "a.ui"))
        assert slicer.util.findChildren(widget, className="QLabel")[0].buddy().name == "keyEdit"
        button = re.search(r'<widget class="QPushButton" name="\w+">', PROBE_UI.read_text()).group()
        (tmp_path / "a.ui").write_text(PROBE_UI.read_text().replace(button, button + buddy))
        with pytest.raises(RuntimeError):
            slicer.util.loadUI(str(tmp_path / "a.ui"))

    def test_a_misspelt_signal_of_a_connection_is_recorded(self, slicer, tmp_path):
        (tmp_path / "a.ui").write_text(PROBE_UI.read_text().replace("mrmlSceneChanged", "mrmlSceneChange"))
        slicer.util.loadUI(str(tmp_path / "a.ui"))
        assert slicer_emulation.refused_connections == ["Probe.mrmlSceneChange(vtkMRMLScene*)"]


class TestLooks:
    """What a person would see: emulated widgets are drawn for pictures of a panel."""

    @pytest.fixture
    def slider(self, slicer):
        import ctk

        slider = ctk.ctkSliderWidget()
        slider.maximum, slider.decimals, slider.suffix, slider.value = 100, 0, " %", 35
        return slider

    def test_a_slider_shows_its_value_and_follows_the_user(self, qt, slider):
        (bar,), (spin_box,) = slider.findChildren(qt.QSlider), slider.findChildren(qt.QDoubleSpinBox)
        assert (spin_box.text, bar.value, bar.maximum) == ("35 %", 35, 100)
        hits, moving = [], []
        slider.valueChanged.connect(hits.append)
        slider.valueIsChanging.connect(moving.append)
        bar.value = 60
        spin_box.value = 61
        slider.value = 62
        assert hits == [60, 61, 62] and moving == [60]
        assert (spin_box.value, bar.value, slider.value) == (62, 62, 62)
        slider.minimum, slider.singleStep = 50, 5
        assert (bar.maximum, bar.value, spin_box.minimum) == (10, 2, 50)

    def test_a_node_selector_shows_names_and_follows_the_user(self, slicer, qt):
        box = slicer.qMRMLNodeComboBox()
        box.nodeTypes, box.noneEnabled, box.noneDisplay = ["vtkMRMLScalarVolumeNode"], True, "New volume"
        (shown,) = box.findChildren(qt.QComboBox)
        box.setMRMLScene(slicer.mrmlScene)
        assert shown.currentText == "New volume"
        first, second = add_volume(slicer, "a"), add_volume(slicer, "b")
        box.setCurrentNode(second)
        assert shown.currentText == "b"
        second.SetName("renamed")
        box.grab()
        assert shown.currentText == "renamed"
        changed, activated = [], []
        box.currentNodeChanged.connect(changed.append)
        box.nodeActivated.connect(activated.append)
        shown.setCurrentIndex(1)
        shown.activated.emit(1)
        assert changed == activated == [first] and box.currentNode() is first
        slicer.mrmlScene.Clear(0)
        assert (shown.currentText, shown.count) == ("New volume", 1)

    def test_a_collapsed_button_hides_its_contents_and_shows_what_nobody_else_hid(self, slicer, qt, tmp_path):
        text = PROBE_UI.read_text()
        name = re.search(r'<widget class="ctkCollapsibleButton" name="(\w+)">', text).group(1)
        opened = f'name="{name}">'
        collapsed = opened + '<property name="collapsed"><bool>true</bool></property>'
        (tmp_path / "a.ui").write_text(text.replace(opened, collapsed))
        widget = slicer.util.loadUI(str(tmp_path / "a.ui"))
        ui = slicer.util.childWidgetVariables(widget)
        button = getattr(ui, name)
        assert button.collapsed and ui.volumeSelector.isHidden() and ui.progressBar.isHidden()
        height = button.sizeHint.height()
        ui.progressBar.setVisible(False)
        button.collapsed = False
        assert not ui.volumeSelector.isHidden() and ui.progressBar.isHidden()
        assert button.sizeHint.height() > 2 * height
        button.collapsed = True
        button.collapsed = False
        assert not ui.volumeSelector.isHidden() and ui.progressBar.isHidden()

    def test_a_picture_is_sharp_and_full_and_leaves_the_widget_as_it_was(self, slicer, panel, tmp_path):
        root = slicer.util.findChild(slicer.modules.emulationprobe.widgetRepresentation(), "Probe")
        size = root.size
        light, dark = tmp_path / "light.png", tmp_path / "dark.png"
        assert slicer_emulation.picture(root, light, width=300, scale=3) == light
        slicer_emulation.set_dark(True)
        slicer_emulation.picture(root, dark, width=300, scale=3)
        images = [self._gray(path) for path in (light, dark)]
        assert images[0].shape == images[1].shape and images[0].shape[1] == 900 and images[0].shape[0] > 300
        assert images[0][:5].mean() > 200 > 80 > images[1][:5].mean()
        for image in images:
            assert image.std() > 10 and len({row.tobytes() for row in image}) > 100
        assert root.size == size

    @staticmethod
    def _gray(path):
        import numpy as np
        from PySide6 import QtGui

        image = QtGui.QImage(str(path)).convertToFormat(QtGui.QImage.Format.Format_Grayscale8)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : image.width()].copy()
