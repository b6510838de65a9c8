"""The `ctk` module: CTK's widgets with their properties, signals and defaults as Slicer 5.10 shows them."""

import types

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_drawn import NUMBER, ctkCollapsibleButton, ctkSliderWidget, kept_properties
from .records import dialogs
from .strict_objects import proxy_class


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


class ctkDoubleSpinBox(kept_properties(**NUMBER), QtWidgets.QWidget):
    """A spin box of floats."""

    valueChanged = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range, self._value = [0.0, 99.99], 0.0
        self._options = {"singleStep": 1.0, "decimals": 2, "suffix": "", "prefix": ""}

    def _options_changed(self):
        """Nothing to draw."""

    setValue = ctkSliderWidget.setValue
    setMinimum = ctkSliderWidget.setMinimum
    setMaximum = ctkSliderWidget.setMaximum
    setRange = ctkSliderWidget.setRange
    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._range[0], setMinimum)
    maximum = Property(float, lambda self: self._range[1], setMaximum)


class ctkRangeWidget(kept_properties(tracking=bool, **NUMBER), QtWidgets.QWidget):
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
