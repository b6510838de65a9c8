"""The emulation against the record of a real Slicer, and the behaviors that the other tests lean on."""

import json
import os
import pathlib
import re

import pytest

pytest.importorskip("PySide6", reason="the emulation needs PySide6-Essentials")
pytest.importorskip("slicer", reason="the emulation needs slicer-core")

import slicer_emulation
from slicer_emulation import contract

HERE = pathlib.Path(slicer_emulation.__file__).parent
PROBE_MODULE = HERE / "probe" / "EmulationProbe.py"
PROBE_UI = HERE / "probe" / "Resources" / "UI" / "EmulationProbe.ui"
MACHINE_DEPENDENT = {"widgets: h.sizeHint"}


@pytest.fixture
def slicer():
    """A Slicer as just started."""
    module = slicer_emulation.install()
    slicer_emulation.reset()
    yield module
    slicer_emulation.reset()


@pytest.fixture
def qt(slicer):
    """The module `qt`."""
    import qt as module

    return module


@pytest.fixture
def panel(slicer):
    """The probe module's widget, opened."""
    slicer_emulation.load_module(PROBE_MODULE)
    return slicer_emulation.open_module("EmulationProbe")


def add_volume(slicer, name="MR"):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_agrees_with_the_recorded_slicer(slicer, capsys):
    path = os.environ.get("AMIFUSION_SLICER_CONTRACT")
    if not path:
        pytest.skip("AMIFUSION_SLICER_CONTRACT does not name the record of a real Slicer")
    count, found = contract.differences(path, PROBE_UI.read_text())
    known = json.loads((HERE / "known_differences.json").read_text())
    with capsys.disabled():
        print(f"\n{count - len(found)} of {count} probes agree; known differences:")
        for probe in found:
            print(f"  {probe}: {known.get(probe, 'NEW')}")
    assert not {probe: found[probe] for probe in found if probe not in known}
    assert not set(known) - set(found) - MACHINE_DEPENDENT, "no longer differ: take them off the list"


class TestStrictness:
    @pytest.mark.parametrize(
        "code",
        [
            "w.noSuch = 1",
            "w.setNoSuch(1)",
            "w.text()",
            "w.enabled()",
            "w.emit('clicked()')",
            "w.width = 3",
            "w.checkStateChanged",
            "qt.QLineEdit.EchoMode.Password",
            "qt.QThread",
            "qt.QComboBox().currentIndex()",
            "class X(qt.QWidget): pass",
            "qt.QLabel(text='a')",
            "slicer.app.noSuch",
            "slicer.app.noSuch = 1",
            "slicer.qMRMLNodeComboBox().currentText",
            "slicer.qMRMLNodeComboBox().nodeType = []",
        ],
    )
    def test_what_pythonqt_refuses_raises(self, slicer, qt, code):
        with pytest.raises((AttributeError, TypeError)):
            exec(code, {"w": qt.QPushButton("a"), "qt": qt, "slicer": slicer})

    def test_a_value_of_the_wrong_type_raises(self, qt):
        with pytest.raises(AttributeError):
            qt.QPushButton().enabled = "yes"
        with pytest.raises(ValueError):
            qt.QLabel(pathlib.Path("a"))

    def test_properties_and_setters_are_one(self, qt):
        edit = qt.QLineEdit()
        edit.text = "abc"
        edit.setText(edit.text + "d")
        edit.echoMode = qt.QLineEdit.Password
        assert (edit.text, edit.echoMode) == ("abcd", qt.QLineEdit.Password)

    def test_a_destroyed_widget_raises(self, qt):
        parent = qt.QWidget()
        child = qt.QLabel("x", parent)
        parent.deleteLater()
        slicer_emulation.process_events()
        with pytest.raises(ValueError):
            _ = child.text

    def test_an_object_has_one_wrapper(self, qt):
        parent = qt.QWidget()
        child = qt.QLabel("x", parent)
        assert parent.children()[0] is child and child.parent() is parent and isinstance(child, qt.QWidget)


