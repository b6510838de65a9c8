"""Frames stacked to a regular grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from AMIFusionLib.arrays import Array

from .errors import DicomError
from .frames import Frame

_LARGEST_SPACING_ERROR = 0.02
"""Of a slice's place, relative to the spacing: headers round positions, and what is more is a missing slice."""

_LARGEST_ROUNDING = 0.01
"""Millimeters that a rounded position may be off, however thin the slices."""

_SAME_DIRECTION = 1e-3
_SAME_PLACE = 1e-3

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def stacked(frames: Sequence[Frame], name: str) -> tuple[list[Frame], Array]:
    """Order frames along their normal and find the grid that they form.

    Slices that shift sideways from one to the next, as under a tilted gantry, form a sheared grid, which is kept.

    Args:
        frames: of one series, in any order.
        name: of the series, for messages.

    Returns:
        The frames in the order of the grid, and the grid's 4 x 4 matrix from (column, row, slice, 1) to RAS
        millimeters.

    Raises:
        DicomError: the frames are no regular stack: other orientations or sizes, several at one place, a missing one.
    """
    first = frames[0]
    _check_alike(frames, name)
    ordered = sorted(frames, key=lambda frame: float(frame.position @ first.normal))
    positions = np.array([frame.position for frame in ordered])
    step = _step(ordered, positions, name)
    matrix = np.eye(4)
    across, down = first.pixel_spacing[1], first.pixel_spacing[0]
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = first.orientation[0] * across, first.orientation[1] * down, step
    matrix[:3, 3] = positions[0]
    return ordered, LPS_TO_RAS @ matrix


def _check_alike(frames: Sequence[Frame], name: str) -> None:
    first = frames[0]
    for frame in frames:
        if np.abs(frame.orientation - first.orientation).max() > _SAME_DIRECTION:
            raise DicomError(
                f"The slices of {name} look in different directions, as those of a localizer do. Choose another series."
            )
        size = [(part.image.get("Rows"), part.image.get("Columns")) for part in (frame, first)]
        if size[0] != size[1] or not np.allclose(frame.pixel_spacing, first.pixel_spacing, rtol=1e-4):
            raise DicomError(f"The slices of {name} differ in size. Choose another series, or export this one anew.")


def _step(ordered: Sequence[Frame], positions: Array, name: str) -> Array:
    """(3,) LPS millimeters from a slice to the next."""
    if len(ordered) == 1:
        return ordered[0].normal * (ordered[0].gap or 1.0)
    along = np.diff(positions @ ordered[0].normal)
    if along.min() < _SAME_PLACE:
        count = 1 + int((along < _SAME_PLACE).sum())
        raise DicomError(
            f"{name} has several images at one place ({count} of {len(ordered)} or more): a time series, echoes or "
            "other parts of one acquisition. Export one of them as a series of its own, and choose that."
        )
    step: Array = (positions[-1] - positions[0]) / (len(positions) - 1)
    errors = np.linalg.norm(positions - positions[0] - np.arange(len(positions))[:, None] * step, axis=1)
    spacing = float(along.mean())
    if errors.max() > max(_LARGEST_SPACING_ERROR * spacing, _LARGEST_ROUNDING):
        widest, usual = int(along.argmax()), float(np.median(along))
        raise DicomError(
            f"The slices of {name} are not evenly spaced: {along[widest]:.2f} mm between the slices {widest + 1} and "
            f"{widest + 2}, {usual:.2f} mm usually. Look for missing files, or resample the series first."
        )
    return step
