"""A dialog over long work that goes on in steps, for what is begun outside the panel."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import qt
import slicer

T = TypeVar("T")


def finished_with_dialog(steps: Generator[float, None, T], label: str, title: str) -> T | None:
    """Run steps to their end while a dialog shows how far they are.

    Args:
        steps: yields how much is done, 0..1, and returns what was made; closed if the user cancels.
        label, title: of the dialog.

    Returns:
        What the steps return, or None if the user cancels.
    """
    dialog = slicer.util.createProgressDialog(
        labelText=label,
        windowTitle=title,
        # The rest of the window must not start another one meanwhile.
        windowModality=qt.Qt.WindowModal,
        autoClose=False,
        autoReset=False,
    )
    try:
        while not dialog.wasCanceled:
            try:
                dialog.setValue(int(100 * next(steps)))
            except StopIteration as end:
                made: T = end.value
                return made
            slicer.app.processEvents()
        return None
    finally:
        steps.close()
        dialog.close()
        dialog.deleteLater()
