"""Clusters against classes: known tables, and what the drawing shows of them."""

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from backbench.metrics import external
from backbench.plots import Heading, contingency
from backbench.plots.composition import NOISE, compose

HEADING = Heading("Clusters against classes", "pixels kmeans k=3", "run 012345678901")
NAMES = ["ant", "bee", "cat"]
# Cluster 4 is mostly cats, 7 and 2 mostly ants: matched one to one, bees get the smaller of these.
LABELS = np.array([4, 4, 4, 7, 7, 7, 2, 2, 2, NOISE])
TRUTH = np.array([2, 2, 1, 0, 0, 0, 0, 0, 1, 1])


def drawn(labels=LABELS, truth=TRUTH, names=NAMES):
    return contingency.draw(HEADING, names, compose(labels, truth, len(names)))


def cells(picture):
    axes = picture.figure.axes[0]
    return next(one for one in axes.get_children() if isinstance(one, AxesImage)).get_array()


def test_matched_clusters_stand_in_the_order_of_the_classes_and_noise_last():
    found = contingency.arranged(compose(LABELS, TRUTH, 3))
    assert found.clusters.tolist() == [7, 2, 4, NOISE]
    assert found.counts.tolist() == [[3, 0, 0], [2, 1, 0], [0, 1, 2], [0, 1, 0]]


def test_cells_are_images_and_their_shares_of_the_class():
    picture = drawn()
    np.testing.assert_allclose(cells(picture), np.array([[3, 2, 0, 0], [0, 1, 1, 1], [0, 0, 2, 0]]) / [[5], [3], [2]])
    written = {tuple(map(round, text.get_position())): text.get_text() for text in picture.figure.axes[0].texts}
    assert written == {(0, 0): "3", (1, 0): "2", (1, 1): "1", (2, 1): "1", (2, 2): "2", (3, 1): "1"}
    assert [text.get_text() for text in picture.figure.axes[0].get_xticklabels()] == ["7", "2", "4", "noise"]


def test_frames_mark_the_majority_of_each_cluster_and_not_of_noise():
    frames = [one for one in drawn().figure.axes[0].patches if isinstance(one, Rectangle) and one.get_gid()]
    assert sorted((one.get_x() + 0.5, one.get_y() + 0.5) for one in frames) == [(0, 0), (1, 0), (2, 2)]


@pytest.mark.parametrize("seed", range(3))
def test_the_caption_has_purity_and_accuracy_as_the_metrics_have_them(seed):
    random = np.random.default_rng(seed)
    labels, truth = random.integers(-1, 6, 200), random.integers(0, 4, 200)
    caption = drawn(labels, truth, ["a", "b", "c", "d"]).caption
    assert f"purity {external.purity(truth, labels):.4f}" in caption
    assert f"accuracy {external.cluster_accuracy(truth, labels):.4f}" in caption


def test_the_caption_names_classes_that_no_cluster_stands_for():
    assert "Classes that are the majority in no cluster: bee." in drawn().caption


def test_the_table_has_every_cell_that_is_not_zero():
    data = drawn().data
    rows = sorted(zip(*(data[name] for name in ("cluster", "class", "images")), strict=True), key=str)
    assert rows == sorted(
        [(7, "ant", 3), (2, "ant", 2), (2, "bee", 1), (4, "bee", 1), (4, "cat", 2), ("noise", "bee", 1)], key=str
    )


def test_many_clusters_are_cut_off_and_the_caption_says_so():
    picture = drawn(np.arange(200), np.zeros(200, dtype=int), ["one"])
    assert cells(picture).shape == (1, contingency.MOST)
    assert not picture.figure.axes[0].texts
    assert "140 smaller clusters are not shown" in picture.caption
    assert len(picture.data["cluster"]) == 200


def test_noise_alone_has_no_frame_and_purity_zero():
    picture = drawn(np.full(4, NOISE), np.array([0, 1, 2, 2]))
    assert not [one for one in picture.figure.axes[0].patches if one.get_gid()]
    assert "purity 0.0000" in picture.caption