class TestSignals:
    def test_arguments_are_cut_to_what_the_callable_takes(self, qt):
        hits, button = [], qt.QPushButton()
        button.clicked.connect(lambda: hits.append("none"))
        button.clicked.connect(lambda checked: hits.append(checked))
        button.connect("clicked()", lambda *given: hits.append(given))
        button.connect("clicked(bool)", lambda *given: hits.append(given))
        button.click()
        assert hits == ["none", False, (), (False,)]

    def test_errors_in_slots_are_swallowed_and_recorded(self, qt, capsys):
        button = qt.QPushButton()

        def bad():
            raise ValueError("inside a slot")

        button.clicked.connect(bad)
        qt.QTimer.singleShot(0, bad)
        button.click()
        slicer_emulation.process_events()
        assert [str(kept.error) for kept in slicer_emulation.slot_errors] == ["inside a slot"] * 2
        assert "inside a slot" in capsys.readouterr().err

    def test_errors_in_observers_are_recorded(self, slicer):
        def bad(_caller, _event):
            raise ValueError("inside an observer")

        volume = add_volume(slicer)
        volume.AddObserver("ModifiedEvent", bad)
        volume.Modified()
        assert [str(kept.error) for kept in slicer_emulation.slot_errors] == ["inside an observer"]

    def test_emit(self, slicer, qt):
        hits, box, button = [], slicer.qMRMLNodeComboBox(), qt.QPushButton()
        box.currentNodeChanged.connect(lambda node: hits.append(node))
        button.clicked.connect(lambda checked: hits.append(checked))
        volume = add_volume(slicer)
        box.currentNodeChanged.emit(volume)
        button.clicked.emit(True)
        button.clicked()
        assert hits == [volume, True, False]

    def test_a_refused_connection_is_recorded(self, qt):
        assert qt.QPushButton().connect("clickd()", print) is False
        assert slicer_emulation.refused_connections == ["QPushButton.clickd()"]

    def test_disconnect(self, qt):
        hits, button = [], qt.QPushButton()
        button.clicked.connect(hits.append)
        assert button.clicked.disconnect(hits.append) is True
        assert button.clicked.disconnect(hits.append) is False
        button.click()
        assert hits == []


class TestDialogsAndSettings:
    def test_dialogs_are_recorded_and_answered(self, slicer, qt):
        import ctk

        assert slicer.util.confirmOkCancelDisplay("Sure?") is False
        slicer_emulation.dialogs.answer_next(qt.QMessageBox.Ok, "/a/key.txt")
        assert slicer.util.confirmOkCancelDisplay("Sure?") is True
        assert qt.QFileDialog.getOpenFileName(None, "License", "", "*.txt") == "/a/key.txt"
        assert qt.QFileDialog.getOpenFileName(None, "License") == ""
        path_edit = ctk.ctkPathLineEdit()
        slicer_emulation.dialogs.answer_next("/a/model")
        path_edit.browse()
        assert path_edit.currentPath == "/a/model"
        assert [shown.text for shown in slicer_emulation.dialogs.shown[:2]] == ["Sure?", "Sure?"]

    def test_errors_are_displayed_unless_testing(self, slicer):
        for testing in (False, True):
            slicer_emulation.set_testing(testing)
            with pytest.raises(ValueError), slicer.util.tryWithErrorDisplay("Failed", waitCursor=True):
                raise ValueError("why")
        assert [shown.text for shown in slicer_emulation.dialogs.shown] == ["Failed\n\nwhy"]

    def test_settings_come_back_as_strings_after_a_restart(self, slicer, qt):
        qt.QSettings().setValue("AMIFusion/flag", True)
        slicer.app.userSettings().setValue("AMIFusion/count", 3)
        assert (qt.QSettings().value("AMIFusion/flag"), qt.QSettings().value("AMIFusion/count")) == (True, 3)
        slicer_emulation.restart_settings()
        assert (qt.QSettings().value("AMIFusion/flag"), qt.QSettings().value("AMIFusion/count")) == ("true", "3")
        slicer_emulation.reset()
        assert not qt.QSettings().contains("AMIFusion/flag")

    def test_what_modules_keep_beside_the_settings_is_gone_after_a_reset(self, slicer):
        folder = pathlib.Path(slicer.app.slicerUserSettingsFilePath).parent
        (folder / "Module").mkdir()
        (folder / "Module" / "kept").write_text("x")
        slicer_emulation.reset()
        assert not (folder / "Module").exists() and folder.is_dir()


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


