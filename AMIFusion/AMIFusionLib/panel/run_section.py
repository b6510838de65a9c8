"""The button that fuses and cancels, with progress, remaining time and what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from AMIFusionLib.memory_shortage import is_memory_shortage, not_enough_memory
from AMIFusionLib.pytorch import PyTorchMissingError
from AMIFusionLib.volumes.checks import check_inputs
from AMIFusionLib.volumes.errors import VolumeError
from AMIFusionLib.volumes.resampling import check_boxes_overlap
from AMIFusionLib.volumes.result import is_foreign

from .labels import show_sentence
from .runner import FusionRunner

if TYPE_CHECKING:
    from slicer import vtkMRMLNode, vtkMRMLVolumeNode

    from AMIFusionLib.fusion_job import FusionJob, FusionProgress

    from .interfaces import Parameters

_PROGRESS_MAXIMUM = 1000

_TELLING_SECONDS = 0.5
"""How long a run must have lasted before its remaining time is worth saying."""


class RunSection:
    """Fuse and Cancel in one button.

    Args:
        ui: the panel's widgets.
        schedule: calls a function soon, from the event loop.
        create_job: makes the job that the user asks for; what it raises is told.
        finished: called with a job's result once it is there.
        changed: called when a run has begun or ended.
    """

    def __init__(
        self,
        ui: Any,
        schedule: Callable[[Callable[[], None]], None],
        create_job: Callable[[], FusionJob],
        finished: Callable[[vtkMRMLVolumeNode], None],
        changed: Callable[[], None],
    ) -> None:
        self._ui = ui
        self._create_job, self._finished, self._changed = create_job, finished, changed
        self._runner = FusionRunner(schedule, self)
        self._problem = ""
        self._started = 0.0
        self._is_starting = self._is_closed = False
        self._pair: tuple[str, ...] = ()
        self._told_of = ""
        ui.progressBar.setRange(0, _PROGRESS_MAXIMUM)
        ui.progressBar.setVisible(False)
        ui.fuseButton.connect("clicked()", self._on_clicked)

    @property
    def is_running(self) -> bool:
        """Whether a fusion is under way."""
        return self._runner.is_running

    def update(self, parameters: Parameters | None, busy: str = "") -> None:
        """Show on the button what it would do, or what is missing.

        Args:
            parameters: AMIFusionParameterNode, or None while there is none.
            busy: what else is under way and must end first.
        """
        button = self._ui.fuseButton
        if self.is_running:
            button.setText(_("Cancel"))
            button.setEnabled(True)
            button.setToolTip(_("Stop; nothing is changed."))
            return
        self._forget_outcome_of_others(parameters)
        missing, why = _obstacle(parameters)
        missing = _("Preparing...") if self._is_starting else busy or missing
        button.setText(missing or _("Fuse"))
        button.setEnabled(not missing)
        button.setToolTip(why or _("Fuse the two volumes into a new one."))

    def forget(self, node: vtkMRMLNode) -> None:
        """A node is about to be removed: what is said of it is over."""
        if self._told_of == node.GetID():
            self._told_of = ""
            self.say("")

    def _forget_outcome_of_others(self, parameters: Parameters | None) -> None:
        """Other volumes are selected, another patient's perhaps: what was said of the former ones is over."""
        nodes = () if parameters is None else (parameters.referenceVolume, parameters.movingVolume)
        pair = tuple(node.GetID() if node is not None else "" for node in nodes)
        if pair != self._pair and not self._is_starting:
            self._pair, self._told_of = pair, ""
            self.say("")

    def cancel(self) -> None:
        """End a run at once; nothing happens if there is none."""
        self._runner.cancel()

    def close(self) -> None:
        """End everything; nothing is shown any more."""
        self.cancel()
        self._is_closed = True

    def say(self, text: str) -> None:
        """Show a sentence below the button."""
        show_sentence(self._ui.statusLabel, text)

    def add(self, text: str) -> None:
        """Show one more sentence below the button."""
        self.say(f"{self._ui.statusLabel.text} {text}".strip())

    def say_preparing(self, text: str) -> None:
        """Show a sentence about what must be done before a run, at once: it may hold up the event loop."""
        bar = self._ui.progressBar
        # A range of nothing makes Qt show that something goes on, but not how far it is.
        bar.setRange(0, 0)
        bar.setVisible(True)
        self.say(text)
        for widget in (bar, self._ui.fuseButton, self._ui.statusLabel):
            widget.repaint()

    # What the runner tells

    def on_progress(self, progress: FusionProgress) -> None:
        """Show how far the run is."""
        self._ui.progressBar.setValue(round(_PROGRESS_MAXIMUM * progress.fraction))
        done = _("Fusing: {done} of {total} slices").format(done=progress.done_slices, total=progress.total_slices)
        self.say(done + _remaining(time.monotonic() - self._started, progress.fraction))

    def on_finished(self, node: vtkMRMLVolumeNode) -> None:
        """Show the result."""
        self._end()
        self._told_of = node.GetID()
        state = _("clean") if node.GetAttribute("AMIFusion.Authorized") == "true" else _("marked as unlicensed")
        done = _("Done: '{name}', {state}.").format(name=node.GetName(), state=state)
        self.say(f"{done} {self._problem}".strip())
        self._finished(node)

    def on_failed(self, error: Exception) -> None:
        """Say what was wrong."""
        self._end()
        self._explain(error)

    def on_canceled(self) -> None:
        """Say that nothing was made."""
        self._end()
        self.say(_("Canceled. Nothing was changed."))

    def _on_clicked(self) -> None:
        if self.is_running:
            self.cancel()
            return
        # Asking for PyTorch turns the event loop: a second click must not start a second run.
        if self._is_starting:
            return
        self._is_starting = True
        self._changed()
        job: FusionJob | None = None
        problem: Exception | None = None
        try:
            job = self._create_job()
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see that nothing was fused
            problem = error
        self._is_starting = False
        # The event loop may have closed the panel meanwhile.
        if self._is_closed:
            return
        self._end_preparation()
        if problem is not None:
            self._explain(problem)
        elif job is not None:
            self._start(job)

    def _end_preparation(self) -> None:
        self._ui.progressBar.setRange(0, _PROGRESS_MAXIMUM)
        self._ui.progressBar.setVisible(False)
        self._changed()

    def _start(self, job: FusionJob) -> None:
        self._problem, self._started = job.problem, time.monotonic()
        self._ui.progressBar.setValue(0)
        self._ui.progressBar.setVisible(True)
        self.say(_("Fusing on {device}").format(device=job.device))
        self._runner.start(job)
        self._changed()

    def _end(self) -> None:
        self._ui.progressBar.setVisible(False)
        self._changed()

    def _explain(self, error: Exception) -> None:
        """Expected errors carry a sentence for the user; others go to the log with a pointer."""
        if isinstance(error, (ValueError, PyTorchMissingError, OSError)):
            self.say(str(error))
        elif is_memory_shortage(error):
            self.say(not_enough_memory())
        else:
            logging.error("AMIFusion: fusion failed", exc_info=error)
            self.say(_("Fusing failed. The Python console says more; please report it."))


