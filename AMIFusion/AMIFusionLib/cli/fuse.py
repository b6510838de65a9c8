"""``amifusion fuse``: two volumes from files to a fused one, as a file or a DICOM series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from AMIFusionLib.interruptions import import_mrml
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.scene import color_table, new_scene, read_transform, show_colors

from .exit_codes import DONE, UNLICENSED
from .failures import explained, wrong_use
from .options import AsJson, existing_file, secret_file
from .report import Report, progress_bar
from .revocations import RevocationSource, known_revocations
from .volumes import (
    Destination,
    FileFormat,
    Moving,
    Overwrite,
    Reference,
    check_destination,
    check_sources,
    destination,
    read_pair,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slicer import vtkMRMLScene

    from AMIFusionLib.authorization.model_file import SealedModel
    from AMIFusionLib.dicom.identity import PlaceholderPatient
    from AMIFusionLib.fusion_job import FusionJob, FusionOptions
    from AMIFusionLib.volumes.files import LoadedVolume

Plane = Literal["acquisition", "axial", "sagittal", "coronal"]
WindowChoice = Literal["display", "percentiles"]
_WINDOW = {"metavar": "LOW HIGH", "show_default": False}


def fuse(
    reference: Reference,
    moving: Moving,
    out: Annotated[Path, typer.Option(help="File to write (.nrrd, .nii.gz, .mha), or folder for a DICOM series.")],
    license_file: Annotated[
        Path | None, secret_file("--license", envvar="AMIFUSION_LICENSE",
                                 help_text="License file for a clean result; without one the result is marked.")
    ] = None,
    model: Annotated[Path | None, existing_file("Model file, *.amif; by default the bundled one.")] = None,
    plane: Annotated[Plane, typer.Option(help="Plane of the slices that are fused.")] = "acquisition",
    window: Annotated[
        WindowChoice, typer.Option(help="Values that count: the display window (DICOM's own), or percentiles.")
    ] = "display",
    reference_window: Annotated[
        tuple[float, float] | None, typer.Option(help="The reference's values shown black and white.", **_WINDOW)
    ] = None,
    moving_window: Annotated[
        tuple[float, float] | None, typer.Option(help="The second volume's values shown black and white.", **_WINDOW)
    ] = None,
    balance: Annotated[
        float, typer.Option(min=0, max=100, help="0 shows the reference only, 50 both in full, 100 the second only.")
    ] = 50,
    colors: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Show the second volume with Slicer's color table, as PET-Heat.")
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="A gray result even where a source is in color.")] = False,
    transform: Annotated[
        Path | None, existing_file("Move the second volume by this, as amifusion align or Slicer wrote it.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    file_format: FileFormat = None,
    patient_id: Annotated[
        str | None, typer.Option(help="Patient ID of a DICOM result whose reference is no DICOM.", show_default=False)
    ] = None,
    patient_name: Annotated[
        str | None, typer.Option(help="Its patient's name, as Family^Given.", show_default=False)
    ] = None,
    revocations: RevocationSource = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fuse two volumes of one patient into a new one on the reference's grid."""
    target = destination(out, file_format)
    if (patient_id or patient_name) and not target.is_dicom:
        raise typer.BadParameter("--patient-id and --patient-name are for DICOM results.")
    if colors and gray:
        raise typer.BadParameter("Choose --colors or --gray.")
    report = Report("fuse", as_json, reference=reference, moving=moving)
    with explained(report):
        import_mrml()
        from AMIFusionLib.fusion_job import FusionOptions

        check_sources(reference, moving)
        scene = new_scene()
        _check_choices(scene, (reference_window, moving_window), colors, device)
        _check_patient(patient_id, patient_name)
        check_destination(target, overwrite, reference, moving, *([str(transform)] if transform else []))
        pair = read_pair(scene, reference, moving, report)
        patient = _patient(pair[0], target, patient_id, patient_name, report)
        _show(scene, pair, (reference_window, moving_window), colors, transform)
        options = FusionOptions(plane, window, not gray, device, None, balance)
        sealed, job, licensee = _job(pair, model, license_file, revocations, options, report)
        seconds = _run(job, report)
        files = _write(target, job, pair, sealed, patient)
        _finish(report, target, job, sealed, licensee, seconds, files)


def _check_choices(
    scene: vtkMRMLScene, windows: Sequence[tuple[float, float] | None], colors: str | None, device: str
) -> None:
    """Refuse what no volume could be fused with."""
    from AMIFusionLib.fusion.devices import select_device
    from AMIFusionLib.volumes.intensity import check_window

    with wrong_use():
        for low, high in filter(None, windows):
            check_window(low, high)
        if colors:
            color_table(scene, colors)
        select_device(device)


