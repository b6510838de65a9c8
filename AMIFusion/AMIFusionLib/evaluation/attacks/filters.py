"""Attack g: what image software does to a marked result: inpainting, smoothing, compression, notches, sharpening."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from scipy import fft, ndimage

from AMIFusionLib.arrays import Array

from .attempt import Attempt, cut, tuned, wiener
from .bench import Bench, Slices
from .templates import content_strokes

THRESHOLDS, GROWN = (0.15, 0.4), (0, 2)
MASKS = {"threshold": THRESHOLDS, "grown": GROWN}
"""Stroke strength from which a pixel counts as marked, and pixels by which the marked area is widened."""

_CONTENT_BLUR = 8.0


def filter_attempts(bench: Bench) -> Iterator[Attempt]:
    """Attack g: each with its settings tuned."""
    for kind in bench.kinds:
        for name, method in (("inpainting, Telea", cv2.INPAINT_TELEA), ("inpainting, Navier-Stokes", cv2.INPAINT_NS)):
            yield tuned(bench, kind, name,
                        lambda slices, threshold, grown, radius, method=method: inpainted(
                            slices.unlicensed, stroke_mask(bench, slices, threshold, grown), radius, method),
                        {**MASKS, "radius": (3, 7)})  # fmt: skip
        for name, (filtered, grid) in FILTERS.items():
            yield tuned(bench, kind, name, _on_each(filtered), grid)
        yield tuned(bench, kind, "frequency notch", lambda slices, kept: _notched(slices, kept),
                    {"kept": (0.0, 0.05, 0.2, 0.5)})  # fmt: skip
        yield tuned(bench, kind, "Wiener deconvolution",
                    lambda slices, blur, noise: wiener(slices.unlicensed, blur, noise),
                    {"blur": (1.0, 2.0, 3.0, 4.0), "noise": (0.3, 0.05, 0.01)})  # fmt: skip
        yield tuned(bench, kind, "cropping", lambda slices, margin: cut(slices.unlicensed, margin),
                    {"margin": [int(share * min(bench.slice_shape)) for share in (0.1, 0.2, 0.3)]})  # fmt: skip


def stroke_mask(bench: Bench, slices: Slices, threshold: float, grown: int) -> Array:
    """Which pixels (n, rows, columns) the mark covers, as the attacker measures it.

    Args:
        bench, slices: as everywhere.
        threshold: strength from which a stroke counts, 0..1.
        grown: pixels by which strokes are widened.
    """
    strokes, _ = content_strokes(bench, slices, _CONTENT_BLUR)
    mask = strokes > threshold
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grown + 1,) * 2).astype(bool)
    return ndimage.binary_dilation(mask, disk[None]) if grown else mask


def inpainted(images: Array, masks: Array, radius: int, method: int) -> Array:
    """OpenCV's inpainting of masked pixels.

    A. Telea, "An image inpainting technique based on the fast marching method", J. Graphics Tools 9(1), 2004, or
    M. Bertalmio et al., "Navier-Stokes, fluid dynamics, and image and video inpainting", CVPR 2001.
    """
    pairs = zip(_as_gray(images), masks.astype(np.uint8))
    return np.stack([cv2.inpaint(image, mask, radius, method) for image, mask in pairs]).astype(np.float32) / 255


def _median(image: Array, size: int) -> Array:
    filtered: Array = cv2.medianBlur(image, size)
    return filtered


def _bilateral(image: Array, spread: int, tone: int) -> Array:
    filtered: Array = cv2.bilateralFilter(image, -1, tone, spread)
    return filtered


def _non_local(image: Array, strength: int) -> Array:
    filtered: Array = cv2.fastNlMeansDenoising(image, None, strength, 5, 15)
    return filtered


def _jpeg(image: Array, quality: int) -> Array:
    _is_written, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded: Array | None = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    if decoded is None:
        raise ValueError("OpenCV cannot read the JPEG that it wrote.")
    return decoded


def _resized(image: Array, share: float) -> Array:
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    resized: Array = cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return resized


def _unsharp(image: Array, spread: float, amount: float) -> Array:
    blurred = cv2.GaussianBlur(image, (0, 0), spread)
    sharpened: Array = cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)
    return sharpened


def _opened(image: Array, size: int) -> Array:
    """Opening: bright structures narrower than the disk go."""
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened: Array = cv2.morphologyEx(image, cv2.MORPH_OPEN, disk)
    return opened


FILTERS: dict[str, tuple[Callable[..., Array], dict[str, tuple[float, ...]]]] = {
    "median": (_median, {"size": (3, 7, 15, 25, 41)}),
    "bilateral": (_bilateral, {"spread": (2, 5, 9), "tone": (20, 60, 120)}),
    "non-local means": (_non_local, {"strength": (5, 15, 40)}),
    "JPEG": (_jpeg, {"quality": (3, 10, 30, 70)}),
    "resizing": (_resized, {"share": (0.5, 0.25, 0.1, 0.05)}),
    "unsharp mask": (_unsharp, {"spread": (1.5, 2.5, 4.0), "amount": (0.5, 1.0, 2.0)}),
    "opening": (_opened, {"size": (5, 11, 21, 31)}),
}
"""Filters of one 8-bit image, and the settings to try."""


def _on_each(filtered: Callable[..., Array]) -> Callable[..., Array]:
    def method(slices: Slices, **settings: float) -> Array:
        return np.stack([filtered(image, **settings) for image in _as_gray(slices.unlicensed)]).astype(np.float32) / 255

    return method


def _notched(slices: Slices, kept: float) -> Array:
    """Frequencies weakened to a share where the mark is strong against the mean image: outside and inside the letters.

    Args:
        slices: as everywhere.
        kept: share of amplitude left at the mark's strongest frequencies.
    """
    spectrum = fft.rfft2(slices.unlicensed)
    mark = np.abs(fft.rfft2(slices.marks - slices.marks.mean(axis=(1, 2), keepdims=True)))
    strength = np.minimum(mark / np.maximum(np.quantile(mark, 0.99, axis=(1, 2), keepdims=True), 1e-6), 1)
    weakened: Array = fft.irfft2(spectrum * (1 - (1 - kept) * strength), s=slices.first.shape[1:])
    return weakened.astype(np.float32)


def _as_gray(images: Array) -> Array:
    gray: Array = np.rint(255 * np.clip(images, 0, 1))
    return gray.astype(np.uint8)
