"""Metrics of whole rankings: by hand, written out, against scikit-learn, and as the stage reports them, with junk."""

import math
import shutil
import tracemalloc

import numpy as np
import pytest
from scoring import computed
from sklearn.metrics import average_precision_score
from sweeping import collection, rows_of
from sweeping import computed as in_process
from test_retrieval import retrieved, rows

from backbench import hashing, paths, planning, threads
from backbench.engine.cost import costs
from backbench.engine.run import scored
from backbench.metrics import rankings, retrieval
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import retrieval as stage
from backbench.store import Store

NAMES = ("r_precision", "map_full", "map_revisited")


def distances(x, metric):
    """All distances (n, n) in float64, in the plainest way."""
    x = x.astype(float)
    if metric == "euclidean":
        return np.sqrt(((x[:, None] - x[None, :]) ** 2).sum(axis=2))
    lengths = np.linalg.norm(x, axis=1)
    both = lengths[:, None] * lengths[None, :]
    return 1 - np.divide((x[:, None] * x[None, :]).sum(axis=2), both, out=np.zeros_like(both), where=both > 0)


def written_out(x, asked, metric):
    """The definitions, one query and one image at a time."""
    far, values = distances(x, metric), []
    for query in asked.queries:
        out = [asked.groups is not None and asked.groups[row] == asked.groups[query] for row in range(len(x))]
        order = sorted(
            (row for row in asked.rows if row != query and not out[row]),
            key=lambda row, query=query: (far[query, row], row),
        )
        hits = [asked.truth[row] == asked.truth[query] for row in order]
        total, found, area, sharp = sum(hits), 0, 0.0, 0.0
        for rank, hit in enumerate(hits, 1):
            if hit:
                before = found / (rank - 1) if rank > 1 else 1.0
                found += 1
                sharp += found / rank / total
                area += (before + found / rank) / 2 / total
        values.append((sum(hits[:total]) / total, sharp, area) if total else (math.nan,) * 3)
    return dict(zip(NAMES, np.array(values).reshape(-1, 3).T, strict=True))


def asked_of(x, truth, split, protocol="leave_one_out", groups=None):
    every = np.arange(len(x))
    whole = protocol == "leave_one_out"
    sides = (every, every) if whole else (np.flatnonzero(split == 2), np.flatnonzero(split == 0))
    return rankings.Asked(*sides, truth, groups)


class TestScores:
    def test_known_answers(self):
        assert rankings.scores_of(np.array([1, 3, 6])) == pytest.approx(
            (2 / 3, (1 + 2 / 3 + 3 / 6) / 3, (1 + (1 / 2 + 2 / 3) / 2 + (2 / 5 + 3 / 6) / 2) / 3)
        )
        assert rankings.scores_of(np.array([1, 2, 3])) == (1, 1, 1)
        assert rankings.scores_of(np.array([4])) == (0, 0.25, 0.125)
        assert all(map(math.isnan, rankings.scores_of(np.empty(0, int))))

    def test_junk_by_hand(self):
        """The query's own burst shot is the nearest: without it the first rank is a wrong image."""
        x = np.array([[0.0], [0.1], [1.0], [2.0]], np.float32)
        truth, groups = np.array([0, 0, 1, 0]), np.array([7, 7, 8, 9])
        with_it, without = (
            rankings.of_queries(x, rankings.Asked(np.array([0]), np.arange(4), truth, junk), "euclidean")
            for junk in (None, groups)
        )
        assert with_it["map_full"].tolist() == [(1 + 2 / 3) / 2] and with_it["r_precision"].tolist() == [0.5]
        assert without["map_full"].tolist() == [0.5] and without["r_precision"].tolist() == [0.0]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("protocol", ["leave_one_out", "test_against_train"])
@pytest.mark.parametrize("junk", [False, True], ids=["all count", "junk"])
def test_equal_the_definitions_written_out(metric, protocol, junk):
    x, truth, split = rows(120)
    # A heap of equal rows, rows of zeros, and one class of one image.
    x[5:25] = x[5]
    x[30:34] = 0
    truth = np.where(np.arange(120) == 7, 3, truth)
    groups = np.random.default_rng(1).integers(0, 40, 120) if junk else None
    asked = asked_of(x, truth, split, protocol, groups)
    expected = written_out(x, asked, metric)
    values = rankings.of_queries(x, asked, metric)
    for name in NAMES:
        assert values[name] == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name


