"""Whose images a written series holds: a source's patient and study, or a placeholder's."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import datetime

from pydicom.config import disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

_PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate", "PatientBirthTime", "PatientSex", "QualityControlSubject", "OtherPatientIDsSequence",
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence",
    "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole", "ResponsibleOrganization",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
)  # fmt: skip
"""Of the modules Patient and Clinical Trial Subject (PS3.3 C.7.1)."""

_STUDY = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName", "StudyDescription", "ProcedureCodeSequence", "PatientAge", "PatientSize", "PatientWeight",
    "PatientSexNeutered", "AdmissionID", "ClinicalTrialTimePointID", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""Of the modules General Study and Patient Study (PS3.3 C.7.2)."""

_ANATOMY = ("PatientPosition", "BodyPartExamined", "Laterality", "AnatomicalOrientationType", "FrameOfReferenceUID",
            "PositionReferenceIndicator")  # fmt: skip

_EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "PatientPosition", "PositionReferenceIndicator",
)  # fmt: skip
"""Attributes of type 2: there, though perhaps empty."""

_LARGEST_TEXT = 64
"""Characters of an ID, and of each way that a name is written in."""

_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff]")
"""What ends a value, controls how text is shown, or has no place in UTF-8."""


@dataclass(frozen=True)
class PlaceholderPatient:
    """The patient of images that came without one.

    Raises:
        ValueError: an ID or a name that DICOM cannot hold, with a sentence that says what is allowed.
    """

    patient_id: str = "UNKNOWN"
    name: str = "Unknown^Patient"

    def __post_init__(self) -> None:
        check_patient_id(self.patient_id)
        check_patient_name(self.name)


def check_patient_id(text: str) -> None:
    """Refuse what is no patient ID in DICOM (PS3.5 6.2, LO); the text is not told, for it is a patient's.

    Raises:
        ValueError: with a sentence that says what is allowed.
    """
    if _NO_TEXT.search(text) or len(text) > _LARGEST_TEXT:
        raise ValueError(
            f"A patient ID has up to {_LARGEST_TEXT} characters, none of them a backslash or a control character."
        )


def check_patient_name(text: str) -> None:
    """Refuse what is no patient's name in DICOM (PS3.5 6.2, PN); the text is not told.

    Raises:
        ValueError: with a sentence that says what is allowed.
    """
    groups = text.split("=")
    is_long = len(groups) > 3 or any(len(one) > _LARGEST_TEXT or one.count("^") > 4 for one in groups)
    if _NO_TEXT.search(text) or is_long:
        raise ValueError(
            "A patient's name, as Family^Given, has up to 5 parts with ^ between them, and may be written in up to 3 "
            f"ways with = between them, each of up to {_LARGEST_TEXT} characters, none of them a backslash or a "
            "control character."
        )


def identity_of(header: Dataset) -> Dataset:
    """Patient, study and frame of reference of a source's dataset.

    Text is written in UTF-8 from here on, whatever the source's character set is. What the source lacks is empty, or
    made where it must be there.
    """
    identity = Dataset()
    # What a scanner wrote against the standard is kept as it is: it must go on to match the other series.
    with disable_value_validation():
        for keyword in (*_PATIENT, *_STUDY, *_ANATOMY):
            if keyword in header:
                element = copy.deepcopy(header[keyword])
                _decode(element)
                identity.add(element)
    return _completed(identity)


def _decode(element: DataElement) -> None:
    """Read a sequence's items in the character set that they were written in: unread, they keep its bytes."""
    if element.VR != "SQ":
        return
    for item in element.value:
        for part in item:
            _decode(part)
        # One of its own would go on to stand above text in UTF-8.
        item.pop("SpecificCharacterSet", None)


def are_of_two_patients(one: Dataset, other: Dataset) -> bool:
    """Whether two datasets name different patient IDs; a missing one tells nothing."""
    identifiers = {str(header.get("PatientID") or "") for header in (one, other)} - {""}
    return len(identifiers) == 2


def placeholder_identity(patient: PlaceholderPatient, study_description: str) -> Dataset:
    """A new study of a placeholder patient, today."""
    identity, now = Dataset(), datetime.now()
    identity.PatientID, identity.PatientName = patient.patient_id, patient.name
    identity.StudyDate, identity.StudyTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    identity.StudyDescription = study_description
    return _completed(identity)


def _completed(identity: Dataset) -> Dataset:
    identity.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not identity.get(keyword):
            setattr(identity, keyword, generate_uid(prefix=None))
    if not identity.get("BodyPartExamined") and "Laterality" not in identity:
        identity.Laterality = ""  # it may be one of a pair
    for keyword in _EMPTY_IF_UNKNOWN:
        if keyword not in identity:
            setattr(identity, keyword, "")
    return identity
