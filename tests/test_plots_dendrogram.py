"""Dendrograms: links at the heights of scipy's tree, the cut, the colours of clusters, what is not shown in words."""

import numpy as np
import pytest
from drawn import HEADING, artists, digest, texts, unreadable
from matplotlib.colors import to_hex
from scipy.cluster import hierarchy
from sweeping import collection, computed, rows_of

from backbench import paths
from backbench.metrics.labels import canonical
from backbench.pictures.kinds import dendrogram as kind
from backbench.pictures.source import Source
from backbench.plots import _style, dendrogram
from backbench.store import Store


def tree(n, groups=3, method="ward", k=3, seed=0):
    """Merges of rows around some middles, and the clusters of the cut into k."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, groups, n)[:, None] * 20 + rng.normal(size=(n, 4))
    merges = hierarchy.linkage(x, method)
    return merges, canonical(hierarchy.fcluster(merges, k, "maxclust"))


def drawn(merges, clusters, k):
    return dendrogram.draw(HEADING, merges, clusters, k, "height", "A caption.")


def gids(picture, start):
    return [own for own in picture.figure.axes[0].findobj() if (own.get_gid() or "").startswith(start)]


def sizes(picture):
    return [int(text.get_text().strip("()").replace(",", "")) for text in artists(picture, "size")]


def test_the_last_merges_are_drawn_at_their_heights():
    merges, clusters = tree(200, method="average")
    picture = drawn(merges, clusters, 3)
    heights = sorted(line.get_ydata()[1] for line in gids(picture, "link"))
    assert heights == pytest.approx(merges[-29:, 2].tolist())
    assert sum(sizes(picture)) == 200
    assert len(sizes(picture)) == 30
    assert picture.caption == "A caption. The last 29 of 199 merges are shown."


def test_places_and_heights_are_those_of_scipy():
    merges, clusters = tree(80)
    theirs = hierarchy.dendrogram(merges, p=30, truncate_mode="lastp", no_plot=True)
    lines = gids(drawn(merges, clusters, 3), "link")
    assert [line.get_xdata().tolist() for line in lines] == theirs["icoord"]
    assert [line.get_ydata().tolist() for line in lines] == theirs["dcoord"]


def test_the_cut_separates_the_merges_that_are_made_from_those_that_are_not():
    merges, clusters = tree(50, k=4)
    picture = drawn(merges, clusters, 4)
    (line,) = artists(picture, "cut")
    at = line.get_ydata()[0]
    assert at == pytest.approx((merges[-4, 2] + merges[-3, 2]) / 2)
    assert merges[-4, 2] < at < merges[-3, 2]
    assert f"cut at {at:.4g}, giving k = 4" in {text.get_text() for text in texts(picture)}


def test_links_below_the_cut_have_the_colour_of_their_cluster():
    merges, clusters = tree(60, groups=3, k=3)
    picture = drawn(merges, clusters, 3)
    colours = {line.get_gid(): to_hex(line.get_color()) for line in gids(picture, "link")}
    above = {f"link {60 + 57}", f"link {60 + 58}"}
    assert {gid for gid, colour in colours.items() if colour == dendrogram.ABOVE} == above
    for gid in set(colours) - above:
        rows = hierarchy.to_tree(merges, rd=True)[1][int(gid.split()[1])].pre_order()
        (number,) = set(clusters[rows].tolist())
        assert colours[gid] == _style.colour(number).lower()


def test_a_bar_below_each_cluster_spans_its_branches():
    merges, clusters = tree(60, groups=4, k=4)
    picture = drawn(merges, clusters, 4)
    bars = {int(bar.get_gid().split()[1]): bar for bar in gids(picture, "bar")}
    assert set(bars) == {0, 1, 2, 3}
    branches = sizes(picture)
    for number, bar in bars.items():
        first, last = bar.get_x() / 10, (bar.get_x() + bar.get_width()) / 10
        inside = branches[int(first) : round(last)]
        assert sum(inside) == int((clusters == number).sum())
        assert to_hex(bar.get_facecolor()) == _style.colour(number).lower()


def test_clusters_of_one_colour_differ_by_hatch_and_line():
    merges, clusters = tree(200, groups=10, k=10)
    picture = drawn(merges, clusters, 10)
    hatches = {int(bar.get_gid().split()[1]): bar.get_hatch() for bar in gids(picture, "bar")}
    assert hatches[0] != hatches[8]


@pytest.mark.parametrize(("k", "branches"), [(2, 30), (30, 30), (31, 60), (60, 60), (100, 60)])
def test_more_branches_where_the_cut_needs_them(k, branches):
    merges, clusters = tree(150, groups=5, k=k)
    picture = drawn(merges, clusters, k)
    assert len(sizes(picture)) == branches
    assert len(artists(picture, "cut")) == (k <= 60)
    assert ("The cut into 100 clusters lies below them." in picture.caption) == (k == 100)
    assert len({bar.get_gid() for bar in gids(picture, "bar")}) == (k if k <= 60 else 0)
    assert unreadable(picture) == []


def test_one_cluster_is_cut_above_everything():
    merges, _ = tree(40)
    picture = drawn(merges, np.zeros(40, int), 1)
    (line,) = artists(picture, "cut")
    assert merges[-1, 2] < line.get_ydata()[0] < picture.figure.axes[0].get_ylim()[1]
    assert {to_hex(line.get_color()) for line in gids(picture, "link")} == {_style.colour(0).lower()}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows(n):
    x = np.random.default_rng(0).normal(size=(n, 2))
    merges = hierarchy.linkage(x, "ward") if n > 1 else np.empty((0, 4))
    picture = drawn(merges, np.arange(n), n)
    assert sizes(picture) == [1] * n
    assert len(gids(picture, "link")) == n - 1
    assert unreadable(picture) == []


def test_equal_rows_have_no_height():
    merges = hierarchy.linkage(np.zeros((20, 2)), "ward")
    picture = drawn(merges, np.arange(20) % 4, 4)
    assert {line.get_ydata().max() for line in gids(picture, "link")} == {0.0}


def test_heights_that_span_orders_of_magnitude_are_drawn_by_their_square_roots():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(20, 2)) * size for size in (0.01, 1, 1000)])
    merges = hierarchy.linkage(x, "ward")
    axes = drawn(merges, canonical(hierarchy.fcluster(merges, 3, "maxclust")), 3).figure.axes[0]
    assert axes.get_ylabel() == "height, square-root scale"
    spots = axes.transData.transform([[0, 0], [0, 100], [0, 400]])[:, 1]
    assert (spots[2] - spots[0]) / (spots[1] - spots[0]) == pytest.approx(2)
    assert drawn(*tree(100, method="average"), 3).figure.axes[0].get_ylabel() == "height"


def test_the_numbers_beside_the_picture():
    merges, clusters = tree(100)
    data = drawn(merges, clusters, 3).data
    assert len(data["node"]) == 59
    for node, one, other, height, size in zip(
        *(data[name] for name in ("node", "joins", "and", "height", "images")), strict=True
    ):
        assert (one, other, height, size) == (("", "", 0.0, 1) if node < 100 else tuple(merges[node - 100].tolist()))
    assert sum(size for size, branch in zip(data["images"], data["branch"], strict=True) if branch) == 100


# ------------------------------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Runs of agglomerative clustering and of k-means on painted pictures."""
    folder = tmp_path_factory.mktemp("dendrogram")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BACKBENCH_STORE", raising=False)
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = collection(folder / "images", ("cat", "dog", "cow"), 20)
        grid = ("experiment=none", "backbone=pixels", "chain=none", "retrieval=none", "classifier=none", "k=3")
        own = ("clusterer=agglomerative", "clusterer.linkage=average", "clusterer.metric=cosine")
        plans = {
            "ward": computed(*images, *grid, "clusterer=agglomerative"),
            "average": computed(*images, *grid, *own),
            "train": computed(*images, *grid, "clusterer=agglomerative", "clustering.scope=train"),
            "kmeans": computed(*images, *grid, "clusterer=kmeans"),
        }
        yield {name: Source(rows_of(plan)[0], Store(paths.store())) for name, plan in plans.items()}


