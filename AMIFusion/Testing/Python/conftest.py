"""Fixtures shared by all tests: the scene, volumes, throw-away publishers and models."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer_emulation
import torch
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MODULE_FILE = Path(__file__).resolve().parents[2] / "AMIFusion.py"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    # On a busy machine two threads that wait for each other take ten times as long as one.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory, monkeypatch):
    # What the command line knows of revoked licenses is kept between runs.
    monkeypatch.setenv("AMIFUSION_FOLDER", str(tmp_path_factory.mktemp("kept")))


@pytest.fixture(scope="session")
def _slicer_once():
    return slicer_emulation.install()


@pytest.fixture
def slicer(_slicer_once):
    """Slicer with an empty scene."""
    slicer_emulation.reset()
    yield _slicer_once
    errors = [*slicer_emulation.slot_errors, *slicer_emulation.refused_connections]
    slicer_emulation.reset()
    assert not errors, errors


@pytest.fixture
def scene(slicer):
    """The application's scene, empty."""
    return slicer.mrmlScene


@pytest.fixture(scope="session")
def _module_once(_slicer_once):
    return slicer_emulation.load_module(str(MODULE_FILE))


@pytest.fixture
def module(slicer, _module_once):
    """The module's Python module, loaded as Slicer loads it."""
    return _module_once


@pytest.fixture
def logic(module):
    """The module's logic."""
    return module.AMIFusionLogic()


@pytest.fixture
def add_volume(scene):
    """Makes volume nodes from arrays."""

    def add(array, name="Volume", ijk_to_ras=None, window=None):
        import slicer
        import vtk
        from vtk.util.numpy_support import numpy_to_vtk

        kind = "vtkMRMLVectorVolumeNode" if array.ndim == 4 else "vtkMRMLScalarVolumeNode"
        node = scene.AddNewNodeByClass(kind, name)
        if array.dtype.itemsize == 8 and array.dtype.kind in "iu":
            # Slicer's own function refuses 64-bit integers, but files and filters bring them into scenes.
            image = vtk.vtkImageData()
            image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
            image.GetPointData().SetScalars(numpy_to_vtk(array.reshape(-1), deep=True))
            node.SetAndObserveImageData(image)
        else:
            slicer.util.updateVolumeFromArray(node, array)
        if ijk_to_ras is not None:
            matrix = vtk.vtkMatrix4x4()
            matrix.DeepCopy(np.asarray(ijk_to_ras, dtype=float).ravel())
            node.SetIJKToRASMatrix(matrix)
        node.CreateDefaultDisplayNodes()
        if window is not None:
            low, high = window
            node.GetDisplayNode().SetAutoWindowLevel(False)
            node.GetDisplayNode().SetWindowLevel(high - low, (high + low) / 2)
        return node

    return add


@pytest.fixture
def make_publisher():
    """Makes throw-away publishers: a signing key, its public half and a model key."""

    def make():
        signing_key = Ed25519PrivateKey.generate()
        pem = signing_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return SimpleNamespace(signing_key=signing_key, public_key=pem.decode(), model_key=os.urandom(32))

    return make


@pytest.fixture
def publisher(make_publisher):
    """One throw-away publisher."""
    return make_publisher()


@pytest.fixture
def describe():
    """Makes model descriptions of a publisher."""
    from AMIFusionLib.authorization.model_file import ModelDescription

    def make(publisher, model_id="test-model-1", **changes):
        settings = {
            "model_id": model_id,
            "title": "Test model",
            "architecture": "amif-residual-2",
            "hyperparameters": {"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32},
            "publisher": "Test publisher",
            "contact": "desk@example.org",
            "public_key": publisher.public_key,
            "license_terms": "For tests.",
        }
        return ModelDescription(**{**settings, **changes})

    return make


@pytest.fixture
def parameter_sets():
    """Public and sealed parameters of a small untrained network."""
    return random_parameters(1), random_parameters(2)


def random_parameters(seed, **hyperparameters):
    """Parameters of an untrained network as arrays."""
    from AMIFusionLib.fusion.network import ResidualNetwork

    torch.manual_seed(seed)
    network = ResidualNetwork(**{"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32, **hyperparameters})
    return {name: value.detach().numpy().copy() for name, value in network.named_parameters()}


@pytest.fixture
def model_path(tmp_path, publisher, describe, parameter_sets):
    """A sealed model file of ``publisher``."""
    from AMIFusionLib.authorization.model_file import seal_model

    path = tmp_path / "test.amif"
    seal_model(path, describe(publisher), *parameter_sets, publisher.model_key)
    return path


@pytest.fixture
def model(model_path):
    """The sealed model, read."""
    from AMIFusionLib.authorization.model_file import read_model

    return read_model(model_path)


@pytest.fixture
def issue(publisher, model):
    """Issues licenses of ``publisher`` for ``model``, valid now unless told otherwise."""
    from AMIFusionLib.authorization.license import issue_license

    def make(model=model, publisher=publisher, licensee="Dr. Test", start=-1, end=30, key=None):
        now = datetime.now(timezone.utc)
        days = (now + timedelta(days=start), now + timedelta(days=end))
        return issue_license(model.description, key or publisher.model_key, publisher.signing_key, licensee, *days)

    return make


@pytest.fixture(scope="session")
def head_model():
    """The head phantom's model, which takes seconds to make."""
    from AMIFusionLib.phantom.head import HeadModel

    return HeadModel(0)


@pytest.fixture(scope="session")
def head(head_model):
    """The phantom's volumes on their own grids, as images to align."""
    from AMIFusionLib.registration.images import SpatialImage

    volumes = (head_model.sample(name) for name in ("CT", "MRT1", "MRT2", "PET"))
    names = ("CT", "T1", "T2", "PET")
    return {name: SpatialImage(each.array, each.ijk_to_ras, name) for name, each in zip(names, volumes)}


@pytest.fixture(scope="session")
def head_points(head):
    """(3, n) RAS millimeters of the phantom's head, for target registration errors."""
    from registration_bench import points_in_head

    return points_in_head(head["T1"])


@pytest.fixture
def quick_phantom(monkeypatch, head_model):
    """Whoever makes a head phantom gets the one that is there."""

    def head_steps(seed):
        yield 1.0
        return head_model._head

    monkeypatch.setattr("AMIFusionLib.phantom.head.head_steps", head_steps)


@pytest.fixture(scope="session")
def wholebrain():
    """The folder of real registered volumes."""
    folder = os.environ.get("AMIFUSION_DATA")
    if not folder:
        pytest.skip("AMIFUSION_DATA is not set: it names the folder of the Whole Brain Atlas volumes")
    return Path(folder)
