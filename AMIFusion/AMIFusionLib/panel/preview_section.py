"""The live preview: what the slice views show is fused as the user scrolls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from AMIFusionLib.pytorch import PyTorchMissingError

from .labels import show_sentence
from .preview_fuser import PreviewFuser, Signature, VolumePair
from .preview_view import PreviewView

if TYPE_CHECKING:
    from AMIFusionLib.authorization.model_file import SealedModel
    from AMIFusionLib.authorization.revocation import RevocationList

    from .interfaces import Logic, Parameters

VIEWS = ("Red", "Yellow", "Green")

RUNNING, LEFT = "running", "left"
"""Why the preview pauses: a fusion or an alignment runs, or the user has opened another module."""


class PreviewSection:
    """Fuses what the visible slice views show, while the box is ticked.

    Every change asks for a slice, at most one is fused in a turn of the event loop, and a slice is only fused if
    something that it depends on has changed since the last one: requests never pile up, and showing a slice asks for
    nothing. The view changed last goes first, but not twice in a row while another waits. What the views show is
    described in ``preview_view.PreviewView``.

    Errors, a missing PyTorch among them, end as a sentence in the status line and bring the user's layers back; the
    next change tries again.

    Args:
        ui: the widgets by name; ``previewCheckBox`` and ``previewStatusLabel`` are used.
        logic: AMIFusionLogic.
        license_text: gives the license that is entered now, or "".
        schedule: calls a function soon, from the event loop.
        model: gives the model to fuse with; None takes the bundled one.
        device: gives where the network is to run.
        revocations: gives the newest revocation list that is known of a publisher's key.
    """

    def __init__(
        self, ui: Any, logic: Logic, license_text: Callable[[], str],
        schedule: Callable[[Callable[[], None]], None] | None = None, model: Callable[[], SealedModel] | None = None,
        device: Callable[[], str] = lambda: "auto",
        revocations: Callable[[str], RevocationList | None] = lambda public_key: None,
    ) -> None:  # fmt: skip
        self._ui = ui
        self._fuser = PreviewFuser(model or logic.model, license_text, device, self._say_at_once, revocations)
        self._schedule = schedule or (lambda turn: qt.QTimer.singleShot(0, turn))
        self._parameters: Parameters | None = None
        self._pauses: set[str] = set()
        self._pair: VolumePair | None = None
        self._views: dict[str, PreviewView] = {}
        self._waiting: dict[str, None] = {}
        self._observations: list[tuple[slicer.vtkMRMLNode, int]] = []
        self._location: tuple[str, ...] = ()
        self._last_view = self._last_failure = ""
        self._is_scheduled = self._is_saving = self._is_closed = False
        ui.previewCheckBox.connect("toggled(bool)", self._on_toggled)
        self._say("")

    @property
    def is_running(self) -> bool:
        """Whether views are followed now."""
        return self._pair is not None

    def update(self, parameters: Parameters | None) -> None:
        """The choices, the license, the scene or the running state have changed.

        Args:
            parameters: AMIFusionParameterNode, or None while there is none.
        """
        self._parameters = parameters
        self._refresh()

    def pause(self, why: str = RUNNING) -> None:
        """Bring the user's layers back until ``resume`` is called for the same reason."""
        self._pauses.add(why)
        self._refresh()

    def resume(self, why: str = RUNNING) -> None:
        """A reason to pause is gone."""
        self._pauses.discard(why)
        self._refresh()

    def close(self) -> None:
        """End everything that would call back later."""
        if not self._is_closed:
            self._is_closed = True
            self._stop()
            self._ui.previewCheckBox.disconnect("toggled(bool)", self._on_toggled)
            self._parameters = None

    # Beginning and ending

    def _on_toggled(self, _checked: bool) -> None:
        self._refresh()

    def _refresh(self) -> None:
        """Begin, go on or end, as things are now."""
        pair, reason = self._wanted_pair()
        if pair != self._pair:
            self._stop()
            if pair is not None:
                self._start(pair)
        if pair is None:
            self._say(reason)
        self._last_failure = ""
        self._request_all()

    def _wanted_pair(self) -> tuple[VolumePair | None, str]:
        """The volumes to preview, or why there is nothing to preview."""
        if self._is_closed or not self._ui.previewCheckBox.checked:
            return None, ""
        if self._pauses:
            return None, _("The preview waits for the fusion or alignment to end.") if RUNNING in self._pauses else ""
        parameters = self._parameters
        pair = (parameters.referenceVolume, parameters.movingVolume) if parameters is not None else (None, None)
        if any(node is None or node.GetScene() is None for node in pair):
            return None, _("Select two volumes to see their fusion.")
        if slicer.app.layoutManager() is None:
            return None, _("There are no slice views to show a preview in.")
        return pair, ""

    def _start(self, pair: VolumePair) -> None:
        self._pair = pair
        scene, layout_manager = pair[0].GetScene(), slicer.app.layoutManager()
        for name in VIEWS:
            widget = layout_manager.sliceWidget(name)
            if widget is not None:
                view = PreviewView(name, widget.mrmlSliceNode(), widget.mrmlSliceCompositeNode())
                self._views[name] = view
                self._observe(view.slice_node, vtk.vtkCommand.ModifiedEvent, lambda *_, name=name: self._request(name))
                self._observe(view.composite, vtk.vtkCommand.ModifiedEvent, lambda *_, name=name: self._on_layers(name))
        for node in pair:
            for event in (
                vtk.vtkCommand.ModifiedEvent, node.TransformModifiedEvent, node.DisplayModifiedEvent,
                node.ImageDataModifiedEvent,
            ):  # fmt: skip
                self._observe(node, event, self._request_all)
        self._observe(scene, scene.NodeRemovedEvent, self._on_node_removed)
        self._observe(scene, scene.EndImportEvent, self._request_all)
        self._observe(scene, scene.StartCloseEvent, self._on_scene_closes)
        self._observe(scene, scene.StartSaveEvent, self._on_save_starts)
        self._observe(scene, scene.EndSaveEvent, self._on_save_ends)
        self._observe(scene, vtk.vtkCommand.ModifiedEvent, self._on_scene_modified)
        self._location = _location(scene)
        layout_manager.connect("layoutChanged(int)", self._request_all)

    def _stop(self) -> None:
        """Leave the views as they were, and nothing that would call back."""
        if self._pair is None:
            return
        self._pair, self._is_saving = None, False
        for node, tag in self._observations:
            node.RemoveObserver(tag)
        self._observations.clear()
        layout_manager = slicer.app.layoutManager()
        if layout_manager is not None:
            layout_manager.disconnect("layoutChanged(int)", self._request_all)
        for view in self._views.values():
            view.withdraw()
        self._views.clear()
        self._waiting.clear()
        self._fuser.forget()

    def _observe(self, node: slicer.vtkMRMLNode, event: int, callback: Callable[..., None]) -> None:
        self._observations.append((node, node.AddObserver(event, callback)))

    # What happens

    def _on_layers(self, name: str) -> None:
        if self._views[name].notice_user():
            self._say_why_nothing_is_shown()
        else:
            self._request(name)

    def _on_node_removed(self, *_args: object) -> None:
        if self._pair is not None and any(node.GetScene() is None for node in self._pair):
            self._refresh()

    def _on_scene_closes(self, *_args: object) -> None:
        self.update(None)

    def _on_save_starts(self, *_args: object) -> None:
        self._is_saving = True
        self._hide()

    def _on_save_ends(self, *_args: object) -> None:
        self._is_saving = False
        self._request_all()

    def _on_scene_modified(self, scene: slicer.vtkMRMLScene, _event: str) -> None:
        """MRML's own writing tells nobody, but a scene gets its file's place before it is written."""
        location = _location(scene)
        if location != self._location:
            self._location = location
            self._hide()
            self._request_all()

    def _hide(self) -> None:
        for view in self._views.values():
            view.hide()

    # One slice in a turn

    def _request_all(self, *_args: object) -> None:
        for name in reversed(self._views):
            self._request(name)

    def _request(self, name: str) -> None:
        if self._pair is None:
            return
        self._waiting.pop(name, None)
        self._waiting[name] = None
        self._wake()

    def _wake(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._turn)

    def _turn(self) -> None:
        self._is_scheduled = False
        if self._pair is None or self._is_saving:
            return
        following = self._next()
        if following is not None:
            view, signature = following
            self._last_view = view.name
            self._fuse(view, signature)
        elif not self._last_failure and not any(each.can_show for each in self._views.values()):
            self._say_why_nothing_is_shown()
        if self._waiting:
            self._wake()
        else:
            self._last_view = ""

    def _next(self) -> tuple[PreviewView, Signature] | None:
        """The next view that shows something else than before, and what it shows."""
        if self._pair is None or self._parameters is None:
            return None
        names = list(reversed(self._waiting))
        if len(names) > 1 and names[0] == self._last_view:
            names.append(names.pop(0))
        for name in names:
            del self._waiting[name]
            view = self._views[name]
            if not view.can_show or not _is_visible(name):
                view.withdraw()
                continue
            signature = self._fuser.signature(self._pair, self._parameters, view.plane)
            if signature != view.signature:
                return view, signature
        return None

    def _fuse(self, view: PreviewView, signature: Signature) -> None:
        if self._pair is None or self._parameters is None:
            return
        started = time.perf_counter()
        try:
            view.show(self._fuser.fuse(self._pair, self._parameters, signature[0]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see the own layers and a sentence
            self._fail(error)
        else:
            self._last_failure = ""
            milliseconds = max(1, round(1000 * (time.perf_counter() - started)))
            self._say(_("{state}. {time} ms a slice.").format(state=self._fuser.state, time=milliseconds))
        view.signature = signature

    # What is said

    def _fail(self, error: Exception) -> None:
        for view in self._views.values():
            view.withdraw()
        if isinstance(error, (ValueError, OSError, PyTorchMissingError)):
            sentence = str(error)
        else:
            sentence = _("The preview failed. The Python console says more; please report it.")
            if sentence != self._last_failure:
                logging.error("AMIFusion: the preview failed", exc_info=error)
        self._last_failure = sentence
        self._say(sentence)

    def _say_why_nothing_is_shown(self) -> None:
        names = ", ".join(view.name for view in self._views.values() if view.is_given_up)
        if names:
            text = _("Another layer was chosen in {views}. Tick the preview again to see it.").format(views=names)
        else:
            text = _("Show a volume in a slice view to see the fusion there.")
        self._say(text)

    def _say(self, text: str) -> None:
        show_sentence(self._ui.previewStatusLabel, text)

    def _say_at_once(self, text: str) -> None:
        """Before what holds up the event loop."""
        self._say(text)
        self._ui.previewStatusLabel.repaint()


def _is_visible(name: str) -> bool:
    layout_manager = slicer.app.layoutManager()
    widget = layout_manager.sliceWidget(name) if layout_manager is not None else None
    return widget is not None and not widget.isHidden()


def _location(scene: slicer.vtkMRMLScene) -> tuple[str, ...]:
    return scene.GetURL(), scene.GetRootDirectory()
