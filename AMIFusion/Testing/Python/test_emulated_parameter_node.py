"""The emulation's parameter nodes: types, widgets that follow them, and saved scenes."""
# ruff: noqa: F811 (fixtures are imported by name)

import pathlib

import pytest
import slicer_emulation
from emulation_probe import add_volume, panel, qt, slicer  # noqa: F401 (fixtures)


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
