"""Pictures of sweeps: what is drawn is what was given."""

import itertools
import math

import numpy as np
import pytest
from drawn import digest

from backbench.plots import Heading, _files, _labels, by_k, elbow, heatmap, intervals, pareto, scatter

HEADING = Heading("Title", "about", "sweep 0123456789ab")
NAN = math.nan


def gid(axes, name):
    return [own for own in (*axes.lines, *axes.texts, *axes.patches, *axes.artists) if own.get_gid() == name]


def titled(picture):
    """Axes that are panels, by title."""
    return {axes.get_title() or axes.get_title(loc="left"): axes for axes in picture.figure.axes}


def said(picture):
    return {text.get_text() for axes in picture.figure.axes for text in axes.texts}


# Metrics against k


def points():
    own = [
        by_k.Point(space, "kmeans", k, True, seed, {"silhouette": s / k + seed / 100, "nmi": k / 20})
        for space, s in (("a", 1.0), ("b", 0.1))
        for k in (2, 4, 8)
        for seed in (0, 1)
    ]
    alone = [by_k.Point("a", "dbscan", clusters, False, None, {"silhouette": 0.3, "nmi": 0.9}) for clusters in (5, 70)]
    return own + alone


def test_lines_are_means_over_seeds_and_bands_go_from_the_least_to_the_greatest():
    picture = by_k.draw(HEADING, points(), ("silhouette", "nmi"))
    axes = titled(picture)["a"]
    (line,) = [line for line in axes.lines if line.get_label() == "kmeans"]
    assert list(line.get_xdata()) == [2, 4, 8]
    assert list(line.get_ydata()) == pytest.approx([1 / k + 0.005 for k in (2, 4, 8)])
    (band,) = axes.collections
    heights = {x: sorted(y for at, y in band.get_paths()[0].vertices if at == x) for x in (2, 4, 8)}
    for k, found in heights.items():
        assert (found[0], found[-1]) == pytest.approx((1 / k, 1 / k + 0.01))


def test_clusterings_that_find_k_themselves_are_strokes_and_far_ones_stand_at_the_edge():
    axes = titled(by_k.draw(HEADING, points(), ("silhouette", "nmi")))["a"]
    (stroke,), (beyond,) = gid(axes, "found"), gid(axes, "beyond")
    assert (list(stroke.get_xdata()), list(stroke.get_ydata())) == ([5], [0.3])
    assert list(beyond.get_xdata()) == [8 * by_k.BEYOND] and axes.get_xlim()[1] < 12


def test_only_metrics_that_compare_across_spaces_share_a_scale():
    figure = by_k.draw(HEADING, points(), ("silhouette", "nmi")).figure
    (one, two), (three, four) = figure.axes[:2], figure.axes[2:4]
    assert one.get_ylim() != two.get_ylim() and three.get_ylim() == four.get_ylim()
    assert "silhouette" in one.get_ylabel() and "NMI" in three.get_ylabel()


def test_the_table_beside_it_has_every_clustering():
    data = by_k.draw(HEADING, points(), ("silhouette", "nmi")).data
    assert len(data["space"]) == 14 and data["clusters"][-1] == 70 and data["nmi"][0] == 0.1


def test_a_metric_without_values_says_so():
    alone = [by_k.Point("a", "kmeans", k, True, 0, {"silhouette": NAN}) for k in (2, 3)]
    assert "undefined here" in said(by_k.draw(HEADING, alone, ("silhouette",)))


# Elbows


def curve(knee=4, note="knee"):
    return elbow.Curve("kmeans", {1: [9.0], 2: [5.0, 7.0], 4: [2.0], 8: [1.0]}, knee, note)


def test_the_curve_its_knee_and_the_own_k_are_where_they_should_be():
    axes = titled(elbow.draw(HEADING, {"pixels": [curve()]}, run_k=8))["pixels"]
    assert axes.lines[0].get_xydata().tolist() == [[1, 9], [2, 6], [4, 2], [8, 1]]
    (ring,), (own,) = gid(axes, "knee"), gid(axes, "own")
    assert ring.get_xydata().tolist() == [[4, 2]] and own.get_xydata().tolist() == [[8, 1]]
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["kmeans: knee at k=4", "this run, k=8"]


