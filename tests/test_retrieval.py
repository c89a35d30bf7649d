"""Metrics of ranked neighbours: by hand, against a loop and scikit-learn, and as the stage reports them."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scoring import computed
from sklearn.metrics import average_precision_score

from backbench import hashing
from backbench.metrics import near, neighbours, retrieval
from backbench.stage import Context, Inputs, Member
from backbench.stages import retrieval as stage
from backbench.store import Store


def by_hand(hits, totals, k):
    """The definitions, one query and one rank at a time."""
    shares, recalls, any_, averages = [], [], [], []
    for row, total in zip(hits, totals, strict=True):
        row = row[:k]
        shares.append(sum(row) / len(row))
        any_.append(float(any(row)))
        if total:
            recalls.append(sum(row) / total)
            gains = [sum(row[: i + 1]) / (i + 1) for i in range(len(row)) if row[i]]
            averages.append(sum(gains) / min(k, total))
    return {
        f"{name}_at_{k}": np.mean(values) if values else math.nan
        for name, values in (("precision", shares), ("recall", recalls), ("hit_rate", any_), ("map", averages))
    }


class TestCurves:
    def test_known_answers(self):
        hits = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
        found = retrieval.curves(hits, np.array([3, 1, 0]), [1, 2, 4])
        assert found == pytest.approx(
            {
                "precision_at_1": 1 / 3,
                "recall_at_1": (1 / 3 + 0) / 2,
                "hit_rate_at_1": 1 / 3,
                "map_at_1": (1 + 0) / 2,
                "precision_at_2": (1 / 2) / 3,
                "recall_at_2": (1 / 3 + 0) / 2,
                "hit_rate_at_2": 1 / 3,
                "map_at_2": (1 / 2 + 0) / 2,
                "precision_at_4": (2 / 4 + 1 / 4) / 3,
                "recall_at_4": (2 / 3 + 1) / 2,
                "hit_rate_at_4": 2 / 3,
                "map_at_4": ((1 + 2 / 3) / 3 + 1 / 4) / 2,
            }
        )
        assert list(found) == retrieval.names([1, 2, 4])

    @pytest.mark.parametrize("seed", range(5))
    def test_equals_a_loop(self, seed):
        rng = np.random.default_rng(seed)
        hits = rng.random((40, 23)) < rng.random((40, 1)) ** 2
        totals = hits.sum(axis=1) + rng.integers(0, 9, 40) * (rng.random(40) < 0.5)
        depths = retrieval.depths(30)
        expected = {}
        for k in depths:
            expected |= by_hand(hits, totals, k)
        assert retrieval.curves(hits, totals, depths) == pytest.approx(expected, abs=1e-12)

    def test_a_whole_ranking_has_scikit_learns_average_precision(self):
        rng = np.random.default_rng(0)
        hits = rng.random((20, 50)) < 0.3
        expected = np.mean([average_precision_score(row, -np.arange(50)) for row in hits])
        assert retrieval.curves(hits, hits.sum(axis=1), [50])["map_at_50"] == pytest.approx(expected)
        assert retrieval.curves(hits, hits.sum(axis=1), [50])["recall_at_50"] == 1.0

    def test_a_perfect_order(self):
        hits = np.arange(10)[None, :] < np.array([[3], [10]])
        found = retrieval.curves(hits, np.array([3, 12]), [5, 10])
        assert found["map_at_5"] == found["map_at_10"] == 1.0
        assert found["recall_at_10"] == pytest.approx((1 + 10 / 12) / 2)

    def test_precision_and_hit_rate_have_the_bits_of_the_definition(self):
        rng = np.random.default_rng(1)
        asked, found = rng.integers(0, 4, 77), rng.integers(0, 4, (77, 20))
        values = retrieval.curves(retrieval.relevant(asked, found), np.full(77, 30), [10])
        hits = found[:, :10] == asked[:, None]
        assert values["precision_at_10"] == float(hits.mean(axis=1).mean())
        assert values["hit_rate_at_10"] == float(hits.any(axis=1).mean())

    def test_depths(self):
        assert retrieval.depths(10) == [1, 5, 10]
        assert retrieval.depths(1) == [1]
        assert retrieval.depths(30) == [1, 5, 10, 20, 30]
        assert retrieval.depths(1000) == [1, 5, 10, 20, 50, 100, 1000]


def rows(n=150, d=6, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = (rng.normal(size=(n, d)) + 2 * rng.normal(size=(3, d))[truth]).astype(np.float32)
    return x, truth, rng.choice([0, 1, 2], n, p=[0.6, 0.2, 0.2]).astype(np.uint8)


WITHOUT_SCIKIT_LEARN = """
import sys
import numpy as np
from threadpoolctl import threadpool_info
from backbench.metrics import neighbours
from backbench.stage import Context, Inputs, Member
from backbench.stages import retrieval
from backbench.store import Store

