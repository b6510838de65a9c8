"""Put the tables and the phantom's picture of an evaluation into docs/evaluation.md.

amifusion evaluate --data DATA --peers PEERS --out RESULTS
PYTHONPATH=AMIFusion python docs/make_evaluation.py RESULTS
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from AMIFusionLib.evaluation.markdown import write_between_markers
from AMIFusionLib.evaluation.report import tables
from AMIFusionLib.evaluation.results_folder import LESIONS_SHEET, SHEETS_NAME, SUMMARY_NAME
from PIL import Image

DOCS = Path(__file__).resolve().parent
PICTURE_WIDTH = 800


def main() -> None:
    """Write both; pictures of the data stay out, since data is not everyone's to show."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="The folder that `amifusion evaluate` wrote.")
    parser.add_argument("--out", type=Path, default=DOCS / "evaluation.md")
    arguments = parser.parse_args()
    summary = json.loads((arguments.results / SUMMARY_NAME).read_text(encoding="utf-8"))
    write_between_markers(arguments.out, tables(summary, level=3))
    pictures = arguments.out.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    with Image.open(arguments.results / SHEETS_NAME / f"{LESIONS_SHEET}.png") as sheet:
        sheet.thumbnail((PICTURE_WIDTH, sheet.height), Image.Resampling.LANCZOS)
        # 256 colors look the same here and take a quarter of the bytes; other methods lose PET's yellow.
        sheet.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1).save(
            pictures / "phantom-evaluation.png", optimize=True
        )


if __name__ == "__main__":
    main()
