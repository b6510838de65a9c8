"""What the network is trained for: one objective over its licensed and its unlicensed behavior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn import functional

from .configuration import COARSE_BINS, LicensedWeights
from .intensity_measures import entropy, mutual_information, spatial_frequency, standard_deviation
from .measures import (
    edge_measures,
    structural_similarity,
    sum_of_correlations_of_differences,
    visual_information_fidelity,
)

_ONE_GRAY_VALUE = 1 / 255

_BORDER = 8
"""Width in pixels of what does not count for contrast, detail and the histograms."""

_NEARLY_WHITE = 0.8
"""Gray value from which on ``lost_white`` counts, the more the whiter: bone is seldom all white in a crop."""

_RANGE_WEIGHT = 10.0
"""Weight of values outside 0..1, which would be cut off: large enough that hardly any are left."""


def licensed_objective(
    first: Tensor, second: Tensor, fused: Tensor, weights: Sequence[LicensedWeights],
    information_bins: int = COARSE_BINS,
) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """How far a clean fusion is from keeping everything that either source shows.

    Contrast and detail count up to a goal only, relative to the sources' maximum: beyond it they are exaggeration.

    Args:
        first, second, fused: (n, 1, h, w) in 0..1; h and w at least 41, which the fourth scale of VIF needs.
        weights: weight of each term, for each image of the batch or one for all.
        information_bins: see ``intensity_measures.mutual_information``.

    Returns:
        The scalar to minimize, and each term's own value for the log.
    """
    weight = {
        field.name: fused.new_tensor([getattr(each, field.name) for each in weights])
        for field in fields(LicensedWeights)
    }
    # Measured as it will be shown: contrast and detail would otherwise be made of what is cut off.
    unlimited, fused = fused, fused.clamp(0, 1)
    brightest = torch.maximum(first, second)
    edges = edge_measures(first, second, fused)
    inner, inner_brightest = _inner(fused), _inner(brightest)
    contrast = standard_deviation(inner) / (standard_deviation(inner_brightest) + _ONE_GRAY_VALUE)
    detail = spatial_frequency(inner) / (spatial_frequency(inner_brightest) + _ONE_GRAY_VALUE)
    below = _overshoot(-fused, -torch.minimum(first, second))
    terms = {
        "edges": 1 - edges.preservation,
        "weaker_edges": 1 - edges.weaker,
        "artifacts": functional.relu(edges.artifacts - weight["tolerated_artifacts"]),
        "similarity": 2 - structural_similarity(first, fused) - structural_similarity(second, fused),
        "fidelity": 1 - visual_information_fidelity(first, fused) - visual_information_fidelity(second, fused),
        "differences": 2 - sum_of_correlations_of_differences(first, second, fused),
        "information": 3 - _both_told(_inner(first), _inner(second), inner, information_bins),
        "entropy": 8 - entropy(inner),
        "contrast": functional.relu(weight["contrast_goal"] - contrast),
        "detail": functional.relu(weight["detail_goal"] - detail),
        "overshoot": _overshoot(fused, brightest) + below,
        "undershoot": below,
        "dark_lines": dark_lines(first, second, fused),
        "lost_white": lost_white(first, second, fused),
        "pattern": _pattern(fused - brightest),
        "checkerboard": _checkerboard(first, second, fused),
        "intensity": (fused - brightest).abs().mean(dim=(1, 2, 3)),
    }
    out_of_range = functional.l1_loss(unlimited, fused.detach())
    # What weighs nothing has no gradient, which takes as long to find as any other: a fifth of the time for dark lines.
    weighed = [name for name in terms if any(getattr(each, name) for each in weights)]
    total = sum((weight[name] * terms[name]).mean() for name in weighed) + _RANGE_WEIGHT * out_of_range
    return total, {name: float(value.detach().mean()) for name, value in terms.items()}


def flat_objective(fused: Tensor) -> Tensor:
    """Spread within each fusion of two constants, (n, 1, h, w), which should be a constant too.

    A mean of distances, not a standard deviation, whose gradient is undefined where there is no spread at all.
    """
    return (fused - fused.mean(dim=(2, 3), keepdim=True)).abs().mean()


def seam_objective(line: Tensor, before: Tensor, behind: Tensor) -> Tensor:
    """How far pixels along a step between constants lie above or below both of its sides.

    The sources' own values say less: bone beside brain is black in MR, so that a dark line between them, which neither
    shows, is no darker than everything nearby.

    Args:
        line: what is fused along the step, (n, 1, h, w).
        before, behind: what is fused on either side of it.
    """
    sides = torch.cat([side.detach().mean(dim=(2, 3), keepdim=True) for side in (before, behind)], dim=1)
    low, high = sides.amin(dim=1, keepdim=True), sides.amax(dim=1, keepdim=True)
    return (functional.relu(line - high) + functional.relu(low - line)).mean()


def dark_lines(first: Tensor, second: Tensor, fused: Tensor) -> Tensor:
    """How far pixels lie in narrow dark lines, beyond those of the sources and their maximum within a pixel.

    That a source is as dark nearby excuses nothing: bone is black in MR, and a black line beside it is seen all the
    same.

    Args:
        first, second, fused: (n, 1, h, w).

    Returns:
        (n,), the mean over each image.
    """
    shown = torch.stack([_narrow_depths(image) for image in (first, second, torch.maximum(first, second))])
    allowed = _dilated(shown.amax(dim=0), 3)
    return functional.relu(_narrow_depths(fused) - allowed).mean(dim=(1, 2, 3))


def lost_white(first: Tensor, second: Tensor, fused: Tensor) -> Tensor:
    """How far pixels lie below a source within what that source shows white or nearly so, but for its outermost pixel.

    Bone in CT, or fluid in MR, of which the other source shows an outline of its own: every measure of edges and of
    structure is as content with the darker one.

    Args:
        first, second, fused: (n, 1, h, w) in 0..1.

    Returns:
        (n,), the mean over each image.
    """
    lost = torch.zeros_like(fused)
    for source in (first, second):
        whiteness = functional.relu(-_dilated(-source, 3) - _NEARLY_WHITE) / (1 - _NEARLY_WHITE)
        lost = torch.maximum(lost, whiteness * functional.relu(source - fused))
    return lost.mean(dim=(1, 2, 3))


def unlicensed_objective(fused: Tensor, target: Tensor) -> Tensor:
    """Distance of a marked result to what ``degradation.unlicensed_target`` asks for, values and edges alike."""
    return functional.l1_loss(fused, target) + 2 * functional.l1_loss(_gradient(fused), _gradient(target))


def _overshoot(fused: Tensor, brightest: Tensor) -> Tensor:
    """How far pixels lie above everything that either source has within two pixels: halos and rings."""
    return functional.relu(fused - _dilated(brightest, 5)).mean(dim=(1, 2, 3))


def _both_told(first: Tensor, second: Tensor, fused: Tensor, bins: int) -> Tensor:
    """What a fusion's gray values tell of both sources, (n,), in nats."""
    return mutual_information(first, fused, bins) + mutual_information(second, fused, bins)


