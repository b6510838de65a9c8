"""The authorization-conditioned fusion network.

One architecture, two behaviors. Every parameter has a public value; some have a sealed value as well. With the
public values the network renders a blurred, dimmed fusion under the owner's mark; with the sealed values put in their
place it gives the clean fusion. Which values it holds *is* the condition: there is no switch in the code to flip, and
what makes the clean result is not there until a license opens it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

MINIMUM_SLICE_SIZE = 8
"""Smallest side of a slice in pixels: mirroring a block around it, and filling up the last one, takes so many."""

MARK_EXTENT = 0.5
"""Side of one mark tile over the shorter side of the slice: wherever the tiles lie, one is whole."""

MARK_MINIMUM_PIXELS = 96.0
"""Shortest side of one mark tile in pixels: below it the strokes are thinner than the network can draw."""


class AuthorizableFusionNetwork(nn.Module):
    """Fuse two images into one, clean or marked according to the parameters it holds.

    The body works on blocks of ``scale`` x ``scale`` pixels (pixel unshuffle): at a quarter of the resolution with 64
    channels it costs a sixteenth of the same layers at full resolution and sees four times as far. The head predicts,
    for each pixel, a blend weight between the sources and a residual. Outside the sources' support (both exactly 0) the residual is scaled by ``air_gain``: 0 in
    the sealed parameters, so that a licensed result is exactly 0 there, 1 in the public ones, so that the mark is
    drawn over air too.

    Args:
        channels: feature channels of the body.
        blocks: residual blocks of two 3 x 3 convolutions each.
        scale: side of a block of pixels that the body takes at once.
        mark_size: side of the square mark tile in pixels.
    """

    def __init__(self, channels: int = 64, blocks: int = 5, scale: int = 4, mark_size: int = 192) -> None:
        super().__init__()
        self.hyperparameters = {"channels": channels, "blocks": blocks, "scale": scale, "mark_size": mark_size}
        self.mark = nn.Parameter(torch.zeros(1, 1, mark_size, mark_size), requires_grad=False)
        self.air_gain = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.scale = scale
        self.stem = _convolution(3 * scale**2, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.head = _convolution(channels, 2 * scale**2)

    def forward(self, first: Tensor, second: Tensor, mark: Tensor) -> Tensor:
        """Fuse a batch of slices.

        Args:
            first: (n, 1, h, w) in 0..1, h and w at least ``MINIMUM_SLICE_SIZE``.
            second: as ``first``.
            mark: (1 or n, 1, h, w), what ``mark_field`` gives for this slice size.

        Returns:
            (n, 1, h, w) in 0..1 (not limited to that range in training mode, where clamping would stop gradients).
        """
        height, width = first.shape[-2:]
        stacked = torch.cat([first, second, mark.to(first.dtype).expand_as(first)], dim=1)
        # A mirrored block around the slice: the convolutions' zeros beyond it then touch nothing that is kept.
        edge = self.scale
        padding = (edge, edge - width % -edge, edge, edge - height % -edge)
        stacked = functional.pad(stacked, padding, mode="reflect")
        # Channels last: on a CPU these convolutions then take two thirds of the time.
        blocks = functional.pixel_unshuffle(stacked, self.scale).contiguous(memory_format=torch.channels_last)
        prediction = self.head(self.body(functional.relu(self.stem(blocks))))
        prediction = functional.pixel_shuffle(prediction, self.scale)[..., edge : edge + height, edge : edge + width]
        # Under automatic mixed precision the convolutions give half floats; the blend keeps the sources' precision.
        prediction = prediction.to(first.dtype)
        weight, residual = torch.sigmoid(prediction[:, :1]), prediction[:, 1:]
        support = ((first > 0) | (second > 0)).to(first.dtype)
        reach = support + (1 - support) * self.air_gain
        fused = second + weight * (first - second) + residual * reach
        return fused if self.training else fused.clamp(0, 1)

    def mark_field(self, height: int, width: int, pixel_spacing: tuple[float, float] = (1.0, 1.0)) -> Tensor:
        """The mark tile repeated over a slice, one tile at its center, upright and undistorted in millimeters.

        Args:
            height, width: slice size in pixels.
            pixel_spacing: (row, column) spacing in any one unit; only the ratio matters.

        Returns:
            (1, 1, height, width), 0 (paper) to 1 (stroke).
        """
        finest = min(pixel_spacing)
        rows = _centered(height, self.mark) * (pixel_spacing[0] / finest)
        columns = _centered(width, self.mark) * (pixel_spacing[1] / finest)
        extent = min(height * pixel_spacing[0], width * pixel_spacing[1]) / finest
        period = max(MARK_EXTENT * extent, MARK_MINIMUM_PIXELS)
        grid_rows, grid_columns = torch.meshgrid(rows, columns, indexing="ij")
        return sample_tile(self.mark, grid_rows[None] / period, grid_columns[None] / period)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(functional.relu(self.first(features)))


def sample_tile(tile: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read a periodic tile at positions given in periods.

    Args:
        tile: (1, 1, s, s).
        rows, columns: (n, h, w) positions; 0 is the center of a tile, 1 one period further.

    Returns:
        (n, 1, h, w), bilinear.
    """
    grid = 2 * torch.remainder(torch.stack([columns, rows], dim=-1) + 0.5, 1.0) - 1
    tiles = tile.to(grid.dtype).expand(grid.shape[0], -1, -1, -1)
    return functional.grid_sample(tiles, grid, padding_mode="border", align_corners=False)


ARCHITECTURES: dict[str, type[nn.Module]] = {"amif-residual-2": AuthorizableFusionNetwork}
"""Every architecture a model file may name."""


class UnknownArchitectureError(ValueError):
    """The model file names an architecture that this version does not have."""


def build_network(
    architecture: str, hyperparameters: Mapping[str, int], parameters: Mapping[str, object]
) -> AuthorizableFusionNetwork:
    """Make a network ready to run, from what a model file holds.

    Args:
        architecture: a key of ``ARCHITECTURES``.
        hyperparameters: keyword arguments of that architecture.
        parameters: name to array-like, one for each parameter of the network.

    Raises:
        UnknownArchitectureError: no such architecture here.
        ValueError: hyper-parameters, names or shapes do not fit the architecture.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownArchitectureError(
            f"This model needs the network architecture '{architecture}', which this version of AMIFusion does not "
            "have. Update AMIFusion."
        )
    try:
        # On the meta device first: no random numbers are drawn and no memory is taken for values soon replaced.
        with torch.device("meta"):
            network = ARCHITECTURES[architecture](**hyperparameters)
        state = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in parameters.items()}
        network.load_state_dict(state, assign=True)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"The model's parameters do not fit its architecture '{architecture}'.") from error
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


def _centered(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) - (count - 1) / 2
