"""MRML without Slicer's application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..input_files import check_plain
from ..translation import tr as _
from .voxel_files import voxel_files

if TYPE_CHECKING:
    from pathlib import Path

    from slicer import vtkMRMLColorNode, vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLTransformNode

_IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
"""Of files that may hold a transform as a field of displacements."""


def new_scene() -> vtkMRMLScene:
    """An empty scene with Slicer's color tables, which give PET its colors; it becomes the current one."""
    import slicer

    scene = slicer.vtkMRMLScene()
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    # The logic takes its color tables away with it when it goes.
    scene.color_logic = colors
    slicer.mrmlScene = scene
    return scene


def show_colors(scene: vtkMRMLScene, node: vtkMRMLScalarVolumeNode, name: str) -> None:
    """Display a gray volume with one of Slicer's color tables.

    Args:
        scene: with color tables.
        node: vtkMRMLScalarVolumeNode.
        name: of a table, as Slicer's module Colors lists it; upper and lower case do not matter.

    Raises:
        ValueError: no such table, or a volume that is in color already.
    """
    import slicer

    if not isinstance(node, slicer.vtkMRMLScalarVolumeNode) or isinstance(node, slicer.vtkMRMLVectorVolumeNode):
        raise ValueError(_("'{name}' is in color already. Leave --colors out.").format(name=node.GetName()))
    node.GetDisplayNode().SetAndObserveColorNodeID(color_table(scene, name).GetID())


def color_table(scene: vtkMRMLScene, name: str) -> vtkMRMLColorNode:
    """One of Slicer's color tables.

    Args:
        scene: with color tables.
        name: as Slicer's module Colors lists it; upper and lower case do not matter.

    Raises:
        ValueError: no such table.
    """
    import slicer

    tables = [
        table for table in slicer.util.getNodesByClass("vtkMRMLColorNode", scene=scene) if table.GetScalarsToColors()
    ]
    for table in tables:
        if table.GetName().lower() == name.lower():
            return table
    names = ", ".join(sorted({table.GetName() for table in tables}))
    raise ValueError(_("There is no color table '{name}'. Choose one of: {names}.").format(name=name, names=names))


def read_transform(scene: vtkMRMLScene, path: Path) -> vtkMRMLTransformNode:
    """Read a transform file, as ``amifusion align`` or Slicer writes it.

    Returns:
        vtkMRMLTransformNode in the scene.

    Raises:
        OSError: there is none, or it cannot be read, or it is an image.
        ValueError: a pipe or a device, in its own place or in that of its voxels' file.
    """
    import slicer

    check_plain(path)
    sentence = _("{path} cannot be read as a transform. Name a file that amifusion align or Slicer wrote.")
    if path.is_file() and path.name.lower().endswith(_IMAGE_SUFFIXES):
        voxel_files(path)
        if _is_plain_image(path):
            raise OSError(sentence.format(path=path))
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    for kind in ("vtkMRMLLinearTransformNode", "vtkMRMLTransformNode"):
        node = slicer.vtkMRMLNode.SafeDownCast(scene.CreateNodeByClass(kind))
        node.UnRegister(None)
        if path.is_file() and storage.ReadData(node):
            return scene.AddNode(node)
    raise OSError(sentence.format(path=path))


def _is_plain_image(path: Path) -> bool:
    """Whether a file is an image, but no field of displacements: MRML would take its gray values for millimeters."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return False
    is_color = reader.GetPixelID() == SimpleITK.sitkVectorUInt8
    return bool(is_color or reader.GetNumberOfComponents() != 3)


def write_transform(node: vtkMRMLTransformNode, path: Path) -> None:
    """Write a transform as ITK and Slicer read it; the file appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    import slicer

    from AMIFusionLib.whole_output import whole

    storage = slicer.vtkMRMLTransformStorageNode()
    with whole(path) as place:
        storage.SetFileName(str(place))
        if not storage.WriteData(node):
            sentence = _("{path} cannot be written. Check the folder and the space on the disk.")
            raise OSError(sentence.format(path=path))
