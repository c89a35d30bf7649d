"""Pools of clusterings of a labelled collection, and all that is known of each: made once, kept in a file.

Representations and chains are those of the default grid, fitted by the clusterers of the project with their options.
"""

import itertools
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _features
import _labelled
import numpy as np

from backbench import clusterers, plugins
from backbench.engine.plan import counts
from backbench.evaluate import eligibility
from backbench.judging import embedding
from backbench.judging.judge import Judge
from backbench.metrics import external, internal
from backbench.metrics.near import Near

CANDIDATES = ("pixels", "lite0", "lite0_96")
JUDGES = ("lite0", "lite2", "lite0_96", "lite2_96")
CHAINS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "none": (),
    "pca50": (("pca", {}),),
    "l2": (("l2", {}),),
    "l2_umap10": (("l2", {}), ("umap", {"n_components": 10})),
}
# Options that differ from the default, seeds, and the chains that each clusterer works on, as in the default grid.
FAMILIES: tuple[tuple[str, tuple[int | None, ...], frozenset[str]], ...] = (
    ("kmeans", (0,), frozenset(CHAINS)),
    ("agglomerative", (None,), frozenset(CHAINS)),
    ("gaussian_mixture", (0,), frozenset({"pca50", "l2_umap10"})),
    ("dbscan", (None,), frozenset({"l2_umap10"})),
)


@dataclass(frozen=True)
class Pool:
    """Clusterings of one collection that are clusterings, and what is known of them.

    `labels` (candidates, rows); `spaces` (candidates,) number the matrices they were made on, whose representation is
    `representation` (candidates,), and `dbscan` (candidates,) says which are DBSCAN's; `inner` (candidates, 3) are
    silhouette, Davies-Bouldin and Calinski-Harabasz in their own space; `values` (judges, candidates, 3); `ami`
    (candidates,) that with the truth, whose classes `true` counts.
    """

    name: str
    group: str
    true: int
    labels: np.ndarray
    spaces: np.ndarray
    representation: np.ndarray
    dbscan: np.ndarray
    inner: np.ndarray
    values: np.ndarray
    ami: np.ndarray

    @property
    def clusters(self) -> np.ndarray:
        """Number of clusters (candidates,), noise not counted."""
        return np.array([len(np.unique(part[part >= 0])) for part in self.labels])

    def of(self, representations: tuple[str, ...]) -> "Pool":
        """The candidates that were made on these alone."""
        kept = np.isin(self.representation, representations)
        arrays = {name: getattr(self, name)[kept] for name in ("labels", "spaces", "representation", "dbscan", "inner")}
        return Pool(self.name, self.group, self.true, values=self.values[:, kept], ami=self.ami[kept], **arrays)


def pool(collection: _labelled.Collection, work: Path) -> Pool:
    """The pool of a collection, made at the first call."""
    path = work / "choosing" / "pools" / f"{collection.name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **_made(collection))
    try:
        with np.load(path) as stored:
            return Pool(collection.name, collection.group, collection.classes, **stored)
    except zipfile.BadZipFile:
        raise SystemExit(f"{path} is not whole: delete it and start again") from None


def _made(collection: _labelled.Collection) -> dict[str, np.ndarray]:
    """The arrays of a pool."""
    labels, spaces, representation, dbscan, inner = [], [], [], [], []
    for number, (name, chain) in enumerate(itertools.product(CANDIDATES, CHAINS)):
        x = _matrix(collection.features[name], chain)
        fitted = [(family, part) for family, part in _fitted(x, chain) if _is_clustering(part)]
        scores = internal.scores(x, [part for _, part in fitted])
        labels += [part for _, part in fitted]
        dbscan += [family == "dbscan" for family, _ in fitted]
        spaces += [number] * len(fitted)
        representation += [name] * len(fitted)
        inner += [[score.values[metric] for metric in internal.NAMES] for score in scores]
    table = np.array(labels)
    judges = [collection.features[name] for name in JUDGES]
    return {
        "labels": table.astype(np.int16),
        "spaces": np.array(spaces),
        "representation": np.array(representation),
        "dbscan": np.array(dbscan),
        "inner": np.array(inner),
        "values": np.stack([Judge.of(x, embedding.embed(x)).table(table) for x in judges]),
        "ami": np.array([external.ami(collection.truth, part) for part in labels]),
    }


def _matrix(x: np.ndarray, chain: str) -> np.ndarray:
    """Features (rows, columns) after a chain of transforms."""
    for name, changed in CHAINS[chain]:
        values = {**_features.conf("transform", name), **changed}
        if name == "pca":
            values["n_components"] = min(values["n_components"], len(x) - 1, x.shape[1])
        x = plugins.load("transform", name).fit_transform(plugins.params("transform", values), x, x)
    return np.ascontiguousarray(x, np.float32)


def _fitted(x: np.ndarray, chain: str) -> Iterator[tuple[str, np.ndarray]]:
    """All clusterings (rows,) of a matrix (rows, columns), with their clusterers."""
    for family, seeds, chains in FAMILIES:
        if chain not in chains:
            continue
        module = clusterers.load(family)
        params = plugins.params("clusterer", _features.conf("clusterer", family))
        ks = counts.spread(len(x)) if "k" in module.AXES else [None]
        tasks = [clusterers.Task(params, k, seed) for k in ks for seed in seeds]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shared = module.prepare(x, tasks, Near(x))
            for task in tasks:
                yield family, module.fit(shared, x, task)[0]


def _is_clustering(part: np.ndarray) -> bool:
    """Whether labels (rows,) are within the limits of the default policy."""
    sizes = np.bincount(part[part >= 0], minlength=1)
    metrics = {
        "noise_fraction": float((part < 0).mean()),
        "clusters": float((sizes > 0).sum()),
        "largest_share": float(sizes.max() / len(part)),
    }
    return eligibility.fault(metrics) is None
