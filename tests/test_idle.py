"""An option that counts only beside another one is refused where it counts in no combination."""

import typing

import pytest
from sweeping import collection

from backbench import planning, plugins
from backbench.engine.plan import idle
from backbench.engine.plan import options as heads
from backbench.schema import ConfigError

NONE = ("experiment=none", "backbone=pixels", "clusterer=none", "classifier=none", "retrieval=none")
NETWORK = ("backbone=efficientnet_lite0", "backbone.weights=random", "backbone.engine=torch")
GROUPS = {"classification": heads.Classification, "clustering": heads.Clustering}


@pytest.fixture
def plan(tmp_path, own_results):
    photos = collection(tmp_path / "photos", classes=("a", "b"), each=10)
    return lambda *words: planning.make([*NONE, *photos, *words]).plan


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ((*NETWORK, "backbone.precision=float32", "backbone.calibration=50"), "backbone.precision=int8"),
        ((*NETWORK, "backbone.precision=bfloat16", "backbone.calibration=20,50"), "backbone.precision=int8"),
        (("backbone=[pixels,efficientnet_lite0]", *NETWORK[1:], "backbone.calibration=50"), "backbone.precision=int8"),
        (("classifier=knn", "classifier.temperature=0.1"), "classifier.weights=exponential"),
        (("classifier=svm", "classifier.kernel=linear", "classifier.gamma=1"), "classifier.kernel=rbf"),
        (("classifier=lda", "classifier.solver=lsqr", "classifier.tol=0.1"), "classifier.solver=svd"),
        (("classifier=knn", "classification.draw=0,1"), "classification.shots=N"),
        (
            ("clusterer=optics", "clusterer.cluster_method=dbscan", "clusterer.eps=1", "clusterer.xi=0.1"),
            "clusterer.cluster_method=xi",
        ),
        (("clusterer=spectral", "clusterer.assign_labels=cluster_qr", "clusterer.n_init=3"), "assign_labels=kmeans"),
        (
            ("clusterer=kmeans", "clustering.silhouette=exact", "clustering.silhouette_rows=9"),
            "clustering.silhouette=sampled",
        ),
    ],
)
def test_it_is_refused_with_the_way_out(plan, words, way_out):
    with pytest.raises(ConfigError, match=rf"which counts with .* alone, .* out, or give .*{way_out}\.$"):
        plan(*words)


@pytest.mark.parametrize(
    "words",
    [
        (
            "classifier=knn",
            "classifier.metric=cosine",
            "classifier.weights=uniform,exponential",
            "classifier.temperature=0.1",
        ),
        ("classifier=svm", "classifier.kernel=rbf,linear", "classifier.gamma=1"),
        # Of another classifier it is another option.
        ("classifier=svm,lda", "classifier.kernel=linear", "classifier.tol=0.1"),
        ("classifier=nearest_centroid", "classification.shots=null,2", "classification.draw=0,1"),
        ("clusterer=kmeans", "clustering.silhouette_rows=9"),
    ],
)
def test_it_may_count_in_some_combinations(plan, words):
    assert plan(*words).runs


def test_what_the_experiment_names_is_no_mistake(plan):
    assert plan("experiment=probes", "classifier=knn", "classifier.n_neighbors=3", "classifier.weights=uniform").runs


def test_a_share_of_test_images_beside_given_ones(plan, tmp_path):
    rows = [f"{number}.png,{number % 2},{'test' if number < 6 else 'train'}" for number in range(20)]
    table = tmp_path / "photos" / "splits.csv"
    table.write_text("\n".join(["path,label,split", *rows]))
    given = f"dataset.csv={table}"
    with pytest.raises(ConfigError, match="bring test images of their own"):
        plan(given, "dataset.split.test=0.5")
    assert plan(given, "dataset.split.test=0.5", "dataset.split.source=random").runs


@pytest.mark.parametrize("group", [group for group, _ in idle.BESIDE])
def test_the_options_are_there(group):
    """Of each plugin that an entry is for; those of all backbones, where a backbone has them."""
    for (kind, name), options in idle.BESIDE.items():
        if kind == group:
            names = [name] if name else plugins.names(kind) if kind in plugins.PACKAGES else []
            classes = [plugins.load(kind, each).Params for each in names] or [GROUPS[kind]]
            hints = [typing.get_type_hints(params) for params in classes]
            for option, beside in options.items():
                having = [each for each in hints if option in each]
                assert having and all(beside.option in each for each in having)
                assert all(
                    value in (idle.ANY, *typing.get_args(each[beside.option]))
                    for each in having
                    for value in beside.values
                )
