"""What clusters consist of, and their silhouettes: bars, pies and steps against numbers that are known."""

import numpy as np
import pytest
from drawn import HEADING, artists, digest, names, texts, unreadable
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_samples, silhouette_score

from backbench.plots import _style, composition, silhouette
from backbench.plots.composition import NOISE, Composition

# Clusters 0, 1 and 2 and noise; classes cat, dog and cow.
FOUND = Composition(np.array([NOISE, 0, 1, 2]), np.array([[1, 1, 2], [2, 8, 0], [30, 0, 10], [0, 0, 5]]))
CALLED = ["cat", "dog", "cow"]


def random(clusters, classes, n=3000, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    labels = np.where(rng.random(n) < 0.6, truth % clusters, rng.integers(0, clusters, n))
    return composition.compose(np.where(rng.random(n) < noise, NOISE, labels), truth, classes)


def bars(picture):
    """Bars as (height, start, width, id), from the left to the right and from the top to the bottom."""
    found = [
        (round(bar.get_y() + bar.get_height() / 2, 3), bar.get_x(), bar.get_width(), bar.get_gid())
        for bar in picture.figure.axes[0].patches
    ]
    return sorted(found)


def side(picture):
    return [text.get_text() for text in picture.figure.axes[0].get_yticklabels()]


def legend(picture):
    (found,) = picture.figure.legends
    return [text.get_text() for text in found.get_texts()]


def said(picture, gid):
    return [text.get_text() for text in artists(picture, gid) if hasattr(text, "get_text")]


def test_counts_of_labels_by_class():
    found = composition.compose(np.array([4, -1, 4, 2, 4]), np.array([0, 1, 2, 2, 0]), 3)
    assert found.clusters.tolist() == [-1, 2, 4]
    assert found.counts.tolist() == [[0, 1, 0], [0, 0, 1], [2, 0, 1]]
    assert (found.number, found.sizes.tolist()) == (2, [1, 1, 3])


def test_a_bar_for_each_cluster_the_largest_first_and_noise_last():
    picture = composition.draw(HEADING, CALLED, FOUND)
    assert side(picture) == ["1", "0", "2", "noise"]
    assert [(round(y), start, width, own) for y, start, width, own in bars(picture)] == [
        *[(0, 0, 0.75, "class 0"), (0, 0.75, 0.25, "class 2")],
        *[(1, 0, 0.8, "class 1"), (1, pytest.approx(0.8), 0.2, "class 0")],
        (2, 0, 1, "class 2"),
        *[(3, 0, 0.5, "class 2"), (3, 0.5, 0.25, "class 0"), (3, 0.75, 0.25, "class 1")],
    ]
    assert said(picture, "size") == ["40", "10", "5", "4"]
    assert said(picture, "majority")[:3] == ["cat 75%", "dog 80%", "cow 100%"]
    assert legend(picture) == CALLED


@pytest.mark.parametrize(("clusters", "classes"), [(1, 1), (10, 10), (40, 20), (200, 200)])
def test_bars_are_whole(clusters, classes):
    widths = {}
    for height, start, width, _ in bars(composition.draw(HEADING, names(classes), random(clusters, classes))):
        assert start == pytest.approx(widths.get(height, 0.0))
        widths[height] = widths.get(height, 0.0) + width
    assert np.allclose(list(widths.values()), 1) and len(widths) == min(clusters, 30 if clusters > 40 else 40) + 1


def test_classes_of_one_colour_differ_by_their_hatch():
    picture = composition.draw(HEADING, names(12), random(5, 12))
    looks = {bar.get_gid(): (bar.get_facecolor(), bar.get_hatch()) for bar in picture.figure.axes[0].patches}
    assert len(looks) == len(set(looks.values())) == 12
    assert looks["class 0"][0] == looks["class 8"][0] and looks["class 8"][1] == _style.hatch(8)


def test_a_class_keeps_its_colour_where_others_are_missing():
    picture = composition.draw(HEADING, CALLED, Composition(np.array([0]), np.array([[0, 3, 1]])))
    colours = {bar.get_gid(): bar.get_facecolor()[:3] for bar in picture.figure.axes[0].patches}
    assert colours["class 1"] == pytest.approx([int(_style.COLOURS[1][at : at + 2], 16) / 255 for at in (1, 3, 5)])
    assert legend(picture) == ["dog", "cow"]


def test_of_more_than_twelve_classes_the_majority_classes_have_a_colour():
    """Majority classes are 17, 0 and 18; 1 and 3 are the next in number, and then all are alike."""
    counts = np.full((3, 20), 10)
    counts[:, [0, 1]], counts[0, 17], counts[1, 3], counts[2, 18] = 15, 21, 11, 400
    kept = composition.kept_classes(counts)
    assert kept == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 18]
    picture = composition.draw(HEADING, [f"class {at}" for at in range(20)], Composition(np.arange(3), counts))
    assert legend(picture)[-1] == "other (8 classes)" and legend(picture)[:-1] == [f"class {at}" for at in kept]
    rest = [width for _, _, width, own in bars(picture) if own == "rest"]
    assert sorted(rest) == pytest.approx(sorted(1 - counts[:, kept].sum(axis=1) / counts.sum(axis=1)))
    assert "12 of 20 classes have a colour" in picture.caption


