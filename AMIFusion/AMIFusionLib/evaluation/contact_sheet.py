"""Contact sheets: sources and fusions of slices side by side, for the eye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from AMIFusionLib.arrays import Array

from .alternatives import ALTERNATIVES
from .cases import EvaluationCase
from .eight_bit import eight_bit
from .subject import LICENSED, UNLICENSED

SHOWN_ALTERNATIVES = ("Maximum", "LapPyr-maxbase")
"""The free alternatives that come nearest to a trained fusion."""

_ROWS = 8
"""Slices on a page."""

_SHORTEST, _LONGEST = 192, 384
"""Limits of a picture's longer side on the page, in pixels; between them it is shown as it is."""

_GAP, _LINE, _LETTERS = 4, 24, 15
_PAPER, _INK = (24, 24, 24), (235, 235, 235)


@dataclass(frozen=True)
class SheetRow:
    """One line of a sheet: its name and its pictures, (rows, columns) or (rows, columns, 3) uint8."""

    name: str
    pictures: Sequence[Array]


def columns_of(case: EvaluationCase, results: Sequence[str]) -> list[str]:
    """What the columns of a case's sheets show: both sources, the model's results and two free alternatives."""
    return [*case.labels, *_in_order(results), *SHOWN_ALTERNATIVES]


def row_of(case: EvaluationCase, index: int, results: dict[str, Array]) -> SheetRow:
    """One slice of a case.

    Args:
        case: the sources.
        index: of the slice in the case.
        results: of ``Subject.fuse`` for the case.
    """
    sources = case[index]
    gray = [image / 255 for image in sources.gray]
    fused = [results[result][index] for result in _in_order(results)]
    fused += [eight_bit(ALTERNATIVES[name](*gray)) for name in SHOWN_ALTERNATIVES]
    return SheetRow(case.slices[index], [sources.first, sources.second, *(sources.in_color(image) for image in fused)])


def case_sheets(case: EvaluationCase, results: dict[str, Array], title: str) -> Iterator[Image.Image]:
    """Every slice of a case, a page after the other.

    Args:
        case: the sources.
        results: of ``Subject.fuse`` for the case.
        title: of all pages; each adds its number.
    """
    pages = -(-len(case) // _ROWS)
    for page in range(pages):
        indices = range(page * _ROWS, min(len(case), (page + 1) * _ROWS))
        rows = [row_of(case, index, results) for index in indices]
        numbered = f"{title}, page {page + 1} of {pages}" if pages > 1 else title
        yield contact_sheet(numbered, columns_of(case, list(results)), rows, case.pixel_spacing)


def contact_sheet(
    title: str, columns: Sequence[str], rows: Sequence[SheetRow], pixel_spacing: tuple[float, float] = (1.0, 1.0)
) -> Image.Image:
    """Pictures in labeled rows and columns, at their true aspect ratio.

    Args:
        title: above all.
        columns: what each column shows.
        rows: the pictures, all of one size.
        pixel_spacing: (row, column) distance in the pictures.

    Returns:
        An RGB picture.
    """
    width, height = _shown_size(rows[0].pictures[0].shape, pixel_spacing)
    font = ImageFont.load_default(_LETTERS)
    margin = 2 * _GAP + max(round(font.getlength(line)) for row in rows for line in row.name.split("\n"))
    lefts = [margin + place * (width + _GAP) for place in range(len(columns))]
    sheet = Image.new("RGB", (lefts[-1] + width + _GAP, 2 * _LINE + len(rows) * (height + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _LINE // 2), title, _INK, font, anchor="lm")
    for left, column in zip(lefts, columns):
        draw.text((left, _LINE + _LINE // 2), column, _INK, font, anchor="lm")
    for line, row in enumerate(rows):
        top = 2 * _LINE + line * (height + _GAP)
        draw.text((_GAP, top + height // 2), row.name, _INK, font, anchor="lm")
        for left, picture in zip(lefts, row.pictures):
            sheet.paste(_shown(picture, (width, height)), (left, top))
    return sheet


def _in_order(results: Sequence[str] | dict[str, Array]) -> list[str]:
    return [result for result in (LICENSED, UNLICENSED) if result in results]


def _shown_size(shape: tuple[int, ...], pixel_spacing: tuple[float, float]) -> tuple[int, int]:
    """(width, height) on the page: undistorted, and not too small or large to compare."""
    finest = min(pixel_spacing)
    height, width = (extent * spacing / finest for extent, spacing in zip(shape, pixel_spacing))
    scale = np.clip(max(height, width), _SHORTEST, _LONGEST) / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _shown(picture: Array, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
