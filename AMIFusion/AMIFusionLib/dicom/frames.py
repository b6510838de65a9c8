"""The frames of DICOM images: where each lies, and what its stored values mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from AMIFusionLib.arrays import Array

from .errors import DicomError

_MODALITY_LUT = "ModalityLUTSequence"


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice, without its pixels.

    Attributes:
        image: the dataset that it is in.
        index: its place in that dataset's pixels, from 0.
        position: (3,) LPS millimeters of the first pixel's middle.
        orientation: (2, 3) unit vectors, LPS: along a row, that is where columns run, and along a column.
        pixel_spacing: (row, column) millimeters: from a row to the next, from a column to the next.
        gap: millimeters to the next slice as the header says, or None; counts only for a single slice.
        slope, intercept: stored value to modality value.
        window: (low, high) in modality values, or None.
    """

    image: Dataset = field(repr=False)
    index: int
    position: Array
    orientation: Array
    pixel_spacing: tuple[float, float]
    gap: float | None
    slope: float
    intercept: float
    window: tuple[float, float] | None

    @property
    def number(self) -> int | None:
        """Its DICOM frame number, from 1; None in an image of a single frame."""
        return self.index + 1 if "NumberOfFrames" in self.image else None

    @property
    def normal(self) -> Array:
        """(3,) where slices are stacked toward: away from who looks at the image."""
        return np.cross(*self.orientation)


def frames_of(image: Dataset) -> list[Frame]:
    """The frames of an image: of one frame, enhanced multi-frame, or a nuclear medicine reconstruction.

    Raises:
        DicomError: a frame has no place in the patient's space, or its values no linear meaning.
    """
    count = int(image.get("NumberOfFrames") or 1)
    if _items(image, "PerFrameFunctionalGroupsSequence"):
        return list(_enhanced_frames(image, count))
    if _items(image, "DetectorInformationSequence") and "ImagePositionPatient" not in image:
        return list(_nuclear_frames(image, count))
    if count > 1:
        raise DicomError(
            f"{_named(image)} has {count} frames, but does not say where each of them lies. Export it as a series of "
            "single images, or as an enhanced multi-frame image."
        )
    return [_frame(image, 0, [image])]


def _enhanced_frames(image: Dataset, count: int) -> Iterator[Frame]:
    """Frames with functional groups (PS3.3 C.7.6.16): a frame's own count before those that all share."""
    shared = _items(image, "SharedFunctionalGroupsSequence")
    per_frame = _items(image, "PerFrameFunctionalGroupsSequence")
    if len(per_frame) != count:
        raise DicomError(f"{_named(image)} has {count} frames and describes {len(per_frame)}. Get a whole copy of it.")
    for index, groups in enumerate(per_frame):
        # Each functional group is a sequence of one item; the image comes last, as some writers put planes there.
        places = [items[0] for group in (groups, *shared) for items in _groups(group)]
        yield _frame(image, index, [*places, image])


def _nuclear_frames(image: Dataset, count: int) -> Iterator[Frame]:
    """Reconstructed slices of nuclear medicine: the first one's place and a signed distance (PS3.3 C.8.4.15)."""
    first = _frame(image, 0, [_items(image, "DetectorInformationSequence")[0], image])
    if count > 1 and first.gap is None:
        raise DicomError(f"{_named(image)} does not say how far apart its slices are. Export it anew.")
    step = float(image.get("SpacingBetweenSlices") or first.gap or 0) * first.normal
    for index in range(count):
        values = {name: getattr(first, name) for name in Frame.__dataclass_fields__}
        yield Frame(**{**values, "index": index, "position": first.position + index * step})


def _frame(image: Dataset, index: int, places: Sequence[Dataset]) -> Frame:
    """A frame whose attributes are looked for in some datasets, the first that has one counts."""
    position, orientation = _find(places, "ImagePositionPatient"), _find(places, "ImageOrientationPatient")
    spacing = _find(places, "PixelSpacing")
    if not position or not orientation or not spacing or len(position) != 3 or len(orientation) != 6:
        raise DicomError(
            f"{_named(image)} does not say where its pixels lie in the patient. Choose a series of slices, not a "
            "scout, a photograph or a report."
        )
    if any(_items(place, _MODALITY_LUT) for place in places):
        raise DicomError(f"{_named(image)} maps its values by a table, which fusion does not read. Export it anew.")
    slope, intercept = _find(places, "RescaleSlope"), _find(places, "RescaleIntercept")
    gap = _find(places, "SpacingBetweenSlices") or _find(places, "SliceThickness")
    vectors = np.array([float(value) for value in orientation]).reshape(2, 3)
    return Frame(
        image,
        index,
        np.array([float(value) for value in position]),
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        (float(spacing[0]), float(spacing[1])),
        abs(float(gap)) if gap else None,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        _window(places),
    )


def _window(places: Sequence[Dataset]) -> tuple[float, float] | None:
    """The first window, as Slicer shows it: centered on its center."""
    center, width = (_first(_find(places, name)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None or not width > 0 or not math.isfinite(center) or not math.isfinite(width):
        return None
    return center - width / 2, center + width / 2


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value) if isinstance(value, (str, float, int)) else float(value[0]) if len(value) else None


def _find(places: Sequence[Dataset], keyword: str) -> Any:
    """The first value that is there and not empty."""
    for place in places:
        value = place.get(keyword)
        if value is not None and value != "":
            return value
    return None


def _groups(group: Dataset) -> Iterator[list[Dataset]]:
    """The functional groups' items, where they are not empty."""
    for element in group:
        if element.VR == "SQ" and element.value:
            yield list(element.value)


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    return list(dataset.get(keyword) or [])


def _named(image: Dataset) -> str:
    """An image for a message: its file, never its patient."""
    return str(getattr(image, "filename", None) or "A DICOM image")
