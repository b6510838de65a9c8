"""Reference, second volume and result side by side, in three linked slice views of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from AMIFusionLib.volumes.result import is_licensed

LAYOUT, LAYOUT_WITH_PLOT = 2653, 2654
"""Numbers of the two layouts. Slicer's own end at 100; extensions choose what nobody else is likely to."""

VIEWS = ("AMIFusionReference", "AMIFusionSecond", "AMIFusionFused")
"""Own slice views, so that Red, Yellow and Green stay as the user has them; a built-in layout would reuse those."""

_VIEW_GROUP = 2653
"""Linked slice views move together within their group only: scrolling here scrolls no other view."""

_STANDARD_VIEWS = ("Red", "Yellow", "Green")
_ORIENTATIONS = {"axial": "Axial", "sagittal": "Sagittal", "coronal": "Coronal"}

LABEL_PLACE = vtk.vtkCornerAnnotation.UpperEdge
"""Above the picture: Slicer's own Data Probe rewrites the four corners whenever a slice changes."""

_VIEW = (
    '<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
    '<property name="orientation" action="default">Axial</property>'
    '<property name="viewlabel" action="default">{label}</property>'
    '<property name="viewcolor" action="default">{color}</property>'
    f'<property name="viewgroup" action="default">{_VIEW_GROUP}</property>'
    "</view></item>"
)
_ROW = '<layout type="horizontal">{}</layout>'.format(
    "".join(
        _VIEW.format(name=name, label=label, color=color)
        for name, label, color in zip(VIEWS, "12F", ("#5B8DB8", "#B8875B", "#8E8E8E"))
    )
)
_ROW_OVER_PLOT = (
    f'<layout type="vertical" split="true"><item splitSize="700">{_ROW}</item><item splitSize="300">'
    '<view class="vtkMRMLPlotViewNode" singletontag="PlotView1">'
    '<property name="viewlabel" action="default">P</property></view></item></layout>'
)


