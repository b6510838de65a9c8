"""Pictures of widgets as Slicer shows them, and the two color schemes that Slicer has."""

import glob
import os
import shutil
import subprocess
from contextlib import contextmanager

from PySide6 import QtGui, QtWidgets

from .strict_objects import unwrap

_METRICS = {
    "PM_ButtonMargin": 3,
    "PM_LayoutLeftMargin": 6,
    "PM_LayoutTopMargin": 6,
    "PM_LayoutRightMargin": 6,
    "PM_LayoutBottomMargin": 6,
    "PM_LayoutHorizontalSpacing": 3,
    "PM_LayoutVerticalSpacing": 3,
}
"""Where Slicer's style differs from the one below it."""

_DARK = {
    "Window": "#323232",
    "WindowText": "#ffffff",
    "Base": "#1e1e1e",
    "AlternateBase": "#323232",
    "ToolTipBase": "#ffffff",
    "ToolTipText": "#323232",
    "Text": "#ffffff",
    "PlaceholderText": "#80ffffff",
    "Button": "#323232",
    "ButtonText": "#ffffff",
    "BrightText": "#ff0000",
    "Light": "#828284",
    "Midlight": "#5a5a5b",
    "Dark": "#232323",
    "Mid": "#2b2b2b",
    "Shadow": "#141414",
    "Highlight": "#3ca4ff",
    "HighlightedText": "#ffffff",
    "Link": "#3ca4ff",
}
_DARK_DISABLED = {
    "WindowText": "#6d6d6d",
    "Text": "#6d6d6d",
    "ButtonText": "#b4b4b4",
    "Highlight": "#505050",
    "HighlightedText": "#6d6d6d",
}


class _SlicerStyle(QtWidgets.QProxyStyle):
    """Fusion with Slicer's narrower margins."""

    def __init__(self):
        super().__init__("Fusion")
        self._metrics = {getattr(QtWidgets.QStyle.PixelMetric, name): value for name, value in _METRICS.items()}

    def pixelMetric(self, metric, option=None, widget=None):
        """A length in pixels."""
        value = self._metrics.get(metric)
        return super().pixelMetric(metric, option, widget) if value is None else value


def set_dark(dark):
    """Show everything in the colors of the style "Dark Slicer", or of "Light Slicer"."""
    palette = QtGui.QPalette(QtWidgets.QStyleFactory.create("Fusion").standardPalette())
    if dark:
        roles, groups = QtGui.QPalette.ColorRole, QtGui.QPalette.ColorGroup
        for name, color in _DARK.items():
            palette.setColor(getattr(roles, name), QtGui.QColor(color))
        for name, color in _DARK_DISABLED.items():
            palette.setColor(groups.Disabled, getattr(roles, name), QtGui.QColor(color))
    QtWidgets.QApplication.setPalette(palette)


def picture(widget, path, width=420, scale=2):
    """Write a PNG of a widget, `width * scale` pixels wide and as high as its contents need.

    It need not be visible, and is as large as before afterwards. Gives the path.
    """
    widget = unwrap(widget)
    _ensure_fonts()
    size = widget.size()
    with _slicer_style():
        try:
            _lay_out(widget, width)
            image = QtGui.QImage(widget.size() * scale, QtGui.QImage.Format.Format_RGB32)
            image.setDevicePixelRatio(scale)
            image.fill(widget.palette().color(QtGui.QPalette.ColorRole.Window))
            widget.render(image)
        finally:
            widget.resize(size)
    if not image.save(str(path), "PNG"):
        raise OSError(f"{path} cannot be written")
    return path


def _lay_out(widget, width):
    """Give the widget the height that its wrapped texts need at that width."""
    QtWidgets.QApplication.processEvents()
    for inner in (widget, *widget.findChildren(QtWidgets.QWidget)):
        inner.ensurePolished()
    # Of a widget that was never shown no layout knows that the style has changed.
    for layout in (*reversed(widget.findChildren(QtWidgets.QLayout)), widget.layout()):
        if layout is not None:
            layout.invalidate()
    layout = widget.layout()
    if layout is not None:
        layout.activate()  # sets the widget's smallest size, which belonged to the other style
    wraps = layout is not None and layout.hasHeightForWidth()
    widget.resize(width, layout.totalHeightForWidth(width) if wraps else max(1, widget.sizeHint().height()))


@contextmanager
def _slicer_style():
    palette = QtWidgets.QApplication.palette()
    QtWidgets.QApplication.setStyle(_SlicerStyle())
    QtWidgets.QApplication.setPalette(palette)
    try:
        yield
    finally:
        QtWidgets.QApplication.setStyle("Fusion")
        QtWidgets.QApplication.setPalette(palette)


def _ensure_fonts():
    """Where Qt finds no font, take one that fontconfig or matplotlib has: boxes are no text."""
    if QtGui.QFontDatabase.families():
        return
    for path in _font_files():
        added = QtGui.QFontDatabase.addApplicationFont(path)
        if added >= 0:
            QtWidgets.QApplication.setFont(QtGui.QFont(QtGui.QFontDatabase.applicationFontFamilies(added)[0], 9))
            return


def _font_files():
    if shutil.which("fc-match"):
        command = ["fc-match", "--format", "%{file}", "sans"]
        yield subprocess.run(command, capture_output=True, text=True, check=False).stdout
    try:
        import matplotlib
    except ImportError:
        return
    yield from glob.glob(os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
