"""How much of its two sources a result keeps, measured slice by slice and a short step at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer.util import arrayFromVolume

from .arrays import Array
from .evaluation.edge_metrics import edge_preservation_of_each
from .evaluation.eight_bit import eight_bit
from .evaluation.intensity_metrics import entropy, mutual_information
from .evaluation.structure_metrics import structural_similarity, visual_information_fidelity
from .translation import tr as _
from .volumes.checks import check_inputs, is_color_image
from .volumes.color import luma
from .volumes.errors import VolumeError
from .volumes.intensity import WINDOW_CHOICES, WINDOW_FROM_DISPLAY, IntensityWindow
from .volumes.planes import ACQUISITION, PLANES, slice_layout
from .volumes.result import ATTRIBUTE_PREFIX, COLOR_MAXIMUM, SCALAR_MAXIMUM, source_of
from .volumes.sameness import is_same
from .volumes.source import VolumeSource
from .volumes.watch import UnchangedVolumes

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode

EDGES, REFERENCE_EDGES, MOVING_EDGES = "Qabf", "Q reference", "Q second"
SIMILARITY, INFORMATION, FIDELITY, ENTROPY = "SSIM", "MI", "VIF", "EN"
MEASURES = (EDGES, REFERENCE_EDGES, MOVING_EDGES, SIMILARITY, INFORMATION, FIDELITY, ENTROPY)
"""Names of the measures. SSIM, MI and VIF are sums over both sources, as the field's tables have them."""

BUDGET_SECONDS = 5.0
"""How long measuring may take: a slice of 256 x 256 takes about 0.1 s, and means over every third one tell as much."""

_SAME_GEOMETRY = 1e-3


@dataclass(frozen=True)
class MeasureProgress:
    """How far a job is."""

    done_slices: int
    total_slices: int

    @property
    def fraction(self) -> float:
        """0..1."""
        return self.done_slices / max(self.total_slices, 1)


@dataclass(frozen=True)
class ResultMeasures:
    """What was measured.

    Attributes:
        name, reference_name, moving_name: of the result and its sources.
        slices: (n,) which slices were measured, counted from 1 along the plane that they were fused in.
        total_slices: how many there are; those that show nothing in either source are never measured.
        step: every how many-th slice was measured.
        values: by each of ``MEASURES`` (n,) float64; what is not defined is not a number.
    """

    name: str
    reference_name: str
    moving_name: str
    slices: Array
    total_slices: int
    step: int
    values: dict[str, Array]

    def mean(self, measure: str) -> float:
        """Mean over the slices on which a measure is defined; not a number where it is on none."""
        defined = self.values[measure][np.isfinite(self.values[measure])]
        return float(defined.mean()) if defined.size else math.nan


