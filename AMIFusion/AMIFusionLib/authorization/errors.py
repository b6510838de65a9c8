"""Everything that can be wrong with a model file or a license, each with a sentence for the user.

No message holds a license, a key or any part of one.
"""

from __future__ import annotations


class ModelFileError(ValueError):
    """A model file that cannot be read."""


class LicenseError(ValueError):
    """A license that does not open a model; the message says why and what to do."""


class LicenseFormatError(LicenseError):
    """The text is not a license at all, or only a part of one."""


class LicenseSignatureError(LicenseError):
    """The license was changed, or somebody other than the model's publisher issued it."""


class LicenseModelError(LicenseError):
    """The license is the same publisher's, for another model."""


class LicenseNotYetValidError(LicenseError):
    """The license's first day has not come."""


class LicenseExpiredError(LicenseError):
    """The license's last day is over."""


class LicenseKeyError(LicenseError):
    """The license is genuine, but the key in it does not open this model file."""
