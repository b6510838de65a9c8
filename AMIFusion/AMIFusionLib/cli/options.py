"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def existing_file(help_text: str) -> Any:
    """An option that names a file which must be there."""
    return typer.Option(exists=True, dir_okay=False, readable=True, help=help_text)


def secret_file(*names: str, help_text: str, envvar: str | None = None) -> Any:
    """An option that names a license or a key in a file which must be there; no error shows what it was given."""
    return typer.Option(*names, callback=_check_secret_file, envvar=envvar, help=help_text, **_UNCHECKED)


def secret_file_argument(help_text: str) -> Any:
    """The same as an argument."""
    return typer.Argument(callback=_check_secret_file, help=help_text, **_UNCHECKED)


def secret_folder(*names: str, help_text: str, envvar: str | None = None) -> Any:
    """An option that names a folder of keys which must be there; no error shows what it was given."""
    return typer.Option(*names, callback=_check_secret_folder, envvar=envvar, help=help_text, **_UNCHECKED)


# Typer's own checks show the value, which is the license or the key itself where that was given instead of its file.
_UNCHECKED: dict[str, Any] = {"exists": False, "file_okay": True, "dir_okay": True, "readable": False}


def _check_secret_file(path: Path | None) -> Path | None:
    if path is not None:
        # os.path asks also of texts that are too long for a name, which Path does not.
        if not os.path.exists(path):
            raise typer.BadParameter("The file does not exist. Give the name of a file, not what is in it.")
        if os.path.isdir(path):
            raise typer.BadParameter("It is a folder. Give the name of a file.")
        _check_readable(path)
    return path


def _check_secret_folder(path: Path | None) -> Path | None:
    if path is not None:
        if not os.path.exists(path):
            raise typer.BadParameter("The folder does not exist. Give the name of the folder with the keys.")
        if not os.path.isdir(path):
            raise typer.BadParameter("It is a file. Give the name of the folder with the keys.")
        _check_readable(path)
    return path


def _check_readable(path: Path) -> None:
    if not os.access(path, os.R_OK):
        raise typer.BadParameter("It cannot be read. Check its permissions.")


MeasuredModel = Annotated[
    Path | None, typer.Argument(exists=True, dir_okay=False, help="The model file; by default the bundled one.")
]
MeasuringLicense = Annotated[
    Path | None,
    secret_file(
        "--license",
        help_text="Its license, to measure the licensed result or against it; the bundled model comes with one.",
    ),
]


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
