"""What makes a fused image right whatever was fused: criteria with a number each, and the limits they are held to.

A criterion gives a number of which less is better. Some look at one fused image beside its sources; the others try a
fusion on images of their own or on changed sources. Images are (rows, columns) float64 in 0..1, and a fusion takes two
of them and gives one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
from AMIFusionLib.evaluation import edge_metrics
from AMIFusionLib.evaluation.alternatives import laplacian_pyramid
from AMIFusionLib.evaluation.eight_bit import eight_bit
from scipy import ndimage

Fusion = Callable[[np.ndarray, np.ndarray], np.ndarray]

LIMITS = {
    # Promised: exactly 0 where both sources are. Pyramids, wavelets and guided filters lift it by 0.01 to 0.1.
    "background": 0.0,
    # Darker than all that either source shows within 2 pixels: pyramids reach 0.04 to 0.17, a blend of the sources 0.
    "undershoot": 0.02,
    # Brighter than all of it: contrast may be raised where the sources agree, most in wide windows, where 0.24 was
    # seen; a fusion that adds what it should blend passes 0.25.
    "overshoot": 0.25,
    # One gray level in 255 shows on a flat region; beyond what the content itself has, noise moves it by 0.002.
    "checkerboard": 0.004,
    # Tried on real slices only: of full checkers or stripes it is 0.5, of pyramids and the pixelwise maximum 0.08 at
    # most.
    "checkered patch": 0.1,
    # As the checkerboard; 0.003 was seen, pyramids have up to 0.005, methods without a grid 0.
    "blocks": 0.004,
    # Nabf beyond the Laplacian pyramid's, in one slice: 0.004 was seen under other gammas. The mean over slices should
    # not be beyond it: 0.0003 was seen, in wide windows.
    "false edges": 0.006,
    "mean false edges": 0.001,
    # Qabf below the Laplacian pyramid's, in one slice: 0.013 was seen, in low windows. Blurs are found by it where
    # nothing else costs edges. The mean over slices must not be below it at all.
    "lost edges": 0.02,
    # Where bone hides many of MR's edges: 0.035 was seen. Without those it must not be below the pyramid's at all.
    "lost edges where bone hides some": 0.04,
    "mean lost edges": 0.0,
    # Share of an image in narrow dark lines that no source has: 0.021 was seen, beside bone in proton density. Pyramids
    # have up to 0.024, under narrow windows; a line along every edge of bone takes 0.03.
    "dark lines": 0.025,
    # Share of what CT shows white that is darker: 0.004 was seen, two voxels off. The maximum loses nothing, a pyramid
    # up to nearly all.
    "lost white": 0.01,
    # Where MR is white along both sides of the skull, which is black in it: 0.035 was seen, pyramids lose 0.68.
    "lost white in bright windows": 0.05,
    # Promised: nothing changes with the order of the sources. A fusion that leans to one by a fifth changes by 0.03.
    "swap": 0.0,
    # Mean change: 0.004 was seen, pyramids have 0.010, a shift by one pixel 0.04.
    "flip": 0.015,
    # Mean difference of a fusion made small and a fusion of the sources made small: 0.025 was seen, pyramids have 0.06.
    "scale": 0.05,
    # Mean difference from the only source that shows anything: 0.0105 was seen, for its contrast is raised a little;
    # averaging has 0.1.
    "empty source": 0.015,
    # A constant pair must give a constant: a gray level in 255 is seen on a flat region, a third of one was found.
    "flat pattern": 0.004,
    # Two constants must give nothing brighter than the brighter or darker than the darker, beyond some contrast.
    "beyond flat": 0.1,
    # Standard deviation over that of the brighter source's noise, less 1: pyramids have 0.35.
    "noise in air": 0.1,
    # Standard deviation over each source's, less 1: pyramids have 0.27.
    "noise in tissue": 0.1,
    # Share of a smooth gray that is lost where the other source is empty: averaging loses half, the maximum nothing.
    "lost smooth gray": 0.45,
    # Change of a uniform region 4 to 20 pixels from a bright ring such as the skull: 0.09 was seen, pyramids reach 0.15
    # to 0.31.
    "halo": 0.1,
    # A line along a step, darker or brighter than both of its sides: 0.026 was seen, pyramids and wavelets have 0.2 to
    # 0.4, guided filters 0.15.
    "seam": 0.04,
}
"""Largest value of each criterion. Values of others are those of ``evaluation.alternatives`` on the same images."""


_WHITE = 0.98
"""From here on a source counts as white: what a display window cuts off, but for noise."""


def background(first, second, fused):
    """Brightest pixel where both sources are 0."""
    return float(np.abs(fused[(first == 0) & (second == 0)]).max(initial=0))


def undershoot(first, second, fused):
    """How far the fused image falls below the darkest of both sources within 2 pixels, but for 1 pixel in 1000."""
    return float(np.percentile(ndimage.minimum_filter(np.minimum(first, second), 5) - fused, 99.9))


def overshoot(first, second, fused):
    """How far the fused image rises above the brightest of both sources within 2 pixels, but for 1 pixel in 1000."""
    return float(np.percentile(fused - ndimage.maximum_filter(np.maximum(first, second), 5), 99.9))


def checkerboard(first, second, fused):
    """Range of the means over each phase of a grid of 2 x 2 pixels, beyond that of the sources' maximum."""
    inside = _inside(first, second)
    return _phase_range(fused, inside, 2) - _phase_range(np.maximum(first, second), inside, 2)


