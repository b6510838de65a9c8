"""`slicer.app.layoutManager()`: the real layout logic and node, with slice views that draw nothing.

As in Slicer, a view's node and widget are made when a layout first shows them and stay when another layout is chosen;
`sliceViewNames()` names them all, and the slice nodes know which of them are mapped in the layout. Only slice views
have widgets here: 3D, table and plot views are nodes alone.
"""

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .scene import SLICE_VIEWS


class qMRMLSliceView(QtWidgets.QWidget):
    """The part of a slice view that shows the picture: here its corner texts alone, kept but not drawn."""

    def __init__(self, parent, logic):
        super().__init__(parent)
        self._logic, self._corners = logic, vtk.vtkCornerAnnotation()

    def cornerAnnotation(self):
        """The real vtkCornerAnnotation."""
        return self._corners

    def mrmlSliceNode(self):
        """The slice node."""
        return self._logic.GetSliceNode()

    def scheduleRender(self):
        """Nothing is rendered."""

    def forceRender(self):
        """Nothing is rendered."""

    def _picture(self):
        """What a real view would draw without its annotations: the slice logic's blended layers, or None."""
        connection = self._logic.GetImageDataConnection()
        if connection is None:
            return None
        connection.GetProducer().Update()
        return connection.GetProducer().GetOutputDataObject(connection.GetIndex())


class qMRMLSliceWidget(QtWidgets.QWidget):
    """A slice view with its controller: the real slice logic without a picture."""

    def __init__(self, parent, logic):
        super().__init__(parent)
        self._logic, self._view = logic, qMRMLSliceView(self, logic)

    def sliceLogic(self):
        """The real vtkMRMLSliceLogic."""
        return self._logic

    def sliceView(self):
        """The view itself."""
        return self._view

    def mrmlSliceNode(self):
        """The slice node."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        """The composite node, which holds the layers."""
        return self._logic.GetSliceCompositeNode()


class qSlicerLayoutManager(QtCore.QObject):
    """Follows the layout node; no 3D view."""

    layoutChanged = Signal(int)

    def __init__(self, parent, window, logics):
        super().__init__(parent)
        self._window, self._logics = window, logics
        self._widgets = {name: qMRMLSliceWidget(window, logic) for name, logic in logics.slices.items()}
        self._shown = self._node().GetViewArrangement()
        self._node().AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow)
        self._follow()

    def _node(self):
        return self._logics.layout.GetLayoutNode()

    def _follow(self, *_):
        """Make widgets for new slice views, map the shown ones, and tell who listens."""
        views = self._logics.layout.GetViewNodes()
        shown = [views.GetItemAsObject(index) for index in range(views.GetNumberOfItems())]
        for node in shown:
            if node.IsA("vtkMRMLSliceNode") and node.GetLayoutName() not in self._widgets:
                logic = self._logics.add_slice_logic(node)
                self._widgets[node.GetLayoutName()] = qMRMLSliceWidget(self._window, logic)
        for name, widget in self._widgets.items():
            widget.mrmlSliceNode().SetMappedInLayout(name in [node.GetLayoutName() for node in shown])
        arrangement = self._node().GetViewArrangement()
        if arrangement != self._shown:
            self._shown = arrangement
            self.layoutChanged.emit(arrangement)

    def layoutLogic(self):
        """The real vtkMRMLLayoutLogic."""
        return self._logics.layout

    def sliceViewNames(self):
        """Names of the slice views, shown or not."""
        return tuple(self._widgets)

    def sliceWidget(self, name):
        """A slice view, or None."""
        return self._widgets.get(name)

    def mrmlSliceLogics(self):
        """The slice logics, as a vtkCollection."""
        return self._logics.application.GetSliceLogics()

    def setLayout(self, layout):
        """Choose a layout."""
        self._node().SetViewArrangement(layout)

    def resetSliceViews(self):
        """Fit the slices to what they show."""
        for widget in self._widgets.values():
            widget.sliceLogic().FitSliceToBackground()

    def resetThreeDViews(self):
        """There is no 3D view."""

    threeDViewCount = Property(int, lambda self: 0)
    layout = Property(int, lambda self: self._node().GetViewArrangement(), setLayout)

    def _reset(self):
        """As just started: the first layout, and no view beyond the usual three."""
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutInitialView)
        for name in [name for name in self._widgets if name not in SLICE_VIEWS]:
            widget = self._widgets.pop(name)
            self._logics.remove_slice_logic(widget.sliceLogic())
            widget.deleteLater()
        for widget in self._widgets.values():
            widget.sliceView().cornerAnnotation().ClearAllTexts()
