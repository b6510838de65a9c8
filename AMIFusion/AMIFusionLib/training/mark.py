"""Turn the owner's mark, a text or a picture, into the tile that a network carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from AMIFusionLib.arrays import Array

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""A mark of one line that ends like this is the path of a picture."""

UNREADABLE_SUFFIXES = (".svg", ".pdf", ".eps", ".ai", ".heic", ".heif", ".psd")
"""Of pictures that no mark can be read from; one should not be trained with its name for a mark."""

_MARGIN = 0.04
"""Empty border of the tile, as a fraction of its side, which keeps neighboring tiles apart."""

_LETTER_HEIGHT = 120
"""Size in pixels at which letters are drawn before they are scaled to the tile."""

_NO_LETTER = "\U0010ffff"
"""No script's: drawn as the box that stands for what a font lacks."""

_STROKE = 0.03
"""Extra stroke width over the letter height: regular type is too thin to survive a 7-pixel blur."""


def mark_from_text(lines: list[str], size: int) -> Array:
    """Draw lines of text, each as wide as the tile, one below the other.

    Args:
        lines: what to write; the first line is on top.
        size: side of the tile in pixels.

    Returns:
        (size, size) float32, 0 (paper) to 1 (stroke).

    Raises:
        ValueError: there is nothing to write, or the font has no such letters.
    """
    if not lines or not all(line.strip() for line in lines):
        raise ValueError("The mark needs at least one line of text, and no empty ones.")
    _check_letters("".join(lines))
    inner = round(size * (1 - 2 * _MARGIN))
    drawn = [_line(line, inner, round(0.8 * size / len(lines))) for line in lines]
    gap = (size - sum(image.height for image in drawn)) // (len(drawn) + 1)
    tile = Image.new("L", (size, size))
    top = gap
    for image in drawn:
        tile.paste(image, ((size - image.width) // 2, top))
        top += image.height + gap
    return _as_tile(tile)


def mark_from_picture(path: Path, size: int) -> Array:
    """Read a picture as a mark: dark on light or, where it has an alpha channel, opaque on transparent.

    Args:
        path: any picture that Pillow reads.
        size: side of the tile in pixels.

    Returns:
        (size, size) float32, 0 (paper) to 1 (stroke).

    Raises:
        OSError: the file is not a picture.
        ValueError: the picture is empty.
    """
    with Image.open(path) as picture:
        if "A" in picture.getbands():
            ink = picture.getchannel("A")
        else:
            ink = picture.convert("L").point(lambda value: 255 - value)
    inner = round(size * (1 - 2 * _MARGIN))
    ink.thumbnail((inner, inner))
    tile = Image.new("L", (size, size))
    tile.paste(ink, ((size - ink.width) // 2, (size - ink.height) // 2))
    if not tile.getbbox():
        raise ValueError(f"The picture {path.name} holds no stroke: it must be dark on light or have an alpha channel.")
    return _as_tile(tile)


def _check_letters(text: str) -> None:
    font = ImageFont.load_default(size=_LETTER_HEIGHT)
    box = bytes(font.getmask(_NO_LETTER))
    missing = [letter for letter in dict.fromkeys(text) if letter.strip() and bytes(font.getmask(letter)) in (box, b"")]
    if missing:
        raise ValueError(
            f"The font for marks has no {', '.join(missing)}, only the letters and signs of English. Write the mark in "
            "these, or give it as a picture."
        )


def _line(text: str, width: int, tallest: int) -> Image.Image:
    """Text cropped to its ink, scaled to a width or, if that comes first, to a height."""
    font = ImageFont.load_default(size=_LETTER_HEIGHT)
    stroke = round(_LETTER_HEIGHT * _STROKE)
    box = font.getbbox(text, stroke_width=stroke)
    image = Image.new("L", (round(box[2] - box[0]), round(box[3] - box[1])))
    ImageDraw.Draw(image).text((-box[0], -box[1]), text, fill=255, font=font, stroke_width=stroke)
    # Long words become small: letters may be stretched upwards to half again their height to stay readable.
    height = min(tallest, round(1.5 * image.height * width / image.width))
    if not height:
        raise ValueError(f"A line of the mark has {len(text)} letters, too many to be drawn. Divide it into lines.")
    scale = min(1.0, height / (0.8 * image.height * width / image.width))
    return image.resize((round(width * scale), height), Image.Resampling.LANCZOS)


def _as_tile(tile: Image.Image) -> Array:
    softened = tile.filter(ImageFilter.GaussianBlur(0.6))
    return np.asarray(softened, dtype=np.float32) / 255
