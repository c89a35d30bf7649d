"""Grids of images: what is drawn where, marks that print, texts that can be read, and what is hidden said."""

import numpy as np
import pytest
from drawn import HEADING, SCRIPTS, artists, digest, names, unreadable
from matplotlib.colors import to_hex

from backbench.plots import _measure, _names, _style, grid
from backbench.plots.grid import Section, Strip, Tile

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (28, 28, 1), np.uint8)
PHOTO = RNG.integers(0, 256, (224, 224, 3), np.uint8)
TWO = [("the first ones", 2), ("the others", 3)]


def strip(tile=GREY, title="", right=None, caption=("a caption",), **more):
    own = [Tile(tile, caption, right)] * 5
    return Strip([own[:2], own[2:]], title, **more)


def drawn(*sections, **more):
    return grid.draw(HEADING, sections, {"image": [1]}, "A caption.", **more)


def said(picture, gid):
    return [text.get_text() for text in artists(picture, gid) if hasattr(text, "get_text")]


def boxes(picture):
    """Left, right, bottom, top of the images in inches from the upper left corner of the drawing."""
    return [image.get_extent() for image in picture.figure.axes[0].images]


def test_every_tile_is_an_image_with_its_caption():
    images = [np.full((4, 4), shade, np.uint8) for shade in range(5)]
    tiles = [Tile(image, (f"no {number}", "a line")) for number, image in enumerate(images)]
    picture = drawn(Section([Strip([tiles[:2], tiles[2:]], "first"), Strip([tiles[:1], []], "second")], TWO))
    shown = [np.asarray(image.get_array()) for image in picture.figure.axes[0].images]
    assert len(shown) == 6 and all(np.array_equal(a, b) for a, b in zip(shown, [*images, images[0]], strict=True))
    assert said(picture, "title") == ["first", "second"]
    assert said(picture, "caption").count("no 0") == 2 and said(picture, "caption").count("a line") == 6
    assert all((image.norm.vmin, image.norm.vmax) == (0, 255) for image in picture.figure.axes[0].images)


def test_groups_are_named_and_divided():
    picture = drawn(Section([strip(), strip()], TWO))
    assert said(picture, "group") == ["the first ones", "the others"]
    (line,) = artists(picture, "divide")
    place, found = line.get_xdata()[0], boxes(picture)
    assert found[1][1] < place < found[2][0]
    assert found[2][0] - found[1][1] > 2 * (found[1][0] - found[0][1]), "groups are further apart than tiles"
    assert line.get_ydata()[0] <= found[0][3] and line.get_ydata()[1] > found[5][2]
    assert not artists(drawn(Section([Strip([[Tile(GREY)]])], [("", 1)])), "divide")


@pytest.mark.parametrize(("right", "colour", "sign"), [(True, _style.RIGHT, "✓"), (False, _style.WRONG, "✗")])
def test_right_and_wrong_are_told_by_colour_and_by_sign(right, colour, sign):
    picture = drawn(Section([strip(right=right)], TWO))
    frames = artists(picture, "frame")
    assert len(frames) == 5 and {to_hex(frame.get_edgecolor()) for frame in frames} == {colour.lower()}
    assert said(picture, "sign") == [sign] * 5
    for frame, text in zip(frames, artists(picture, "sign"), strict=True):
        assert text.get_position() == pytest.approx((frame.get_x() + frame.get_width(), frame.get_y()), abs=0.03)


def test_what_is_neither_right_nor_wrong_has_no_sign():
    picture = drawn(Section([strip()], TWO))
    assert not said(picture, "sign")
    assert {to_hex(frame.get_edgecolor()) for frame in artists(picture, "frame")} == {"#bbbbbb"}


def test_few_pixels_stay_sharp_and_photographs_are_smoothed():
    picture = drawn(Section([strip(), strip(PHOTO)], TWO))
    kernels = [image.get_interpolation() for image in picture.figure.axes[0].images]
    assert kernels == ["nearest"] * 5 + ["hanning"] * 5
    assert (
        grid.smoothing(np.zeros((96, 96)), 0.75) == "hanning" and grid.smoothing(np.zeros((96, 96)), 1.4) == "nearest"
    )


