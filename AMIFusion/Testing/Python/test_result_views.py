"""The views of the section about a result, driven as a user would: three-up and compare."""
# ruff: noqa: F811 (fixtures are imported by name)

import numpy as np
import pytest
import slicer_emulation
from result_bench import (
    STANDARD,
    backgrounds,
    end,
    labels,
    pair,  # noqa: F401 (a fixture)
    parameters,
    section,  # noqa: F401 (a fixture)
    shown,  # noqa: F401 (a fixture)
    ui,  # noqa: F401 (a fixture)
    wait_for,
)


class TestThreeUp:
    @pytest.fixture
    def views(self, slicer, ui, shown):
        """The three views, entered from a layout of the user's."""
        from AMIFusionLib.panel.three_up import VIEWS

        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
        ui.threeUpButton.click()
        slicer_emulation.process_events()
        return [slicer.app.layoutManager().sliceWidget(name) for name in VIEWS]

    def test_three_linked_views_at_one_place(self, slicer, ui, views, pair):
        from AMIFusionLib.panel.three_up import LAYOUT, VIEWS

        assert slicer.app.layoutManager().layout == LAYOUT and ui.threeUpButton.text == "Leave &three-up"
        assert backgrounds(slicer, VIEWS) == ["MR", "CT", "MR + CT fused"]
        assert labels(slicer) == ["Reference: MR", "Second: CT", "Fused: UNLICENSED"]
        nodes = [view.mrmlSliceNode() for view in views]
        assert all(node.IsMappedInLayout() and node.GetViewGroup() == nodes[0].GetViewGroup() != 0 for node in nodes)
        assert all(view.mrmlSliceCompositeNode().GetLinkedControl() for view in views)
        matrices = [[node.GetSliceToRAS().GetElement(i, j) for i in range(4) for j in range(4)] for node in nodes]
        np.testing.assert_allclose(matrices, [matrices[0]] * 3)
        assert len({node.GetFieldOfView() for node in nodes}) == 1
        assert nodes[0].GetOrientation() == "Axial"
        assert backgrounds(slicer, STANDARD) == ["MR + CT fused"] * 3

    def test_pressed_again_the_layout_before_is_back(self, slicer, ui, views):
        ui.threeUpButton.click()
        assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
        assert ui.threeUpButton.text == "&Three-up" and labels(slicer) == ["", "", ""]
        assert not views[0].mrmlSliceNode().IsMappedInLayout()

    def test_leaving_by_slicers_menu_ends_it_as_well(self, slicer, ui, views):
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        assert ui.threeUpButton.text == "&Three-up" and labels(slicer) == ["", "", ""]

    @pytest.mark.parametrize("what", ["result", "source", "scene", "module"])
    def test_it_ends_with_what_it_shows(self, slicer, section, views, shown, pair, scene, what):
        end(what, section, scene, result=shown, source=pair[1])
        assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView

    def test_a_fresh_result_takes_its_place_and_the_user_keeps_theirs(self, slicer, section, views, pair, logic):
        from AMIFusionLib.panel.three_up import VIEWS

        for view in views:
            view.mrmlSliceNode().SetSliceOffset(3)
        clean = logic.fuse(*pair, license=logic.evaluationLicense())
        section.show(clean)
        slicer_emulation.process_events()
        assert backgrounds(slicer, VIEWS) == ["MR", "CT", clean.GetName()]
        assert labels(slicer)[2] == "Fused: licensed"
        assert [view.mrmlSliceNode().GetSliceOffset() for view in views] == [3, 3, 3]

    def test_labels_follow_what_is_shown(self, slicer, views, add_volume):
        """A label beside another volume would be worse than none."""
        other = add_volume(np.zeros((5, 9, 9), np.int16), "Other")
        views[0].mrmlSliceCompositeNode().SetBackgroundVolumeID(other.GetID())
        views[1].mrmlSliceCompositeNode().SetBackgroundVolumeID(None)
        assert labels(slicer) == ["Other", "", "Fused: UNLICENSED"]

    def test_a_loaded_volume_does_not_push_the_three_out(self, slicer, views, add_volume):
        from AMIFusionLib.panel.three_up import VIEWS

        other = add_volume(np.zeros((5, 9, 9), np.int16), "Other")
        slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(other.GetID())
        slicer.app.applicationLogic().PropagateVolumeSelection()
        assert backgrounds(slicer, ["Red", *VIEWS]) == ["Other", "MR", "CT", "MR + CT fused"]

    @pytest.mark.parametrize("plane, orientation", [("coronal", "Coronal"), ("sagittal", "Sagittal")])
    def test_views_start_in_the_plane_of_the_fusion(self, slicer, section, pair, logic, plane, orientation):
        from AMIFusionLib.panel.three_up import VIEWS

        standard = slicer.app.layoutManager().sliceWidget({"coronal": "Green", "sagittal": "Yellow"}[plane])
        standard.mrmlSliceNode().SetSliceOffset(5)
        section.show(logic.fuse(*pair, plane=plane))
        slicer_emulation.process_events()
        nodes = [slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode() for name in VIEWS]
        assert [node.GetOrientation() for node in nodes] == [orientation] * 3
        assert [node.GetSliceOffset() for node in nodes] == pytest.approx([5] * 3)


