"""The authorization-conditioned fusion network.

One architecture, two behaviors. Every parameter has a public value; some have a sealed value as well. With the
public values the network renders a blurred, dimmed fusion under the owner's mark; with the sealed values put in their
place it gives the clean fusion. Which values it holds *is* the condition: there is no switch in the code to flip, and
what makes the clean result is not there until a license opens it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..translation import tr as _

MINIMUM_SLICE_SIZE = 8
"""Smallest side of a slice in pixels: two blocks of a quarter of the resolution."""

MARK_EXTENT = 0.5
"""Side of one mark tile over the shorter side of the slice: wherever the tiles lie, one is whole."""

MARK_MINIMUM_PIXELS = 96.0
"""Shortest side of one mark tile in pixels: below it the strokes are thinner than the network can draw."""

MARK_SLOWEST_SLICES, MARK_FASTEST_SLICES = 45, 16
"""Slices that the mark takes to advance by one tile, where its advance follows from their number and not their spacing.

A view across the slices interpolates between them. Along a letter's width, strokes must overlap from one slice to the
next to be seen as strokes, which takes 45 slices to a tile of ten letters; along its height, 16 slices to a tile of two
lines still show an F's arms."""


Border = Literal["replicate", "reflect"]
"""How a convolution continues its input beyond the edge."""


class AuthorizableFusionNetwork(nn.Module, ABC):
    """Fuse two images into one, clean or marked according to the parameters it holds; what all architectures share.

    An architecture adds its layers, and predicts in ``forward_steps`` for each pixel a blend weight between the sources
    and a change. Outside the sources' support (both exactly 0) the change is scaled by ``air_gain``: 0 in the sealed
    parameters, so that a licensed result is exactly 0 there, 1 in the public ones, so that the mark is drawn over air
    too.

    Args:
        mark_size: side of the square mark tile in pixels.
        hyperparameters: the architecture's other keyword arguments, for model files.
    """

    def __init__(self, mark_size: int, **hyperparameters: int) -> None:
        super().__init__()
        self.hyperparameters = {**hyperparameters, "mark_size": mark_size}
        self.mark = nn.Parameter(torch.zeros(1, 1, mark_size, mark_size), requires_grad=False)
        self.air_gain = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, first: Tensor, second: Tensor, mark: Tensor) -> Tensor:
        """Fuse a batch of slices.

        Args:
            first: (n, 1, h, w) in 0..1, h and w at least ``MINIMUM_SLICE_SIZE``.
            second: as ``first``.
            mark: (1 or n, 1, h, w), what ``mark_field`` gives for this slice size.

        Returns:
            (n, 1, h, w) in 0..1 (not limited to that range in training mode, where clamping would stop gradients).
        """
        steps = self.forward_steps(first, second, mark)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                fused: Tensor = end.value
                return fused

    def lower_precision(self) -> None:
        """Compute some layers in bfloat16 from now on, for processors that are much faster in it; here in none.

        There is no way back: the parameters themselves are rounded.
        """

    @abstractmethod
    def forward_steps(self, first: Tensor, second: Tensor, mark: Tensor) -> Generator[None, None, Tensor]:
        """``forward`` with a pause after each block, for callers with an event loop that large slices would hold up."""

    def _blended(self, first: Tensor, second: Tensor, preference: Tensor, change: Tensor) -> Tensor:
        """The fused slices.

        Args:
            first, second: the sources.
            preference: for the first source, (n, 1, h, w); its logistic function is the weight.
            change: what is added, (n, 1, h, w).
        """
        reach = torch.where((first > 0) | (second > 0), 1.0, self.air_gain)
        fused = torch.lerp(second, first, torch.sigmoid(preference)).addcmul_(change, reach)
        return fused if self.training else fused.clamp_(0, 1)

    def mark_field(
        self, height: int, width: int, pixel_spacing: tuple[float, float] = (1.0, 1.0),
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> Tensor:  # fmt: skip
        """The mark tile repeated over a slice, upright and undistorted in millimeters.

        Args:
            height, width: slice size in pixels.
            pixel_spacing: (row, column) spacing in any one unit; only the ratio matters.
            shift: what lies at the slice's center, in tiles down and to the right of a tile's center: what
                ``mark_shift`` gives for a slice of a volume.

        Returns:
            (1, 1, height, width), 0 (paper) to 1 (stroke).
        """
        period = mark_period(height, width, pixel_spacing)
        rows = _centered(height, self.mark) * (pixel_spacing[0] / period) + shift[0]
        columns = _centered(width, self.mark) * (pixel_spacing[1] / period) + shift[1]
        # As sample_tile reads it; first all rows, then all columns, in half the time.
        return _sample_lines(_sample_lines(self.mark, rows).mT, columns).mT


class ResidualNetwork(AuthorizableFusionNetwork):
    """The architecture "amif-residual-2".

    All layers work on blocks of ``scale`` x ``scale`` pixels (pixel unshuffle): at a quarter of the resolution with 64
    channels they cost a sixteenth of the same layers at full resolution and see four times as far.

    Args:
        channels: feature channels of the body.
        blocks: residual blocks of two 3 x 3 convolutions each.
        scale: side of a block of pixels that the body takes at once.
        mark_size: side of the square mark tile in pixels.
    """

    def __init__(self, channels: int = 64, blocks: int = 5, scale: int = 4, mark_size: int = 192) -> None:
        super().__init__(mark_size, channels=channels, blocks=blocks, scale=scale)
        self.scale = scale
        self.stem = _convolution(3 * scale**2, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _block in range(blocks)))
        self.head = _convolution(channels, 2 * scale**2)

    def forward_steps(self, first: Tensor, second: Tensor, mark: Tensor) -> Generator[None, None, Tensor]:
        """See ``AuthorizableFusionNetwork``."""
        height, width = first.shape[-2:]
        features = functional.relu_(self.stem(_blocks_of(_stacked(first, second, mark, self.scale), self.scale)))
        for block in self.body:
            yield
            features = block(features)
        yield
        prediction = _images_of(self.head(features), self.scale)[..., :height, :width]
        # Under automatic mixed precision the convolutions give half floats; the blend keeps the sources' precision.
        prediction = prediction.to(first.dtype)
        return self._blended(first, second, prediction[:, :1], prediction[:, 1:])


