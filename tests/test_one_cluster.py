"""k = 1: what is undefined of a single cluster, and what begins with it."""

import numpy as np
import pytest
from kneed import KneeLocator
from stored import Stored

from backbench.evaluate import best_k, candidates, knee, selection
from backbench.plots import Heading, by_k, elbow

HEADING = Heading("title", "about", "run")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def test_an_elbow_begins_with_one_cluster():
    """The sums of squares of four groups: without k = 1, three points are left on a straight line."""
    squares = {1: 100.0, 2: 20.0, 3: 18.0, 4: 16.0}
    assert best_k.elbow(squares).k == 2
    assert best_k.elbow({k: squares[k] for k in (2, 3, 4)}).k is None


@pytest.mark.parametrize("seed", range(5))
def test_the_elbow_of_a_sweep_from_one_is_that_of_kneed(seed):
    ks = list(range(1, 15))
    drops = np.sort(np.random.default_rng(seed).gamma(0.6, 1.0, len(ks)))[::-1]
    squares = (100 - np.cumsum(drops) * 100 / drops.sum() + 1).tolist()
    found = knee.find(ks, squares)
    assert found.method == "kneedle"
    assert found.x == KneeLocator(ks, squares, S=1, curve="convex", direction="decreasing").knee


def test_a_single_cluster_is_no_choice():
    """It has no silhouette, so that no criterion but the elbow and BIC sees it, and the policy leaves it out."""

    def metrics(stage):
        k = stage.config["k"]
        known = {"clusters": float(k), "inertia": 100.0 / k, "noise_fraction": 0.0}
        return known | (dict.fromkeys(("silhouette", "davies_bouldin", "calinski_harabasz"), np.nan) if k == 1 else {})

    stored = Stored()
    stored.metrics = metrics
    rows = stored.rows("clusterer=kmeans", "k=1,2,3", "classifier=none", "retrieval=none")
    (space,) = candidates.representations(rows)
    (family,) = best_k.families(space)
    assert family.ks == (1, 2, 3) and list(best_k.mean_curve(family.members, "inertia")) == [1, 2, 3]
    assert list(best_k.mean_curve(family.members, "silhouette")) == [2, 3]
    decision = selection.decide(space, selection.PUBLISHED)
    assert [fault.reason for fault in decision.left_out] == ["one cluster only"] and decision.chosen.k > 1


# Ticks


def ticks(axes):
    low, high = axes.get_xlim()
    return [tick for tick in axes.get_xticks() if low <= tick <= high]


@pytest.mark.parametrize("last", [3, 14, 50])
@pytest.mark.parametrize("spaces", [1, 3])
def test_k_of_one_has_a_tick(last, spaces):
    squares = {k: [100.0 / k] for k in range(1, last + 1)}
    picture = elbow.draw(HEADING, {f"space {at}": [elbow.Curve("kmeans", squares, 2, "")] for at in range(spaces)})
    points = [
        by_k.Point(f"space {at}", "kmeans", k, True, 0, {"inertia": 100.0 / k}) for at in range(spaces) for k in squares
    ]
    for figure in (picture.figure, by_k.draw(HEADING, points, ["inertia"]).figure):
        figure.canvas.draw()
        for axes in figure.axes:
            found = ticks(axes)
            assert found[0] == 1 and found == sorted(set(found)) and all(float(tick).is_integer() for tick in found)


def test_a_sweep_from_two_has_no_tick_at_one():
    squares = {k: [100.0 / k] for k in range(2, 15)}
    picture = elbow.draw(HEADING, {"space": [elbow.Curve("kmeans", squares, 4, "")]})
    picture.figure.canvas.draw()
    assert ticks(picture.figure.axes[0])[0] == 2