def test_a_majority_class_without_a_colour_is_dark_and_named():
    """Each of 16 clusters has a majority class of its own."""
    counts = np.eye(16, dtype=int) * 8 + 1
    picture = composition.draw(HEADING, [f"class {at}" for at in range(16)], Composition(np.arange(16), counts))
    first = {height: own for height, start, _, own in bars(picture) if start == 0}
    assert list(first.values()) == [f"class {at}" for at in range(12)] + ["majority"] * 4
    assert said(picture, "majority")[15] == "class 15 38%"
    assert "other majority class (see its name)" in legend(picture)


def test_of_more_than_forty_clusters_the_largest_are_shown():
    found = random(57, 5, noise=0.0)
    picture = composition.draw(HEADING, names(5), found)
    order = np.lexsort((found.clusters, -found.sizes))[:30]
    assert side(picture) == [str(cluster) for cluster in found.clusters[order]]
    assert picture.figure.axes[0].get_ylabel() == "cluster, the 30 largest of 57"
    assert "The 27 smallest of 57 clusters are not shown" in picture.caption
    assert len(set(picture.data["cluster"])) == 57


def test_the_table_has_what_occurs():
    data = composition.draw(HEADING, CALLED, FOUND).data
    rows = list(zip(*data.values(), strict=True))
    assert list(data) == ["cluster", "size", "class", "images", "share"]
    assert rows[:3] == [(1, 40, "cat", 30, 0.75), (1, 40, "cow", 10, 0.25), (0, 10, "cat", 2, 0.2)]
    assert rows[-1] == ("noise", 4, "cow", 2, 0.5)
    assert sum(data["images"]) == FOUND.sizes.sum()


def test_the_caption_says_what_is_noise():
    picture = composition.draw(HEADING, CALLED, FOUND)
    assert "On average, the majority class makes up 85% of a cluster" in picture.caption
    assert "4 of 59 images are noise (the last bar)" in picture.caption


def test_all_noise_is_one_bar():
    picture = composition.draw(HEADING, CALLED, Composition(np.array([NOISE]), np.array([[2, 1, 1]])))
    assert side(picture) == ["noise"] and "4 of 4 images are noise" in picture.caption


# Pies


def test_a_pie_for_each_cluster_without_noise():
    picture = composition.pies(HEADING, CALLED, FOUND)
    titles = [text.get_text() for text in artists(picture, "pie")]
    assert titles == ["cluster 1: 40 images\ncat 75%", "cluster 0: 10 images\ndog 80%", "cluster 2: 5 images\ncow 100%"]
    wedges = picture.figure.axes[0].patches[:2]
    assert [wedge.get_gid() for wedge in wedges] == ["class 0", "class 2"]
    assert [abs(wedge.theta2 - wedge.theta1) for wedge in wedges] == pytest.approx([270, 90])
    assert "4 of 59 images are noise (not shown)" in picture.caption


