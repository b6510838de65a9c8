"""Slice views as one picture that says in words what the result is: licensed or not, and never for diagnosis."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from AMIFusionLib.volumes.result import is_licensed

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

_CORNERS = range(4)
_MARGIN = 6


def suggested_name(result: vtkMRMLVolumeNode) -> str:
    """A file name that says whether the result is licensed, for example "MR + CT fused (unlicensed).png"."""
    state = _("licensed") if is_licensed(result) else _("unlicensed")
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", result.GetName()).strip(". ")
    return f"{name} ({state}).png"


def banner_of(result: vtkMRMLVolumeNode) -> str:
    """What is written below the picture."""
    if is_licensed(result):
        licensee = result.GetAttribute("AMIFusion.Licensee") or _("unknown")
        state = _("licensed to {licensee} - not for diagnosis").format(licensee=licensee)
    else:
        state = _("UNLICENSED - marked, not for diagnosis")
    model = result.GetAttribute("AMIFusion.Model")
    return f"{result.GetName()}: {state}\n" + _("Model {model}, {day}").format(
        model=model, day=date.today().isoformat()
    )


def write_picture(result: vtkMRMLVolumeNode, widgets: Sequence[Any], path: Path) -> None:
    """Write slice views side by side, with a banner below; a file of that name is replaced whole or not at all.

    Names of patients are not added, and those that Slicer's Data Probe may show in the views' corners are left out: a
    picture goes where a scene does not.

    Args:
        result: vtkMRMLVolumeNode that the banner is about.
        widgets: qMRMLSliceWidget, from left to right.
        path: of the PNG file.

    Raises:
        OSError: the file cannot be written.
        ValueError: a view has no picture, as when it is too small.
    """
    with tempfile.TemporaryDirectory() as folder:
        pictures = [
            _captured(widget.sliceView(), Path(folder) / f"{place}.png") for place, widget in enumerate(widgets)
        ]
        image = _composed(pictures, banner_of(result))
    handle, temporary = tempfile.mkstemp(suffix=".png", prefix=".", dir=path.parent)
    os.close(handle)
    try:
        if not image.save(temporary, "PNG"):
            raise OSError(_("'{path}' cannot be written.").format(path=path))
        # mkstemp's files are for their owner only; a picture is like any other new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _captured(view: Any, path: Path) -> qt.QPixmap:
    """A view's picture as a QPixmap, without what others wrote into its corners."""
    from ScreenCapture import ScreenCaptureLogic

    corners = view.cornerAnnotation()
    texts = [corners.GetText(corner) for corner in _CORNERS]
    try:
        for corner in _CORNERS:
            corners.SetText(corner, "")
        ScreenCaptureLogic().captureImageFromView(view, str(path))
    finally:
        for corner, text in zip(_CORNERS, texts):
            corners.SetText(corner, text or "")
    picture = qt.QPixmap(str(path))
    if picture.isNull():
        raise ValueError(_("A slice view cannot be captured. Make it larger, and export again."))
    return picture


def _composed(pictures: Sequence[qt.QPixmap], banner: str) -> qt.QImage:
    """Pictures in a row over a banner, as QImage; the banner is also the file's description for whoever searches."""
    frame = qt.QWidget()
    frame.setStyleSheet("background: black; color: white;")
    rows, row = qt.QVBoxLayout(), qt.QHBoxLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    for picture in pictures:
        label = qt.QLabel()
        label.setPixmap(picture)
        row.addWidget(label)
    text = qt.QLabel()
    text.setTextFormat(qt.Qt.PlainText)
    text.setText(banner)
    text.setWordWrap(True)
    text.setMargin(_MARGIN)
    rows.addLayout(row)
    rows.addWidget(text)
    frame.setLayout(rows)
    frame.adjustSize()
    image = frame.grab().toImage()
    image.setText("Description", banner)
    frame.deleteLater()
    return image
