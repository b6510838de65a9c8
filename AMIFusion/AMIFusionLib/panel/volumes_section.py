"""Which two volumes: guesses, swapping, and what will happen to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _

from AMIFusionLib.volumes.checks import check_inputs
from AMIFusionLib.volumes.errors import VolumeError
from AMIFusionLib.volumes.guesses import guess_pair
from AMIFusionLib.volumes.resampling import check_boxes_overlap, is_same_grid
from AMIFusionLib.volumes.result import ATTRIBUTE_PREFIX

from .labels import show_sentence

if TYPE_CHECKING:
    from .interfaces import Parameters


class VolumesSection:
    """Selectors of reference and second volume.

    Args:
        ui: the panel's widgets.
        schedule: calls a function soon, from the event loop.
        changed: called when a selected volume was moved or got other voxels.
    """

    def __init__(
        self, ui: Any, schedule: Callable[[Callable[[], None]], None], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._ui = ui
        self._schedule, self._changed = schedule, changed
        self._awaited: list[tuple[slicer.vtkMRMLVolumeNode, int]] = []
        self._parameters: Parameters | None = None
        self._watched: tuple[object, object] = (None, None)
        self._observations: list[tuple[slicer.vtkMRMLVolumeNode, int]] = []
        self._is_guess_due = self._is_update_due = self._is_closed = False
        self._selectors = ui.referenceSelector, ui.movingSelector
        ui.swapButton.connect("clicked()", self._on_swap)

    def update(self, parameters: Parameters | None, is_blocked: bool = False) -> None:
        """Show what will happen to the volumes that are selected.

        Args:
            parameters: AMIFusionParameterNode, or None while there is none.
            is_blocked: whether a fusion or an alignment is under way, which keeps to the volumes it was begun with.
        """
        self._parameters = parameters
        pair = _selected(parameters)
        if pair != self._watched:
            self._watch(pair)
        for selector in self._selectors:
            selector.setEnabled(not is_blocked)
        self._ui.swapButton.setEnabled(any(pair) and not is_blocked)
        show_sentence(self._ui.volumesNoteLabel, _plan_sentence(*pair) if all(pair) else "")

    def guess_soon(self) -> None:
        """Guess when the event loop is next idle: a volume that was just added has neither name nor voxels yet."""
        if not self._is_guess_due:
            self._is_guess_due = True
            self._schedule(self._guess)

    def volume_added(self, node: slicer.vtkMRMLScalarVolumeNode) -> None:
        """A volume came into the scene: guess now, and again once it has voxels, which may take a while to read.

        Args:
            node: vtkMRMLScalarVolumeNode.
        """
        self.guess_soon()
        if node.GetImageData() is None:
            tag = node.AddObserver(node.ImageDataModifiedEvent, lambda *_: self.guess_soon())
            self._awaited.append((node, tag))

    def close(self) -> None:
        """Guess no more, and follow no volume."""
        self._watch((None, None))
        self._await_no_more()
        self._parameters, self._is_closed = None, True

    def _watch(self, pair: tuple[slicer.vtkMRMLVolumeNode | None, slicer.vtkMRMLVolumeNode | None]) -> None:
        """Follow where the selected volumes are moved, and what is put into them."""
        for node, tag in self._observations:
            node.RemoveObserver(tag)
        self._watched = pair
        self._observations = [
            (node, node.AddObserver(event, self._on_volume_changed))
            for node in pair
            if node is not None
            for event in (node.TransformModifiedEvent, node.ImageDataModifiedEvent, vtk.vtkCommand.ModifiedEvent)
        ]

    def _on_volume_changed(self, _node: object, _event: object) -> None:
        # Dragging a transform's slider tells of every step.
        if not self._is_update_due:
            self._is_update_due = True
            self._schedule(self._update_again)

    def _update_again(self) -> None:
        self._is_update_due = False
        if not self._is_closed:
            self.update(self._parameters)
            self._changed()

    def _await_no_more(self) -> None:
        for node, tag in self._awaited:
            node.RemoveObserver(tag)
        self._awaited = []

    def _guess(self) -> None:
        self._is_guess_due = False
        # Whoever has chosen one volume knows what to choose for the other.
        if self._is_closed or self._parameters is None or any(_selected(self._parameters)):
            return
        pair = guess_pair(_candidates())
        if pair is not None:
            self._await_no_more()
            self._parameters.referenceVolume, self._parameters.movingVolume = pair

    def _on_swap(self) -> None:
        parameters = self._parameters
        if parameters is not None:
            reference, moving = _selected(parameters)
            parameters.referenceVolume, parameters.movingVolume = moving, reference


def _selected(parameters: Parameters | None) -> tuple[slicer.vtkMRMLVolumeNode | None, slicer.vtkMRMLVolumeNode | None]:
    return (None, None) if parameters is None else (parameters.referenceVolume, parameters.movingVolume)


def _candidates() -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Volumes that may be sources: shown to the user, with voxels, and no results of a fusion."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [
        node
        for node in nodes
        if not node.GetHideFromEditors()
        and not node.IsA("vtkMRMLLabelMapVolumeNode")
        and node.GetAttribute(ATTRIBUTE_PREFIX + "Model") is None
        and _is_image(node)
    ]


def _is_image(node: slicer.vtkMRMLVolumeNode) -> bool:
    image = node.GetImageData()
    return image is not None and image.GetPointData().GetScalars() is not None and image.GetNumberOfPoints() > 0


def _plan_sentence(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> str:
    """What will happen to the volumes, or what forbids it."""
    try:
        check_inputs(reference, moving)
        check_boxes_overlap(moving, reference)
    except VolumeError as error:
        return str(error)
    sizes = [_size(node) for node in (moving, reference)]
    if is_same_grid(moving, reference):
        return _("Both lie on one grid of {size} voxels; nothing is resampled.").format(size=sizes[1])
    if sizes[0] == sizes[1]:
        return _("{name} will be resampled onto the grid of {reference}, {size}.").format(
            name=moving.GetName(), reference=reference.GetName(), size=sizes[1]
        )
    return _("{name} will be resampled from {before} to {after}.").format(
        name=moving.GetName(), before=sizes[0], after=sizes[1]
    )


def _size(node: slicer.vtkMRMLVolumeNode) -> str:
    return " x ".join(map(str, node.GetImageData().GetDimensions()))
