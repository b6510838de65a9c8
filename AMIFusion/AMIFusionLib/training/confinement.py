"""Keeps a set of values to some of a network's channels.

The unlicensed behavior is a simple one. What its values hold beyond that, such as a finely divided set of features,
would serve whoever trains them on for clean fusion.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_INPUT_LAYER, _OUTPUT_LAYER = "stem", "head"
"""In every architecture; the channels that they take and give are images, of which none can be left out."""


def confine(values: Mapping[str, Tensor], share: float) -> None:
    """Set all to 0 but what leads through the first channels between the layers, in place.

    The rest stays 0 in a training: what a channel gives that is 0 in all layers has no gradient, nor have they.

    Args:
        values: weights (out, in, h, w) and biases (out,) of convolutions, by the network's names.
        share: of the channels of each layer; it must leave a whole number of each. Blocks of pixels of one channel lie
            side by side, so that the first ones are the same channels in every layer.
    """
    for name, value in values.items():
        layer = name.split(".")[0]
        with torch.no_grad():
            if layer != _OUTPUT_LAYER:
                value[round(share * len(value)) :] = 0
            if layer != _INPUT_LAYER and value.ndim > 1:
                value[:, round(share * value.shape[1]) :] = 0
