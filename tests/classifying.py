"""What the tests of classifiers share: their options, digits to tell apart, and one call for a whole shard."""

from pathlib import Path

import numpy as np
import yaml
from sklearn.datasets import load_digits

from backbench import classifiers, paths, plugins, threads
from backbench.metrics.near import Near

# Those that learn from rows; the others need words for the classes (tests/test_zero_shot.py).
NAMES = tuple(
    name
    for name in plugins.names("classifier")
    if not plugins.offers(plugins.load("classifier", name), classifiers.Worded)
)
SMALL = {
    "random_forest": {"n_estimators": 20},
    "gradient_boosting": {"max_iter": 8, "max_leaf_nodes": 8, "min_samples_leaf": 5, "learning_rate": 0.3},
    "mlp": {"hidden": 24, "batch_size": 50, "epochs": 15, "learning_rate_init": 0.01},
    "logistic_sweep": {"lowest": 1e-3, "highest": 1e3, "values": 7},
    "linear_probe": {"epochs": 30, "batch_size": 50, "learning_rates": [0.01, 0.1, 1.0]},
}
VARIANTS = {
    "knn": [
        {"n_neighbors": k, "metric": metric, "weights": weights}
        for k in (1, 2, 9)
        for metric in ("euclidean", "cosine")
        for weights in ("uniform", "distance")
    ]
    + [{"metric": "cosine", "weights": "exponential", "n_neighbors": k} for k in (3, 20)],
    "svm": [{"C": c, "kernel": kernel} for c in (0.1, 1.0, 10.0) for kernel in ("rbf", "linear")]
    + [{"gamma": 0.01}, {"gamma": "auto"}],
    "random_forest": [{"n_estimators": n} for n in (5, 20, 12)] + [{"max_features": 0.5, "bootstrap": False}],
    "logistic_regression": [{"C": c} for c in (0.01, 1.0)],
    "logistic_sweep": [{}, {"values": 3, "refit": False}],
    "linear_probe": [{}, {"first_columns": [30], "refit": True}],
    "nearest_centroid": [
        {"metric": metric, "shrink_threshold": threshold}
        for metric in ("euclidean", "manhattan")
        for threshold in (None, 0.2, 1.5)
    ],
    "lda": [{"solver": "lsqr", "shrinkage": shrinkage} for shrinkage in (0.01, None, "auto", 0.5)]
    + [{}, {"solver": "eigen", "shrinkage": 0.01}],
    "gradient_boosting": [{"max_iter": n} for n in (2, 4, 3)] + [{"max_iter": 2, "max_features": 0.3}],
    "mlp": [{"epochs": n} for n in (2, 6, 3)] + [{"epochs": 2, "activation": "tanh"}],
}


def conf(name: str) -> dict:
    return yaml.safe_load((Path(paths.conf()) / "classifier" / f"{name}.yaml").read_text())


def options(name: str, **changed):
    return plugins.params("classifier", conf(name) | SMALL.get(name, {}) | changed)


def digits(seed=0, n_train=400, n_query=300):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))[: n_train + n_query]
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    return x[:n_train], y[:n_train], x[n_train:], y[n_train:]


def predict(module, data, tasks) -> list[tuple[np.ndarray, dict]]:
    """Classes and information of each task."""
    return [(prediction.classes, dict(prediction.info)) for prediction in predictions(module, data, tasks)]


def predictions(module, data, tasks) -> list[classifiers.Prediction]:
    with threads.one_core_each(1):
        shared = module.prepare(*data, tasks, Near(data[0], data[2]))
        return [module.predict(shared, *data, task) for task in tasks]


def answers(name: str, data, tasks):
    return zip(tasks, predict(plugins.load("classifier", name), data, tasks), strict=True)


def shard(name: str) -> list[classifiers.Task]:
    seeds = (0, 1) if plugins.load("classifier", name).AXES else (None,)
    return [classifiers.Task(options(name, **each), seed) for each in VARIANTS.get(name, [{}]) for seed in seeds]
