"""Pictures of a sweep, and the elbow of a run, from stored records with known numbers."""

import functools
import math
from types import SimpleNamespace

import pytest

from backbench import paths, planning
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.evaluate import blocks
from backbench.pictures.kinds import elbow
from backbench.pictures.overview import (
    agreement,
    critical_difference,
    elbows,
    heatmap,
    leaderboard_intervals,
    metric_by_k,
    pareto,
)
from backbench.pictures.source import Source, Sweep
from backbench.plots import ranks
from backbench.schema import ConfigError
from backbench.store import Store

GRID = ("experiment=none", "dataset.sample=100", "backbone=pixels", "chain=none,pca50", "retrieval=none")
CLUSTERED = (*GRID, "clusterer=kmeans,dbscan", "k=2,3,4,8,10", "seed=0,1", "classifier=none")
CLASSIFIED = (*GRID, "clusterer=none", "classifier=knn,random_forest,mlp", "seed=0,1,2")
WCSS = {2: 60.0, 3: 20.0, 4: 18.0, 8: 16.0, 10: 15.0}
CLASSES = [f"class {at}" for at in range(10)]


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def clustered(stage, labelled=True):
    """The smaller k the better the silhouette, the nearer to ten the better the AMI."""
    k, seed = stage.config.get("k"), stage.config.get("seed", 0)
    if k is None:
        metrics = {"clusters": 6.0, "silhouette": 0.05, "davies_bouldin": 2.0, "noise_fraction": 0.2, "ami": 0.3}
    else:
        metrics = {"clusters": float(k), "silhouette": 1 / k + seed / 100, "davies_bouldin": 1 + k / 10, "ami": k / 20}
        metrics |= {"inertia": WCSS[k] + seed, "noise_fraction": 0.0}
    return {**metrics, "cluster_accuracy": metrics["ami"]} if labelled else {**metrics, "ami": None}


def classified(stage):
    """On validation knn is the best, on test mlp is; with pca50 everything is better."""
    order = ("mlp", "random_forest", "knn")
    at, seed = order.index(stage.config["classifier"]["name"]), stage.config.get("seed", 0)
    more = 0.2 * (stage.parents["matrix"][0] == "matrix")
    return {"accuracy": 0.7 - at / 10 + more + seed / 100, "val_accuracy": 0.5 + at / 10 + seed / 1000}


def metrics_of(stage, labelled=True):
    if stage.kind == "clustering":
        return clustered(stage, labelled)
    return classified(stage) if stage.kind == "classification" else {}


INFO = {"dataset": {"n": 100, "classes": CLASSES}, "features": {"images_per_second": 250.0}}


def swept(*overrides, without=lambda stage: False, labelled=True, speed=True):
    """A sweep with a record of every stage but those that are `without`."""
    plan, store = planned(*overrides), Store(paths.store())
    for key, stage in plan.stages.items():
        if without(stage):
            continue
        info = {} if stage.kind == "features" and not speed else INFO.get(stage.kind, {})
        body = {"status": "done", "reason": None, "config": dict(stage.config), "code": stage.code, "notes": {}}
        body |= {"metrics": metrics_of(stage, labelled), "info": info}
        body |= {"provenance": {"seconds": 0.5, "finished": 1e9, "versions": {}, "device": "cpu", "cpu": "A CPU"}}
        store.write(stage.kind, key, body, {})
    return Sweep(plan, ledger.rows(plan, ledger.read_records(plan, store)), store)


def panel(picture, title):
    return next(axes for axes in picture.figure.axes if axes.get_title() == title)


def said(picture):
    return " ".join(text.get_text() for axes in picture.figure.axes for text in axes.texts)


# Metrics against k


def test_lines_of_a_sweep_are_its_metrics():
    picture = metric_by_k.draw(swept(*CLUSTERED))
    axes = panel(picture, "pixels, pca50")
    (line,) = [line for line in axes.lines if line.get_label() == "kmeans"]
    assert list(line.get_xdata()) == [2, 3, 4, 8, 10]
    assert list(line.get_ydata()) == pytest.approx([1 / k + 0.005 for k in line.get_xdata()])
    (stroke,) = [line for line in axes.lines if line.get_gid() == "found"]
    assert stroke.get_xydata().tolist() == [[6, 0.05]]
    assert len(picture.figure.axes) == 8 and len(picture.data["ami"]) == 22


