"""Make the picture of the tutorial's second part, from what stands in for the sample CTMRBrain.

PYTHONPATH=AMIFusion:AMIFusion/Testing/Python python docs/make_tutorial_pictures.py
"""

from __future__ import annotations

import slicer
from AMIFusionLib.alignment_job import AlignmentJob
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion_job import FusionJob
from AMIFusionLib.volumes.picture import comparison_picture
from AMIFusionTutorialTest import BONE, BRAIN
from make_pictures import PICTURES, new_scene, stacked
from PIL import Image
from tutorial_sample import add_tutorial_sample

SHOWN_AT = (0.54,)
"""Where in the MR's stack, 0..1: through the ventricles, with the calcification."""


def main() -> None:
    """Fuse the stand-in before and after its alignment, and in both windows of the CT."""
    new_scene()
    ct, _, t2 = add_tutorial_sample()
    set_window(ct, BRAIN)
    before = row(t2, ct)
    AlignmentJob(t2, ct).run()
    brain = row(t2, ct)
    set_window(ct, BONE)
    bone = row(t2, ct)
    stacked([before, brain, bone]).save(PICTURES / "tutorial-brain.png", optimize=True)


def set_window(node: slicer.vtkMRMLVolumeNode, window: tuple[float, float]) -> None:
    """Manual window and level."""
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(*window)


def row(reference: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> Image.Image:
    """Reference, second volume and licensed result beside each other."""
    model = read_model(MODEL_PATH)
    opened = authorize(model, EVALUATION_LICENSE_PATH.read_text(encoding="utf-8"))
    result = FusionJob(reference, moving, model, opened).run()
    return comparison_picture(reference, moving, [result], SHOWN_AT)


if __name__ == "__main__":
    main()
