"""Whose images a written series holds: a source's patient and study, or a placeholder's."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime

from pydicom.config import disable_value_validation
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


@dataclass(frozen=True)
class PlaceholderPatient:
    """The patient of images that came without one."""

    patient_id: str = "UNKNOWN"
    name: str = "Unknown^Patient"


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
                identity.add(copy.deepcopy(header[keyword]))
    return _completed(identity)


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
