"""qMRML widgets over the real scene."""

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_widgets import ctkSliderWidget, kept_properties
from .node_list import NodeList, SceneObserver


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that passes the scene to its children by the signal that the .ui file connects."""

    SLICER_SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene):
        """Set the scene and tell who listens."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


_NODE_OPTIONS = kept_properties(
    noneDisplay=str,
    baseName=str,
    addEnabled=bool,
    removeEnabled=bool,
    noneEnabled=bool,
    renameEnabled=bool,
    editEnabled=bool,
    selectNodeUponCreation=bool,
)


class qMRMLNodeComboBox(_NODE_OPTIONS, QtWidgets.QWidget):
    """A choice among the scene's nodes; disabled until it has a scene.

    Recorded: a node added by anyone is not selected; `addNode()` selects; where the selected node goes, the next
    one in the list is selected, else the one before, else none.
    """

    SLICER_SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged(PyObject)",
        "currentNodeChanged(bool)": "_currentNodeIsSet(bool)",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded(PyObject)",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser(PyObject)",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated(PyObject)",
    }
    currentNodeChanged = Signal(object)
    _currentNodeIsSet = Signal(bool)
    currentNodeIDChanged = Signal(str)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._listed, self._current = None, [], ""
        self._list, self._observer = NodeList(), SceneObserver(self._update)
        self._options = {
            "addEnabled": True,
            "removeEnabled": True,
            "noneEnabled": False,
            "renameEnabled": False,
            "editEnabled": False,
            "selectNodeUponCreation": True,
            "noneDisplay": "None",
            "baseName": "",
        }
        self._combo_box = QtWidgets.QComboBox()
        self._combo_box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._combo_box.activated.connect(self._on_activated)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo_box)
        # As Slicer's: whoever focuses the list is sent to this widget, which takes no focus.
        self._combo_box.setFocusProxy(self)
        self.setEnabled(False)

    def _show_names(self):
        """List the nodes' names of this moment in the combo box, which says nothing of it."""
        entries = [(self._options["noneDisplay"], "")] if self._options["noneEnabled"] else []
        nodes = (self._scene.GetNodeByID(identifier) for identifier in self._listed) if self._scene else ()
        entries += [(node.GetName() or "", node.GetID()) for node in nodes if node is not None]
        box = self._combo_box
        if entries != [(box.itemText(row), box.itemData(row)) for row in range(box.count())]:
            box.clear()
            for name, identifier in entries:
                box.addItem(name, identifier)
        box.setCurrentIndex(next((row for row, entry in enumerate(entries) if entry[1] == self._current), -1))

    _options_changed = _show_names

    def paintEvent(self, event):
        """A node may have been renamed since."""
        self._show_names()
        super().paintEvent(event)

    def _on_activated(self, row):
        """What a user does in the list."""
        self._select(self._combo_box.itemData(row))
        self.nodeActivated.emit(self.currentNode())

    def setMRMLScene(self, scene):
        """Follow a scene, or none."""
        self._observer.follow(scene)
        self._scene = self._list.scene = scene
        self.setEnabled(scene is not None)
        self._update()

    def _update(self):
        """Follow the scene: keep the selection where its node is still listed."""
        before, self._listed = self._listed, self._list.ids()
        for identifier in self._listed:
            if identifier not in before and self._scene.GetNodeByID(identifier):
                self.nodeAdded.emit(self._scene.GetNodeByID(identifier))
        if self._current and self._current not in self._listed:
            row = before.index(self._current) if self._current in before else 0
            self._select(self._listed[min(row, len(self._listed) - 1)] if self._listed else "")
        self._show_names()

    def _select(self, identifier):
        identifier = identifier if identifier in self._listed else ""
        if identifier == self._current:
            return
        self._current = identifier
        self._show_names()
        node = self.currentNode()
        self.currentNodeChanged.emit(node)
        self._currentNodeIsSet.emit(node is not None)
        self.currentNodeIDChanged.emit(identifier)

    def mrmlScene(self):
        """The scene, or None."""
        return self._scene

    def currentNode(self):
        """The selected node, or None."""
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node):
        """Select a node that is listed; anything else selects none."""
        self._select(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, identifier):
        """Select by node ID."""
        self._select(identifier)

    def setCurrentNodeIndex(self, index):
        """Select by position among the nodes."""
        self._select(self._listed[index] if 0 <= index < len(self._listed) else "")

    def nodeCount(self):
        """How many nodes can be chosen."""
        return len(self._listed)

    def nodeFromIndex(self, index):
        """The node at a position, or None."""
        return self._scene.GetNodeByID(self._listed[index]) if 0 <= index < len(self._listed) else None

    def addNode(self, class_name=None):
        """What the menu's "Create new" does."""
        class_name = class_name or self._list.types[0]
        name = self._options["baseName"] or class_name.replace("vtkMRML", "").replace("Node", "")
        node = self._scene.AddNewNodeByClass(class_name, self._scene.GenerateUniqueName(name))
        self.nodeAddedByUser.emit(node)
        if self._options["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        return node

    def addAttribute(self, node_type, name, value=None):
        """List only nodes of a type that have an attribute (with that value)."""
        self._list.attributes.append((node_type, name, value))
        self._update()

    def removeCurrentNode(self):
        """What the menu's "Delete current" does."""
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def _set_list(self, name, value):
        setattr(self._list, name, value)
        self._update()

    def setNodeTypes(self, types):
        """Set the node classes to list."""
        self._set_list("types", list(types))

    def setShowChildNodeTypes(self, shown):
        """List nodes of derived classes too."""
        self._set_list("show_children", shown)

    def setShowHidden(self, shown):
        """List nodes hidden from editors too."""
        self._set_list("show_hidden", shown)

    nodeTypes = Property("QStringList", lambda self: self._list.types, setNodeTypes)
    showChildNodeTypes = Property(bool, lambda self: self._list.show_children, setShowChildNodeTypes)
    showHidden = Property(bool, lambda self: self._list.show_hidden, setShowHidden)
    currentNodeID = Property(str, lambda self: self._current, setCurrentNodeID)


class qMRMLSliderWidget(ctkSliderWidget):
    """ctkSliderWidget with a scene (units are not followed)."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    mrmlScene = qMRMLWidget.mrmlScene

    def setMRMLScene(self, scene):
        """Set the scene."""
        self._scene = scene


CLASSES = [qMRMLWidget, qMRMLSliderWidget, qMRMLNodeComboBox]
