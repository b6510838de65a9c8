"""A model that is small enough to be attacked in a test, and data for it."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from AMIFusionLib.authorization.license import issue_license
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.evaluation.attacks.bench import Bench, Effort
from scipy import ndimage

SIZE = 64
SMALL = Effort(
    reported=2, tuning=2, search_slices=1, search_steps=2, removal_steps=2, student_steps=2, finetuning_steps=(1, 2)
)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Two cases of disks, CT-like and MR-like."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["pair,case,split,functional_or_ct,mri"]
    for case, split in enumerate(("train", "validation")):
        k, j, i = np.indices((4, SIZE, SIZE))
        radius = np.hypot(j - 31.5, i - 31.5 + case)
        noise = ndimage.gaussian_filter(np.random.default_rng(case).random((2, *k.shape)), (0, 0, 2, 2))
        textures = 255 * (noise - noise.min()) / np.ptp(noise)
        volumes = np.where(radius < 28 - k, textures, 0).astype(np.uint8)
        names = [f"{case}_{name}.nrrd" for name in ("ct", "mr")]
        for name, volume in zip(names, volumes):
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(folder / name))
        lines.append(f"ct-mri,{case},{split},{','.join(names)}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def seal(tmp_path, publisher, describe, data_folder):
    """Seals parameters and gives the model's file, a license for it and a bench."""

    def make(public, sealed, effort=SMALL, **description):
        path = tmp_path / "model.amif"
        described = describe(publisher, **description)
        seal_model(path, described, public, sealed, publisher.model_key)
        now = datetime.now(timezone.utc)
        days = (now - timedelta(days=1), now + timedelta(days=9))
        text = issue_license(described, publisher.model_key, publisher.signing_key, "Me", *days)
        (tmp_path / "license.txt").write_text(text)
        bench = Bench(read_model(path), text, data_folder, effort)
        return SimpleNamespace(path=path, license=tmp_path / "license.txt", bench=bench)

    return make
