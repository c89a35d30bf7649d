"""Checks of what is computed on rows: neighbours, scores, components, clusterings, linear heads."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from _device_agreement import Agreement, both, different, each, relative, unlike

from backbench import clusterers, threads


def blobs(seed: int = 0, n: int = 600, d: int = 12, k: int = 6, spread: float = 4.0) -> np.ndarray:
    """Rows (n, d) float32 around k centres."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(0, k, n)]).astype(np.float32)


# ------------------------------------------------------------------------------------------------ rows


def neighbours(on: str) -> list[Agreement]:
    """Nearest rows, where distances in float64 decide: copies, far from the origin, and nearly equal ones."""
    from backbench.metrics import neighbours as search

    cases = {
        "plain": (blobs(5, 900, 17), 10),
        "copies": (np.repeat(blobs(5, 60), 5, axis=0), 30),
        "far from the origin": (blobs(6, 120) + np.float32(1e6), 100),
    }
    agreements = []
    for name, (x, count) in cases.items():
        for metric in ("euclidean", "cosine"):
            itself = np.arange(len(x))
            expected, found = both(on, lambda x=x, c=count, m=metric, e=itself: search.nearest(x, x, c, m, e))
            what = f"nearest rows, {metric}, {name}"
            agreements.append(Agreement(what, "numbers and distances that differ", different(found, expected), 0))
    return agreements


