"""The emulation against the record of a real Slicer, and the behaviors that the other tests lean on."""
# ruff: noqa: F811 (fixtures are imported by name)

import json
import os
import pathlib

import pytest
import slicer_emulation
from emulation_probe import HERE, PROBE_MODULE, PROBE_UI, add_volume, panel, qt, slicer  # noqa: F401 (fixtures)
from slicer_emulation import contract

MACHINE_DEPENDENT = {"widgets: h.sizeHint"}


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
