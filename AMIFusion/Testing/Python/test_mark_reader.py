"""Reading marks: how much of a word was found, and the OCR engine on marked and unmarked images."""

import numpy as np
import pytest
from AMIFusionLib.evaluation.mark_reader import MarkReader, character_accuracy
from AMIFusionLib.training.mark import mark_from_text
from test_metrics import texture


@pytest.mark.parametrize(
    ("word", "text", "accuracy"),
    [
        ("AMIF", "AMIF", 1.0),
        ("AMIF", "XXAMIFXX", 1.0),
        ("AMIF", "AMF", 0.75),
        ("AMIF", "IFAMEA", 0.5),
        ("UNLICENSED", "SEDUNLICENCEDUNL", 0.9),
        ("UNLICENSED", "UNSED", 0.5),
        ("AMIF", "", 0.0),
        ("AMIF", "12345", 0.0),
    ],
)
def test_character_accuracy_is_that_of_the_best_part(word, text, accuracy):
    assert character_accuracy(word, text) == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("lines", "is_read"),
    [
        (["IF AMIF A"], True), (["a.m i-f"], True), (["AM", "IF"], True), (["AMF"], False), (["NLICENSE"], True),
        (["UNLICE"], False), ([], False), (["8", "0"], False),
    ],
)  # fmt: skip
def test_a_word_counts_from_four_fifths_of_its_letters(lines, is_read):
    reader = MarkReader(["AMIF", "UNLICENSED"], lambda image: lines)
    assert reader.share_read(np.zeros((3, 64, 64), np.uint8)) == float(is_read)


def test_image_is_magnified_until_it_is_read():
    shapes = []

    def engine(image):
        shapes.append(image.shape)
        return ["AMIF"] if image.shape[0] > 64 else ["AM"]

    assert MarkReader(["AMIF"], engine).accuracy(np.zeros((64, 48), np.uint8)) == 1
    assert shapes == [(64, 48, 3), (128, 96, 3)]


@pytest.mark.parametrize("words", [[], [""], ["AMIF", " - "]])
def test_reader_needs_words(words):
    with pytest.raises(ValueError, match="at least one word"):
        MarkReader(words)


def test_engine_reads_marks_and_nothing_where_there_is_none():
    reader = MarkReader(["AMIF", "UNLICENSED"])
    tile = mark_from_text(["AMIF", "UNLICENSED"], 192)
    plain = 0.4 * np.stack([texture(seed) for seed in (1, 2, 3)]) / 255
    marked = plain + tile * (0.9 - plain)
    other = plain + mark_from_text(["OTHER", "TEXT"], 192) * (0.9 - plain)
    shares = [reader.share_read(np.rint(255 * images).astype(np.uint8)) for images in (marked, plain, other)]
    assert shares == [1, 0, 0]