def describe_layouts() -> None:
    """Let Slicer know the layouts, so that a scene that was saved in one is shown in it; nothing where no views are."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    layout_node = manager.layoutLogic().GetLayoutNode()
    for number, description in ((LAYOUT, _ROW), (LAYOUT_WITH_PLOT, _ROW_OVER_PLOT)):
        if not layout_node.IsLayoutDescription(number):
            layout_node.AddLayoutDescription(number, description)


class ThreeUpViews:
    """A layout of Slicer's with three slice views, and the way back to the layout before.

    Labels say what each view really shows, also after the user has put another volume into it.
    """

    def __init__(self) -> None:
        self._volumes: Sequence[slicer.vtkMRMLVolumeNode] = ()
        self._placed_on: str | None = None
        self._before = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        self._observations: list[tuple[slicer.vtkMRMLSliceCompositeNode, int]] = []

    @property
    def is_possible(self) -> bool:
        """Whether there are views at all: not where Slicer runs without a main window."""
        return slicer.app.layoutManager() is not None

    @property
    def is_on(self) -> bool:
        """Whether the user sees the three views now."""
        return self.is_possible and slicer.app.layoutManager().layout in (LAYOUT, LAYOUT_WITH_PLOT)

    @property
    def is_filled(self) -> bool:
        """Whether three volumes are in the views, seen or not."""
        return bool(self._volumes)

    def enter(
        self,
        reference: slicer.vtkMRMLVolumeNode,
        moving: slicer.vtkMRMLVolumeNode,
        result: slicer.vtkMRMLVolumeNode,
        plane: str,
    ) -> None:
        """Show three volumes side by side at one place.

        Args:
            reference, moving, result: vtkMRMLVolumeNode.
            plane: in which the result was made; the views start in it, as the slices were fused, at the place that a
                standard view shows.
        """
        manager = slicer.app.layoutManager()
        if not self.is_on:
            self._before = manager.layout
            describe_layouts()
            manager.setLayout(LAYOUT)
        self.place(reference, moving, result, plane)

    def place(
        self,
        reference: slicer.vtkMRMLVolumeNode,
        moving: slicer.vtkMRMLVolumeNode,
        result: slicer.vtkMRMLVolumeNode,
        plane: str,
    ) -> None:
        """Put volumes into the views; where they look stays, unless the reference is another one than before."""
        self._forget_observations()
        self._volumes = (reference, moving, result)
        for widget, volume in zip(self.widgets(), self._volumes):
            composite = widget.mrmlSliceCompositeNode()
            composite.SetBackgroundVolumeID(volume.GetID())
            composite.SetForegroundVolumeID(None)
            composite.SetLabelVolumeID(None)
            # A volume that is loaded now must not push out what the labels promise.
            composite.SetDoPropagateVolumeSelection(False)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
            self._observations.append((composite, composite.AddObserver(vtk.vtkCommand.ModifiedEvent, self._label)))
        if self._placed_on != reference.GetID():
            self._placed_on = reference.GetID()
            self._look_at(reference, plane)
            # Again when the new views have got their sizes.
            qt.QTimer.singleShot(0, self._fit)
        self._label()

    def show_plot(self) -> None:
        """Make room for a plot below the three views."""
        slicer.app.layoutManager().setLayout(LAYOUT_WITH_PLOT)

    def leave(self) -> None:
        """Go back to the layout before, if the user has not gone elsewhere already."""
        self._forget_observations()
        self._volumes = ()
        if not self.is_possible:
            return
        for widget in self.widgets():
            widget.sliceView().cornerAnnotation().SetText(LABEL_PLACE, "")
        if self.is_on:
            slicer.app.layoutManager().setLayout(self._before)

    def widgets(self) -> list[Any]:
        """The three views' qMRMLSliceWidget; none before the layout was shown for the first time."""
        found = [slicer.app.layoutManager().sliceWidget(name) for name in VIEWS]
        return [widget for widget in found if widget is not None]

    def shows(self, node: slicer.vtkMRMLNode) -> bool:
        """Whether a volume is one of the three."""
        return any(node is volume for volume in self._volumes)

    def _look_at(self, reference: slicer.vtkMRMLVolumeNode, plane: str) -> None:
        """Turn the views into the voxels' plane, so that no view interpolates between slices that were fused."""
        for widget in self.widgets():
            node = widget.mrmlSliceNode()
            node.SetOrientation(_ORIENTATIONS.get(plane) or _orientation_of(reference))
            node.RotateToVolumePlane(reference)
        self._fit()
        seen = _place_seen(self.widgets()[0].mrmlSliceNode(), reference)
        if seen is not None:
            for widget in self.widgets():
                widget.mrmlSliceNode().JumpSliceByOffsetting(*seen)

    def _fit(self) -> None:
        """Fit the first view to the reference and show the same region at the same size in the others."""
        if not self._volumes or self._volumes[0].GetScene() is None:
            return
        first, *others = self.widgets()
        offset = first.sliceLogic().GetSliceOffset()
        first.sliceLogic().FitSliceToVolume(self._volumes[0], *first.mrmlSliceNode().GetDimensions()[:2])
        first.sliceLogic().SetSliceOffset(offset)
        seen = first.mrmlSliceNode()
        width, _height, depth = seen.GetFieldOfView()
        for widget in others:
            node = widget.mrmlSliceNode()
            columns, rows = node.GetDimensions()[:2]
            node.SetFieldOfView(width, width * rows / max(columns, 1), depth)
            node.GetSliceToRAS().DeepCopy(seen.GetSliceToRAS())
            node.UpdateMatrices()

    def _label(self, _caller: object = None, _event: object = None) -> None:
        for widget in self.widgets():
            shown = slicer.mrmlScene.GetNodeByID(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() or "")
            widget.sliceView().cornerAnnotation().SetText(LABEL_PLACE, self._label_of(shown))
            widget.sliceView().scheduleRender()

    def _label_of(self, node: slicer.vtkMRMLVolumeNode | None) -> str:
        if node is None or not self._volumes:
            return ""
        reference, moving, _result = self._volumes
        # By what a volume is, not by its view: a result as reference of another is still a result.
        if node is reference:
            return _("Reference: {name}").format(name=node.GetName())
        if node is moving:
            return _("Second: {name}").format(name=node.GetName())
        if node.GetAttribute("AMIFusion.Model"):
            return _("Fused: licensed") if is_licensed(node) else _("Fused: UNLICENSED")
        name: str = node.GetName()
        return name

    def _forget_observations(self) -> None:
        for observed, tag in self._observations:
            observed.RemoveObserver(tag)
        self._observations = []


def _orientation_of(volume: slicer.vtkMRMLVolumeNode) -> str:
    """Which standard orientation a volume's stored slices have."""
    directions = vtk.vtkMatrix4x4()
    volume.GetIJKToRASDirectionMatrix(directions)
    along = max(range(3), key=lambda row: abs(directions.GetElement(row, 2)))
    return ("Sagittal", "Coronal", "Axial")[along]


def _place_seen(node: slicer.vtkMRMLSliceNode, volume: slicer.vtkMRMLVolumeNode) -> tuple[float, float, float] | None:
    """The middle of the standard view that looks along with a slice node, if it lies in the volume."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    normal = [node.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
    for name in _STANDARD_VIEWS:
        other = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
        if other is None:
            continue
        matrix = other.GetSliceToRAS()
        seen = tuple(matrix.GetElement(row, 3) for row in range(3))
        along = abs(sum(normal[row] * matrix.GetElement(row, 2) for row in range(3)))
        inside = all(bounds[2 * row] <= seen[row] <= bounds[2 * row + 1] for row in range(3))
        if along > 0.9 and inside:
            return seen
    return None