_ALTERNATIONS = (
    np.array([[1, -1], [-1, 1]]) / 4,
    np.array([[1, -2, 1]]) / 4,
    np.array([[1], [-2], [1]]) / 4,
)
"""Checkers, stripes down and stripes across: all that changes from pixel to pixel."""


def checkered_patch(first, second, fused):
    """Strongest checkers or stripes over 5 x 5 pixels, beyond the strongest of either source within 3 pixels."""

    def beyond_the_sources(kernel):
        strengths = [
            ndimage.uniform_filter(np.abs(ndimage.convolve(image, kernel)), 5) for image in (first, second, fused)
        ]
        return strengths[2] - ndimage.maximum_filter(np.maximum(*strengths[:2]), 7)

    return float(max(beyond_the_sources(kernel).max() for kernel in _ALTERNATIONS))


def false_edges(first, second, fused):
    """Nabf beyond the Laplacian pyramid's."""
    images = _gray_values(first, second, fused, laplacian_pyramid(first, second))
    return edge_metrics.artifacts(*images[:3]) - edge_metrics.artifacts(*images[:2], images[3])


def lost_edges(first, second, fused, but_within_white=False):
    """Qabf below the Laplacian pyramid's.

    Args:
        first, second, fused: the images.
        but_within_white: leave out edges of the first source well within what the second shows white. MR shows marrow
            within bone that is white in CT: to show it as well, bone would have to be darker, see ``lost_white``. The
            pyramid darkens it.
    """
    *sources, fused, pyramid = _gray_values(first, second, fused, laplacian_pyramid(first, second))
    everywhere = np.ones(first.shape, bool)
    counted = (~_within_white(second) if but_within_white else everywhere), everywhere
    kept, by_pyramid = (
        edge_metrics.edge_preservation_of_each(*sources, image, counted)[0] for image in (fused, pyramid)
    )
    return by_pyramid - kept


def dark_lines(first, second, fused, deep=0.1):
    """Share of pixels in narrow lines, darker by so much than both of their sides, that neither source nor the maximum
    shows within a pixel.

    Beside bone, which is bright in CT and black in MR, such a line is no darker than all that either source shows.
    """
    *shown, fused = (_narrow_depth(image) for image in (first, second, np.maximum(first, second), fused))
    return float((fused - ndimage.maximum_filter(np.max(shown, axis=0), 3) > deep).mean())


def lost_white(source, fused, deep=0.1):
    """Share of the pixels well within what a source shows white that the fused image shows darker by so much.

    Stricter about what is white than the training's ``objective.lost_white``, and without regard to how much darker.
    Where there are fewer than 100, as under noise, it is 0.
    """
    white = _within_white(source)
    return float((source - fused > deep)[white].mean()) if white.sum() >= 100 else 0.0


IMAGE_CRITERIA = {
    "background": background,
    "undershoot": undershoot,
    "overshoot": overshoot,
    "checkerboard": checkerboard,
    "false edges": false_edges,
    "lost edges": lost_edges,
    "dark lines": dark_lines,
}
"""Take both sources and what was made of them."""


