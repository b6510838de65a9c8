"""Which result the panel is about, and what it is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AMIFusionLib.volumes.result import is_licensed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .interfaces import Parameters

_MODEL = "AMIFusion.Model"


def chosen_result(parameters: Parameters) -> slicer.vtkMRMLVolumeNode | None:
    """The output volume if it holds a result, else the latest result of the scene, else None.

    Args:
        parameters: AMIFusionParameterNode.
    """
    output = parameters.outputVolume
    if output is not None and output.GetAttribute(_MODEL):
        return output
    nodes = slicer.util.getNodesByClass("vtkMRMLVolumeNode")
    results = [node for node in nodes if node.GetAttribute(_MODEL) and not node.GetHideFromEditors()]
    return results[-1] if results else None


def state_sentence(result: slicer.vtkMRMLVolumeNode | None, sources: Sequence[slicer.vtkMRMLVolumeNode | None]) -> str:
    """What a result is and where it comes from; the license itself is nowhere.

    Args:
        result: vtkMRMLVolumeNode, or None.
        sources: reference and second volume, None for one that is gone.
    """
    if result is None:
        return _("No result yet.")
    if is_licensed(result):
        licensee = result.GetAttribute("AMIFusion.Licensee") or _("unknown")
        state = _("'{name}': licensed to {licensee}.").format(name=result.GetName(), licensee=licensee)
    else:
        state = _("'{name}': UNLICENSED, marked.").format(name=result.GetName())
    names = [_("'{name}'").format(name=node.GetName()) if node else _("a volume that is gone") for node in sources]
    made = _("Model {model}, from {reference} and {second}. Not for diagnosis.").format(
        model=result.GetAttribute(_MODEL), reference=names[0], second=names[1]
    )
    return f"{state} {made}"
