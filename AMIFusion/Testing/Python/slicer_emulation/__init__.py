"""A headless Slicer for tests: the real MRML of slicer-core and a strict emulation of Slicer's Qt side.

    import slicer_emulation
    slicer = slicer_emulation.install()                 # once per process; later calls give the same
    slicer_emulation.load_module("…/AMIFusion.py")
    widget = slicer_emulation.open_module("AMIFusion")  # the module's widget, set up and entered
    assert not slicer_emulation.slot_errors
    slicer_emulation.reset()                            # between tests

Real: MRML, the logics of volumes, colors, transforms, plots, slices and layouts, `slicer.util`. Emulated on PySide6:
`qt`, `ctk`, the qMRML widgets, `slicer.app`, `slicer.modules`, ScriptedLoadableModule, parameterNodeWrapper, i18n,
SampleData, ScreenCapture, PyTorchUtils. Emulated in memory: `slicer.dicomDatabase` and DICOMLib. What PythonQt refuses
raises; what it swallows (an exception in a slot, a connection to a signal that does not exist) is also kept in
`slot_errors` and `refused_connections`. No dialog ever blocks: see `dialogs`.

Known limits, beside the probes in known_differences.json:
- Stricter than Slicer: no subclassing of Qt classes in Python, no plain integer where a method wants an enum, no
  number for a text, `qt` has only the classes that `qt_module.NAMES` lists, a .ui file with an unknown widget class
  or property raises.
- Qt is version 6: overloads that only Qt 5 has, such as `currentIndexChanged(QString)`, are refused; a method that
  only Qt 6 has passes unnoticed unless `strict_objects.HIDDEN` names it.
- `slicer.util` is that of the installed slicer-core, which may know more than the oldest Slicer supported.
- Not recorded, so assumed: a node added by others is not selected where `noneEnabled` is false either; what a
  widget makes of a parameter (a slider's rounding) is not written back; an optional parameter's None is the text
  "None". Lists, dictionaries and packs are not kept in a parameter node.
- Views are not drawn: no 3D view, no plot, no slice picture but the one that ScreenCapture writes. `picture` draws a
  panel; of the emulated widgets only the collapsible button, the slider and the node selector look as in Slicer; fonts
  are the machine's.
"""

import atexit
import importlib
import os
import shutil
import sys
import tempfile
import types

from . import records
from .records import dialogs, pip_requests, refused_connections, slot_errors

__all__ = [
    "install",
    "reset",
    "uninstall",
    "load_module",
    "open_module",
    "close_module",
    "process_events",
    "exit_code",
    "set_testing",
    "set_pytorch_extension",
    "set_translations",
    "restart_settings",
    "create_subject_hierarchy_items",
    "picture",
    "set_dark",
    "dialogs",
    "pip_requests",
    "refused_connections",
    "slot_errors",
]
_state = types.SimpleNamespace(slicer=None, dark=False)


def install():
    """Set everything up once per process and return the `slicer` module."""
    if _state.slicer is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _state.home = tempfile.mkdtemp(prefix="slicer_emulation_")
        atexit.register(shutil.rmtree, _state.home, ignore_errors=True)
        os.mkdir(os.path.join(_state.home, "settings"))
        os.environ["AMIFUSION_EMULATION_SETTINGS"] = os.path.join(_state.home, "settings", "Slicer.ini")
        from PySide6 import QtWidgets

        _state.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicer"])
        slicer = importlib.import_module("slicer")
        importlib.import_module("slicer.util")
        _add_modules(slicer)
        _add_application(slicer)
        _state.slicer, _state.excepthook = slicer, sys.excepthook
        sys.excepthook = records.excepthook
        atexit.register(uninstall)
    return _state.slicer


