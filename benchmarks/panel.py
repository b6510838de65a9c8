"""How long the panel does not answer while it fuses or aligns, and how soon it is ready after Cancel.

    PYTHONPATH=AMIFusion:AMIFusion/Testing/Python python benchmarks/panel.py [--out docs/benchmarks.md]

The pair is that of fuse_volume.py. The module runs in the tests' emulation of Slicer, where nothing is drawn; a timer
ticks as often as the event loop lets it, and the longest time between two of its ticks is what a user would feel. The
alternative that takes turns with the panel is the same fusion in one call, as a module without steps would do it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import slicer_emulation
import torch

slicer = slicer_emulation.install()

import qt  # noqa: E402
from AMIFusionLib.evaluation.markdown import markdown_table  # noqa: E402
from fuse_volume import SIZE, SLICES, phantom_pair  # noqa: E402
from measuring import machine, parser_of_rounds, write_part  # noqa: E402

MODULE_FILE = Path(__file__).resolve().parents[1] / "AMIFusion" / "AMIFusion.py"
LARGE_SIZE, LARGE_SLICES = 2 * SIZE, 24
FUSING, CANCELING, FUSING_LARGE, ALIGNING, CHECKING, AT_ONCE = (
    "fusing with the panel's button",
    "fusing, and canceling half-way",
    f"fusing {LARGE_SLICES} slices of {LARGE_SIZE} x {LARGE_SIZE}",
    "aligning with the panel's button, the check after it, and undoing it",
    "checking the alignment",
    "alternative: the first fusion in one call",
)


class Ticks:
    """A timer that ticks as often as the event loop turns."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", lambda: self._times.append(time.perf_counter()))

    def longest_gap(self, work: Callable[[], None]) -> float:
        """Seconds between two ticks while something works, and until the event loop is idle again."""
        self._times.clear()
        self._timer.start(0)
        turn()
        work()
        turn()
        self._timer.stop()
        return max(after - before for before, after in zip(self._times, self._times[1:]))


class Desk:
    """The module's panel with two volumes and a license, as a user has it."""

    def __init__(self) -> None:
        slicer_emulation.load_module(str(MODULE_FILE))
        self.reference, self.moving = phantom_pair(slicer.mrmlScene)
        self._large = [enlarged(node) for node in (self.reference, self.moving)]
        widget = slicer_emulation.open_module("AMIFusion")
        self._logic, self._panel, self.ui = widget.logic, widget._panel, widget._panel._ui
        self.ui.licenseLineEdit.setText(self._logic.evaluationLicense())
        self._select(self.reference, self.moving)

    def fuse(self) -> None:
        """Press the button, and wait for the result."""
        self.ui.fuseButton.click()
        turn_until(lambda: not self._panel.is_busy)
        self._remove_results(expected=1)

    def cancel(self) -> float:
        """Press the button, and again half-way; seconds until the panel is as before."""
        self.ui.fuseButton.click()
        half = self.ui.progressBar.maximum / 2
        turn_until(lambda: self.ui.progressBar.value >= half)
        started = time.perf_counter()
        self.ui.fuseButton.click()
        turn()
        assert self.ui.fuseButton.text == "Fuse" and self.ui.fuseButton.enabled
        seconds = time.perf_counter() - started
        self._remove_results(expected=0)
        return seconds

    def fuse_large(self) -> None:
        """The same with slices of four times as many pixels."""
        self._select(*self._large)
        self.fuse()
        self._select(self.reference, self.moving)

    def align(self) -> None:
        """Press the button, wait for the result and the verdict on it, and take it back."""
        self.ui.alignButton.click()
        turn_until(lambda: not self._panel.is_busy)
        self._wait_for_the_check()
        self.ui.undoAlignmentButton.click()
        self._wait_for_the_check()

    def check(self) -> None:
        """Press the button, and wait for the verdict."""
        self.ui.checkAlignmentButton.click()
        self._wait_for_the_check()

    def fuse_at_once(self) -> None:
        """What blocks: a script's call."""
        self._logic.fuse(self.reference, self.moving, license=self._logic.evaluationLicense())
        self._remove_results(expected=1)

    def _select(self, reference, moving) -> None:
        self.ui.referenceSelector.setCurrentNode(reference)
        self.ui.movingSelector.setCurrentNode(moving)
        turn_until(lambda: self.ui.fuseButton.text == "Fuse")
        # None of what is measured.
        self._wait_for_the_check()

    def _wait_for_the_check(self) -> None:
        turn_until(lambda: not self._panel._alignment._checking.is_running)

    def _remove_results(self, expected: int) -> None:
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        results = [node for node in nodes if node.GetAttribute("AMIFusion.Model")]
        assert len(results) == expected, results
        for node in results:
            slicer.mrmlScene.RemoveNode(node)


def enlarged(node):
    """A volume node of some slices of another one, each voxel four times."""
    array = slicer.util.arrayFromVolume(node)[:LARGE_SLICES].repeat(2, axis=1).repeat(2, axis=2)
    large = slicer.mrmlScene.AddNewNodeByClass(node.GetClassName(), f"{node.GetName()} large")
    slicer.util.updateVolumeFromArray(large, array)
    large.CreateDefaultDisplayNodes()
    return large


def turn(times: int = 3) -> None:
    """Turn the event loop."""
    for _ in range(times):
        slicer_emulation.process_events()


def turn_until(condition: Callable[[], bool]) -> None:
    """Turn the event loop until something holds."""
    while not condition():
        slicer_emulation.process_events()


def gaps_and_cancels(rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Longest gap of each way in each round, and the seconds of each cancel; one round before does not count."""
    desk, ticks, cancels = Desk(), Ticks(), []
    ways = {
        FUSING: desk.fuse,
        CANCELING: lambda: cancels.append(desk.cancel()),
        FUSING_LARGE: desk.fuse_large,
        ALIGNING: desk.align,
        CHECKING: desk.check,
        AT_ONCE: desk.fuse_at_once,
    }
    gaps: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            gaps[name].append(ticks.longest_gap(work))
    return {name: values[1:] for name, values in gaps.items()}, cancels[1:]


def report(gaps: dict[str, list[float]], cancels: list[float], threads: int) -> str:
    """The measurements as Markdown."""
    rows = [[name, *_milliseconds(values)] for name, values in gaps.items()]
    median, least_and_most = _milliseconds(cancels)
    return "\n\n".join(
        [
            f"A pair of {SIZE} x {SIZE} x {SLICES} on two grids, {machine(threads)}; {len(cancels)} rounds in which "
            "the ways take turns. What counts is the longest time between two ticks of a timer in a whole run.",
            markdown_table(["", "longest gap in ms, median of the rounds", "range"], rows),
            f"From the click on Cancel until the button says Fuse again and the event loop has turned: {median} ms "
            f"({least_and_most}).",
        ]
    )


def _milliseconds(seconds: list[float]) -> tuple[str, str]:
    values = sorted(1000 * value for value in seconds)
    return f"{statistics.median(values):.0f}", f"{values[0]:.0f} to {values[-1]:.0f}"


def main() -> None:
    """Measure and write the part."""
    arguments = parser_of_rounds(__doc__, 9).parse_args()
    torch.set_num_threads(arguments.threads)
    write_part(report(*gaps_and_cancels(arguments.rounds), arguments.threads), arguments.out)


if __name__ == "__main__":
    main()
