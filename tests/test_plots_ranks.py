"""Critical-difference diagrams: bars and lengths against Demsar (2006), names that can be read."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import studentized_range

from backbench.plots import Heading, _files, _names, ranks

HEADING = Heading("Critical difference", "made up", "sweep 0123456789ab")
METHODS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
# Demsar 2006, Table 6: mean ranks by AUC of four variants of C4.5 over fourteen data sets.
RANKS = (3.143, 2.000, 2.893, 1.964)


def nemenyi(level, k=4, n=14):
    return float(studentized_range.ppf(1 - level, k, np.inf)) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))


def drawn(*diagrams):
    return ranks.draw(HEADING, diagrams)


def artists(picture, gid, panel=0):
    axes = picture.figure.axes[panel]
    return [own for own in (*axes.lines, *axes.texts) if own.get_gid() == gid]


def test_bars_of_the_paper():
    """Section 3.2.2: nothing differs at 0.05; at 0.10, plain C4.5 differs from both variants that tune m."""
    assert (nemenyi(0.05), nemenyi(0.10)) == pytest.approx((1.25, 1.12), abs=0.01)
    assert ranks.joined(RANKS, nemenyi(0.05)) == [(0, 3)]
    assert ranks.joined(RANKS, nemenyi(0.10)) == [(0, 2), (2, 3)]


def test_bars_and_the_critical_difference_are_drawn_to_scale():
    picture = drawn(ranks.Diagram("Table 6", METHODS, RANKS, nemenyi(0.10)))
    bars = [np.asarray(line.get_xdata()) / ranks.SCALE * 3 + 1 for line in artists(picture, "bar")]
    assert len(bars) == 2
    overhang = 0.04 / ranks.SCALE * 3
    assert bars[0] == pytest.approx([1.964 - overhang, 2.893 + overhang], abs=1e-3)
    assert bars[1] == pytest.approx([2.893 - overhang, 3.143 + overhang], abs=1e-3)
    (scale,) = artists(picture, "critical")
    assert np.diff(scale.get_xdata()) / ranks.SCALE * 3 == pytest.approx([nemenyi(0.10)])


def test_methods_stand_at_their_ranks_the_better_half_at_the_left():
    picture = drawn(ranks.Diagram("Table 6", METHODS, RANKS, 1.12))
    at = {round(float(line.get_xdata()[0]) / ranks.SCALE * 3 + 1, 3): line for line in artists(picture, "leader")}
    assert sorted(at) == [1.964, 2.0, 2.893, 3.143]
    assert [at[rank].get_xdata()[-1] < 0 for rank in sorted(at)] == [True, True, False, False]
    said = {text.get_text() for text in picture.figure.axes[0].texts}
    assert {"C4.5+m+cf  1.96", "C4.5+m  2.00", "2.89  C4.5+cf", "3.14  C4.5"} <= said


def test_the_numbers_beside_the_picture():
    picture = drawn(ranks.Diagram("Table 6", METHODS, RANKS, nemenyi(0.10)))
    assert picture.data["method"] == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert picture.data["bars"] == ["1", "1", "1 2", "2"]


def test_where_the_methods_do_not_differ_all_are_joined():
    assert ranks.joined([1.0, 2.0, 3.0], 0.1, differ=False) == [(0, 2)]
    assert ranks.joined([1.0, 2.0, 3.0], 0.1) == []


@pytest.mark.parametrize("seed", range(20))
def test_bars_are_the_largest_groups_within_the_difference(seed):
    rng = np.random.default_rng(seed)
    own, difference = sorted(rng.uniform(1, 12, 12)), rng.uniform(0.2, 6)
    within = [(a, b) for a, b in itertools.combinations(range(12), 2) if own[b] - own[a] <= difference]
    largest = [(a, b) for a, b in within if not any(x <= a and b <= y and (x, y) != (a, b) for x, y in within)]
    assert ranks.joined(list(rng.permutation(own)), difference) == sorted(largest)


def test_twenty_methods_with_long_names_can_be_read():
    names = [f"{at} {'a very long name ' * 20}" for at in range(19)] + ["分類器" * 30]
    mean = list(np.linspace(1.5, 19.5, 20))
    picture = drawn(ranks.Diagram("Twenty", names, mean, 3.0), ranks.Diagram("Four", METHODS, RANKS, 1.12))
    figure = picture.figure
    figure.draw_without_rendering()
    shown = _names.legible(names, ranks.NAMES)
    boxes = [
        text.get_window_extent() for text in figure.axes[0].texts if any(name in text.get_text() for name in shown)
    ]
    assert len(boxes) == 20 and max(map(len, shown)) <= 60
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert picture.data["method"][:20] == names


def test_a_difference_longer_than_the_axis_is_said():
    picture = drawn(ranks.Diagram("t", ["a", "b", "c"], [2.0, 2.0, 2.0], 3.1, "no difference", differ=False))
    assert any("longer than the axis" in text.get_text() for text in picture.figure.axes[0].texts)
    assert max(artists(picture, "critical")[0].get_xdata()) <= ranks.SCALE


def test_it_is_the_same_file_twice():
    first, second = (_files.png(drawn(ranks.Diagram("Table 6", METHODS, RANKS, 1.12))) for _ in range(2))
    assert first == second
