"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def existing_file(help_text: str) -> Any:
    """An option that names a file which must be there."""
    return typer.Option(exists=True, dir_okay=False, readable=True, help=help_text)


MeasuredModel = Annotated[
    Path | None, typer.Argument(exists=True, dir_okay=False, help="The model file; by default the bundled one.")
]
MeasuringLicense = Annotated[
    Path | None,
    typer.Option(
        "--license", exists=True, dir_okay=False, help="Its license, to measure the licensed result or against it; "
        "the bundled model comes with one.",
    ),
]  # fmt: skip


def measured_model(model: Path | None, license_file: Path | None) -> tuple[Path, str | None]:
    """The model file and the text of its license, None without one; the bundled model's where none is named.

    Raises:
        OSError: the license cannot be read.
    """
    from AMIFusionLib.authorization.license import read_license_file
    from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH

    if model is None:
        model, license_file = MODEL_PATH, license_file or EVALUATION_LICENSE_PATH
    return model, read_license_file(license_file) if license_file else None
