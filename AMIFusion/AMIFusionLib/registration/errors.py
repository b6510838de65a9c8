"""What can be wrong with images to align, each with a sentence that says what to do."""

from __future__ import annotations

from ..translation import tr as _


class RegistrationError(ValueError):
    """Two images that cannot be aligned as they are."""


class UnsuitableImageError(RegistrationError):
    """An image that gives an alignment nothing to go by: one slice, one value, a place that is no place."""


class TooLittleInCommonError(RegistrationError):
    """Two images that tell too little of each other to say how they lie."""

    @classmethod
    def of(cls, first: str, second: str) -> TooLittleInCommonError:
        """The error for two images of these names."""
        return cls(
            _(
                "'{first}' and '{second}' have too little in common to tell how they lie to each other. Look at them "
                "in the slice views, and move one by hand in the module Transforms."
            ).format(first=first, second=second)
        )


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