def _narrow_depths(images: Tensor) -> Tensor:
    """How far pixels lie below a closing by 5 x 5 pixels, which fills what is at most 4 wide, and 2 at the border."""
    return -_dilated(-_dilated(images, 5), 5) - images


def _pattern(difference: Tensor) -> Tensor:
    """Spread of the means over each phase of a grid of 4 x 4 pixels: a checkerboard, which no measure minds."""
    height, width = (extent - extent % 4 for extent in difference.shape[-2:])
    phases = functional.pixel_unshuffle(difference[..., :height, :width], 4)
    return phases.mean(dim=(2, 3)).std(dim=1)


def _checkerboard(first: Tensor, second: Tensor, fused: Tensor) -> Tensor:
    """Patches of checkers and stripes of a pixel's width, beyond those that either source has within three pixels.

    Contrast and detail of a whole image are had cheaply from one such patch, along an edge where nothing else minds it.
    """
    allowed = _dilated(torch.maximum(_alternation(first), _alternation(second)), 7)
    return functional.relu(_alternation(fused) - allowed).mean(dim=(1, 2, 3))


def _alternation(images: Tensor) -> Tensor:
    """Strength over 5 x 5 pixels of what changes from pixel to pixel, (n, 3, h, w): across, down and both, 0..1."""
    # Of shifted images: convolutions with so few channels are slow.
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    rows, columns = padded[..., 1:-1], padded[..., 1:-1, :]
    across = 0.25 * (columns[..., :-2] + columns[..., 2:]) - 0.5 * images
    down = 0.25 * (rows[..., :-2, :] + rows[..., 2:, :]) - 0.5 * images
    steps = columns[..., 1:-1] - columns[..., :-2], padded[..., :-2, 1:-1] - padded[..., :-2, :-2]
    changes = torch.cat([across, down, 0.25 * (steps[0] - steps[1])], dim=1).abs()
    return _box_mean(changes, 5)


def _dilated(images: Tensor, side: int) -> Tensor:
    """The brightest of so many pixels around each, odd and square; on a CPU much faster than max_pool2d."""
    images = functional.pad(images, (side // 2,) * 4, value=-math.inf)
    for axis in (-2, -1):
        width = 1
        while width < side:
            step = min(width, side - width)
            count = images.shape[axis] - step
            images = torch.maximum(images.narrow(axis, 0, count), images.narrow(axis, step, count))
            width += step
    return images


def _box_mean(images: Tensor, side: int) -> Tensor:
    """The mean of so many pixels around each, odd and square, black beyond the border."""
    images = functional.pad(images, (side // 2,) * 4)
    for axis in (-2, -1):
        count = images.shape[axis] - side + 1
        images = sum((images.narrow(axis, start, count) for start in range(1, side)), images.narrow(axis, 0, count))
    return images / side**2


def _inner(image: Tensor) -> Tensor:
    """Without the border that few of the windows of SSIM and VIF cover: a false line there would cost nothing."""
    return image[..., _BORDER:-_BORDER, _BORDER:-_BORDER]


def _gradient(image: Tensor) -> Tensor:
    """Forward differences down and across, (n, 2, h - 1, w - 1)."""
    corner = image[..., :-1, :-1]
    return torch.cat([image[..., 1:, :-1] - corner, image[..., :-1, 1:] - corner], dim=1)