nearest = neighbours.nearest
threads = []
def seen(*args):
    threads.extend(library["num_threads"] for library in threadpool_info())
    return nearest(*args)
neighbours.nearest = seen
store, x = Store(sys.argv[1]), np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
store.write("dataset", "d" * 64, {"info": {"classes": None}}, {"split": np.zeros(60, np.uint8)})
store.write("features", "f" * 64, {"info": {}}, {"features": x})
inputs = Inputs(store, {"dataset": ("dataset", "d" * 64), "matrix": ("features", "f" * 64)})
member = Member("a" * 64, {"metric": "euclidean", "protocol": "leave_one_out", "at": 10})
(outcome,) = retrieval.compute([member], inputs, Context(threads=2))
assert outcome.failure is None and outcome.arrays["neighbours"].shape == (60, 10)
assert threads and set(threads) == {1}, threads
assert "sklearn" not in sys.modules
"""


def test_an_exact_search_holds_one_core_and_does_not_wait_for_scikit_learn(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCIKIT_LEARN, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def compute(tmp_path):
    """A function that computes members on rows, labels and a split, with stored graphs where they are given."""

    def run(configs, x, truth=None, split=None, graphs=None, threads=1):
        store = Store(tmp_path)
        arrays = {"split": np.zeros(len(x), np.uint8) if split is None else split}
        if truth is not None:
            arrays["labels"] = truth.astype(np.int64)
        store.write("dataset", "d" * 64, {"info": {"classes": None if truth is None else ["a", "b", "c"]}}, arrays)
        store.write("features", "f" * 64, {"info": {}}, {"features": x})
        refs = {"dataset": ("dataset", "d" * 64), "matrix": ("features", "f" * 64)}
        for metric, (indices, distances) in (graphs or {}).items():
            refs[f"neighbours.{metric}"] = ("neighbours", metric[0] * 64)
            found = {"indices": indices.astype(np.int32), "distances": distances}
            store.write("neighbours", metric[0] * 64, {"info": {}}, found)
        members = [Member(hashing.digest(config), config) for config in configs]
        found = computed(stage, members, Inputs(store, refs), Context(threads=threads))
        return [found[member.hash] for member in members]

    return run


def retrieved(at=10, metric="euclidean", protocol="leave_one_out", **more):
    return {"metric": metric, "protocol": protocol, "at": at, **more}


class TestStage:
    def test_known_answers(self, compute):
        x = np.array([[0.0], [0.1], [0.3], [9.0], [9.1]], dtype=np.float32)
        two, one = compute([retrieved(at=2), retrieved(at=1)], x, np.array([0, 0, 1, 1, 1]))
        assert two.arrays["neighbours"].tolist() == [[1, 2], [0, 2], [1, 0], [4, 2], [3, 2]]
        assert two.metrics == pytest.approx(
            {
                **one.metrics,
                "precision_at_2": 0.6,
                "hit_rate_at_2": 0.8,
                "recall_at_2": (1 + 1 + 0 + 1 + 1) / 5,
                "map_at_2": (1 + 1 + 0 + 1 + 1) / 5,
            }
        )
        assert one.metrics == pytest.approx(
            {"precision_at_1": 0.8, "hit_rate_at_1": 0.8, "recall_at_1": (1 + 1 + 0.5 + 0.5) / 5, "map_at_1": 0.8}
        )
        assert one.notes == two.notes == {}

    @pytest.mark.parametrize("protocol", ["leave_one_out", "test_against_train"])
    def test_equals_a_loop(self, compute, protocol):
        x, truth, split = rows()
        (outcome,) = compute([retrieved(25, protocol=protocol)], x, truth, split)
        allowed = np.ones(len(x), bool) if protocol == "leave_one_out" else split == 0
        queries = np.arange(len(x)) if protocol == "leave_one_out" else np.flatnonzero(split == 2)
        hits, totals = [], []
        for query in queries:
            far = np.sqrt(((x.astype(float) - x[query]) ** 2).sum(axis=1))
            order = [row for row in np.argsort(far, kind="stable") if allowed[row] and row != query]
            hits.append([truth[row] == truth[query] for row in order[:25]])
            totals.append(sum(truth[row] == truth[query] for row in order))
        expected = {}
        for k in (1, 5, 10, 20, 25):
            expected |= by_hand(hits, totals, k)
        assert outcome.metrics == pytest.approx(expected)

    def test_queries_without_a_relevant_image_are_noted(self, compute):
        x, truth, _ = rows(40)
        truth = np.where(np.arange(40) == 7, 2, truth % 2)
        (outcome,) = compute([retrieved(5)], x, truth)
        assert outcome.notes == dict.fromkeys(
            [f"{name}_at_{k}" for k in (1, 5) for name in ("recall", "map")],
            "1 of 40 queries have no image of their class to find and are left out",
        )
        lonely = compute([retrieved(5)], x, np.arange(40))[0]
        assert math.isnan(lonely.metrics["map_at_5"]) and lonely.notes["map_at_5"].startswith("40 of 40")
        assert lonely.metrics["precision_at_5"] == 0.0

    def test_fewer_rows_than_neighbours_are_noted(self, compute):
        x, truth, _ = rows(7)
        (outcome,) = compute([retrieved(10)], x, truth * 0)
        assert outcome.notes == dict.fromkeys(retrieval.names([10]), "over 6 neighbours: there are no more rows")
        assert outcome.metrics["recall_at_10"] == outcome.metrics["map_at_10"] == 1.0

    @pytest.mark.parametrize("depth", [4, 30, 149])
    def test_a_stored_graph_changes_no_bit(self, compute, depth, monkeypatch):
        x, truth, split = rows()
        graphs = {metric: near.Near(x).nearest(metric, depth) for metric in ("euclidean", "cosine")}
        configs = [
            retrieved(at, metric, protocol)
            for at in (3, 12)
            for metric in graphs
            for protocol in ("leave_one_out", "test_against_train")
        ]
        direct = compute(configs, x, truth, split)
        if depth == 149:
            monkeypatch.setattr(neighbours, "nearest", None)
        for one, other in zip(direct, compute(configs, x, truth, split, graphs), strict=True):
            assert one.failure is other.failure is None
            assert np.array_equal(one.arrays["neighbours"], other.arrays["neighbours"])
            assert (one.metrics, one.info) == (other.metrics, other.info)

    @pytest.mark.parametrize("protocol", ["leave_one_out", "test_against_train"])
    def test_approximate_says_its_recall(self, compute, protocol):
        x, truth, split = rows(1500)
        configs = [retrieved(10, protocol=protocol, search="approximate"), retrieved(10, protocol=protocol)]
        rough, exact = compute(configs, x, truth, split)
        again = compute([retrieved(3, protocol=protocol, search="approximate"), configs[0]], x, truth, split, threads=3)
        assert set(rough.info["search"]) == {"recall", "recall_se", "nlist", "nprobe"}
        assert rough.metrics["search_recall"] == rough.info["search"]["recall"] > 0.9
        assert rough.metrics["precision_at_10"] == pytest.approx(exact.metrics["precision_at_10"], abs=0.02)
        assert "search" not in exact.info and "search_recall" not in exact.metrics
        assert np.array_equal(again[1].arrays["neighbours"], rough.arrays["neighbours"])
        assert again[1].metrics == rough.metrics

    def test_approximate_without_labels(self, compute):
        (outcome,) = compute([retrieved(10, search="approximate")], rows(300)[0])
        assert set(outcome.metrics) == {"search_recall"}

    def test_unlabelled_rows_have_neighbours_alone(self, compute):
        (outcome,) = compute([retrieved()], rows()[0])
        assert outcome.metrics == {} and outcome.arrays["neighbours"].shape == (150, 10)
