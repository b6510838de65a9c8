"""Rigid alignment of two volume nodes: a transform node above the moving volume, and the way back."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import slicer
import vtk
from slicer.util import arrayFromVolume

from .arrays import Array
from .registration.check import AlignmentCheck, alignment_check, alignment_check_steps
from .registration.images import SpatialImage
from .registration.rigid import AlignmentProgress, RigidAlignment, alignment_steps
from .translation import tr as _
from .volumes.checks import check_inputs, is_color_image
from .volumes.color import luma
from .volumes.errors import UnsupportedVolumeError
from .volumes.result import ATTRIBUTE_PREFIX
from .volumes.watch import ALIGNING, UnchangedVolumes

_ALIGNED_ATTRIBUTE = ATTRIBUTE_PREFIX + "NormalizedMutualInformation"
"""What tells an alignment's transform from others."""


class AlignmentJob:
    """Aligns a volume to another, a short step at a time.

    The result is a linear transform node directly above the moving volume and below the transform that it had as its
    parent, if any: with A the alignment and W all transforms that the volume was under, the node holds W^-1 A W, so
    that the volume is now moved by W W^-1 A W = A W. Other volumes under the former parent stay where they are. A
    volume that is alone under the node of an earlier alignment keeps that node, whose matrix then holds both: undoing
    leads to where the volume was before it was first aligned.
    Nothing is hardened, no voxel changes. The scene is not touched until the last step, so that a job that fails or is
    dropped leaves no trace.

    Args:
        reference: vtkMRMLVolumeNode that stays.
        moving: vtkMRMLVolumeNode of the same patient.

    Raises:
        VolumeError: volumes that cannot be compared, with a sentence that says what to do.
        RegistrationError: likewise, of one that cannot be aligned, such as one of a single slice.
    """

    def __init__(self, reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> None:
        check_inputs(reference, moving)
        self._reference, self._moving = reference, moving
        self._images = spatial_image(reference), spatial_image(moving)
        self._world_before = _to_world(moving)
        self._former_parent = moving.GetParentTransformNode()
        self._watch = UnchangedVolumes([reference, moving], None, ALIGNING)
        self.result: RigidAlignment | None = None
        self.node: slicer.vtkMRMLLinearTransformNode | None = None

    def steps(self) -> Generator[AlignmentProgress, None, None]:
        """Do the work. After the last step ``node`` is the transform, or None where no better place was found.

        A generator closed earlier leaves nothing.

        Raises:
            VolumeError: a volume was moved, changed or removed meanwhile.
            RegistrationError: the volumes cannot be aligned.
        """
        steps = alignment_steps(*self._images)
        while True:
            self._watch.check()
            try:
                progress = next(steps)
            except StopIteration as end:
                self.result = end.value
                break
            yield progress
        # The transform appears before the last progress is seen, so that whoever counts to the end finds it.
        if self.result.is_better:
            self.node = self._publish(self.result)
        yield AlignmentProgress(1.0, progress.level, progress.value)

    def run(self) -> slicer.vtkMRMLLinearTransformNode | None:
        """Do all the work at once.

        Returns:
            The vtkMRMLLinearTransformNode, or None where no better place was found.
        """
        for _step in self.steps():
            pass
        return self.node

    def undo(self) -> bool:
        """Put the moving volume back under its former parent, see ``undo_alignment``."""
        node, self.node = self.node, None
        if node is None or node.GetScene() is None:
            return False
        if self._moving.GetScene() is not None and self._moving.GetParentTransformNode() is node:
            return undo_alignment(self._moving)
        if not _users(node):
            node.GetScene().RemoveNode(node)
        return False

    def _publish(self, result: RigidAlignment) -> slicer.vtkMRMLLinearTransformNode:
        node = alignment_of(self._moving)
        if node is None or _users(node) != [self._moving]:
            node = self._new_transform(result)
        else:
            node.SetMatrixTransformToParent(_vtk_matrix(_inverse(_to_world(node)) @ result.matrix @ self._world_before))
        for key, value in self._provenance(result).items():
            node.SetAttribute(ATTRIBUTE_PREFIX + key, value)
        return node

    def _new_transform(self, result: RigidAlignment) -> slicer.vtkMRMLLinearTransformNode:
        scene, moving = self._moving.GetScene(), self._moving
        name = f"{moving.GetName()} to {self._reference.GetName()}"
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", scene.GenerateUniqueName(name))
        world = self._world_before
        node.SetMatrixTransformToParent(_vtk_matrix(_inverse(world) @ result.matrix @ world))
        if self._former_parent is not None:
            node.SetAndObserveTransformNodeID(self._former_parent.GetID())
        moving.SetAndObserveTransformNodeID(node.GetID())
        return node

    def _provenance(self, result: RigidAlignment) -> dict[str, str]:
        """Where the transform comes from."""
        return {
            "ReferenceNodeID": self._reference.GetID(),
            "MovingNodeID": self._moving.GetID() or "",
            "NormalizedMutualInformation": f"{result.nmi_before:.4f} before, {result.nmi_after:.4f} after",
        }


def alignment_of(moving: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLTransformNode | None:
    """The transform that an alignment put directly above a volume, or None.

    Args:
        moving: vtkMRMLVolumeNode.
    """
    parent = moving.GetParentTransformNode()
    return parent if parent is not None and parent.GetAttribute(_ALIGNED_ATTRIBUTE) is not None else None


def undo_alignment(moving: slicer.vtkMRMLVolumeNode) -> bool:
    """Take a volume out of the transform of its last alignment, and remove that one unless others use it.

    It works on a scene that was saved and loaded, too.

    Args:
        moving: vtkMRMLVolumeNode.

    Returns:
        Whether there was one. A volume that has left it meanwhile, hardened or moved elsewhere, is left alone.
    """
    node = alignment_of(moving)
    if node is None:
        return False
    former = node.GetParentTransformNode()
    moving.SetAndObserveTransformNodeID(former.GetID() if former is not None else None)
    if not _users(node):
        node.GetScene().RemoveNode(node)
    return True


def check_alignment_steps(
    reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode
) -> Generator[None, None, AlignmentCheck]:
    """``check_alignment`` in steps of 5 to 20 ms, for callers with an event loop; may be closed at any time."""
    check_inputs(reference, moving)
    return alignment_check_steps(spatial_image(reference), spatial_image(moving))


def check_alignment(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> AlignmentCheck:
    """Judge whether two volumes lie right to each other, parent transforms included: about 0.3 s.

    Args:
        reference, moving: vtkMRMLVolumeNode.

    Raises:
        VolumeError: volumes that cannot be compared.
        RegistrationError: a volume of one slice or of one value.
    """
    check_inputs(reference, moving)
    return alignment_check(spatial_image(reference), spatial_image(moving))


def spatial_image(node: slicer.vtkMRMLVolumeNode) -> SpatialImage:
    """A volume's voxels, not copied, where its parent transforms put them. Color counts by its luma.

    Args:
        node: a checked vtkMRMLVolumeNode.

    Raises:
        UnsupportedVolumeError: a parent transform is not linear.
        UnsuitableImageError: the volume cannot be aligned.
    """
    ijk_to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk_to_ras)
    to_gray = luma if is_color_image(node) else None
    return SpatialImage(arrayFromVolume(node), _to_world(node) @ _array(ijk_to_ras), node.GetName(), to_gray)


def _to_world(node: slicer.vtkMRMLTransformableNode) -> Array:
    """4 x 4 of all transforms above a volume or a transform."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise UnsupportedVolumeError(
            _(
                "'{name}' is under a transform that bends space, so that no rigid motion aligns it. Harden the "
                "transform, or take the volume out of it (in the module Transforms), and align then."
            ).format(name=node.GetName())
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return _array(matrix)


def _users(transform: slicer.vtkMRMLTransformNode) -> list[slicer.vtkMRMLTransformableNode]:
    """The nodes of the scene that are directly under a transform."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTransformableNode", scene=transform.GetScene())
    return [node for node in nodes if node.GetParentTransformNode() is transform]


def _inverse(matrix: Array) -> Array:
    # Without rounding where nothing is to be inverted, as is most common.
    return matrix if (matrix == np.eye(4)).all() else np.linalg.inv(matrix)


def _array(matrix: vtk.vtkMatrix4x4) -> Array:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _vtk_matrix(array: Array) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(array.ravel())
    return matrix