def swap(fuse: Fusion, first, second):
    """Mean change when the sources are swapped."""
    return _mean_difference(fuse(first, second), fuse(second, first))


def flip(fuse: Fusion, first, second):
    """Largest mean change when the sources are mirrored or transposed and the result is put back."""
    expected = fuse(first, second)
    turns = (np.fliplr, np.flipud, np.transpose)
    return max(_mean_difference(expected, turn(fuse(turn(first), turn(second)))) for turn in turns)


def scale(fuse: Fusion, first, second, sides=(64, 256)):
    """Largest mean difference between the fusion made smaller and the fusion of the sources made smaller."""
    fused = fuse(first, second)
    return max(
        _mean_difference(_smaller(fused, side), fuse(_smaller(first, side), _smaller(second, side))) for side in sides
    )


def empty_source(fuse: Fusion, first, second):
    """Mean difference from a source when the other one is empty."""
    nothing = np.zeros_like(first)
    return max(
        _mean_difference(fused, image)
        for image in (first, second)
        for fused in (fuse(image, nothing), fuse(nothing, image))
    )


def blocks(fuse: Fusion, first, second, period=4):
    """Range of the means over each phase of a grid of 4 x 4 pixels, but for what moves with the sources.

    A detail of the content is a pattern too: the phases of a stationary wavelet fusion, which has no grid, differ by
    0.007 under narrow windows and noise.
    """
    moves = [(down, right) for down in range(period) for right in range(period)]
    without_a_grid = np.mean([_moved_back(fuse, first, second, move) for move in moves], axis=0)
    return _phase_range(fuse(first, second) - without_a_grid, _inside(first, second), period)


FUSION_CRITERIA = {"swap": swap, "flip": flip, "scale": scale, "empty source": empty_source, "blocks": blocks}
"""Take a fusion and a pair to try it on."""

_LEVELS = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)


def flat_pattern(fuse: Fusion):
    """Largest range within the fusion of two constants."""
    return max(float(np.ptp(fuse(*pair))) for pair in _flat_pairs())


def beyond_flat(fuse: Fusion):
    """How far the fusion of two constants lies outside of them."""
    means = [(fuse(*pair).mean(), pair[0].flat[0], pair[1].flat[0]) for pair in _flat_pairs()]
    return max(max(mean - max(a, b), min(a, b) - mean) for mean, a, b in means)


def noise_in_air(fuse: Fusion):
    """Standard deviation of fused Rayleigh noise over that of the brighter source's, less 1."""
    noise = np.random.default_rng(0).standard_normal((2, 2, 128, 128))
    first, second = 0.02 * np.hypot(*noise)
    return fuse(first, second).std() / np.maximum(first, second).std() - 1


def noise_in_tissue(fuse: Fusion):
    """Standard deviation of a fused uniform region over the sources', less 1."""
    first, second = 0.4 + 0.05 * np.random.default_rng(0).standard_normal((2, 128, 128))
    return fuse(first, second).std() / first.std() - 1


def lost_smooth_gray(fuse: Fusion):
    """Largest share of a constant gray that is lost where the other source is 0."""
    grays = [np.full((64, 64), level) for level in (0.1, 0.2, 0.3, 0.5, 0.8)]
    return max(1 - fuse(*pair).mean() / gray.mean() for gray in grays for pair in ((gray, 0 * gray), (0 * gray, gray)))


def halo(fuse: Fusion):
    """Largest change of a uniform, slightly noisy region 4 to 20 pixels inside a bright ring that one source shows."""
    rows, columns = np.mgrid[:160, :160] - 79.5
    radius = np.hypot(rows, columns)
    inside, ring = radius <= 55, (radius > 55) & (radius < 64)
    worst = 0.0
    for with_ring, without in ((0.0, 0.3), (0.0, 0.6), (0.3, 0.3), (0.3, 0.6), (0.5, 0.3)):
        noise = 0.015 * np.random.default_rng(0).standard_normal((2, 160, 160))
        first = np.clip(ndimage.gaussian_filter(ring.astype(float), 0.7) + inside * (with_ring + noise[0]), 0, 1)
        fused = fuse(first, np.clip(inside * (without + noise[1]), 0, 1))
        deep = fused[radius < 20].mean()
        means = [fused[(radius >= at) & (radius < at + 1)].mean() for at in range(35, 51)]
        worst = max(worst, max(abs(mean - deep) for mean in means))
    return worst