def scores(on: str) -> list[Agreement]:
    """Silhouette and the other internal metrics, many clusters, noise and copies among the rows."""
    from backbench.metrics import internal

    rng, x = np.random.default_rng(0), blobs(n=700, d=40)
    x[500:] = x[:200]
    noisy = np.where(rng.random(700) < 0.3, -1, rng.integers(0, 4, 700))
    parts = [np.arange(700) * 12 // 700, rng.integers(0, 5, 700), noisy, rng.integers(0, 350, 700)]
    expected, found = both(on, lambda: internal.scores(x, parts))
    _, again = both(on, lambda: internal.scores(x, parts[::-1])[::-1])
    values = [[list(each.values.values()) for each in side] for side in (found, expected)]
    widths = [[each.widths for each in side] for side in (found, expected, again)]
    return [
        Agreement("internal metrics", "share of the value", max(map(each, *values)), 1e-12),
        Agreement("silhouette widths", "difference", max(map(relative, widths[0], widths[1])), 1e-6),
        Agreement("silhouette widths in another order", "widths that differ", different(widths[2], widths[0]), 0),
    ]


def components(on: str) -> list[Agreement]:
    """Principal components of tall and of wide rows."""
    from backbench.transforms import _components

    agreements = []
    for shape in ((400, 30), (40, 90)):
        x = blobs(1, *shape)
        expected, found = both(on, lambda x=x: _components.project(x, x, 8, "covariance_eigh", True))
        agreements.append(
            Agreement(f"principal components of {shape}", "of the largest", relative(found, expected), 1e-4)
        )
    return agreements


# ------------------------------------------------------------------------------------------------ clusterings


def k_means(on: str) -> list[Agreement]:
    """The draws of k-means++, Lloyd's iterations with a cluster that is empty at first, and the whole fit."""
    from backbench.clusterers import _lloyd, _rows, kmeans
    from backbench.metrics.near import Near

    x = blobs(1, 900, 9)
    x -= x.mean(axis=0)
    centres = np.vstack([x[:7], np.full((1, 9), 1e3)]).astype(float)

    def climb() -> Any:
        rows = _rows.Rows(x)
        return _lloyd.climb(rows, centres, 300, _lloyd.tolerance(rows, 1e-4))

    starts = both(on, lambda: _lloyd.starts(_rows.Rows(x), 9, np.random.RandomState(0), 3, np.float32))
    ends = both(on, climb)
    agreements = [
        Agreement("starts of k-means++", "draws that differ", different(starts[1:], starts[:1]), 0),
        Agreement("Lloyd's iterations", "labels that differ", different([ends[1].labels], [ends[0].labels]), 0),
        Agreement("Lloyd's inertia", "share of the value", relative(ends[1].inertia, ends[0].inertia), 1e-9),
    ]
    for init, k in (("k-means++", 1), ("k-means++", 6), ("random", 11)):
        task = clusterers.Task(kmeans.Params(init, 4, 300, 1e-4, "lloyd"), k=k, seed=0)
        far = blobs(2) + np.float32(30)
        fits = both(on, lambda t=task, far=far: kmeans.fit(kmeans.prepare(far, [t], Near(far)), far, t))
        inertia = [info["inertia"] for _, info in fits]
        agreements += [
            Agreement(f"k-means, {init}, k = {k}", "1 - adjusted Rand index", unlike(fits[1][0], fits[0][0]), 0.01),
            Agreement(f"its inertia, {init}, k = {k}", "share of the value", relative(inertia[1], inertia[0]), 1e-4),
        ]
    return agreements


def mixtures(on: str) -> list[Agreement]:
    """Gaussian mixtures with each kind of covariance."""
    from backbench.clusterers import gaussian_mixture

    x, agreements = blobs(1, 600, 6, 4) + np.float32(10), []
    for kind in ("full", "tied", "diag", "spherical"):
        task = clusterers.Task(gaussian_mixture.Params(kind, 1e-6, 2, 300, 1e-3, "kmeans"), k=4, seed=0)
        fits = both(on, lambda t=task: gaussian_mixture.fit(gaussian_mixture.Shared(threads.Once(), {}), x, t))
        bic = [info["bic"] for _, info in fits]
        agreements += [
            Agreement(f"mixture, {kind}", "1 - adjusted Rand index", unlike(fits[1][0], fits[0][0]), 0.01),
            Agreement(f"BIC of the mixture, {kind}", "share of the value", relative(bic[1], bic[0]), 1e-6),
        ]
    return agreements


TURTLE = {"gamma": 10.0, "iterations": 6, "inner_steps": 10, "outer_rate": 0.02, "inner_rate": 0.02, "n_init": 1}
TEMI = {
    **{"heads": 3, "hidden": 32, "bottleneck": 16, "iterations": 20, "batch_size": 100, "learning_rate": 3e-3},
    **{"warmup": 10, "weight_decay": 1e-4, "beta": 0.6, "temperature": 0.1, "teacher_momentum": 0.996},
}


def learnt_labels(on: str) -> list[Agreement]:
    """TURTLE and TEMI for a few steps, from the same draws."""
    from backbench.clusterers import _temi, _turtle

    truth = np.arange(240) % 4
    rows = (8 * np.eye(4)[truth] + np.random.default_rng(0).normal(size=(240, 4))).astype(np.float32)
    agreements = []
    for changed in ({"batch_size": None, "warm_start": True}, {"batch_size": 64, "warm_start": False}):
        options = SimpleNamespace(**TURTLE, **changed)
        ends = both(on, lambda o=options: _turtle.search([rows, 2 * rows[:, ::-1]], 4, 3, o))
        agreements += [
            Agreement("TURTLE", "1 - adjusted Rand index", unlike(ends[1].labels, ends[0].labels), 0.02),
            Agreement("objective of TURTLE", "share", relative(ends[1].objective, ends[0].objective), 1e-3),
        ]
    near = np.argsort(((rows[:, None] - rows[None]) ** 2).sum(axis=2), axis=1)[:, 1:21]
    fits = both(on, lambda: _temi.train(rows, near, 4, 0, SimpleNamespace(**TEMI)))
    losses = [info["loss"] for _, info in fits]
    return [*agreements, Agreement("loss of TEMI", "share of the value", relative(losses[1], losses[0]), 1e-3)]


def linear_heads(on: str) -> list[Agreement]:
    """Linear probes, several learning rates beside each other, one of them on some of the columns."""
    from backbench.classifiers import _heads

    x, classes = blobs(3, 400, 20), np.arange(400) % 7
    x[np.arange(400), classes] += 3
    heads = ((0.05, 20), (0.5, 20), (0.5, 8))
    expected, found = both(on, lambda: _heads.train(x, classes, heads, _heads.Schedule(3, 32, 0.9, 1e-3), 7))
    off = max(relative(a, b) for (a, _), (b, _) in zip(found, expected, strict=True))
    return [Agreement("coefficients of linear probes", "of the largest", off, 1e-3)]
