"""A training small enough for a test: its settings, its data, and images without any."""

import numpy as np
import pytest
import SimpleITK
import torch
from AMIFusionLib.training.configuration import TrainingConfiguration
from AMIFusionLib.training.dataset import load_pairs
from AMIFusionLib.training.degradation import gaussian_blur
from AMIFusionLib.training.loop import Trainer

SMALL = {
    "hyperparameters": {"channels": 8, "blocks": 1, "fine_channels": 4, "mark_size": 48},
    "batch_size": 2,
    "crop_size": 48,
    "steps": 500,
}


@pytest.fixture
def data_folder(tmp_path):
    """A manifest with one case of disks, CT-like and MR-like."""
    folder = tmp_path / "data"
    folder.mkdir()
    k, j, i = np.indices((6, 64, 64))
    radius = np.hypot(j - 31.5, i - 31.5)
    texture = np.random.default_rng(0).random(k.shape) * 40
    ct = np.where(radius < 28, np.where(radius > 24, 255, 80), 0).astype(np.uint8)
    mr = np.where(radius < 24, 100 + texture, 0).astype(np.uint8)
    for name, array in (("ct", ct), ("mr", mr)):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(folder / f"{name}.nrrd"))
    (folder / "manifest.csv").write_text(
        "pair,case,split,functional_or_ct,mri\nct-mri,1,train,ct.nrrd,mr.nrrd\nct-mri,2,validation,ct.nrrd,mr.nrrd\n"
    )
    return folder


def image_pair(seed=0):
    """Two smooth random images."""
    torch.manual_seed(seed)
    return tuple(gaussian_blur(torch.rand(1, 1, 96, 96), 2) for _ in range(2))


def train(folder, data_folder, **changes):
    """Train a small network."""
    settings = TrainingConfiguration(**{**SMALL, **changes})
    return list(Trainer(settings, load_pairs(data_folder, "train"), folder).run())
