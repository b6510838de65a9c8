"""The `ctk` module: CTK's widgets with their properties, signals and defaults as Slicer 5.10 shows them."""

import types

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .records import dialogs
from .strict_objects import proxy_class


def kept_properties(**kinds):
    """A base class with properties that only keep what is set, with their setters, in the instance's `_options`.

    A plain mixin: PySide6 loses the properties of a class derived from one of the same name.
    """
    members = {}
    for name, kind in kinds.items():

        def read(self, key=name):
            return self._options[key]

        def write(self, value, key=name):
            self._options[key] = value

        members[f"set{name[0].upper()}{name[1:]}"] = write
        members[name] = Property(kind, read, write)
    return type("KeptProperties", (), members)


_NUMBER = {"singleStep": float, "decimals": int, "suffix": str, "prefix": str}


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides its contents."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments):
        texts = [argument for argument in arguments if isinstance(argument, str)]
        super().__init__(next((argument for argument in arguments if not isinstance(argument, str)), None))
        self.setText(texts[0] if texts else "")
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._show_contents)

    def _show_contents(self, shown):
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(shown)
        self.contentsCollapsed.emit(not shown)

    def paintEvent(self, _event):
        """Nothing to draw: no one looks at it."""

    def _collapsed(self):
        return not self.isChecked()

    def setCollapsed(self, collapsed):
        """Hide or show the contents."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, setCollapsed)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box with a collapsed state."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.setCheckable(True)
        self.setChecked(True)

    def _collapsed(self):
        return not self.isChecked()

    def setCollapsed(self, collapsed):
        """Hide or show the contents."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, setCollapsed)


class ctkSliderWidget(kept_properties(pageStep=float, tickInterval=float, tracking=bool, **_NUMBER), QtWidgets.QWidget):
    """A slider with a spin box; the value is rounded to `decimals` and held within the range."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range, self._value = [0.0, 99.99], 0.0
        self._options = {
            "singleStep": 1.0,
            "pageStep": 10.0,
            "tickInterval": 0.0,
            "decimals": 2,
            "tracking": True,
            "suffix": "",
            "prefix": "",
        }

    def setValue(self, value):
        """Set the value, held within the range."""
        value = round(min(max(float(value), self._range[0]), self._range[1]), self._options["decimals"])
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    def setMinimum(self, minimum):
        """Set the smallest value; the largest follows where it would be smaller."""
        self.setRange(minimum, max(minimum, self._range[1]))

    def setMaximum(self, maximum):
        """Set the largest value; the smallest follows where it would be larger."""
        self.setRange(min(maximum, self._range[0]), maximum)

    def setRange(self, minimum, maximum):
        """Set both ends."""
        self._range = [float(minimum), float(maximum)]
        self.setValue(self._value)

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._range[0], setMinimum)
    maximum = Property(float, lambda self: self._range[1], setMaximum)


class ctkDoubleSpinBox(kept_properties(**_NUMBER), QtWidgets.QWidget):
    """A spin box of floats."""

    valueChanged = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range, self._value = [0.0, 99.99], 0.0
        self._options = {"singleStep": 1.0, "decimals": 2, "suffix": "", "prefix": ""}

    setValue = ctkSliderWidget.setValue
    setMinimum = ctkSliderWidget.setMinimum
    setMaximum = ctkSliderWidget.setMaximum
    setRange = ctkSliderWidget.setRange
    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._range[0], setMinimum)
    maximum = Property(float, lambda self: self._range[1], setMaximum)


class ctkRangeWidget(kept_properties(tracking=bool, **_NUMBER), QtWidgets.QWidget):
    """Two values within a range."""

    valuesChanged = Signal(float, float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range, self._values = [0.0, 99.0], [0.0, 99.0]
        self._options = {"singleStep": 1.0, "decimals": 2, "suffix": "", "prefix": "", "tracking": True}

    def setValues(self, low, high):
        """Set both values, held within the range."""
        values = sorted(min(max(float(value), self._range[0]), self._range[1]) for value in (low, high))
        if values != self._values:
            self._values = values
            self.valuesChanged.emit(*values)

    def setRange(self, minimum, maximum):
        """Set both ends of the range."""
        self._range = [float(minimum), float(maximum)]
        self.setValues(*self._values)

    minimum = Property(float, lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1])))
    maximum = Property(float, lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v))
    minimumValue = Property(float, lambda self: self._values[0], lambda self, v: self.setValues(v, self._values[1]))
    maximumValue = Property(float, lambda self: self._values[1], lambda self, v: self.setValues(self._values[0], v))


_PATH_OPTIONS = kept_properties(
    filters=int,
    label=str,
    settingKey=str,
    nameFilters="QStringList",
    sizeAdjustPolicy=int,
    showBrowseButton=bool,
    showHistoryButton=bool,
    validInput=bool,
)


class ctkPathLineEdit(_PATH_OPTIONS, QtWidgets.QWidget):
    """A line edit for a path, with a browse button that opens a file dialog."""

    currentPathChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._path = ""
        self._options = {
            "filters": 24663,
            "label": "",
            "settingKey": "",
            "nameFilters": [],
            "sizeAdjustPolicy": 1,
            "showBrowseButton": True,
            "showHistoryButton": True,
            "validInput": True,
        }

    def setCurrentPath(self, path):
        """Set the path and tell who listens."""
        if path != self._path:
            self._path = path
            self.currentPathChanged.emit(path)

    def browse(self):
        """What the browse button does: ask for a path."""
        path = dialogs.show("ctkPathLineEdit.browse", "", title=self._options["label"])
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self):
        """The history is not kept."""

    currentPath = Property(str, lambda self: self._path, setCurrentPath)


class ctkDirectoryButton(kept_properties(caption=str), QtWidgets.QWidget):
    """A button that shows and chooses a folder."""

    directoryChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._directory = ""
        self._options = {"caption": ""}

    def setDirectory(self, directory):
        """Set the folder and tell who listens."""
        if directory != self._directory:
            self._directory = directory
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: self._directory, setDirectory)


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a default text."""


_MESSAGE_OPTIONS = kept_properties(dontShowAgainVisible=bool, dontShowAgain=bool, dontShowAgainSettingsKey=str)


class ctkMessageBox(_MESSAGE_OPTIONS, QtWidgets.QMessageBox):
    """A message box with a "Don't show again" box."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._options = {"dontShowAgainVisible": False, "dontShowAgain": False, "dontShowAgainSettingsKey": ""}


CLASSES = [
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkComboBox,
    ctkSliderWidget,
    ctkDoubleSpinBox,
    ctkRangeWidget,
    ctkPathLineEdit,
    ctkDirectoryButton,
    ctkMessageBox,
]


def build():
    """The module object."""
    module = types.ModuleType("ctk", __doc__)
    for qt_class in CLASSES:
        setattr(module, qt_class.__name__, proxy_class(qt_class))
    return module
