"""What a model is evaluated on: pairs of volumes as a reader sees them, from a data folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from AMIFusionLib.arrays import Array
from AMIFusionLib.fusion.fineness import is_second_finer, sample_slices
from AMIFusionLib.training.manifest import ManifestRow, StoredVolume, check_files, read_manifest, read_pair
from AMIFusionLib.volumes.color import chroma, luma, rgb_from_luma_and_chroma

from .eight_bit import eight_bit, eight_bit_luma

ChosenSlices = Mapping[str, "tuple[str, tuple[str, ...]]"]
"""By pair type, the case and its slices' names to keep to."""


@dataclass(frozen=True)
class SlicePair:
    """One slice of both sources, (rows, columns) or (rows, columns, 3) uint8 as displayed."""

    first: Array
    second: Array

    @property
    def gray(self) -> tuple[Array, Array]:
        """What is fused and measured, (rows, columns) uint8 each: gray values, of color the luma."""
        return eight_bit_luma(self.first), eight_bit_luma(self.second)

    @property
    def colored(self) -> Array | None:
        """The source whose color a result takes, the first one if both have some, or None."""
        return next((image for image in (self.first, self.second) if image.ndim == 3), None)

    def in_color(self, fused: Array) -> Array:
        """A fused luma with the colored source's chroma, as fused volumes get it.

        Args:
            fused: (rows, columns) uint8.

        Returns:
            (rows, columns, 3) uint8, or ``fused`` where no source is in color.
        """
        if self.colored is None:
            return fused
        white = np.float32(255)
        return eight_bit(rgb_from_luma_and_chroma(fused / white, chroma(self.colored) / white))


@dataclass(frozen=True)
class EvaluationCase:
    """Two registered volumes of one case as 8-bit pictures.

    Attributes:
        kind: pair type ("ct-mri", ...).
        case: the case's name within its pair type.
        labels: what to call both sources.
        slices: the slices' names.
        first, second: (slices, rows, columns) or (slices, rows, columns, 3) uint8; the functional or CT source first.
        pixel_spacing: (row, column) distance in millimeters.
    """

    kind: str
    case: str
    labels: tuple[str, str]
    slices: tuple[str, ...]
    first: Array
    second: Array
    pixel_spacing: tuple[float, float] = (1.0, 1.0)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> SlicePair:
        return SlicePair(self.first[index], self.second[index])

    @cached_property
    def takes_second_first(self) -> bool:
        """Whether the model takes the second source first, as it would of these volumes: see ``fusion.fineness``."""
        spacing = (1.0, *self.pixel_spacing)
        sources = self.first, self.second
        return is_second_finer(*(sample_slices(each, spacing, luma if each.ndim == 4 else None) for each in sources))


@dataclass(frozen=True)
class PlannedCase:
    """A case of a data folder whose volumes are not read yet.

    Attributes:
        row: its place in the manifest.
        chosen: names of the slices to keep to; empty for all.
    """

    row: ManifestRow
    chosen: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Pair type."""
        return self.row.kind

    def load(self) -> EvaluationCase:
        """Read the volumes.

        Raises:
            FileNotFoundError, ValueError: they cannot be read as a pair.
        """
        volumes = read_pair(self.row)
        names = self.row.slices or tuple(f"{index:03}" for index in range(len(volumes[0].array)))
        names = self.chosen or names
        places = [_place(self.row, name, len(volumes[0].array)) for name in names]
        first, second = (_displayed(volume)[places] for volume in volumes)
        return EvaluationCase(
            self.kind, self.row.case, _labels(self.kind), names, first, second, volumes[0].pixel_spacing
        )


def plan_cases(folder: Path, split: str, chosen: ChosenSlices | None = None) -> list[PlannedCase]:
    """The cases of one split, in the manifest's order, after a look at all of their files' headers.

    Slices are named by the manifest's ``atlas_slices``; where that is empty, by their place in the stack from "000".

    Args:
        folder: with a ``manifest.csv``, see ``training.manifest.read_manifest``.
        split: which cases.
        chosen: case and slices to keep to; pair types that are not in it are evaluated whole.

    Raises:
        FileNotFoundError: no manifest, or a volume that it names is not there.
        ValueError: the manifest or a volume cannot be read, two cases of a pair type have one name, or a case or a
            slice of ``chosen`` is not there.
    """
    rows, chosen = read_manifest(folder, split), chosen or {}
    for name, count in Counter(row.name for row in rows).items():
        if count > 1:
            raise ValueError(f"{folder} has {count} cases {name}. Give each its own name in the manifest.")
    planned = []
    for row in rows:
        case, names = chosen.get(row.kind, (row.case, ()))
        if row.case == case:
            check_files(row)
            planned.append(PlannedCase(row, names))
    for kind in {row.kind for row in rows} & set(chosen):
        if not any(each.kind == kind for each in planned):
            raise ValueError(f"{folder} has no case {chosen[kind][0]} of {kind} with the split '{split}'.")
    for each in planned:
        for name in each.chosen if each.row.slices else ():
            _place(each.row, name, len(each.row.slices))
    return planned


def _place(row: ManifestRow, name: str, count: int) -> int:
    """Where a named slice is in the stack."""
    if row.slices and name in row.slices:
        return row.slices.index(name)
    if not row.slices and name.isdecimal() and int(name) < count:
        return int(name)
    raise ValueError(f"{row.name} has no slice {name}: the manifest's column atlas_slices names those that there are.")


def _displayed(volume: StoredVolume) -> Array:
    return volume.array if volume.array.dtype == np.uint8 else eight_bit(volume.displayed())


def _labels(kind: str) -> tuple[str, str]:
    parts = kind.upper().split("-")
    return (parts[0], parts[1]) if len(parts) == 2 else ("Source 1", "Source 2")
