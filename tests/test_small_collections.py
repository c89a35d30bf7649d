"""Small collections: what cannot be is left out where it stands by default, and refused where it was asked for.

A sentence on what a small collection cannot show comes before everything else.
"""

import pytest
from grids import cell
from pictures import paint
from sweeping import computed, rows_of

from backbench import planning, plugins
from backbench.datasets import Description
from backbench.engine.grid import HEADS
from backbench.engine.plan import shortage, smallness
from backbench.schema import ConfigError

PIXELS = ("backbone=pixels", "backbone.image.size=16")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def photos(tmp_path):
    """A function that paints n pictures in so many classes and gives the overrides of their folder."""

    def make(n, classes=2):
        root = tmp_path / f"photos-{n}-{classes}"
        for number in range(n):
            paint(root / f"class{number % classes}" / f"{number:02}.png", number)
        return ("dataset=folder", f"dataset.root={root}", *PIXELS)

    return make


def made(*overrides):
    return planning.make(overrides, fingerprint=False)


def refusal(*overrides) -> str:
    with pytest.raises(ConfigError) as caught:
        made(*overrides)
    return str(caught.value)


def ks(planned) -> set:
    return {stage.config["k"] for stage in planned.plan.stages.values() if "k" in stage.config}


# Left out by default


def test_thirty_photographs_leave_out_fifty_components(photos):
    """k from 2 to 10, three seeds: k-means and Ward on three matrices, mixtures on UMAP alone, and one DBSCAN."""
    planned = made(*photos(30))
    runs, stages = planned.plan.runs.values(), planned.plan.stages.values()
    clusterings = 3 * (27 + 9) + 27 + 1
    assert len([stage for stage in stages if stage.kind == "clustering"]) == clusterings
    assert len(runs) == clusterings and all(set(HEADS) < set(run.stages) for run in runs)
    assert len([stage for stage in stages if stage.kind == "matrix"]) == 2
    assert planned.notices == [
        "left out: pca with n_components = 50 (clustering and retrieval); at most 30 with 30 rows of 256 columns",
        "left out: pca with n_components = 50 (classification); at most 18 with 18 rows of 256 columns",
    ]


def test_sixty_photographs_keep_what_fits(photos):
    """Fifty components fit 60 rows, and not the 36 for training: those clusterings stand beside no classifier."""
    planned = made(*photos(60), "combinations=all")
    heads = {tuple(kind for kind in HEADS if kind in run.stages) for run in planned.plan.runs.values()}
    assert heads == {HEADS, ("clustering", "retrieval")}
    assert planned.notices == [
        "left out: pca with n_components = 50 (classification); at most 36 with 36 rows of 256 columns"
    ]


def test_five_photographs_keep_the_ks_that_there_are_rows_for(photos):
    planned = made(*photos(5), "experiment=quickstart")
    assert ks(planned) == {2, 5}
    assert "retrieval looks at 4 neighbours, not 10: those are all the other images" in planned.notices
    assert any("knn with n_neighbors = 5 (classification); at most 3 with 3 rows" in text for text in planned.notices)
    assert any("k = 8, 10, 12, 20 (clustering); at most 5 with 5 rows" in text for text in planned.notices)


@pytest.mark.parametrize(("n", "expected"), [(2, {2}), (5, {2}), (6, {2}), (9, {2, 3}), (30, set(range(2, 11)))])
def test_ks_of_a_small_collection_are_those_that_suit_it(photos, n, expected):
    planned = made(*photos(n), "clusterer=agglomerative", "chain=none")
    assert ks(planned) == expected and not [text for text in planned.notices if "k = " in text]


def test_fewer_neighbours_by_default_are_those_that_one_would_ask_for(photos):
    by_default = made(*photos(5), "experiment=none", "k=2", "classifier=none")
    asked = made(*photos(5), "experiment=none", "k=2", "classifier=none", "retrieval.at=4")
    assert set(by_default.plan.runs) == set(asked.plan.runs) and asked.notices == []