def test_without_classes_the_other_internal_metrics_are_drawn():
    picture = metric_by_k.draw(swept(*CLUSTERED, labelled=False))
    assert [name for name in picture.data if name in metric_by_k.UNLABELLED] == list(metric_by_k.UNLABELLED)


def test_no_curve_from_one_k():
    assert "a curve needs two" in metric_by_k.lacks(swept(*GRID, "clusterer=kmeans", "classifier=none"))
    assert metric_by_k.lacks(swept(*CLASSIFIED)) == "no clustering is done"
    assert metric_by_k.lacks(swept(*CLUSTERED)) is None


# Elbows


def run(sweep, **params):
    rows = (row for row in sweep.rows if all(row.params.get(key) == value for key, value in params.items()))
    return Source(next(rows), sweep.store)


def test_the_elbow_of_a_run_shows_its_family_its_knee_and_its_own_k():
    source = run(swept(*CLUSTERED), k=8, chain="pca50")
    assert elbow.lacks(source) is None
    picture = elbow.draw(source)
    axes = panel(picture, "pixels, pca50")
    assert axes.lines[0].get_xydata().tolist() == [[k, WCSS[k] + 0.5] for k in WCSS]
    marks = {line.get_gid(): line.get_xydata().tolist() for line in axes.lines if line.get_gid()}
    assert marks == {"knee": [[3, 20.5]], "own": [[8, 16.5]]}
    assert picture.data["seeds"] == [2] * 5 and "k=3" in axes.get_legend().get_texts()[0].get_text()


def test_the_elbow_reads_what_the_row_has_not_brought():
    sweep = swept(*CLUSTERED)
    source = run(sweep, k=8, chain="none")
    alone = {key: record for key, record in source.row.records.items() if key in source.row.members}
    few = Source(Row(sweep.plan, source.row.run, alone), sweep.store)
    assert elbow.draw(few).data == elbow.draw(source).data


def test_why_a_run_has_no_elbow():
    sweep = swept(*CLUSTERED)
    (row,) = [row for row in sweep.rows if row.params["clusterer.name"] == "dbscan" and row.params["chain"] == "none"]
    assert elbow.lacks(Source(row, sweep.store)) == "dbscan finds the number of clusters itself"
    alone = swept(*GRID, "clusterer=kmeans", "k=4", "classifier=none")
    assert elbow.lacks(run(alone)) == "the sweep has 1 value of k for kmeans; a curve needs two"
    assert "no clustering" in elbow.lacks(run(swept(*CLASSIFIED)))


def test_two_points_make_a_curve_without_a_knee_and_the_picture_says_why():
    picture = elbow.draw(
        run(swept(*CLUSTERED, without=lambda stage: stage.config.get("k") in (2, 3, 4)), k=8, chain="none")
    )
    assert picture.data["k"] == [8, 10] and picture.data["knee"] == [None, None]
    assert "an elbow takes 3" in panel(picture, "pixels").get_legend().get_texts()[0].get_text()


def test_elbows_of_a_sweep():
    sweep = swept(*CLUSTERED)
    assert elbows.lacks(sweep) is None and elbows.lacks(swept(*CLASSIFIED)) == "no clustering is done"
    picture = elbows.draw(sweep)
    assert [axes.get_title() for axes in picture.figure.axes] == ["pixels", "pixels, pca50"]
    assert set(picture.data["knee"]) == {3}


# Speed


def test_the_best_classifier_is_chosen_on_validation_and_shown_on_test():
    picture = pareto.draw(swept(*CLASSIFIED))
    assert picture.data["representation"] == ["pixels", "pixels, pca50"] and picture.data["of"] == ["knn", "knn"]
    assert picture.data["accuracy"] == pytest.approx([0.5, 0.7]) and picture.data["on_front"] == [False, True]
    assert picture.data["images_per_second"] == [250.0, 250.0]
    (title,) = [text.get_text() for text in picture.figure.texts if text.get_gid() == "about"]
    assert "extracted on A CPU" in title.replace("\n", " ")


