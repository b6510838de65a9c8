"""Whether two volumes still are what they were when they were fused, in another session too.

``watch`` notices every change as long as a program runs; this holds what a result's attributes can keep.
"""

from __future__ import annotations

import hashlib

import numpy as np
import slicer
import vtk
from slicer.util import arrayFromVolume

from AMIFusionLib.arrays import Array

_SAMPLED_VOXELS = 50_000
"""Read in a thousandth of a second; who draws into a volume changes one of them almost always."""

_TOLERANCE_VOXELS = 0.02
"""Files keep matrices with fewer digits than memory does."""


def sameness(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> dict[str, str]:
    """What to keep of a pair: the second volume's place in the reference, and a digest of the voxels of each.

    Args:
        reference, moving: vtkMRMLVolumeNode with image data.

    Returns:
        Texts by name, to be given to ``is_same``.
    """
    return {
        "MovingPlace": " ".join(f"{value:.4f}" for value in _place(reference, moving).ravel()),
        "ReferenceVoxels": _digest(reference),
        "MovingVoxels": _digest(moving),
    }


def is_same(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode, kept: dict[str, str | None]) -> bool:
    """Whether a pair still is as it was; what was not kept counts as the same.

    Args:
        reference, moving: vtkMRMLVolumeNode with image data.
        kept: what ``sameness`` gave, or some of it.
    """
    for name, node in (("ReferenceVoxels", reference), ("MovingVoxels", moving)):
        if kept.get(name) and kept[name] != _digest(node):
            return False
    try:
        place = np.array((kept.get("MovingPlace") or "").split(), dtype=float)
    except ValueError:
        return False
    now = _place(reference, moving).ravel()
    return place.size == 0 or (place.size == now.size and bool(np.abs(place - now).max() <= _TOLERANCE_VOXELS))


def _place(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> Array:
    """(9, 3): where the corners and the middle of the second volume lie, in the reference's voxels."""
    to_world, from_world = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(to_world)
    reference.GetRASToIJKMatrix(from_world)
    between = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        moving.GetParentTransformNode(), reference.GetParentTransformNode(), between
    )
    last = np.array(moving.GetImageData().GetDimensions()) - 1
    points = [last * np.array(corner) for corner in np.ndindex(2, 2, 2)] + [last / 2]
    places = []
    for point in points:
        ras = between.TransformPoint(to_world.MultiplyPoint((*point, 1.0))[:3])
        places.append(from_world.MultiplyPoint((*ras, 1.0))[:3])
    return np.array(places)


def _digest(node: slicer.vtkMRMLVolumeNode) -> str:
    array = arrayFromVolume(node)
    flat = array.reshape(-1)
    sample = np.ascontiguousarray(flat[:: max(1, flat.size // _SAMPLED_VOXELS)])
    head = f"{array.shape} {array.dtype.str}".encode()
    return hashlib.sha256(head + sample.tobytes()).hexdigest()[:16]
