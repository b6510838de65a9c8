"""Checks of the volumes before any work is done."""

from __future__ import annotations

import slicer

from .errors import EmptyVolumeError, OutputVolumeError, UnsupportedVolumeError, VolumeError

SCALAR_COMPONENTS = 1
COLOR_COMPONENTS = (3, 4)
"""RGB and RGBA."""


def check_inputs(reference, moving) -> None:
    """Refuse what cannot be fused.

    Args:
        reference, moving: vtkMRMLVolumeNode.

    Raises:
        VolumeError: one of its subclasses.
    """
    for node, role in ((reference, "reference"), (moving, "second")):
        if node is None:
            raise VolumeError(f"Select the {role} volume.")
        if not isinstance(node, slicer.vtkMRMLVolumeNode):
            raise UnsupportedVolumeError(f"The {role} volume must be a volume node, not {_shown(node)}.")
        if node.GetScene() is None:
            raise VolumeError(f"'{node.GetName()}' is in no scene. Add it to one, and fuse then.")
        _check_image(node)
    if reference is moving:
        raise VolumeError(f"'{reference.GetName()}' is selected twice. Select two different volumes of one patient.")


def check_output(output, reference, moving, is_color: bool) -> None:
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
        raise OutputVolumeError(f"'{output.GetName()}' is an input. Select another output, or create a new volume.")
    if output.GetClassName() != result_class(is_color):
        held, wanted = ("gray values", "in color") if is_color else ("color or labels", "in gray values")
        raise OutputVolumeError(
            f"'{output.GetName()}' is for {held}, but this result is {wanted}. Select another output, or create a new "
            "volume."
        )


def result_class(is_color: bool) -> str:
    """The MRML class of a result."""
    return "vtkMRMLVectorVolumeNode" if is_color else "vtkMRMLScalarVolumeNode"


def is_color_image(node) -> bool:
    """Whether a volume's voxels are themselves RGB or RGBA."""
    return node.GetImageData().GetNumberOfScalarComponents() in COLOR_COMPONENTS


def _shown(thing) -> str:
    """A node by its name, anything else by its type."""
    return f"'{thing.GetName()}'" if hasattr(thing, "GetName") else f"a {type(thing).__name__}"


def _check_image(node) -> None:
    name, connection = node.GetName(), node.GetImageDataConnection()
    if connection is not None:
        # A volume may come from a pipeline that nobody has asked for its output yet.
        connection.GetProducer().Update()
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise EmptyVolumeError(f"'{name}' has no image data. Load it again, or select another volume.")
    if min(image.GetDimensions()) < 1 or image.GetNumberOfPoints() == 0:
        raise EmptyVolumeError(f"'{name}' is empty. Select another volume.")
    if isinstance(node, slicer.vtkMRMLLabelMapVolumeNode):
        raise UnsupportedVolumeError(f"'{name}' is a label map. Select the image that it was drawn on.")
    components = image.GetNumberOfScalarComponents()
    is_field = node.GetVoxelVectorType() == slicer.vtkMRMLVolumeNode.VoxelVectorTypeSpatial
    if components not in (SCALAR_COMPONENTS, *COLOR_COMPONENTS) or is_field:
        raise UnsupportedVolumeError(
            f"'{name}' has {components} values in each voxel: it is a time series or a vector field, not one gray or "
            "color image. Extract one frame or component as a volume, and select that."
        )
