"""Volumes from and to files, through MRML's own readers and writers, for use without Slicer's application."""

from __future__ import annotations

from pathlib import Path

import SimpleITK
import slicer

from ..translation import tr as _
from .errors import EmptyVolumeError


def load_volume(scene, path: Path):
    """Read a NRRD, NIfTI or MetaImage file, or a folder with one DICOM series.

    Args:
        scene: vtkMRMLScene to add the node to.
        path: the file or folder. Of several series in a folder the one with the most files is read.

    Returns:
        vtkMRMLVolumeNode.

    Raises:
        FileNotFoundError: nothing there.
        EmptyVolumeError: no volume could be read from it.
    """
    if not path.exists():
        raise FileNotFoundError(_("{path} does not exist.").format(path=path))
    files = _largest_series(path) if path.is_dir() else [str(path)]
    components = _components(files[0])
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(files[0])
    storage.SetSingleFile(len(files) == 1)
    for file in files:
        storage.AddFileName(file)
    node = slicer.vtkMRMLScalarVolumeNode() if components == 1 else slicer.vtkMRMLVectorVolumeNode()
    node.SetName(path.name.split(".")[0])
    if not components or not storage.ReadData(node) or node.GetImageData() is None:
        raise EmptyVolumeError(
            _("{path} cannot be read as a volume. Give a NRRD, NIfTI or MetaImage file, or a DICOM folder.").format(
                path=path
            )
        )
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def save_volume(node, path: Path) -> None:
    """Write a volume as NRRD; where that fails, a file that was there before stays as it was.

    Raises:
        OSError: the file cannot be written.
    """
    storage = slicer.vtkMRMLNRRDStorageNode()
    partial = path.with_name(f"{path.stem}.part{path.suffix}")
    storage.SetFileName(str(partial))
    try:
        if not storage.WriteData(node):
            raise OSError(_("{path} cannot be written. Check the folder and the space on the disk.").format(path=path))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _components(file: str) -> int:
    """Values in each voxel, from the file's header alone."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(file)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return 0
    return reader.GetNumberOfComponents()


def _largest_series(folder: Path) -> list[str]:
    reader = SimpleITK.ImageSeriesReader()
    series = [reader.GetGDCMSeriesFileNames(str(folder), name) for name in reader.GetGDCMSeriesIDs(str(folder))]
    if not series:
        raise EmptyVolumeError(_("{folder} holds no DICOM series.").format(folder=folder))
    return list(max(series, key=len))
