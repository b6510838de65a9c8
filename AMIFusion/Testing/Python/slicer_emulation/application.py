"""`slicer.app` and its main window."""

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from . import qt_signals, settings
from .layout import qSlicerLayoutManager


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """The tool bar that says which module is open."""

    moduleSelected = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._module = "Welcome"

    def selectModule(self, name):
        """Open a module."""
        if name != self._module:
            self._module = name
            self.moduleSelected.emit(name)

    selectedModule = Property(str, lambda self: self._module)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window: a status bar and the module selector."""

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = qSlicerModuleSelectorToolBar(self)

    def moduleSelector(self):
        """The module selector."""
        return self._selector


class qSlicerCoreCommandOptions(QtCore.QObject):
    """What Slicer was started with, as far as `slicer.util.exit` asks."""

    runPythonAndExit = Property(bool, lambda self: False, lambda self, _value: None)


class qSlicerApplication(QtCore.QObject):
    """The application object."""

    startupCompleted = Signal()
    aboutToQuit = Signal()

    def __init__(self, qt_application, logics, io_manager, module_manager):
        super().__init__()
        self._qt, self._logics, self._io, self._modules = qt_application, logics, io_manager, module_manager
        self._main_window, self._testing = qSlicerMainWindow(), False
        self._options, self._exit_code = qSlicerCoreCommandOptions(self), None
        self._layout_manager = qSlicerLayoutManager(self, self._main_window, logics)
        qt_signals.connect(self._main_window.moduleSelector(), "moduleSelected(QString)", module_manager.enter)
        qt_application.aboutToQuit.connect(self.aboutToQuit)

    def testingEnabled(self):
        """Whether Slicer was started with --testing."""
        return self._testing

    def commandOptions(self):
        """What Slicer was started with."""
        return self._options

    def exit(self, status=0):
        """Ask the application to end; the emulation notes the exit code, see `slicer_emulation.exit_code`."""
        self._exit_code = status

    def processEvents(self, *_flags):
        """Run what waits in the event loop."""
        self._qt.processEvents()

    def settings(self):
        """The application's settings."""
        return settings.ctkSettings()

    userSettings = settings
    revisionUserSettings = settings

    def layoutManager(self):
        """The layout manager."""
        return self._layout_manager

    def applicationLogic(self):
        """The real vtkSlicerApplicationLogic."""
        return self._logics.application

    def mrmlScene(self):
        """The scene."""
        return self._logics.scene

    def coreIOManager(self):
        """Reads and writes nodes."""
        return self._io

    ioManager = coreIOManager

    def moduleManager(self):
        """Knows the loaded modules."""
        return self._modules

    def topLevelWidgets(self):
        """Every top-level widget."""
        return self._qt.topLevelWidgets()

    def setOverrideCursor(self, cursor):
        """Show another mouse cursor."""
        self._qt.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        """Undo the last setOverrideCursor."""
        self._qt.restoreOverrideCursor()

    def pauseRender(self):
        """Nothing is rendered."""

    def resumeRender(self):
        """Nothing is rendered."""

    applicationName = Property(str, lambda self: "Slicer")
    applicationVersion = Property(str, lambda self: "5.10.0")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 10)
    temporaryPath = Property(str, lambda self: self._logics.application.GetTemporaryPath())
    slicerHome = Property(str, lambda self: self._logics.application.GetTemporaryPath())
    slicerUserSettingsFilePath = Property(str, lambda self: settings.path())

    def _reset(self):
        """As just started: not testing, no module open, no window but the main one."""
        self._testing, self._exit_code = False, None
        self._layout_manager._reset()
        self._main_window.moduleSelector().selectModule("Welcome")
        for widget in self._qt.topLevelWidgets():
            if widget is not self._main_window:
                widget.deleteLater()
