"""Nearest neighbours: against plain scikit-learn, at their edges, however they are come by, and approximate ones."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from backbench import device, hashing, threads
from backbench.metrics import _mirror, _rough, approximate, near, neighbours
from backbench.stage import Context, Inputs, Member
from backbench.stages import neighbours as stage
from backbench.store import Store

METRICS = ("euclidean", "cosine")


def cloud(seed=0, n=400, d=12, groups=4):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + 4 * rng.normal(size=(groups, d))[rng.integers(0, groups, n)]).astype(np.float32)


def plain(queries, rows, count, metric, own=None):
    """The contract, written down: every distance in float64, sorted by distance and row."""
    queries, rows = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        one, other = (np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, rows))
        both = one * other.T
        lengths = 1 - np.divide(queries @ rows.T, both, out=np.zeros_like(both), where=both > 0)
    else:
        lengths = np.sqrt(((queries[:, None] - rows[None]) ** 2).sum(axis=2))
    if own is not None:
        lengths[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
    return np.sort(lengths, axis=1)[:, :count], lengths


def check(found, queries, rows, count, metric, own=None):
    """Equal distances at every rank, and rows that have them; ties in rising order of the row."""
    indices, lengths = found
    expected, every = plain(queries, rows, count, metric, own)
    scale = max(1.0, np.abs(every[np.isfinite(every)]).max())
    assert indices.dtype == np.int64 and lengths.dtype == np.float64
    assert np.abs(lengths - expected).max(initial=0) <= 1e-7 * scale
    assert np.abs(np.take_along_axis(every, indices, axis=1) - expected).max(initial=0) <= 1e-7 * scale
    assert all(len(set(row)) == count for row in indices)
    assert np.all((np.diff(lengths) > 0) | ((np.diff(lengths) == 0) & (np.diff(indices) > 0)))
    if own is not None:
        assert not np.any(indices == own[:, None])


def same(one, other):
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


@pytest.mark.parametrize("metric", METRICS)
class TestNearest:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(("n", "d", "count"), [(700, 3, 7), (600, 40, 50), (300, 900, 10), (64, 5, 63)])
    def test_equals_scikit_learn(self, metric, seed, n, d, count):
        x = cloud(seed, n, d)
        rows, lengths = neighbours.nearest(x, x, count, metric, np.arange(n))
        model = NearestNeighbors(n_neighbors=count, metric=metric, algorithm="brute").fit(x.astype(np.float64))
        expected = model.kneighbors()
        assert np.array_equal(rows, expected[1])
        assert lengths == pytest.approx(expected[0], abs=1e-7)

    @pytest.mark.parametrize(
        "name",
        ["duplicates", "all equal", "constant columns", "far away", "two scales", "zeros", "huge", "tiny", "collinear"],
    )
    def test_edges(self, metric, name):
        x = cloud(1, 150, 6)
        x = {
            "duplicates": lambda: np.tile(x[:30], (5, 1))[np.random.default_rng(0).permutation(150)],
            "all equal": lambda: np.full((150, 6), 3.25, np.float32),
            "constant columns": lambda: np.concatenate([x[:, :1], np.full((150, 5), 7, np.float32)], axis=1),
            "far away": lambda: x + np.float32(1e6),
            "two scales": lambda: np.where(np.arange(150)[:, None] < 100, 1 + x * 1e-5, x * 1e4).astype(np.float32),
            "zeros": lambda: np.where(np.arange(150)[:, None] < 20, 0, x).astype(np.float32),
            "huge": lambda: x * np.float32(1e30),
            "tiny": lambda: x * np.float32(1e-30),
            "collinear": lambda: (np.arange(1, 151)[:, None] * x[:1]).astype(np.float32),
        }[name]()
        for count in (1, 11, 149):
            own = np.arange(150)
            check(neighbours.nearest(x, x, count, metric, own), x, x, count, metric, own)
            check(neighbours.nearest(x[:9], x, count, metric), x[:9], x, count, metric)

    @given(
        st.integers(0, 2**32 - 1),
        st.integers(2, 60),
        st.integers(1, 5),
        st.sampled_from([np.float32, np.float64]),
        st.integers(2, 6),
    )
    @settings(max_examples=60, deadline=None)
    def test_few_values_many_ties(self, metric, seed, n, d, kind, values):
        x = np.random.default_rng(seed).integers(0, values, size=(n, d)).astype(kind)
        own = np.arange(n)
        many = neighbours.nearest(x, x, n - 1, metric, own)
        check(many, x, x, n - 1, metric, own)
        for count in {1, n // 2, n - 1} - {0}:
            assert same(neighbours.nearest(x, x, count, metric, own), (many[0][:, :count], many[1][:, :count]))

    def test_blocks_tiles_threads_and_the_device_do_not_count(self, metric, monkeypatch):
        x = np.concatenate([cloud(2, 500, 9), cloud(2, 500, 9)[:60]])
        own = np.arange(len(x))
        expected = neighbours.nearest(x, x, 9, metric, own)
        for queries, tile, fold in ((17, 64, 16), (256, 100, 1), (64, 7, 3)):
            monkeypatch.setattr(neighbours, "QUERIES", queries)
            monkeypatch.setattr(_rough, "TILE", tile)
            monkeypatch.setattr(_rough, "FOLD", fold)
            with threads.one_core_each(3):
                assert same(neighbours.nearest(x, x, 9, metric, own), expected)

    @pytest.mark.parametrize("spare", [-100_000, 64])
    def test_products_of_float64_give_the_same(self, metric, spare, monkeypatch):
        x = cloud(3, 300, 20)
        expected = neighbours.nearest(x[:50], x, 12, metric)
        monkeypatch.setattr(_rough, "SPARE", spare)
        assert same(neighbours.nearest(x[:50], x, 12, metric), expected)

    def test_a_part_of_the_queries_has_the_same_answer(self, metric):
        x = cloud(4, 350, 31)
        every = neighbours.nearest(x, x, 8, metric, np.arange(350))
        for part in (np.array([5]), np.arange(100, 200)):
            assert same(neighbours.nearest(x[part], x, 8, metric, part), (every[0][part], every[1][part]))

    def test_wide_rows_have_one_distance_wherever_they_stand(self, metric):
        x = np.random.default_rng(0).normal(size=(6, 9001)).astype(np.float32)
        every = neighbours.nearest(x, x, 5, metric, np.arange(6))
        for i in range(6):
            assert same(
                neighbours.nearest(x[i : i + 1], x, 5, metric, np.array([i])),
                (every[0][i : i + 1], every[1][i : i + 1]),
            )

    def test_one_row_no_queries_and_too_many(self, metric):
        x = cloud(0, 3)
        assert neighbours.nearest(x, x[:1], 1, metric)[0].tolist() == [[0]] * 3
        assert neighbours.nearest(x[:0], x, 2, metric)[0].shape == (0, 2)
        with pytest.raises(ValueError, match="3 neighbours are asked for; there are 2 rows"):
            neighbours.nearest(x, x, 3, metric, np.arange(3))

    def test_own_may_be_none_of_the_rows(self, metric):
        x = cloud(0, 40)
        own = np.where(np.arange(40) % 2, np.arange(40), -1)
        found = neighbours.nearest(x, x, 4, metric, own)
        assert np.all(found[0][::2, 0] == np.arange(0, 40, 2))
        assert not np.any(found[0][1::2] == np.arange(1, 40, 2)[:, None])

    def test_copies_of_float32_rows_are_searched_once(self, metric):
        x = np.repeat(cloud(0, 5), 80, axis=0)
        search = neighbours._Search(x, x, 3, metric, np.arange(len(x)))
        assert len(search.rows) == 5 * 4
        check(neighbours.nearest(x, x, 3, metric, np.arange(len(x))), x, x, 3, metric, np.arange(len(x)))

    @pytest.mark.parametrize("spare", [-100_000, 64])
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_half_the_products_give_the_same(self, metric, kind, spare, monkeypatch):
        monkeypatch.setattr(_rough, "SPARE", spare)
        monkeypatch.setattr(_mirror, "SIDE", 64)
        ties = np.random.default_rng(0).integers(0, 4, size=(333, 5))
        for x in (cloud(6, 333, 20), cloud(6, 64, 20) + 1e4, ties, np.zeros((70, 3)), cloud(6, 129, 3)):
            x, own = x.astype(kind), np.arange(len(x))
            for count in (1, 9, 32):
                expected = neighbours.nearest(x, x, count, metric, own)
                with monkeypatch.context() as halved, threads.one_core_each(3):
                    halved.setattr(_mirror, "worthwhile", lambda n, d, count: True)
                    assert same(neighbours.nearest(x, x, count, metric, own), expected)

    def test_half_the_products_where_it_is_worthwhile(self, metric, monkeypatch):
        for name, value in {"SIDE": 64, "COLUMNS": 20, "FEWEST": 100}.items():
            monkeypatch.setattr(_mirror, name, value)
        x, own = cloud(6, 200, 20), np.arange(200)

        def scan(rows, count, own, queries=None):
            return type(neighbours._Search(rows if queries is None else queries, rows, count, metric, own).scan)

        assert scan(x, 5, own) is _mirror.Scan
        others = [scan(x, 33, own), scan(x, 5, None), scan(x, 5, own[::-1]), scan(x, 5, own, x.copy())]
        others += [scan(x[:99], 5, own[:99]), scan(np.ascontiguousarray(x[:, :19]), 5, own)]
        assert set(others) == {neighbours.Scan}

    @pytest.mark.parametrize("tile", [50, 1 << 15])
    def test_pytorch_gives_the_same_bits(self, metric, tile, monkeypatch):
        from backbench.metrics import _rough_torch

        monkeypatch.setattr(_rough_torch, "TILE", tile)
        for x, count in ((cloud(5, 200, 17), 10), (np.repeat(cloud(5, 30), 5, axis=0), 30), (cloud(5, 60) + 1e6, 59)):
            own = np.arange(len(x))
            expected = neighbours.nearest(x, x, count, metric, own)
            with device.using("torch"):
                assert same(neighbours.nearest(x, x, count, metric, own), expected)


def test_scores_are_within_their_bound():
    """The bound that the candidates rest on, held against distances in extended precision."""
    for seed, (offset, scale) in enumerate([(0, 1), (100, 1), (1e4, 1e-2), (0, 1e20)]):
        x = (cloud(seed, 60, 300) * np.float64(scale) + offset).astype(np.float32)
        for cosine in (False, True):
            space = _rough.Space(x, x, cosine)
            which = np.arange(60)
            exact = x.astype(np.longdouble)
            if cosine:
                exact /= np.sqrt((exact * exact).sum(axis=1, keepdims=True))
                wanted = -(exact @ exact.T)
            else:
                wanted = ((exact[:, None] - exact[None]) ** 2).sum(axis=2) * np.longdouble(space._scale) ** 2
            for kind in (np.float32, np.float64):
                scores = (space.queries(which, kind) @ space.rows(0, 60, kind).T).astype(np.longdouble)
                if not cosine:
                    scores += (np.longdouble(1) * space.lengths[:, None] * space._scale) ** 2
                assert np.all(np.abs(scores - wanted) <= space.slack(which, kind)[:, None])
            side = _mirror._side(space)
            mirrored = (_mirror._mirrored(side, space) @ side.T).astype(np.longdouble)
            assert np.all(np.abs(mirrored - wanted) <= space.slack(which, np.float32, mirrored=True)[:, None])


def test_copies():
    x = cloud(0, 50)
    assert _rough.copies(x) is None
    twice = np.concatenate([x, x[::-1], x[:3]])
    assert _rough.copies(twice).tolist() == [0] * 50 + [1] * 50 + [2] * 3


@pytest.mark.parametrize("metric", METRICS)
class TestNear:
    def test_the_first_of_more(self, metric):
        x = cloud(0)
        source = near.Near(x)
        deep = source.nearest(metric, 20)
        assert same(source.nearest(metric, 5), near.Near(x).nearest(metric, 5))
        assert same((deep[0][:, :5], deep[1][:, :5]), near.Near(x).nearest(metric, 5))
        assert source.most == 399 and near.Near(x, x[:3]).most == 400

    def test_a_stored_graph_answers_without_a_search(self, metric, monkeypatch):
        x = cloud(1)
        graph = near.Near(x).nearest(metric, 12)
        stored = {metric: (graph[0].astype(np.int32), graph[1])}
        expected = near.Near(x).nearest(metric, 7), near.Near(x).nearest(metric, 13)
        assert same(near.Near(x, stored=stored).nearest(metric, 13), expected[1])
        monkeypatch.setattr(neighbours, "nearest", None)
        found = near.Near(x, stored=stored).nearest(metric, 7)
        assert same(found, expected[0]) and found[0].dtype == np.int64

    @pytest.mark.parametrize("depth", [0, 3, 12, 60, 399])
    def test_a_graph_of_all_rows_answers_for_some(self, metric, depth):
        x = np.concatenate([cloud(2, 350), cloud(2, 350)[:50]])
        split = np.random.default_rng(0).choice(3, 400, p=[0.5, 0.2, 0.3])
        train, rest = np.flatnonzero(split == 0), np.flatnonzero(split)
        graph = near.Near(x).nearest(metric, max(depth, 1))
        stored = {metric: (graph[0].astype(np.int32), graph[1])} if depth else {}
        for asked, allowed in ((rest, train), (train, train), (rest, np.arange(400)), (np.arange(400), np.arange(400))):
            direct = near.among(x, asked, allowed)
            found = near.among(x, asked, allowed, stored)
            assert found.most == direct.most
            for count in (5, 2, 9):
                assert same(found.nearest(metric, count), direct.nearest(metric, count))
        assert same(
            near.among(x, rest, train, stored).nearest(metric, 5), near.Near(x[train], x[rest]).nearest(metric, 5)
        )

    def test_only_queries_that_the_graph_leaves_open_are_searched(self, metric, monkeypatch):
        x = cloud(3)
        asked, allowed = np.arange(0, 400, 4), np.flatnonzero(np.arange(400) % 4)
        graph = near.Near(x).nearest(metric, 9)
        searched, search = [], neighbours.nearest
        monkeypatch.setattr(neighbours, "nearest", lambda q, *rest: searched.append(len(q)) or search(q, *rest))
        near.among(x, asked, allowed, {metric: graph}).nearest(metric, 6)
        assert 0 < sum(searched) < 60

    def test_a_graph_of_other_rows_is_not_used(self, metric):
        x = cloud(4, 100)
        wrong = {metric: (np.zeros((99, 5), np.int32), np.zeros((99, 5)))}
        for source in (near.Near(x, stored=wrong), near.among(x, np.arange(50), np.arange(50, 100), wrong)):
            assert source.nearest(metric, 3)[1].min() > 0

    def test_many_threads_make_one_search(self, metric, monkeypatch):
        calls, search = [], neighbours.nearest
        monkeypatch.setattr(neighbours, "nearest", lambda *given: calls.append(1) or search(*given))
        source, found = near.Near(cloud(5)), []
        asking = [threading.Thread(target=lambda: found.append(source.nearest(metric, 6))) for _ in range(6)]
        [each.start() for each in asking], [each.join() for each in asking]
        assert len(calls) == 1 and all(same(each, found[0]) for each in found)


@pytest.mark.parametrize("metric", METRICS)
class TestApproximate:
    def test_recall_is_as_stated(self, metric):
        x, own = cloud(0, 3000, 16, groups=40), np.arange(3000)
        rows, lengths, quality = approximate.nearest_approximate(x, x, 10, metric, own)
        exact = neighbours.nearest(x, x, 10, metric, own)
        truth = (lengths <= exact[1][:, -1:]).mean()
        assert quality.recall >= 0.9 and 1 <= quality.nprobe <= quality.nlist == 76
        assert abs(truth - quality.recall) <= 4 * quality.recall_se + 1e-9
        assert np.all((np.diff(lengths) > 0) | (np.diff(rows) > 0))
        assert not np.any(rows == own[:, None])
        some = np.flatnonzero((rows == exact[0]).all(axis=1))
        assert len(some) > 1500 and np.array_equal(lengths[some], exact[1][some])

    def test_the_same_twice_with_any_threads(self, metric):
        x, own = cloud(1, 1500, 8), np.arange(1500)
        expected = approximate.nearest_approximate(x, x, 5, metric, own)
        with threads.beside(3):
            again = approximate.nearest_approximate(x, x, 5, metric, own)
        assert same(expected, again) and expected[2] == again[2]

    def test_few_rows_and_lists_that_hold_too_few(self, metric):
        x = cloud(2, 120)
        rows, lengths, quality = approximate.nearest_approximate(x[:7], x, 119, metric)
        assert same((rows, lengths), neighbours.nearest(x[:7], x, 119, metric))
        assert quality.recall == 1.0


class TestStage:
    def compute(self, tmp_path, x, configs, **context):
        store = Store(tmp_path)
        store.write("features", "f" * 64, {"info": {}}, {"features": x})
        members = [Member(hashing.digest(config), config) for config in configs]
        inputs = Inputs(store, {"matrix": ("features", "f" * 64)})
        found = {each.hash: each for each in stage.compute(members, inputs, Context(**context))}
        return [found[member.hash] for member in members]

    def test_a_graph_of_each_member(self, tmp_path):
        x = cloud(0)
        configs = [{"metric": metric, "count": count} for metric in METRICS for count in (3, 10)]
        for config, each in zip(configs, self.compute(tmp_path, x, configs, threads=2), strict=True):
            expected = neighbours.nearest(x, x, config["count"], config["metric"], np.arange(len(x)))
            assert same((each.arrays["indices"], each.arrays["distances"]), expected)
            assert each.arrays["indices"].dtype == np.int32 and each.arrays["distances"].dtype == np.float64
            assert each.info == {"n": 400, **config} and each.seconds > 0
            alone = self.compute(tmp_path, x, [config])[0]
            assert same(tuple(alone.arrays.values()), tuple(each.arrays.values()))

    @pytest.mark.parametrize("n", [1, 4])
    def test_fewer_rows_than_asked_for(self, tmp_path, n):
        (each,) = self.compute(tmp_path, cloud(0, n), [{"metric": "cosine", "count": 50}])
        assert each.failure is None and each.arrays["indices"].shape == each.arrays["distances"].shape == (n, n - 1)
        assert each.info["count"] == n - 1

    def test_what_is_not_finite_is_refused(self, tmp_path):
        x = cloud(0, 10)
        x[0, 0] = np.inf
        (each,) = self.compute(tmp_path, x, [{"metric": "cosine", "count": 5}])
        assert "not finite" in each.failure
