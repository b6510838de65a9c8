"""Looks after the download of a revocation list while the panel goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt

if TYPE_CHECKING:
    from .interfaces import Logic

POLL_MILLISECONDS = 100
"""How often the download is looked after."""

TURN_SECONDS = 0.01
"""How long its thread may run each time: Slicer's event loop lets no other Python thread run while it waits."""


class RevocationWatch:
    """Ends what ``logic.authorization`` began.

    Args:
        logic: AMIFusionLogic.
        ended: called when a download has ended, well or not.
        later: calls a function after some milliseconds, from the event loop.
    """

    def __init__(
        self, logic: Logic, ended: Callable[[], None], later: Callable[[int, Callable[[], None]], None] | None = None
    ) -> None:
        self._logic, self._ended = logic, ended
        self._later = later or qt.QTimer.singleShot
        self._is_waiting = self._is_closed = False

    def look(self) -> None:
        """Follow the download, if one is under way and nobody does."""
        if not self._is_waiting and not self._is_closed and self._is_under_way():
            self._wait()

    def close(self) -> None:
        """Call nobody any more; the download ends by itself."""
        self._is_closed = True

    def _wait(self) -> None:
        self._is_waiting = True
        self._later(POLL_MILLISECONDS, self._poll)

    def _poll(self) -> None:
        self._is_waiting = False
        if self._is_closed:
            return
        if self._has_ended(TURN_SECONDS):
            self._ended()
        else:
            self._wait()

    def _is_under_way(self) -> bool:
        try:
            return bool(self._logic.revocations.is_under_way(self._logic.model().description))
        except (ValueError, OSError):
            return False

    def _has_ended(self, wait: float) -> bool:
        try:
            return bool(self._logic.revocations.end_refresh(self._logic.model().description, wait))
        except (ValueError, OSError):
            # The model file has gone, which the license's status says.
            return True
