"""Measures of edges: what the fused image keeps of the sources' edges, and what it makes up.

No library has them. All images are (rows, columns) float64 in gray values 0..255.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from AMIFusionLib.arrays import Array


class _Edges(NamedTuple):
    """Strength and orientation of a pixel's edge; the latter in radians, a half turn apart is the same."""

    strength: Array
    angle: Array


class _Sigmoid(NamedTuple):
    """How a relative strength or alignment in 0..1 counts: ``top / (1 + exp(slope (center - value)))``."""

    top: float
    slope: float
    center: float

    def __call__(self, values: Array) -> Array:
        return self.top / (1 + np.exp(self.slope * (self.center - values)))


_KEPT_STRENGTH, _KEPT_ANGLE = _Sigmoid(0.9994, 15, 0.5), _Sigmoid(0.9879, 22, 0.8)
_CLEAN_STRENGTH, _CLEAN_ANGLE = _Sigmoid(0.9999, 19, 0.5), _Sigmoid(0.9995, 22, 0.5)
_VISIBLE_STRENGTH, _FAINT_WEIGHT, _WEIGHT_POWER = 2, 0.001, 1.5


def edge_preservation(first: Array, second: Array, fused: Array) -> float:
    """Qabf: how much of both sources' edge strength and orientation the fused image keeps, 0..1.

    C. S. Xydeas and V. Petrovic, "Objective image fusion performance measure", Electron. Lett. 36(4), 2000, with the
    constants of the field's code and weights equal to the edge strength. Not a number where neither source has an edge.
    """
    return edge_preservation_of_each(first, second, fused)[0]


def edges_kept(source: Array, fused: Array) -> float:
    """The one-sided Q of a source in the fused image, 0..1: Qabf's definition with that source alone.

    A fusion that keeps one source and drops the other has a fair Qabf; the lower of its two one-sided values tells.
    Not a number for a source without an edge.
    """
    return edge_preservation(source, source, fused)


def edge_preservation_of_each(
    first: Array, second: Array, fused: Array, counted: tuple[Array, Array] | None = None
) -> tuple[float, float, float]:
    """Qabf and its two one-sided values, in a third of the time that they take one by one.

    Args:
        first, second, fused: (rows, columns) float64, 0..255.
        counted: of the first and of the second source the pixels whose edges count, (rows, columns) bool; all if left
            out. Not a number for a source of which none count.

    Returns:
        ``edge_preservation`` of both sources, and ``edges_kept`` of the first and of the second.
    """
    target = _edges(fused)
    kept, total = [], []
    for source, where in zip((first, second), counted or (True, True)):
        edges = _edges(source)
        weight = edges.strength * where
        kept.append(np.sum(_kept(edges, target) * weight))
        total.append(np.sum(weight))
    return _share(sum(kept), sum(total)), _share(kept[0], total[0]), _share(kept[1], total[1])


def artifacts(first: Array, second: Array, fused: Array) -> float:
    """Nabf: the share of edges that the fused image has beyond both sources, 0..1; less is better.

    B. K. Shreyamsha Kumar, "Multifocus and multispectral image fusion based on pixel significance using discrete
    cosine harmonic wavelet transform", SIViP 7(6), 2013, modified from V. Petrovic and C. Xydeas, "Objective image
    fusion performance characterisation", ICCV 2005; constants from there. Strength is that of Sobel's mask over 8.
    """
    edges_f = _artifact_edges(fused)
    lost, total, is_new = np.zeros(fused.shape), 0.0, np.ones(fused.shape, dtype=bool)
    for source in (first, second):
        edges = _artifact_edges(source)
        weight = np.where(edges.strength >= _VISIBLE_STRENGTH, edges.strength**_WEIGHT_POWER, _FAINT_WEIGHT)
        lost = lost + (1 - _clean(edges, edges_f)) * weight
        total += np.sum(weight)
        is_new &= edges_f.strength > edges.strength
    return float(np.sum(lost[is_new]) / total)


def _edges(image: Array) -> _Edges:
    """Qabf's edges: Sobel's with zeros outside of the image."""
    down, across = (ndimage.sobel(image, axis=axis, mode="constant") for axis in (0, 1))
    # Exactly vertical is +pi/2 whatever the sign, so that the sense of rotation decides which neighbors it is close to.
    # The field's code convolves, which turns this sense: 6e-4 of Qabf.
    angle = np.where(across == 0, np.pi / 2, np.arctan(-_ratio(down, across)))
    return _Edges(np.hypot(down, across), angle)


def _kept(source: _Edges, fused: _Edges) -> Array:
    relative = _ratio(np.minimum(source.strength, fused.strength), np.maximum(source.strength, fused.strength))
    # The field's code takes the strength itself where both are equal, so that an edge kept exactly counts fully: 4e-4.
    relative = np.where(source.strength == fused.strength, fused.strength, relative)
    alignment = 1 - np.abs(source.angle - fused.angle) / (np.pi / 2)
    return _KEPT_STRENGTH(relative) * _KEPT_ANGLE(alignment)


def _artifact_edges(image: Array) -> _Edges:
    """Nabf's edges: Sobel's over 8, the image mirrored at its border."""
    down, across = (ndimage.sobel(image, axis=axis, mode="mirror") / 8 for axis in (0, 1))
    angle = np.where((across == 0) & (down != 0), np.pi / 2, np.arctan(_ratio(down, across)))
    return _Edges(np.hypot(down, across), angle)


def _clean(source: _Edges, fused: _Edges) -> Array:
    relative = _ratio(np.minimum(source.strength, fused.strength), np.maximum(source.strength, fused.strength))
    alignment = np.abs(np.abs(source.angle - fused.angle) - np.pi / 2) * 2 / np.pi
    quality: Array = np.sqrt(_CLEAN_STRENGTH(relative) * _CLEAN_ANGLE(alignment))
    return quality


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _ratio(above: Array, below: Array) -> Array:
    """The quotient, 0 where there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