class MeasureJob:
    """Measures one result against its sources, for a runner as ``panel.runner.FusionRunner``.

    The sources are read as they were fused: on the reference's grid, in the result's plane and through the windows
    that it was made with. Definitions are those of ``evaluation.metrics.fusion_metrics`` on 8-bit gray values; of color
    the luma counts.

    Args:
        result: vtkMRMLVolumeNode that a fusion made.
        since: the sources as they were when it was made; None where nobody watched, as in a loaded scene.
        budget: seconds after which it should be done; slices are left out evenly to keep it.
        clock: gives seconds.

    Raises:
        VolumeError: a source was removed, changed or moved since the fusion, with what to do.
        NoOverlapError: nothing of the second volume lies within the reference any more.
    """

    def __init__(
        self,
        result: vtkMRMLVolumeNode,
        since: UnchangedVolumes | None = None,
        budget: float = BUDGET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._result, self._budget, self._clock = result, budget, clock
        reference, moving = self._nodes = [_required_source(result, role) for role in ("Reference", "Moving")]
        check_inputs(reference, moving)
        _check_unchanged(result, reference, moving, since)
        plane = result.GetAttribute(f"{ATTRIBUTE_PREFIX}Plane")
        layout = slice_layout(reference, plane if plane in PLANES else ACQUISITION)
        is_color = is_color_image(result)
        self._sources = [
            VolumeSource(node, reference, layout, _window(result, role), is_color)
            for node, role in ((reference, "Reference"), (moving, "Moving"))
        ]
        self._fused = layout.view(arrayFromVolume(result))
        self._maximum = COLOR_MAXIMUM if is_color else SCALAR_MAXIMUM
        self._watch = UnchangedVolumes([result, reference, moving], None)
        self.node: ResultMeasures | None = None

    def steps(self) -> Generator[MeasureProgress, None, None]:
        """Do the work, some hundredths of a second at a time. After the last step ``node`` is a ``ResultMeasures``.

        Slices are measured from coarse to fine, each time in between those that are done, as long as the next round
        will probably keep the budget: the result is of every slice, every second one, every fourth one, and so on.

        Raises:
            VolumeError: a volume was moved, changed or removed meanwhile.
            ValueError: neither source shows anything on any slice.
        """
        total, started = len(self._fused), self._clock()
        rows: dict[int, list[float]] = {}
        step = 1 << max(total - 1, 0).bit_length()
        planned = [total // 2]
        while True:
            for index in planned:
                for _part in self._measure_slice(index, rows):
                    yield MeasureProgress(len(rows), total)
            finer = max(step // 2, 1)
            planned = [index for index in range(total // 2 % finer, total, finer) if (index - total // 2) % step]
            elapsed = self._clock() - started
            # Of slices that show something: the others take no time.
            expected = elapsed / max(len(rows), 1) * len(planned)
            if step == 1 or elapsed + expected > self._budget:
                break
            step = finer
        if not rows:
            raise ValueError(
                _("Neither source of '{name}' shows anything. Check their windows.").format(name=self._result.GetName())
            )
        self.node = self._summary(rows, step)

    def run(self) -> ResultMeasures | None:
        """Do all the work at once; gives ``node``."""
        for _step in self.steps():
            pass
        return self.node

    def _measure_slice(self, index: int, rows: dict[int, list[float]]) -> Iterator[None]:
        """Measure a slice in parts, for 256 x 256 of at most 30 ms; one on which nothing is seen has no row."""
        self._check()
        images = [eight_bit(source.read(index, index + 1).luma[0]) for source in self._sources]
        if not any(image.any() for image in images):
            yield
            return
        yield
        first, second, fused = (image.astype(np.float64) for image in (*images, self._fused_slice(index)))
        values = [*edge_preservation_of_each(first, second, fused)]
        for measure in (structural_similarity, mutual_information, visual_information_fidelity):
            total = 0.0
            for source in (first, second):
                yield
                total += measure(source, fused)
            values.append(total)
        yield
        rows[index] = [*values, entropy(fused)]

    def _fused_slice(self, index: int) -> Array:
        values = self._fused[index].astype(np.float32) / self._maximum
        return eight_bit(luma(values) if values.ndim == 3 else values)

    def _check(self) -> None:
        try:
            self._watch.check()
        except VolumeError:
            raise VolumeError(
                _(
                    "'{name}' or one of its sources was moved, changed or removed while it was measured. Fuse again, "
                    "and measure then."
                ).format(name=self._result.GetName())
            ) from None

    def _summary(self, rows: dict[int, list[float]], step: int) -> ResultMeasures:
        order = sorted(rows)
        table = np.array([rows[index] for index in order])
        result, reference, moving = (node.GetName() for node in (self._result, *self._nodes))
        values = {name: table[:, column] for column, name in enumerate(MEASURES)}
        return ResultMeasures(result, reference, moving, np.array(order) + 1, len(self._fused), step, values)


def _required_source(result: vtkMRMLVolumeNode, role: str) -> vtkMRMLVolumeNode:
    node = source_of(result, role)
    if node is None or node.GetImageData() is None:
        sentence = (
            _(
                "The reference volume of '{name}' is not in the scene any more. Load it and fuse again, and measure "
                "then."
            )
            if role == "Reference"
            else _(
                "The second volume of '{name}' is not in the scene any more. Load it and fuse again, and measure then."
            )
        )
        raise VolumeError(sentence.format(name=result.GetName()))
    return node


def _check_unchanged(
    result: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode, since: UnchangedVolumes | None
) -> None:
    """Refuse sources that are not what was fused; of a result from a file its place and its attributes tell."""
    if not _is_watched_unchanged(since):
        raise _changed(result)
    if not _is_in_place(result, reference):
        raise VolumeError(
            _("'{reference}' does not lie where '{name}' does any more. Fuse again, and measure then.").format(
                reference=reference.GetName(), name=result.GetName()
            )
        )
    if not _is_kept_the_same(result, reference, moving):
        raise _changed(result)


def _changed(result: vtkMRMLVolumeNode) -> VolumeError:
    return VolumeError(
        _("A source of '{name}' was moved or changed since it was fused. Fuse again, and measure then.").format(
            name=result.GetName()
        )
    )


def _is_in_place(result: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode) -> bool:
    matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
    for node, matrix in zip((result, reference), matrices):
        node.GetIJKToRASMatrix(matrix)
    differences = [
        abs(matrices[0].GetElement(row, column) - matrices[1].GetElement(row, column))
        for row in range(4)
        for column in range(4)
    ]
    return bool(
        max(differences) < _SAME_GEOMETRY
        and result.GetTransformNodeID() == reference.GetTransformNodeID()
        and result.GetImageData().GetDimensions() == reference.GetImageData().GetDimensions()
    )


def _is_watched_unchanged(since: UnchangedVolumes | None) -> bool:
    try:
        if since is not None:
            since.check()
    except VolumeError:
        return False
    return True


def _is_kept_the_same(result: vtkMRMLVolumeNode, reference: vtkMRMLVolumeNode, moving: vtkMRMLVolumeNode) -> bool:
    names = ("MovingPlace", "ReferenceVoxels", "MovingVoxels")
    return is_same(reference, moving, {name: result.GetAttribute(ATTRIBUTE_PREFIX + name) for name in names})


def _window(result: vtkMRMLVolumeNode, role: str) -> IntensityWindow | str:
    """The window that a source was fused with; a result of an earlier version only says how it was found."""
    written = (result.GetAttribute(f"{ATTRIBUTE_PREFIX}{role}Window") or "").split()
    try:
        low, high = (float(part) for part in written)
        return IntensityWindow(low, high)
    except ValueError:
        choice = result.GetAttribute(f"{ATTRIBUTE_PREFIX}Window")
        return choice if choice in WINDOW_CHOICES else WINDOW_FROM_DISPLAY
