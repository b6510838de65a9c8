"""Time of fusing one slice, beside the free alternatives and a plain convolution as a yardstick.

    PYTHONPATH=AMIFusion python benchmarks/fuse_slice.py [--out docs/benchmarks.md]

The yardstick, a 3 x 3 convolution of 32 to 32 channels at the slice's size, makes figures of different machines
comparable. All candidates take turns in one process; ratios are formed round by round, so that a slow moment of the
machine, which hits all candidates of a round, does not change them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import cv2
import torch
from AMIFusionLib.evaluation.alternatives import ALTERNATIVES
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.fusion.devices import is_faster_in_bfloat16
from AMIFusionLib.fusion.engine import prepare
from AMIFusionLib.fusion.network import ARCHITECTURES, AuthorizableFusionNetwork
from AMIFusionLib.phantom.head import HeadModel, PhantomGrid
from AMIFusionLib.volumes.intensity import IntensityWindow
from measuring import licensed_network, machine, parser_of_rounds, ratio, take_turns, write_part

NETWORK, YARDSTICK = "AMIFusion's network", "yardstick: one 3 x 3 convolution, 32 to 32 channels"
IN_FLOAT32 = f"{NETWORK} in float32"
CALLS = 3
PRECISION = {
    True: "This CPU has units for bfloat16: networks of `amif-two-scale-1` use them for their coarse layers.",
    False: "This CPU has no units for bfloat16: all networks are in float32.",
}
"""What the table says of it."""


def phantom_slices(size: int):
    """MR (T2) and CT of the middle of the head phantom, (size, size) float32 in 0..1."""
    grid = PhantomGrid.centered((1, size, size), (230 / size, 230 / size, 3.0), (0.0, 0.0, 25.0))
    volumes = (HeadModel(0).sample(name, grid) for name in ("MRT2", "CT"))
    return [IntensityWindow(*volume.window).normalize(volume.array[0]) for volume in volumes]


def untrained(architecture: str) -> AuthorizableFusionNetwork:
    """What an owner may train, in its usual size, laid out and placed as fusing a volume does it."""
    network = ARCHITECTURES[architecture]().requires_grad_(False).eval().to(memory_format=torch.channels_last)
    return prepare(network, torch.device("cpu"))


def candidates(size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by what the table says of it."""
    slices = phantom_slices(size)
    first, second = (torch.from_numpy(image)[None, None] for image in slices)
    mark = torch.zeros(1, 1, size, size)
    convolution, features = torch.nn.Conv2d(32, 32, 3, padding=1), torch.rand(1, 32, size, size)
    return {
        NETWORK: torch.inference_mode()(partial(licensed_network(), first, second, mark)),
        IN_FLOAT32: torch.inference_mode()(partial(licensed_network().float(), first, second, mark)),
        **{
            f"untrained network {name}": torch.inference_mode()(partial(untrained(name), first, second, mark))
            for name in ARCHITECTURES
        },
        YARDSTICK: torch.inference_mode()(partial(convolution, features)),
        **{f"free alternative: {name}": partial(fuse, *slices) for name, fuse in ALTERNATIVES.items()},
    }


def report(seconds: dict[str, list[float]], size: int, threads: int) -> str:
    """The measurements as Markdown."""
    rounds = len(seconds[YARDSTICK])
    rows = [
        [name, f"{1000 * statistics.median(values):.2f}", ratio(values, seconds[YARDSTICK])]
        for name, values in seconds.items()
    ]
    return "\n\n".join(
        [
            f"One slice of {size} x {size} on {machine(threads)}; medians of {rounds} rounds in which the candidates "
            f"take turns, {CALLS} calls each. Ratios are formed in each round; in brackets the middle half of them. "
            f"{PRECISION[is_faster_in_bfloat16(torch.device('cpu'))]}",
            markdown_table(["", "ms", "over the yardstick"], rows),
        ]
    )


def main() -> None:
    """Measure and write the table."""
    parser = parser_of_rounds(__doc__, 40)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    seconds = take_turns(candidates(arguments.size), arguments.rounds, CALLS)
    write_part(report(seconds, arguments.size, arguments.threads), arguments.out)


if __name__ == "__main__":
    main()
