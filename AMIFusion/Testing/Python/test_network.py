"""The network: sizes, seams, support, the mark's place."""

import numpy as np
import pytest
import torch
from AMIFusionLib.fusion import network as network_module
from AMIFusionLib.fusion.network import (
    ARCHITECTURES,
    MARK_EXTENT,
    MARK_FASTEST_SLICES,
    ResidualNetwork,
    UnknownArchitectureError,
    build_network,
    mark_period,
    mark_shift,
    sample_tile,
)
from conftest import random_parameters
from torch.nn import functional

HYPERPARAMETERS = {"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32}
SMALL = {
    "amif-residual-2": HYPERPARAMETERS,
    "amif-two-scale-1": {"channels": 4, "blocks": 1, "fine_channels": 4, "mark_size": 32},
}


@pytest.fixture(params=SMALL)
def build(request):
    """Makes an untrained network of each architecture, with some parameters replaced."""
    torch.manual_seed(3)
    random = ARCHITECTURES[request.param](**SMALL[request.param])
    parameters = {name: value.detach().numpy() for name, value in random.named_parameters()}
    return lambda **replaced: build_network(request.param, SMALL[request.param], {**parameters, **replaced})


@pytest.fixture
def network(build):
    """An untrained network with a checkered mark."""
    mark = np.zeros((1, 1, 32, 32), np.float32)
    mark[..., ::4, :] = 1
    return build(mark=mark)


def test_every_architecture_is_tried():
    assert SMALL.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("size", [(8, 8), (8, 31), (9, 9), (17, 64), (255, 257), (64, 1024)])
def test_any_size_gives_that_size_in_range(network, size):
    first, second = torch.rand(2, 1, *size), torch.rand(2, 1, *size)
    fused = network(first, second, network.mark_field(*size))
    assert fused.shape == first.shape
    assert fused.min() >= 0 and fused.max() <= 1 and fused.std() > 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("side", [2, 4])
def test_parameters_of_model_files_meet_the_channels_that_they_were_learned_for(side, layout):
    """Blocks and images have the order of torch's own functions, which models were trained with."""
    images = torch.rand(2, 3, 8 * side, 5 * side).contiguous(memory_format=layout)
    blocks = network_module._blocks_of(images, side)
    assert torch.equal(blocks, functional.pixel_unshuffle(images, side))
    assert blocks.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(network_module._images_of(blocks, side), functional.pixel_shuffle(blocks, side))


def test_no_border_is_drawn(network):
    """A constant image stays constant up to its edges: padding repeats what is there instead of adding zeros."""
    flat = torch.full((1, 1, 34, 40), 0.4)
    fused = network(flat, flat, torch.zeros(1, 1, 34, 40))
    side = 2 if isinstance(network, ResidualNetwork) else 4
    blocks = fused.unfold(2, side, side).unfold(3, side, side)
    torch.testing.assert_close(blocks, blocks[:, :, :1, :1].expand_as(blocks), atol=1e-6, rtol=0)


def test_exactly_zero_where_both_sources_are_zero_unless_the_mark_reaches_there(build):
    first = torch.zeros(1, 1, 32, 32)
    first[..., 8:20, 8:20] = torch.rand(12, 12)
    for reach in (0.0, 1.0):
        network = build(air_gain=np.float32(reach))
        fused = network(first, torch.zeros_like(first), torch.zeros_like(first))
        assert bool((fused[first == 0] == 0).all()) == (reach == 0)


def test_shift_by_whole_blocks_shifts_the_result(network):
    """No position but the mark's counts, so nothing shows where one batch or tile ends."""
    network.double()  # so that only what is seen counts, and not how it is rounded
    image, blank = torch.rand(2, 1, 112, 112, dtype=torch.double), torch.zeros(1, 1, 112, 112)
    fused = network(image[:1], image[1:], blank)
    shifted = network(*(part.roll((4, 8), (2, 3)) for part in (image[:1], image[1:])), blank)
    inner = slice(44, 68)
    torch.testing.assert_close(
        fused.roll((4, 8), (2, 3))[..., inner, inner], shifted[..., inner, inner], atol=1e-6, rtol=0
    )


def test_mark_is_centered_and_scales_with_the_slice():
    network = ResidualNetwork(**HYPERPARAMETERS)
    network.mark.data[..., 15:17, 15:17] = 1
    for height, width in ((256, 256), (512, 512), (300, 401)):
        field = network.mark_field(height, width)[0, 0]
        period = MARK_EXTENT * min(height, width)
        rows, columns = torch.nonzero(field > 0.5).double().T
        near = (rows - (height - 1) / 2).abs().lt(period / 2) & (columns - (width - 1) / 2).abs().lt(period / 2)
        center = (rows[near].mean().item(), columns[near].mean().item())
        assert center == pytest.approx(((height - 1) / 2, (width - 1) / 2), abs=1)


def test_mark_keeps_its_proportions_on_anisotropic_pixels():
    network = ResidualNetwork(**HYPERPARAMETERS)
    network.mark.data[..., 8:24, 8:24] = 1
    field = network.mark_field(100, 300, (3.0, 1.0))[0, 0]
    rows, columns = (field[:, 150] > 0.5).sum().item(), (field[50] > 0.5).sum().item()
    assert rows * 3 == pytest.approx(columns, rel=0.05)


def test_shifted_mark_is_the_mark_further_on():
    network = ResidualNetwork(**HYPERPARAMETERS)
    network.mark.data[:] = torch.rand(1, 1, 32, 32)
    at_center = network.mark_field(200, 300, (1.0, 1.0))
    period = mark_period(200, 300, (1.0, 1.0))
    further_on = network.mark_field(200, 300, (1.0, 1.0), (10 / period, -7 / period))
    torch.testing.assert_close(further_on[..., :-10, 7:], at_center[..., 10:, :-7], atol=1e-4, rtol=0)


def test_mark_field_is_the_tile_that_training_samples():
    network = ResidualNetwork(**HYPERPARAMETERS)
    network.mark.data[:] = torch.rand(1, 1, 32, 32)
    period = mark_period(150, 333, (2.0, 0.9))
    rows = (torch.arange(150) - 149 / 2) * 2.0 / period + 0.3
    columns = (torch.arange(333) - 332 / 2) * 0.9 / period - 1.7
    expected = sample_tile(network.mark, *(grid[None] for grid in torch.meshgrid(rows, columns, indexing="ij")))
    field = network.mark_field(150, 333, (2.0, 0.9), (0.3, -1.7))
    torch.testing.assert_close(field, expected, atol=1e-4, rtol=0)


def advance_in_millimeters(shape, spacing):
    """How far the mark moves in its rows and columns from a slice to the next."""
    before, after = (mark_shift(index, shape, spacing) for index in (0, 1))
    return [mark_period(*shape[1:], spacing[1:]) * (b - a) for a, b in zip(before, after)]


def test_mark_leans_by_45_degrees_in_millimeters():
    for spacing in ((1.5, 0.9, 0.9), (0.7, 0.5, 0.5), (1.5, 0.9, 0.7)):
        assert advance_in_millimeters((200, 256, 256), spacing) == pytest.approx([spacing[0], spacing[0]])


@pytest.mark.parametrize("spacing", [(0.3, 0.9, 0.9), (5.0, 0.9, 0.9), (40.0, 0.9, 0.9)])
@pytest.mark.parametrize("count", [1, 2, 16, 21, 45, 600])
def test_mark_spans_the_depth_in_steps_that_can_be_read(count, spacing):
    shifts = np.array([mark_shift(index, (count, 256, 256), spacing) for index in range(count)])
    np.testing.assert_allclose(shifts.mean(axis=0), 0, atol=1e-9)
    if count >= MARK_FASTEST_SLICES:
        # One tile: the last slice continues what the first began.
        assert np.ptp(shifts[:, 0]) >= 1 - 1 / count - 1e-9
    steps = np.diff(shifts, axis=0)
    assert (steps > 0).all() and (steps[:, 0] <= 1 / 16 + 1e-9).all() and (steps[:, 1] <= 1 / 45 + 1e-9).all()


def test_small_slices_show_all_of_the_mark_one_after_another(network):
    """Of a tile of 96 pixels a slice of 64 shows a part; the stack shows every row and column of it."""
    shape, spacing = (48, 64, 64), (3.6, 3.6, 3.6)
    reach = 64 / mark_period(64, 64, spacing[1:]) / 2
    for axis in (0, 1):
        centers = np.array([mark_shift(index, shape, spacing)[axis] for index in range(48)])
        seen = [(abs((position - centers + 0.5) % 1 - 0.5) < reach).any() for position in np.linspace(-0.5, 0.5, 50)]
        assert all(seen)
    fields = [network.mark_field(64, 64, spacing[1:], mark_shift(index, shape, spacing)) for index in (0, 20, 47)]
    assert (fields[0] - fields[1]).abs().max() > 0.5 and (fields[1] - fields[2]).abs().max() > 0.5


def test_tile_repeats_without_a_step():
    tile = torch.zeros(1, 1, 16, 16)
    tile[..., 4:12, 4:12] = 1
    positions = torch.linspace(-2, 2, 81)
    rows, columns = torch.meshgrid(positions, positions, indexing="ij")
    field = sample_tile(tile, rows[None], columns[None])[0, 0]
    torch.testing.assert_close(field[:20, :20], field[20:40, 40:60], atol=1e-5, rtol=0)


def test_model_of_another_version_is_refused():
    with pytest.raises(UnknownArchitectureError, match="Update AMIFusion"):
        build_network("amif-next", {}, {})
    for hyperparameters, parameters in (
        ({"width": 4}, random_parameters(0)),
        (HYPERPARAMETERS, {}),
        ({**HYPERPARAMETERS, "channels": 8}, random_parameters(0)),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            build_network("amif-residual-2", hyperparameters, parameters)
