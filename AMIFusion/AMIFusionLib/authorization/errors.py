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


class LicenseGenerationError(LicenseModelError):
    """The license is for another generation of the model's key."""


class LicenseRevokedError(LicenseError):
    """The publisher has withdrawn the license."""


class LicenseNotYetValidError(LicenseError):
    """The license's first day has not come."""


class LicenseExpiredError(LicenseError):
    """The license's last day is over."""


class LicenseKeyError(LicenseError):
    """The license is genuine, but the key in it does not open this model file."""


class RevocationListError(ValueError):
    """A revocation list that does not count; the message says why."""


class RevocationSignatureError(RevocationListError):
    """The list was changed, or somebody other than the model's publisher signed it."""


class RevocationRollbackError(RevocationListError):
    """The list is older than one that was seen before."""
