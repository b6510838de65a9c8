"""What stands in for Slicer's sample CTMRBrain where nothing can be downloaded: the head phantom on other grids.

The nodes have the sample's names. CT lies a few millimeters and degrees off, so that there is something to align.
"""

import slicer
import vtk
from AMIFusionLib.phantom.head import HeadModel
from AMIFusionLib.phantom.modalities import PhantomGrid
from AMIFusionLib.phantom.nodes import add_phantom_volume

SHIFT = (5.0, -6.0, 4.0)
"""Millimeters in RAS that the CT lies off."""

TILT = (4.0, -5.0)
"""Degrees about the x and z axis that it is turned by."""

GRIDS = {
    "CTBrain": ("CT", PhantomGrid.centered((30, 320, 320), (0.7, 0.7, 5.0), (0.0, -2.0, 17.0))),
    "MRBrainT1": ("MRT1", PhantomGrid.centered((80, 160, 160), (1.4, 1.4, 1.8), (2.0, 1.0, 10.0))),
    "MRBrainT2": ("MRT2", PhantomGrid.centered((36, 256, 256), (0.9, 0.9, 4.5), (2.0, 1.0, 10.0), (8.0, 0.0))),
}
"""The phantom's volume and its grid for each node."""


def add_tutorial_sample(source=None):
    """Add the three volumes to the scene; ``source`` is what Sample Data gives a downloader."""
    model = HeadModel()
    nodes = []
    for name, (modality, grid) in GRIDS.items():
        node = add_phantom_volume(slicer.mrmlScene, model.sample(modality, grid))
        node.SetName(name)
        node.GetDisplayNode().SetAutoWindowLevel(True)
        nodes.append(node)
    away = vtk.vtkTransform()
    away.Translate(SHIFT)
    away.RotateX(TILT[0])
    away.RotateZ(TILT[1])
    nodes[0].ApplyTransformMatrix(away.GetMatrix())
    return nodes
