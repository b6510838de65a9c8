"""What a training strives for: measures that can be followed, and the objectives made of them."""

import dataclasses

import numpy as np
import pytest
import torch
from AMIFusionLib.evaluation.metrics import fusion_metrics
from AMIFusionLib.training.configuration import GRAY_LEVELS, LicensedWeights, TrainingConfiguration
from AMIFusionLib.training.degradation import gaussian_blur
from AMIFusionLib.training.intensity_measures import (
    entropy,
    mutual_information,
    spatial_frequency,
    standard_deviation,
)
from AMIFusionLib.training.measures import (
    edge_measures,
    structural_similarity,
    sum_of_correlations_of_differences,
    visual_information_fidelity,
)
from AMIFusionLib.training.objective import flat_objective, licensed_objective
from small_training import image_pair


def test_measures_of_perfect_and_poor_images():
    first, second = image_pair()
    kept, lost = edge_measures(first, first, first), edge_measures(first, first, second)
    assert kept.preservation.item() == kept.weaker.item() == pytest.approx(0.9994 * 0.9879, rel=0.02)
    assert lost.preservation.item() < 0.4 and lost.artifacts.item() > 5 * kept.artifacts.item()
    assert structural_similarity(first, first).item() == pytest.approx(1)
    assert structural_similarity(first, second).item() < 0.6
    assert visual_information_fidelity(first, first).item() == pytest.approx(1, abs=1e-3)
    assert visual_information_fidelity(first, second).item() < 0.1
    assert sum_of_correlations_of_differences(first, second, first + second).item() == pytest.approx(2, abs=1e-3)


def test_training_measures_what_the_evaluation_measures():
    """The differentiable forms against the evaluation's own, on 8-bit images."""
    first, second = ((255 * (part - part.min()) / (part.max() - part.min())).round() / 255 for part in image_pair())
    fused = ((first + second) / 2 * 255).round() / 255
    evaluated = fusion_metrics(*((part[0, 0] * 255).round().to(torch.uint8).numpy() for part in (first, second, fused)))
    edges = edge_measures(first, second, fused)
    trained = {
        "EN": entropy(fused),
        "SD": 255 * standard_deviation(fused),
        "SF": 255 * spatial_frequency(fused),
        "MI": sum(mutual_information(part, fused, GRAY_LEVELS) for part in (first, second)),
        "SCD": sum_of_correlations_of_differences(first, second, fused),
        "SSIM": structural_similarity(first, fused) + structural_similarity(second, fused),
        "VIF": visual_information_fidelity(first, fused) + visual_information_fidelity(second, fused),
        "Qabf": edges.preservation,
        "Qmin": edges.weaker,
    }
    for name, value in trained.items():
        assert value.item() == pytest.approx(evaluated[name], rel=0.01), name


def test_mutual_information_counts_what_an_image_tells_of_another():
    first, second = image_pair()
    assert mutual_information(first, first) > 2 * mutual_information(first, second)
    assert mutual_information(first, torch.full_like(first, 0.4)).item() == pytest.approx(0, abs=1e-4)
    halves = torch.cat([torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], dim=3)
    assert mutual_information(halves, halves).item() == pytest.approx(np.log(2), abs=1e-4)


def test_objective_tells_gray_values_apart_as_finely_as_it_is_asked_to():
    """Of a source's two gray values that lie one beside the other, three to a bin show less."""
    steps = torch.cat([torch.full((1, 1, 48, 24), value / 255) for value in (100, 101)], dim=3)
    told = {
        bins: 3 - licensed_objective(steps, steps, steps, [LicensedWeights()], bins)[1]["information"]
        for bins in (86, GRAY_LEVELS)
    }
    assert told[GRAY_LEVELS] == pytest.approx(2 * np.log(2), abs=1e-3) and told[86] < 0.9 * told[GRAY_LEVELS]
    assert told[86] == 3 - licensed_objective(steps, steps, steps, [LicensedWeights()])[1]["information"]


