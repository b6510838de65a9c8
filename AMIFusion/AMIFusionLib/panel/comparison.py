"""Shows the reference in place of the result, and gives back exactly what was there."""

from __future__ import annotations

import slicer

_LAYERS = ("Background", "Foreground", "Label")


class ResultComparison:
    """Exchanges a result for its reference in every slice view that shows it, for a while."""

    def __init__(self) -> None:
        self._exchanged: list[tuple[slicer.vtkMRMLSliceCompositeNode, str, str, str]] = []

    @property
    def is_on(self) -> bool:
        """Whether something is exchanged now."""
        return bool(self._exchanged)

    def begin(self, result: slicer.vtkMRMLVolumeNode, reference: slicer.vtkMRMLVolumeNode) -> bool:
        """Show the reference wherever the result is shown.

        Args:
            result, reference: vtkMRMLVolumeNode of one scene.

        Returns:
            Whether any view showed the result.
        """
        self.end()
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            for layer in _LAYERS:
                if getattr(composite, f"Get{layer}VolumeID")() == result.GetID():
                    self._exchanged.append((composite, layer, result.GetID(), reference.GetID()))
                    getattr(composite, f"Set{layer}VolumeID")(reference.GetID())
        return self.is_on

    def end(self) -> None:
        """Show the result again, but not where the user has chosen something else meanwhile, nor if it is gone."""
        exchanged, self._exchanged = self._exchanged, []
        for composite, layer, result_id, reference_id in exchanged:
            scene = composite.GetScene()
            is_untouched = getattr(composite, f"Get{layer}VolumeID")() == reference_id
            if scene is not None and is_untouched and scene.GetNodeByID(result_id) is not None:
                getattr(composite, f"Set{layer}VolumeID")(result_id)

    def forget(self) -> None:
        """Leave the views as they are: the result is about to go."""
        self._exchanged = []
