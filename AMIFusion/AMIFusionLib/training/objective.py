"""What the network is trained for: one objective over its licensed and its unlicensed behavior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .configuration import LicensedWeights
from .measures import (
    edge_preservation,
    structural_similarity,
    sum_of_correlations_of_differences,
    visual_information_fidelity,
)


def licensed_objective(
    first: Tensor, second: Tensor, fused: Tensor, weights: LicensedWeights
) -> tuple[Tensor, dict[str, float]]:
    """How far a clean fusion is from keeping everything that either source shows.

    Args:
        first, second, fused: (n, 1, h, w) in 0..1; h and w at least 41, which the fourth scale of VIF needs.
        weights: weight of each term.

    Returns:
        The scalar to minimize, and each term's own value for the log.
    """
    similarity = structural_similarity(first, fused) + structural_similarity(second, fused)
    information = visual_information_fidelity(first, fused) + visual_information_fidelity(second, fused)
    terms = {
        "edges": 1 - edge_preservation(first, second, fused).mean(),
        "similarity": 2 - similarity.mean(),
        "information": 1 - information.mean(),
        "differences": 2 - sum_of_correlations_of_differences(first, second, fused).mean(),
        "intensity": functional.l1_loss(fused, torch.maximum(first, second)),
        "gradient": functional.l1_loss(_gradient(fused), _stronger(_gradient(first), _gradient(second))),
    }
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    return total, {name: float(value.detach()) for name, value in terms.items()}


def unlicensed_objective(fused: Tensor, target: Tensor) -> Tensor:
    """Distance of a marked result to what ``degradation.unlicensed_target`` asks for, values and edges alike."""
    return functional.l1_loss(fused, target) + 2 * functional.l1_loss(_gradient(fused), _gradient(target))


def _gradient(image: Tensor) -> Tensor:
    """Forward differences down and across, (n, 2, h - 1, w - 1)."""
    corner = image[..., :-1, :-1]
    return torch.cat([image[..., 1:, :-1] - corner, image[..., :-1, 1:] - corner], dim=1)


def _stronger(first: Tensor, second: Tensor) -> Tensor:
    return torch.where(first.abs() >= second.abs(), first, second)
