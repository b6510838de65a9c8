"""MRML without Slicer's application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..translation import tr as _

if TYPE_CHECKING:
    from pathlib import Path

    from slicer import vtkMRMLColorNode, vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLTransformNode


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
        OSError: there is none, or it cannot be read.
    """
    import slicer

    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    for kind in ("vtkMRMLLinearTransformNode", "vtkMRMLTransformNode"):
        node = slicer.vtkMRMLNode.SafeDownCast(scene.CreateNodeByClass(kind))
        node.UnRegister(None)
        if path.is_file() and storage.ReadData(node):
            return scene.AddNode(node)
    sentence = _("{path} cannot be read as a transform. Name a file that amifusion align or Slicer wrote.")
    raise OSError(sentence.format(path=path))


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
