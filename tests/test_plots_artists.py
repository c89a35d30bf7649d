"""Axes in their places, clouds of points and photographs: what they show is what matplotlib and Pillow show."""

import numpy as np
import pytest
from drawn import HEADING
from matplotlib.lines import Line2D
from PIL import Image

from backbench.plots import _margins, _measure, _style
from backbench.plots._artists import Cloud, Photograph

RNG = np.random.default_rng(0)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()


def panels(rows, columns, **ratios):
    figure = _style.figure(HEADING, 9.0, 6.0)
    return figure, figure.subplots(rows, columns, squeeze=False, **ratios)


# ------------------------------------------------------------------------------------------------ margins


def test_rows_and_columns_begin_after_what_hangs_before_them_and_share_the_rest_by_their_ratios():
    hanging = np.array([0.5, 0.3, 0.1])
    begins, lengths = _margins._along([0, 0, 1], hanging, np.array([0.0, 0.2, 0.4]), np.array([2.0, 1.0]), 10.0)
    free = 10 - 0.5 - 0.2 - 0.1 - 0.4 - 4 * _margins.PAD
    assert lengths == pytest.approx([free * 2 / 3, free / 3])
    assert begins == pytest.approx([0.5 + _margins.PAD, 0.5 + 3 * _margins.PAD + free * 2 / 3 + 0.2 + 0.1])


def test_axes_with_all_that_hangs_around_them_fill_their_room_and_no_more():
    with _style.style():
        figure, grid = panels(2, 2, width_ratios=[3, 1])
        for axes, size in zip(grid.flat, (1, 1e5, 1e9, 1e-4), strict=True):
            axes.plot([0, size], [0, size])
            axes.set(xlabel="x", ylabel="y", title="a title")
        _style.lay_out(figure)
        boxes = [axes.get_tightbbox(for_layout_only=True) for axes in grid.flat]
    pad = _margins.PAD * _measure.DPI
    assert min(box.x0 for box in boxes) == pytest.approx(pad, abs=1)
    assert max(box.x1 for box in boxes) == pytest.approx(figure.bbox.x1 - pad, abs=1)
    assert min(box.y0 for box in boxes) == pytest.approx(_style.FOOT * _measure.DPI + pad, abs=1)
    assert boxes[0].x1 < boxes[1].x0 and boxes[2].y1 < boxes[0].y0
    assert grid[0][0].bbox.width == pytest.approx(3 * grid[0][1].bbox.width)


@pytest.mark.parametrize("height", [1.3, 1.4, 1.6, 2.0])
@pytest.mark.parametrize("least", [-0.9, -1.1, -11.0, -1.1e4])
def test_ticks_that_only_the_last_size_has_lie_in_the_figure(height, least):
    with _style.style():
        figure = _style.figure(HEADING, 4, height)
        axes = figure.subplots()
        axes.plot([0, 1], [0, least])
        axes.tick_params(labelbottom=False)
        _style.lay_out(figure)
        box = axes.get_tightbbox(for_layout_only=True)
    assert box.x0 == pytest.approx(_margins.PAD * _measure.DPI, abs=1)


def test_ticks_that_a_picture_sets_stay():
    with _style.style():
        figure = _style.figure(HEADING, 4, 3)
        axes = figure.subplots()
        axes.plot([2, 9], [0, 1])
        axes.set_xticks([2, 5, 9])
        _style.lay_out(figure)
    assert list(axes.get_xticks()) == [2, 5, 9]


def test_names_that_are_longer_than_their_axes_are_broken_and_lie_over_nothing():
    long = "height (root of twice the growth of the sum of squares), square-root scale, " * 2
    with _style.style():
        figure, grid = panels(2, 2)
        for axes in grid.flat:
            axes.set(xlabel=long, ylabel=long)
        grid[0][0].set_xlabel("short")
        _style.lay_out(figure)
        names = [axis.label for axes in grid.flat for axis in (axes.xaxis, axes.yaxis)]
        boxes = [name.get_window_extent() for name in names]
    assert [" ".join(name.get_text().split()) for name in names[1:]] == [long.strip()] * 7
    assert names[0].get_text() == "short" and all("\n" in name.get_text() for name in names[1:])
    heading = min(text.get_window_extent().y0 for text in figure.texts if text.get_gid() in ("title", "about"))
    assert max(box.y1 for box in boxes) < heading
    assert not any(first.overlaps(second) for at, first in enumerate(boxes) for second in boxes[:at])