def test_without_classifiers_the_best_ami_stands_in():
    picture = pareto.draw(swept(*CLUSTERED))
    assert picture.data["ami"] == [0.5, 0.5] and picture.data["of"] == ["kmeans k=10"] * 2


def test_without_recorded_speeds_there_is_no_picture():
    assert "0 of 2 representations have a recorded extraction speed" in pareto.lacks(swept(*CLASSIFIED, speed=False))


# Heat maps


def test_the_usual_maps():
    picture = heatmap.draw(swept(*GRID, "clusterer=kmeans,dbscan", "k=2,10", "seed=0,1", "classifier=knn,mlp"))
    table = list(zip(*(picture.data[name] for name in ("row", "column", "metric", "value")), strict=True))
    assert ("pixels, pca50", "knn", "accuracy", pytest.approx(0.7)) in table
    # mlp is 0.7 and 0.71 with its two seeds
    assert ("pixels", "mlp", "accuracy", pytest.approx(0.705)) in table
    assert ("kmeans", "10", "ami", 0.5) in table and ("dbscan", "-", "ami", 0.3) in table
    assert [math.isnan(value) for row, column, _, value in table if (row, column) == ("dbscan", "10")] == [True]
    assert picture.figure.axes[0].get_xlabel() == "classifier"


def test_any_metric_over_any_two_axes():
    picture = heatmap.draw(swept(*CLUSTERED), "ami", x="space", y="k")
    assert picture.data["row"][:2] == ["2", "2"] and picture.data["column"][:2] == ["pixels", "pixels, pca50"]
    assert picture.data["value"][:4] == [0.1, 0.1, 0.15, 0.15]


def test_a_metric_without_a_direction_has_means_and_no_best_cell(monkeypatch):
    """Neither the most clusters nor the fewest are the best of a cell."""
    sweep = swept(*CLUSTERED)
    for row in sweep.rows:
        row.metrics["clusters"] = 3.0 if row.chain("clustering") == "none" else 9.0
        monkeypatch.setitem(row.heads["clustering"]["metrics"], "clusters", row.metrics["clusters"])
    picture = heatmap.draw(sweep, "clusters", x="clusterer.name", y="k")
    assert {value for value in picture.data["value"] if not math.isnan(value)} == {6.0}
    caption = picture.caption
    assert "mean of the results" in caption and "best" not in caption
    assert not [patch for patch in picture.figure.axes[0].patches if patch.get_gid() == "best"]


def test_a_metric_of_a_space_has_a_map_for_each():
    picture = heatmap.draw(swept(*CLUSTERED), "silhouette")
    assert list(dict.fromkeys(picture.data["table"])) == ["pixels", "pixels, pca50"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"metric": "amj"}, "Did you mean 'ami'"),
        ({"metric": "ami", "x": "clusterer.nam"}, "Did you mean 'clusterer.name'"),
        ({"metric": "ami", "x": "classifier.name"}, "received 'classifier.name'"),
        ({"metric": "silhouette", "y": "space"}, "are not comparable"),
        ({"x": "k"}, "without a metric"),
    ],
)
def test_what_cannot_be_drawn_is_refused(asked, words):
    with pytest.raises(ConfigError, match=words):
        heatmap.draw(swept(*CLUSTERED), **asked)


# Agreement


def test_silhouette_against_ami_with_its_rank_correlation():
    sweep = swept(*CLUSTERED)
    assert agreement.lacks(sweep) is None
    picture = agreement.draw(sweep)
    axes = picture.figure.axes[0]
    assert axes.get_title().startswith("pixels\nSpearman -0.") and "11 clusterings" in axes.get_title()
    assert "best silhouette: kmeans k=2 seed=1" in said(picture) and "best AMI: kmeans k=10 seed=0" in said(picture)
    assert len(picture.data["ami"]) == 22


def test_agreement_needs_classes():
    assert agreement.lacks(swept(*CLUSTERED, labelled=False)) == "the data set has no classes to compare with"


# Leaderboards