def about(picture):
    return next(text.get_text() for text in picture.figure.texts if text.get_gid() == "about").replace("\n", " ")


def test_the_tree_of_a_run_and_its_clusters(sources):
    source = sources["ward"]
    assert kind.lacks(source) is None
    picture = kind.draw(source)
    numbers = {int(bar.get_gid().split()[1]) for bar in gids(picture, "bar")}
    assert numbers == set(source.labels.tolist())
    assert sum(sizes(picture)) == 60
    assert "ward linkage, euclidean distance" in about(picture)
    assert unreadable(picture) == []
    assert digest(picture) == digest(kind.draw(source))


def test_linkage_and_distance_are_those_of_the_run(sources):
    picture = kind.draw(sources["average"])
    assert "average linkage, cosine distance" in about(picture)
    assert picture.figure.axes[0].get_ylabel() == "height (mean cosine distance between the two)"


def test_of_a_clustering_of_the_training_images_these_are_shown(sources):
    source = sources["train"]
    picture = kind.draw(source)
    assert sum(sizes(picture)) == int((source.split == 0).sum())
    assert "training images only" in about(picture)


def test_other_clusterings_have_no_tree(sources):
    assert kind.lacks(sources["kmeans"]) == "only hierarchical clusterings (clusterer=agglomerative) have one"