def test_equals_scikit_learn_where_nothing_is_cut():
    x, truth, split = rows(200)
    values = rankings.of_queries(x, asked_of(x, truth, split), "euclidean")["map_full"]
    far = distances(x, "euclidean")
    for query in range(0, 200, 20):
        others = np.arange(200) != query
        theirs = average_precision_score(truth[others] == truth[query], -far[query, others])
        assert values[query] == pytest.approx(theirs, abs=1e-12)


def test_blocks_and_threads_change_no_bit(monkeypatch):
    x, truth, split = rows(150)
    x[:60] = x[np.arange(60) % 7]
    asked = asked_of(x, truth, split)
    whole = rankings.of_queries(x, asked, "cosine")
    for most, count in ((1, 1), (7, 2)):
        monkeypatch.setattr(rankings, "MOST", most)
        monkeypatch.setattr(rankings, "FEWEST", 1)
        with threads.one_core_each(count):
            again = rankings.of_queries(x, asked, "cosine")
        assert all(np.array_equal(whole[name], again[name]) for name in NAMES)


def test_nothing_is_as_large_as_all_pairs():
    n = 6000
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    asked = rankings.Asked(np.arange(40), np.arange(n), np.arange(n) % 3)
    rankings.of_queries(x[:50], rankings.Asked(np.arange(5), np.arange(50), np.arange(50) % 3), "cosine")
    tracemalloc.start()
    rankings.of_queries(x, asked, "cosine")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * n / 4
    assert max(len(span) for span in rankings._spans(n, n)) * 8 * n <= rankings.BLOCK_BYTES


@pytest.fixture
def compute(tmp_path):
    """A function that computes members on rows, labels and a split, with further arrays of the data set."""

    def run(configs, x, truth, split=None, **arrays):
        store = Store(tmp_path)
        given = {"split": np.zeros(len(x), np.uint8) if split is None else split, **arrays}
        names = None if truth is None else [str(name) for name in range(int(truth.max()) + 1)]
        given |= {} if truth is None else {"labels": truth.astype(np.int64)}
        store.write("dataset", "d" * 64, {"info": {"classes": names}}, given)
        store.write("features", "f" * 64, {"info": {}}, {"features": x})
        refs = {"dataset": ("dataset", "d" * 64), "matrix": ("features", "f" * 64)}
        members = [Member(hashing.digest(config), config) for config in configs]
        outcomes = computed(stage, members, Inputs(store, refs), Context())
        return [outcomes[member.hash] for member in members]

    return run


