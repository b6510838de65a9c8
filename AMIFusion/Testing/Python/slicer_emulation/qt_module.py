"""The `qt` module: the classes of Qt 5.15 that a scripted module plausibly uses, as strict proxies.

A name that is not listed here is refused, as `qt.QThread` is in Slicer.
"""

import types

from PySide6 import QtCore, QtGui, QtWidgets

from . import settings
from .qt_signals import guarded
from .records import dialogs
from .strict_objects import override, proxy_class, wrap
from .ui_loader import QUiLoader

NAMES = [
    "QAbstractButton",
    "QAbstractItemView",
    "QAction",
    "QApplication",
    "QBoxLayout",
    "QBrush",
    "QButtonGroup",
    "QByteArray",
    "QCheckBox",
    "QClipboard",
    "QColor",
    "QComboBox",
    "QCoreApplication",
    "QCursor",
    "QDate",
    "QDateTime",
    "QDesktopServices",
    "QDialog",
    "QDialogButtonBox",
    "QDir",
    "QDoubleSpinBox",
    "QDoubleValidator",
    "QEvent",
    "QEventLoop",
    "QFile",
    "QFileDialog",
    "QFileInfo",
    "QFont",
    "QFontMetrics",
    "QFormLayout",
    "QFrame",
    "QGridLayout",
    "QGroupBox",
    "QGuiApplication",
    "QHBoxLayout",
    "QHeaderView",
    "QIcon",
    "QImage",
    "QInputDialog",
    "QIntValidator",
    "QKeySequence",
    "QLabel",
    "QLayout",
    "QLineEdit",
    "QListWidget",
    "QListWidgetItem",
    "QLocale",
    "QMainWindow",
    "QMargins",
    "QMenu",
    "QMessageBox",
    "QMimeData",
    "QObject",
    "QPainter",
    "QPalette",
    "QPen",
    "QPixmap",
    "QPlainTextEdit",
    "QPoint",
    "QPointF",
    "QProcess",
    "QProcessEnvironment",
    "QProgressBar",
    "QProgressDialog",
    "QPushButton",
    "QRadioButton",
    "QRect",
    "QRectF",
    "QRegularExpression",
    "QScrollArea",
    "QShortcut",
    "QSize",
    "QSizeF",
    "QSizePolicy",
    "QSlider",
    "QSpacerItem",
    "QSpinBox",
    "QSplitter",
    "QStackedWidget",
    "QStandardPaths",
    "QStatusBar",
    "QStyle",
    "QTabWidget",
    "QTableWidget",
    "QTableWidgetItem",
    "QTextCursor",
    "QTextEdit",
    "QTime",
    "QTimer",
    "QToolBar",
    "QToolButton",
    "QTreeWidget",
    "QTreeWidgetItem",
    "QUrl",
    "QVBoxLayout",
    "QWidget",
    "Qt",
]


def _class_named(name):
    return next(getattr(module, name) for module in (QtWidgets, QtGui, QtCore) if hasattr(module, name))


def build():
    """The module object."""
    module = types.ModuleType("qt", __doc__)
    for name in NAMES:
        setattr(module, name, proxy_class(_class_named(name)))
    module.QUiLoader = proxy_class(QUiLoader)
    module.QSettings = settings.proxy()
    _replace_dialogs()
    override(QtCore.QTimer, "singleShot", _single_shot)
    override(QtCore.QObject, "inherits", lambda qt_object, name: _inherits(qt_object, name))
    return module


def _single_shot(_timer, milliseconds, target):
    QtCore.QTimer.singleShot(int(milliseconds), guarded(target, "QTimer.singleShot"))


def _inherits(qt_object, name):
    return name in [ancestor.__name__ for ancestor in type(qt_object).__mro__]


def _exec_dialog(dialog):
    """A dialog that would wait for the user: recorded, and answered at once."""
    text = dialog.property("text") or " ".join(label.text() for label in dialog.findChildren(QtWidgets.QLabel))
    details = dialog.property("detailedText") or ""
    answer = dialogs.show(
        type(dialog).__name__, _dismissal(dialog), title=dialog.windowTitle().strip(), text=text, details=details
    )
    dialog.hide()
    return answer


def _dismissal(dialog):
    """What a dialog gives when it is closed without an answer."""
    if not isinstance(dialog, QtWidgets.QMessageBox):
        return 0
    offered, buttons = dialog.standardButtons(), QtWidgets.QMessageBox.StandardButton
    for button in (buttons.Cancel, buttons.No, buttons.Close, buttons.Ok):
        if offered & button:
            return wrap(button)
    return wrap(buttons.Ok)


def _replace_dialogs():
    override(QtWidgets.QDialog, "exec_", _exec_dialog)
    override(QtWidgets.QDialog, "exec", _exec_dialog)
    override(QtWidgets.QMenu, "exec_", lambda menu, *_: dialogs.show("QMenu", None))
    for name, dismissed in (
        ("getOpenFileName", ""),
        ("getOpenFileNames", ()),
        ("getSaveFileName", ""),
        ("getExistingDirectory", ""),
    ):
        override(QtWidgets.QFileDialog, name, _static_dialog(f"QFileDialog.{name}", dismissed))
    for name in ("getText", "getMultiLineText", "getItem"):
        override(QtWidgets.QInputDialog, name, _static_dialog(f"QInputDialog.{name}", ""))
    buttons = QtWidgets.QMessageBox.StandardButton
    for name, button in (
        ("question", buttons.No),
        ("information", buttons.Ok),
        ("warning", buttons.Ok),
        ("critical", buttons.Ok),
        ("about", buttons.Ok),
    ):
        override(QtWidgets.QMessageBox, name, _static_dialog(f"QMessageBox.{name}", wrap(button)))


def _static_dialog(kind, dismissed):
    """`qt.QMessageBox.question(parent, title, text)` and its like; a file dialog's answer is the path alone."""

    def show(_dialog, _parent=None, title="", text="", *_rest):
        return dialogs.show(kind, dismissed, title=title, text=text)

    return show