def test_a_run_that_lost_its_clustering_is_not_one_more_run(photos):
    """k = 2 and k = 5 of 5 rows; the other ks would leave the same classifier and retrieval alone."""
    asked = ("experiment=quickstart", "combinations=all", "chain=none", "clusterer=kmeans", "classifier=svm", "seed=0")
    planned = made(*photos(5), *asked)
    assert len(planned.plan.runs) == 2 and ks(planned) == {2, 5}


def test_images_for_training_alone_leave_nothing_to_judge_a_classifier_by(photos):
    planned = made(*photos(3, classes=3))
    assert "classifier left out: the dataset has training images only, and none to judge a classifier by" in (
        planned.notices
    )
    assert not [stage for stage in planned.plan.stages.values() if stage.kind == "classification"]
    assert "none to judge a classifier by" in refusal(*photos(3, classes=3), "classifier=svm")


@pytest.mark.parametrize(("n", "classes"), [(3, 2), (5, 1)])
def test_every_fit_that_is_left_can_be(photos, n, classes):
    """The whole grid of the largest experiment on few rows: no stage has a problem, and nothing is refused."""
    plan = made(*photos(n, classes), "experiment=full").plan
    assert plan.runs
    for stage in plan.stages.values():
        if stage.kind == "clustering":
            module, params = (
                plugins.load("clusterer", stage.family),
                plugins.params("clusterer", stage.config["clusterer"]),
            )
            assert module.problems(params, stage.about["n"], stage.about["d"], stage.config.get("k")) == []
        if stage.kind == "classification":
            module = plugins.load("classifier", stage.family)
            params = plugins.params("classifier", stage.config["classifier"])
            assert module.problems(params, stage.about["n"], stage.about["d"], classes) == []
        if stage.kind == "retrieval":
            assert stage.config["at"] < n


# Refused where asked for


@pytest.mark.parametrize(
    ("n", "overrides", "words"),
    [
        (30, ["chain=pca50"], ["n_components = 50 of 30", "n_components = 50 of 18", "chain.steps.s1.n_components=18"]),
        (30, ["chain=pca50", "classifier=none"], ["What works: chain.steps.s1.n_components=30"]),
        (
            30,
            ["chain@clustering.chain=pca50"],
            ["n_components = 50 of 30", "What works: clustering.chain.steps.s1.n_components=30"],
        ),
        (30, ["chain=none,pca50"], ["n_components = 50"]),
        (5, ["k=2,9"], ["k = 9 clusters of 5 rows", "What works: k=5"]),
        (5, ["classifier=knn"], ["n_neighbors = 5 of 3 training rows", "What works: classifier.n_neighbors=3"]),
        (5, ["classifier.n_neighbors=4"], ["n_neighbors = 4 of 3", "What works: classifier.n_neighbors=3"]),
        (5, ["retrieval.at=9"], ["retrieval.at: received 9; allowed: 1 to 4, the other images"]),
        (4, ["clusterer=dbscan", "chain=none"], ["min_samples = 10 of 4 rows", "What works: clusterer.min_samples=4"]),
        (30, ["chain=umap10", "dataset.sample=10"], ["n_neighbors = 15 of 10", "chain.steps.s1.n_neighbors"]),
        (1, [], ["nothing is left of the grid", "k = 2 clusters of 1 rows"]),
        (1, ["k=auto"], ["nothing is left of the grid"]),
        (9, ["k=automatic"], ["axis.k", "'automatic'", "a whole number, or auto"]),
    ],
)
def test_what_was_asked_for_is_refused_with_what_works(photos, n, overrides, words):
    message = refusal(*photos(n), *overrides)
    for word in words:
        assert word in message


def test_what_is_said_to_work_works(photos):
    for n, overrides in [(30, ["chain=pca50", "chain.steps.s1.n_components=18"]), (5, ["classifier.n_neighbors=3"])]:
        assert made(*photos(n), *overrides).plan.runs


def test_a_named_clusterer_loses_ks_of_the_experiment(photos):
    """What was named is there; the values of k are the experiment's, and are left out where they are too large."""
    planned = made(*photos(10), "experiment=quickstart", "clusterer=agglomerative")
    assert ks(planned) == {2, 5, 8, 10}


