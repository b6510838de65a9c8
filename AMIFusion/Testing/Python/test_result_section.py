"""The panel's section about a result, driven as a user would: state, measure, export."""
# ruff: noqa: F811 (fixtures are imported by name)

import pytest
import slicer_emulation
from result_bench import (
    STANDARD,
    backgrounds,
    end,
    labels,
    pair,  # noqa: F401 (a fixture)
    parameters,
    remove,
    section,  # noqa: F401 (a fixture)
    shown,  # noqa: F401 (a fixture)
    ui,  # noqa: F401 (a fixture)
    wait_for,
)

BUTTONS = ("threeUpButton", "compareButton", "measureButton", "exportPictureButton")


def enabled(ui):
    """Which buttons are enabled."""
    return [getattr(ui, name).enabled for name in BUTTONS]


class TestState:
    def test_without_a_result_there_is_nothing_to_do(self, section, ui):
        section.update(parameters())
        assert ui.resultStateLabel.text == "No result yet." and enabled(ui) == [False] * 4

    def test_unlicensed_and_licensed_are_named(self, section, ui, pair, logic, shown):
        assert ui.resultStateLabel.text.startswith("'MR + CT fused': UNLICENSED, marked.")
        assert "from 'MR' and 'CT'" in ui.resultStateLabel.text and enabled(ui) == [True] * 4
        license_text = logic.evaluationLicense()
        clean = logic.fuse(*pair, license=license_text)
        section.update(parameters())
        assert f"'{clean.GetName()}': licensed to Public evaluation." in ui.resultStateLabel.text
        assert license_text[-20:].strip() not in ui.resultStateLabel.text
        section.update(parameters(shown))
        assert "UNLICENSED" in ui.resultStateLabel.text

    def test_missing_sources_and_a_missing_result_are_told(self, section, ui, pair, shown, scene):
        remove(section, scene, pair[1])
        assert "a volume that is gone" in ui.resultStateLabel.text
        assert enabled(ui) == [False, True, True, True]
        remove(section, scene, shown)
        assert ui.resultStateLabel.text == "No result yet." and enabled(ui) == [False] * 4

    def test_a_fresh_result_is_shown_in_three_up_and_alone_elsewhere(self, slicer, section, ui, pair, logic):
        from AMIFusionLib.panel.three_up import LAYOUT, VIEWS

        slicer.util.setSliceViewerLayers(background=pair[0], foreground=pair[1], foregroundOpacity=0.5)
        manager = slicer.app.layoutManager()
        node = logic.fuse(*pair)
        section.show(node)
        assert manager.layout == LAYOUT and ui.threeUpButton.text == "Leave &three-up"
        assert backgrounds(slicer, VIEWS) == ["MR", "CT", node.GetName()]
        assert backgrounds(slicer, STANDARD) == [node.GetName()] * 3
        assert manager.sliceWidget("Red").mrmlSliceCompositeNode().GetForegroundVolumeID() is None

    @pytest.mark.parametrize("way", ["button", "menu"])
    def test_who_has_left_three_up_is_not_taken_there_again(self, slicer, section, ui, pair, logic, way):
        from AMIFusionLib.panel.three_up import LAYOUT

        manager, own = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
        manager.setLayout(own)
        section.show(logic.fuse(*pair))
        if way == "button":
            ui.threeUpButton.click()
        else:
            manager.setLayout(own)
        section.show(logic.fuse(*pair))
        assert manager.layout == own
        ui.threeUpButton.click()
        assert manager.layout == LAYOUT