class TwoScaleNetwork(AuthorizableFusionNetwork):
    """The architecture "amif-two-scale-1".

    Few channels at half the resolution, where edges are, enclose many at a quarter of it, which see farther for less.
    The change of each pixel is a residual and a share of what either source has there beyond its surroundings: so
    sharpness need not be learned pixel by pixel.

    Args:
        channels: feature channels at a quarter of the resolution.
        blocks: residual blocks of two 3 x 3 convolutions each, there.
        fine_channels: feature channels at half the resolution, with one such block before and one after.
        mark_size: side of the square mark tile in pixels.
    """

    def __init__(self, channels: int = 64, blocks: int = 2, fine_channels: int = 24, mark_size: int = 192) -> None:
        super().__init__(mark_size, channels=channels, blocks=blocks, fine_channels=fine_channels)
        self.stem = _convolution(3 * 2**2, fine_channels)
        self.enter = ResidualBlock(fine_channels)
        self.down = _convolution(fine_channels * 2**2, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _block in range(blocks)))
        self.up = nn.Conv2d(channels, fine_channels * 2**2, kernel_size=1)
        # What comes up alternates from pixel to pixel even where the sources are constant; reflected it goes on so.
        self.leave = ResidualBlock(fine_channels, "reflect")
        self.head = _convolution(fine_channels, 4 * 2**2, "reflect")

    def lower_precision(self) -> None:
        """Compute at a quarter of the resolution in bfloat16: half of the work.

        What comes up from there is added to what half the resolution has, which keeps its precision, as the sources do.
        So does the way down: rounding its weights would move single voxels by more than three gray levels in 255, and
        rounding all the others does by less than two.
        """
        for coarse in (self.body, self.up):
            coarse.bfloat16()

    def forward_steps(self, first: Tensor, second: Tensor, mark: Tensor) -> Generator[None, None, Tensor]:
        """See ``AuthorizableFusionNetwork``."""
        height, width = first.shape[-2:]
        fine = self.enter(functional.relu_(self.stem(_blocks_of(_stacked(first, second, mark, 4), 2))))
        yield
        # The body has the precision of the way up, but may be without blocks.
        coarse = _in_precision_of(self.up, functional.relu_(self.down(_blocks_of(fine, 2))))
        for block in self.body:
            yield
            coarse = block(coarse)
        yield
        fine = fine + functional.pixel_shuffle(self.up(coarse), 2)
        fine = self.leave(fine.contiguous(memory_format=torch.channels_last))
        yield
        prediction = _images_of(self.head(fine), 2)[..., :height, :width].to(first.dtype)
        preference, residual, gains = prediction.split([1, 1, 2], dim=1)
        detail = _detail(torch.cat([first, second], dim=1))
        change = torch.addcmul(residual, gains[:, :1], detail[:, :1]).addcmul_(gains[:, 1:], detail[:, 1:])
        return self._blended(first, second, preference, change)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to their input."""

    def __init__(self, channels: int, border: Border = "replicate") -> None:
        super().__init__()
        self.first = _convolution(channels, channels, border)
        self.second = _convolution(channels, channels, border)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu_(self.first(features)))
        return change.add_(features)


def mark_period(height: int, width: int, pixel_spacing: tuple[float, float]) -> float:
    """Side of the mark's square tile on slices of this size, in the unit of the pixel spacing.

    Args:
        height, width: slice size in pixels.
        pixel_spacing: (row, column) spacing.
    """
    extent = min(height * pixel_spacing[0], width * pixel_spacing[1])
    return max(MARK_EXTENT * extent, MARK_MINIMUM_PIXELS * min(pixel_spacing))


def mark_shift(
    index: int, shape: tuple[int, int, int], spacing: tuple[float, float, float], senses: tuple[int, int] = (1, 1)
) -> tuple[float, float]:
    """Where the mark lies in one slice of a volume, so that views across the slices show it too.

    The mark is extruded obliquely: from slice to slice the tile moves along its rows and its columns, so that a view
    across the rows and one across the columns each cut a slanted text out of the volume, not stripes. It moves as far
    as the slices are apart (letters lean by 45 degrees), faster in a thin stack, so that its depth spans one tile, and
    never so fast that too few slices make up a letter. It is at a tile's center in the middle of the volume.

    Args:
        index: of the slice.
        shape: slices, rows, columns.
        spacing: (slice, row, column) spacing in one unit.
        senses: +1 or -1 for rows and columns: whether what lies at the slice's center moves on or back in the tile.

    Returns:
        The ``shift`` of ``mark_field``.
    """
    count, height, width = shape
    steady = max(spacing[0] / mark_period(height, width, spacing[1:]), 1 / count)
    columns = min(steady, 1 / MARK_SLOWEST_SLICES)
    rows = max(columns, min(1 / count, 1 / MARK_FASTEST_SLICES))
    from_middle = index - (count - 1) / 2
    return senses[0] * rows * from_middle, senses[1] * columns * from_middle


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


def _sample_lines(tile: Tensor, positions: Tensor) -> Tensor:
    """Rows of a periodic tile (..., s, t) at (n,) positions given in periods, (..., n, t); linear."""
    size = tile.shape[-2]
    rows = (torch.remainder(positions + 0.5, 1.0) * size - 0.5).clamp(0, size - 1)
    above = rows.floor()
    below = (above + 1).clamp(max=size - 1)
    return torch.lerp(tile[..., above.long(), :], tile[..., below.long(), :], (rows - above)[:, None])


ARCHITECTURES: dict[str, type[AuthorizableFusionNetwork]] = {
    "amif-residual-2": ResidualNetwork,
    "amif-two-scale-1": TwoScaleNetwork,
}
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
            _(
                "This model needs the network architecture '{architecture}', which this version of AMIFusion does not "
                "have. Update AMIFusion."
            ).format(architecture=architecture)
        )
    if hyperparameters.get("blocks", 0) > len(parameters):
        # Each would be made before it is found to have no parameters.
        raise ValueError(
            _("The model's parameters do not fit its architecture '{architecture}'.").format(architecture=architecture)
        )
    try:
        # On the meta device first: no random numbers are drawn and no memory is taken for values soon replaced.
        with torch.device("meta"):
            network = ARCHITECTURES[architecture](**hyperparameters)
        state = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in parameters.items()}
        network.load_state_dict(state, assign=True)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            _("The model's parameters do not fit its architecture '{architecture}'.").format(architecture=architecture)
        ) from error
    # torch's stub does not know this form of Module.to, which changes the network itself.
    network.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _stacked(first: Tensor, second: Tensor, mark: Tensor, multiple: int) -> Tensor:
    """Sources and mark as channels, (n, 3, h, w), continued by their reflection to a multiple of so many pixels."""
    stacked = torch.cat([first, second, mark.to(first.dtype).expand_as(first)], dim=1)
    height, width = first.shape[-2:]
    lacking = (0, -width % multiple, 0, -height % multiple)
    return functional.pad(stacked, lacking, mode="reflect") if any(lacking) else stacked


def _in_precision_of(layer: nn.Conv2d, features: Tensor) -> Tensor:
    """Features in bfloat16 for a layer that was lowered to it, else as they are: autocast converts them itself."""
    return features.to(layer.weight.dtype) if layer.weight.dtype == torch.bfloat16 else features


def _blocks_of(images: Tensor, side: int) -> Tensor:
    """Blocks of pixels as channels, in the order of ``functional.pixel_unshuffle``."""
    # Channels last: on a CPU the convolutions then take two thirds of the time. For slices of 256 pixels they are made
    # so in half the time of torch's function and a copy, for larger ones in about the same.
    count, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1)
    blocks = rows.new_empty(count, height // side, width // side, channels, side**2)
    for place in range(side**2):
        blocks[..., place] = rows[:, place // side :: side, place % side :: side]
    return blocks.flatten(3).permute(0, 3, 1, 2)


def _images_of(blocks: Tensor, side: int) -> Tensor:
    """Channels as blocks of pixels, in the order of ``functional.pixel_shuffle``."""
    # One image after the other, not channels last: what follows then reads each of them in a row.
    count, channels, height, width = blocks.shape
    parts = blocks.permute(0, 2, 3, 1).unflatten(3, (channels // side**2, side, side))
    images: Tensor = parts.permute(0, 3, 1, 4, 2, 5).reshape(count, -1, height * side, width * side)
    return images


def _detail(images: Tensor) -> Tensor:
    """What each pixel has beyond the mean of the 3 x 3 pixels around it."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    # Sums down, then across: on a CPU much faster than avg_pool2d.
    down = (padded[..., :-2, :] + padded[..., 1:-1, :]).add_(padded[..., 2:, :])
    around = (down[..., :-2] + down[..., 1:-1]).add_(down[..., 2:])
    return images - around.div_(9)


def _convolution(inputs: int, outputs: int, border: Border = "replicate") -> nn.Conv2d:
    # Zeros would tell the network where a slice ends, and it draws a line there: no measure minds one at the border.
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, padding_mode=border)


def _centered(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) - (count - 1) / 2