def test_options_that_no_collection_suits_are_refused_as_ever(photos):
    assert "euclidean" in refusal(*photos(5), "clusterer=agglomerative", "clusterer.metric=cosine")


@pytest.mark.parametrize(
    ("kind", "name", "rows", "columns", "last", "expected"),
    [
        ("clusterer", "kmeans", 9, 4, (12,), {"k": (12, 9)}),
        ("clusterer", "spectral", 7, 4, (8,), {"clusterer.n_neighbors": (10, 7), "k": (8, 7)}),
        ("clusterer", "gaussian_mixture", 30, 50, (2,), {}),
        ("classifier", "knn", 3, 4, (2,), {"classifier.n_neighbors": (5, 3)}),
        ("classifier", "lda", 3, 4, (3,), {}),
    ],
)
def test_the_nearest_that_works(kind, name, rows, columns, last, expected):
    covariance = {"clusterer.covariance_type": "full"} if name == "gaussian_mixture" else {}
    options = cell(f"{kind}={name}", *(f"{key}={value}" for key, value in covariance.items()))[kind]
    fit = shortage.Fit(kind, name, plugins.params(kind, options), rows, columns, kind, last)
    with pytest.raises(shortage.TooSmall) as caught:
        fit.check()
    assert caught.value.nearest == expected


# Said first


def about(n, classes, counts):
    return Description(n, classes, None, counts, understood=("two classes from folder names",))


def test_five_images_are_said_to_be_anecdote_first():
    first, *rest = smallness.understood(about(5, 2, (3, 1, 1)))
    assert first == "5 images: too few to tell anything apart; no figure below means much"
    assert rest == ["two classes from folder names"]


def test_one_class_is_said_first():
    (first, _) = smallness.understood(about(30, 1, (18, 6, 6)))
    assert first.startswith("only one class (30 images): there is nothing to classify")


def test_few_test_images_of_a_class_are_said_with_their_worth():
    first = smallness.understood(about(30, 3, (18, 6, 6)))[0]
    assert first.startswith("6 test images for 3 classes: each is worth 16.7 points of accuracy")
    assert smallness.understood(about(75, 3, (45, 15, 15))) == ("two classes from folder names",)


def test_the_warning_comes_before_all_else(photos):
    said = []
    planning.make([*photos(5), "experiment=none", "k=2"], tell=said.append)
    assert said[0].startswith("5 images: too few")


# Computed


def test_one_class_is_compared_with_nothing(photos):
    """Purity, accuracy and precision of one class are 1 whatever was done: no such score is computed or ranked."""
    rows = rows_of(computed(*photos(6, classes=1), "experiment=none", "k=2"))
    (row,) = rows
    assert row.status == "finished" and "silhouette" in row.metrics
    assert not {"purity", "nmi", "ari", "cluster_accuracy", "precision_at_5"} & set(row.metrics)


def test_three_images_are_computed_whole(photos):
    rows = rows_of(
        computed(*photos(3), "experiment=none", "clusterer=kmeans,agglomerative,gaussian_mixture", "k=1,2,3")
    )
    assert len(rows) == 9 and {row.status for row in rows} == {"finished"}


@pytest.mark.parametrize(
    ("columns", "kind", "why"),
    [([300], shortage.TooNarrow, "too few columns"), ([8], None, "")],
)
def test_rows_that_are_too_narrow_are_no_small_collection(columns, kind, why):
    options = {"name": "linear_probe", "learning_rates": [0.1], "first_columns": columns, "epochs": 1}
    options |= {"batch_size": 8, "momentum": 0.9, "weight_decay": 0.0, "refit": False}
    params = plugins.params("classifier", options)
    fit = shortage.Fit("classifier", "linear_probe", params, 90, 64, "classifier", (3,))
    if kind is None:
        fit.check()
    else:
        with pytest.raises(kind, match=r"first_columns = 300 of rows of 64 columns") as caught:
            fit.check()
        assert why in caught.value.why