class TestMeasure:
    def measure(self, section, ui):
        ui.measureButton.click()
        assert ui.measureButton.text == "Cancel"
        wait_for(lambda: not section._runner.is_running)
        assert ui.measureButton.text == "&Measure"

    def test_means_in_words_and_slices_in_a_plot(self, slicer, section, ui, shown):
        """The plot comes with three-up, whose button leads back to the user's layout."""
        from AMIFusionLib.panel.three_up import LAYOUT, LAYOUT_WITH_PLOT

        self.measure(section, ui)
        text = ui.measuresLabel.text
        assert "Edges kept:" in text and "of 'MR'" in text and "of 9 slices" in text and "mark" in text
        (table,) = slicer.util.getNodesByClass("vtkMRMLTableNode")
        (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
        assert table.GetName() == "MR + CT fused measures" and table.GetNumberOfColumns() == 8
        assert [chart.GetNthPlotSeriesNode(index).GetYColumnName() for index in range(5)] == [
            "Qabf", "Q reference", "Q second", "SSIM", "VIF",
        ]  # fmt: skip
        assert chart.GetNthPlotSeriesNode(0).GetTableNode() is table
        views = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
        assert [view.GetPlotChartNodeID() for view in views] == [chart.GetID()]
        assert slicer.app.layoutManager().layout == LAYOUT_WITH_PLOT
        ui.threeUpButton.click()
        assert slicer.app.layoutManager().layout not in (LAYOUT, LAYOUT_WITH_PLOT)

    def test_measured_again_the_nodes_are_replaced(self, slicer, section, ui, shown, pair, logic):
        self.measure(section, ui)
        self.measure(section, ui)
        classes = ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
        assert [len(slicer.util.getNodesByClass(name)) for name in classes] == [1, 5, 1]
        section.show(logic.fuse(*pair))
        self.measure(section, ui)
        assert [len(slicer.util.getNodesByClass(name)) for name in classes] == [2, 10, 2]

    def test_three_up_makes_room_for_the_plot(self, slicer, section, ui, shown):
        from AMIFusionLib.panel.three_up import LAYOUT_WITH_PLOT

        ui.threeUpButton.click()
        self.measure(section, ui)
        (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
        assert slicer.app.layoutManager().layout == LAYOUT_WITH_PLOT
        (view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
        assert view.GetPlotChartNodeID() == chart.GetID()
        assert labels(slicer)[2] == "Fused: UNLICENSED"
        ui.threeUpButton.click()
        assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutInitialView

    def test_cancel_leaves_nothing(self, slicer, section, ui, shown):
        ui.measureButton.click()
        slicer_emulation.process_events()
        ui.measureButton.click()
        assert ui.measuresLabel.text == "Measuring was canceled." and ui.measureButton.text == "&Measure"
        slicer_emulation.process_events()
        assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []

    def test_changed_sources_are_told(self, slicer, section, ui, pair, shown):
        slicer.util.arrayFromVolume(pair[1])[:] += 1
        slicer.util.arrayFromVolumeModified(pair[1])
        ui.measureButton.click()
        assert "moved or changed since it was fused" in ui.measuresLabel.text
        assert ui.measureButton.text == "&Measure"

    @pytest.mark.parametrize("what", ["source", "result", "scene", "module"])
    def test_a_run_ends_with_what_it_measures(self, slicer, section, ui, pair, shown, scene, what):
        ui.measureButton.click()
        slicer_emulation.process_events()
        end(what, section, scene, result=shown, source=pair[1])
        wait_for(lambda: not section._runner.is_running)
        assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []
        assert what != "source" or "while it was measured" in ui.measuresLabel.text


class TestExport:
    def export(self, ui, answer):
        slicer_emulation.dialogs.answer_next(str(answer))
        ui.exportPictureButton.click()
        return slicer_emulation.dialogs.shown[-1].text

    def test_the_picture_and_its_name_say_what_it_is(self, slicer, section, ui, pair, shown, logic, tmp_path):
        import qt

        slicer.app.layoutManager().sliceWidget("Red").sliceLogic().FitSliceToBackground()
        path = tmp_path / "views.png"
        assert self.export(ui, path) == "MR + CT fused (unlicensed).png"
        assert ui.measuresLabel.text == "Saved 'views.png'."
        image = qt.QImage(str(path))
        assert image.width() >= 3 * 256 and image.height() > 256 + 20
        assert "UNLICENSED - marked, not for diagnosis" in image.text("Description")
        gray = [image.pixelColor(x, y).value() for x in range(0, image.width(), 5) for y in range(0, 256, 5)]
        assert max(gray) > 150, "the slices are in the picture"
        section.show(logic.fuse(*pair, license=logic.evaluationLicense()))
        assert "(licensed).png" in self.export(ui, path)
        assert "licensed to Public evaluation - not for diagnosis" in qt.QImage(str(path)).text("Description")
        assert [entry.name for entry in tmp_path.iterdir()] == ["views.png"]

    def test_three_up_is_exported_with_its_labels_but_without_others_corners(
        self, slicer, ui, shown, tmp_path, monkeypatch
    ):
        import ScreenCapture
        from AMIFusionLib.panel.three_up import LABEL_PLACE, VIEWS

        ui.threeUpButton.click()
        slicer_emulation.process_events()
        corners = slicer.app.layoutManager().sliceWidget(VIEWS[0]).sliceView().cornerAnnotation()
        corners.SetText(2, "DOE, JANE")
        seen, capture = [], ScreenCapture.ScreenCaptureLogic.captureImageFromView

        def spy(self, view, filename, transparentBackground=False):  # noqa: N803 - Slicer's name
            texts = view.cornerAnnotation()
            seen.append((texts.GetText(2), texts.GetText(LABEL_PLACE)))
            capture(self, view, filename)

        monkeypatch.setattr(ScreenCapture.ScreenCaptureLogic, "captureImageFromView", spy)
        self.export(ui, tmp_path / "three.png")
        assert [label for _, label in seen] == ["Reference: MR", "Second: CT", "Fused: UNLICENSED"]
        assert not any(corner for corner, _ in seen) and corners.GetText(2) == "DOE, JANE"

    def test_names_that_files_cannot_have_are_made_ones_they_can(self, ui, shown, section):
        shown.SetName('MR/CT: "a"?')
        assert self.export(ui, "") == "MR_CT_ _a__ (unlicensed).png"
        assert ui.measuresLabel.text == ""

    def test_the_ending_is_added_but_never_over_a_file_that_was_not_asked_about(self, ui, shown, tmp_path):
        self.export(ui, tmp_path / "views")
        assert (tmp_path / "views.png").exists()
        before = (tmp_path / "views.png").stat().st_mtime_ns
        self.export(ui, tmp_path / "views")
        assert "exists" in ui.measuresLabel.text and (tmp_path / "views.png").stat().st_mtime_ns == before

    def test_a_file_that_cannot_be_written_is_told(self, ui, shown, tmp_path):
        self.export(ui, tmp_path / "missing" / "views.png")
        assert "'views.png' cannot be written" in ui.measuresLabel.text
        (tmp_path / "taken.png").mkdir()
        self.export(ui, tmp_path / "taken.png")
        assert "'taken.png' cannot be written" in ui.measuresLabel.text
        assert [entry.name for entry in tmp_path.iterdir()] == ["taken.png"]

    def test_only_views_that_show_the_result_are_exported(self, slicer, ui, pair, shown, tmp_path):
        slicer.util.setSliceViewerLayers(background=pair[0])
        ui.exportPictureButton.click()
        assert "No slice view shows" in ui.measuresLabel.text and not slicer_emulation.dialogs.shown


def test_a_closed_section_follows_nothing(slicer, ui, logic, pair):
    from AMIFusionLib.panel.result_section import ResultSection
    from AMIFusionLib.panel.three_up import LAYOUT, VIEWS

    result = logic.fuse(*pair)
    for _ in range(3):
        section = ResultSection(ui, logic)
        section.show(result)
        section._on_three_up()
        section.close()
    slicer_emulation.process_events()
    ui.threeUpButton.setText("closed")
    manager = slicer.app.layoutManager()
    manager.sliceWidget(VIEWS[0]).mrmlSliceCompositeNode().SetBackgroundVolumeID(pair[1].GetID())
    assert labels(slicer) == ["", "", ""]
    manager.setLayout(LAYOUT)
    assert ui.threeUpButton.text == "closed"
