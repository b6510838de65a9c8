"""DICOM files for tests: slices as scanners write them, and enhanced multi-frame images made of them."""

import random

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}


def tilted(about_x, about_y=0.0):
    """(2, 3) directions of rows and columns, LPS, turned by degrees."""
    x, y = np.radians((about_x, about_y))
    pitch = np.array(((1, 0, 0), (0, np.cos(x), -np.sin(x)), (0, np.sin(x), np.cos(x))))
    roll = np.array(((np.cos(y), 0, np.sin(y)), (0, 1, 0), (-np.sin(y), 0, np.cos(y))))
    return (roll @ pitch)[:, :2].T


class SeriesMaker:
    """Makes the images of one series.

    Args:
        modality: "CT", "MR" or "PT".
        stored: (slice, row, column) uint16, or (slice, row, column, 3) uint8.
        orientation: (2, 3) LPS.
        step: (3,) LPS millimeters from a slice to the next; by default 2.5 along the normal.
        changes: attributes of all images.
    """

    def __init__(self, modality, stored, orientation=None, step=None, **changes):
        self.modality, self.stored = modality, stored
        self.orientation = np.eye(3)[:2] if orientation is None else orientation
        self.step = 2.5 * np.cross(*self.orientation) if step is None else np.asarray(step, float)
        self.origin = np.array((-31.25, 17.5, 42.0))
        self.spacing = (0.7, 0.9)  # row, column
        self.common = self._common()
        for keyword, value in changes.items():
            setattr(self.common, keyword, value)

    def _common(self):
        common = Dataset()
        common.SOPClassUID, common.Modality = CLASSES[self.modality], self.modality
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            setattr(common, keyword, generate_uid(prefix=None))
        common.PatientID, common.PatientName = "P-17", "Doe^Jane"
        common.PatientBirthDate, common.PatientSex = "19500101", "F"
        common.StudyDate, common.StudyTime, common.StudyID = "20260102", "101500", "S1"
        common.AccessionNumber, common.ReferringPhysicianName = "A1", ""
        common.SeriesNumber, common.SeriesDescription = 3, f"{self.modality} head"
        common.Manufacturer, common.PatientPosition, common.BodyPartExamined = "Scanner works", "HFS", "HEAD"
        common.PositionReferenceIndicator = ""
        common.AcquisitionDate, common.AcquisitionTime, common.ContentDate = "20260102", "102000", "20260102"
        common.ContentTime, common.AcquisitionNumber = "102000", 1
        common.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        return common

    @property
    def ijk_to_lps(self):
        """4 x 4 of the grid."""
        matrix = np.eye(4)
        matrix[:3, 0], matrix[:3, 1] = self.orientation[0] * self.spacing[1], self.orientation[1] * self.spacing[0]
        matrix[:3, 2], matrix[:3, 3] = self.step, self.origin
        return matrix

    @property
    def ijk_to_ras(self):
        """4 x 4 of the grid."""
        return np.diag((-1, -1, 1, 1)) @ self.ijk_to_lps

    def images(self, slopes=None, intercept=0):
        """One dataset for each slice."""
        return [self._image(index, slopes, intercept) for index in range(len(self.stored))]

    def write(self, folder, slopes=None, intercept=0, seed=0):
        """Write the series, file names in another order than the slices; gives the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        images = self.images(slopes, intercept)
        for name, index in enumerate(random.Random(seed).sample(range(len(images)), len(images))):
            images[index].save_as(folder / f"{name:03}.dcm", enforce_file_format=True)
        return folder

    def _image(self, index, slopes, intercept):
        image = Dataset()
        image.update(self.common)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPInstanceUID, image.InstanceNumber = generate_uid(prefix=None), index + 1
        image.ImagePositionPatient = [f"{value:.10g}" for value in self.origin + index * self.step]
        image.ImageOrientationPatient = [f"{value:.10g}" for value in self.orientation.ravel()]
        image.PixelSpacing, image.SliceThickness = list(self.spacing), 2.5
        if slopes is not None:
            image.RescaleSlope, image.RescaleIntercept = f"{slopes[index]:.10g}", intercept
        add_pixels(image, self.stored[index])
        return image


def add_pixels(image, pixels, frames=False):
    """Set pixels, (row, column[, 3]) or with ``frames`` (frame, row, column)."""
    is_color = pixels.ndim == 3 and not frames
    image.Rows, image.Columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    if frames:
        image.NumberOfFrames = len(pixels)
    image.SamplesPerPixel = 3 if is_color else 1
    image.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        image.PlanarConfiguration = 0
    image.BitsAllocated = image.BitsStored = 8 * pixels.dtype.itemsize
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(pixels.dtype.kind == "i")
    image.PixelData = pixels.tobytes()


def enhanced(images, path, seed=1):
    """An enhanced multi-frame image of single ones, its frames in another order than space; gives the path."""
    from highdicom.legacy import (
        LegacyConvertedEnhancedCTImage,
        LegacyConvertedEnhancedMRImage,
        LegacyConvertedEnhancedPETImage,
    )

    converted = {
        "CT": LegacyConvertedEnhancedCTImage,
        "MR": LegacyConvertedEnhancedMRImage,
        "PT": LegacyConvertedEnhancedPETImage,
    }[images[0].Modality]
    shuffled = random.Random(seed).sample(images, len(images))
    converted(shuffled, generate_uid(prefix=None), 5, generate_uid(prefix=None), 1).save_as(path)
    return path


def nuclear_reconstruction(stored, spacing_between, path):
    """A nuclear medicine reconstruction: one image, its first slice's place and a signed distance; gives the path."""
    image = SeriesMaker("PT", stored, tilted(15)).images()[0]
    image.SOPClassUID, image.Modality = NuclearMedicineImageStorage, "NM"
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = (
        image.ImagePositionPatient,
        image.ImageOrientationPatient,
    )
    del image.ImagePositionPatient, image.ImageOrientationPatient
    image.DetectorInformationSequence, image.SpacingBetweenSlices = [detector], spacing_between
    add_pixels(image, stored, frames=True)
    image.save_as(path, enforce_file_format=True)
    return path


def written(folder):
    """All datasets of a written series, in the order of their names."""
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
