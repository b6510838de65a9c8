"""Volumes from and to files, through MRML's own readers and writers, for use without Slicer's application."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
import slicer
import vtk
from slicer.util import arrayFromVTKMatrix, updateVolumeFromArray

from AMIFusionLib.arrays import Array
from AMIFusionLib.dicom.reading import DicomVolume, read_dicom
from AMIFusionLib.dicom.series import is_dicom_file
from AMIFusionLib.input_files import check_plain
from AMIFusionLib.memory_shortage import check_memory
from AMIFusionLib.whole_output import whole

from ..translation import tr as _
from .errors import EmptyVolumeError, UnsupportedVolumeError
from .intensity import check_window
from .voxel_files import voxel_files
from .whole_files import check_whole

FILE_SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".mha")
"""Of files that can be written. Not those of formats that put the voxels into a second file."""

_NIFTI = (".nii.gz", ".nii")
_COPIES = {"NrrdImageIO": 1}
"""How many times a reader holds the voxels at its peak; others twice, such as that of NIfTI or of packed MetaImage."""

_LARGEST_SHEAR = 1e-4
"""Cosine between two axes of a grid, from which on NIfTI files would move voxels."""


@dataclass(frozen=True, eq=False)
class LoadedVolume:
    """A volume that was read.

    Attributes:
        node: vtkMRMLVolumeNode.
        dicom: what it was read from if that was DICOM, else None.
    """

    node: slicer.vtkMRMLVolumeNode
    dicom: DicomVolume | None


def load_volume(scene: slicer.vtkMRMLScene, path: Path) -> slicer.vtkMRMLVolumeNode:
    """The node of ``read_volume``."""
    return read_volume(scene, path).node


def read_volume(scene: slicer.vtkMRMLScene, path: Path, series: str = "") -> LoadedVolume:
    """Read a NRRD, NIfTI, MetaImage or DICOM file, or a DICOM series from a folder.

    Args:
        scene: vtkMRMLScene to add the node to.
        path: the file or folder.
        series: which series of a folder, by UID or number; needed only where there are several.

    Raises:
        FileNotFoundError: nothing there, or no file in a place where the header names one with voxels.
        InputFileError: a pipe or a device.
        EmptyVolumeError: no volume could be read from it.
        IncompleteVolumeError: the file is cut off or damaged.
        DicomError: of DICOM files, with a sentence that says what to do.
        MemoryError: by its header the volume does not fit into memory; no voxel was read.
    """
    if not path.exists():
        raise FileNotFoundError(_("{path} does not exist.").format(path=path))
    check_plain(path)
    if series and not path.is_dir():
        sentence = _("{path} is no folder, so that it holds no series '{series}'. Leave #{series} out.")
        raise EmptyVolumeError(sentence.format(path=path, series=series))
    if path.is_dir() or is_dicom_file(path):
        volume = read_dicom(path, series)
        return LoadedVolume(_dicom_node(scene, volume), volume)
    return LoadedVolume(_file_node(scene, path), None)


def save_volume(node: slicer.vtkMRMLVolumeNode, path: Path) -> None:
    """Write a volume in the format of the file's suffix; the file appears whole or not at all.

    Raises:
        ValueError: another suffix than those of ``FILE_SUFFIXES``.
        UnsupportedVolumeError: a format that cannot hold the volume's grid.
        OSError: the file cannot be written; one that was there before stays as it was.
    """
    suffix = file_suffix(path)
    if suffix in _NIFTI and _shear(node) > _LARGEST_SHEAR:
        raise UnsupportedVolumeError(
            _(
                "The slices of '{name}' are stacked obliquely, as under a tilted gantry, which NIfTI files do not "
                "keep. Write .nrrd or .mha instead."
            ).format(name=node.GetName())
        )
    storage = slicer.vtkMRMLNRRDStorageNode() if suffix == ".nrrd" else slicer.vtkMRMLVolumeArchetypeStorageNode()
    with whole(path) as place:
        storage.SetFileName(str(place))
        if not storage.WriteData(node):
            sentence = _("{path} cannot be written. Check the folder and the space on the disk.")
            raise OSError(sentence.format(path=path))


def file_suffix(path: Path) -> str:
    """Which of ``FILE_SUFFIXES`` a file's name ends in.

    Raises:
        ValueError: none.
    """
    for suffix in FILE_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    sentence = _("{name} has no known ending. Choose one of: {endings}.")
    raise ValueError(sentence.format(name=path.name, endings=", ".join(FILE_SUFFIXES)))


def ijk_to_ras_of(node: slicer.vtkMRMLVolumeNode) -> Array:
    """4 x 4 of a vtkMRMLVolumeNode's grid, without its parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ijk_to_ras: Array = arrayFromVTKMatrix(matrix)
    return ijk_to_ras


def _file_node(scene: slicer.vtkMRMLScene, path: Path) -> slicer.vtkMRMLVolumeNode:
    components = _components(path)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    storage.AddFileName(str(path))
    node = slicer.vtkMRMLScalarVolumeNode() if components == 1 else slicer.vtkMRMLVectorVolumeNode()
    node.SetName(path.name.split(".")[0])
    if not components or not storage.ReadData(node) or node.GetImageData() is None:
        raise EmptyVolumeError(
            _(
                "{path} cannot be read as a volume. Give a NRRD, NIfTI, MetaImage or DICOM file, or a DICOM folder."
            ).format(path=path)
        )
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def _dicom_node(scene: slicer.vtkMRMLScene, volume: DicomVolume) -> slicer.vtkMRMLVolumeNode:
    is_color = volume.array.ndim == 4
    node = slicer.vtkMRMLVectorVolumeNode() if is_color else slicer.vtkMRMLScalarVolumeNode()
    node.SetName(volume.description or "DICOM")
    if is_color:
        node.SetVoxelVectorType(slicer.vtkMRMLVolumeNode.VoxelVectorTypeColorRGB)
    scene.AddNode(node)
    updateVolumeFromArray(node, volume.array)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.ijk_to_ras.ravel())
    node.SetIJKToRASMatrix(matrix)
    node.SetAttribute("DICOM.Modality", volume.modality)
    node.CreateDefaultDisplayNodes()
    if volume.window is not None and not is_color:
        show_window(node, *volume.window)
    return node


def show_window(node: slicer.vtkMRMLVolumeNode, low: float, high: float) -> None:
    """Display a volume from a value shown black to one shown white.

    Raises:
        ValueError: they are not in this order, or not finite.
    """
    check_window(low, high)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(high - low, (high + low) / 2)


def _shear(node: slicer.vtkMRMLVolumeNode) -> float:
    axes = ijk_to_ras_of(node)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def _components(path: Path) -> int:
    """Values in each voxel, from the file's header; 0 where no volume can be read.

    Raises:
        VolumeError: voxels are missing.
        MemoryError: there is too little memory for them.
        OSError: the file, or one that it takes its voxels from, is no plain file or cannot be read.
        ValueError: a header without an end.
    """
    voxel_files(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return 0
    check_whole(path, reader)
    components = int(reader.GetNumberOfComponents())
    copies = _COPIES.get(SimpleITK.ImageFileReader.GetImageIOFromFileName(str(path)), 2)
    check_memory(copies * math.prod(reader.GetSize()) * components * _component_size(reader.GetPixelID()))
    return components


def _component_size(pixel_id: int) -> int:
    """Bytes of one value of a type of voxels."""
    try:
        return int(SimpleITK.Image([1, 1], pixel_id).GetSizeOfPixelComponent())
    except RuntimeError:  # no type that SimpleITK knows, though MRML may
        return 1
