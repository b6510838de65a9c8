"""Qt Designer files, through PySide6's own loader, strictly.

Slicer's loader turns a widget class it does not know into a plain QWidget and a misspelt property into a dynamic
one, and says nothing; both raise here. Connections of the file are made by signal and slot name.
"""

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import qt_signals
from .records import refused_connections
from .strict_objects import wrap

custom_classes = {}
_FOR_THE_LOADER = {("QLabel", "buddy")}
"""What Designer writes as a property and the loader understands, though the class has none of that name."""


class _Loader(QtUiTools.QUiLoader):
    def createWidget(self, class_name, parent=None, name=""):
        """A widget of an emulated class, or of Qt's."""
        custom = custom_classes.get(class_name)
        widget = custom(parent) if custom else super().createWidget(class_name, parent, name)
        widget.setObjectName(name)
        return widget


class QUiLoader(QtCore.QObject):
    """`qt.QUiLoader`, with the one method that `slicer.util.loadUI` uses."""

    def load(self, file, parent=None):
        """The widget that a .ui file describes."""
        tree = ElementTree.fromstring(bytes(file.readAll().data()))
        known = _known_classes()
        for element in tree.iter("widget"):
            if element.get("class") not in known:
                raise RuntimeError(f"no widget class {element.get('class')} for {element.get('name')}")
        connections = tree.find("connections")
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = _Loader().load(buffer, parent)
        _refuse_unknown_properties(tree, widget)
        for child in widget.findChildren(QtWidgets.QWidget):
            getattr(child, "_finish_loading", lambda: None)()
        for connection in connections if connections is not None else []:
            _connect(widget, *[connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")])
        return widget


def _known_classes():
    return {*custom_classes, "Line", "QLayoutWidget", *(name for name in dir(QtWidgets) if name.startswith("Q"))}


def _named(root, name):
    return root if root.objectName() == name else root.findChild(QtCore.QObject, name)


def _refuse_unknown_properties(tree, root):
    for element in tree.iter("widget"):
        widget = _named(root, element.get("name"))
        for declared in element.findall("property"):
            name = declared.get("name")
            if (element.get("class"), name) in _FOR_THE_LOADER:
                continue
            if declared.get("stdset") != "0" and widget.metaObject().indexOfProperty(name) < 0:
                raise RuntimeError(f"{element.get('class')} {element.get('name')} has no property '{name}'")


def _connect(root, sender, signal, receiver, slot):
    slot_method = getattr(wrap(_named(root, receiver)), slot.split("(")[0])
    if not qt_signals.connect(_named(root, sender), signal, slot_method):
        refused_connections.append(f"{sender}.{signal}")
