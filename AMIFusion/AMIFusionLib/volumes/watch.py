"""Notice when somebody moves, changes or removes a volume that is being fused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import vtk

from .errors import VolumeError


class UnchangedVolumes:
    """Remembers how volumes are, to refuse going on when they have changed.

    A result that was resampled with one transform and placed with another would be silently misregistered.

    Args:
        inputs: vtkMRMLVolumeNode that must stay as they are.
        output: vtkMRMLVolumeNode that must stay in its scene, or None.
    """

    def __init__(self, inputs: Sequence, output) -> None:
        self._inputs = [(node, node.GetName(), _state(node)) for node in inputs]
        self._output = output

    def check(self) -> None:
        """Look again.

        Raises:
            VolumeError: a volume was moved, changed or removed.
        """
        for node, name, state in self._inputs:
            if node.GetScene() is None:
                raise VolumeError(f"'{name}' was removed while it was fused. Select another volume and fuse again.")
            if _state(node) != state:
                raise VolumeError(f"'{name}' was moved or changed while it was fused. Fuse again.")
        if self._output is not None and self._output.GetScene() is None:
            raise VolumeError("The output volume was removed while it was needed. Select another and fuse again.")


def _state(node) -> tuple:
    """Everything of a volume that a fusion depends on while it runs."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    return (
        tuple(matrix.GetElement(row, column) for row in range(4) for column in range(4)),
        tuple(_chain(node.GetParentTransformNode())),
        image,
        image.GetMTime() if image is not None else 0,
    )


def _chain(transform) -> Iterator[tuple[str, int]]:
    """The transforms above a volume, each with its time: a time alone does not tell that one was taken out."""
    while transform is not None:
        yield transform.GetID(), transform.GetTransformToWorldMTime()
        transform = transform.GetParentTransformNode()
