"""One slice view of the live preview: its plane, its scratch node, and the layers that the user had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
import vtk

from AMIFusionLib.volumes.result import COLOR_MAXIMUM, SCALAR_MAXIMUM
from AMIFusionLib.volumes.view_plane import ViewPlane

if TYPE_CHECKING:
    from AMIFusionLib.slice_preview import PreviewedSlice

_FORMER_FOREGROUND, _FORMER_OPACITY = "AMIFusion.FormerForeground", "AMIFusion.FormerForegroundOpacity"
"""Attributes of a view's composite node while a preview lies over the user's foreground.

A scene tells nobody that it is about to be written, so that a file may name the preview as foreground, which is not in
it. From these the layers come back when the file is loaded.
"""

_NO_VOLUME = "none"


def restore_saved_layers(scene: slicer.vtkMRMLScene) -> None:
    """Bring the user's layers back where a scene was saved under a preview.

    Args:
        scene: vtkMRMLScene that was just loaded.
    """
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene=scene):
        identifier, opacity = (composite.GetAttribute(name) for name in (_FORMER_FOREGROUND, _FORMER_OPACITY))
        # A foreground that is there is the user's, or a preview that is shown now.
        if identifier is None or scene.GetNodeByID(composite.GetForegroundVolumeID() or "") is not None:
            continue
        is_there = scene.GetNodeByID(identifier) is not None
        with slicer.util.NodeModify(composite):
            composite.SetForegroundVolumeID(identifier if is_there else None)
            composite.SetForegroundOpacity(_number(opacity))
            _forget_former(composite)


class PreviewView:
    """Shows fused slices in a slice view as its foreground, at full opacity over the user's background.

    The mouse's window tool acts on the front layer, so that it is the preview's window that it changes: the background
    takes that change over, in its own values, and the next slice shows it.

    The former foreground and its opacity come back when the preview ends. An opacity that the user sets meanwhile is
    the preview's, kept until then. If the user chooses another foreground meanwhile, that choice stays: the view is
    given up (``is_given_up``) until the section starts anew.

    Args:
        name: of the view, such as "Red".
        slice_node: vtkMRMLSliceNode.
        composite: vtkMRMLSliceCompositeNode, which holds the layers.
    """

    def __init__(
        self, name: str, slice_node: slicer.vtkMRMLSliceNode, composite: slicer.vtkMRMLSliceCompositeNode
    ) -> None:
        self.name = name
        self.slice_node = slice_node
        self.composite = composite
        self.signature: tuple[object, ...] | None = None
        self.is_given_up = False
        self._node: slicer.vtkMRMLVolumeNode | None = None
        self._display: tuple[slicer.vtkMRMLVolumeDisplayNode | None, int] = (None, 0)
        self._former: tuple[str | None, float] | None = None
        self._opacity = 1.0

    @property
    def plane(self) -> ViewPlane:
        """What the view shows now."""
        return ViewPlane.of(self.slice_node)

    @property
    def is_shown(self) -> bool:
        """Whether the layers are not the user's now."""
        return self._former is not None

    @property
    def can_show(self) -> bool:
        """Whether there is a background to lie over: a view's place and steps come from it."""
        return not self.is_given_up and self.composite.GetBackgroundVolumeID() is not None and not self.plane.is_empty

    def show(self, fused: PreviewedSlice) -> None:
        """Show a fused slice.

        Args:
            fused: ``slice_preview.PreviewedSlice``.
        """
        node, former_node = self._node_for(fused.is_color), self._node
        self._node = node
        with slicer.util.NodeModify(node):
            node.SetAndObserveImageData(fused.image)
            node.SetIJKToRASMatrix(fused.ijk_to_ras)
        self._follow_window(node)
        composite = self.composite
        if not self.is_shown:
            self._former = composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()
            with slicer.util.NodeModify(composite):
                composite.SetAttribute(_FORMER_FOREGROUND, self._former[0] or _NO_VOLUME)
                composite.SetAttribute(_FORMER_OPACITY, repr(self._former[1]))
                composite.SetForegroundVolumeID(node.GetID())
                composite.SetForegroundOpacity(self._opacity)
        elif node is not former_node:
            composite.SetForegroundVolumeID(node.GetID())
        if node is not former_node:
            _remove(former_node)

    def _follow_window(self, node: slicer.vtkMRMLVolumeNode) -> None:
        """Show the scratch node in full, and hear of who windows it."""
        display = node.GetDisplayNode()
        _show_in_full(node)
        if display is not self._display[0]:
            self._follow_no_window()
            self._display = display, display.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_windowed)

    def _follow_no_window(self) -> None:
        display, tag = self._display
        if display is not None:
            display.RemoveObserver(tag)
        self._display = None, 0

    def _on_windowed(self, display: slicer.vtkMRMLVolumeDisplayNode, _event: str) -> None:
        node = self._node
        if node is None:
            return
        maximum = _maximum(node)
        window, level = display.GetWindow(), display.GetLevel()
        if (window, level) == (maximum, maximum / 2):
            return
        _show_in_full(node)
        background = node.GetScene().GetNodeByID(self.composite.GetBackgroundVolumeID() or "")
        below = background.GetVolumeDisplayNode() if background is not None else None
        if below is None or not hasattr(below, "GetWindow") or not below.GetWindow() > 0:
            return
        # What was v of the maximum is that much of the background's window.
        width, low = below.GetWindow(), below.GetLevel() - below.GetWindow() / 2
        with slicer.util.NodeModify(below):
            below.SetAutoWindowLevel(False)
            below.SetWindowLevel(width * window / maximum, low + width * level / maximum)

    def notice_user(self) -> bool:
        """Give the view up if the user has chosen another foreground over the preview.

        Returns:
            Whether the view was given up just now.
        """
        former = self._former
        if former is None or self._has_own_foreground():
            return False
        self.is_given_up = True
        if self.composite.GetForegroundOpacity() == self._opacity:
            # The choice was of a layer and not of how strongly it shows.
            self.composite.SetForegroundOpacity(former[1])
        self.withdraw()
        return True

    def hide(self) -> None:
        """Bring the user's layers back for a while; the next slice is shown as the last one was."""
        self.signature = None
        node, former, self._former = self._node, self._former, None
        if former is not None:
            _forget_former(self.composite)
        if node is None or former is None or not self._has_own_foreground():
            return
        identifier, opacity = former
        composite = self.composite
        self._opacity = composite.GetForegroundOpacity()
        if identifier is not None and node.GetScene().GetNodeByID(identifier) is None:
            identifier = None
        with slicer.util.NodeModify(composite):
            composite.SetForegroundVolumeID(identifier)
            composite.SetForegroundOpacity(opacity)

    def withdraw(self) -> None:
        """Bring the user's layers back and leave no node."""
        self.hide()
        self._follow_no_window()
        node, self._node = self._node, None
        _remove(node)

    def _has_own_foreground(self) -> bool:
        node = self._node
        if node is None or node.GetScene() is None:
            return False
        return bool(self.composite.GetForegroundVolumeID() == node.GetID())

    def _node_for(self, is_color: bool) -> slicer.vtkMRMLVolumeNode:
        """The scratch node, or a new one where it is gone or of the other kind."""
        kind = "Vector" if is_color else "Scalar"
        node = self._node
        if node is not None and node.GetScene() is not None and node.GetClassName() == f"vtkMRML{kind}VolumeNode":
            return node
        return _new_scratch(self.slice_node.GetScene(), f"AMIFusion preview {self.name}", kind)


