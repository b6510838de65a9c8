"""Phantom volumes as MRML nodes."""

from __future__ import annotations

import slicer
import vtk
from slicer.util import updateVolumeFromArray

from .head import PhantomVolume

_PET_COLORS = "vtkMRMLPETProceduralColorNodePET-Heat"


def add_phantom_volume(scene: slicer.vtkMRMLScene, volume: PhantomVolume) -> slicer.vtkMRMLScalarVolumeNode:
    """Add one volume of the head phantom to a scene, displayed in its own window.

    Args:
        scene: vtkMRMLScene.
        volume: what ``head_phantom`` gave.

    Returns:
        vtkMRMLScalarVolumeNode.
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(volume.name))
    updateVolumeFromArray(node, volume.array)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.ijk_to_ras.ravel())
    node.SetIJKToRASMatrix(matrix)
    node.SetDescription(volume.description)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    low, high = volume.window
    display.SetWindowLevel(high - low, (high + low) / 2)
    display.SetAndObserveColorNodeID(_color_node_id(scene, volume.modality))
    return node


def _color_node_id(scene: slicer.vtkMRMLScene, modality: str) -> str:
    if modality == "PT" and scene.GetNodeByID(_PET_COLORS) is not None:
        return _PET_COLORS
    gray: str = slicer.vtkMRMLColorLogic.GetColorTableNodeID(slicer.vtkMRMLColorTableNode.Grey)
    return gray
