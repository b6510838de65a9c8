"""What the network is trained for: one objective over its licensed and its unlicensed behavior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .configuration import LicensedWeights
from .intensity_measures import entropy, mutual_information, spatial_frequency, standard_deviation
from .measures import (
    edge_measures,
    structural_similarity,
    sum_of_correlations_of_differences,
    visual_information_fidelity,
)

_ONE_GRAY_VALUE = 1 / 255

_RANGE_WEIGHT = 10.0
"""Weight of values outside 0..1, which would be cut off: large enough that hardly any are left."""


def licensed_objective(
    first: Tensor, second: Tensor, fused: Tensor, weights: LicensedWeights
) -> tuple[Tensor, dict[str, float]]:
    """How far a clean fusion is from keeping everything that either source shows.

    Contrast and detail count up to a goal only, relative to the sources' maximum: beyond it they are exaggeration.

    Args:
        first, second, fused: (n, 1, h, w) in 0..1; h and w at least 41, which the fourth scale of VIF needs.
        weights: weight of each term.

    Returns:
        The scalar to minimize, and each term's own value for the log.
    """
    brightest = torch.maximum(first, second)
    edges = edge_measures(first, second, fused)
    contrast = standard_deviation(fused) / (standard_deviation(brightest) + _ONE_GRAY_VALUE)
    detail = spatial_frequency(fused) / (spatial_frequency(brightest) + _ONE_GRAY_VALUE)
    terms = {
        "edges": 1 - edges.preservation,
        "weaker_edges": 1 - edges.weaker,
        "artifacts": functional.relu(edges.artifacts - weights.tolerated_artifacts),
        "similarity": 2 - structural_similarity(first, fused) - structural_similarity(second, fused),
        "fidelity": 1 - visual_information_fidelity(first, fused) - visual_information_fidelity(second, fused),
        "differences": 2 - sum_of_correlations_of_differences(first, second, fused),
        "information": 3 - mutual_information(first, fused) - mutual_information(second, fused),
        "entropy": 8 - entropy(fused),
        "contrast": functional.relu(weights.contrast_goal - contrast),
        "detail": functional.relu(weights.detail_goal - detail),
        "intensity": (fused - brightest).abs().mean(dim=(1, 2, 3)),
    }
    means = {name: value.mean() for name, value in terms.items()}
    out_of_range = functional.l1_loss(fused, fused.detach().clamp(0, 1))
    total = sum(getattr(weights, name) * value for name, value in means.items()) + _RANGE_WEIGHT * out_of_range
    return total, {name: float(value.detach()) for name, value in means.items()}


def unlicensed_objective(fused: Tensor, target: Tensor) -> Tensor:
    """Distance of a marked result to what ``degradation.unlicensed_target`` asks for, values and edges alike."""
    return functional.l1_loss(fused, target) + 2 * functional.l1_loss(_gradient(fused), _gradient(target))


def _gradient(image: Tensor) -> Tensor:
    """Forward differences down and across, (n, 2, h - 1, w - 1)."""
    corner = image[..., :-1, :-1]
    return torch.cat([image[..., 1:, :-1] - corner, image[..., :-1, 1:] - corner], dim=1)
