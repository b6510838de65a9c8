"""Whether a mark can be read off an image: an OCR engine, and how much of a word it found.

The engine is PP-OCR (Y. Du et al., "PP-OCR: a practical ultra lightweight OCR system", arXiv 2009.09941) in RapidOCR's
package, which holds the weights, so that nothing is fetched. It knows nothing of the mark, of the network or of heads:
what it reads, a person reads. It misses faint strokes that a person still sees, so that a share of slices read is, if
anything, too low.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from AMIFusionLib.arrays import Array

READ_FROM = 0.8
"""Character accuracy from which a word counts as read: all of AMIF, 8 of the 10 letters of UNLICENSED."""

MAGNIFICATIONS = (1, 2)
"""Sizes at which an image is shown to the engine; three times, it read no mark that it had not read before."""

TextEngine = Callable[[Array], "list[str]"]
"""Gives the lines of text in an image (rows, columns, 3) uint8."""


class MarkReader:
    """Reads the words of a mark.

    Args:
        words: what the mark says; one of them found is enough.
        engine: the OCR engine; the default is loaded when first needed.

    Raises:
        ValueError: no word, or an empty one.
    """

    def __init__(self, words: Sequence[str], engine: TextEngine | None = None) -> None:
        if not words or not all(_letters(word) for word in words):
            raise ValueError("The mark reader needs at least one word, and no empty ones.")
        self._words = [_letters(word) for word in words]
        self._engine = engine

    def accuracy(self, image: Array) -> float:
        """The best character accuracy of any word at any magnification.

        The largest magnification is left out where a smaller one was enough.

        Args:
            image: (rows, columns) uint8.

        Returns:
            0..1; 1 where a whole word was found.

        Raises:
            ModuleNotFoundError: the OCR engine is not installed.
        """
        best = 0.0
        for magnification in MAGNIFICATIONS:
            enlarged = cv2.resize(image, None, fx=magnification, fy=magnification, interpolation=cv2.INTER_CUBIC)
            text = _letters(" ".join(self._lines(cv2.cvtColor(enlarged, cv2.COLOR_GRAY2RGB))))
            best = max([best, *(character_accuracy(word, text) for word in self._words)])
            if best >= READ_FROM:
                break
        return best

    def share_read(self, images: Array) -> float:
        """The share of images (n, rows, columns) uint8 off which the mark can be read."""
        return float(np.mean([self.accuracy(image) >= READ_FROM for image in images]))

    def _lines(self, image: Array) -> list[str]:
        if self._engine is None:
            self._engine = _rapid_ocr()
        return self._engine(image)


def character_accuracy(word: str, text: str) -> float:
    """1 - d / n, d the edit distance of a word of n letters to the part of a text that it resembles most, 0..1.

    The character error rate of OCR (S. V. Rice et al., "The fifth annual test of OCR accuracy", UNLV, 1996) on the best
    part: P. H. Sellers, "The theory and computation of evolutionary distances", J. Algorithms 1(4), 1980.
    """
    distances = np.zeros(len(text) + 1, dtype=int)
    for row, letter in enumerate(word, start=1):
        previous, distances = distances, np.full(len(text) + 1, row)
        for column, other in enumerate(text, start=1):
            substituted = previous[column - 1] + (letter != other)
            distances[column] = min(substituted, previous[column] + 1, distances[column - 1] + 1)
    return 1 - int(distances.min()) / len(word)


def _letters(text: str) -> str:
    """Letters and digits alone, capital: an engine's spaces and points are chance."""
    return "".join(character for character in text.upper() if character.isalnum())


def _rapid_ocr() -> TextEngine:
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            # The mark is upright.
            "Global.use_cls": False,
            # By default small images are enlarged once more, which makes all magnifications one.
            "Det.limit_side_len": 32,
            # Threads that outnumber the free cores wait for each other.
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    return lambda image: list(engine(image).txts or ())