def test_without_a_knee_the_picture_says_why():
    axes = titled(elbow.draw(HEADING, {"pixels": [curve(None, "the curve has no knee")]}))["pixels"]
    assert not gid(axes, "knee")
    assert axes.get_legend().get_texts()[0].get_text() == "kmeans: the curve has no knee"


def test_every_space_has_a_panel():
    picture = elbow.draw(HEADING, {f"space {at}": [curve(), curve(None, "none")] for at in range(4)})
    assert [axes.get_title() for axes in picture.figure.axes] == [f"space {at}" for at in range(4)]
    assert len(picture.data["k"]) == 4 * 2 * 4 and picture.data["least"][1] == 5.0


# Speed and quality


def test_the_front_of_a_small_example():
    speeds, scores = [1, 10, 100, 5, 100, 1], [0.9, 0.8, 0.5, 0.7, 0.4, 0.9]
    assert pareto.front(speeds, scores) == [0, 5, 1, 2]


@pytest.mark.parametrize("seed", range(10))
def test_no_point_beats_one_on_the_front_and_all_others_are_beaten(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 6, (15, 2)).tolist()
    found = pareto.front(*zip(*pairs, strict=True))
    for at, (x, y) in enumerate(pairs):
        beaten = any(a >= x and b >= y and (a > x or b > y) for a, b in pairs)
        assert (at in found) != beaten


def representations(device=lambda at: "cpu"):
    speeds, scores = (1.0, 10.0, 100.0, 5.0), (0.9, 0.8, 0.5, 0.7)
    return [
        pareto.Point(f"backbone {at}", x, y, device(at)) for at, (x, y) in enumerate(zip(speeds, scores, strict=True))
    ]


def test_the_front_is_drawn_and_the_others_are_hollow():
    picture = pareto.draw(HEADING, representations(), "accuracy")
    (axes,) = picture.figure.axes
    (line,), (others,) = gid(axes, "front"), gid(axes, "others")
    assert line.get_xydata().tolist() == [[1, 0.9], [10, 0.8], [100, 0.5]]
    assert others.get_xydata().tolist() == [[5, 0.7]] and others.get_markerfacecolor() == "white"
    assert axes.get_xscale() == "log" and picture.data["on_front"] == [True, True, True, False]


def test_devices_are_not_joined():
    picture = pareto.draw(HEADING, representations(lambda at: ("cpu", "gpu")[at % 2]), "accuracy")
    fronts = [line.get_xydata().tolist() for line in gid(picture.figure.axes[0], "front")]
    assert fronts == [[[1, 0.9], [100, 0.5]], [[10, 0.8]]]


def test_names_of_representations_do_not_overlap():
    rng = np.random.default_rng(0)
    many = [
        pareto.Point(f"backbone {at}, chain", *own, "cpu")
        for at, own in enumerate(zip(10 ** rng.uniform(0, 3, 40), rng.uniform(0.5, 0.9, 40), strict=True))
    ]
    picture = pareto.draw(HEADING, many, "accuracy")
    picture.figure.draw_without_rendering()
    names = gid(picture.figure.axes[0], "name")
    boxes = [text.get_bbox_patch() or _box(text) for text in names]
    assert len(names) >= 20 and not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    left = 40 - len(names)
    assert left == 0 or f"{left} of the points" in picture.caption


def _box(text):
    """The box of an annotation's text, without its line."""
    from matplotlib.text import Text

    return Text.get_window_extent(text)


def test_a_name_keeps_off_the_other_points():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    spots = np.array([[0.5, 0.5], [0.56, 0.5]])
    figure.draw_without_rendering()
    placed = _labels.place(axes, spots, ["left of the other"])
    other = axes.transData.transform(spots[1])
    (box,) = placed.boxes
    assert not placed.left and not (box[0] <= other[0] <= box[2] and box[1] <= other[1] <= box[3])


