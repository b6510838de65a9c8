"""`slicer.modules`, the module manager, and the loading of a scripted module's file."""

import importlib.util
import os
import sys

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_widgets import kept_properties
from .mrml_widgets import qMRMLWidget
from .strict_objects import wrap

_DESCRIPTION = {
    "title": "",
    "categories": [],
    "dependencies": [],
    "contributors": [],
    "helpText": "",
    "acknowledgementText": "",
    "hidden": False,
    "index": -1,
    "associatedNodeTypes": [],
    "widgetRepresentationCreationEnabled": True,
}
_KINDS = {str: str, list: "QStringList", bool: bool, int: int}
_DESCRIBED = kept_properties(**{name: _KINDS[type(value)] for name, value in _DESCRIPTION.items()})


class qSlicerScriptedLoadableModule(_DESCRIBED, QtCore.QObject):
    """What a module's class gets as `parent`: its title, categories and so on."""

    def __init__(self, name, path):
        super().__init__()
        self._name, self._path, self._representation = name, path, None
        self._options, self._icon = dict(_DESCRIPTION), None

    def widgetRepresentation(self):
        """The module's panel, built at the first call."""
        if self._representation is None:
            representation = qSlicerScriptedLoadableModuleWidget(self._name)
            representation.reload()
            self._representation = representation
        return self._representation

    def close(self):
        """Clean up and destroy the panel."""
        representation, self._representation = self._representation, None
        if representation is not None:
            try:
                representation.self().cleanup()
            finally:
                delattr(slicer.modules, f"{self._name}Widget")
                representation.deleteLater()

    def setIcon(self, icon):
        """Set the icon."""
        self._icon = icon

    name = Property(str, lambda self: self._name)
    path = Property(str, lambda self: self._path)
    icon = Property("QIcon", lambda self: self._icon, setIcon)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The widget that holds a scripted module's panel."""

    def __init__(self, name):
        super().__init__()
        self._name, self._python, self._entered = name, None, False
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)

    def self(self):
        """The module's own widget object."""
        return self._python

    def reload(self):
        """Make the module's widget object and build its panel."""
        module = sys.modules[self._name]
        self._python = getattr(module, f"{self._name}Widget")(wrap(self))
        self._python.setup()

    def enter(self):
        """The user opened the module."""
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self):
        """The user opened another module."""
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()

    isEntered = Property(bool, lambda self: self._entered)


class qSlicerCoreModule(QtCore.QObject):
    """A module of Slicer's own: its name and its real logic."""

    def __init__(self, name, logic):
        super().__init__()
        self._name, self._logic = name, logic

    def logic(self):
        """The real module logic."""
        return self._logic

    name = Property(str, lambda self: self._name)


class qSlicerModuleManager(QtCore.QObject):
    """Knows the loaded modules."""

    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self, logics):
        super().__init__()
        self._open = None
        self._modules = {name: qSlicerCoreModule(name, logic) for name, logic in logics.modules.items()}
        for name, module in self._modules.items():
            setattr(slicer.modules, name.lower(), wrap(module))

    def module(self, name):
        """A module by name, or None."""
        return self._modules.get(name)

    def modulesNames(self):
        """Names of the loaded modules."""
        return list(self._modules)

    def factoryManager(self):
        """The object that lists the loaded modules: this one."""
        return self

    loadedModuleNames = modulesNames

    def load(self, path):
        """Load a scripted module's file as Slicer does at start; gives the Python module."""
        path = os.path.abspath(path)
        name = os.path.splitext(os.path.basename(path))[0]
        if os.path.dirname(path) not in sys.path:
            sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location(name, path)
        python_module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(python_module)
        module = self._modules[name] = qSlicerScriptedLoadableModule(name, path)
        setattr(slicer.modules, name.lower(), wrap(module))
        getattr(python_module, name)(wrap(module))
        return python_module

    def enter(self, name):
        """Leave the open module and enter another."""
        if self._open is not None:
            self._open.exit()
        module = self._modules.get(name)
        self._open = module.widgetRepresentation() if isinstance(module, qSlicerScriptedLoadableModule) else None
        if self._open is not None:
            self._open.enter()

    def close_all(self):
        """Clean up and destroy the panel of every scripted module."""
        self._open = None
        for module in self._modules.values():
            if isinstance(module, qSlicerScriptedLoadableModule):
                module.close()
