"""What volumes are taken for, and which two are chosen."""

import numpy as np
import pytest
from AMIFusionLib.volumes.guesses import guess_pair, modality_of


@pytest.fixture
def named(add_volume):
    """Makes a small volume of a name, in color or with a color table if asked."""

    def make(name, colors=None, is_rgb=False):
        node = add_volume(np.zeros((2, 8, 8, 3) if is_rgb else (2, 8, 8), np.uint8), name)
        if colors:
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetAndObserveColorNodeID(colors)
        return node

    return make


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("MRBrainT1", "MR"), ("MRHead", "MR"), ("3: T2w FLAIR axial", "MR"), ("sub-01_T1w", "MR"),
        ("PhantomMRT2", "MR"), ("CTBrain", "CT"), ("CTChest", "CT"), ("5: ct_head bone 1.0", "CT"),
        ("PhantomCT", "CT"), ("ct-2", "CT"), ("PhantomPET", "PET"), ("12: FDG PET-CT AC", "PET"),
        ("Brain SPECT CT", "SPECT"), ("Actinic", None), ("patient 7", None), ("doctor", None),
        ("Petra", None), ("PT 01 T1", "MR"), ("Volume", None), ("", None),
    ],
)  # fmt: skip
def test_names(named, name, modality):
    assert modality_of(named(name)) == modality


def test_dicom_wins_over_names_and_names_over_colors(named, scene):
    node = named("CT head")
    hierarchy = scene.GetSubjectHierarchyNode()
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.Modality", "PT")
    assert modality_of(node) == "PET"
    assert modality_of(named("Head", colors="vtkMRMLPETProceduralColorNodePET-Heat")) in ("functional", None)
    assert modality_of(named("Head", is_rgb=True)) == "functional"
    assert modality_of(named("MR head", is_rgb=True)) == "MR"


def test_functional_colors_tell(named, slicer, scene):
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "PET-Heat")
    table.SetTypeToWarm1()
    assert modality_of(named("Head", colors=table.GetID())) == "functional"


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["CTBrain", "MRBrainT1", "MRBrainT2"], ("MRBrainT1", "CTBrain")),
        (["PhantomCT", "PhantomMRT1", "PhantomMRT2", "PhantomPET"], ("PhantomMRT1", "PhantomPET")),
        (["FDG PET", "Planning CT"], ("Planning CT", "FDG PET")),
        (["One", "Two"], ("One", "Two")),
        (["T1", "T2"], ("T1", "T2")),
        (["MR", "Unknown", "T2"], ("MR", "Unknown")),
        (["FDG PET", "SPECT"], ("FDG PET", "SPECT")),
        (["MR"], None),
        ([], None),
    ],
)
def test_pairs(named, names, pair):
    found = guess_pair([named(name) for name in names])
    assert (found and tuple(node.GetName() for node in found)) == pair
