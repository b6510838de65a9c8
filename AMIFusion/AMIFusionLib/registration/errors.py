"""What can be wrong with images to align, each with a sentence that says what to do."""

from __future__ import annotations


class RegistrationError(ValueError):
    """Two images that cannot be aligned as they are."""


class UnsuitableImageError(RegistrationError):
    """An image that gives an alignment nothing to go by: one slice, one value, a place that is no place."""


class NoCommonSpaceError(RegistrationError):
    """Two images that share too little space to compare them."""