def estimate(mean, low=None, high=None, over=None):
    return SimpleNamespace(mean=mean, low=low, high=high, over=over, n=600)


def entry(rank, mean, **params):
    named = {"backbone.name": "pixels", "clustering.chain": "none", "clusterer.name": "agglomerative", **params}
    return SimpleNamespace(params=named, values={"ami": mean}, rank=rank, tied=1)


BOARD = SimpleNamespace(
    head="clustering", rank="ami", params=("backbone.name", "clustering.chain", "clusterer.name", "k")
)


def test_entries_of_a_board_with_the_options_that_tell_them_apart():
    ward = entry(1, estimate(0.6, 0.5, 0.7, "images"), k=10, **{"clusterer.linkage": "ward"})
    average = entry(1, estimate(0.5), k=10, **{"clusterer.linkage": "average"})
    other = entry(3, estimate(0.4), k=8, **{"clusterer.linkage": "ward", "clustering.chain": "pca50"})
    table = SimpleNamespace(spec=BOARD, title="Clusterings", entries=[ward, average, other], note="")
    listing = leaderboard_intervals.listing_of(table)
    assert [entry.name for entry in listing.entries] == [
        "pixels agglomerative k=10 linkage=ward",
        "pixels agglomerative k=10 linkage=average",
        "pixels pca50 agglomerative k=8",  # the one of its kind
    ]
    assert listing.title == "Clusterings: 3 of 3" and [entry.rank for entry in listing.entries] == [1, 1, 3]
    assert (listing.entries[0].low, listing.entries[0].over) == (0.5, "images") and math.isnan(listing.entries[1].low)


def test_the_best_twelve_of_a_board_are_listed():
    entries = [entry(at + 1, estimate(1 - at / 100), k=at) for at in range(30)]
    found = leaderboard_intervals.listing_of(SimpleNamespace(spec=BOARD, title="All", entries=entries, note=""))
    assert len(found.entries) == 12 and found.title == "All: 12 of 30"


def test_the_leaderboards_of_a_sweep():
    sweep = swept(*CLASSIFIED)
    assert leaderboard_intervals.lacks(sweep) is None
    picture = leaderboard_intervals.draw(sweep)
    assert picture.data["entry"][:2] == ["pixels pca50 knn", "pixels knn"] and len(picture.data["entry"]) == 6
    assert picture.data["mean"][:2] == pytest.approx([0.7, 0.7]) and set(picture.data["metric"]) == {"val_accuracy"}
    # There are no images to resample here, so that only what depends on a seed has an interval.
    over = dict(zip(picture.data["entry"], picture.data["over"], strict=True))
    assert (over["pixels knn"], over["pixels mlp"]) == ("", "seeds") and "arrays" in picture.caption


# Before anything is done


@pytest.mark.parametrize(
    "kind", [agreement, critical_difference, elbows, heatmap, leaderboard_intervals, metric_by_k, pareto]
)
def test_a_sweep_that_has_not_begun_lacks_everything(kind):
    reason = kind.lacks(swept(*CLUSTERED, without=lambda stage: True))
    assert reason.startswith("no ") and "done" in reason
    assert (kind.CATEGORY, bool(kind.TITLE)) == ("Sweep", True)


# Critical difference


def test_seeds_are_no_blocks_where_two_methods_do_not_depend_on_them():
    """The two k-nearest-neighbours would repeat their comparison for each seed."""
    axes = ("classifier=knn,random_forest", "classifier.n_neighbors=5,7", "seed=0,1")
    table = blocks.classifiers(swept(*GRID, "clusterer=none", *axes).rows)
    assert set(table.methods) == {"knn n_neighbors=5", "knn n_neighbors=7", "random_forest"}
    assert len(table.blocks) == 2 and "knn do not depend on them" in table.note
    row = dict(zip(table.methods, table.values[table.blocks.index("fashion_mnist, pixels")], strict=True))
    assert row == pytest.approx({"knn n_neighbors=5": 0.5, "knn n_neighbors=7": 0.5, "random_forest": 0.605})


