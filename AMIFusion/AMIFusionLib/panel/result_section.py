"""The panel's section about a result: what it is, and looking at, comparing, measuring and exporting it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from AMIFusionLib.volumes.result import is_licensed, source_of
from AMIFusionLib.volumes.watch import UnchangedVolumes

from .comparison import ResultComparison
from .labels import show_sentence
from .result_state import chosen_result, state_sentence
from .runner import FusionRunner
from .three_up import ThreeUpViews

if TYPE_CHECKING:
    from AMIFusionLib.result_measures import MeasureProgress, ResultMeasures

    from .interfaces import Logic, Parameters

_PLANE = "AMIFusion.Plane"


class ResultSection:
    """Connects the widgets below the output selector.

    A fresh result appears in three-up, and alone in the background of all other slice views. Three-up stays until
    pressing the button again, choosing another layout, deleting one of the three volumes, closing the scene or the
    module; opening another module, to window a volume for example, keeps it. Who has left it by the button or for
    another layout is not taken there again by the next result, only by the button.

    Args:
        ui: the widgets by name, from ``slicer.util.childWidgetVariables``.
        logic: AMIFusionLogic.
        uncover: called before the result is looked at in the slice views, which a preview would lie over.
    """

    def __init__(self, ui: Any, logic: Logic, uncover: Callable[[], None] = lambda: None) -> None:
        self._ui, self._logic, self._uncover = ui, logic, uncover
        self._result: slicer.vtkMRMLVolumeNode | None = None
        self._watches: dict[str, UnchangedVolumes] = {}
        self._views, self._comparison = ThreeUpViews(), ResultComparison()
        self._runner = FusionRunner(lambda step: qt.QTimer.singleShot(0, step), self)
        self._is_exporting = False
        self._is_three_up_wanted = True
        self._texts = ui.threeUpButton.text, ui.measureButton.text
        ui.threeUpButton.connect("clicked()", self._on_three_up)
        ui.compareButton.connect("toggled(bool)", self._on_compare)
        ui.measureButton.connect("clicked()", self._on_measure)
        ui.exportPictureButton.connect("clicked()", self._on_export)
        if self._views.is_possible:
            slicer.app.layoutManager().connect("layoutChanged(int)", self._on_layout)
        self._update_widgets()

    @property
    def is_measuring(self) -> bool:
        """Whether a result is being measured."""
        return self._runner.is_running

    # What the panel tells

    def show(self, node: slicer.vtkMRMLVolumeNode) -> None:
        """Show a result that was just made.

        Args:
            node: vtkMRMLVolumeNode.
        """
        self._end_comparison()
        self._runner.cancel()
        self._result = node
        sources = [source for source in self._sources() if source is not None]
        self._watches[node.GetID()] = UnchangedVolumes(sources, None)
        # Alone: a second layer at half opacity over the result would be one more fusion.
        slicer.util.setSliceViewerLayers(background=node, foreground=None)
        if self._views.is_on:
            self._place()
        elif self._is_three_up_wanted:
            self._enter_three_up()
        self._say("")
        self._update_widgets()

    def make_room(self) -> None:
        """Something else is about to use the slice views of the user's layout."""
        self._end_comparison()
        if self._views.is_on:
            self._views.leave()
            self._update_widgets()

    def update(self, parameters: Parameters | None) -> None:
        """Find the result that the section is about: the output volume, or the latest one.

        Args:
            parameters: AMIFusionParameterNode, or None where there is no scene's now; everything ends then.
        """
        if parameters is None:
            # The next patient's result is shown at once again.
            self._is_three_up_wanted = True
            self._runner.cancel()
            self._end_comparison()
            self._views.leave()
            self._watches.clear()
            self._use(None)
            return
        self._use(chosen_result(parameters))

    def forget(self, node: slicer.vtkMRMLNode) -> None:
        """A node is about to be removed.

        Args:
            node: vtkMRMLNode.
        """
        if self._views.shows(node):
            self._views.leave()
        if node is self._result:
            self._comparison.forget()
            self._end_comparison()
            self._runner.cancel()
            self._use(None)
        elif self._result is not None and node is self._sources()[0]:
            self._end_comparison()
        self._watches.pop(node.GetID(), None)

    def close(self) -> None:
        """End everything that would call back later, and give the views back."""
        self.update(None)
        if self._views.is_possible:
            slicer.app.layoutManager().disconnect("layoutChanged(int)", self._on_layout)

    # What the runner tells

    def on_progress(self, progress: MeasureProgress) -> None:
        """Say how far the measuring is."""
        self._say(_("Measuring: {done} slices").format(done=progress.done_slices))

    def on_finished(self, measures: ResultMeasures) -> None:
        """Say the means, and plot the slices."""
        from .measures_plot import add_measures, show_chart
        from .measures_text import sentence_of

        self._update_widgets()
        self._say(sentence_of(measures, is_licensed(self._result)))
        chart = add_measures(self._result, measures)
        # In three-up, whose button leads back; a plot layout of Slicer's would stay until the user finds the old one.
        if not self._views.is_on:
            self._enter_three_up()
            self._update_widgets()
        show_chart(chart, self._views.show_plot if self._views.is_on else None)

    def on_failed(self, error: Exception) -> None:
        """Say what was wrong."""
        self._update_widgets()
        self._explain(error, _("Measuring failed. The Python console says more; please report it."))

    def on_canceled(self) -> None:
        """Say that nothing was measured."""
        self._update_widgets()
        self._say(_("Measuring was canceled."))

    # What the user does

    def _on_three_up(self) -> None:
        self._is_three_up_wanted = not self._views.is_on
        if self._views.is_on:
            self._views.leave()
        else:
            self._enter_three_up()
        self._update_widgets()

    def _enter_three_up(self) -> None:
        result, (reference, moving) = self._result, self._sources()
        if self._views.is_possible and result is not None and reference is not None and moving is not None:
            self._uncover()
            # An exchanged view would be taken for the result's.
            self._end_comparison()
            self._views.enter(reference, moving, result, result.GetAttribute(_PLANE) or "")

    def _on_compare(self, checked: bool) -> None:
        if not checked:
            self._comparison.end()
            return
        self._uncover()
        if not self._comparison.begin(self._result, self._sources()[0]):
            self._ui.compareButton.setChecked(False)
            self._say(_("No slice view shows '{name}'. Show it, and compare then.").format(name=self._name()))

    def _on_measure(self) -> None:
        if self._runner.is_running:
            self._runner.cancel()
            return
        result = self._result
        if result is None:
            return
        try:
            from AMIFusionLib.result_measures import MeasureJob

            with slicer.util.WaitCursor(True):
                job = MeasureJob(result, self._watches.get(result.GetID()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see that nothing is measured
            self.on_failed(error)
            return
        self._say(_("Measuring"))
        self._runner.start(job)
        self._update_widgets()

    def _on_export(self) -> None:
        from .result_picture import suggested_name, write_picture

        if self._is_exporting:
            return
        # The picture is the result's.
        self._end_comparison()
        widgets = self._exported_widgets()
        if not widgets:
            self._say(_("No slice view shows '{name}'. Show it, and export then.").format(name=self._name()))
            return
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export picture"), suggested_name(self._result), _("PNG pictures (*.png)")
        )
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() != ".png":
            path = path.with_name(f"{path.name}.png")
            if path.exists():
                # The dialog asked about another name.
                self._say(_("'{path}' exists. Choose this name itself to replace it.").format(path=path.name))
                return
        self._export(widgets, path, write_picture)

    def _export(
        self,
        widgets: Sequence[Any],
        path: Path,
        write_picture: Callable[[slicer.vtkMRMLVolumeNode, Sequence[Any], Path], None],
    ) -> None:
        # Capturing runs the event loop, and with it perhaps this button again.
        self._is_exporting = True
        try:
            write_picture(self._result, widgets, path)
            self._say(_("Saved '{path}'.").format(path=path.name))
        except OSError as error:
            reason = error.strerror or _("unknown reason")
            self._say(
                _("'{path}' cannot be written: {reason}. Choose another folder or name.").format(
                    path=path.name, reason=reason
                )
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see that nothing was saved
            self._explain(error, _("Exporting failed. The Python console says more; please report it."))
        finally:
            self._is_exporting = False

    def _on_layout(self, _layout: int) -> None:
        if not self._views.is_on and self._views.is_filled:
            # By Slicer's own menu: labels and links end as with the button.
            self._is_three_up_wanted = False
            self._views.leave()
        self._update_widgets()

    # What they have in common

    def _use(self, result: slicer.vtkMRMLVolumeNode | None) -> None:
        changed = result is not self._result
        if changed:
            self._end_comparison()
            self._runner.cancel()
            self._result = result
            self._say("")
            if self._views.is_on and result is not None:
                self._place()
        self._update_widgets()

    def _place(self) -> None:
        """The three views with the present result; without its sources there is nothing to compare."""
        result, (reference, moving) = self._result, self._sources()
        if result is not None and reference is not None and moving is not None:
            self._views.place(reference, moving, result, result.GetAttribute(_PLANE) or "")
        else:
            self._views.leave()

    def _sources(self) -> tuple[slicer.vtkMRMLVolumeNode | None, slicer.vtkMRMLVolumeNode | None]:
        """Reference and second volume; None for one that is gone, and where there is no result."""
        if self._result is None:
            return None, None
        return source_of(self._result, "Reference"), source_of(self._result, "Moving")

    def _exported_widgets(self) -> list[Any]:
        """The slice views of the layout that show the result; in three-up, where one does, all three."""
        manager = slicer.app.layoutManager()
        widgets = [manager.sliceWidget(name) for name in manager.sliceViewNames()]
        identifier = self._result.GetID() if self._result is not None else ""
        showing = [
            widget
            for widget in widgets
            if widget.mrmlSliceNode().IsMappedInLayout()
            and widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() == identifier
        ]
        return self._views.widgets() if showing and self._views.is_on else showing

    def _end_comparison(self) -> None:
        self._comparison.end()
        self._ui.compareButton.setChecked(False)

    def _update_widgets(self) -> None:
        ui, sources, is_there = self._ui, self._sources(), self._result is not None
        three_up, measure = self._texts
        show_sentence(ui.resultStateLabel, state_sentence(self._result, sources))
        ui.threeUpButton.setText(_("Leave &three-up") if self._views.is_on else three_up)
        ui.threeUpButton.setEnabled(self._views.is_on or (self._views.is_possible and all(sources)))
        ui.compareButton.setEnabled(is_there and sources[0] is not None)
        ui.measureButton.setText(_("Cancel") if self._runner.is_running else measure)
        ui.measureButton.setEnabled(is_there)
        ui.exportPictureButton.setEnabled(is_there and self._views.is_possible)

    def _name(self) -> str:
        return self._result.GetName() if self._result is not None else ""

    def _explain(self, error: Exception, otherwise: str) -> None:
        """Expected errors carry a sentence for the user; others go to the log with a pointer."""
        if isinstance(error, ValueError):
            self._say(str(error))
        else:
            logging.error("AMIFusion: a result could not be worked on", exc_info=error)
            self._say(otherwise)

    def _say(self, text: str) -> None:
        show_sentence(self._ui.measuresLabel, text)