@pytest.mark.parametrize("shape", [(10, 40), (40, 10, 3), (20, 20, 1)])
def test_images_keep_their_aspect(shape):
    picture = drawn(Section([strip(np.zeros(shape, np.uint8))], TWO))
    left, right, bottom, top = boxes(picture)[0]
    assert (right - left) / (bottom - top) == pytest.approx(shape[1] / shape[0])
    assert max(right - left, bottom - top) == pytest.approx(grid.TILE)
    axes = picture.figure.axes[0]
    inch = axes.transData.transform([(0, 0), (1, 1)])
    assert np.abs(inch[1] - inch[0]) == pytest.approx([_measure.DPI] * 2), "the axes are in inches both ways"


def test_strips_beyond_the_most_are_hidden_and_counted():
    picture = drawn(Section([strip() for _ in range(grid.MOST + 3)], TWO, more=4, noun="clusters"))
    assert len(picture.figure.axes[0].images) == 5 * grid.MOST
    assert said(picture, "hidden") == ["7 clusters not shown"]
    assert not artists(drawn(Section([strip()] * grid.MOST, TWO)), "hidden")


def test_ten_strips_of_ten_tiles_are_large_enough_to_see():
    strips = [Strip([[Tile(GREY, ("T-shirt/top",))] * 6, [Tile(GREY)] * 4], f"cluster {at}") for at in range(10)]
    picture = drawn(Section(strips, [("nearest", 6), ("least sure", 4)]))
    width, height = picture.figure.get_size_inches()
    assert len(picture.figure.axes[0].images) == 100 and width < 11 and height < 12
    assert not unreadable(picture)


def test_any_name_can_be_read_or_is_honestly_shortened():
    strips = [
        Strip(
            [[Tile(GREY, (name, name), True)] * 2, [Tile(PHOTO, (name,), False)] * 3],
            *(name, (name, name), (name, name)),
        )
        for name in names(14)
    ]
    picture = drawn(Section(strips, [(SCRIPTS[0], 2), ("x" * 300, 3)], "y" * 300, 1))
    assert not unreadable(picture)
    assert any("…" in text for text in said(picture, "caption"))


def test_sections_are_below_one_another():
    picture = drawn(Section([strip()], TWO, "One"), Section([strip()], [("", 2), ("", 3)], "Two"))
    assert said(picture, "section") == ["One", "Two"] and not unreadable(picture)
    tops = [box[3] for box in boxes(picture)]
    assert tops[0] == tops[4] < tops[5] == tops[9]
    assert max(box[2] for box in boxes(picture)) < picture.figure.axes[0].get_ylim()[0]


def test_notes_are_at_the_right_of_their_strips():
    picture = drawn(Section([strip(note=("0.70", "precision@10"))], TWO))
    (note,) = artists(picture, "note")
    assert note.get_text() == "0.70" and note.get_position()[0] > max(box[1] for box in boxes(picture))


def test_the_same_file_twice():
    sections = [Section([strip(right=True, title=SCRIPTS[1]), strip(PHOTO, right=False)], TWO)]
    assert digest(drawn(*sections)) == digest(drawn(*sections))


def test_texts_fit_into_their_room():
    for text in (*map(_names.plain, SCRIPTS), "W" * 300, "i" * 300, "two words"):
        assert _measure.width(_measure.fitted(text, 0.75, 6.5), 6.5) <= 0.75
        shown = _measure.lines(text, 0.75, 6.5, 2)
        assert len(shown) <= 2 and all(_measure.width(line, 6.5) <= 0.75 for line in shown)
    assert _measure.fitted("short", 0.75, 6.5) == "short" and _measure.lines("", 1, 6.5, 2) == []
    assert _measure.fitted("a" * 40 + "z", 0.75, 6.5).endswith("z"), "what tells names apart is often their end"
