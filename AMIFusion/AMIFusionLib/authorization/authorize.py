"""From a model file and perhaps a license to the parameters that the network will run with."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..translation import tr as _
from .errors import LicenseError, LicenseRevokedError, ModelFileError
from .license import License, check_license
from .model_file import ModelDescription, Parameters, SealedModel
from .revocation import RevocationList


@dataclass(frozen=True)
class Authorization:
    """What a model may do for this user.

    Attributes:
        parameters: the licensed network's where there is a valid license, else the public ones, which mark the result.
        license: the valid license, or None.
        problem: why a license that was given does not count, in a sentence for the user; empty if none was given.
        warning: what a user with a valid license should see to, in a sentence, or empty.
    """

    parameters: Parameters = field(repr=False)
    license: License | None
    problem: str = ""
    warning: str = ""

    @property
    def is_licensed(self) -> bool:
        """Whether the sealed parameters were opened."""
        return self.license is not None


def authorize(model: SealedModel, license_text: str | None, revocations: RevocationList | None = None) -> Authorization:
    """Open a model with a license, or fall back to its public parameters.

    Args:
        model: a model file.
        license_text: a license, or None or blank text for none.
        revocations: the newest revocation list that is known; one of another publisher does not count.

    Never raises because of a license: every problem with it leads to the marked result and a sentence.
    """
    if license_text is None or str(license_text).strip() == "":
        return Authorization(model.public_parameters, None)
    if revocations is not None and revocations.public_key != model.description.public_key:
        revocations = None
    try:
        checked = check_license(license_text, model.description)
        if revocations is not None and checked.token_id in revocations.revoked:
            raise _revoked(checked, revocations, model.description)
        parameters = model.open_parameters(checked.model_key)
    except (LicenseError, ModelFileError) as error:
        return Authorization(model.public_parameters, None, str(error))
    return Authorization(parameters, checked, warning=_staleness(revocations, model.description))


def _revoked(checked: License, revocations: RevocationList, model: ModelDescription) -> LicenseRevokedError:
    return LicenseRevokedError(
        _(
            "This license was revoked by {publisher} on {day}. Ask {contact} for a new one; its number is {number}."
        ).format(
            publisher=model.publisher,
            day=f"{revocations.revoked[checked.token_id]:%Y-%m-%d}",
            contact=model.contact,
            number=checked.token_id,
        )
    )


def _staleness(revocations: RevocationList | None, model: ModelDescription) -> str:
    if revocations is None or not revocations.is_stale():
        return ""
    return _(
        "The list of revoked licenses should have been renewed by {day}. Connect this computer to the network once, or "
        "ask {contact} for the new list."
    ).format(day=f"{revocations.next_update:%Y-%m-%d}", contact=model.contact)
