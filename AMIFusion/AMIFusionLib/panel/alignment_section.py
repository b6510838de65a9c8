"""Alignment: a check that warns, a rigid alignment with progress, and the way back."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from AMIFusionLib.volumes.watch import volume_state

from .labels import show_sentence
from .runner import FusionRunner

if TYPE_CHECKING:
    from slicer import vtkMRMLLinearTransformNode, vtkMRMLVolumeNode

    from AMIFusionLib.alignment_job import AlignmentJob

    from .interfaces import Parameters

_PROGRESS_MAXIMUM = 1000


class AlignmentSection:
    """The alignment widgets of AMIFusion.ui.

    Whether two volumes lie on each other is looked at by itself when they are selected, in a thread and in steps too
    short to notice.

    Args:
        ui: the panel's widgets.
        schedule: calls a function soon, from the event loop.
        changed: called when an alignment has begun or ended.
    """

    def __init__(self, ui: Any, schedule: Callable[[Callable[[], None]], None], changed: Callable[[], None]) -> None:
        self._ui = ui
        self._changed = changed
        self._parameters: Parameters | None = None
        self._checked_pair: tuple[object, object] = (None, None)
        self._checked_states: tuple[object, ...] = ()
        self._is_ready = False
        self._said_before = ""
        self._job: AlignmentJob | None = None
        self._aligning = FusionRunner(schedule, self)
        self._checking = FusionRunner(schedule, _CheckListener(self._on_verdict, self._say))
        ui.alignmentProgressBar.setRange(0, _PROGRESS_MAXIMUM)
        ui.alignmentProgressBar.setVisible(False)
        ui.alignButton.connect("clicked()", self._on_align)
        ui.checkAlignmentButton.connect("clicked()", self._on_check)
        ui.undoAlignmentButton.connect("clicked()", self._on_undo)

    @property
    def is_running(self) -> bool:
        """Whether an alignment is under way; a check does not count, it gives way to everything."""
        return self._aligning.is_running

    def update(self, parameters: Parameters | None, is_blocked: bool = False) -> None:
        """Show what can be done with the volumes that are selected.

        Args:
            parameters: AMIFusionParameterNode, or None while there is none.
            is_blocked: whether a fusion is under way, during which nothing may move.
        """
        self._parameters = parameters
        pair = self._pair()
        ui, is_ready = self._ui, all(pair) and pair[0] is not pair[1] and not is_blocked
        self._is_ready = is_ready and not self.is_running
        ui.alignButton.setText(_("Cancel") if self.is_running else _("&Align rigidly"))
        ui.alignButton.setEnabled(self.is_running or is_ready)
        ui.checkAlignmentButton.setEnabled(is_ready and not self.is_running)
        ui.undoAlignmentButton.setEnabled(is_ready and not self.is_running and _aligned(pair) is not None)
        if is_blocked:
            # A fusion comes first; what was not looked at to the end is looked at again afterwards.
            if self._checking.is_running:
                self._checking.cancel()
                self._checked_pair = (None, None)
        elif pair != self._checked_pair and not self.is_running:
            self._checked_pair, self._checked_states = pair, _states(pair)
            self._checking.cancel()
            self._say("")
            if is_ready:
                self._check(quietly=True)

    def volumes_changed(self) -> None:
        """A volume was moved or got other voxels: what was said of how they lie is over, and they are looked at."""
        states = _states(self._pair())
        if self._is_ready and states != self._checked_states:
            self._checked_states = states
            self._say("")
            self._check(quietly=True)

    def cancel(self) -> None:
        """End an alignment or a check at once."""
        # An alignment that ends looks at how the volumes lie.
        self._aligning.cancel()
        self._checking.cancel()

    def close(self) -> None:
        """End everything and forget the volumes."""
        self.cancel()
        self._parameters, self._checked_pair = None, (None, None)

    # What the alignment's runner tells

    def on_progress(self, progress: Any) -> None:
        """Show how far the alignment is, an ``AlignmentProgress``."""
        self._show_progress(progress)
        self._say(_("Aligning: step {level} of 3").format(level=max(1, progress.level)))

    def on_finished(self, transform: vtkMRMLLinearTransformNode | None) -> None:
        """Say what was found; the transform is in the scene."""
        job, self._job = self._job, None
        sentence = _job_sentence(job) if job is not None else ""
        self._checked_states = _states(self._pair())
        self._end(sentence)

    def on_failed(self, error: Exception) -> None:
        """Say why there is no alignment."""
        # An expected one says what is wrong with the volumes; a check would only say it again.
        self._end(_sentence(error), look_again=not isinstance(error, ValueError))

    def on_canceled(self) -> None:
        """Say that nothing was moved."""
        self._end(_("Canceled. Nothing was moved."))

    def _on_align(self) -> None:
        if self.is_running:
            self._aligning.cancel()
            return
        from AMIFusionLib.alignment_job import AlignmentJob

        self._checking.cancel()
        try:
            reference, moving = self._pair()
            job = self._job = AlignmentJob(reference, moving)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see that nothing was aligned
            self._say(_sentence(error))
            return
        self._ui.alignmentProgressBar.setValue(0)
        self._ui.alignmentProgressBar.setVisible(True)
        self._aligning.start(job)
        self._changed()

    def _on_check(self) -> None:
        self._check(quietly=False)

    def _check(self, quietly: bool, said_before: str = "") -> None:
        """Look at how the volumes lie; a warning is put after what was said before, which stays where all is well."""
        self._checking.cancel()
        self._said_before = said_before
        reference, moving = self._pair()
        self._checking.start(_CheckJob(reference, moving, quietly))

    def _on_undo(self) -> None:
        from AMIFusionLib.alignment_job import undo_alignment

        moving = _aligned(self._pair())
        if moving is not None and undo_alignment(moving):
            sentence = _("'{name}' lies as it did before.").format(name=moving.GetName())
            self._say(sentence)
            self._checked_states = _states(self._pair())
            self._check(quietly=True, said_before=sentence)
        self._changed()

    def _pair(self) -> tuple[vtkMRMLVolumeNode | None, vtkMRMLVolumeNode | None]:
        parameters = self._parameters
        return (None, None) if parameters is None else (parameters.referenceVolume, parameters.movingVolume)

    def _on_verdict(self, sentence: str, is_warning: bool) -> None:
        shown = f"⚠ {sentence}" if is_warning else sentence
        self._say(" ".join(part for part in (self._said_before, shown) if part))
        if is_warning:
            # The section may be closed, and a warning that nobody sees is none.
            self._ui.alignmentCollapsibleButton.collapsed = False

    def _end(self, sentence: str, look_again: bool = True) -> None:
        """Say how the alignment ended, and look at how the volumes lie now: what a check had warned of may still be."""
        self._job = None
        self._ui.alignmentProgressBar.setVisible(False)
        self._changed()
        self._say(sentence)
        if self._is_ready and look_again:
            self._check(quietly=True, said_before=sentence)

    def _show_progress(self, progress: Any) -> None:
        self._ui.alignmentProgressBar.setValue(round(_PROGRESS_MAXIMUM * progress.fraction))

    def _say(self, text: str) -> None:
        show_sentence(self._ui.alignmentStatusLabel, text)


class _CheckJob:
    """A check as a job: its ``node`` is the verdict's sentence, and whether it warns."""

    def __init__(self, reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, quietly: bool) -> None:
        self._pair, self._quietly = (reference, moving), quietly
        self.node: tuple[str, bool] = ("", False)

    def steps(self) -> Generator[object, None, None]:
        """Look, a short step at a time."""
        from AMIFusionLib.alignment_job import check_alignment_steps

        steps = check_alignment_steps(*self._pair)
        checked = None
        while checked is None:
            try:
                next(steps)
            except StopIteration as end:
                checked = end.value
            # A runner takes None for the end.
            yield self
        if not checked.is_ok:
            self.node = (checked.sentence, True)
        elif not self._quietly:
            sentence = _(
                "The volumes lie on each other, as far as their values tell: normalized mutual information {value:.3f}."
            )
            self.node = (sentence.format(value=checked.nmi), False)


