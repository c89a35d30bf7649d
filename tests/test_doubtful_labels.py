"""Labels that are wrong on purpose are ranked first, by fits that have not seen them."""

import argparse
import csv
import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sweeping import collection, computed, rows_of

from backbench import paths
from backbench.cli import _doubtful_labels
from backbench.datasets import TEST, Split, _split
from backbench.engine.results import ledger
from backbench.inference import out_of_fold
from backbench.metrics import confident
from backbench.pictures.source import Source
from backbench.reports import labels
from backbench.schema import ConfigError
from backbench.stage import Context
from backbench.store import Store

CLASSES, EACH, PLANTED = ("red", "green", "blue"), 40, 6
GRID = ("experiment=none", "backbone=pixels", "clusterer=none", "retrieval=none", "chain=pca50")
GRID = (
    *GRID,
    "classifier=knn,svm",
    "classifier.n_neighbors=15",
    "chain.steps.s1.n_components=2",
    "backbone.image.mode=RGB",
)


def quiet(done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A finished sweep on pictures of three shades, a twentieth of which have the label of another shade: its results
    folder, its rows and the names of these pictures."""
    folder = tmp_path_factory.mktemp("planted")
    overrides = collection(folder / "photos", CLASSES, EACH)
    table = folder / "photos" / "table.csv"
    lines = list(csv.reader(table.open()))
    chosen = np.random.default_rng(0).choice(np.arange(1, len(lines)), PLANTED, replace=False)
    for at in chosen:
        lines[at][1] = CLASSES[(CLASSES.index(lines[at][1]) + 1) % len(CLASSES)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*GRID, *overrides)
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
        yield (
            folder / "results",
            {row.params["classifier.name"]: row for row in rows_of(plan)},
            {lines[at][0] for at in chosen},
        )


def arguments(**given) -> argparse.Namespace:
    return argparse.Namespace(
        **{"overrides": [], "labels": "best", "strict": False, "json": False, "cores": "1"} | given
    )


def test_what_is_counted_is_that_of_the_paper():
    """Class 0 asks for a mean of 0.6, class 1 for 0.5: the third image counts for class 1, the last for none."""
    given = np.array([0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.7, 0.3]])
    doubt = confident.doubt(given, probabilities)
    assert doubt.doubtful.tolist() == [False, False, True, False, True]
    assert doubt.suggested.tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_allclose(doubt.confidence, [0.9, 0.8, 0.1, 0.7, 0.3])
    assert doubt.order.tolist() == [2, 4, 3, 1, 0]
    np.testing.assert_allclose(doubt.best, [0.9, 0.8, 0.9, 0.7, 0.7])


def test_a_class_without_labels_is_never_suggested():
    doubt = confident.doubt(np.array([0, 0, 1]), np.array([[0.1, 0.0, 0.9], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]]))
    assert not doubt.doubtful.any()


def test_probabilities_are_those_of_fits_that_have_not_seen_the_image(planted):
    """Chain and classifier are fitted on the other folds alone, as scikit-learn fits them."""
    _, rows, _ = planted
    source = Source(rows["knn"], Store(paths.store()))
    probabilities, folds = out_of_fold.probabilities(source, Context(), quiet)
    features = source.stored("features", "features").astype(np.float64)
    for number in range(folds):
        split = _split.fold(source.truth, None, 0, Split("random", 0.0, 1 / folds), number, folds)
        train, test = split != TEST, split == TEST
        chain = PCA(2, svd_solver="full").fit(features[train])
        model = KNeighborsClassifier(15, algorithm="brute")
        model.fit(chain.transform(features[train]), source.truth[train])
        expected = model.predict_proba(chain.transform(features[test]))
        np.testing.assert_allclose(probabilities[test], expected, atol=1e-6)


def test_planted_labels_are_found(planted, capsys):
    """An SVM has no probabilities: where it is the best, the next best classifier judges."""
    results, _, names = planted
    assert _doubtful_labels.run(arguments()) == 0
    assert "are doubtful" in capsys.readouterr().out
    (folder,) = (results / "audits").glob("labels-*")
    records = list(csv.DictReader((folder / labels.TABLE).open()))
    assert len(records) == len(CLASSES) * EACH
    first = {record["image"] for record in records[:PLANTED]}
    assert len(first & names) >= PLANTED - 1
    doubtful = [record["image"] for record in records if record["doubtful"] == "True"]
    page = (folder / labels.PAGE).read_text()
    assert all(f'alt="{name}"' in page for name in doubtful) and page.count("data:image") == len(doubtful)
    summary = json.loads((folder / labels.DATA).read_text())
    assert len(names & set(doubtful)) >= PLANTED - 2 and summary["doubtful"] == len(doubtful)


def test_it_is_a_gate(planted, capsys):
    assert _doubtful_labels.run(arguments(strict=True, json=True)) == 1
    assert json.loads(capsys.readouterr().out)["doubtful"] > 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labels": "svm"}, "has no probabilities"),
        ({"overrides": ["dataset=mnist"]}, "leave that out"),
        ({"labels": "ffffff"}, "ffffff"),
    ],
)
def test_what_cannot_be_judged_is_refused(planted, given, words):
    rows = planted[1]
    if given.get("labels") in rows:
        given = {"labels": rows[given["labels"]].config_hash[:12]}
    with pytest.raises(ConfigError, match=words):
        _doubtful_labels.run(arguments(**given))
