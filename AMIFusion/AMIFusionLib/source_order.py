"""In which order the network takes two volumes; the user's order decides the result's grid alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer import vtkMRMLTransformNode
from slicer.util import arrayFromVolume

from .fusion.fineness import SampledSlices, is_second_finer, sample_slices
from .volumes.checks import is_color_image
from .volumes.color import luma

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode


def is_moving_finer(reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode) -> bool:
    """Whether the moving volume is drawn finer than the reference, each on its own grid: see ``fusion.fineness``.

    Args:
        reference, moving: checked vtkMRMLVolumeNode.
    """
    return is_second_finer(*(_sampled(node) for node in (reference, moving)))


def voxel_spacing(node: vtkMRMLVolumeNode) -> tuple[float, float, float]:
    """(slice, row, column) distance of a volume's voxels in millimeters of the world.

    Transforms that scale count; one that warps does not, whose scale is another everywhere.
    """
    to_ras, to_world = vtk.vtkMatrix4x4(), vtk.vtkGeneralTransform()
    node.GetIJKToRASMatrix(to_ras)
    vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, to_world)
    linear = vtk.vtkTransform()
    if vtkMRMLTransformNode.IsGeneralTransformLinear(to_world, linear):
        vtk.vtkMatrix4x4.Multiply4x4(linear.GetMatrix(), to_ras, to_ras)
    columns, rows, slices = (
        float(np.linalg.norm([to_ras.GetElement(row, column) for row in range(3)])) for column in range(3)
    )
    return slices, rows, columns


def _sampled(node: vtkMRMLVolumeNode) -> SampledSlices:
    return sample_slices(arrayFromVolume(node), voxel_spacing(node), luma if is_color_image(node) else None)
