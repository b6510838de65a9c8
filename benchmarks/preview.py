"""Time of one slice of the live preview, and how long the event loop is held up while a user scrolls with it.

    PYTHONPATH=AMIFusion:AMIFusion/Testing/Python python benchmarks/preview.py [--out docs/benchmarks.md]

The pair is that of fuse_volume.py. The parts of a slice take turns on every slice of it; then the panel's preview runs
in the tests' emulation of Slicer, where nothing is drawn: a timer scrolls the red view through all slices, another one
ticks as often as it can, and the longest time between two of its ticks is what a user would feel.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import slicer_emulation
import torch

slicer = slicer_emulation.install()

import qt  # noqa: E402
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH  # noqa: E402
from AMIFusionLib.evaluation.markdown import markdown_table  # noqa: E402
from AMIFusionLib.fusion_job import FusionOptions  # noqa: E402
from AMIFusionLib.panel.preview_section import PreviewSection  # noqa: E402
from AMIFusionLib.panel.preview_view import PreviewView  # noqa: E402
from AMIFusionLib.slice_preview import SlicePreview  # noqa: E402
from AMIFusionLib.volumes.resampling import PlaneReader  # noqa: E402
from AMIFusionLib.volumes.source import ShownValues  # noqa: E402
from AMIFusionLib.volumes.view_plane import grid_on_plane  # noqa: E402
from fuse_volume import SIZE, SLICES, phantom_pair  # noqa: E402
from measuring import (  # noqa: E402
    licensed_model,
    licensed_network,
    machine,
    parser_of_rounds,
    write_part,
)

UI_PATH = Path(__file__).resolve().parents[1] / "AMIFusion" / "Resources" / "UI" / "AMIFusion.ui"
WHOLE = "one slice: reading both volumes, the network, the image"
DRAGGED = "one slice while a window is dragged"
SHOWING = "showing it: the scratch node and the view's reslicing"


def red_view():
    """The red slice view."""
    return slicer.app.layoutManager().sliceWidget("Red")


def scrolled_planes(reference) -> list[float]:
    """Offsets of the red view that show the reference's slices, one after the other."""
    bounds = np.empty(6)
    reference.GetRASBounds(bounds)
    step = (bounds[5] - bounds[4]) / SLICES
    return [bounds[4] + step * (index + 0.5) for index in range(SLICES)]


def parts(reference, moving) -> tuple[dict[str, Callable[[], object]], PreviewView]:
    """What is timed on the slice that the red view shows, by what the table says of it, and the view."""
    preview, network = SlicePreview(*licensed_model(), "cpu"), licensed_network()
    # The parts alone, without the section, whose own node this is not.
    view = PreviewView("Parts", red_view().mrmlSliceNode(), red_view().mrmlSliceCompositeNode())
    readers = [PlaneReader(node) for node in (reference, moving)]
    shown = [ShownValues(node, "display", True) for node in (reference, moving)]
    last = {}

    def read():
        grid, _ = grid_on_plane(view.plane, min(reference.GetSpacing()))
        for reader in readers:
            reader.move_to(grid)
        slices = [values.of(reader.read(0, 0, 1)).luma for reader, values in zip(readers, shown)]
        last["images"] = [torch.from_numpy(image)[None] for image in slices]

    def run_network():
        with torch.inference_mode():
            # As the engine gives it: a licensed network has no mark.
            network(*last["images"], torch.zeros(1, 1, 1, 1).expand_as(last["images"][0]))

    def fuse():
        last["slice"] = preview.fuse(reference, moving, FusionOptions(device="cpu"), view.plane)

    def fuse_dragged():
        # And back, so that the other parts see their own window.
        window = shown[1].window
        moving.GetDisplayNode().SetWindowLevelMinMax(window.low + 1, window.high + 1)
        fuse()
        moving.GetDisplayNode().SetWindowLevelMinMax(window.low, window.high)

    def show():
        view.show(last["slice"])
        red_view().sliceLogic().GetBlend().Update()

    timed = {
        "reading and windowing both volumes": read,
        "the network": run_network,
        WHOLE: fuse,
        DRAGGED: fuse_dragged,
        SHOWING: show,
    }
    return timed, view


