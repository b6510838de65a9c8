"""Synthetic volumes as the series that a scanner would write, for tests and tutorials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from AMIFusionLib.arrays import Array

from .errors import DicomError
from .writing import SliceStack, write_series

_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
_LARGEST_STORED = 32767

_IMAGE_TYPES = {
    "CT": ["DERIVED", "SECONDARY", "AXIAL"], "MR": ["DERIVED", "SECONDARY", "OTHER"], "PT": ["DERIVED", "PRIMARY"],
}  # fmt: skip

_CT = {"PatientPosition": "HFS", "KVP": "", "AcquisitionNumber": "", "RescaleIntercept": 0, "RescaleSlope": 1,
       "RescaleType": "HU"}  # fmt: skip
_MR = {"PatientPosition": "HFS", "ScanningSequence": "RM", "SequenceVariant": "NONE", "ScanOptions": "",
       "MRAcquisitionType": "2D", "RepetitionTime": "", "EchoTime": "", "EchoTrainLength": ""}  # fmt: skip
_PT = {"Units": "GML", "SUVType": "BW", "CountsSource": "EMISSION", "SeriesType": ["STATIC", "IMAGE"],
       "CorrectedImage": "", "DecayCorrection": "NONE", "CollimatorType": "NONE", "AcquisitionDate": "",
       "AcquisitionTime": "", "ActualFrameDuration": "", "FrameReferenceTime": 0, "RescaleIntercept": 0}  # fmt: skip
_PT_SEQUENCES = ("RadiopharmaceuticalInformationSequence", "PatientOrientationCodeSequence",
                 "PatientGantryRelationshipCodeSequence")  # fmt: skip


def write_synthetic_series(
    folder: Path, modality: str, array: Array, ijk_to_ras: Array, window: tuple[float, float],
    identity: Dataset, description: tuple[int, str], software: tuple[str, str],
) -> int:  # fmt: skip
    """Write a synthetic volume as a CT, MR or PET series.

    As PET scanners do, each PET slice gets a slope of its own: its values come back to 1 / 32767 of its largest.

    Args:
        folder: an empty one.
        modality: "CT", "MR" or "PT".
        array: (slice, row, column); whole numbers within int16 unless PET.
        ijk_to_ras: 4 x 4.
        window: (low, high).
        identity: patient, study and frame of reference.
        description: the series' number and name.
        software: name and version of what made it.

    Returns:
        How many files were written.

    Raises:
        DicomError: another modality.
    """
    if modality not in _CLASSES:
        raise DicomError(f"There is no synthetic series of the modality '{modality}'. Choose one of: CT, MR, PT.")
    common = _common(modality, identity, description, software)
    if modality != "PT":
        return write_series(folder, SliceStack(array, ijk_to_ras, window), common)
    common.NumberOfSlices = len(array)
    slopes = [float(f"{max(float(part.max()), 1e-6) / _LARGEST_STORED:.6e}") for part in array]
    stored = np.stack([np.rint(part / slope) for part, slope in zip(array, slopes)]).clip(0, _LARGEST_STORED)
    stack = SliceStack(stored.astype(np.int16), ijk_to_ras, window)
    return write_series(folder, stack, common, lambda index: _pet_slice(index, slopes))


def _common(modality: str, identity: Dataset, description: tuple[int, str], software: tuple[str, str]) -> Dataset:
    series = Dataset()
    series.update(identity)
    series.Modality, series.SOPClassUID = modality, _CLASSES[modality]
    series.ImageType = _IMAGE_TYPES[modality]
    series.SeriesNumber, series.SeriesDescription = description
    series.BodyPartExamined = "HEAD"
    series.pop("Laterality", None)  # there is only one
    series.Manufacturer, series.ManufacturerModelName = software[0], software[0]
    series.SoftwareVersions = software[1]
    series.SyntheticData, series.BurnedInAnnotation = "YES", "NO"
    of_modality: dict[str, Mapping[str, object]] = {"CT": _CT, "MR": _MR, "PT": _PT}
    for keyword, value in of_modality[modality].items():
        setattr(series, keyword, value)
    if modality == "PT":
        # Says the patient's position in its place.
        del series.PatientPosition
        for keyword in _PT_SEQUENCES:
            setattr(series, keyword, [])
    return series


def _pet_slice(index: int, slopes: Sequence[float]) -> Dataset:
    part = Dataset()
    part.RescaleSlope, part.ImageIndex = f"{slopes[index]:.6e}", index + 1
    return part