def test_names_without_room_are_told():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    figure.draw_without_rendering()
    assert _labels.place(axes, np.array([[0.5, 0.5]]), ["n" * 200]).left == [0]


# Heat maps


def cells(axes):
    return {
        (round(t.get_position()[1]), round(t.get_position()[0])): t.get_text()
        for t in axes.texts
        if "." in t.get_text()
    }


def test_cells_say_their_values_and_missing_ones_are_hatched():
    values = np.array([[0.5, NAN], [0.25, 0.125], [0.75, 0.0]])
    picture = heatmap.draw(HEADING, ["a", "b", "c"], ["x", "y"], values, "nmi", "columns", "rows")
    axes = picture.figure.axes[0]
    assert cells(axes) == {(0, 0): "0.500", (1, 0): "0.250", (1, 1): "0.125", (2, 0): "0.750", (2, 1): "0.000"}
    assert axes.images[0].get_array().mask.tolist() == [[False, True], [False, False], [False, False]]
    assert axes.patch.get_hatch()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("columns  (hatched: no result)", "rows")


@pytest.mark.parametrize(("metric", "at"), [("nmi", (1, 0)), ("davies_bouldin", (0, 1))])
def test_the_best_cell_is_framed(metric, at):
    picture = heatmap.draw(HEADING, ["a", "b"], ["x", "y"], [[0.5, 0.1], [0.9, 0.2]], metric)
    (frame,) = gid(picture.figure.axes[0], "best")
    assert (frame.get_y() + 0.5, frame.get_x() + 0.5) == at


def test_beyond_fifteen_there_are_no_numbers():
    names = [str(at) for at in range(16)]
    picture = heatmap.draw(HEADING, names, names, np.random.default_rng(0).uniform(size=(16, 16)), "nmi")
    assert not cells(picture.figure.axes[0]) and len(picture.data["value"]) == 256


def test_a_full_map_says_nothing_of_hatches():
    picture = heatmap.draw(HEADING, ["a"], ["x"], [[0.5]], "nmi", "columns", "rows")
    assert picture.figure.axes[0].get_xlabel() == "columns"


def test_two_hundred_names_leave_some_out_and_fit():
    values = np.random.default_rng(0).uniform(size=(102, 200))
    rows, columns = [f"class {at}" for at in range(102)], [f"column {at}" for at in range(200)]
    picture = heatmap.draw(HEADING, rows, columns, values, "nmi")
    assert len(picture.figure.axes[0].get_yticks()) <= heatmap.MOST_TICKS
    assert max(picture.figure.get_size_inches()) < 20


def test_a_map_without_a_value_is_drawn():
    picture = heatmap.draw(HEADING, ["a"], ["x"], [[NAN]], "nmi")
    assert [axes.get_xlabel() for axes in picture.figure.axes] == ["(hatched: no result)"]


# Internal against external


def panel():
    own = [
        ("kmeans k=2", "kmeans", "2", 0.9, 0.1),
        ("ward k=8", "ward", "8", 0.5, 0.8),
        ("ward k=4", "ward", "4", 0.6, 0.5),
    ]
    return scatter.Panel("pixels", "Spearman -1.00, 3 clusterings", [scatter.Point(*point) for point in own])


def test_points_are_by_clusterer_and_both_picks_are_ringed_and_named():
    picture = scatter.draw(HEADING, [panel()], ("silhouette", "nmi"))
    axes = picture.figure.axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {"kmeans": [[0.9, 0.1]], "ward": [[0.5, 0.8], [0.6, 0.5]]}
    picture.figure.draw_without_rendering()
    middles = {tuple(np.round(axes.transData.inverted().transform(_middle(ring)), 3)) for ring in gid(axes, "ring")}
    assert middles == {(0.9, 0.1), (0.5, 0.8)}
    assert {"best silhouette: kmeans k=2", "best NMI: ward k=8", "4"} <= said(picture)
    assert axes.get_title() == "pixels\nSpearman -1.00, 3 clusterings"


