"""A volume as a new one on another volume's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer.util import arrayFromVolume, updateVolumeFromArray

from AMIFusionLib.memory_shortage import check_memory

from .resampling import reader_for

if TYPE_CHECKING:
    from slicer import vtkMRMLScene, vtkMRMLVolumeNode


def resampled_volume(scene: vtkMRMLScene, node: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> vtkMRMLVolumeNode:
    """Resample a volume onto a reference's grid, parent transforms of both included.

    Args:
        scene: vtkMRMLScene to add the result to.
        node: the checked vtkMRMLVolumeNode.
        reference: the volume whose grid counts.

    Returns:
        A node of the volume's class and type of values; what lies outside of the volume has its lowest value.

    Raises:
        NoOverlapError: nothing of the volume lies within the reference.
        MemoryError: there is too little memory for it.
    """
    values = arrayFromVolume(node)
    count = reference.GetImageData().GetDimensions()[2]
    components = values.shape[3] if values.ndim == 4 else 1
    # As float32, in which VTK resamples, and once more as a node.
    check_memory(reference.GetImageData().GetNumberOfPoints() * components * (4 + values.itemsize))
    resampled = reader_for(node, reference).read(0, 0, count)
    if values.dtype.kind != resampled.dtype.kind or resampled.dtype.kind == "f":
        resampled = np.where(np.isnan(resampled), values.min(), resampled)
    if values.dtype.kind in "iu":
        limits = np.iinfo(values.dtype)
        resampled = np.clip(np.rint(resampled), limits.min, limits.max)
    result = scene.AddNewNodeByClass(node.GetClassName(), scene.GenerateUniqueName(f"{node.GetName()} resampled"))
    updateVolumeFromArray(result, np.ascontiguousarray(resampled.astype(values.dtype)))
    if values.ndim == 4:
        result.SetVoxelVectorType(node.GetVoxelVectorType())
    matrix = vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(matrix)
    result.SetIJKToRASMatrix(matrix)
    result.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    return result