def _obstacle(parameters: Parameters | None) -> tuple[str, str]:
    """What is missing, in the words of the button, and why; nothing where nothing is seen to be."""
    reference, moving = (None, None) if parameters is None else (parameters.referenceVolume, parameters.movingVolume)
    if reference is None:
        return _("Select a reference volume"), ""
    if moving is None:
        return _("Select a second volume"), ""
    if moving is reference:
        return _("Select two different volumes"), ""
    output = parameters.outputVolume if parameters is not None else None
    if output is not None and output in (reference, moving):
        return _("Select another output"), _("The output is one of the volumes to fuse.")
    if output is not None and is_foreign(output):
        return _("Select another output"), _("'{name}' is no result of a fusion: its voxels would be lost.").format(
            name=output.GetName()
        )
    try:
        check_inputs(reference, moving)
        check_boxes_overlap(moving, reference)
    except VolumeError as error:
        return _("Select volumes that can be fused"), str(error)
    return "", ""


def _remaining(elapsed: float, fraction: float) -> str:
    if elapsed < _TELLING_SECONDS or not 0 < fraction < 1:
        return ""
    seconds = elapsed * (1 - fraction) / fraction
    if seconds < 60:
        return _(", about {seconds} s left").format(seconds=max(1, round(seconds)))
    return _(", about {minutes} min left").format(minutes=round(seconds / 60))
