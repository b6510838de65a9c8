"""What makes a series a derived one: its class, its sources, how it was made and by what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage

from AMIFusionLib.arrays import Array

from .frames import Frame
from .identity import PlaceholderPatient, identity_of, placeholder_identity
from .reading import DicomVolume

_FUSION = Code("FUSION", "99AMIFUSION", "Image fusion")
"""DICOM has no code for it; designators that begin with 99 are private ones (PS3.3 8.2)."""

_SERIES_OFFSET = 9000
"""Added to the reference's series number, so that the result comes behind the scanner's series."""

_LONGEST_LABEL = 64
_LONGEST_TEXT = 1024

_MR_ACQUISITION = ("ScanningSequence", "SequenceVariant", "MRAcquisitionType", "RepetitionTime",
                   "EchoTime", "InversionTime", "EchoTrainLength", "MagneticFieldStrength")  # fmt: skip
_MR_DEFAULTS = {"ScanningSequence": "RM", "SequenceVariant": "NONE", "ScanOptions": "", "MRAcquisitionType": "",
                "RepetitionTime": "", "EchoTime": "", "EchoTrainLength": ""}  # fmt: skip
"""For an enhanced reference, which says these otherwise; "RM" is research mode."""


@dataclass(frozen=True)
class Derivation:
    """How a volume was made from two others.

    Attributes:
        series: what the new series is called.
        description: how it was made, in sentences; at most 1024 characters are written.
        software: name and version of what made it.
        patient: whose images these are where the reference is no DICOM.
        is_marked: whether text was drawn into the pixels.
    """

    series: str
    description: str
    software: tuple[str, str]
    patient: PlaceholderPatient = field(default_factory=PlaceholderPatient)
    is_marked: bool = False


def derived_series(
    reference: DicomVolume | None, moving: DicomVolume | None, how: Derivation, is_color: bool
) -> Dataset:
    """What all images of a derived series share.

    Gray values on an MR become an MR series: MR's values have no unit, so that fused ones mean nothing else. On any
    other reference they become secondary captures with the reference's modality, planes included: a CT or PET series
    would promise Hounsfield units or activity to whoever computes with them. Color fits into secondary captures only.

    Args:
        reference: whose patient, study and frame of reference are taken; None takes the placeholder patient.
        moving: the other source, None where it is no DICOM.
        how: how the volume was made.
        is_color: whether its voxels are RGB.
    """
    header = reference.header if reference is not None else None
    series = identity_of(header) if header is not None else placeholder_identity(how.patient, "Fusion")
    series.Modality = reference.modality or "OT" if reference is not None else "OT"
    is_mr = series.Modality == "MR" and not is_color
    series.SOPClassUID = MRImageStorage if is_mr else SecondaryCaptureImageStorage
    series.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    series.SeriesNumber = _SERIES_OFFSET + _number(header)
    # A backslash would part one description into two.
    series.SeriesDescription = how.series.replace("\\", "/")[:_LONGEST_LABEL]
    series.DerivationDescription = how.description[:_LONGEST_TEXT]
    series.ImageComments = how.description[:_LONGEST_TEXT]
    series.DerivationCodeSequence = [_code_item(_FUSION), _code_item(codes.DCM.SpatialResampling)]
    _add_equipment(series, header, how.software)
    if is_mr and header is not None:
        _add_mr(series, header)
    else:
        series.ConversionType = "WSD"  # a workstation
    sources = [source.header for source in (reference, moving) if source is not None]
    _add_inherited(series, sources, how.is_marked)
    return series


def source_items(reference: Sequence[Frame], moving: Sequence[Frame], is_same_grid: bool) -> Dataset:
    """A slice's references to the frames it was made from.

    Args:
        reference: the frame at the slice's place, or none.
        moving: those that it was resampled from.
        is_same_grid: whether these lie on the same grid.
    """
    part = Dataset()
    reference, moving = ([frame for frame in frames if _can_be_named(frame)] for frames in (reference, moving))
    items = [_source_item(frames, "YES") for frames in _by_image(reference)]
    items += [_source_item(frames, "YES" if is_same_grid else "NO") for frames in _by_image(moving)]
    if items:
        part.SourceImageSequence = items
        _add_instances(part, [frame.image for frame in (*reference, *moving)], reference)
    return part


def contributing(
    ijk_to_ras: Array, shape: Sequence[int], slice_index: int, moving: DicomVolume, to_world: Array
) -> range:
    """Which slices of a moving volume a slice of another grid is interpolated from.

    Args:
        ijk_to_ras: 4 x 4 of the grid.
        shape: (slices, rows, columns) of the grid.
        slice_index: of the grid's slice.
        moving: the volume.
        to_world: 4 x 4 of the linear transform that moves it.

    Returns:
        Indices of its slices, perhaps none.
    """
    corners = np.array([(i, j, slice_index, 1) for i in (0, shape[2] - 1) for j in (0, shape[1] - 1)], float).T
    across = (np.linalg.inv(to_world @ moving.ijk_to_ras) @ ijk_to_ras @ corners)[2]
    count = len(moving.frames)
    first = max(int(np.floor(across.min() + 1e-6)), 0)
    last = min(int(np.ceil(across.max() - 1e-6)), count - 1)
    return range(first, max(last + 1, first))


def _can_be_named(frame: Frame) -> bool:
    """Whether an image has the UIDs that a reference needs; incomplete files lack them."""
    needed = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    return all(frame.image.get(keyword) for keyword in needed)


def _by_image(frames: Iterable[Frame]) -> list[list[Frame]]:
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(str(frame.image.SOPInstanceUID), []).append(frame)
    return list(groups.values())


def _source_item(frames: Sequence[Frame], is_preserved: str) -> Dataset:
    item = _instance_item(frames[0].image)
    numbers = [frame.number for frame in frames if frame.number is not None]
    if numbers:
        item.ReferencedFrameNumber = numbers
    item.PurposeOfReferenceCodeSequence = [_code_item(codes.DCM.SourceImageForImageProcessingOperation)]
    item.SpatialLocationsPreserved = is_preserved
    return item


def _add_instances(part: Dataset, images: Sequence[Dataset], reference: Sequence[Frame]) -> None:
    """The module Common Instance Reference (PS3.3 C.12.2): series of the own study apart from those of others."""
    own = str(reference[0].image.StudyInstanceUID) if reference else ""
    studies: dict[str, dict[str, dict[str, Dataset]]] = {}
    for image in images:
        series = studies.setdefault(str(image.StudyInstanceUID), {}).setdefault(str(image.SeriesInstanceUID), {})
        series[str(image.SOPInstanceUID)] = image
    others = []
    for study, parts in studies.items():
        items = []
        for uid, instances in parts.items():
            item = Dataset()
            item.SeriesInstanceUID = uid
            item.ReferencedInstanceSequence = [_instance_item(image) for image in instances.values()]
            items.append(item)
        if study == own:
            part.ReferencedSeriesSequence = items
            continue
        other = Dataset()
        other.StudyInstanceUID, other.ReferencedSeriesSequence = study, items
        others.append(other)
    if others:
        part.StudiesContainingOtherReferencedInstancesSequence = others


def _instance_item(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def _add_equipment(series: Dataset, header: Dataset | None, software: tuple[str, str]) -> None:
    """What made the images, and before it the scanner of the reference (PS3.3 C.7.5.1 and C.12.1.1.5)."""
    name, version = software
    series.Manufacturer = series.ManufacturerModelName = name
    series.SoftwareVersions = version
    if header is not None and header.get("Manufacturer"):
        scanner = Dataset()
        scanner.PurposeOfReferenceCodeSequence = [_code_item(codes.DCM.AcquisitionEquipment)]
        for keyword in ("Manufacturer", "ManufacturerModelName", "InstitutionName", "SoftwareVersions"):
            if header.get(keyword):
                scanner.add(header[keyword])
        series.ContributingEquipmentSequence = [scanner]


def _add_mr(series: Dataset, header: Dataset) -> None:
    for keyword, value in _MR_DEFAULTS.items():
        setattr(series, keyword, value)
    for keyword in _MR_ACQUISITION:
        if header.get(keyword) not in (None, ""):
            series.add(header[keyword])
    if "IR" not in series.ScanningSequence:
        series.pop("InversionTime", None)
    elif "InversionTime" not in series:
        series.InversionTime = ""


def _add_inherited(series: Dataset, headers: Sequence[Dataset], is_marked: bool) -> None:
    """What is true of a result because it is of a source: lost detail, and text in the pixels.

    By its definition (PS3.3 C.7.6.1) BurnedInAnnotation is about text that tells patient and date, which the mark does
    not. Archives and viewers take it for any text in the pixels, though, and a marked result must not pass as one
    without: YES errs on the side of caution.
    """
    for header in headers:
        if header.get("LossyImageCompression") == "01":
            for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
                if keyword in header:
                    series.add(header[keyword])
    said = {header.get("BurnedInAnnotation") for header in headers}
    series.BurnedInAnnotation = "YES" if is_marked or "YES" in said else "NO"


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _number(header: Dataset | None) -> int:
    number = header.get("SeriesNumber") if header is not None else None
    return int(number) if number not in (None, "") and 0 <= int(number) < 2**30 else 0
