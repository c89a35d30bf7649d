"""What holds for every kind of picture, however many there are: its words, and why a run has none."""

import functools
import inspect
import typing
from pathlib import Path

import numpy as np
import pytest

from backbench import paths, planning
from backbench.engine.results import ledger
from backbench.pictures import catalogue
from backbench.pictures.contract import RunPicture, SweepPicture
from backbench.pictures.source import Source, Sweep
from backbench.plots import Picture
from backbench.schema import ConfigError
from backbench.stage import KINDS
from backbench.store import Store

CATEGORIES = {"Classification", "Clustering", "Maps", "Retrieval", "Training"}
GRID = ("experiment=none", "dataset.sample=60", "backbone=pixels", "clusterer=kmeans,dbscan,agglomerative", "k=2,3")
OF_RUNS, OF_SWEEPS = catalogue.kinds(catalogue.RUN), catalogue.kinds(catalogue.SWEEP)
EVERY = (*OF_RUNS, *OF_SWEEPS)
LABELLED = {"n": 60, "classes": ["cat", "dog"], "counts": {"train": 36, "validation": 12, "test": 12}}
SHAPES = {
    "labelled": (),
    "unlabelled": (),
    "embeddings": ("dataset=embeddings", "backbone=precomputed"),
    "trained": ("backbone=autoencoder",),
    "no_clustering": ("clusterer=none",),
    "no_classifier": ("classifier=none",),
    "features_alone": ("clusterer=none", "classifier=none", "retrieval=none"),
    "failed": (),
    "pending": (),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Embeddings in a file."""
    path = tmp_path_factory.mktemp("table") / "embeddings.npz"
    np.savez(path, features=np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), labels=np.arange(60) % 2)
    return path


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


@pytest.fixture(params=SHAPES)
def sweep(request, own_results, monkeypatch, table) -> Sweep:
    """A sweep of some shape, with a record of each of its stages and no array."""
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    shape, store = request.param, Store(paths.store())
    own = (f"dataset.path={table}",) if shape == "embeddings" else ()
    given = [word for word in GRID if not (own and word.startswith("dataset."))]
    more = {word.split("=")[0] for word in SHAPES[shape]}
    plan = planned(*(word for word in given if word.split("=")[0] not in more), *SHAPES[shape], *own)
    for key, stage in plan.stages.items():
        if not (shape == "pending" and stage.kind in ledger.HEADS):
            store.write(stage.kind, key, recorded(shape, stage), {})
    return Sweep(plan, ledger.rows(plan, ledger.read_records(plan, store)), store)


def recorded(shape, stage):
    failed = shape == "failed" and stage.kind in ledger.HEADS
    info = {} if stage.kind != "dataset" else LABELLED | ({"classes": None} if shape == "unlabelled" else {})
    provenance = {"seconds": 0.5, "finished": 1e9, "versions": {}}
    body = {"status": "failed" if failed else "done", "reason": "it did not converge" if failed else None}
    return {**body, "config": dict(stage.config), "code": stage.code, "metrics": {}, "notes": {}, "info": info} | {
        "provenance": provenance
    }


def test_every_run_and_every_sweep_is_told_what_it_lacks(sweep):
    """In words or not at all, and never by an error: a report says them."""
    told = [kind.lacks(Source(row, sweep.store)) for row in sweep.rows for kind in OF_RUNS]
    told += [kind.lacks(sweep) for kind in OF_SWEEPS]
    assert all(text is None or (isinstance(text, str) and " " in text) for text in told)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_kind_says_what_it_is(kind):
    assert kind.title and kind.title == kind.title.strip()
    assert kind.category in (CATEGORIES if kind.group == catalogue.RUN else {"Sweep"})
    assert isinstance(kind.order, int) and len(kind.code) == 64
    if kind.group == catalogue.RUN:
        assert kind.subjects and set(kind.subjects) <= {"features", *ledger.HEADS} <= set(KINDS)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_kind_keeps_its_contract(kind):
    """The type checker takes it for granted, since kinds are found by their files."""
    contract, source = (RunPicture, Source) if kind.group == catalogue.RUN else (SweepPicture, Sweep)
    assert {name for name in dir(contract) if not name.startswith("_")} <= set(dir(kind.definition))
    for name, returned in (("lacks", str | None), ("draw", Picture)):
        function = getattr(kind.definition, name)
        first, *options = inspect.signature(function).parameters.values()
        hints = typing.get_type_hints(function)
        assert hints[first.name] is source and hints["return"] == returned
        assert not options or (contract is SweepPicture and name == "draw")
        assert all(option.default is not option.empty for option in options)


def test_the_maps_are_known_by_name():
    maps = [kind.name for kind in OF_RUNS if kind.category == "Maps"]
    points, images = ([f"map_{method}{more}" for method in ("pca", "tsne", "umap")] for more in ("", "_images"))
    assert maps == points + images


def test_what_is_known_by_name():
    assert {"confusion", "silhouette", "map_tsne", "retrieval"} <= {kind.name for kind in OF_RUNS}
    assert {"heatmap", "pareto"} <= {kind.name for kind in OF_SWEEPS}
    assert len({kind.name for kind in EVERY}) == len(EVERY), "a name is asked for alone"


def test_kinds_are_asked_for_by_name():
    assert [kind.name for kind in catalogue.asked(["retrieval", "confusion", "retrieval"], catalogue.RUN)] == [
        "retrieval",
        "confusion",
    ]
    assert tuple(catalogue.asked([], catalogue.SWEEP)) == OF_SWEEPS


@pytest.mark.parametrize(
    ("name", "group", "words"),
    [
        ("confuson", catalogue.RUN, "Did you mean 'confusion'"),
        ("heatmap", catalogue.RUN, "a picture of a sweep"),
        ("confusion", catalogue.SWEEP, "a picture of one run"),
    ],
)
def test_another_name_is_refused(name, group, words):
    with pytest.raises(ConfigError, match=words):
        catalogue.asked([name], group)


def test_options_go_to_the_kinds_that_take_them():
    both = catalogue.asked(["heatmap", "pareto"], catalogue.SWEEP)
    assert catalogue.options(both, {"metric": "nmi"}) == {"heatmap": {"metric": "nmi"}, "pareto": {}}
    with pytest.raises(ConfigError, match="Did you mean 'metric'"):
        catalogue.options(both, {"metrik": "nmi"})
    with pytest.raises(ConfigError, match="no options of pareto"):
        catalogue.options(both[1:], {"metric": "nmi"})
