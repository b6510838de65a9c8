"""Notice when somebody moves, changes or removes a volume that is being worked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import vtk

from ..translation import tr as _
from .errors import VolumeError

if TYPE_CHECKING:
    from slicer import vtkMRMLTransformNode, vtkMRMLVolumeNode

FUSING, ALIGNING = "fusing", "aligning"
"""What volumes are watched for."""


class UnchangedVolumes:
    """Remembers how volumes are, to refuse going on when they have changed.

    A result that was resampled with one transform and placed with another would be silently misregistered.

    Args:
        inputs: vtkMRMLVolumeNode that must stay as they are.
        output: vtkMRMLVolumeNode that must stay in its scene, or None.
        work: what is being done to the volumes, for messages: ``FUSING`` or ``ALIGNING``.
    """

    def __init__(
        self, inputs: Sequence[vtkMRMLVolumeNode], output: vtkMRMLVolumeNode | None, work: str = FUSING
    ) -> None:
        self._work = work
        self._inputs = [(node, node.GetName(), volume_state(node)) for node in inputs]
        self._output = output

    def check(self) -> None:
        """Look again.

        Raises:
            VolumeError: a volume was moved, changed or removed.
        """
        for node, name, state in self._inputs:
            if node.GetScene() is None:
                raise VolumeError(_removed(self._work).format(name=name))
            if volume_state(node) != state:
                raise VolumeError(_changed(self._work).format(name=name))
        if self._output is not None and self._output.GetScene() is None:
            raise VolumeError(_("The output volume was removed while it was needed. Select another and fuse again."))


def volume_state(node: vtkMRMLVolumeNode) -> tuple[object, ...]:
    """Where a volume lies and what it holds: equal as long as neither has changed.

    The image is known by its address and time, and not kept: VTK gives no time twice, so that another image at the same
    address has another one.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    return (
        tuple(matrix.GetElement(row, column) for row in range(4) for column in range(4)),
        tuple(_chain(node.GetParentTransformNode())),
        (image.__this__, image.GetMTime()) if image is not None else None,
    )


def display_state(node: vtkMRMLVolumeNode) -> tuple[object, ...]:
    """How a volume is displayed, as far as a fusion depends on it: equal as long as that has not changed."""
    display = node.GetVolumeDisplayNode()
    if display is None:
        return ()
    window = (display.GetWindow(), display.GetLevel()) if hasattr(display, "GetWindow") else ()
    color_node = display.GetColorNode()
    colors = color_node.GetScalarsToColors() if color_node is not None else None
    color_state = (color_node.GetID(), colors.GetMTime()) if colors is not None else ()
    return (display.GetID(), display.GetAutoWindowLevel() if window else False, window, color_state)


def _removed(work: str) -> str:
    if work == ALIGNING:
        return _("'{name}' was removed while it was aligned. Select another volume and align again.")
    return _("'{name}' was removed while it was fused. Select another volume and fuse again.")


def _changed(work: str) -> str:
    if work == ALIGNING:
        return _("'{name}' was moved or changed while it was aligned. Align again.")
    return _("'{name}' was moved or changed while it was fused. Fuse again.")


def _chain(transform: vtkMRMLTransformNode | None) -> Iterator[tuple[str, int]]:
    """The transforms above a volume, each with its time: a time alone does not tell that one was taken out."""
    while transform is not None:
        yield transform.GetID(), transform.GetTransformToWorldMTime()
        transform = transform.GetParentTransformNode()