def times_of_parts(reference, moving) -> dict[str, list[float]]:
    """Seconds of each part on every slice; one pass before does not count."""
    timed, view = parts(reference, moving)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for is_counted in (False, True):
        for offset in scrolled_planes(reference):
            red_view().sliceLogic().SetSliceOffset(offset)
            for name, run in timed.items():
                started = time.perf_counter()
                run()
                if is_counted:
                    seconds[name].append(time.perf_counter() - started)
    view.withdraw()
    return seconds


def scrolling(reference, moving, rounds: int) -> tuple[list[float], int]:
    """Longest gap between ticks of the event loop in each round, and how many slices were shown in all of them."""
    sealed, _ = licensed_model()
    widget = slicer.util.loadUI(str(UI_PATH))
    ui = slicer.util.childWidgetVariables(widget)
    license_text = EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")
    section = PreviewSection(ui, SimpleNamespace(model=lambda: sealed), lambda: license_text)
    ui.previewCheckBox.setChecked(True)
    section.update(
        SimpleNamespace(
            referenceVolume=reference, movingVolume=moving, window="display", keepColor=True, balance=50, device="cpu"
        )
    )
    rest()
    scrolls = [Scroll(scrolled_planes(reference)) for _ in range(rounds + 1)]
    for scroll in scrolls:
        scroll.run()
    assert ui.previewStatusLabel.text.startswith("Preview, licensed"), ui.previewStatusLabel.text
    section.close()
    return [scroll.longest_gap for scroll in scrolls[1:]], sum(scroll.shown for scroll in scrolls[1:])


def rest() -> None:
    """Turn the event loop until the preview has nothing more to do."""
    for _ in range(50):
        slicer_emulation.process_events()


class Scroll:
    """One pass through offsets, one in each turn of the event loop."""

    def __init__(self, offsets: list[float]) -> None:
        self._waiting, self._ticks, self._image = list(offsets), [], None
        self.shown = 0

    @property
    def longest_gap(self) -> float:
        """Seconds between two ticks."""
        return max(after - before for before, after in zip(self._ticks, self._ticks[1:]))

    def run(self) -> None:
        """Scroll, and tick until the last slice is shown."""
        timers = qt.QTimer(), qt.QTimer()
        for timer, act in zip(timers, (self._tick, self._scroll)):
            timer.connect("timeout()", act)
            timer.start(0)
        while self._waiting:
            slicer_emulation.process_events()
        rest()
        for timer in timers:
            timer.stop()

    def _tick(self) -> None:
        self._ticks.append(time.perf_counter())
        shown = red_view().mrmlSliceCompositeNode().GetForegroundVolumeID()
        image = slicer.mrmlScene.GetNodeByID(shown).GetImageData()
        self.shown += image is not self._image
        self._image = image

    def _scroll(self) -> None:
        if self._waiting:
            red_view().sliceLogic().SetSliceOffset(self._waiting.pop(0))


def report(seconds: dict[str, list[float]], gaps: list[float], shown: int, threads: int) -> str:
    """The measurements as Markdown."""
    rows = [
        [name, f"{1000 * statistics.median(values):.1f}", f"{1000 * statistics.quantiles(values, n=10)[-1]:.1f}"]
        for name, values in seconds.items()
    ]
    longest = sorted(1000 * gap for gap in gaps)
    return "\n\n".join(
        [
            f"Slices of {SIZE} x {SIZE} of a pair of {SIZE} x {SIZE} x {SLICES} on two grids, {machine(threads)}; "
            f"each of the {SLICES} slices once.",
            markdown_table(["", "ms, median", "90 % within"], rows),
            f"Scrolling through all {SLICES} slices as fast as the event loop turns, {len(gaps)} times: "
            f"{shown / len(gaps):.0f} slices were shown in a pass, and the longest gap between two ticks of a timer "
            f"was {statistics.median(longest):.0f} ms (median of the passes; {longest[0]:.0f} to {longest[-1]:.0f}).",
        ]
    )


def main() -> None:
    """Measure and write the part."""
    arguments = parser_of_rounds(__doc__, 5).parse_args()
    torch.set_num_threads(arguments.threads)
    reference, moving = phantom_pair(slicer.mrmlScene)
    red_view().mrmlSliceNode().SetDimensions(2 * SIZE, 2 * SIZE, 1)
    slicer.util.setSliceViewerLayers(background=reference, fit=True)
    seconds = times_of_parts(reference, moving)
    gaps, shown = scrolling(reference, moving, arguments.rounds)
    write_part(report(seconds, gaps, shown, arguments.threads), arguments.out)


if __name__ == "__main__":
    main()
