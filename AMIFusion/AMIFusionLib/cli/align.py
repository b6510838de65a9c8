"""``amifusion align``: rigid alignment of two volumes from files to a transform file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from AMIFusionLib.interruptions import import_mrml
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.scene import new_scene, write_transform
from AMIFusionLib.whole_output import whole

from .failures import explained
from .options import AsJson
from .report import Report, progress_bar
from .volumes import Destination, Moving, Overwrite, Reference, check_destination, check_sources, destination, read_pair

if TYPE_CHECKING:
    from slicer import vtkMRMLScene

    from AMIFusionLib.alignment_job import AlignmentJob
    from AMIFusionLib.volumes.files import LoadedVolume

TRANSFORM_SUFFIXES = (".h5", ".tfm", ".txt", ".mat")


def align(
    reference: Reference,
    moving: Moving,
    out: Annotated[Path, typer.Option(help="Transform file to write (.h5, .tfm, .txt or .mat), as ITK reads it.")],
    resampled: Annotated[
        Path | None, typer.Option(help="Also write the moved volume on the reference's grid (.nrrd, .nii.gz, .mha).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Align the second volume rigidly to the reference by mutual information.

    Slicer loads the transform file as it is; amifusion fuse takes it with --transform.
    """
    if out.suffix.lower() not in TRANSFORM_SUFFIXES:
        raise typer.BadParameter(f"{out} ends in none of: {', '.join(TRANSFORM_SUFFIXES)}.")
    image = destination(resampled, None) if resampled else None
    if image is not None and image.is_dicom:
        raise typer.BadParameter("--resampled takes the name of a file.")
    report = Report("align", as_json, reference=reference, moving=moving)
    with explained(report):
        import_mrml()
        from AMIFusionLib.alignment_job import AlignmentJob

        check_sources(reference, moving)
        check_destination(Destination(out, False), overwrite, reference, moving)
        if image is not None:
            check_destination(image, overwrite, reference, moving)
        scene = new_scene()
        pair = read_pair(scene, reference, moving, report)
        job = AlignmentJob(pair[0].node, pair[1].node)
        with progress_bar("Aligning") as show:
            for progress in job.steps():
                show(progress.fraction)
        if job.node is None:
            report.warn("No better place was found: the transform moves nothing.")
        # Neither is put in its place before both are written.
        with ExitStack() as places:
            transform = places.enter_context(whole(out))
            if image is not None:
                _save_resampled(scene, pair, places.enter_context(whole(image.path)))
            with quiet_files():
                write_transform(job.node or scene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), transform)
        _finish(report, job, out, image)


def _save_resampled(scene: vtkMRMLScene, pair: tuple[LoadedVolume, LoadedVolume], path: Path) -> None:
    from AMIFusionLib.volumes.files import save_volume
    from AMIFusionLib.volumes.resampled import resampled_volume

    moved = resampled_volume(scene, pair[1].node, pair[0].node)
    with quiet_files():
        save_volume(moved, path)


def _finish(report: Report, job: AlignmentJob, out: Path, image: Destination | None) -> None:
    result = job.result
    if result is None:
        raise RuntimeError("The alignment was not run to its end.")
    report.say(f"Moved:     {result.translation_mm:.2f} mm, {result.rotation_degrees:.2f} degrees")
    report.say(f"Agreement: {result.nmi_before:.4f} before, {result.nmi_after:.4f} after (mutual information, 1 to 2)")
    report.say(f"Written:   {out}" + (f", {image.path}" if image else ""))
    report.finish(
        out=str(out),
        resampled=str(image.path) if image else None,
        is_better=result.is_better,
        matrix_ras=result.matrix.tolist(),
        translation_mm=result.translation_mm,
        rotation_degrees=result.rotation_degrees,
        mutual_information=[_number(result.nmi_before), _number(result.nmi_after)],
        device="cpu",
    )


def _number(value: float) -> float | None:
    """JSON has no NaN, which stands for volumes that shared too little space."""
    return float(value) if value == value else None