def _maximum(node: slicer.vtkMRMLVolumeNode) -> int:
    return COLOR_MAXIMUM if node.IsA("vtkMRMLVectorVolumeNode") else SCALAR_MAXIMUM


def _show_in_full(node: slicer.vtkMRMLVolumeNode) -> None:
    """Every value of a scratch node, black to white."""
    maximum = _maximum(node)
    node.GetDisplayNode().SetWindowLevel(maximum, maximum / 2)


def _forget_former(composite: slicer.vtkMRMLSliceCompositeNode) -> None:
    for name in (_FORMER_FOREGROUND, _FORMER_OPACITY):
        composite.RemoveAttribute(name)


def _number(text: str | None) -> float:
    """A saved opacity; as good as none where somebody has changed the file."""
    try:
        return min(max(float(text or ""), 0.0), 1.0)
    except ValueError:
        return 0.0


def _new_scratch(scene: slicer.vtkMRMLScene, name: str, kind: str) -> slicer.vtkMRMLVolumeNode:
    """A volume node that no selector, file, undo or subject hierarchy takes."""
    node = getattr(slicer, f"vtkMRML{kind}VolumeNode")()
    display = getattr(slicer, f"vtkMRML{kind}VolumeDisplayNode")()
    for each in (display, node):
        each.SetName(name)
        each.SetSaveWithScene(False)
        each.HideFromEditorsOn()
        each.SetUndoEnabled(False)
    display.SetAutoWindowLevel(False)
    if kind == "Scalar":
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    scene.AddNode(display)
    scene.AddNode(node)
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def _remove(node: slicer.vtkMRMLVolumeNode | None) -> None:
    if node is None or node.GetScene() is None:
        return
    scene, display = node.GetScene(), node.GetDisplayNode()
    scene.RemoveNode(node)
    if display is not None and display.GetScene() is not None:
        scene.RemoveNode(display)