_STEPS = (
    # Both sources' values before and behind: bone beside brain, air beside tissue, and steps in one source alone.
    ((1.0, 0.3), (0.0, 0.6)),
    ((0.9, 0.0), (0.0, 0.5)),
    ((1.0, 0.2), (0.1, 0.8)),
    ((0.6, 0.2), (0.2, 0.7)),
    ((0.3, 0.3), (0.0, 0.6)),
    ((1.0, 0.3), (0.3, 0.3)),
)


def seam(fuse: Fusion):
    """How far a line along a straight step lies below or above what is fused on either side of it.

    The steps lie on and beside the grids of pyramids, run down and across, and are noisy as well.
    """
    worst = 0.0
    for steps, column, turn, deviation in product(_STEPS, (32, 33), (np.asarray, np.transpose), (0.0, 0.015)):
        noise = deviation * np.random.default_rng(0).standard_normal((2, 64, 64))
        pair = (np.clip(np.repeat(step, (column, 64 - column)) + each, 0, 1) for step, each in zip(steps, noise))
        profile = turn(fuse(*(np.ascontiguousarray(turn(image)) for image in pair)))[20:44].mean(axis=0)
        sides = profile[column - 20 : column - 6].mean(), profile[column + 6 : column + 20].mean()
        line = profile[column - 6 : column + 6]
        worst = max(worst, min(sides) - line.min(), line.max() - max(sides))
    return worst


OWN_CRITERIA = {
    "flat pattern": flat_pattern,
    "beyond flat": beyond_flat,
    "noise in air": noise_in_air,
    "noise in tissue": noise_in_tissue,
    "lost smooth gray": lost_smooth_gray,
    "halo": halo,
    "seam": seam,
}
"""Take a fusion and try it on images of their own."""


def faults(first, second, fused, hides_edges=False) -> dict[str, float]:
    """The image criteria whose limits a fused image passes, with their values.

    Args:
        first, second, fused: the images.
        hides_edges: the second source is CT whose bone hides some of MR's edges, see ``lost_edges``.
    """
    values = {name: criterion(first, second, fused) for name, criterion in IMAGE_CRITERIA.items()}
    if hides_edges:
        values["lost edges where bone hides some"] = values.pop("lost edges")
        values["mean lost edges"] = lost_edges(first, second, fused, but_within_white=True)
    # Fewer pixels, noisier means: the limit is for slices of 256 pixels.
    looser = {"checkerboard": max(1.0, 256 / min(first.shape))}
    return {name: value for name, value in values.items() if value > LIMITS[name] * looser.get(name, 1)}


def _inside(first, second):
    """Where either source shows something, but for a border of 2 pixels."""
    return ndimage.binary_erosion((first > 0) | (second > 0), iterations=2)


def _within_white(source):
    """What a source shows white, but for the outermost 2 pixels."""
    return ndimage.binary_erosion(source >= _WHITE, iterations=2)


def _narrow_depth(image):
    """How far pixels lie below a closing, which fills what is at most 4 pixels wide."""
    return ndimage.grey_closing(image, (5, 5)) - image


def _moved_back(fuse, first, second, move):
    """What is fused of moved sources, where it would be of the sources themselves."""
    fused = fuse(*(np.roll(image, move, (0, 1)) for image in (first, second)))
    return np.roll(fused, (-move[0], -move[1]), (0, 1))


def _phase_range(image, inside, period):
    detail = image - ndimage.gaussian_filter(image, 2)
    phases = [
        (slice(row, None, period), slice(column, None, period)) for row in range(period) for column in range(period)
    ]
    means = [detail[phase][inside[phase]].mean() for phase in phases if inside[phase].any()]
    return float(np.ptp(means)) if means else 0.0


def _gray_values(*images):
    return [eight_bit(image).astype(np.float64) for image in images]


def _mean_difference(first, second):
    return float(np.abs(first - second).mean())


def _smaller(image, side):
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def _flat_pairs():
    return [(np.full((40, 57), a), np.full((40, 57), b)) for a in _LEVELS for b in _LEVELS]