def _add_modules(slicer):
    from . import (
        companions,
        ctk_widgets,
        dicom_database,
        mrml_widgets,
        parameter_node,
        qt_module,
        scripted_module,
        ui_loader,
    )
    from .strict_objects import proxy_class

    added = {
        "qt": qt_module.build(),
        "ctk": ctk_widgets.build(),
        "SampleData": companions.sample_data(),
        "ScreenCapture": companions.screen_capture(),
        "slicer.i18n": companions.i18n(),
        "slicer.parameterNodeWrapper": parameter_node.build(),
        "slicer.ScriptedLoadableModule": scripted_module.build(),
        "slicer.modulewidgets": types.ModuleType("slicer.modulewidgets"),
        **dicom_database.build(),
    }
    sys.modules.update(added)
    for name, module in added.items():
        if name.startswith("slicer."):
            setattr(slicer, name.removeprefix("slicer."), module)
    for qt_class in (*mrml_widgets.CLASSES, *ctk_widgets.CLASSES):
        ui_loader.custom_classes[qt_class.__name__] = qt_class
    for qt_class in mrml_widgets.CLASSES:
        setattr(slicer, qt_class.__name__, proxy_class(qt_class))
    slicer.util.pip_install = companions.pip_install
    slicer.selfTests = {}
    dicom_database.clear()
    set_pytorch_extension(True)


def _add_application(slicer):
    from . import application, io_manager, modules, scene
    from .strict_objects import proxy_class, wrap

    slicer.modules = types.SimpleNamespace()
    for qt_class in (modules.qSlicerScriptedLoadableModule, modules.qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, qt_class.__name__, proxy_class(qt_class))
    _state.logics = scene.SceneLogics(_state.home)
    _state.modules = modules.qSlicerModuleManager(_state.logics)
    _state.app = application.qSlicerApplication(
        _state.qt_application, _state.logics, io_manager.CoreIOManager(_state.logics), _state.modules
    )
    slicer.app = wrap(_state.app)


def load_module(path):
    """Load a scripted module's file as Slicer does at start, up to startupCompleted; gives the Python module."""
    install()
    module = _state.modules.load(path)
    _state.slicer.app.startupCompleted.emit()
    _state.slicer.app.startupCompleted.disconnect()
    return module


def open_module(name):
    """Open a loaded module as a user does: its widget is made at the first time, then entered."""
    representation = _state.modules.module(name).widgetRepresentation()
    _state.slicer.util.selectModule(name)
    process_events()
    return representation.self()


def close_module(name):
    """Leave a module, if it is open, and destroy its widget."""
    if _state.slicer.util.selectedModule() == name:
        _state.slicer.util.selectModule("Welcome")
    _state.modules.module(name).close()
    process_events()


def process_events():
    """Run what waits in the event loop, deletions too."""
    from PySide6 import QtCore

    _state.qt_application.processEvents()
    _state.qt_application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


def exit_code():
    """The exit code that the application was asked to end with, or None."""
    return _state.app._exit_code


def set_testing(testing):
    """What `slicer.app.testingEnabled()` says."""
    _state.app._testing = testing


def set_pytorch_extension(present):
    """Whether `import PyTorchUtils` works."""
    from . import companions

    sys.modules["PyTorchUtils"] = companions.pytorch_utils() if present else None


def set_translations(translations):
    """Install a translation, {(context, text): translated text}, until the next reset."""
    from . import companions

    companions.translations.update(translations)


def restart_settings():
    """Settings come back as strings, as in a new session of Slicer."""
    from . import settings

    settings.restart()


def create_subject_hierarchy_items():
    """Items for every node that should have one and does not yet."""
    _state.logics.hierarchy.create_missing_items(_state.slicer.mrmlScene)


def picture(widget, path, width=420, scale=2):
    """Write a widget as Slicer shows it to a PNG file, `width * scale` pixels wide; gives the path."""
    from . import looks

    return looks.picture(widget, path, width, scale)


def set_dark(dark):
    """Choose between the colors of the styles "Dark Slicer" and "Light Slicer", until the next reset."""
    from . import looks

    looks.set_dark(dark)
    _state.dark = dark


def reset():
    """As just started, with the same modules loaded: no panel, an empty scene, no settings, no records."""
    from . import companions, dicom_database, settings

    try:
        _state.modules.close_all()
    finally:
        _state.app._reset()
        process_events()
        _state.slicer.mrmlScene = _state.logics.scene
        _state.logics.clear()
        process_events()
        settings.clear()
        companions.clear()
        dicom_database.clear()
        if _state.dark:
            set_dark(False)
        set_pytorch_extension(True)
        records.clear()


def uninstall():
    """Close every panel, tell who listens that the application quits, and remove the temporary folder."""
    if _state.slicer is not None:
        reset()
        _state.app.aboutToQuit.emit()
        sys.excepthook = _state.excepthook
        shutil.rmtree(_state.home, ignore_errors=True)
        _state.slicer = None
