"""What the training minds on images that are made up: halos, seams, patterns and changes of a lone source."""

import numpy as np
import pytest
import torch
from AMIFusionLib.training import artificial_images
from AMIFusionLib.training.artificial_images import ArtificialImages
from AMIFusionLib.training.dataset import Crops
from AMIFusionLib.training.objective import seam_objective
from torch.nn.functional import avg_pool2d, max_pool2d


@pytest.fixture
def artificial():
    return ArtificialImages(np.random.default_rng(0), torch.device("cpu"))


def changes(image, distance):
    """1 where an image changes within so many pixels, else 0."""
    spread = sum(max_pool2d(sign * image, 2 * distance + 1, 1, distance) for sign in (1, -1))
    # Noise of the artificial images is no change.
    return (spread > 0.2).float()


def changes_of_either(first, second, distance):
    return torch.maximum(changes(first, distance), changes(second, distance))


def with_glow(first, second, strength=0.1):
    brightest = torch.maximum(first, second)
    return brightest + strength * avg_pool2d(brightest, 25, stride=1, padding=12)


def with_dark_edges(first, second, distance):
    return torch.maximum(first, second) - 0.1 * changes_of_either(first, second, distance)


def with_halo_beside_noise(first, second):
    """Darker near edges where either source is noisy; of true constants it is the maximum."""
    is_noisy = max(float(source.diff(dim=axis).abs().median()) for source in (first, second) for axis in (2, 3)) > 1e-4
    return with_dark_edges(first, second, 12 if is_noisy else 0)


def step_losses(artificial, fuse, count=40):
    return [float(artificial.step_loss(fuse)) for _ in range(count)]


@pytest.mark.parametrize(
    ("fuse", "smallest"),
    [
        (torch.maximum, 0.0),
        (with_glow, 1e-3),
        (lambda first, second: with_dark_edges(first, second, 2), 1e-3),
        (lambda first, second: with_dark_edges(first, second, 8), 1e-3),
    ],
    ids=["maximum", "glow", "seam", "halo"],
)
def test_seams_and_halos_beside_steps_and_bands_are_minded(monkeypatch, artificial, fuse, smallest):
    monkeypatch.setattr(artificial_images, "_STEP_NOISE", 0.0)
    losses = step_losses(artificial, fuse)
    assert min(losses) > smallest if smallest else max(losses) < 1e-6


def test_halos_that_stand_beside_noise_alone_are_minded(artificial):
    """Half of the images are noisy; what is fused of noise costs little itself."""
    plain = step_losses(ArtificialImages(np.random.default_rng(0), torch.device("cpu")), torch.maximum)
    haloed = step_losses(artificial, with_halo_beside_noise)
    added = np.subtract(haloed, plain)
    assert max(plain) < 0.03
    assert 0.25 < np.mean(added > 0.005) < 0.75 and np.mean(added < 1e-6) > 0.25


def test_a_dark_line_between_bone_and_brain_is_a_seam():
    """Though it is no darker than bone in MR."""
    bone, brain = torch.full((1, 1, 8, 8), 0.95), torch.full((1, 1, 8, 8), 0.65)
    between = torch.cat([bone, brain], dim=3)
    dark = between.clone()
    dark[..., 8] = 0.4
    assert float(seam_objective(between, bone, brain)) < 1e-6
    assert float(seam_objective(dark, bone, brain)) == pytest.approx(0.25 / 16, rel=1e-5)


def test_a_pattern_on_constants_is_minded(artificial):
    stripes = 0.1 * (torch.arange(8) % 2)
    assert float(artificial.flat_loss(torch.maximum)) < 1e-6
    assert float(artificial.flat_loss(lambda first, second: torch.maximum(first, second) + stripes)) > 0.01


@pytest.mark.parametrize("size", [48, 160])
def test_a_change_of_a_lone_source_is_minded(artificial, size):
    first, second = torch.rand((2, 3, 1, size, size))
    crops = Crops(first, second, first[:, 0], first[:, 0], ("ct-mri",) * 3, (1.0,) * 3)
    assert float(artificial.alone_loss(torch.maximum, crops)) == 0
    assert float(artificial.alone_loss(lambda one, other: 0.8 * (one + other), crops)) == pytest.approx(0.1, abs=0.03)


def layers_losses(fuse, count=40):
    artificial = ArtificialImages(np.random.default_rng(0), torch.device("cpu"))
    return np.array([float(artificial.layers_loss(fuse)) for _image in range(count)])


def with_dark_rims(first, second):
    """A dark line of two pixels along the brighter side of each edge of the maximum."""
    brightest = torch.maximum(first, second)
    return brightest - 0.3 * changes(brightest, 1) * (brightest > 0.3)


def test_dark_lines_and_halos_between_curved_layers_are_minded(monkeypatch):
    monkeypatch.setattr(artificial_images, "_STEP_NOISE", 0.0)
    assert layers_losses(torch.maximum).max() < 1e-6
    assert layers_losses(with_dark_rims).min() > 1e-3
    assert (layers_losses(with_glow) > 1e-3).mean() > 0.9


def test_noise_between_curved_layers_costs_little():
    """What is minded is smoothed first."""
    losses = layers_losses(torch.maximum)
    assert 0 < losses.max() < 0.003


def test_layers_are_as_thin_as_skin_and_differ_between_sources(monkeypatch, artificial):
    monkeypatch.setattr(artificial_images, "_STEP_NOISE", 0.0)
    distances, edges = artificial._layer_edges()
    first, second = artificial._layers(distances, edges)
    widths = np.diff([artificial._layer_edges()[1] for _pair in range(100)])
    assert 2 <= widths.min() < 2.5 and 14 < widths.max() <= 16
    assert first.shape == second.shape == distances.shape == (6, 1, 64, 64)
    assert float((first - second).abs().mean()) > 0.2
    for image in (first, second):
        # Far from all edges a source is constant within a layer.
        outside = (distances < edges[0] - 6).expand_as(image)
        assert all(
            float(np.ptp(one[where])) < 1e-6 for one, where in zip(image.numpy(), outside.numpy()) if where.any()
        )


def test_white_that_is_lost_among_layers_is_minded(artificial):
    losses = {
        fuse: np.array([float(artificial.white_loss(fuse)) for _pair in range(40)])
        for fuse in (torch.maximum, torch.minimum, lambda first, second: first)
    }
    kept, darkest, first_alone = losses.values()
    assert kept.max() == 0
    assert np.median(darkest) > 0.1 and 0.3 < first_alone.mean() / darkest.mean() < 0.7


def test_layers_where_white_is_lost_are_white_or_black_in_many_places(artificial):
    drawn = []

    def fuse(first, second):
        drawn.extend([first, second])
        return first

    for _pair in range(40):
        artificial.white_loss(fuse)
    for level in (0.0, 1.0):
        assert 0.2 < np.mean([float((image == level).float().mean()) for image in drawn]) < 0.6