class TestCompare:
    def test_reference_while_pressed_and_everything_back(self, slicer, ui, pair, shown):
        manager = slicer.app.layoutManager()
        manager.sliceWidget("Green").mrmlSliceCompositeNode().SetBackgroundVolumeID(pair[1].GetID())
        manager.sliceWidget("Green").mrmlSliceCompositeNode().SetForegroundVolumeID(shown.GetID())
        ui.compareButton.click()
        assert ui.compareButton.checked and backgrounds(slicer, STANDARD) == ["MR", "MR", "CT"]
        assert manager.sliceWidget("Green").mrmlSliceCompositeNode().GetForegroundVolumeID() == pair[0].GetID()
        ui.compareButton.click()
        assert backgrounds(slicer, STANDARD) == [shown.GetName(), shown.GetName(), "CT"]
        assert manager.sliceWidget("Green").mrmlSliceCompositeNode().GetForegroundVolumeID() == shown.GetID()

    def test_what_the_user_chose_meanwhile_stays(self, slicer, ui, pair, shown):
        ui.compareButton.click()
        slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode().SetBackgroundVolumeID(pair[1].GetID())
        ui.compareButton.click()
        assert backgrounds(slicer, STANDARD) == ["CT", shown.GetName(), shown.GetName()]

    @pytest.mark.parametrize("what", ["result", "reference", "scene", "module", "new result"])
    def test_it_ends_by_itself(self, slicer, section, ui, pair, shown, scene, logic, what):
        ui.compareButton.click()
        if what == "new result":
            node = logic.fuse(*pair)
            section.show(node)
            assert backgrounds(slicer, STANDARD) == [node.GetName()] * 3
        else:
            end(what, section, scene, result=shown, reference=pair[0])
        if what in ("result", "reference", "module"):
            expected = "MR" if what == "result" else shown.GetName()
            assert backgrounds(slicer, STANDARD) == [expected] * 3
        assert not ui.compareButton.checked

    def test_a_label_says_what_is_compared(self, slicer, ui, shown):
        ui.threeUpButton.click()
        ui.compareButton.click()
        assert labels(slicer) == ["Reference: MR", "Second: CT", "Reference: MR"]
        ui.compareButton.click()
        assert labels(slicer)[2] == "Fused: UNLICENSED"

    def test_where_the_result_is_not_shown_that_is_said(self, slicer, ui, pair, shown):
        slicer.util.setSliceViewerLayers(background=pair[0])
        ui.compareButton.click()
        assert not ui.compareButton.checked and "No slice view shows" in ui.measuresLabel.text


def test_a_scene_saved_in_three_up_is_opened_in_it(slicer, section, ui, shown, tmp_path):
    from AMIFusionLib.panel.three_up import LAYOUT, VIEWS

    ui.threeUpButton.click()
    path = tmp_path / "saved.mrb"
    assert slicer.util.saveScene(str(path))
    section.update(None)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(path))
    section.update(parameters())
    slicer_emulation.process_events()
    assert slicer.app.layoutManager().layout == LAYOUT
    assert backgrounds(slicer, VIEWS) == ["MR", "CT", "MR + CT fused"]
    assert labels(slicer) == ["Reference: MR", "Second: CT", "Fused: UNLICENSED"]
    assert ui.threeUpButton.text == "Leave &three-up"
    ui.measureButton.click()
    wait_for(lambda: not section._runner.is_running)
    assert "Edges kept" in ui.measuresLabel.text
