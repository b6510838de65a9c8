"""Tab and the labels' letters for widgets that Slicer puts together of several and gives no focus.

A ``qMRMLNodeComboBox`` is the focus proxy of the list in it and takes no focus itself, so that Tab passes it and its
label's letter does nothing; a ``ctkSliderWidget`` is reached by Tab in its parts, and not by its label.
"""

from __future__ import annotations

from typing import Any

import qt


def make_reachable(compound: Any, *kinds: type, name: str) -> None:
    """Let Tab and the letter of its label reach the parts of a widget.

    Args:
        compound: QWidget.
        kinds: classes of those of its parts that take the keyboard, in the order of Tab; the label's letter leads to
            the first. A part that is not there is left out.
        name: what screen readers say of the parts.
    """
    parts = [part for part in (_part(compound, kind) for kind in kinds) if part is not None]
    before = compound
    for part in parts:
        part.setFocusProxy(None)
        part.accessibleName = name
        qt.QWidget.setTabOrder(before, part)
        before = part
    if parts:
        # After the order, which goes by the proxies where there are any.
        compound.setFocusProxy(parts[0])
        compound.focusPolicy = qt.Qt.StrongFocus


def _part(widget: Any, kind: type) -> Any:
    """The first of a widget's descendants that is of a class."""
    for child in widget.children():
        found = child if isinstance(child, kind) else _part(child, kind)
        if found is not None:
            return found
    return None
