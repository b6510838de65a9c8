"""The result: an image that is filled slice by slice, and the node that shows it once it is whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from AMIFusionLib.arrays import Array
from AMIFusionLib.memory_shortage import check_memory

from .checks import result_class
from .color import rgb_from_luma_and_chroma
from .planes import SliceLayout

SCALAR_MAXIMUM = 4095
"""White of a scalar result: 12 bits, as scanners write them, kept in int16."""

COLOR_MAXIMUM = 255

ATTRIBUTE_PREFIX = "AMIFusion."
"""Begins the name of every attribute that says where a result comes from."""


class ResultImage:
    """The voxels of a result on the reference's grid, not yet in any scene.

    Args:
        reference: the volume whose grid is taken.
        layout: how slices are cut from it.
        is_color: RGB (uint8, 0..255) rather than scalar (int16, 0..4095).

    Raises:
        MemoryError: there is too little memory for it.
    """

    def __init__(self, reference: slicer.vtkMRMLVolumeNode, layout: SliceLayout, is_color: bool) -> None:
        self.is_color = is_color
        self.image = vtk.vtkImageData()
        self.image.SetDimensions(reference.GetImageData().GetDimensions())
        check_memory(self.image.GetNumberOfPoints() * (3 if is_color else 2))
        self.image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR if is_color else vtk.VTK_SHORT, 3 if is_color else 1)
        shape = self.image.GetDimensions()[::-1] + ((3,) if is_color else ())
        self._slices = layout.view(vtk_to_numpy(self.image.GetPointData().GetScalars()).reshape(shape))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns as the layout cuts them."""
        slices, rows, columns = self._slices.shape[:3]
        return slices, rows, columns

    def write(self, start: int, luma: Array, chroma: Array | None) -> None:
        """Put fused slices in their place.

        Args:
            start: the first slice's index.
            luma: (n, rows, columns) in 0..1.
            chroma: (n, rows, columns, 2) for a color result, else None.
        """
        values = luma if chroma is None else rgb_from_luma_and_chroma(luma, chroma)
        maximum = COLOR_MAXIMUM if self.is_color else SCALAR_MAXIMUM
        levels = values * maximum
        np.clip(np.rint(levels, out=levels), 0, maximum, out=levels)
        self._slices[start : start + len(luma)] = levels


def publish_result(
    result: ResultImage,
    reference: slicer.vtkMRMLVolumeNode,
    output: slicer.vtkMRMLVolumeNode | None,
    name: str,
    attributes: Mapping[str, str],
) -> slicer.vtkMRMLVolumeNode:
    """Show a finished result in the reference's scene, at the reference's place.

    Nothing of the reference but its geometry, its parent transform and its place in the subject hierarchy is taken
    over: the result is derived data and must not carry DICOM instance UIDs.

    Args:
        result: the finished image.
        reference: the volume it lies on.
        output: a node to reuse, whose display settings are kept, or None for a new one.
        name: of a new node; the scene makes it unique.
        attributes: where the result comes from; each name gets ``ATTRIBUTE_PREFIX``.

    Returns:
        The result's vtkMRMLScalarVolumeNode or vtkMRMLVectorVolumeNode.
    """
    scene = reference.GetScene()
    node = output if output is not None else scene.CreateNodeByClass(result_class(result.is_color))
    for key, value in attributes.items():
        node.SetAttribute(ATTRIBUTE_PREFIX + key, value)
    if output is None:
        node.SetName(scene.GenerateUniqueName(name))
        # With its attributes: who hears of it asks whether it is a result.
        scene.AddNode(node)
    if node.GetDisplayNode() is None:
        # Before the voxels are there: a display node that is added later works out their histogram.
        _add_display(node, result.is_color)
    node.SetAndObserveImageData(result.image)
    node.CopyOrientation(reference)
    node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    node.RemoveAttribute("DICOM.instanceUIDs")
    _place_beside(node, reference)
    return node


def is_foreign(node: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether a volume holds voxels that no fusion made, so that a result in their place would lose them."""
    return node.GetImageData() is not None and node.GetAttribute(f"{ATTRIBUTE_PREFIX}Model") is None


def is_licensed(result: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether a result, a vtkMRMLVolumeNode, is clean."""
    return bool(result.GetAttribute(f"{ATTRIBUTE_PREFIX}Authorized") == "true")


def source_of(result: slicer.vtkMRMLVolumeNode, role: str) -> slicer.vtkMRMLVolumeNode | None:
    """A source of a result, or None where it is not in the scene any more.

    Args:
        result: vtkMRMLVolumeNode that a fusion made.
        role: "Reference" or "Moving".
    """
    identifier = result.GetAttribute(f"{ATTRIBUTE_PREFIX}{role}NodeID")
    scene = result.GetScene()
    node = scene.GetNodeByID(identifier) if scene is not None and identifier else None
    return node if isinstance(node, slicer.vtkMRMLVolumeNode) else None


def _add_display(node: slicer.vtkMRMLVolumeNode, is_color: bool) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    maximum = COLOR_MAXIMUM if is_color else SCALAR_MAXIMUM
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(maximum, maximum / 2)
    if not is_color:
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")


def _place_beside(node: slicer.vtkMRMLVolumeNode, reference: slicer.vtkMRMLVolumeNode) -> None:
    """Put the node under the reference's parent in the subject hierarchy: its study or folder."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    if hierarchy is None:
        return
    reference_item = hierarchy.GetItemByDataNode(reference)
    if reference_item == hierarchy.GetInvalidItemID():
        return
    parent = hierarchy.GetItemParent(reference_item)
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        hierarchy.CreateItem(parent, node)
    else:
        hierarchy.SetItemParent(item, parent)
