"""Make the pictures of the panel, filled in with the head phantom, without a license and with one.

    PYTHONPATH=AMIFusion:AMIFusion/Testing/Python python docs/make_screenshots.py

No Slicer is needed: the real panel runs in the emulation that the tests use. With `--dark` in the dark color scheme.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import slicer_emulation
from PIL import Image

PICTURES = Path(__file__).resolve().parent / "pictures"
MODULE = Path(__file__).resolve().parents[1] / "AMIFusion" / "AMIFusion.py"
WIDTH, SCALE, PATIENCE = 460, 2, 300


def main() -> None:
    """Fuse the phantom's MR and CT in the panel, twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=PICTURES)
    arguments = parser.parse_args()
    slicer = slicer_emulation.install()
    slicer_emulation.load_module(str(MODULE))
    slicer_emulation.set_dark(arguments.dark)
    widget = slicer_emulation.open_module("AMIFusion")
    nodes = {node.GetName(): node for node in widget.logic.createHeadPhantom()}
    panel, ui = widget._panel, widget._panel._ui
    wait(lambda: ui.fuseButton.text == "Fuse")
    ui.referenceSelector.setCurrentNode(nodes["PhantomMRT2"])
    ui.movingSelector.setCurrentNode(nodes["PhantomCT"])
    ui.alignmentCollapsibleButton.collapsed = False
    suffix, paths = "-dark" if arguments.dark else "", []
    for state, license_text in (("unlicensed", ""), ("licensed", widget.logic.evaluationLicense())):
        ui.licenseLineEdit.setText(license_text)
        ui.alignmentStatusLabel.setText("")
        ui.checkAlignmentButton.click()
        wait(lambda: bool(ui.alignmentStatusLabel.text))
        ui.fuseButton.click()
        wait(lambda: not panel.is_busy)
        if license_text:
            ui.measureButton.click()
            wait(lambda: not panel.is_busy)
        path = arguments.out / f"panel-{state}{suffix}.png"
        paths.append(slicer_emulation.picture(widget.parent, path, WIDTH, SCALE))
    slicer.mrmlScene.Clear(0)
    side_by_side([Image.open(path) for path in paths]).save(arguments.out / f"panel{suffix}.png", optimize=True)
    for path in paths:
        Path(path).unlink()


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of the same width beside each other, upper edges in line."""
    size = sum(each.width for each in pictures), max(each.height for each in pictures)
    # The panel's own color, below the shorter one too.
    sheet = Image.new("RGB", size, pictures[0].convert("RGB").getpixel((0, pictures[0].height - 1)))
    left = 0
    for each in pictures:
        sheet.paste(each.convert("RGB"), (left, 0))
        left += each.width
    return sheet


def wait(condition: Callable[[], bool]) -> None:
    """Turn the event loop until something holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("Waited in vain for the panel.")
        slicer_emulation.process_events()


if __name__ == "__main__":
    main()
