"""The CTK widgets that are drawn as in Slicer, for pictures of a panel: the collapsible button and the slider."""

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

_COLLAPSED_HEIGHT = 10  # what CTK leaves free below the header of a collapsed button
_MOST_SLIDER_STEPS = 100_000


def kept_properties(**kinds):
    """A base class with properties that only keep what is set, with their setters, in the instance's `_options`.

    A plain mixin: PySide6 loses the properties of a class derived from one of the same name. A class that draws them
    overrides `_options_changed`.
    """
    members = {"_options_changed": lambda self: None}
    for name, kind in kinds.items():

        def read(self, key=name):
            return self._options[key]

        def write(self, value, key=name):
            self._options[key] = value
            self._options_changed()

        members[f"set{name[0].upper()}{name[1:]}"] = write
        members[name] = Property(kind, read, write)
    return type("KeptProperties", (), members)


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides its contents; what the module itself has hidden stays hidden."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments):
        texts = [argument for argument in arguments if isinstance(argument, str)]
        super().__init__(next((argument for argument in arguments if not isinstance(argument, str)), None))
        self.setText(texts[0] if texts else "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setBackgroundRole(QtGui.QPalette.ColorRole.Window)
        self._highest = self.maximumHeight()
        self._set_header()
        self.toggled.connect(self._show_contents)

    def _show_contents(self, shown):
        if not shown:
            self._highest = self.maximumHeight()
        self._apply()
        self.setMaximumHeight(self._highest if shown else self.sizeHint().height())
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(not shown)

    def _apply(self):
        """Hide the contents, or show those that were not hidden by anybody else."""
        shown, explicit = self.isChecked(), Qt.WidgetAttribute.WA_WState_ExplicitShowHide
        for child in self.findChildren(QtWidgets.QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if child.isWindow() or child.isHidden() == (not shown):
                continue
            if not shown or not child.testAttribute(explicit):
                child.setVisible(shown)
                child.setAttribute(explicit, False)

    _finish_loading = _apply

    def event(self, event):
        """Contents that came while collapsed are hidden, and the header follows the style and the font."""
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.StyleChange, kinds.FontChange):
            self._set_header()
        elif event.type() in (kinds.Polish, kinds.LayoutRequest) and not self.isChecked():
            self._apply()
        return super().event(event)

    def _set_header(self):
        self.setContentsMargins(0, self._header().height(), 0, 0)
        if not self.isChecked():
            self.setMaximumHeight(self.sizeHint().height())

    def _option(self):
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.state |= QtWidgets.QStyle.StateFlag.State_Raised
        return option

    def _header(self):
        """Size of the header: a push button with an indicator before its text."""
        option, text = self._option(), self.text()
        option.text = text
        size = self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, text or "XXXX")
        metrics = (QtWidgets.QStyle.PixelMetric.PM_IndicatorWidth, QtWidgets.QStyle.PixelMetric.PM_IndicatorHeight)
        width, height = (self.style().pixelMetric(metric, option, self) for metric in metrics)
        size = QtCore.QSize(size.width() + width + 6, max(size.height(), height))
        return self.style().sizeFromContents(QtWidgets.QStyle.ContentsType.CT_PushButton, option, size, self)

    def sizeHint(self):
        """The header alone where collapsed, else with its contents."""
        header = self._header() + QtCore.QSize(0, _COLLAPSED_HEIGHT)
        return header if not self.isChecked() else super().sizeHint().expandedTo(header)

    def minimumSizeHint(self):
        """Like sizeHint."""
        header = self._header()
        if not self.isChecked():
            return header + QtCore.QSize(0, _COLLAPSED_HEIGHT)
        return super().minimumSizeHint().expandedTo(header) if self.layout() is not None else header

    def hitButton(self, position):
        """Only the header takes clicks."""
        return QtCore.QRect(0, 0, self.width(), self._header().height()).contains(position)

    def paintEvent(self, _event):
        """The header: a button with an arrow and the text at its left."""
        painter, option, height = QtGui.QPainter(self), self._option(), self._header().height()
        option.rect.setHeight(height)
        bevel = QtWidgets.QStyle.ControlElement.CE_PushButtonBevel
        self.style().drawControl(bevel, option, painter, self)
        # Qt's styles draw arrows as bitmaps, which are coarse in a picture of high resolution.
        middle, size = height / 2, height / 5
        tip = -size / 2 if self.isChecked() else size / 2
        corners = [(-size, -tip), (size, -tip), (0, tip)]
        color = option.palette.color(QtGui.QPalette.ColorRole.ButtonText)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawPolygon([QtCore.QPointF(middle + x, middle + y) for x, y in corners])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(color)
        flags = Qt.AlignmentFlag.AlignLeft.value | Qt.AlignmentFlag.AlignVCenter.value
        flags |= Qt.TextFlag.TextShowMnemonic.value
        text = option.rect.adjusted(height, 0, 0, 0)
        role = QtGui.QPalette.ColorRole.ButtonText
        self.style().drawItemText(painter, text, flags, option.palette, self.isEnabled(), self.text(), role)
        painter.end()

    def _collapsed(self):
        return not self.isChecked()

    def setCollapsed(self, collapsed):
        """Hide or show the contents."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, setCollapsed)


NUMBER = {"singleStep": float, "decimals": int, "suffix": str, "prefix": str}


class ctkSliderWidget(kept_properties(pageStep=float, tickInterval=float, tracking=bool, **NUMBER), QtWidgets.QWidget):
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
        self._slider, self._spin_box = QtWidgets.QSlider(Qt.Orientation.Horizontal), QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._spin_box)
        self._options_changed()
        self._slider.valueChanged.connect(self._on_slider)
        self._spin_box.valueChanged.connect(lambda value: self.setValue(value))

    def _options_changed(self):
        """Show the range, the steps and the value in the two widgets, which say nothing of it."""
        options, steps = self._options, self._steps()
        for widget in (self._slider, self._spin_box):
            widget.blockSignals(True)
        self._spin_box.setDecimals(options["decimals"])
        self._spin_box.setRange(*self._range)
        self._spin_box.setSingleStep(options["singleStep"])
        self._spin_box.setSuffix(options["suffix"])
        self._spin_box.setPrefix(options["prefix"])
        self._spin_box.setValue(self._value)
        self._slider.setRange(0, steps)
        self._slider.setPageStep(max(1, round(options["pageStep"] / (options["singleStep"] or 1.0))))
        self._slider.setValue(round(steps * (self._value - self._range[0]) / (self._span() or 1.0)))
        for widget in (self._slider, self._spin_box):
            widget.blockSignals(False)

    def _span(self):
        return self._range[1] - self._range[0]

    def _steps(self):
        step = self._options["singleStep"]
        return min(round(self._span() / step), _MOST_SLIDER_STEPS) if step > 0 else _MOST_SLIDER_STEPS

    def _on_slider(self, step):
        value = self._range[0] + self._span() * step / max(1, self._steps())
        self.valueIsChanging.emit(value)
        self.setValue(value)

    def setValue(self, value):
        """Set the value, held within the range."""
        value = round(min(max(float(value), self._range[0]), self._range[1]), self._options["decimals"])
        if value != self._value:
            self._value = value
            self._options_changed()
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
        self._options_changed()
        self.setValue(self._value)

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._range[0], setMinimum)
    maximum = Property(float, lambda self: self._range[1], setMaximum)
