"""Damaged DICOM files: a series of them is read as it was, or refused with a sentence; nothing else ever happens."""

import numpy as np
import pytest
from AMIFusionLib.dicom.errors import DicomError
from AMIFusionLib.dicom.reading import read_dicom
from dicom_files import SeriesMaker
from hypothesis import given
from hypothesis import strategies as st
from small_volumes import ball
from test_fuzzed_parsers import fuzzed

SHAPE = (3, 6, 8)
MOST_VALUES = 1 << 20
"""In what a damaged header may promise: the pixels that there are, are far fewer."""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A small series and the content of its middle file."""
    folder = SeriesMaker("CT", ball(SHAPE, 1)).write(tmp_path_factory.mktemp("series"))
    file = sorted(folder.iterdir())[1]
    return folder, file, file.read_bytes()


def read(folder):
    """The volume, or None where it is refused."""
    try:
        volume = read_dicom(folder)
    except DicomError as error:
        sentence, *listed = str(error).splitlines()
        assert sentence.endswith(":" if listed else ".") and len(sentence) < 500
        assert all(line.isprintable() for line in listed) and len(listed) <= SHAPE[0]
        return None
    assert volume.array.ndim in (3, 4) and volume.array.size <= MOST_VALUES and volume.ijk_to_ras.shape == (4, 4)
    return volume


@fuzzed
@given(length=st.integers(0, 1 << 20))
def test_cut_off_files(series, length):
    folder, file, content = series
    file.write_bytes(content[: length % len(content)])
    # Not as a series without that slice, which would be as regular as before.
    assert read(folder) is None


@fuzzed
@given(
    changes=st.lists(st.tuples(st.integers(128, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8),
    every=st.booleans(),
)
def test_changed_bytes(series, changes, every):
    folder, file, content = series
    changed = bytearray(content)
    # Most of a file is pixels, of which any are pixels; the header is what a reader believes.
    header = len(content) - 2 * int(np.prod(SHAPE[1:]))
    for place, value in changes:
        changed[place % (len(content) if every else header)] = value
    file.write_bytes(changed)
    read(folder)


@fuzzed
@given(content=st.binary(max_size=400))
def test_anything_behind_a_preamble(series, content):
    folder, file, _whole = series
    file.write_bytes(bytes(128) + b"DICM" + content)
    read(folder)