def test_pies_have_the_colours_of_the_bars():
    def looks(picture):
        patches = [patch for axes in picture.figure.axes for patch in axes.patches]
        return {patch.get_gid(): (patch.get_facecolor(), patch.get_hatch()) for patch in patches}

    found = random(9, 12)
    assert looks(composition.pies(HEADING, names(12), found)) == looks(composition.draw(HEADING, names(12), found))


def test_at_most_25_pies():
    picture = composition.pies(HEADING, names(3), random(60, 3))
    assert len(artists(picture, "pie")) == 25
    assert "The 35 smallest of 60 clusters are not shown" in picture.caption


@pytest.mark.parametrize("draw", [composition.draw, composition.pies])
@pytest.mark.parametrize(("clusters", "classes"), [(1, 1), (8, 10), (60, 200)])
def test_compositions_can_be_read(draw, clusters, classes):
    picture = draw(HEADING, names(classes), random(clusters, classes))
    assert len(texts(picture)) > 4 and not unreadable(picture)


# Silhouettes


def blobs(n=300, k=4, noise=0):
    x, labels = make_blobs(n, centers=k, cluster_std=3.0, random_state=0)
    labels[:noise] = NOISE
    widths = np.full(n, np.nan, dtype=np.float32)
    widths[noise:] = silhouette_samples(x[noise:], labels[noise:])
    return x, labels, widths


def steps(picture):
    """Edges and values of each silhouette from the top to the bottom, by its id."""
    found = [own for own in picture.figure.axes[0].patches if hasattr(own, "get_data")]
    return {own.get_gid(): own.get_data() for own in found}


def test_silhouettes_are_the_sorted_widths_of_their_cluster():
    _, labels, widths = blobs()
    found = steps(silhouette.draw(HEADING, labels, widths))
    assert list(found) == [f"cluster {at}" for at in range(4)]
    for cluster in range(4):
        own = found[f"cluster {cluster}"]
        assert np.allclose(own.values, np.sort(widths[labels == cluster])[::-1])
        assert np.ptp(own.edges) == pytest.approx((labels == cluster).sum())
    tops = [own.edges[0] for own in found.values()]
    bottoms = [own.edges[-1] for own in found.values()]
    assert all(bottom < top for bottom, top in zip(bottoms[:-1], tops[1:], strict=True)), "no two overlap"


def test_the_mean_is_the_silhouette_score():
    x, labels, widths = blobs()
    picture = silhouette.draw(HEADING, labels, widths)
    score = silhouette_score(x, labels)
    line, text = sorted(artists(picture, "mean"), key=lambda own: hasattr(own, "get_text"))
    assert line.get_xdata()[0] == pytest.approx(score, abs=1e-6)
    assert text.get_text() == f"mean {score:.3f}" and f"{score:.3f}" in picture.caption


def test_clusters_are_listed_with_size_and_mean():
    _, labels, widths = blobs()
    rows = said_beside(silhouette.draw(HEADING, labels, widths))
    assert rows == [
        f"{cluster} {(labels == cluster).sum()} {widths[labels == cluster].mean():+.2f}" for cluster in range(4)
    ]


def said_beside(picture):
    found = [text.get_text() for text in artists(picture, "row", panel=1)]
    return [" ".join(found[at : at + 3]) for at in range(0, len(found), 3)]


def test_the_negative_part_is_seen():
    _, labels, widths = blobs()
    picture = silhouette.draw(HEADING, labels, widths)
    assert widths.min() < 0 and picture.figure.axes[0].get_xlim()[0] < widths.min()
    assert artists(picture, "negative")
    assert f"{(widths < 0).mean():.1%} of the images have a negative width" in picture.caption


