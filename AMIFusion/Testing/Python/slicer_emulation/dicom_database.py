"""`slicer.dicomDatabase` and `DICOMLib.DICOMUtils`: importing a folder, asking what there is, loading series.

Unlike Slicer's, the database is in memory, and a series is read by `AMIFusionLib.volumes.files`.
"""

import os
import types
from pathlib import Path

import slicer


class ctkDICOMDatabase:
    """Files by patient, study and series."""

    def __init__(self):
        self._files = {}

    def _uids(self, keyword, **of):
        """Different values of an attribute, in the order of their import."""
        headers = self._files.values()
        return list(dict.fromkeys(h[keyword].value for h in headers if all(h[k].value == v for k, v in of.items())))

    def patients(self):
        """The database's own numbers of the patients, as texts."""
        return [str(number) for number, _ in enumerate(self._uids("PatientID"), 1)]

    def studiesForPatient(self, patient):
        """Study instance UIDs."""
        return self._uids("StudyInstanceUID", PatientID=self._uids("PatientID")[int(patient) - 1])

    def seriesForStudy(self, study):
        """Series instance UIDs."""
        return self._uids("SeriesInstanceUID", StudyInstanceUID=study)

    def filesForSeries(self, series, hits=-1):
        """Paths, `hits` of them at most."""
        files = [path for path, header in self._files.items() if header.SeriesInstanceUID == series]
        return files[:hits] if hits >= 0 else files

    def fileValue(self, path, tag):
        """An attribute of a file by its tag, "0008,0060"; empty where there is none."""
        group, element = (int(part, 16) for part in tag.split(","))
        header = self._files[path]
        return str(header[group, element].value) if (group, element) in header else ""

    isOpen = True


def importDicom(folder, dicomDatabase=None):
    """Add all DICOM files below a folder."""
    import pydicom  # which brings Pillow, that the module must load without

    database = dicomDatabase or slicer.dicomDatabase
    for path in sorted(Path(folder).rglob("*.dcm")):
        database._files[os.fspath(path)] = pydicom.dcmread(path, stop_before_pixels=True)
    return True


def loadSeriesByUID(series_uids):
    """Load series into the scene, below their patient and study; gives the IDs of their nodes."""
    if not isinstance(series_uids, list) or not series_uids:
        raise ValueError("SeriesUIDs must contain a list")
    return [_load(uid) for uid in series_uids]


def _load(uid):
    from AMIFusionLib.volumes.files import read_volume

    database, hierarchy = slicer.dicomDatabase, slicer.mrmlScene.GetSubjectHierarchyNode()
    first = database.filesForSeries(uid, 1)[0]
    header = database._files[first]
    node = read_volume(slicer.mrmlScene, Path(first).parent, uid).node
    modality = header.Modality
    node.SetName(f"{header.get('SeriesNumber', 0)}: {header.get('SeriesDescription', '') or modality}")
    node.RemoveAttribute("DICOM.Modality")
    study = _item(header.StudyInstanceUID, _item(header.PatientID, hierarchy.GetSceneItemID(), "Patient"), "Study")
    item = hierarchy.GetItemByDataNode(node)
    hierarchy.SetItemParent(item, study)
    hierarchy.SetItemUID(item, "DICOM", uid)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)
    return node.GetID()


def _item(uid, parent, level):
    """The subject hierarchy item of a patient or a study."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByUID("DICOM", uid)
    if not item:
        create = hierarchy.CreateSubjectItem if level == "Patient" else hierarchy.CreateStudyItem
        item = create(parent, str(uid))
        hierarchy.SetItemUID(item, "DICOM", uid)
    return item


def build():
    """The module `DICOMLib`."""
    library, utilities = types.ModuleType("DICOMLib"), types.ModuleType("DICOMLib.DICOMUtils")
    utilities.importDicom, utilities.loadSeriesByUID = importDicom, loadSeriesByUID
    library.DICOMUtils = utilities
    return {"DICOMLib": library, "DICOMLib.DICOMUtils": utilities}


def clear():
    """An empty database."""
    slicer.dicomDatabase = ctkDICOMDatabase()