def test_ticks_and_places_do_not_change_once_axes_are_laid_out():
    with _style.style():
        figure, grid = panels(1, 3)
        for axes in grid.flat:
            axes.plot([0, 1], [0, 1])
        _style.lay_out(figure)
        ticks = [axis.get_majorticklocs().tolist() for axes in grid.flat for axis in (axes.xaxis, axes.yaxis)]
        places = [axes.get_position().bounds for axes in grid.flat]
        figure.set_size_inches(90, 60)
        pixels(figure)
    assert [axis.get_majorticklocs().tolist() for axes in grid.flat for axis in (axes.xaxis, axes.yaxis)] == ticks
    assert [axes.get_position().bounds for axes in grid.flat] == places


# ------------------------------------------------------------------------------------------------ clouds


@pytest.mark.parametrize(("marker", "size"), [("o", 4.5), ("s", 2.0), ("^", 5.5), ("*", 7.7), ("P", 3.1)])
def test_a_cloud_has_the_pixels_of_lines_that_are_markers_alone(marker, size):
    spots = RNG.normal(size=(200, 2)).astype(np.float32)
    turns = [(0, spots[:90]), (1, spots[90:120]), (0, spots[120:])]
    looks = {
        code: {"marker": marker, "ms": size, "color": colour, "alpha": alpha}
        for code, colour, alpha in ((0, "#0072B2", 0.7), (1, "#D55E00", 1.0))
    }

    def drawn(artists):
        with _style.style():
            figure, ((axes,),) = panels(1, 1)
            axes.set(xlim=(-2, 2), ylim=(-2, 2))
            for artist in artists:
                axes.add_artist(artist)
            return pixels(figure)

    cloud = drawn([Cloud(turns, looks)])
    assert np.array_equal(
        cloud, drawn([Line2D(*part.T, linestyle="none", mew=0, **looks[code]) for code, part in turns])
    )
    assert not np.array_equal(cloud, drawn([]))


# ------------------------------------------------------------------------------------------------ photographs


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3)])
@pytest.mark.parametrize(
    ("interpolation", "kernel"), [("nearest", Image.Resampling.NEAREST), ("hanning", Image.Resampling.HAMMING)]
)
def test_a_photograph_stands_upright_at_its_place_as_pillow_resizes_it(shape, interpolation, kernel):
    image = RNG.integers(0, 256, shape, np.uint8)
    with _style.style():
        figure, ((axes,),) = panels(1, 1)
        axes.set_axis_off()
        axes.set(xlim=(0, 4), ylim=(0, 2))
        drawn = Photograph(axes, image, interpolation, extent=(1, 2.5, 0.5, 1.5))
        axes.add_image(drawn)
        whole = pixels(figure)
    box = drawn.get_window_extent()
    left, right, low, high = (round(side) for side in (box.x0, box.x1, box.y0, box.y1))
    part = whole[len(whole) - high : len(whole) - low, left:right, :3]
    resized = Image.fromarray(image[:, :, 0] if shape[2:] == (1,) else image).resize((right - left, high - low), kernel)
    assert np.array_equal(part, np.asarray(resized.convert("RGB")))


@pytest.mark.parametrize(("dots", "sharp"), [(28, True), (56, True), (84, True), (40, False), (14, False)])
def test_photographs_of_no_set_kernel_are_sharp_at_whole_sizes_alone(dots, sharp):
    with _style.style():
        _, ((axes,),) = panels(1, 1)
        photograph = Photograph(axes, np.zeros((28, 28), np.uint8))
    assert (photograph._kernel(dots, dots) == Image.Resampling.NEAREST) is sharp