def _middle(ring):
    return ring.get_transform().transform(ring.get_center())


def test_one_ring_has_both_names_where_the_metrics_agree():
    agreeing = scatter.Panel(
        "pixels", "", [scatter.Point("a", "a", "2", 0.1, 0.1), scatter.Point("b", "a", "3", 0.9, 0.9)]
    )
    assert "best silhouette: b,\nand best NMI" in said(scatter.draw(HEADING, [agreeing], ("silhouette", "nmi")))


# Leaderboards


def listing():
    rows = [("a", 0.9, 0.88, 0.92, 1), ("b", 0.89, 0.87, 0.91, 1), ("c", 0.5, NAN, NAN, 3)]
    entries = [
        intervals.Entry(*own[:4], "images" if own[2] == own[2] else "", 600, own[4], 2 - (own[4] == 3)) for own in rows
    ]
    return intervals.Listing("Classifiers", "val_accuracy", entries)


def test_dots_intervals_and_ranks_with_ties():
    picture = intervals.draw(HEADING, [listing()])
    axes = titled(picture)["Classifiers"]
    assert [line.get_xdata()[0] for line in gid(axes, "mean")] == [0.9, 0.89, 0.5]
    assert [list(line.get_xdata()) for line in gid(axes, "interval")] == [[0.88, 0.92], [0.87, 0.91]]
    assert [tick.get_text().split() for tick in axes.get_yticklabels()] == [["a", "=1"], ["b", "=1"], ["c", "3"]]
    assert gid(axes, "mean")[2].get_markerfacecolor() == "white"
    (legend,) = picture.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["95 % interval over images", "no interval"]
    low, high = axes.get_ylim()
    assert low > high


def test_intervals_over_seeds_look_otherwise_than_those_over_images():
    entries = [intervals.Entry(over, 0.5, 0.4, 0.6, over, 5, 1, 3) for over in intervals.LOOKS]
    picture = intervals.draw(HEADING, [intervals.Listing("All", "nmi", entries)])
    dots = gid(titled(picture)["All"], "mean")
    assert len({(line.get_color(), line.get_marker()) for line in dots}) == len(intervals.LOOKS)


def test_entries_that_share_a_rank_share_a_shade():
    axes = titled(intervals.draw(HEADING, [listing()]))["Classifiers"]
    shades = [patch.get_facecolor() for patch in axes.patches]
    assert shades[0] == shades[1] != shades[2]


def test_boards_without_entries_have_no_panel():
    picture = intervals.draw(HEADING, [listing(), intervals.Listing("Empty", "nmi", [])])
    assert set(titled(picture)) == {"Classifiers"}


# What holds for all


def drawings():
    return {
        "by_k": lambda: by_k.draw(HEADING, points(), ("silhouette", "nmi")),
        "elbow": lambda: elbow.draw(HEADING, {"pixels": [curve()]}, 8),
        "pareto": lambda: pareto.draw(HEADING, representations(), "accuracy"),
        "heatmap": lambda: heatmap.draw(HEADING, ["a"], ["b", "c"], [[0.5, NAN]], "nmi"),
        "scatter": lambda: scatter.draw(HEADING, [panel()], ("silhouette", "nmi")),
        "intervals": lambda: intervals.draw(HEADING, [listing()]),
    }


@pytest.mark.parametrize("name", drawings())
def test_it_is_the_same_file_twice(name):
    draw = drawings()[name]
    assert digest(draw()) == digest(draw())


@pytest.mark.parametrize("name", drawings())
def test_the_table_has_columns_of_one_length_and_every_axis_a_label(name):
    picture = drawings()[name]()
    assert len({len(column) for column in picture.data.values()}) == 1
    for axes in picture.figure.axes:
        inner = name == "by_k" and not axes.get_subplotspec().is_last_row()
        assert inner or name == "heatmap" or axes.get_xlabel()
    assert _files.table(picture).count("\n") > 1
