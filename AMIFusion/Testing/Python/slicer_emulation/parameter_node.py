"""The `slicer.parameterNodeWrapper` module: typed access to a vtkMRMLScriptedModuleNode."""

import types as python_types
import typing

from . import parameter_types
from .parameter_gui import GuiConnection
from .parameter_types import _MISSING, Parameter

EXPORTED = (
    "Validator",
    "NotNone",
    "IsInstance",
    "Minimum",
    "Maximum",
    "WithinRange",
    "Choice",
    "Exclude",
    "Default",
    "Decimals",
    "SingleStep",
)


def parameterNodeWrapper(wrapped):
    """Class decorator: every annotated member becomes a parameter kept in the node given to the constructor."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    wrapped.allParameters = {
        name: Parameter(name, hint, vars(wrapped).get(name, _MISSING)) for name, hint in hints.items()
    }
    for name, parameter in wrapped.allParameters.items():
        setattr(wrapped, name, _property(parameter))
    for method in (__init__, AddObserver, RemoveObserver, connectGui, connectParametersToGui, disconnectGui):
        setattr(wrapped, method.__name__, method)
    return wrapped


def _property(parameter):
    def read(self):
        return parameter.read(self.parameterNode)

    def write(self, value):
        parameter.validate(value)
        parameter.write(self.parameterNode, value)

    return property(read, write)


def __init__(self, parameterNode):
    """Wrap a node; parameters that it does not hold yet get their defaults."""
    if not parameterNode.IsA("vtkMRMLScriptedModuleNode"):
        raise TypeError(f"not a vtkMRMLScriptedModuleNode: {parameterNode.GetClassName()}")
    self.parameterNode = parameterNode
    self._connections = {}
    for parameter in self.allParameters.values():
        if not parameter.is_in(parameterNode):
            parameter.write(parameterNode, parameter.default())


def AddObserver(self, event, callback, priority=0.0):
    """Observe the wrapped node."""
    return self.parameterNode.AddObserver(event, callback, priority)


def RemoveObserver(self, tag):
    """Stop observing the wrapped node."""
    self.parameterNode.RemoveObserver(tag)


def connectGui(self, gui):
    """Bind the widgets of `slicer.util.childWidgetVariables` by their property SlicerParameterName; returns a tag."""
    mapping = {}
    for widget in vars(gui).values():
        name = widget.property("SlicerParameterName") if hasattr(widget, "property") else None
        if name:
            mapping[name] = widget
    return self.connectParametersToGui(mapping)


def connectParametersToGui(self, mapping):
    """Bind widgets given by parameter name; returns a tag."""
    unknown = [name for name in mapping if name not in self.allParameters]
    if unknown:
        raise ValueError(f"no parameter named {', '.join(unknown)}")
    tag = len(self._connections)
    self._connections[tag] = GuiConnection(self, {self.allParameters[name]: widget for name, widget in mapping.items()})
    return tag


def disconnectGui(self, tag):
    """Undo connectGui."""
    connection = self._connections.get(tag)
    if connection is not None:
        connection.disconnect()
        self._connections[tag] = None


def build():
    """The module object."""
    module = python_types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    module.parameterNodeWrapper = parameterNodeWrapper
    for name in EXPORTED:
        setattr(module, name, getattr(parameter_types, name))
    return module
