"""Small volumes as files, a license, and the command line in this process."""

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH
from AMIFusionLib.cli.__main__ import application
from dicom_files import SeriesMaker, tilted
from typer.testing import CliRunner


def run(*arguments, expect=0):
    """Run a command; gives its standard output and error. With ``expect`` None it may end with any exit code but 0."""
    outcome = CliRunner().invoke(application, [str(argument) for argument in arguments])
    assert outcome.exit_code == expect or (expect is None and outcome.exit_code), outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    return SimpleNamespace(out=outcome.stdout, err=outcome.stderr)


def ball(shape, seed):
    """(slice, row, column) uint16."""
    axes = np.meshgrid(*(np.linspace(-1, 1, count) for count in shape), indexing="ij")
    values = np.random.default_rng(seed).integers(100, 900, shape)
    return (values * (sum(axis**2 for axis in axes) < 0.8)).astype(np.uint16)


@pytest.fixture
def pair(scene, tmp_path):
    """Two small NRRD files on different grids."""
    for name, shape, seed in (("mr", (9, 36, 40), 0), ("ct", (12, 44, 36), 1)):
        image = SimpleITK.GetImageFromArray(ball(shape, seed).astype(np.int16))
        image.SetSpacing((1.0, 1.1, 3.0))
        SimpleITK.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
    return tmp_path / "mr.nrrd", tmp_path / "ct.nrrd"


@pytest.fixture
def dicom_pair(scene, tmp_path):
    """Two small DICOM series of one patient."""
    mr = SeriesMaker("MR", ball((9, 36, 40), 0), tilted(12)).write(tmp_path / "study" / "mr")
    ct = SeriesMaker("CT", ball((12, 40, 44), 1), SeriesNumber=4).write(tmp_path / "study" / "ct", [1] * 12, -100)
    return mr, ct


@pytest.fixture
def license_file(tmp_path, issue):
    """A license of the test model."""
    path = tmp_path / "test.license"
    path.write_text(issue())
    return path


LICENSED = ("--license", EVALUATION_LICENSE_PATH)
