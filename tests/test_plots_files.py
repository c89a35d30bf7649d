"""Pictures as files: the same bytes twice, their numbers beside them, whole or not at all."""

import csv
import struct

import matplotlib
import numpy as np
import pytest
from drawn import digest
from matplotlib.figure import Figure
from PIL import Image

from backbench.plots import Heading, Picture, _files, _measure, _palette, _style

HEADING = Heading("北京 costs $5 and $6", "a run", "run 0123456789ab")
DATA = {
    "class": ["cat", 'a "dog", or\ntwo', "北京"],
    "recall": [0.5, np.float32("nan"), np.float64(1.0)],
    "n": [1, 2, 3],
}


def picture(caption="Look here.", data=DATA):
    with _style.style():
        figure = _style.figure(HEADING, 4, 2)
        figure.subplots().plot([1, 2], [3, 4])
    return Picture(figure, data, caption)


def chunks(content: bytes) -> dict[bytes, bytes]:
    """Chunks of a PNG by their type."""
    found, at = {}, 8
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        found.setdefault(content[at + 4 : at + 8], content[at + 8 : at + 8 + size])
        at += size + 12
    return found


def test_a_picture_is_a_png_and_a_table(tmp_path):
    _files.save(picture(), tmp_path / "deep" / "x.png")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["x.csv", "x.png"]
    with Image.open(tmp_path / "deep" / "x.png") as image:
        image.load()
        assert image.format == "PNG" and image.size[0] == round(4 * _measure.DPI)


def test_the_same_bytes_twice_whatever_the_settings(tmp_path):
    _files.save(picture(), tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "savefig.dpi": 30, "text.color": "red", "figure.facecolor": "black"}):
        _files.save(picture(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_saving_again_changes_nothing(tmp_path):
    own = picture()
    assert digest(own) == digest(own)


def test_the_users_settings_stay():
    before = dict(matplotlib.rcParams)
    _files.png(picture())
    assert dict(matplotlib.rcParams) == before


def test_the_table_has_names_and_numbers_in_full(tmp_path):
    _files.save(picture(), tmp_path / "x.png")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "recall", "n"],
        ["cat", "0.5", "1"],
        ['a "dog", or\ntwo', "", "2"],
        ["北京", "1.0", "3"],
    ]


def test_a_name_whose_bytes_are_no_text_is_escaped(tmp_path):
    _files.save(picture(data={"class": ["caf\udce9"]}), tmp_path / "x.png")
    assert (tmp_path / "x.csv").read_text() == "class\ncaf\\udce9\n"


def test_numbers_in_the_table_are_exact():
    values = [0.1 + 0.2, 1e-300, np.float64(1) / 3]
    text = _files.table(picture(data={"x": values}))
    assert [float(line) for line in text.splitlines()[1:]] == values


def test_columns_of_unequal_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        _files.save(picture(data={"x": [1, 2], "y": [1]}), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_the_caption_is_in_the_metadata_and_no_time_is():
    content = _files.png(picture("Mean 0.5; 北京 is best."))
    found = chunks(content)
    assert found[b"tEXt"] == b"Description\x00Mean 0.5; ?? is best."
    assert not {b"tIME", b"iTXt", b"zTXt"} & set(found)
    assert b"Software" not in content and b"matplotlib" not in content.lower()


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    _files.save(picture(), tmp_path / "x.png")
    before = (tmp_path / "x.png").read_bytes()

    class Broken(Figure):
        def draw(self, renderer):
            raise RuntimeError("out of ink")

    with pytest.raises(RuntimeError, match="out of ink"):
        _files.save(Picture(Broken(), {"x": [1]}, ""), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.png"]


def test_a_file_that_cannot_be_written_leaves_nothing_half_written(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(OSError):
        _files.save(picture(), tmp_path / "x.png")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp")]


def test_heading_and_stamp_stand_on_the_picture():
    said = {text.get_gid(): " ".join(text.get_text().split()) for text in picture().figure.texts}
    assert said == {"title": "~BeiJing costs $5 and $6", "about": "a run", "stamp": "run 0123456789ab"}
    assert not any(text.get_parse_math() for text in picture().figure.texts)


@pytest.mark.parametrize("word", ["word ", "MMMM WWWW ", "efficientnet_lite0 ", "x" * 300])
@pytest.mark.parametrize("width", [4, 8])
def test_a_long_heading_is_wrapped_inside_the_figure(word, width):
    with _style.style():
        figure = _style.figure(Heading((word * 20)[:500], (word * 30)[:500], "run 0"), width, 2)
        figure.subplots()
        figure.draw_without_rendering()
    title, about, stamp = (text.get_window_extent() for text in figure.texts)
    assert max(title.x1, about.x1) <= figure.bbox.x1 and title.y1 <= figure.bbox.y1
    assert max(title.x1, about.x1) > 0.8 * figure.bbox.x1, "a line is used"
    assert about.y1 <= title.y0 + 2 and figure.axes[0].get_tightbbox().y1 <= about.y0
    assert stamp.y1 <= figure.axes[0].get_tightbbox().y0


def test_a_drawing_of_few_colours_keeps_them_exactly():
    pixels = np.full((40, 50, 4), 255, np.uint8)
    pixels[5:20, 5:45, :3] = np.arange(200, dtype=np.uint8).repeat(3).reshape(5, 40, 3).repeat(3, axis=0)
    image = _palette.few(pixels)
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image.convert("RGB")), pixels[..., :3])


def test_a_photograph_is_coloured_by_its_middle_and_one_is_enough():
    pixels = np.full((40, 90, 3), 120, np.uint8)
    boxes = [[0, 0, 40, 40], [50, 0, 90, 40]]
    for left, top, right, bottom in boxes:
        frame = pixels[top:bottom, left:right]
        frame[:4], frame[-4:], frame[:, :4], frame[:, -4:] = [[(0, 114, 178)]] * 4
        frame[:10, :9] = (213, 94, 0)
    assert not _palette.coloured(pixels, boxes)
    assert not _palette.coloured(pixels, [])
    pixels[10:30, 60:80] += np.array([0, 0, 9], np.uint8)
    assert _palette.coloured(pixels, boxes)
    assert not _palette.coloured(pixels, boxes[:1])
