"""What runs are called in MLflow: what differs comes first, and the name depends on the run alone."""

import pytest

from backbench.tracking.titles import run_name

LITE = {"backbone.name": "efficientnet_lite0", "backbone.weights_seed": 0, "backbone.engine": "openvino"}
KMEANS = {"clusterer.name": "kmeans", "clusterer.n_init": 4, "clusterer.tol": 1e-4, "k": 10, "seed": 0}
DBSCAN = {"clusterer.name": "dbscan", "clusterer.eps": "null", "clusterer.eps_quantile": 0.3}
RADIUS = {"clusterer.name": "dbscan", "clusterer.eps": 2.5, "clusterer.eps_quantile": "null"}
SVM = {"classifier.name": "svm", "classifier.C": 1.0, "classifier.shrinking": True}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({**LITE, **KMEANS, **SVM, "chain": "none"}, "kmeans k=10 · svm · efficientnet_lite0"),
        ({**LITE, **DBSCAN, "chain": "l2"}, "dbscan eps_quantile=0.3 · l2 · efficientnet_lite0"),
        ({**LITE, **RADIUS}, "dbscan eps=2.5 · efficientnet_lite0"),
        ({**LITE, **KMEANS, "clusterer.n_init": 20, "seed": 3}, "kmeans k=10 n_init=20 · seed=3 · efficientnet_lite0"),
        ({**LITE, **SVM, "classifier.C": 10.0, "backbone.image.size": 33}, "svm C=10.0 · efficientnet_lite0 size=33"),
        ({**LITE, **KMEANS, **SVM, "clustering.chain": "l2", "classification.chain": "none"},
         "kmeans k=10 on l2 · svm · efficientnet_lite0"),
        ({**LITE, "clusterer.name": "none", "classifier.name": "none", "retrieval.metric": "cosine", "chain": "pca50"},
         "retrieval cosine · pca50 · efficientnet_lite0"),
        ({"backbone.name": "no_such_plugin", "backbone.image.size": 7}, "no_such_plugin"),
    ],
)  # fmt: skip
def test_names_begin_with_what_differs_and_leave_out_defaults(params, name):
    assert run_name(params) == name


def test_a_number_that_yaml_reads_as_a_word_is_still_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_CONF", str(tmp_path))
    (tmp_path / "clusterer").mkdir()
    options = "name: mine\ntol: 1e-4\nrounds: 3\nmode: auto\ninner:\n  size: 5\n"
    (tmp_path / "clusterer" / "mine.yaml").write_text(options)
    params = {"clusterer.name": "mine", "clusterer.tol": 1e-4, "clusterer.rounds": 3, "clusterer.mode": "fast"}
    pixels = {"backbone.name": "pixels"}
    assert run_name({**pixels, **params, "clusterer.inner.size": 5}) == "mine · pixels"
    assert run_name({**pixels, **params, "clusterer.inner.size": 6}) == "mine inner.size=6 · pixels"
