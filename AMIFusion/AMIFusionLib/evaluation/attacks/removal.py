"""Attack i: a network that learns to remove the mark, from unlicensed results paired with free fusions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from AMIFusionLib.arrays import Array
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES

from .attempt import Attempt, fit_correction, psnr, tuned
from .bench import Bench, Slices, as_batch, free_fusions
from .learned import Batch, Crops, trained

RATES = (5e-4, 2e-3, 8e-3)
"""Peak learning rates; each pair type is given the network of the one that suits it best."""

_WIDTHS = (32, 64, 96)


class RemovalNetwork(nn.Module):
    """A U-Net that sees the marked result alone.

    O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015, on 2 x 2 pixel blocks, which costs a quarter.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (4, *_WIDTHS[:-1])
        self.down = nn.ModuleList(_two_convolutions(*pair) for pair in zip(inputs, _WIDTHS))
        self.up = nn.ModuleList(
            _two_convolutions(deep + shallow, shallow) for shallow, deep in zip(_WIDTHS[:-1], _WIDTHS[1:])
        )
        self.head = nn.Conv2d(_WIDTHS[0], 4, 1)

    def forward(self, marked: Tensor) -> Tensor:
        """Free a result (n, 1, h, w) of its mark; the same shape."""
        height, width = marked.shape[-2:]
        multiple = 2 ** len(_WIDTHS)
        padded = functional.pad(marked, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        features, kept = functional.pixel_unshuffle(padded, 2), []
        for level, block in enumerate(self.down):
            features = block(functional.avg_pool2d(features, 2) if level else features)
            kept.append(features)
        for level in reversed(range(len(self.up))):
            larger = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = self.up[level](torch.cat([larger, kept[level]], dim=1))
        return functional.pixel_shuffle(self.head(features), 2)[..., :height, :width]


def removal_attempts(bench: Bench, folder: Path) -> Iterator[Attempt]:
    """Attack i.

    Args:
        bench: the model and its slices.
        folder: where the trainings are kept.
    """
    targets = {kind: best_free_fusion(bench, kind) for kind in bench.kinds}
    networks = {rate: _trained_network(bench, folder, targets, rate) for rate in RATES}
    for kind in bench.kinds:
        grid = {"rate": RATES, "target": [targets[kind]]}
        yield tuned(bench, kind, "removal network (U-Net)", lambda slices, rate, target: _removed(
            networks[rate], slices), grid)  # fmt: skip


def _trained_network(bench: Bench, folder: Path, targets: dict[str, str], rate: float) -> RemovalNetwork:
    torch.manual_seed(0)
    network, crops = RemovalNetwork(), Crops(bench)

    def loss(random: np.random.Generator) -> Tensor:
        batch = crops.draw(random)
        with torch.no_grad():
            marked = bench.public(batch.first, batch.second, batch.marks)
        return functional.mse_loss(network(marked), _aims(batch, targets))

    checkpoint = folder / f"removal-{'-'.join(targets[kind] for kind in bench.kinds)}-{rate:g}.pt"
    return trained(network, bench.effort.removal_steps, rate, loss, checkpoint)


def best_free_fusion(bench: Bench, kind: str) -> str:
    """The free fusion nearest to the licensed result on the training slices."""
    slices = bench.tuning[kind]
    fused = {name: images for name, images in free_fusions(slices).items() if name in ALTERNATIVES}

    def nearness(name: str) -> float:
        correction = fit_correction(fused[name], slices.licensed, sharpen=False)
        return float(psnr(slices.licensed, correction.apply(fused[name])).mean())

    return max(fused, key=nearness)


def _aims(batch: Batch, targets: dict[str, str]) -> Tensor:
    triples = zip(batch.kinds, batch.first[:, 0].numpy(), batch.second[:, 0].numpy())
    return as_batch(np.stack([ALTERNATIVES[targets[kind]](first, second) for kind, first, second in triples]))


def _removed(network: RemovalNetwork, slices: Slices) -> Array:
    with torch.inference_mode():
        return torch.cat([network(image) for image in as_batch(slices.unlicensed).split(1)])[:, 0].numpy()


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )
