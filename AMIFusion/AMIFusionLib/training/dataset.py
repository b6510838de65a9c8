"""Registered pairs of volumes as random training crops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.fusion.fineness import is_second_finer, sample_slices

from .configuration import LOG_GAMMA_RANGE, REDUCTIONS
from .manifest import ManifestRow, read_manifest, read_pair

_MOST_TRIES = 1000
"""Places looked at for a crop that shows something, before a case is refused."""

TONED_SHARE = 0.5
"""Of sources, whose gray values are changed by gamma and gain, as another display would."""

WINDOWED_SHARE = 0.5
"""Of pairs, both of whose sources are seen through other windows, where the setting ``window_share`` is 1."""

_WINDOW_LOW, _WINDOW_WIDTH = (-0.25, 0.25), (0.5, 1.4)
"""Of other windows: what is shown black, and how far above it white is."""

LARGEST_FACTOR = 4
"""Of enlarged crops: 1024 pixels from slices of 256."""


@dataclass(frozen=True)
class TrainingPair:
    """Two registered volumes of one case, in 0..1.

    Attributes:
        name: pair type and case, for messages.
        kind: pair type ("ct-mri", ...).
        first, second: (slices, rows, columns) float32.
    """

    name: str
    kind: str
    first: Array
    second: Array

    @cached_property
    def takes_second_first(self) -> bool:
        """Whether the network takes the second source first where volumes are fused, see ``fusion.fineness``."""
        return is_second_finer(sample_slices(self.first), sample_slices(self.second))

    def in_order(self) -> TrainingPair:
        """The same pair in the order in which the network takes it."""
        return replace(self, first=self.second, second=self.first) if self.takes_second_first else self


@dataclass(frozen=True)
class Crops:
    """One training batch.

    Attributes:
        first, second: (n, 1, size, size) in 0..1; the crop size, or less in a batch that is made smaller.
        rows, columns: (n, size, size) pixel positions from the slice's center, where the mark's tile has its own.
        kinds: pair type of each.
        factors: how many times larger than in its slice each is, 1 and up.
    """

    first: Tensor
    second: Tensor
    rows: Tensor
    columns: Tensor
    kinds: tuple[str, ...]
    factors: tuple[float, ...]


def load_pairs(folder: Path, split: str) -> list[TrainingPair]:
    """Read the cases of one split, listed in the folder's ``manifest.csv`` (see ``manifest.read_manifest``).

    8-bit volumes are taken as displayed; others are scaled from their own 0.1 and 99.9 percentiles.

    Raises:
        FileNotFoundError: no manifest in the folder, or a volume that it names is not there.
        ValueError: the manifest has no case of this split, or a case's two volumes cannot be read as a pair.
    """
    return [_load_pair(row) for row in read_manifest(folder, split)]


class CropSampler:
    """Draws batches of random, augmented crops; every pair type equally often.

    Args:
        pairs: what to draw from.
        crop_size: side of a crop in pixels; slices must be at least as large.
        batch_size: crops in a batch.
        generator: the only source of chance.
        enlarged_share: share of the crops that show a smaller part of a slice, interpolated.
        reduced_share: share of the batches whose crops are made smaller, by averaging.
        log_gamma_range: natural logarithm of the largest gamma that crops are toned with; the smallest is its inverse.
        window_share: times ``WINDOWED_SHARE``, the share of pairs whose sources are both seen through other windows.
        inverted_share: share of the pairs of which one source is shown dark for bright.
        finer_first: whether each pair's finer source always comes first; if not, either does as often.

    Raises:
        ValueError: slices smaller than a crop.
    """

    def __init__(
        self,
        pairs: list[TrainingPair],
        crop_size: int,
        batch_size: int,
        generator: np.random.Generator,
        *,
        enlarged_share: float = 0.0,
        reduced_share: float = 0.0,
        log_gamma_range: float = LOG_GAMMA_RANGE,
        window_share: float = 0.0,
        inverted_share: float = 0.0,
        finer_first: bool = False,
    ) -> None:
        small = [pair.name for pair in pairs if min(pair.first.shape[1:]) < crop_size]
        if small:
            raise ValueError(f"The slices of {small[0]} are smaller than the crop size of {crop_size} pixels.")
        kinds = sorted({pair.kind for pair in pairs})
        self._by_kind = [[pair for pair in pairs if pair.kind == kind] for kind in kinds]
        self._crop_size = crop_size
        self._batch_size = batch_size
        self._generator = generator
        self._enlarged_share, self._reduced_share = enlarged_share, reduced_share
        self._log_gamma_range, self._window_share = log_gamma_range, window_share
        self._inverted_share = inverted_share
        self._finer_first = finer_first

    def draw(self) -> Crops:
        """The next batch."""
        pairs = [self._pair() for _ in range(self._batch_size)]
        *drawn, factors = zip(*(self._crop(pair) for pair in pairs))
        parts = [torch.from_numpy(np.stack(part)) for part in drawn]
        if self._reduced_share and self._generator.random() < self._reduced_share:
            by = int(self._generator.choice(REDUCTIONS))
            first, second, rows, columns = (functional.avg_pool2d(part, by) for part in parts)
            # A coarser grid's positions, which count in its own pixels.
            parts = [first, second, rows / by, columns / by]
            factors = tuple(max(1.0, factor / by) for factor in factors)
        first, second, rows, columns = parts
        return Crops(first[:, None], second[:, None], rows, columns, tuple(pair.kind for pair in pairs), factors)

    def _crop(self, pair: TrainingPair) -> tuple[Array, Array, Array, Array, float]:
        """One crop that shows something of either source, shifted, turned and toned at random, and its factor."""
        side = self._side_in_slice()
        window = self._window(pair, side)
        images = [_enlarged(volume[window], self._crop_size) for volume in (pair.first, pair.second)]
        first, second = self._toned(*self._turned(*images))
        if self._takes_second_first(pair):
            first, second = second, first
        # Where the crop's pixels lie on the grid that a slice so enlarged would have, from its center.
        lines = np.arange(self._crop_size, dtype=np.float32)
        factor = self._crop_size / side
        starts = (factor * (part.start - extent / 2) + 0.5 for part, extent in zip(window[1:], pair.first.shape[1:]))
        rows, columns = np.meshgrid(*(np.float32(start) + lines for start in starts), indexing="ij")
        return first, second, rows, columns, factor

    def _takes_second_first(self, pair: TrainingPair) -> bool:
        return pair.takes_second_first if self._finer_first else self._generator.random() < 0.5

    def _side_in_slice(self) -> int:
        """Side in the slice's own pixels of what the next crop shows; every size is as likely as its double."""
        size, random = self._crop_size, self._generator
        if not self._enlarged_share or random.random() >= self._enlarged_share:
            return size
        return int(round(size / LARGEST_FACTOR ** random.random()))

    def _window(self, pair: TrainingPair, side: int) -> tuple[int, slice, slice]:
        """A square of a slice, at random, that shows something."""
        random = self._generator
        for _ in range(_MOST_TRIES):
            index = int(random.integers(len(pair.first)))
            top, left = (random.integers(extent - side + 1) for extent in pair.first.shape[1:])
            window = (index, slice(top, top + side), slice(left, left + side))
            if (pair.first[window] > 0.02).mean() + (pair.second[window] > 0.02).mean() > 0.2:
                return window
        raise ValueError(
            f"Hardly any part of {pair.name} shows something. Take the case out of the manifest, or crop its field."
        )

    def _pair(self) -> TrainingPair:
        kind = self._by_kind[self._generator.integers(len(self._by_kind))]
        # A case counts by its slices, so that every slice of a kind is equally likely.
        slices = np.array([len(pair.first) for pair in kind], dtype=float)
        return kind[self._generator.choice(len(kind), p=slices / slices.sum())]

    def _turned(self, *images: Array) -> tuple[Array, ...]:
        """The same quarter turns and flip for both; the mark stays upright because its positions are not turned."""
        turns, flip = int(self._generator.integers(4)), self._generator.random() < 0.5
        turned = (np.rot90(image, turns) for image in images)
        return tuple(np.ascontiguousarray(image[:, ::-1] if flip else image) for image in turned)

    def _toned(self, *images: Array) -> tuple[Array, ...]:
        """Another display for some: gamma and gain, which keep 0; of some other windows and one source inverted."""
        toned = []
        # For both at once: only where air is gray in both is a line that is darker than it seen.
        is_windowed = self._window_share and self._generator.random() < WINDOWED_SHARE * self._window_share
        for image in images:
            if self._generator.random() < TONED_SHARE:
                gamma = np.exp(self._generator.uniform(-self._log_gamma_range, self._log_gamma_range))
                gain = self._generator.uniform(0.7, 1.2)
                image = np.minimum(gain * image**gamma, 1)
            if is_windowed:
                low, width = self._generator.uniform(*_WINDOW_LOW), self._generator.uniform(*_WINDOW_WIDTH)
                image = np.clip((image - low) / width, 0, 1)
            toned.append(image.astype(np.float32))
        if self._inverted_share and self._generator.random() < self._inverted_share:
            which = int(self._generator.integers(len(toned)))
            toned[which] = 1 - toned[which]
        return tuple(toned)


def _enlarged(image: Array, size: int) -> Array:
    """A square image on a finer grid of ``size`` x ``size`` over the same field, cubic; itself if it has that size."""
    if image.shape == (size, size):
        return image
    finer = functional.interpolate(torch.from_numpy(image.copy())[None, None], (size, size), mode="bicubic")
    return finer[0, 0].clamp(0, 1).numpy()


def _load_pair(row: ManifestRow) -> TrainingPair:
    first, second = (volume.gray() for volume in read_pair(row))
    return TrainingPair(row.name, row.kind, first, second)