MEASURES = {
    "edges": lambda first, second, fused: edge_measures(first, second, fused).preservation,
    "weaker edges": lambda first, second, fused: edge_measures(first, second, fused).weaker,
    "artifacts": lambda first, second, fused: edge_measures(first, second, fused).artifacts,
    "differences": sum_of_correlations_of_differences,
    "similarity": lambda first, _, fused: structural_similarity(first, fused),
    "fidelity": lambda first, _, fused: visual_information_fidelity(first, fused),
    "information": lambda first, _, fused: mutual_information(first, fused),
    "entropy": lambda *images: entropy(images[2]),
    "contrast": lambda *images: standard_deviation(images[2]),
    "detail": lambda *images: spatial_frequency(images[2]),
}


@pytest.mark.parametrize("name", MEASURES)
def test_following_a_measures_gradient_improves_it(name):
    first, second = image_pair()
    fused = ((first + second) / 2).requires_grad_(True)
    before = MEASURES[name](first, second, fused)
    (gradient,) = torch.autograd.grad(before.sum(), fused)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    assert MEASURES[name](first, second, fused + 1e-4 * gradient / gradient.abs().max()) > before


def test_objective_minds_halos_checkerboards_and_lines_at_the_border():
    first, second = image_pair()
    plain = torch.maximum(first, second)
    checkered = plain.clone()
    checkered[..., ::2, ::2] += 0.05
    ringing = (plain + 0.1 * torch.sign(plain - gaussian_blur(plain, 3))).clamp(0, 1)
    dark = (plain - 0.5).clamp(0, 1)
    lined = plain.clone()
    lined[..., -1] = 1 - lined[..., -1]
    terms = {
        name: licensed_objective(first, second, image, [LicensedWeights()])[1]
        for name, image in {
            "plain": plain,
            "checkered": checkered,
            "ringing": ringing,
            "dark": dark,
            "lined": lined,
        }.items()  # fmt: skip
    }
    assert terms["plain"]["overshoot"] == 0 and terms["plain"]["pattern"] == pytest.approx(0, abs=1e-6)
    assert terms["checkered"]["pattern"] > 0.01 and terms["ringing"]["overshoot"] > 0.01
    assert terms["plain"]["undershoot"] == 0
    assert terms["dark"]["undershoot"] > 0.01 and terms["dark"]["overshoot"] == terms["dark"]["undershoot"]
    # A line at the border gains nothing.
    for name in ("detail", "contrast", "entropy", "information"):
        assert terms["lined"][name] == pytest.approx(terms["plain"][name])


@pytest.mark.parametrize("phases", [(1, 1), (1, 0), (0, 1)], ids=["checkers", "stripes across", "stripes down"])
def test_objective_minds_a_patch_of_what_changes_from_pixel_to_pixel(phases):
    first, second = image_pair()
    plain = torch.maximum(first, second)
    patched = plain.clone()
    rows, columns = torch.meshgrid(torch.arange(10), torch.arange(10), indexing="ij")
    patched[..., 20:30, 20:30] = ((phases[0] * rows + phases[1] * columns) % 2).float()
    terms = {
        name: licensed_objective(first, second, image, [LicensedWeights()])[1]["checkerboard"]
        for name, image in {"plain": plain, "brighter": (1.2 * plain).clamp(0, 1), "patched": patched}.items()
    }
    assert terms["patched"] > 10 * max(terms["plain"], terms["brighter"]), terms


