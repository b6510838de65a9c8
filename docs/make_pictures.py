"""Make the pictures of the README and of the Sample Data module, from the head phantom alone.

PYTHONPATH=AMIFusion python docs/make_pictures.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion_job import FusionJob
from AMIFusionLib.phantom import HeadModel, PhantomVolume, head_phantom
from AMIFusionLib.phantom.nodes import add_phantom_volume
from AMIFusionLib.volumes.picture import comparison_picture
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
PAIRS = {("MRT2", "CT"): ("calcification", "edema"), ("MRT1", "PET"): ("hot_lesion",)}
"""The pairs to show, and the lesions that their slice should hold."""

THUMBNAIL_SIZE = (256, 160)


def slice_with(lesions: Sequence[str], reference: PhantomVolume) -> float:
    """Where in a volume's stack, 0..1, all of some lesions are seen best."""
    model = HeadModel()
    masks = (model.lesion_mask(lesion, reference.ijk_to_ras, reference.array.shape) for lesion in lesions)
    counts = [mask.sum(axis=(1, 2)) for mask in masks]
    seen = np.min([count / count.max() for count in counts], axis=0)
    return (int(np.argmax(seen)) + 0.5) / len(seen)


def new_scene() -> slicer.vtkMRMLScene:
    """An empty scene with Slicer's colors, which is now the application's."""
    slicer.mrmlScene = scene = slicer.vtkMRMLScene()
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    return scene


def stacked(rows: Sequence[Image.Image]) -> Image.Image:
    """Pictures below each other with a white line between them."""
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height + 4 for row in rows) - 4), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + 4
    return sheet


def main() -> None:
    """Fuse two pairs of the phantom and show one slice of each."""
    scene = new_scene()
    volumes = head_phantom()
    nodes = {name: add_phantom_volume(scene, volume) for name, volume in volumes.items()}
    model = read_model(MODEL_PATH)
    rows = []
    for (first, second), lesions in PAIRS.items():
        pair = nodes[first], nodes[second]
        licenses = (None, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))
        results = [FusionJob(*pair, model, authorize(model, text)).run() for text in licenses]
        rows.append(comparison_picture(*pair, results, shown_at=(slice_with(lesions, volumes[first]),)))
    PICTURES.mkdir(exist_ok=True)
    stacked(rows).save(PICTURES / "phantom-fusion.png", optimize=True)
    clean = rows[1].crop((rows[1].width * 3 // 4 + 2, 0, rows[1].width, rows[1].height))
    clean.thumbnail(THUMBNAIL_SIZE)
    clean.save(ROOT / "AMIFusion" / "Resources" / "Icons" / "AMIFusionHeadPhantom.png", optimize=True)


if __name__ == "__main__":
    main()
