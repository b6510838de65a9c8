"""One pair from files to a result in its place and a thumbnail of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import slicer
import vtk

from AMIFusionLib.authorization.authorize import Authorization
from AMIFusionLib.authorization.model_file import SealedModel
from AMIFusionLib.dicom.identity import PlaceholderPatient, are_of_two_patients
from AMIFusionLib.dicom.reading import are_same_frames
from AMIFusionLib.fused_series import FusedSeries
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.native_output import quiet_files
from AMIFusionLib.volumes.files import LoadedVolume, read_volume, save_volume, show_window
from AMIFusionLib.volumes.paths import source_path
from AMIFusionLib.volumes.picture import comparison_picture
from AMIFusionLib.volumes.scene import new_scene, read_transform, show_colors
from AMIFusionLib.whole_output import check_free, whole

from .pairs import Pair
from .results import DICOM_SUFFIX, ResultsFolder

_THUMBNAIL_SIZE = (480, 160)
"""Largest width and height of a pair's picture."""


def fuse_files(
    pair: Pair, results: ResultsFolder, sealed: SealedModel, authorization: Authorization, device: str,
    about_to_write: Callable[[], None],
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """Fuse a pair and write the result and its thumbnail, each whole or not at all.

    Args:
        pair: what to fuse, and how.
        results: where to.
        sealed: the model.
        authorization: what ``authorize`` gave for it.
        device: as ``FusionOptions`` takes it.
        about_to_write: called when only writing is left.

    Returns:
        Where it was fused, and warnings.

    Raises:
        ValueError: volumes or options that cannot be fused, with a sentence that says what to do.
        OSError: a file cannot be read or written.
    """
    with _scene_of_one_pair() as scene:
        with quiet_files():
            loaded = [read_volume(scene, *source_path(text)) for text in (pair.reference, pair.moving)]
        warnings = _warnings(pair, loaded, results.is_dicom)
        _show(scene, pair, loaded)
        options = FusionOptions(pair.plane, pair.window, not pair.gray, device, None, pair.balance)
        job = FusionJob(loaded[0].node, loaded[1].node, sealed, authorization, options)
        job.run()
        target = results.result(pair.name)
        # What is there is of an earlier run, or may be replaced; but not what others put into a series' folder.
        check_free(target, True, DICOM_SUFFIX if results.is_dicom else None, results.is_dicom)
        about_to_write()
        _write(results, pair, job, loaded, sealed)
        _write_thumbnail(results.thumbnail(pair.name), [one.node for one in loaded], job.node)
        return job.device, warnings


@contextmanager
def _scene_of_one_pair() -> Iterator[slicer.vtkMRMLScene]:
    """The process's scene, as it was before afterwards: a new one for each pair would leave 1.5 MB behind."""
    slicer.mrmlScene = scene = _process_scene()
    before, told = {node.GetID() for node in _nodes(scene)}, vtk.vtkObject.GetGlobalWarningDisplay()
    # What VTK prints of a broken file fills a screen; the error that is raised says it in a sentence.
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield scene
    finally:
        for node in _nodes(scene):
            if node.GetID() not in before:
                scene.RemoveNode(node)
        vtk.vtkObject.SetGlobalWarningDisplay(told)


@lru_cache(maxsize=1)
def _process_scene() -> slicer.vtkMRMLScene:
    return new_scene()


def _nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


def _warnings(pair: Pair, loaded: list[LoadedVolume], is_dicom: bool) -> tuple[str, ...]:
    told = []
    headers = [one.dicom.header for one in loaded if one.dicom is not None]
    if are_same_frames(loaded[0].dicom, loaded[1].dicom):
        raise ValueError("Reference and moving are one DICOM series. Name two different volumes of one patient.")
    if len(headers) == 2 and are_of_two_patients(*headers):
        told.append("The two DICOM series name different patients. Check that they belong together.")
    for text, one in zip((pair.reference, pair.moving), loaded):
        path = source_path(text)[0]
        if path.is_file() and one.dicom is not None and len(one.dicom.frames) == 1:
            told.append(f"{path} is one slice. Name its folder to read the whole series.")
    if loaded[0].dicom is not None and (pair.patient_id or pair.patient_name):
        raise ValueError("The reference is DICOM and names its patient. Leave patient_id and patient_name empty.")
    if is_dicom and loaded[0].dicom is None and not pair.patient_id:
        told.append(
            "The reference is no DICOM, so the series names a placeholder patient in a new study. Fill the columns "
            "patient_id and patient_name."
        )
    return tuple(told)


def _patient(pair: Pair) -> PlaceholderPatient:
    default = PlaceholderPatient()
    return PlaceholderPatient(pair.patient_id or default.patient_id, pair.patient_name or default.name)


def _show(scene: slicer.vtkMRMLScene, pair: Pair, loaded: list[LoadedVolume]) -> None:
    """Display the volumes as they are to be fused."""
    for one, window in zip(loaded, (pair.reference_window, pair.moving_window)):
        if window is not None:
            show_window(one.node, *window)
    if pair.colors:
        show_colors(scene, loaded[1].node, pair.colors)
    if pair.transform:
        with quiet_files():
            moved_by = read_transform(scene, Path(pair.transform))
        loaded[1].node.SetAndObserveTransformNodeID(moved_by.GetID())


def _write(results: ResultsFolder, pair: Pair, job: FusionJob, loaded: list[LoadedVolume], sealed: SealedModel) -> None:
    target = results.result(pair.name)
    if not results.is_dicom:
        with quiet_files():
            save_volume(job.node, target)
        return
    with whole(target, folder=True) as folder:
        FusedSeries(job.node, loaded[0], loaded[1], sealed.description, _patient(pair)).write(folder)


def _write_thumbnail(path: Path, sources: list[slicer.vtkMRMLVolumeNode], result: slicer.vtkMRMLVolumeNode) -> None:
    """Reference, second volume and result side by side, at the middle slice."""
    picture = comparison_picture(sources[0], sources[1], [result], shown_at=(0.5,))
    picture.thumbnail(_THUMBNAIL_SIZE)
    with whole(path) as place:
        picture.save(place, quality=80)