def test_without_negative_widths_there_is_no_negative_part():
    picture = silhouette.draw(HEADING, np.array([0, 0, 1, 1]), np.array([0.5, 0.6, 0.2, 0.3], dtype=np.float32))
    assert picture.figure.axes[0].get_xlim()[0] == 0 and not artists(picture, "negative")


def test_noise_and_rows_out_of_scope_are_left_out():
    _, labels, widths = blobs(noise=20)
    labels[-30:], widths[-30:] = -2, np.nan
    picture = silhouette.draw(HEADING, labels, widths)
    assert sum(np.ptp(own.edges) for own in steps(picture).values()) == pytest.approx(250)
    assert "20 images are noise" in picture.caption
    assert sorted(picture.data["image"]) == list(range(20, 270))


def test_the_table_has_every_width():
    _, labels, widths = blobs()
    data = silhouette.draw(HEADING, labels, widths).data
    assert list(data) == ["image", "cluster", "width"] and sorted(data["image"]) == list(range(300))
    rows = np.array(data["image"])
    assert np.array_equal(labels[rows], data["cluster"]) and np.array_equal(widths[rows], data["width"])


def test_many_images_are_few_steps_of_the_exact_height():
    values, edges = silhouette.steps(np.linspace(1, -1, 20001))
    assert len(values) == silhouette.STEPS and (edges[0], edges[-1]) == (0, 20001)
    middles = (edges[:-1] + edges[1:]) / 2
    assert np.allclose(values, 1 - 2 * middles / 20000, atol=1e-4)
    few, _ = silhouette.steps(np.array([0.5, 0.1]))
    assert few.tolist() == [0.5, 0.1]


def test_names_are_spread_no_further_than_needed():
    apart = np.array([0.0, 2.0, 5.0])
    assert np.allclose(silhouette.spread(apart, 1.0, 0, 10), apart)
    assert np.allclose(silhouette.spread(np.array([4.0, 4.0, 4.0]), 1.0, 0, 10), [3, 4, 5])
    found = silhouette.spread(np.array([9.8, 9.9, 10.0]), 1.0, 0, 10)
    assert np.allclose(found, [8, 9, 10])


def many(clusters, n, seed=0):
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0, 2, clusters)
    labels = rng.choice(clusters, n, p=share / share.sum())
    labels[:clusters] = np.arange(clusters)
    return labels, np.clip(rng.normal(0.2, 0.2, n), -1, 1).astype(np.float32)


def test_of_many_clusters_the_largest_are_shown():
    labels, widths = many(80, 5000)
    picture = silhouette.draw(HEADING, labels, widths)
    largest = np.sort(np.lexsort((np.arange(80), -np.bincount(labels)))[:50])
    assert list(steps(picture)) == [f"cluster {cluster}" for cluster in largest]
    assert "The 30 smallest clusters are not shown" in picture.caption
    assert picture.figure.axes[0].get_ylabel() == "images by width, in the 50 largest of 80 clusters"
    mean = next(text for text in artists(picture, "mean") if hasattr(text, "get_text"))
    assert mean.get_text() == f"mean {widths.mean():.3f}" and len(picture.data["width"]) == 5000


@pytest.mark.parametrize(("clusters", "n"), [(2, 10), (10, 3000), (50, 60_000)])
def test_silhouettes_can_be_read(clusters, n):
    picture = silhouette.draw(HEADING, *many(clusters, n))
    assert len(said_beside(picture)) == clusters and not unreadable(picture)
    assert max(len(own.values) for own in steps(picture).values()) <= silhouette.STEPS


def test_the_same_file_every_time():
    _, labels, widths = blobs(noise=10)
    composed = random(9, 20)
    for draw in (
        lambda: silhouette.draw(HEADING, labels, widths),
        lambda: composition.draw(HEADING, names(20), composed),
        lambda: composition.pies(HEADING, names(20), composed),
    ):
        assert len({digest(draw()) for _ in range(12)}) == 1
