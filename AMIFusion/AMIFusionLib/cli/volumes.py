"""Volumes that a command reads and writes, as its arguments name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from AMIFusionLib.input_files import check_plain
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.paths import is_same_source, source_path

from .failures import WrongUseError, wrong_use
from .report import Report

if TYPE_CHECKING:
    from slicer import vtkMRMLScene

    from AMIFusionLib.volumes.files import LoadedVolume

Format = Literal["nrrd", "nifti", "metaimage", "dicom"]
SUFFIXES = {"nrrd": ".nrrd", "nifti": ".nii.gz", "metaimage": ".mha"}
"""What each format's files end in where no name says it."""

DICOM_SUFFIX = ".dcm"

Reference = Annotated[
    str,
    typer.Argument(
        help="The volume whose grid counts: a NRRD, NIfTI, MetaImage or DICOM file, or a folder with a DICOM series; "
        "FOLDER#SERIES chooses one of several by its UID or number.",
    ),
]
Moving = Annotated[str, typer.Argument(help="The second volume, of the same patient, named like the first.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file, or a folder with nothing but DICOM files in it.")
]
FileFormat = Annotated[
    Format | None,
    typer.Option("--format", help="By default what --out ends in; without an ending a folder with a DICOM series."),
]


@dataclass(frozen=True)
class Destination:
    """Where a volume goes.

    Attributes:
        path: a file, or for DICOM a folder.
        is_dicom: whether it is a folder with a series.
    """

    path: Path
    is_dicom: bool


def check_sources(reference: str, moving: str) -> None:
    """Refuse volumes that are not there, pipes and devices, or one for both.

    Raises:
        WrongUseError: with what to do.
    """
    for text in (reference, moving):
        # An empty variable of a script would name the folder that the shell stands in.
        if not text.strip():
            raise WrongUseError("A volume has no name. Give a file or a folder.")
        path = source_path(text)[0]
        if not path.exists():
            raise WrongUseError(f"{path} does not exist. Name another file or folder.")
        with wrong_use():
            check_plain(path)
    if is_same_source(reference, moving):
        raise WrongUseError(f"{moving} is named twice. Name two different volumes of one patient.")


def read_source(scene: vtkMRMLScene, text: str, report: Report) -> LoadedVolume:
    """Read a volume; gives a ``volumes.files.LoadedVolume``."""
    from AMIFusionLib.volumes.files import read_volume

    path, series = source_path(text)
    with quiet_files():
        loaded = read_volume(scene, path, series)
    if path.is_file() and loaded.dicom is not None and len(loaded.dicom.frames) == 1:
        report.warn(f"{path} is one slice. Name its folder to read the whole series.")
    return loaded


def read_pair(scene: vtkMRMLScene, reference: str, moving: str, report: Report) -> tuple[LoadedVolume, LoadedVolume]:
    """Read both volumes of a patient, and warn where they seem to be of two.

    Raises:
        WrongUseError: both are one DICOM series.
    """
    from AMIFusionLib.dicom.errors import printable
    from AMIFusionLib.dicom.identity import are_of_two_patients

    loaded = read_source(scene, reference, report), read_source(scene, moving, report)
    headers = [one.dicom.header for one in loaded if one.dicom is not None]
    check_not_same(loaded, moving)
    if len(headers) == 2 and are_of_two_patients(*headers):
        report.warn("The two DICOM series name different patients. Check that they belong together.")
    for role, one in zip(("Reference", "Moving"), loaded):
        size = " x ".join(str(count) for count in one.node.GetImageData().GetDimensions())
        report.say(f"{role + ':':11}{printable(one.node.GetName())}, {size}")
    return loaded


def check_not_same(loaded: tuple[LoadedVolume, LoadedVolume], moving: str) -> None:
    """Refuse one DICOM series under two names.

    Raises:
        WrongUseError: it is.
    """
    from AMIFusionLib.dicom.reading import are_same_frames

    if are_same_frames(loaded[0].dicom, loaded[1].dicom):
        raise WrongUseError(f"{moving} is named twice. Name two different volumes of one patient.")


def destination(out: Path, file_format: Format | None) -> Destination:
    """What ``--out`` and ``--format`` mean together.

    Raises:
        typer.BadParameter: they contradict each other, or the ending is unknown.
    """
    ending = next((name for name in (*SUFFIXES.values(), ".nii") if out.name.lower().endswith(name)), "")
    if file_format == "dicom" or not (file_format or ending or out.suffix):
        if ending or out.suffix.lower() == DICOM_SUFFIX:
            raise typer.BadParameter(f"A DICOM series is a folder: name one instead of {out}.")
        return Destination(out, True)
    wanted = SUFFIXES[file_format] if file_format else ending
    if not wanted:
        raise typer.BadParameter(f"{out} ends in none of: {', '.join(SUFFIXES.values())}. Or add --format dicom.")
    if not ending:
        return Destination(out.with_name(out.name + wanted), False)
    if file_format and not wanted.startswith(ending):
        raise typer.BadParameter(f"{out} does not end in {wanted}, as --format {file_format} wants it.")
    return Destination(out, False)


def check_destination(target: Destination, overwrite: bool, *sources: str) -> None:
    """Refuse to write over what is there, and over or among the sources in any case.

    Raises:
        OSError: with what to do.
    """
    from AMIFusionLib.whole_output import check_free

    place = target.path.resolve()
    for text in sources:
        source = source_path(text)[0].resolve()
        if source == place or (target.is_dicom and (place in source.parents or source in place.parents)):
            raise FileExistsError(f"{target.path} is, holds or lies in a source of this command. Choose another --out.")
    check_free(target.path, overwrite, DICOM_SUFFIX if target.is_dicom else None, target.is_dicom)
