"""What the live preview fuses with: the panel's choices, the license and the network that they lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from slicer.i18n import tr as _

from AMIFusionLib.pytorch import PyTorchMissingError, pytorch_is_installed, require_pytorch
from AMIFusionLib.volumes.watch import display_state, volume_state

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

    from AMIFusionLib.authorization.authorize import Authorization
    from AMIFusionLib.authorization.model_file import SealedModel
    from AMIFusionLib.authorization.revocation import RevocationList
    from AMIFusionLib.slice_preview import PreviewedSlice, SlicePreview
    from AMIFusionLib.volumes.view_plane import ViewPlane

    from .interfaces import Parameters

VolumePair: TypeAlias = "tuple[vtkMRMLVolumeNode, vtkMRMLVolumeNode]"
"""Reference and second volume."""

Signature: TypeAlias = "tuple[ViewPlane, object, object, str, int]"
"""All that a slice depends on, its plane first."""


class PreviewFuser:
    """Fuses slices as the panel's choices say, with one network until model, license or device change.

    Args:
        model: gives the model to fuse with.
        license_text: gives the license that is entered now, or "".
        device: gives where the network is to run.
        tell: takes a sentence for the user before anything that takes long.
        revocations: gives the newest revocation list that is known of a publisher's key.
    """

    def __init__(
        self,
        model: Callable[[], SealedModel],
        license_text: Callable[[], str],
        device: Callable[[], str] = lambda: "auto",
        tell: Callable[[str], None] = lambda sentence: None,
        revocations: Callable[[str], RevocationList | None] = lambda public_key: None,
    ) -> None:
        self._model, self._license_text, self._device, self._tell = model, license_text, device, tell
        self._revocations = revocations
        self._preview: SlicePreview | None = None
        self._key: tuple[object, ...] | None = None
        self.state = ""

    def signature(self, pair: VolumePair, parameters: Parameters, plane: ViewPlane) -> Signature:
        """All that a slice depends on: equal as long as fusing again would give the same."""
        states = tuple((volume_state(node), display_state(node)) for node in pair)
        return plane, states, _options(parameters), self._device(), hash(self._license_text())

    def fuse(self, pair: VolumePair, parameters: Parameters, plane: ViewPlane) -> PreviewedSlice:
        """Fuse one slice; ``state`` then says in words whether it is marked.

        Args:
            pair: reference and second volume.
            parameters: AMIFusionParameterNode.
            plane: ``view_plane.ViewPlane``.

        Returns:
            ``slice_preview.PreviewedSlice``.

        Raises:
            PyTorchMissingError: it is not installed or cannot be loaded; nobody is asked from here.
            ValueError: the volumes cannot be fused.
            OSError: the model file cannot be read.
        """
        if not pytorch_is_installed():
            raise PyTorchMissingError(_("The preview needs PyTorch. Fuse once to be asked whether to install it."))
        require_pytorch(self._tell, ask=False)
        from AMIFusionLib.fusion_job import FusionOptions

        (window, keep_color, balance), device = _options(parameters), self._device()
        options = FusionOptions(window=window, keep_color=keep_color, balance=balance, device=device)
        reference, moving = pair
        return self._prepared(device).fuse(reference, moving, options, plane)

    def forget(self) -> None:
        """Let go of the volumes' images and of the network, which may be a licensed one."""
        self._preview = self._key = None

    def _prepared(self, device: str) -> SlicePreview:
        from AMIFusionLib.authorization.authorize import authorize
        from AMIFusionLib.slice_preview import SlicePreview

        model, text = self._model(), self._license_text()
        revocations = self._revocations(model.description.public_key)
        key = model.sha256, hash(text), device, revocations.sequence if revocations else 0
        if self._preview is None or key != self._key:
            authorization = authorize(model, text, revocations)
            self._preview, self._key = SlicePreview(model, authorization, device), key
            self.state = _state_of(authorization)
        return self._preview


def _options(parameters: Parameters) -> tuple[str, bool, float]:
    return parameters.window, parameters.keepColor, parameters.balance


def _state_of(authorization: Authorization) -> str:
    if authorization.is_licensed:
        return _("Preview, licensed")
    return (
        _("Preview, marked: the license does not hold") if authorization.problem else _("Preview, marked: no license")
    )
