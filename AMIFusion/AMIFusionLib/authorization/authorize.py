"""From a model file and perhaps a license to the parameters that the network will run with."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import LicenseError, ModelFileError
from .license import License, check_license
from .model_file import Parameters, SealedModel


@dataclass(frozen=True)
class Authorization:
    """What a model may do for this user.

    Attributes:
        parameters: the licensed network's where there is a valid license, else the public ones, which mark the result.
        license: the valid license, or None.
        problem: why a license that was given does not count, in a sentence for the user; empty if none was given.
    """

    parameters: Parameters = field(repr=False)
    license: License | None
    problem: str = ""

    @property
    def is_licensed(self) -> bool:
        """Whether the sealed parameters were opened."""
        return self.license is not None


def authorize(model: SealedModel, license_text: str | None) -> Authorization:
    """Open a model with a license, or fall back to its public parameters.

    Args:
        model: a model file.
        license_text: a license, or None or blank text for none.

    Never raises because of a license: every problem with it leads to the marked result and a sentence.
    """
    if license_text is None or str(license_text).strip() == "":
        return Authorization(model.public_parameters, None)
    try:
        checked = check_license(license_text, model.description)
        return Authorization(model.open_parameters(checked.model_key), checked)
    except (LicenseError, ModelFileError) as error:
        return Authorization(model.public_parameters, None, str(error))
