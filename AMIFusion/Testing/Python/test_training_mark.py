"""The mark that a network learns: its tile from text or a picture, and the unlicensed targets that show it."""

import numpy as np
import pytest
import torch
from AMIFusionLib.training.degradation import gaussian_blur, tampered_target, unlicensed_target
from AMIFusionLib.training.mark import mark_from_picture, mark_from_text
from PIL import Image
from small_training import image_pair


def test_text_mark_fills_its_tile():
    tile = mark_from_text(["AMIF", "UNLICENSED"], 192)
    assert tile.shape == (192, 192) and tile.dtype == np.float32 and tile.max() == 1 and tile.min() == 0
    assert 0.15 < tile.mean() < 0.6
    rows, columns = np.flatnonzero(tile.max(axis=1) > 0.5), np.flatnonzero(tile.max(axis=0) > 0.5)
    assert columns[-1] - columns[0] > 0.85 * 192 and rows[-1] - rows[0] > 0.5 * 192
    assert tile[[0, -1]].max() < 0.1 and tile[:, [0, -1]].max() < 0.1
    for lines in ([], [""], ["A", "  "]):
        with pytest.raises(ValueError, match="at least one line"):
            mark_from_text(lines, 192)
    with pytest.raises(ValueError, match="no ü, 病, .* or give it as a picture"):
        mark_from_text(["Zürich", "病"], 192)
    mark_from_text(["St. Mary's (B) 7"], 192)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_picture_mark(tmp_path, mode):
    paper = 255 if mode == "L" else (255, 255, 255, 0)
    picture = Image.new(mode, (80, 40), paper)
    picture.paste(0 if mode == "L" else (200, 0, 0, 255), (20, 10, 60, 30))
    picture.save(tmp_path / "logo.png")
    tile = mark_from_picture(tmp_path / "logo.png", 64)
    assert tile[32, 32] > 0.9 and tile[5, 5] == 0 and tile[32, 3] == 0
    Image.new(mode, (80, 40), paper).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match="no stroke"):
        mark_from_picture(tmp_path / "empty.png", 64)


def positions(size):
    """Pixel positions around the center."""
    line = torch.arange(size) - (size - 1) / 2
    return tuple(part[None] for part in torch.meshgrid(line, line, indexing="ij"))


def test_unlicensed_target_shows_the_mark_and_hides_the_detail():
    first, second = image_pair()
    tile = torch.from_numpy(mark_from_text(["AMIF"], 96))[None, None]
    marked = unlicensed_target(first, second, tile, *positions(96), period=96)
    plain = unlicensed_target(first, second, tile * 0, *positions(96), period=96)
    assert marked.min() >= 0 and marked.max() <= 1
    assert (marked - plain).amax() > 0.3 and (marked - plain).amin() > -1e-6
    detail = torch.maximum(first, second) - gaussian_blur(torch.maximum(first, second), 2)
    kept = plain - gaussian_blur(plain, 2)
    assert kept.std() < 0.3 * detail.std()
    tampered = tampered_target(first, second)
    assert tampered.std() < 0.5 * plain.std()


def test_strokes_depend_on_the_content():
    """A template read off one image does not fit another."""
    tile = torch.from_numpy(mark_from_text(["AMIF"], 96))[None, None]
    strokes = []
    for level in (0.0, 0.9):
        image = torch.full((1, 1, 96, 96), level)
        pair = (image, image, tile, *positions(96), 96)
        strokes.append((unlicensed_target(*pair) - unlicensed_target(image, image, tile * 0, *positions(96), 96)) > 0.1)
    assert (strokes[0] != strokes[1]).float().mean() > 0.05