def test_a_block_with_a_hole_is_left_out_and_it_is_said():
    def hole(stage):
        return stage.config.get("classifier", {}).get("name") == "mlp" and stage.config["seed"] == 2

    table = blocks.classifiers(swept(*CLASSIFIED, without=hole).rows)
    assert len(table.methods) == 3 and len(table.blocks) == 4
    assert table.note == "left out for missing results: 0 methods, 2 blocks"


def test_a_method_that_is_mostly_missing_is_left_out():
    def hole(stage):
        return stage.config.get("classifier", {}).get("name") == "mlp" and stage.config["seed"] > 0

    table = blocks.classifiers(swept(*CLASSIFIED, without=hole).rows)
    assert set(table.methods) == {"knn", "random_forest"} and len(table.blocks) == 6
    assert table.note == "left out for missing results: 1 methods, 0 blocks"


def test_of_a_method_and_a_block_with_equal_holes_the_block_is_left_out():
    """Three classifiers over three seeds with one hole: a third of a row and of a column."""

    def hole(stage):
        return stage.config.get("classifier", {}).get("name") == "mlp" and stage.config["seed"] == 1

    table = blocks.classifiers(swept(*CLASSIFIED, "chain=none", without=hole).rows)
    assert table.methods == ("knn", "random_forest", "mlp")
    assert [block[-6:] for block in table.blocks] == ["seed 0", "seed 2"]
    assert table.note == "left out for missing results: 0 methods, 1 blocks"


def test_of_blocks_with_equal_holes_the_first_is_left_out():
    """Without the first seed, the second hole weighs more in its method than in its block."""
    holes = {("mlp", 0), ("random_forest", 2)}

    def hole(stage):
        return (stage.config.get("classifier", {}).get("name"), stage.config.get("seed")) in holes

    table = blocks.classifiers(swept(*CLASSIFIED, "chain=none", without=hole).rows)
    assert table.methods == ("knn", "mlp") and [block[-6:] for block in table.blocks] == ["seed 1", "seed 2"]
    assert table.note == "left out for missing results: 1 methods, 1 blocks"


def test_no_more_methods_than_can_be_read():
    axes = ("classifier=knn", f"classifier.n_neighbors={','.join(map(str, range(1, 25)))}")
    table = blocks.classifiers(swept(*GRID, "clusterer=none", *axes).rows)
    assert len(table.methods) == blocks.MOST_METHODS and table.note == "20 of 24 methods, the best on average"


def test_blocks_are_feature_spaces_and_seeds():
    table = blocks.classifiers(swept(*CLASSIFIED).rows)
    assert sorted(table.methods) == ["knn", "mlp", "random_forest"] and len(table.blocks) == 6
    assert table.lacks is None and table.metric == "accuracy"
    row = dict(zip(table.methods, table.values[table.blocks.index("fashion_mnist, pixels pca50, seed 2")], strict=True))
    assert row == pytest.approx({"knn": 0.7, "mlp": 0.92, "random_forest": 0.82})


def test_clusterers_are_compared_at_the_k_nearest_to_the_number_of_classes():
    found = blocks.clusterers(swept(*CLUSTERED).rows)
    assert set(found.methods) == {"kmeans", "dbscan"} and found.note.startswith("k=10")
    assert {value for row in found.values for value in row} == {0.5, 0.3}
    assert found.lacks.startswith("2 clusterers over 4 blocks; a test takes 3 over 5")


def test_too_few_blocks_are_no_test():
    lacking = critical_difference.lacks(swept(*GRID, "clusterer=none", "classifier=knn,random_forest,mlp"))
    assert lacking == "3 classifiers over 2 blocks; a test takes 3 over 5"


def test_the_diagram_of_a_sweep():
    sweep = swept(*CLASSIFIED)
    assert critical_difference.lacks(sweep) is None
    picture = critical_difference.draw(sweep)
    assert picture.data["method"] == ["mlp", "random_forest", "knn"] and picture.data["mean_rank"] == [1.0, 2.0, 3.0]
    assert "6 blocks; Friedman (F) p < 0.0001" in said(picture)
    (scale,) = [line for line in picture.figure.axes[0].lines if line.get_gid() == "critical"]
    assert scale.get_xdata()[1] / ranks.SCALE * 2 == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 6)), rel=1e-3)
