"""Draws from one distribution again and again: numpy's, and with them the labels of scikit-learn's mini-batches."""

import numpy as np
import pytest
import yaml
from sklearn.cluster import MiniBatchKMeans

from backbench import clusterers, paths, plugins
from backbench.clusterers._draws import Draws


def test_draws_are_those_of_numpy_whatever_is_drawn_in_between():
    shares = [np.random.default_rng(i).random(3000).astype(kind) for i, kind in enumerate((np.float32, np.float64))]
    first, second = ((share / share.sum()).astype(share.dtype) for share in shares)
    plain, draws = np.random.RandomState(7), Draws(7)
    for p in (first, first, second, first, first, second, second):
        assert np.array_equal(draws.choice(3000, 50, p=p), plain.choice(3000, 50, p=p))
        assert np.array_equal(draws.choice(3000, size=9, replace=False), plain.choice(3000, size=9, replace=False))
        assert draws.choice(3000, p=p) == plain.choice(3000, p=p)
        assert draws.randint(0, 99) == plain.randint(0, 99)
    assert np.array_equal(draws.choice(3000, (3, 4), replace=True, p=second), plain.choice(3000, (3, 4), p=second))


def test_no_distribution_is_refused_as_numpy_refuses_it():
    with pytest.raises(ValueError, match="sum to 1"):
        Draws(0).choice(4, 2, replace=True, p=np.ones(4))


@pytest.mark.parametrize("name", ["minibatch_kmeans", "micro_ward"])
def test_labels_are_those_of_scikit_learn(name):
    """With hundreds of batches: rows that are no clusters, and no end before the last batch."""
    x = np.random.default_rng(0).normal(size=(5000, 6)).astype(np.float32)
    options = yaml.safe_load((paths.conf() / "clusterer" / f"{name}.yaml").read_text())
    options |= {"batch_size": 64, "max_iter": 4, "max_no_improvement": None}
    options |= {"micro_clusters": 20} if name == "micro_ward" else {}
    plugin, task = plugins.load("clusterer", name), clusterers.Task(plugins.params("clusterer", options), 7, 3)
    labels, _ = plugin.fit(plugin.prepare(x, [task], None), x, task)
    kept = {key: options[key] for key in ("init", "n_init", "init_size", "batch_size", "max_iter", "tol")}
    kept |= {key: options[key] for key in ("max_no_improvement", "reassignment_ratio")}
    count = 20 if name == "micro_ward" else 7
    expected = MiniBatchKMeans(n_clusters=count, random_state=3, **kept).fit(x).labels_
    if name == "minibatch_kmeans":
        assert np.array_equal(labels, expected)
    else:
        pairs = np.unique(np.stack([expected, labels]), axis=1)
        assert len(np.unique(labels)) == 7
        assert pairs.shape[1] == len(np.unique(expected))
