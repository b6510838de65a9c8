"""``amifusion phantom``: the head phantom as files, to try the other commands on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from AMIFusionLib.interruptions import import_mrml
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.scene import new_scene

from .failures import explained
from .options import AsJson
from .report import Report, progress_bar
from .volumes import DICOM_SUFFIX, SUFFIXES, Format

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from slicer import vtkMRMLScene

    from AMIFusionLib.phantom.head import PhantomVolume


def phantom(
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder to write.")],
    only: Annotated[str, typer.Option(metavar="NAMES", help="Some of CT,MRT1,MRT2,PET; by default all.")] = "",
    file_format: Annotated[
        Format, typer.Option("--format", help="Of the volumes: files, or a folder with a DICOM series for each.")
    ] = "nrrd",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder with nothing but the phantom's volumes in it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the synthetic head: CT, two MR and PET of one patient who does not exist."""
    report = Report("phantom", as_json)
    with explained(report):
        from AMIFusionLib.phantom.head import HeadModel
        from AMIFusionLib.phantom.modalities import VOLUME_NAMES
        from AMIFusionLib.whole_output import check_free, whole

        names = list(dict.fromkeys(name.strip() for name in only.split(",") if name.strip())) or list(VOLUME_NAMES)
        wrong = [name for name in names if name not in VOLUME_NAMES]
        if wrong:
            raise typer.BadParameter(f"There is no phantom volume '{wrong[0]}'. Choose of: {', '.join(VOLUME_NAMES)}.")
        check_free(out, overwrite, _is_written_here, folder=True)
        paths = []
        with progress_bar("Making the phantom") as show, whole(out, folder=True) as folder:
            model = HeadModel()
            import_mrml()
            scene = new_scene()
            identity = _identity()
            for index, name in enumerate(names):
                show((index + 1) / (len(names) + 1))
                volume = model.sample(name)
                if file_format == "dicom":
                    _write_series(folder / volume.name, volume, identity, index + 1)
                    paths.append(out / volume.name)
                else:
                    _write_file(scene, folder / f"{volume.name}{SUFFIXES[file_format]}", volume)
                    paths.append(out / f"{volume.name}{SUFFIXES[file_format]}")
        for path in paths:
            report.say(str(path))
        report.finish(out=str(out), format=file_format, volumes=[str(path) for path in paths])


def _is_written_here(path: Path) -> bool:
    """Whether something has the name of what this command writes, and is such."""
    from AMIFusionLib.phantom.modalities import VOLUME_NAMES

    names = {f"Phantom{name}" for name in VOLUME_NAMES}
    if path.is_dir():
        return path.name in names and all(part.is_file() and part.suffix == DICOM_SUFFIX for part in path.iterdir())
    return path.name in {name + suffix for name in names for suffix in SUFFIXES.values()}


def _identity() -> Dataset:
    from AMIFusionLib.dicom.identity import PlaceholderPatient, placeholder_identity

    return placeholder_identity(PlaceholderPatient("AMIFUSION-PHANTOM", "Phantom^Head"), "Head phantom")


def _write_file(scene: vtkMRMLScene, path: Path, volume: PhantomVolume) -> None:
    from AMIFusionLib.phantom.nodes import add_phantom_volume
    from AMIFusionLib.volumes.files import save_volume

    node = add_phantom_volume(scene, volume)
    with quiet_files():
        save_volume(node, path)


def _write_series(folder: Path, volume: PhantomVolume, identity: Dataset, number: int) -> None:
    from AMIFusionLib import __version__
    from AMIFusionLib.dicom.synthetic import write_synthetic_series

    folder.mkdir()
    write_synthetic_series(
        folder, volume.modality, volume.array, volume.ijk_to_ras, volume.window, identity, (number, volume.name),
        ("AMIFusion", __version__),
    )  # fmt: skip
