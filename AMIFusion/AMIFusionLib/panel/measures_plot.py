"""Measures as nodes of the scene: a table, its series and a chart that the user may keep, save or delete."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from AMIFusionLib.result_measures import (
    EDGES,
    FIDELITY,
    MEASURES,
    MOVING_EDGES,
    REFERENCE_EDGES,
    SIMILARITY,
    ResultMeasures,
)

PLOTTED = (EDGES, REFERENCE_EDGES, MOVING_EDGES, SIMILARITY, FIDELITY)
"""What fits one axis, 0 to 2. Entropy and shared information, which are bits and nats, are in the table."""

_SLICE = "Slice"
_RESULT_ROLE = "AMIFusion.MeasuredResult"
"""A node reference, because it stays right when a scene is imported into another and identifiers change."""

_CLASSES = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")


def add_measures(result: slicer.vtkMRMLVolumeNode, measures: ResultMeasures) -> slicer.vtkMRMLPlotChartNode:
    """Put measures into the result's scene, in place of those of an earlier time.

    Args:
        result: the measured vtkMRMLVolumeNode.
        measures: what was measured.

    Returns:
        The vtkMRMLPlotChartNode.
    """
    scene = result.GetScene()
    remove_measures(result)
    table = _add(scene, "vtkMRMLTableNode", _("{name} measures").format(name=measures.name), result)
    _fill(table, measures)
    chart = _add(scene, "vtkMRMLPlotChartNode", _("{name} chart").format(name=measures.name), result)
    chart.SetTitle(measures.name)
    chart.SetXAxisTitle(_("Slice"))
    chart.SetYAxisTitle(_("Measure"))
    for measure in PLOTTED:
        series = _add(scene, "vtkMRMLPlotSeriesNode", f"{measures.name}: {measure}", result)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(_SLICE)
        series.SetYColumnName(measure)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetUniqueColor()
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def remove_measures(result: slicer.vtkMRMLVolumeNode) -> None:
    """Remove the nodes that an earlier measuring of a result left."""
    scene = result.GetScene()
    for class_name in _CLASSES:
        for node in slicer.util.getNodesByClass(class_name):
            if node.GetNodeReferenceID(_RESULT_ROLE) == result.GetID():
                scene.RemoveNode(node)


def show_chart(chart: slicer.vtkMRMLPlotChartNode, show_in_three_up: Callable[[], None] | None = None) -> None:
    """Show a chart in the layout.

    Args:
        chart: vtkMRMLPlotChartNode.
        show_in_three_up: makes room for a plot beside the three views, where they are shown; Slicer's own way would
            leave them for another layout.
    """
    if show_in_three_up is not None:
        show_in_three_up()
        logic = slicer.app.applicationLogic()
        logic.GetSelectionNode().SetActivePlotChartID(chart.GetID())
        logic.PropagatePlotChartSelection()
    elif hasattr(slicer.modules, "plots"):
        slicer.modules.plots.logic().ShowChartInLayout(chart)


def _add(
    scene: slicer.vtkMRMLScene, class_name: str, name: str, result: slicer.vtkMRMLVolumeNode
) -> slicer.vtkMRMLNode:
    node = scene.AddNewNodeByClass(class_name, scene.GenerateUniqueName(name))
    node.SetNodeReferenceID(_RESULT_ROLE, result.GetID())
    return node


def _fill(table: slicer.vtkMRMLTableNode, measures: ResultMeasures) -> None:
    modifying = table.StartModify()
    for name, values in ((_SLICE, measures.slices), *((name, measures.values[name]) for name in MEASURES)):
        column = numpy_to_vtk(np.asarray(values, dtype=np.float64), deep=True, array_type=vtk.VTK_DOUBLE)
        column.SetName(name)
        table.AddColumn(column)
    table.EndModify(modifying)
