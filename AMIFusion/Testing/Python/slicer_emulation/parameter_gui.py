"""Two-way binding of parameters and widgets, for the pairs that Slicer's developer guide lists.

Not in that list, and so refused: a QPlainTextEdit, a QComboBox for a plain str, a ctkPathLineEdit for a str.
"""

import enum
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import vtk

from .parameter_types import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange


@dataclass
class Connector:
    """How one widget class shows one kind of parameter; `signal` is None where the widget only shows."""

    kinds: tuple
    read: Callable
    write: Callable
    signal: str | None


def _attribute(kinds, name, signal):
    return Connector(
        kinds,
        lambda widget, _parameter: getattr(widget, name),
        lambda widget, _parameter, value: setattr(widget, name, value),
        signal,
    )


_BOOL = _attribute((bool,), "checked", "toggled")
_TEXT = _attribute((str,), "text", "textChanged")
_PATHS = (pathlib.PurePath,)


def _path(name, signal):
    return Connector(
        _PATHS,
        lambda widget, parameter: parameter.types[0](getattr(widget, name)),
        lambda widget, _parameter, value: setattr(widget, name, str(value)),
        signal,
    )


def _choices(parameter):
    if issubclass(parameter.types[0], enum.Enum):
        return list(parameter.types[0])
    return parameter.annotation(Choice).choices


def _label(choice):
    if isinstance(choice, enum.Enum):
        return choice.label() if hasattr(choice, "label") else choice.name
    return str(choice)


_COMBO = Connector(
    (int, float, str, bool, enum.Enum),
    lambda widget, parameter: _choices(parameter)[widget.currentIndex],
    lambda widget, parameter, value: widget.setCurrentIndex(_choices(parameter).index(value)),
    "currentIndexChanged",
)
_NODE = Connector(
    (),
    lambda widget, _parameter: widget.currentNode(),
    lambda widget, _parameter, value: widget.setCurrentNode(value),
    "currentNodeChanged",
)
_WHOLE, _REAL = _attribute((int,), "value", "valueChanged"), _attribute((float,), "value", "valueChanged")
_DOCUMENT = Connector(
    (str,),
    lambda widget, _parameter: widget.plainText,
    lambda widget, _parameter, value: widget.setPlainText(value),
    "textChanged",
)
CONNECTORS = {
    "QCheckBox": _BOOL,
    "QPushButton": _BOOL,
    "QSlider": _WHOLE,
    "QSpinBox": _WHOLE,
    "QDoubleSpinBox": _REAL,
    "ctkSliderWidget": _REAL,
    "ctkDoubleSpinBox": _REAL,
    "QComboBox": _COMBO,
    "ctkComboBox": _COMBO,
    "QLineEdit": _TEXT,
    "QTextEdit": _DOCUMENT,
    "QLabel": _attribute((str,), "text", None),
    "ctkPathLineEdit": _path("currentPath", "currentPathChanged"),
    "ctkDirectoryButton": _path("directory", "directoryChanged"),
    "qMRMLNodeComboBox": _NODE,
}


def _connector(widget, parameter):
    """The connector of a widget and a parameter; raises where Slicer has none."""
    name = widget.className()
    found = CONNECTORS.get(name)
    fits = found is not None and (parameter.is_node if found is _NODE else issubclass(parameter.types[0], found.kinds))
    if found is _BOOL and name == "QPushButton" and not widget.checkable:
        raise ValueError(f"{parameter.name}: a QPushButton must be checkable to show a bool")
    if found is _COMBO and fits and not issubclass(parameter.types[0], enum.Enum):
        fits = parameter.annotation(Choice) is not None
    if not fits:
        raise ValueError(f"{parameter.name}: no connector between {name} and {parameter.types}")
    return found


def _set_up(widget, parameter):
    """Give the widget the parameter's choices, range, decimals and step."""
    if _connector(widget, parameter) is _COMBO:
        widget.clear()
        widget.addItems([_label(choice) for choice in _choices(parameter)])
    within = parameter.annotation(WithinRange)
    low, high = within or parameter.annotation(Minimum), within or parameter.annotation(Maximum)
    decimals, step = parameter.annotation(Decimals), parameter.annotation(SingleStep)
    if decimals:
        widget.setDecimals(decimals.value)
    if low:
        widget.setMinimum(low.minimum)
    if high:
        widget.setMaximum(high.maximum)
    if step:
        widget.setSingleStep(step.value)


class GuiConnection:
    """The bindings that one connectGui made; the parameters' values win at first."""

    def __init__(self, wrapper, widgets):
        self._wrapper, self._widgets, self._slots, self._updating = wrapper, widgets, [], False
        self._connectors = {parameter: _connector(widget, parameter) for parameter, widget in widgets.items()}
        for parameter, widget in widgets.items():
            _set_up(widget, parameter)
        self._update_gui()
        for parameter, widget in widgets.items():
            self._follow(parameter, widget)
        self._tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_gui())

    def _follow(self, parameter, widget):
        connector = self._connectors[parameter]
        if connector.signal is None:
            return

        def changed():
            if not self._updating:
                setattr(self._wrapper, parameter.name, connector.read(widget, parameter))

        signal = getattr(widget, connector.signal)
        signal.connect(changed)
        self._slots.append((signal, changed))

    def _update_gui(self):
        """Show the parameters; what a widget makes of a value (rounding) is not written back."""
        if self._updating:
            return
        self._updating = True
        try:
            for parameter, widget in self._widgets.items():
                value, connector = getattr(self._wrapper, parameter.name), self._connectors[parameter]
                if connector.read(widget, parameter) != value:
                    connector.write(widget, parameter, value)
        finally:
            self._updating = False

    def disconnect(self):
        """Let the widgets and the parameters go their own ways."""
        self._wrapper.RemoveObserver(self._tag)
        for signal, slot in self._slots:
            signal.disconnect(slot)