def _check_patient(patient_id: str | None, name: str | None) -> None:
    from AMIFusionLib.dicom.identity import check_patient_id, check_patient_name

    with wrong_use():
        check_patient_id(patient_id or "")
        check_patient_name(name or "")


def _patient(
    reference: LoadedVolume, target: Destination, patient_id: str | None, name: str | None, report: Report
) -> PlaceholderPatient:
    """The placeholder for a reference that is no DICOM."""
    from AMIFusionLib.dicom.identity import PlaceholderPatient

    default = PlaceholderPatient()
    if reference.dicom is not None:
        if patient_id or name:
            raise ValueError("The reference is DICOM and names its patient. Leave --patient-id and --patient-name out.")
    elif target.is_dicom and not patient_id:
        report.warn(
            f"The reference is no DICOM, so the series names the placeholder patient '{default.patient_id}' in a new "
            "study. Give --patient-id and --patient-name."
        )
    return PlaceholderPatient(patient_id or default.patient_id, name or default.name)


def _show(
    scene: vtkMRMLScene,
    pair: tuple[LoadedVolume, LoadedVolume],
    windows: Sequence[tuple[float, float] | None],
    colors: str | None,
    transform: Path | None,
) -> None:
    """Display the volumes as they are to be fused."""
    from AMIFusionLib.volumes.files import show_window

    for loaded, window in zip(pair, windows):
        if window is not None:
            show_window(loaded.node, *window)
    if colors:
        show_colors(scene, pair[1].node, colors)
    if transform:
        with quiet_files():
            moved_by = read_transform(scene, transform)
        pair[1].node.SetAndObserveTransformNodeID(moved_by.GetID())


def _job(
    pair: tuple[LoadedVolume, LoadedVolume],
    model: Path | None,
    license_file: Path | None,
    revocations: str | None,
    options: FusionOptions,
    report: Report,
) -> tuple[SealedModel, FusionJob, str | None]:
    """Model, fusion and licensee, None without a valid license."""
    from AMIFusionLib.authorization.authorize import authorize
    from AMIFusionLib.authorization.license import read_license_file
    from AMIFusionLib.authorization.model_file import read_model
    from AMIFusionLib.bundled import MODEL_PATH
    from AMIFusionLib.fusion_job import FusionJob

    path = model or MODEL_PATH
    sealed = read_model(path)
    text = read_license_file(license_file) if license_file else None
    revoked = known_revocations(sealed.description, path, revocations, report) if text else None
    authorization = authorize(sealed, text, revoked)
    for problem in filter(None, (authorization.problem, authorization.warning)):
        report.warn(problem)
    report.say(f"Model:     {sealed.description.title}")
    job = FusionJob(pair[0].node, pair[1].node, sealed, authorization, options)
    return sealed, job, authorization.license.licensee if authorization.license else None


def _run(job: FusionJob, report: Report) -> float:
    before = report.seconds
    with progress_bar("Fusing") as show:
        for progress in job.steps():
            show(progress.fraction)
    return report.seconds - before


def _write(
    target: Destination,
    job: FusionJob,
    pair: tuple[LoadedVolume, LoadedVolume],
    sealed: SealedModel,
    patient: PlaceholderPatient,
) -> int:
    """Write the result; gives the number of files."""
    from AMIFusionLib.fused_series import FusedSeries
    from AMIFusionLib.volumes.files import save_volume
    from AMIFusionLib.whole_output import whole

    if not target.is_dicom:
        with quiet_files():
            save_volume(job.node, target.path)
        return 1
    series = FusedSeries(job.node, *pair, sealed.description, patient)
    slices, done = series.result.GetImageData().GetDimensions()[2], 0
    with progress_bar("Writing") as show, whole(target.path, folder=True) as folder:

        def advance() -> None:
            nonlocal done
            done += 1
            show(done / slices)

        return series.write(folder, advance)


def _finish(
    report: Report,
    target: Destination,
    job: FusionJob,
    sealed: SealedModel,
    licensee: str | None,
    seconds: float,
    files: int,
) -> None:
    from AMIFusionLib.volumes.checks import is_color_image

    is_marked = licensee is None
    state = "unlicensed: the result is marked" if is_marked else f"licensed to {licensee}"
    report.say(f"Fused:     {state}, {seconds:.2f} s on {job.device}")
    report.say(f"Written:   {target.path}" + (f", {files} files" if target.is_dicom else ""))
    report.finish(
        UNLICENSED if is_marked else DONE,
        out=str(target.path),
        format="dicom" if target.is_dicom else "file",
        files=files,
        marked=is_marked,
        licensee=licensee,
        license_problem=job.problem or None,
        color=is_color_image(job.node),
        model={"id": sealed.description.model_id, "title": sealed.description.title, "sha256": sealed.sha256},
        device=job.device,
        fusion_seconds=round(seconds, 3),
    )