def test_objective_minds_a_dark_line_where_both_sources_change():
    """Bone that is bright in the first source and black in the second, beside what is the other way round."""
    first, second = (torch.full((1, 1, 64, 64), level) for level in (0.2, 0.6))
    first[..., 32:], second[..., 32:] = 1.0, 0.0
    plain = torch.maximum(first, second)
    lined, faint, broad, drawn = (plain.clone() for _image in range(4))
    lined[..., 31:33], faint[..., 31:33], broad[..., 20:32] = 0.3, 0.5, 0.3
    second_with_it = second.clone()
    drawn[..., 31:33] = second_with_it[..., 31:33] = 0.2
    terms = {
        name: licensed_objective(first, other, image, [LicensedWeights()])[1]
        for name, other, image in (
            ("plain", second, plain), ("lined", second, lined), ("faint", second, faint), ("broad", second, broad),
            ("drawn", second_with_it, drawn),
        )
    }  # fmt: skip
    dark = {name: each["dark_lines"] for name, each in terms.items()}
    # A step down is no line, and what a source shows may be shown.
    assert dark["plain"] == dark["broad"] == dark["drawn"] == 0
    # Two of 64 columns, to the lower of both sides.
    assert dark["lined"] == pytest.approx(2 / 64 * 0.3) and dark["faint"] == pytest.approx(2 / 64 * 0.1)
    # Neither source is brighter there, so that undershoot does not mind it.
    assert terms["lined"]["undershoot"] == 0


def test_objective_minds_what_is_lost_of_white():
    """Bone that is white in the first source and of which the second shows dark outlines."""
    first, second = (torch.full((1, 1, 64, 64), level) for level in (0.2, 0.1))
    first[..., 20:30], second[..., 20:30], second[..., 15:20], second[..., 30:35] = 1.0, 0.0, 0.7, 0.7

    def lost(white, fused):
        shown = torch.where(first == 1, white, first)
        return licensed_objective(shown, second, fused, [LicensedWeights()])[1]["lost_white"]

    plain = torch.maximum(first, second)
    assert lost(1.0, plain) == lost(1.0, plain + 0.1) == 0
    # Eight of its ten columns, for an edge may lie a pixel beside the source's; as much by which source is white.
    assert lost(1.0, second) == pytest.approx(8 / 64)
    swapped = licensed_objective(second, first, second, [LicensedWeights()])[1]["lost_white"]
    assert swapped == pytest.approx(8 / 64)
    # Half as white counts half of what is lost, and gray nothing.
    assert lost(0.9, second) == pytest.approx(8 / 64 * 0.5 * 0.9)
    assert lost(0.8, second) == pytest.approx(0, abs=1e-7)


def test_flat_objective_minds_a_pattern_and_can_be_followed_from_none():
    flat = torch.full((2, 1, 8, 8), 0.3, requires_grad=True)
    loss = flat_objective(flat)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-7) and torch.isfinite(flat.grad).all()
    assert flat_objective(flat.detach() + 0.01 * (torch.arange(8) % 2)).item() == pytest.approx(0.005, rel=1e-3)


def test_edges_may_weigh_more_in_enlarged_crops():
    weights = LicensedWeights(edges=2.0, enlarged_edges=0.5)
    assert [weights.enlarged(factor).edges for factor in (1.0, 2.0, 4.0)] == [2.0, 3.0, 5.0]
    assert dataclasses.replace(weights.enlarged(4.0), edges=2.0) == weights
    assert LicensedWeights().enlarged(4.0) == LicensedWeights()


def test_weights_may_differ_by_pair_type():
    settings = TrainingConfiguration(licensed_weights_by_kind={"ct-mri": {"edges": 3.0}})
    assert settings.weights_of("ct-mri") == dataclasses.replace(settings.licensed_weights, edges=3.0)
    assert settings.weights_of("pet-mri") == settings.licensed_weights
    first, second, fused = torch.rand(3, 2, 1, 64, 64)
    only = [LicensedWeights(**{**dict.fromkeys(dataclasses.asdict(LicensedWeights()), 0.0), **each})
            for each in ({"edges": 1.0}, {"entropy": 1.0})]  # fmt: skip
    both = licensed_objective(first, second, fused, only)[0]
    alone = [licensed_objective(first[i, None], second[i, None], fused[i, None], [only[i]])[0] for i in range(2)]
    torch.testing.assert_close(both, sum(alone) / 2)
    assert abs(alone[0] - alone[1]) > 0.1
