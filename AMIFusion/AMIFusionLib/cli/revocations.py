"""``--revocations``: which licenses are revoked, for commands that open a model with a license."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failures import WrongUseError, wrong_use

if TYPE_CHECKING:
    from AMIFusionLib.authorization.model_file import ModelDescription
    from AMIFusionLib.authorization.revocation import RevocationList

    from .report import Report

RevocationSource = Annotated[
    str | None,
    typer.Option(
        "--revocations", metavar="FILE_OR_URL",
        help="The publisher's revocation list; by default that beside the model file, or at the model's own address.",
    ),
]  # fmt: skip

_WAIT_SECONDS = 5.0


def known_revocations(
    model: ModelDescription, model_path: Path, source: str | None, report: Report
) -> RevocationList | None:
    """The newest revocation list that there is of a model's publisher; what is wrong with it is warned of.

    Args:
        model: whose publisher's list it is.
        model_path: its file, beside which a list may lie.
        source: a file or an address, or None to fetch from the model's own address at most once a day.
        report: takes the warnings.

    Raises:
        WrongUseError: an address that no list may be fetched from, or a file that is not there.
    """
    from AMIFusionLib.authorization.revocation import check_revocation_url
    from AMIFusionLib.revocations import Revocations, user_folder

    revocations = Revocations(user_folder())
    url = source if source and "://" in source else None
    if url:
        with wrong_use():
            check_revocation_url(url)
    elif source:
        if not Path(source).exists():
            raise WrongUseError(f"The revocation list {source} does not exist. Name another file.")
        revocations.take_file(Path(source), model)
    given_problem = revocations.problem
    if revocations.begin_refresh(model, url):
        revocations.end_refresh(model, _WAIT_SECONDS)
    known = revocations.current(model, model_path)
    for problem in dict.fromkeys(filter(None, (given_problem, revocations.problem))):
        report.warn(problem)
    return known
