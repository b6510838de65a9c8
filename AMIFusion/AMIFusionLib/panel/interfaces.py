"""What the panel uses of the module file's classes, which it cannot import: the module file imports the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLVolumeNode

    from AMIFusionLib.authorization.authorize import Authorization
    from AMIFusionLib.authorization.model_file import SealedModel
    from AMIFusionLib.fusion_job import FusionJob


class Parameters(Protocol):
    """``AMIFusionParameterNode``: the panel's choices. Slicer's wrapper adds the methods."""

    referenceVolume: vtkMRMLScalarVolumeNode | None
    movingVolume: vtkMRMLScalarVolumeNode | None
    outputVolume: vtkMRMLScalarVolumeNode | None
    plane: str
    window: str
    balance: float
    keepColor: bool
    device: str

    def connectGui(self, gui: Any) -> int:
        """Bind the widgets that name a parameter; gives what ``disconnectGui`` takes."""

    def disconnectGui(self, tag: int) -> None:
        """End a binding."""

    def AddObserver(self, event: int, callback: Callable[..., None]) -> int:
        """Follow the node below; gives what ``RemoveObserver`` takes."""

    def RemoveObserver(self, tag: int) -> None:
        """End an observation."""


class Logic(Protocol):
    """``AMIFusionLogic``."""

    @property
    def revocations(self) -> Any:
        """``revocations.Revocations``."""

    def model(self) -> SealedModel:
        """The bundled model."""

    def authorization(self, license: str | None) -> Authorization:
        """What a license allows of it."""

    def createJob(
        self,
        reference: vtkMRMLVolumeNode,
        moving: vtkMRMLVolumeNode,
        output: vtkMRMLVolumeNode | None = None,
        *,
        license: str | None,
        plane: str,
        window: str,
        keepColor: bool,
        balance: float,
        device: str,
        askForPyTorch: bool | None,
        tell: Callable[[str], None] | None,
    ) -> FusionJob:
        """Check everything and prepare a fusion."""
