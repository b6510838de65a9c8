"""What can be wrong with images to align, each with a sentence that says what to do."""

from __future__ import annotations

from ..translation import tr as _


class RegistrationError(ValueError):
    """Two images that cannot be aligned as they are."""


class UnsuitableImageError(RegistrationError):
    """An image that gives an alignment nothing to go by: one slice, one value, a place that is no place."""


class NoCommonSpaceError(RegistrationError):
    """Two images that share too little space to compare them, or nothing but one gray value there."""

    @classmethod
    def of(cls, first: str, second: str) -> NoCommonSpaceError:
        """The error for two images of these names."""
        return cls(
            _(
                "'{first}' and '{second}' share too little space to be aligned, or hardly anything but air there. "
                'Bring them roughly together in the module "Transforms" or with "Landmark Registration" '
                "first."
            ).format(first=first, second=second)
        )
