"""What a volume probably is, and which two of a scene are probably to be fused."""

from __future__ import annotations

import re
from collections.abc import Sequence

import slicer

from .checks import is_color_image

MR, CT, PET, SPECT, FUNCTIONAL = "MR", "CT", "PET", "SPECT", "functional"
"""What a volume may be; "functional" where only its colors say that it is PET or SPECT."""

_DICOM_MODALITIES = {"MR": MR, "CT": CT, "PT": PET, "NM": SPECT, "ST": SPECT}
"""Defined terms of DICOM's attribute Modality (0008,0060), PS3.3 C.7.3.1.1.1."""

_WORDS = {
    SPECT: ("spect", "szinti", "hmpao", "datscan", "nm", "tc99m", "tc"),
    PET: ("pet", "fdg", "suv", "amyloid", "fet", "tracer"),
    CT: ("ct", "cbct", "cta"),
    MR: (
        "mr",
        "mri",
        "mrt",
        "mra",
        "mrt1",
        "mrt2",
        "t1",
        "t2",
        "t1w",
        "t2w",
        "t1c",
        "t1ce",
        "gd",
        "flair",
        "pd",
        "dwi",
        "adc",
        "swi",
        "mprage",
        "stir",
        "tof",
        "dti",
    ),
}
"""Words in volumes' names, the more telling modality first: "PET-CT PET" is PET, "SPECT CT" is SPECT."""

_FUNCTIONAL_COLORS = ("pet", "heat", "rainbow", "inferno", "magma", "plasma", "hot", "fmri", "warm")
_PREFERENCE = (PET, SPECT, FUNCTIONAL, CT, None, MR)
"""Which volume to fuse with an MR: function says what MR cannot, bone less so, another MR least."""


def modality_of(node: slicer.vtkMRMLVolumeNode) -> str | None:
    """What a volume probably is: by DICOM's word, else by its name, else by its colors.

    Args:
        node: vtkMRMLVolumeNode.

    Returns:
        "MR", "CT", "PET", "SPECT", "functional", or None where nothing tells.
    """
    return _DICOM_MODALITIES.get(_dicom_modality(node)) or _named_modality(node.GetName() or "") or _colored(node)


def guess_pair(
    nodes: Sequence[slicer.vtkMRMLVolumeNode],
) -> tuple[slicer.vtkMRMLVolumeNode, slicer.vtkMRMLVolumeNode] | None:
    """Which of some volumes to fuse: an MR if there is one as the reference, and what adds most to it.

    Args:
        nodes: vtkMRMLVolumeNode with image data, in the order in which they were loaded.

    Returns:
        Reference and second volume, or None where there are not two.
    """
    if len(nodes) < 2:
        return None
    kinds = [(node, modality_of(node)) for node in nodes]
    anatomy = [node for node, kind in kinds if kind == MR] or [node for node, kind in kinds if kind in (CT, None)]
    reference = anatomy[0] if anatomy else nodes[0]
    others = [(node, kind) for node, kind in kinds if node is not reference]
    return reference, min(others, key=lambda other: _PREFERENCE.index(other[1]))[0]


def _dicom_modality(node: slicer.vtkMRMLVolumeNode) -> str:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene()) if node.GetScene() else None
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    written = hierarchy.GetItemAttribute(item, "DICOM.Modality") if hierarchy and item else ""
    return written or node.GetAttribute("DICOM.Modality") or ""


def _named_modality(name: str) -> str | None:
    # "MRBrainT1" is three words, "PhantomPET" two, "CT_head-2" three.
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d*[a-z]?|[A-Z]?[a-z]+\d*|\d+", name)}
    words |= set(re.split(r"[^a-z0-9]+", name.lower()))
    return next((kind for kind, known in _WORDS.items() if words.intersection(known)), None)


def _colored(node: slicer.vtkMRMLVolumeNode) -> str | None:
    if is_color_image(node):
        return FUNCTIONAL
    display = node.GetDisplayNode()
    colors = display.GetColorNode() if display else None
    name = (colors.GetName() or "").lower() if colors else ""
    return FUNCTIONAL if any(word in name for word in _FUNCTIONAL_COLORS) else None
