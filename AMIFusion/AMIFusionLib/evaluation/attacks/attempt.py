"""An attack's result, and the help that every attack gets: tuning and a last correction, both with the licensed result.

No attacker has a licensed result to tune on. Attacks here get it on the training cases all the same, which
overestimates the attacker: what is left is what the manipulation itself cannot do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft

from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation.eight_bit import eight_bit

from .bench import Bench, Slices

Method = Callable[..., Array]
"""Takes slices and settings by name, gives images (n, rows, columns) in 0..1."""

BLURS = (1.0, 1.5, 2.0, 2.5, 3.0)
"""Standard deviations in pixels of the Gaussian blurs that the last correction may undo."""

NOISES = (0.3, 0.1, 0.03, 0.01)
"""Noise-to-signal power ratios of the Wiener filter; less noise, sharper."""

_MIRRORED = 16


@dataclass(frozen=True)
class Correction:
    """Sharpening and a change of brightness and contrast, the same for all slices.

    Attributes:
        blur: standard deviation in pixels of the Gaussian blur to undo; 0 for none.
        noise: noise-to-signal power ratio.
        gain, offset: of the gray values, in 0..1.
    """

    blur: float = 0.0
    noise: float = 0.0
    gain: float = 1.0
    offset: float = 0.0

    def apply(self, images: Array) -> Array:
        """Correct images (n, rows, columns)."""
        sharp = wiener(images, self.blur, self.noise) if self.blur else images
        return np.clip(self.gain * sharp + self.offset, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Attempt:
    """The best that one method gave for one pair type.

    Attributes:
        method: what was done, in words for the table.
        kind: pair type.
        settings: what tuning chose.
        plain: the images as the method gives them, (n, rows, columns) in 0..1.
        corrected: the same after the last correction.
        margin: pixels that were cut off at each side.
    """

    method: str
    kind: str
    settings: Mapping[str, object]
    plain: Array
    corrected: Array
    margin: int = 0


def tuned(
    bench: Bench, kind: str, name: str, method: Method, grid: Mapping[str, Iterable[object]] | None = None,
    slices: int = 0,
) -> Attempt:  # fmt: skip
    """Try a method with all combinations of settings on training slices; use the best on the others.

    Args:
        bench: the model and its slices.
        kind: pair type.
        name: the method's name in the table.
        method: called as ``method(slices, **settings)``.
        grid: values to try of each setting; none for a method without settings.
        slices: how many training slices to tune on, 0 for all.
    """
    tuning = bench.tuning[kind].head(slices) if slices else bench.tuning[kind]
    best: dict[str, object] = {}
    least, kept = np.inf, None
    for values in bench.some(list(itertools.product(*(grid or {}).values()))):
        settings = dict(zip(grid or {}, values))
        images = method(tuning, **settings)
        # Brightness is fitted to every combination, sharpening, which takes longer, only to the best.
        error = _brightness(images, cut(tuning.licensed, _margin_of(images, tuning)))[2]
        if error < least:
            best, least, kept = settings, error, images
    if kept is None:
        raise ValueError(f"No setting of '{name}' gave images that are numbers.")
    return corrected(bench, kind, name, best, kept, method(bench.reported[kind], **best), tuning)


def corrected(
    bench: Bench, kind: str, name: str, settings: Mapping[str, object], on_tuning: Array, on_reported: Array,
    tuning: Slices | None = None,
) -> Attempt:  # fmt: skip
    """Fit the last correction on training slices and apply it to the others.

    Args:
        bench, kind, name: as of ``tuned``.
        settings: what was chosen before.
        on_tuning, on_reported: what the method gave for the training slices and for the others.
        tuning: the training slices; the default is all of the bench's.
    """
    tuning = tuning or bench.tuning[kind]
    margin = _margin_of(on_tuning, tuning)
    correction = fit_correction(on_tuning, cut(tuning.licensed, margin))
    return Attempt(name, kind, settings, np.clip(on_reported, 0, 1), correction.apply(on_reported), margin)


def fit_correction(images: Array, licensed: Array, sharpen: bool = True) -> Correction:
    """The correction that brings images (n, rows, columns) nearest to licensed results, in mean squared error."""
    best, least = Correction(), np.inf
    for blur, noise in [(0.0, 0.0), *(itertools.product(BLURS, NOISES) if sharpen else ())]:
        gain, offset, error = _brightness(wiener(images, blur, noise) if blur else images, licensed)
        if error < least:
            best, least = Correction(blur, noise, gain, offset), error
    return best


def wiener(images: Array, blur: float, noise: float) -> Array:
    """Undo a Gaussian blur of images (n, rows, columns) with a Wiener filter; mirrored at the borders.

    N. Wiener, "Extrapolation, interpolation, and smoothing of stationary time series", 1949, with one noise-to-signal
    ratio for all frequencies.
    """
    padding = min(_MIRRORED, *(extent - 1 for extent in images.shape[1:]))
    padded = np.pad(images.astype(np.float32), ((0, 0), (padding,) * 2, (padding,) * 2), mode="reflect")
    down, across = np.fft.fftfreq(padded.shape[1])[:, None], np.fft.rfftfreq(padded.shape[2])[None]
    transfer = np.exp(-2 * (np.pi * blur) ** 2 * (down**2 + across**2))
    inverse = (1 + noise) * transfer / (transfer**2 + noise)
    sharp: Array = fft.irfft2(fft.rfft2(padded) * inverse.astype(np.float32), s=padded.shape[1:])
    return sharp[:, padding : padding + images.shape[1], padding : padding + images.shape[2]]


def cut(images: Array, margin: int) -> Array:
    """Images (n, rows, columns) without a margin of pixels at each side."""
    return images[:, margin : images.shape[1] - margin, margin : images.shape[2] - margin]


def psnr(licensed: Array, images: Array) -> Array:
    """Peak signal-to-noise ratio in dB of each image (n, rows, columns) in 0..1, as 8-bit gray values, peak 255."""
    difference = eight_bit(licensed).astype(np.float64) - eight_bit(images)
    decibels: Array = 10 * np.log10(255**2 / np.maximum(np.mean(difference**2, axis=(1, 2)), 1e-6))
    return decibels


def _margin_of(images: Array, slices: Slices) -> int:
    return int(slices.first.shape[1] - images.shape[1]) // 2


def _brightness(images: Array, licensed: Array) -> tuple[float, float, float]:
    """Least-squares gain and offset, and the mean squared error that is left."""
    x, y = images.astype(np.float64), licensed.astype(np.float64)
    mean_x, mean_y, variance = x.mean(), y.mean(), x.var()
    gain = ((x - mean_x) * (y - mean_y)).mean() / variance if variance > 1e-12 else 0.0
    offset = mean_y - gain * mean_x
    return gain, offset, float(np.mean((np.clip(gain * x + offset, 0, 1) - y) ** 2))