class TestParameterNode:
    def test_widgets_and_parameters_follow_each_other(self, slicer, panel):
        parameters, ui = panel._parameterNode, panel.ui
        volume = add_volume(slicer)
        ui.volumeSelector.setCurrentNode(volume)
        ui.weightSlider.value = 0.75
        ui.planeCombo.currentIndex = 1
        ui.previewCheck.checked = True
        assert (parameters.volume, parameters.weight, parameters.plane.name, parameters.preview) == (
            volume,
            0.75,
            "AXIAL",
            True,
        )
        parameters.weight, parameters.preview, parameters.volume = 0.25, False, None
        assert (ui.weightSlider.value, ui.previewCheck.checked, ui.volumeSelector.currentNode()) == (0.25, False, None)

    def test_rounding_in_a_widget_does_not_change_the_parameter(self, panel):
        panel._parameterNode.weight = 0.123
        assert (panel.ui.weightSlider.value, panel._parameterNode.weight) == (0.12, 0.123)

    @pytest.mark.parametrize("ending", ["mrml", "mrb"])
    def test_survives_saving_and_loading_the_scene(self, slicer, panel, tmp_path, ending):
        parameters = panel._parameterNode
        parameters.volume, parameters.weight = add_volume(slicer, "kept"), 0.75
        assert slicer.util.saveScene(str(tmp_path / f"scene.{ending}"))
        slicer.mrmlScene.Clear(0)
        assert panel._parameterNode.weight == 0.5 and panel._parameterNode.volume is None
        slicer.util.loadScene(str(tmp_path / f"scene.{ending}"))
        panel.enter()
        assert panel._parameterNode.weight == 0.75 and panel._parameterNode.volume.GetName() == "kept"
        assert slicer_emulation.slot_errors == []

    @pytest.mark.parametrize(
        "widget, kind, message",
        [
            ("QPlainTextEdit", str, "no connector"),
            ("QComboBox", str, "no connector"),
            ("QSlider", float, "no connector"),
            ("QPushButton", bool, "checkable"),
        ],
    )
    def test_a_pair_that_slicer_cannot_connect_raises(self, slicer, qt, widget, kind, message):
        from slicer.parameterNodeWrapper import parameterNodeWrapper

        wrapped = parameterNodeWrapper(type("Wrapped", (), {"__annotations__": {"value": kind}}))
        parameters = wrapped(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
        with pytest.raises(ValueError, match=message):
            parameters.connectParametersToGui({"value": getattr(qt, widget)()})

    def test_an_optional_value_and_a_path_are_kept(self, slicer, tmp_path):
        from typing import Optional

        from slicer.parameterNodeWrapper import parameterNodeWrapper

        wrapped = parameterNodeWrapper(
            type("Wrapped", (), {"__annotations__": {"count": Optional[int], "path": pathlib.Path}})
        )
        raw = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        assert wrapped(raw).count is None
        wrapped(raw).count, wrapped(raw).path = 3, tmp_path
        assert (wrapped(raw).count, wrapped(raw).path) == (3, tmp_path)

    def test_types_of_parameters(self, slicer):
        from typing import Union

        from slicer.parameterNodeWrapper import parameterNodeWrapper

        either = Union[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLTransformNode, None]
        wrapped = parameterNodeWrapper(type("Wrapped", (), {"__annotations__": {"node": either}}))
        parameters = wrapped(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
        parameters.node = add_volume(slicer)
        with pytest.raises(TypeError):
            parameters.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
        with pytest.raises(TypeError, match="does not store"):
            parameterNodeWrapper(type("Wrapped", (), {"__annotations__": {"many": list[int]}}))

    def test_a_default_that_is_not_valid_raises(self, slicer):
        from typing import Annotated

        from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

        with pytest.raises(ValueError):
            parameterNodeWrapper(
                type("Wrapped", (), {"__annotations__": {"weight": Annotated[float, WithinRange(0, 1)]}, "weight": 2.0})
            )


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


class TestScriptedModule:
    def test_a_user_chooses_a_volume_and_presses_the_button(self, slicer, panel):
        assert panel.ui.applyButton.enabled is False
        panel.ui.volumeSelector.setCurrentNode(add_volume(slicer))
        assert panel.ui.applyButton.enabled is True
        panel.ui.applyButton.click()
        for _ in range(4):
            assert panel.ui.progressBar.value < 100
            slicer.app.processEvents()
        assert panel.ui.progressBar.value == 100
        slicer.mrmlScene.Clear(0)
        assert panel.ui.applyButton.enabled is False
        assert slicer_emulation.slot_errors == [] and slicer_emulation.refused_connections == []

    def test_the_registries_know_the_module(self, slicer, panel):
        assert slicer.modules.emulationprobe.title == "Emulation probe"
        assert slicer.util.getModuleWidget("EmulationProbe") is slicer.modules.EmulationProbeWidget is panel
        assert slicer.util.getModuleLogic("EmulationProbe") is panel.logic
        assert slicer.util.selectedModule() == "EmulationProbe"
        with pytest.raises(AttributeError):
            slicer.modules.emulationprobe.titel = "x"

    def test_an_error_while_a_panel_is_built_raises_and_while_entered_is_recorded(self, slicer, monkeypatch):
        module = slicer_emulation.load_module(PROBE_MODULE)
        monkeypatch.setattr(module.EmulationProbeWidget, "setup", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            slicer_emulation.open_module("EmulationProbe")
        monkeypatch.undo()
        monkeypatch.setattr(module.EmulationProbeWidget, "enter", lambda self: 1 / 0)
        slicer_emulation.open_module("EmulationProbe")
        assert [type(kept.error) for kept in slicer_emulation.slot_errors] == [ZeroDivisionError]

    def test_leaving_closing_and_reloading(self, slicer, panel):
        slicer.util.selectModule("Welcome")
        assert panel._parameterNode is None
        panel.onReload()
        assert slicer.modules.EmulationProbeWidget is not panel and panel.Observations == []
        slicer_emulation.close_module("EmulationProbe")
        assert not hasattr(slicer.modules, "EmulationProbeWidget")

    def test_self_test_and_sample(self, slicer, panel):
        import SampleData

        slicer_emulation.set_testing(True)
        assert slicer.selfTests["EmulationProbe"](path="a") == {"path": "a"}
        assert SampleData.downloadSample("ProbeVolume").GetName() == "ProbeVolume"

    def test_reset_leaves_nothing_behind(self, slicer, panel):
        add_volume(slicer)
        scene = slicer.mrmlScene
        slicer.mrmlScene = slicer.vtkMRMLScene()
        slicer_emulation.set_testing(True)
        slicer_emulation.reset()
        assert slicer.mrmlScene is scene and slicer_emulation.install() is slicer
        assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []
        assert slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode") == []
        assert panel.Observations == [] and not hasattr(slicer.modules, "EmulationProbeWidget")
        assert slicer.app.testingEnabled() is False and slicer.util.selectedModule() == "Welcome"


class TestSurroundings:
    def test_volumes_get_subject_hierarchy_items(self, slicer):
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        volume = add_volume(slicer)
        item = hierarchy.GetItemByDataNode(volume)
        assert item and hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID()
        count = hierarchy.GetNumberOfItems()
        slicer.mrmlScene.RemoveNode(volume)
        assert hierarchy.GetNumberOfItems() == count - 1
        slicer.mrmlScene.Clear(0)
        assert slicer.mrmlScene.GetSubjectHierarchyNode().GetItemByDataNode(add_volume(slicer))

    def test_slice_views_show_what_they_are_given(self, slicer):
        volume = add_volume(slicer)
        slicer.util.setSliceViewerLayers(background=volume, foreground=volume, foregroundOpacity=0.5, fit=True)
        slicer.util.resetSliceViews()
        for name in slicer.app.layoutManager().sliceViewNames():
            composite = slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
            assert composite.GetBackgroundVolumeID() == composite.GetForegroundVolumeID() == volume.GetID()

    def test_a_layout_brings_its_views_and_they_stay(self, slicer):
        manager, shown = slicer.app.layoutManager(), []
        manager.connect("layoutChanged(int)", shown.append)
        description = (
            '<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Own"/></item></layout>'
        )
        manager.layoutLogic().GetLayoutNode().AddLayoutDescription(777, description)
        manager.setLayout(777)
        assert (manager.layout, shown) == (777, [777]) and manager.sliceViewNames()[-1] == "Own"
        nodes = [manager.sliceWidget(name).mrmlSliceNode() for name in ("Own", "Red")]
        assert [node.IsMappedInLayout() for node in nodes] == [True, False]
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
        assert [node.IsMappedInLayout() for node in nodes] == [False, True]
        assert "Own" in manager.sliceViewNames()
        manager.disconnect("layoutChanged(int)", shown.append)
        slicer_emulation.reset()
        assert (manager.layout, manager.sliceViewNames()) == (0, ("Red", "Yellow", "Green"))

    def test_a_view_that_shows_nothing_cannot_be_captured(self, slicer, tmp_path):
        from ScreenCapture import ScreenCaptureLogic

        view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
        with pytest.raises(ValueError, match="Capture"):
            ScreenCaptureLogic().captureImageFromView(view, str(tmp_path / "a.png"))
        with pytest.raises(ValueError, match="Unsupported"):
            ScreenCaptureLogic().captureImageFromView(view, str(tmp_path / "a.bmp"))

    def test_pip_is_recorded(self, slicer):
        slicer.util.pip_install(["a==1"])
        assert slicer_emulation.pip_requests == [["a==1"]] and not hasattr(slicer, "packaging")

    def test_the_pytorch_extension_can_be_missing_or_without_torch(self, slicer):
        import PyTorchUtils

        logic = PyTorchUtils.PyTorchUtilsLogic()
        assert logic.torchInstalled() is True
        PyTorchUtils.PyTorchUtilsLogic.installed = PyTorchUtils.PyTorchUtilsLogic.accepts = False
        assert logic.torchInstalled() is False and logic.installTorch(askConfirmation=True) is None
        assert logic.requests[0]["askConfirmation"] is True
        slicer_emulation.set_pytorch_extension(False)
        with pytest.raises(ImportError):
            import PyTorchUtils
