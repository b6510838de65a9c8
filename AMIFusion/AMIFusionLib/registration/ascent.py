"""Climbs mutual information over the six degrees of freedom of a rigid pose."""

from __future__ import annotations

import numpy as np

from .mutual_information import Agreement, MattesMetric
from .poses import rotation_about, translation_by

_RELAXATION = 0.5


class Ascent:
    """Gradient ascent in steps of a given length, which is halved each time the way turns back.

    Rotations are turned into the millimeters that they move the image by on average, so that a step is a length.

    Args:
        metric: what to climb.
        center: (3,) RAS millimeters, the middle of the metric's points.
        pose: 4 x 4 to begin with, from the metric's points to the moving image.
        first_step, last_step: millimeters; it ends below the last.
        radius: millimeters from the center at which a rotation counts as long as it moves the image.
    """

    def __init__(
        self, metric: MattesMetric, center: np.ndarray, pose: np.ndarray, first_step: float, last_step: float,
        radius: float = 60.0,
    ) -> None:  # fmt: skip
        self._metric, self._center = metric, center
        self._pose, self._step, self._last_step, self._radius = pose, first_step, last_step, radius
        self._direction = np.zeros(6)
        self.best: np.ndarray | None = None
        self.best_value = -np.inf
        self.value = float("nan")

    def step(self) -> bool:
        """Look at the present pose and leave it uphill.

        Returns:
            Whether there is more to do.
        """
        pivot = self._pose[:3, :3] @ self._center + self._pose[:3, 3]
        agreement = self._metric.evaluate(self._pose, pivot)
        if agreement is None:
            return self._turn_back()
        self.value = agreement.value
        if agreement.value > self.best_value:
            self.best, self.best_value = self._pose, agreement.value
        return self._leave(agreement, pivot)

    def _leave(self, agreement: Agreement, pivot: np.ndarray) -> bool:
        gradient = np.concatenate([agreement.torque / self._radius, agreement.force])
        length = np.linalg.norm(gradient)
        if not length > 0:
            return False
        direction = gradient / length
        if direction @ self._direction < 0:
            self._step *= _RELAXATION
        self._direction = direction
        move = self._step * direction
        self._pose = translation_by(move[3:]) @ rotation_about(move[:3] / self._radius, pivot) @ self._pose
        return self._step >= self._last_step

    def _turn_back(self) -> bool:
        """The step led out of the moving image: try half of it."""
        if self.best is None:
            return False
        self._pose, self._direction = self.best, np.zeros(6)
        self._step *= _RELAXATION
        return self._step >= self._last_step
