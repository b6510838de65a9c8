"""The main job, put together from its parts: two volume nodes in, a fused volume node out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .arrays import Array
from .authorization.authorize import Authorization
from .authorization.model_file import SealedModel
from .fusion.balance import EVEN, balance_gains
from .fusion.devices import AUTOMATIC
from .fusion.engine import FusionEngine, check_slice_size
from .fusion.network import build_network
from .source_order import is_moving_finer
from .volumes.checks import check_inputs, check_output
from .volumes.color import faded_chroma
from .volumes.intensity import WINDOW_FROM_DISPLAY
from .volumes.planes import ACQUISITION, slice_layout
from .volumes.result import ResultImage, publish_result
from .volumes.sameness import sameness
from .volumes.source import VolumeSource
from .volumes.watch import UnchangedVolumes

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode


@dataclass(frozen=True)
class FusionOptions:
    """How two volumes are fused.

    Attributes:
        plane: slice plane, one of ``volumes.planes.PLANES``.
        window: intensity window, one of ``volumes.intensity.WINDOW_CHOICES``.
        keep_color: whether a source in color makes a result in color.
        device: "auto" or a name of ``fusion.devices.available_devices``.
        name: of a new result node; None makes one from the sources' names.
        balance: how strongly each source shows, in percent, as ``fusion.balance.balance_gains`` takes it.
    """

    plane: str = ACQUISITION
    window: str = WINDOW_FROM_DISPLAY
    keep_color: bool = True
    device: str = AUTOMATIC
    name: str | None = None
    balance: float = EVEN


@dataclass(frozen=True)
class FusionProgress:
    """How far a job is."""

    done_slices: int
    total_slices: int

    @property
    def fraction(self) -> float:
        """0..1."""
        return self.done_slices / self.total_slices


class FusionJob:
    """Fuses two volumes, a short step at a time.

    Everything that can be checked beforehand is checked when the job is made; the scene is not touched until the last
    step, so that a job that fails or is dropped leaves no trace.

    Args:
        reference: vtkMRMLVolumeNode whose grid and place the result takes.
        moving: vtkMRMLVolumeNode, resampled onto that grid.
        model: the model file.
        authorization: what ``authorize`` gave for that model.
        options: how to fuse; None takes the defaults.
        output: vtkMRMLVolumeNode to reuse, or None for a new one.

    Raises:
        VolumeError: volumes that cannot be fused, with a sentence that says what to do.
        SliceSizeError: slices too small in this plane.
        ValueError: options that do not exist, or a model that does not fit this version.
    """

    def __init__(
        self, reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, model: SealedModel, authorization: Authorization,
        options: FusionOptions | None = None, output: vtkMRMLVolumeNode | None = None,
    ) -> None:  # fmt: skip
        check_inputs(reference, moving)
        options = options or FusionOptions()
        self._reference, self._moving, self._output = reference, moving, output
        self._model, self._authorization, self._options = model, authorization, options
        self._gains = balance_gains(options.balance)
        self._layout = slice_layout(reference, options.plane)
        self._sources = [
            VolumeSource(node, reference, self._layout, options.window, options.keep_color)
            for node in (reference, moving)
        ]
        is_color = any(source.is_color for source in self._sources)
        check_output(output, reference, moving, is_color)
        self._result = ResultImage(reference, self._layout, is_color)
        check_slice_size(*self._result.shape[1:])
        description = model.description
        network = build_network(description.architecture, description.hyperparameters, authorization.parameters)
        self._engine = FusionEngine(network, options.device)
        self._chroma: Array | None = None
        self._is_moving_first = False
        self._watch = UnchangedVolumes([reference, moving], output)
        self.node: vtkMRMLVolumeNode | None = None

    @property
    def device(self) -> str:
        """Where the network runs; it changes to "cpu" when a GPU's memory does not suffice."""
        return str(self._engine.device)

    @property
    def problem(self) -> str:
        """Why the license that was given does not count, for the user; empty if none was given or it holds."""
        return self._authorization.problem

    def steps(self) -> Generator[FusionProgress, None, None]:
        """Do the work. After the last step ``node`` is the result; a generator closed earlier leaves nothing.

        Raises:
            VolumeError: a volume was moved, changed or removed meanwhile.
        """
        self._watch.check()
        total = self._result.shape[0]
        layout = self._layout
        self._is_moving_first = is_moving_finer(self._reference, self._moving)
        for done in self._engine.fuse(
            self._read, self._write, self._result.shape, layout.spacing, layout.text_senses, self._gains,
            self._is_moving_first,
        ):  # fmt: skip
            # The result appears before the last progress is seen, so that whoever counts to the end finds it.
            if done == total:
                self.node = self._publish()
            yield FusionProgress(done, total)

    def run(self) -> vtkMRMLVolumeNode:
        """Do all the work at once.

        Returns:
            The result's node.
        """
        for _ in self.steps():
            pass
        return self.node

    def _read(self, start: int, stop: int) -> tuple[Array, Array]:
        self._watch.check()
        reference, moving = (source.read(start, stop) for source in self._sources)
        self._chroma = faded_chroma(reference.chroma, moving.chroma, self._gains)
        return np.ascontiguousarray(reference.luma), np.ascontiguousarray(moving.luma)

    def _write(self, start: int, fused: Array) -> None:
        self._result.write(start, fused, self._chroma)

    def _publish(self) -> vtkMRMLVolumeNode:
        self._watch.check()
        name = self._options.name or f"{self._reference.GetName()} + {self._moving.GetName()} fused"
        return publish_result(self._result, self._reference, self._output, name, self._provenance())

    def _provenance(self) -> dict[str, str]:
        """Where the result comes from; the license itself is no part of it."""
        licensed = self._authorization.license
        # The display may change later; whoever compares the result with its sources must see them as they were fused.
        windows = [f"{source.shown.window.low!r} {source.shown.window.high!r}" for source in self._sources]
        return {
            "ReferenceNodeID": self._reference.GetID(),
            "MovingNodeID": self._moving.GetID() or "",
            **sameness(self._reference, self._moving),
            "Model": self._model.description.model_id,
            "ModelSHA256": self._model.sha256,
            "Authorized": "true" if licensed else "false",
            "Licensee": licensed.licensee if licensed else "",
            "Plane": self._options.plane,
            "Window": self._options.window,
            "ReferenceWindow": windows[0],
            "MovingWindow": windows[1],
            "FirstSource": "moving" if self._is_moving_first else "reference",
            "Balance": f"{self._options.balance:g}",
        }