class _CheckListener:
    """Shows a check's verdict; that it began and that it was stopped is nobody's concern."""

    def __init__(self, tell: Callable[[str, bool], None], say: Callable[[str], None]) -> None:
        self._tell, self._say = tell, say

    def on_progress(self, progress: object) -> None:
        """Nothing: it is over before anybody could read it."""

    def on_finished(self, verdict: tuple[str, bool]) -> None:
        """Say what was found."""
        self._tell(*verdict)

    def on_failed(self, error: Exception) -> None:
        """Say why nothing was found."""
        self._say(_sentence(error))

    def on_canceled(self) -> None:
        """Nothing: whoever stopped it has more to say."""


def _states(pair: Sequence[vtkMRMLVolumeNode | None]) -> tuple[object, ...]:
    return tuple(volume_state(node) if node is not None else None for node in pair)


def _aligned(pair: Sequence[vtkMRMLVolumeNode | None]) -> vtkMRMLVolumeNode | None:
    """The volume that was aligned, or None; the second one first, but they may have been swapped since."""
    from AMIFusionLib.alignment_job import alignment_of

    return next((node for node in reversed(pair) if alignment_of(node) is not None), None)


def _job_sentence(job: AlignmentJob) -> str:
    result, transform = job.result, job.node
    if result is None or transform is None:
        return _("No better place was found; the volumes agree best where they are. Nothing was moved.")
    moved = _("Aligned by '{name}': turned by {degrees:.1f} degrees, moved by {distance:.1f} mm.").format(
        name=transform.GetName(), degrees=result.rotation_degrees, distance=result.translation_mm
    )
    before = _("too little overlap to tell") if math.isnan(result.nmi_before) else f"{result.nmi_before:.3f}"
    agreement = _("Normalized mutual information: {before} before, {after:.3f} now.").format(
        before=before, after=result.nmi_after
    )
    return f"{moved} {agreement} " + _("Look at the volumes before you rely on it.")


def _sentence(error: Exception) -> str:
    """Expected errors carry a sentence for the user; others go to the log with a pointer."""
    if isinstance(error, ValueError):
        return str(error)
    logging.error("AMIFusion: alignment failed", exc_info=error)
    return _("Aligning failed. The Python console says more; please report it.")
