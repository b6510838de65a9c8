"""``amifusion demo``: the main job from files or the head phantom to files and a picture, without Slicer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from AMIFusionLib.interruptions import import_mrml
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.paths import source_path
from AMIFusionLib.volumes.scene import new_scene

from .exit_codes import DONE
from .failures import explained
from .options import AsJson
from .report import Report
from .volumes import Destination, check_destination, check_not_same, check_sources

if TYPE_CHECKING:
    from slicer import vtkMRMLScene, vtkMRMLVolumeNode

    from AMIFusionLib.fusion_job import FusionJob

RESULTS = ("fused-unlicensed.nrrd", "fused-licensed.nrrd", "comparison.png")


def demo(
    reference: Annotated[
        Path | None,
        typer.Option(help="NRRD, NIfTI, MetaImage or DICOM file, or folder with a DICOM series; gives the grid."),
    ] = None,
    moving: Annotated[Path | None, typer.Option(help="The second volume, of the same patient.")] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the results.")] = Path("demo-results"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier demo.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fuse two volumes twice, unlicensed and with the public evaluation license, and show both."""
    if (reference is None) != (moving is None):
        raise typer.BadParameter("Give both --reference and --moving, or neither to use the head phantom.")
    report = Report(
        "demo", as_json, reference=str(reference) if reference else None, moving=str(moving) if moving else None
    )
    with explained(report):
        if reference is not None and moving is not None:
            check_sources(str(reference), str(moving))
        for name in RESULTS:
            check_destination(Destination(out / name, False), overwrite, *_named(reference, moving))
        import_mrml()
        scene = new_scene()
        if reference is None or moving is None:
            first, second = _phantom_pair(scene, report)
        else:
            first, second = _user_pair(scene, reference, moving)
        _run(first, second, out, report)


def _named(*paths: Path | None) -> list[str]:
    return [str(path) for path in paths if path is not None]


def _run(reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, out: Path, report: Report) -> None:
    from AMIFusionLib.authorization.authorize import authorize
    from AMIFusionLib.authorization.model_file import read_model
    from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
    from AMIFusionLib.dicom.errors import printable
    from AMIFusionLib.fusion_job import FusionJob
    from AMIFusionLib.volumes.files import save_volume
    from AMIFusionLib.volumes.picture import comparison_picture
    from AMIFusionLib.whole_output import whole

    model = read_model(MODEL_PATH)
    report.say(f"Model:     {model.description.title}")
    for role, node in (("Reference", reference), ("Moving", moving)):
        size = " x ".join(str(count) for count in node.GetImageData().GetDimensions())
        report.say(f"{role + ':':11}{printable(node.GetName())}, {size}")
    results: list[vtkMRMLVolumeNode] = []
    facts: dict[str, object] = {}
    texts = {"unlicensed": None, "licensed": EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")}
    for (state, text), name in zip(texts.items(), RESULTS):
        authorization = authorize(model, text)
        if authorization.problem:
            report.say(f"License:   {authorization.problem}")
        job = FusionJob(reference, moving, model, authorization)
        slices, seconds = _timed(job)
        speed = f"{slices} slices in {seconds:.2f} s on {job.device}, {1000 * seconds / slices:.1f} ms a slice"
        report.say(f"Fused:     {state}, {speed}")
        results.append(job.node)
        path = out / name
        with quiet_files():
            save_volume(job.node, path)
        report.say(f"           {path}")
        facts[state] = {"out": str(path), "slices": slices, "seconds": round(seconds, 3), "device": str(job.device)}
    picture = out / RESULTS[-1]
    with whole(picture) as place:
        comparison_picture(reference, moving, results).save(place)
    report.say(f"Picture:   {picture} (left to right: reference, moving, unlicensed, licensed)")
    report.finish(DONE, **facts, picture=str(picture))


def _timed(job: FusionJob) -> tuple[int, float]:
    """Number of slices, and seconds."""
    started = time.perf_counter()
    for progress in job.steps():
        slices = progress.total_slices
    return slices, time.perf_counter() - started


def _phantom_pair(scene: vtkMRMLScene, report: Report) -> tuple[vtkMRMLVolumeNode, vtkMRMLVolumeNode]:
    from AMIFusionLib.phantom.head import head_phantom
    from AMIFusionLib.phantom.nodes import add_phantom_volume

    report.say("Making the head phantom: MR (T2) and CT on different grids.")
    volumes = head_phantom(names=("MRT2", "CT"))
    return add_phantom_volume(scene, volumes["MRT2"]), add_phantom_volume(scene, volumes["CT"])


def _user_pair(scene: vtkMRMLScene, reference: Path, moving: Path) -> tuple[vtkMRMLVolumeNode, vtkMRMLVolumeNode]:
    from AMIFusionLib.volumes.files import read_volume

    with quiet_files():
        first, second = (read_volume(scene, *source_path(str(path))) for path in (reference, moving))
    check_not_same((first, second), str(moving))
    return first.node, second.node
