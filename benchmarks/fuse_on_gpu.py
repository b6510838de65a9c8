"""Slices a second of 512 x 512 on a GPU, and the share of the card's convolution rate that the network reaches.

    PYTHONPATH=AMIFusion python benchmarks/fuse_on_gpu.py [--out docs/benchmarks.md]

Without a GPU it says so, measures nothing and leaves the page as it is. Rates are floating-point operations of the
convolutions, counted by PyTorch, over the time measured by PyTorch's own timer, which waits for the card. The card's
convolution rate is the best that plain 3 x 3 convolutions in half precision reach on it, tried from 32 to 512 channels.
With 32 a card is held up by its memory and not by its arithmetic, so that the share of that rate is shown as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from AMIFusionLib.evaluation.markdown import markdown_table
from AMIFusionLib.fusion.engine import FusionEngine
from measuring import PAGE, licensed_network, write_part
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

SIZE, SLICES = 512, 256
BATCHES, CHANNELS = (1, 8, 32), (32, 64, 128, 256, 512)


def seconds_of(run: Callable[[], object], least: float) -> float:
    """Median seconds of a call, measured for at least some seconds."""
    return Timer("run()", globals={"run": run}).blocked_autorange(min_run_time=least).median


def operations_of(run: Callable[[], object]) -> int:
    """Floating-point operations of a call's convolutions: two for a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def half_precision(run: Callable[[], object], device: str) -> Callable[[], object]:
    """The call as the engine makes it on a GPU."""
    return torch.inference_mode()(torch.autocast(torch.device(device).type, dtype=torch.float16)(run))


def network_call(device: str, batch: int) -> Callable[[], object]:
    """The network on a batch of slices that are on the device already."""
    network = licensed_network(device)
    images = torch.rand(2, batch, 1, SIZE, SIZE, device=device)
    mark = network.mark_field(SIZE, SIZE)
    return half_precision(partial(network, *images, mark), device)


def convolution_call(device: str, channels: int) -> Callable[[], object]:
    """One 3 x 3 convolution on as many values as 8 slices of 32 channels."""
    # Channels last is the faster order for half floats, and the network's own.
    order = torch.channels_last
    convolution = torch.nn.Conv2d(channels, channels, 3, padding=1).to(device, torch.float16, memory_format=order)
    features = torch.rand(8 * 32 // min(channels, 256), channels, SIZE, SIZE, device=device, dtype=torch.float16)
    return torch.inference_mode()(partial(convolution, features.contiguous(memory_format=order)))


def engine_call(device: str) -> Callable[[], object]:
    """A volume from the computer's memory and back, as fusing one runs: step by step, transfers included."""
    engine = FusionEngine(licensed_network(device), device)
    sources = [np.random.default_rng(0).random((SLICES, SIZE, SIZE), dtype=np.float32) for _ in range(2)]
    fused = np.empty_like(sources[0])

    def read(start, stop):
        return tuple(source[start:stop] for source in sources)

    def write(start, done):
        fused[start : start + len(done)] = done

    return lambda: list(engine.fuse(read, write, fused.shape))


def report(device: str, least: float) -> str:
    """The measurements as Markdown."""
    rates = {
        channels: operations_of(call) / seconds_of(call, least)
        for channels, call in ((channels, convolution_call(device, channels)) for channels in CHANNELS)
    }
    rows = []
    for batch in BATCHES:
        call = network_call(device, batch)
        seconds = seconds_of(call, least)
        rate = operations_of(call) / seconds
        shares = (f"{100 * rate / limit:.0f}%" for limit in (max(rates.values()), rates[CHANNELS[0]]))
        rows.append([f"network alone, {batch} at a time", f"{batch / seconds:.0f}", f"{rate / 1e12:.2f}", *shares])
    seconds = seconds_of(engine_call(device), least)
    rows.append([f"{SLICES} slices from memory to memory", f"{SLICES / seconds:.0f}", "", "", ""])
    head = ["", "slices a second", "TFLOP/s", "of the card's best", f"of {CHANNELS[0]} channels"]
    measured = ", ".join(f"{rate / 1e12:.1f} with {channels}" for channels, rate in rates.items())
    return "\n\n".join(
        [
            f"Slices of {SIZE} x {SIZE} on {torch.cuda.get_device_name(device)}, torch {torch.__version__}, half "
            "precision.",
            markdown_table(head, rows),
            f"3 x 3 convolutions in half precision on this card, TFLOP/s by channels: {measured}.",
        ]
    )


def main() -> None:
    """Measure and write the table, where there is a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=2.0, help="to measure each candidate for, at least")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was measured.")
        return
    write_part(report(arguments.device, arguments.seconds), arguments.out)


if __name__ == "__main__":
    main()