class TestStage:
    def test_full_adds_the_whole_ranking_and_changes_nothing_else(self, compute):
        x, truth, split = rows()
        plain, full = compute([retrieved(), retrieved(full=True)], x, truth, split)
        assert {name: full.metrics[name] for name in plain.metrics} == plain.metrics
        expected = written_out(x, asked_of(x, truth, split), "euclidean")
        for name in NAMES:
            assert full.metrics[name] == pytest.approx(np.nanmean(expected[name]))
        assert np.array_equal(full.arrays["neighbours"], plain.arrays["neighbours"])
        assert full.arrays["average_precision"] == pytest.approx(expected["map_full"])
        assert full.arrays["r_precision"].dtype == np.float64

    def test_a_cut_at_all_images_is_the_whole_ranking(self, compute):
        x, truth, _ = rows()
        (full,) = compute([retrieved(at=149, full=True)], x, truth)
        assert full.metrics["map_full"] == pytest.approx(full.metrics["map_at_149"], abs=1e-12)

    def test_queries_that_nothing_is_relevant_to(self, compute):
        x, truth, _ = rows(40)
        truth = np.where(np.arange(40) == 7, 2, truth % 2)
        (outcome,) = compute([retrieved(5, full=True)], x, truth)
        text = "1 of 40 queries have no image of their class to find and are left out"
        assert {outcome.notes[name] for name in NAMES} == {text}
        assert np.flatnonzero(np.isnan(outcome.arrays["r_precision"])).tolist() == [7]
        (lonely,) = compute([retrieved(5, full=True)], x, np.arange(40))
        assert all(math.isnan(lonely.metrics[name]) for name in NAMES)

    def test_unlabelled_rows_have_no_metrics(self, compute):
        (outcome,) = compute([retrieved(full=True)], rows()[0], None)
        assert outcome.metrics == {}

    @pytest.mark.parametrize("protocol", ["leave_one_out", "test_against_train"])
    @pytest.mark.parametrize("search", ["exact", "approximate"])
    def test_junk_is_taken_out_of_the_lists(self, compute, protocol, search):
        x, truth, split = rows(400)
        groups = np.arange(400) // 3
        config = retrieved(12, protocol=protocol, junk="groups", full=True, search=search)
        (outcome,) = compute([config], x, truth, split, groups=groups)
        asked = asked_of(x, truth, split, protocol, groups)
        far, nearest = distances(x, "euclidean"), outcome.arrays["neighbours"]
        assert nearest.shape == (len(asked.queries), 12)
        assert (groups[nearest] != groups[asked.queries][:, None]).all()
        if search == "exact":
            for place, query in enumerate(asked.queries):
                left = [row for row in asked.rows if groups[row] != groups[query]]
                assert nearest[place].tolist() == sorted(left, key=lambda row, q=query: (far[q, row], row))[:12]
        expected = written_out(x, asked, "euclidean")
        assert outcome.metrics["map_full"] == pytest.approx(np.nanmean(expected["map_full"]))
        totals = [
            sum(truth[row] == truth[query] and groups[row] != groups[query] for row in asked.rows)
            for query in asked.queries
        ]
        assert asked.totals().tolist() == totals
        hits = truth[nearest] == truth[asked.queries][:, None]
        recall = np.mean([sum(row) / total for row, total in zip(hits, totals, strict=True) if total])
        assert outcome.metrics["recall_at_12"] == pytest.approx(recall)

    def test_junk_of_no_group_changes_nothing(self, compute):
        x, truth, split = rows()
        alone = np.full(150, -1)
        configs = [retrieved(), retrieved(junk="groups")]
        plain, junk = compute(configs, x, truth, split, groups=alone)
        assert plain.metrics == junk.metrics
        assert np.array_equal(plain.arrays["neighbours"], junk.arrays["neighbours"])

    def test_duplicates_are_equal_images_and_similar_hashes(self, compute):
        x, truth, _ = rows(60)
        contents = np.random.default_rng(0).integers(0, 256, (60, 32)).astype(np.uint8)
        contents[1] = contents[0]
        phashes = np.random.default_rng(1).integers(1, 1 << 62, 60).astype(np.uint64)
        phashes[3] = phashes[2] ^ np.uint64(5)
        x[1], x[3] = x[0], x[2]
        (outcome,) = compute([retrieved(5, junk="duplicates")], x, truth, contents=contents, phashes=phashes)
        nearest = outcome.arrays["neighbours"]
        assert 1 not in nearest[0] and 0 not in nearest[1] and 3 not in nearest[2] and 2 not in nearest[3]
        (plain,) = compute([retrieved(5)], x, truth, contents=contents, phashes=phashes)
        assert plain.arrays["neighbours"][0][0] == 1 and plain.arrays["neighbours"][2][0] == 3
        (pixels,) = compute([retrieved(5, junk="duplicates")], x, truth, pixels=contents)
        assert 1 not in pixels.arrays["neighbours"][0] and pixels.arrays["neighbours"][2][0] == 3

    def test_groups_that_are_not_there_are_refused(self, compute):
        x, truth, _ = rows(40)
        (outcome,) = compute([retrieved(5, junk="groups")], x, truth)
        assert "the data set has no groups; give dataset.groups" in outcome.failure

    def test_fewer_images_than_asked_for_are_left(self, compute):
        x, truth, _ = rows(30)
        (outcome,) = compute([retrieved(20, junk="groups")], x, truth, groups=np.arange(30) // 15)
        assert outcome.arrays["neighbours"].shape == (30, 15)
        assert outcome.info["fewer"] == "only 15 of 20 neighbours: there are no more rows"


def test_r_precision_is_the_precision_at_the_number_of_relevant_images():
    x, truth, _ = rows(90)
    truth = np.arange(90) % 3
    asked = asked_of(x, truth, None)
    order = np.argsort(distances(x, "euclidean") + np.diag(np.full(90, np.inf)), axis=1, kind="stable")[:, :29]
    at = retrieval.curves(truth[order] == truth[:, None], np.full(90, 29), [29])
    assert rankings.of_queries(x, asked, "euclidean")["r_precision"].mean() == pytest.approx(at["precision_at_29"])
    assert at["precision_at_29"] == pytest.approx(at["recall_at_29"])


class TestPlanning:
    GRID = ("experiment=none", "dataset.sample=200", "backbone=pixels", "clusterer=none", "classifier=none")

    def stage(self, *overrides):
        plan = planning.make([*self.GRID, "plots=none", *overrides]).plan
        return next(stage for stage in plan.stages.values() if stage.kind == "retrieval"), plan

    def test_at_their_defaults_the_options_are_no_part_of_the_hash(self):
        plain, _ = self.stage()
        same, _ = self.stage("retrieval.full=false", "retrieval.junk=none")
        full, _ = self.stage("retrieval.full=true", "retrieval.junk=duplicates")
        assert plain.hash == same.hash != full.hash and not {"full", "junk"} & set(plain.config)
        assert (full.config["full"], full.config["junk"]) == (True, "duplicates")

    def test_the_time_of_whole_rankings_is_foretold(self):
        plain, plan = self.stage()
        full, _ = self.stage("retrieval.full=true")
        apart, _ = self.stage("retrieval.full=true", "retrieval.protocol=test_against_train")
        more = costs.seconds(full, plan.stages, 1) - costs.seconds(plain, plan.stages, 1)
        assert full.about["pairs"] == 200**2 > apart.about["pairs"] > 0 and "pairs" not in plain.about
        assert more > 0 and more == pytest.approx(costs.score(full, 1) - costs.score(plain, 1))

    def test_scores_of_whole_rankings_read_the_matrix(self):
        (plain, _), (full, _) = self.stage(), self.stage("retrieval.full=true")
        assert [kind for kind, _ in scored.reads(plain)] == ["dataset"]
        assert [kind for kind, _ in scored.reads(full)] == ["dataset", "features"]

    def test_images_without_classes_have_no_rankings_to_score(self, tmp_path):
        np.savez(tmp_path / "rows.npz", features=np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
        grid = [*self.GRID[:1], *self.GRID[3:], "dataset=embeddings", f"dataset.path={tmp_path / 'rows.npz'}"]
        with pytest.raises(ConfigError, match=r"retrieval\.full: the dataset 'embeddings' has no labels, and rankings"):
            planning.make([*grid, "backbone=precomputed", "plots=none", "retrieval.full=true"])


def test_copies_of_a_photograph_are_junk_in_a_folder(tmp_path, own_results):
    """Every image lies there twice: each is the first to be found for the other, unless duplicates are junk."""
    images = collection(tmp_path / "images", ("red", "green"), each=12)
    lines = (tmp_path / "images" / "table.csv").read_text().splitlines()
    for line in lines[1:]:
        name = line.split(",")[0]
        shutil.copy(tmp_path / "images" / name, tmp_path / "images" / f"copy_{name}")
        lines.append(f"copy_{line}") if not name.startswith("copy_") else None
    (tmp_path / "images" / "table.csv").write_text("\n".join(lines))
    given = ("experiment=none", "backbone=pixels", "clusterer=none", "classifier=none", "retrieval=cosine")
    rows_ = rows_of(
        in_process(*images, *given, "retrieval.at=5", "retrieval.full=true", "retrieval.junk=none,duplicates")
    )
    assert [row.reason for row in rows_] == [None, None]
    of_junk = {row.params.get("retrieval.junk", "none"): row for row in rows_}
    plain, without = (
        Store(paths.store()).array("retrieval", of_junk[junk].run.stages["retrieval"], "neighbours")
        for junk in ("none", "duplicates")
    )
    copies = plain[:, 0]
    assert (copies[copies] == np.arange(48)).all()
    assert not (without == copies[:, None]).any() and np.array_equal(without[:, 0], without[copies][:, 0])
    assert of_junk["duplicates"].metrics["map_full"] < of_junk["none"].metrics["map_full"]


def test_images_of_the_group_of_the_query_are_junk_in_a_folder(tmp_path, own_results):
    """Numbers that begin with the same digit are of one group."""
    given = (*collection(tmp_path / "images", ("red", "green"), each=15), "experiment=none", "backbone=pixels")
    asked = ("clusterer=none", "classifier=none", "retrieval=cosine", "retrieval.at=5", "retrieval.junk=groups")
    with pytest.raises(ConfigError, match=r"the images are in no groups; give dataset\.groups"):
        planning.make([*given, *asked, "plots=none"])
    (row,) = rows_of(in_process(*given, *asked, "dataset.groups='^(?P<group>.)'"))
    groups = Store(paths.store()).array("dataset", row.stages["dataset"], "groups")
    nearest = Store(paths.store()).array("retrieval", row.run.stages["retrieval"], "neighbours")
    assert row.reason is None and len(np.unique(groups)) == 10
    assert nearest.shape == (30, 5) and (groups[nearest] != groups[:, None]).all()
