"""Tables of sweeps that were really computed, against the labels that these stored."""

import numpy as np
import pytest
from sweeping import collection, computed, rows_of

from backbench import compose, papers, paths
from backbench.datasets import PARTS
from backbench.papers import published
from backbench.papers.table import make
from backbench.store import Store

CLASSES = ("cat", "cow", "dog")
ANIMALS = (
    *("experiment=none", "backbone=pixels", "retrieval=none", "clusterer=agglomerative", "k=3"),
    *("clustering.scope=per_split", "classifier=knn"),
)
PAPER = {
    "title": "T",
    "system": "S",
    "measures": "M",
    "images": {"words": "five animals", "digest": "0" * 64},
    "figures": [
        *({"name": part, "metric": "purity", "part": part, "published": 1.0} for part in PARTS),
        {"name": "shares", "metric": "majority_shares", "part": "train", "published": [0.9, 0.8, 0.7]},
        {"name": "dogs", "metric": "recall", "class": "dog", "published": 0.5},
        {"name": "cats at 20", "metric": "purity", "where": {"k": 20}, "published": 0.5},
    ],
}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def cells(*overrides):
    return [cell.config for cell in compose.expand(overrides).cells]


def labels(row, store):
    found = store.array("clustering", row.run.stages["clustering"], "labels")
    return found, *(store.array("dataset", row.stages["dataset"], name) for name in ("labels", "split"))


def counts(found, truth):
    return np.array([np.bincount(truth[found == cluster], minlength=10) for cluster in range(found.max() + 1)])


def test_parts_of_other_photographs(tmp_path):
    plan = computed(*ANIMALS, *collection(tmp_path / "secret", CLASSES, 20))
    rows, store = rows_of(plan), Store(paths.store())
    preset = cells(*ANIMALS, "dataset=folder")
    made = make(published.parse("trial", PAPER), plan, rows, store, preset)
    found, truth, split = labels(rows[0], store)
    tables = [counts(found[split == part], truth[split == part]) for part in range(3)]
    assert [line.ours for line in made.lines[:3]] == pytest.approx([t.max(axis=1).sum() / t.sum() for t in tables])
    shares = np.sort(tables[0].max(axis=1) / tables[0].sum(axis=1))[::-1]
    assert made.lines[3].ours == pytest.approx(tuple(shares))
    assert made.images == "other photographs: 60 images in 3 classes"
    assert [one.words for one in made.stand_ins] == ["other photographs: 60 images in 3 classes"]
    assert made.lines[0].why[-1] == "Other photographs: 60 images in 3 classes."
    assert made.lines[4].images == 12 // 3
    assert made.lines[5].why == ("Not in this sweep: no run has k=20.",)
    assert "secret" not in str(made.record())
    assert "dataset.root=PATH" in made.command and "plots" not in made.command


@pytest.mark.slow
def test_fashion_mnist_with_a_small_autoencoder():
    name = "fashion_mnist_autoencoder"
    small = ("dataset.sample=300", "backbone.widths=[16,4]", "backbone.epochs=2", "clusterer.covariance_type=diag")
    plan = computed(f"experiment={name}", *small, "seed=0,1,2")
    rows, store = rows_of(plan), Store(paths.store())
    made = make(papers.load(name), plan, rows, store, cells(f"experiment={name}"))
    first = made.lines[0]
    expected = []
    for row in rows:
        if row.config_hash in first.runs:
            found, truth, split = labels(row, store)
            table = counts(found[split == 0], truth[split == 0])
            expected.append(table.max(axis=1).sum() / table.sum())
    assert len(expected) == 3 and first.ours == pytest.approx(np.mean(expected))
    assert first.difference == pytest.approx(np.mean(expected) - 0.5534)
    assert made.images == "a sample: 300 of 70,000 images in 10 classes"
    assert {one.key for one in made.stand_ins} == {
        *("dataset.sample", "backbone.widths", "backbone.epochs", "clusterer.covariance_type", "seed")
    }
    by_name = {line.name: line for line in made.lines}
    assert not any("widths" in text for text in first.why)
    codes = by_name["k-means on codes"]
    assert "Stand-in: backbone.widths [16, 4] in place of [2000, 1000, 500, 10]." in codes.why
    assert any("on a single training of the autoencoder" in text for text in codes.why)
    assert by_name["k-means on codes, NMI"].published_text == "not published"
    assert made.answers[0].startswith("Which Gaussian mixture gives the published 60.8 %? ")
