"""Checks of the volumes before any work is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.util import arrayFromVolume

from ..translation import tr as _
from .errors import EmptyVolumeError, OutputVolumeError, UnsupportedVolumeError, VolumeError

SCALAR_COMPONENTS = 1
COLOR_COMPONENTS = (3, 4)
"""RGB and RGBA."""


def check_inputs(reference: Any, moving: Any) -> None:
    """Refuse what cannot be fused.

    Args:
        reference, moving: vtkMRMLVolumeNode, or whatever was given in its place.

    Raises:
        VolumeError: one of its subclasses.
    """
    for node, is_reference in ((reference, True), (moving, False)):
        if node is None:
            raise VolumeError(_("Select the reference volume.") if is_reference else _("Select the second volume."))
        if not isinstance(node, slicer.vtkMRMLVolumeNode):
            sentence = (
                _("The reference volume must be a volume node, not {thing}.")
                if is_reference
                else _("The second volume must be a volume node, not {thing}.")
            )
            raise UnsupportedVolumeError(sentence.format(thing=_shown(node)))
        if node.GetScene() is None:
            raise VolumeError(_("'{name}' is in no scene. Add it to one, and fuse then.").format(name=node.GetName()))
        _check_image(node)
    if reference is moving:
        raise VolumeError(
            _("'{name}' is selected twice. Select two different volumes of one patient.").format(
                name=reference.GetName()
            )
        )


def check_output(
    output: slicer.vtkMRMLVolumeNode | None,
    reference: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    is_color: bool,
) -> None:
    """Refuse an output node that is an input, or that holds another kind of volume than the result.

    Args:
        output: vtkMRMLVolumeNode, or None for a new one.
        reference, moving: the inputs.
        is_color: whether the result will be in color.

    Raises:
        OutputVolumeError: with what to choose instead.
    """
    if output is None:
        return
    if output is reference or output is moving:
        raise OutputVolumeError(
            _("'{name}' is an input. Select another output, or create a new volume.").format(name=output.GetName())
        )
    if output.GetClassName() != result_class(is_color):
        sentence = (
            _(
                "'{name}' is for gray values, but this result is in color. Select another output, or create a new "
                "volume."
            )
            if is_color
            else _(
                "'{name}' is for color or labels, but this result is in gray values. Select another output, or create "
                "a new volume."
            )
        )
        raise OutputVolumeError(sentence.format(name=output.GetName()))


def result_class(is_color: bool) -> str:
    """The MRML class of a result."""
    return "vtkMRMLVectorVolumeNode" if is_color else "vtkMRMLScalarVolumeNode"


def is_color_image(node: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether a volume's voxels are themselves RGB or RGBA."""
    return node.GetImageData().GetNumberOfScalarComponents() in COLOR_COMPONENTS


def _shown(thing: object) -> str:
    """A node by its name, anything else by its type."""
    return f"'{thing.GetName()}'" if hasattr(thing, "GetName") else _("a {type}").format(type=type(thing).__name__)


def _check_image(node: slicer.vtkMRMLVolumeNode) -> None:
    name, connection = node.GetName(), node.GetImageDataConnection()
    if connection is not None:
        # A volume may come from a pipeline that nobody has asked for its output yet.
        connection.GetProducer().Update()
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise EmptyVolumeError(
            _("'{name}' has no image data. Load it again, or select another volume.").format(name=name)
        )
    if min(image.GetDimensions()) < 1 or image.GetNumberOfPoints() == 0:
        raise EmptyVolumeError(_("'{name}' is empty. Select another volume.").format(name=name))
    if isinstance(node, slicer.vtkMRMLLabelMapVolumeNode):
        raise UnsupportedVolumeError(
            _("'{name}' is a label map. Select the image that it was drawn on.").format(name=name)
        )
    components = image.GetNumberOfScalarComponents()
    is_field = node.GetVoxelVectorType() == slicer.vtkMRMLVolumeNode.VoxelVectorTypeSpatial
    if components not in (SCALAR_COMPONENTS, *COLOR_COMPONENTS) or is_field:
        raise UnsupportedVolumeError(
            _(
                "'{name}' has {components} values in each voxel: it is a time series or a vector field, not one gray "
                "or color image. Extract one frame or component as a volume, and select that."
            ).format(name=name, components=components)
        )
    if not _has_finite_value(node):
        raise EmptyVolumeError(
            _("'{name}' has no values: all of its voxels are NaN or infinite. Select another volume.").format(name=name)
        )


def _has_finite_value(node: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether any voxel is a number; of most volumes a look at the first slice tells."""
    array = arrayFromVolume(node)
    return array.dtype.kind != "f" or any(np.isfinite(each).any() for each in array)
