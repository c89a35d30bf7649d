"""A finished sweep that is to end with pictures, of few kinds, so that drawing them is quick."""

import shutil

import pytest
from sweeping import collection, computed

from backbench import paths
from backbench.engine.results import ledger
from backbench.pictures import catalogue
from backbench.store import Store

GRID = ("experiment=none", "backbone=pixels", "clusterer=kmeans,agglomerative", "k=2,3", "classifier=knn,svm")
KINDS = ("confusion", "silhouette", "predictions", "dendrogram")
OVERVIEWS = ("heatmap", "metric_by_k")


def finished(folder):
    """A results folder with a finished sweep that is to end with pictures."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*GRID, *collection(folder / "photos", ("cat", "dog", "cow")), "plots=best")
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
    return str(folder / "results")


def copied(source, folder, monkeypatch):
    shutil.copytree(source, folder / "results")
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    few(monkeypatch, *KINDS, *OVERVIEWS)
    (found,) = ledger.saved_plans()
    return found


def few(monkeypatch, *names, more=()):
    """Leave these kinds alone, in the order in which they are shown, and `more` behind them."""
    every = {group: catalogue.kinds(group) for group in catalogue.GROUPS}
    kept = {group: tuple(kind for kind in own if kind.name in names) for group, own in every.items()}
    kept[catalogue.RUN] += tuple(more)
    monkeypatch.setattr(catalogue, "kinds", lambda group: kept[group])
