"""What can be wrong with volumes, each with a sentence that says what to do."""

from __future__ import annotations


class VolumeError(ValueError):
    """Two volumes that cannot be fused as they are."""


class EmptyVolumeError(VolumeError):
    """A volume without image data, or without a single voxel that has a value."""


class IncompleteVolumeError(VolumeError):
    """A file that was cut off or damaged, so that voxels are missing."""


class UnsupportedVolumeError(VolumeError):
    """A volume that is no gray or color image: a label map, a time series, a vector field."""


class NoOverlapError(VolumeError):
    """Two volumes that share no place in space."""


class OutputVolumeError(VolumeError):
    """An output node that cannot take the result."""
