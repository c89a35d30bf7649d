"""What is no clustering is shown with the reason, and is never ranked, recommended or chosen."""

import csv
import functools
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import sweeping
from densities import one, options
from stored import NAMES, N, Stored, mixed

from backbench import cli, paths
from backbench.answers import words
from backbench.cli import leaderboard
from backbench.clusterers import dbscan, kmeans
from backbench.evaluate import answer, candidates, eligibility, leaderboards, selection
from backbench.evaluate.answer import SweepAnswer
from backbench.evaluate.eligibility import Limits
from backbench.metrics import external
from backbench.reports import _boards, sweep
from backbench.store import Store

CLUSTERED = ("classifier=none", "retrieval=none")
KS = ("clusterer=kmeans", "k=2,3,4,5,6", *CLUSTERED)
CLASSES = 20
NUMBERS = tuple(map(str, range(CLASSES)))


pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def store():
    return Store(paths.store())


def faulty(stage, truth):
    """By k: one cluster; two good ones; 60 % noise and the rest perfect; nearly all in one; all noise."""
    at = np.arange(len(truth))
    return {
        2: np.zeros(len(truth)),
        3: mixed(truth, 0.7, 1),
        4: np.where(at % 5 < 3, -1, truth),
        5: np.where(at < 24, 1, 0),
        6: np.full(len(truth), -1),
    }[stage.config["k"]].astype(np.int32)


REASONS = {
    2: "one cluster only",
    4: "60 % noise, more than 30 %",
    5: "98 % of the images in one cluster, more than 95 %",
    6: "all images are noise",
}


def widths(stage, truth):
    """The less of a clustering it is, the wider; one cluster and noise alone have none."""
    k = stage.config["k"]
    return np.full(len(truth), math.nan if k in (2, 6) else k / 10)


def unaudited(rows):
    """What rows answer whose images were not audited."""
    plan = rows[0].plan
    kept = {key: record for key, record in rows[0].records.items() if plan.stages[key].kind != "audit"}
    return SweepAnswer(plan, [replace(row, records=kept) for row in rows], store())


def board(rows, **options):
    (made,) = leaderboards.leaderboards(rows, store(), **options)
    return made


@pytest.mark.parametrize("names", [NAMES, None], ids=["labelled", "unlabelled"])
class TestBoards:
    def rows(self, names):
        return Stored(labels=faulty, widths=widths, names=names).rows(*KS)

    def test_what_is_no_clustering_is_no_entry_and_has_its_reason(self, names):
        made = board(self.rows(names))
        assert [entry.params["k"] for entry in made.entries] == [3] and made.entries[0].rank == 1
        assert {other.params["k"]: other.reason for other in made.unranked} == REASONS
        values = [other.values.get(made.spec.rank, -math.inf) for other in made.unranked]
        assert (
            values == sorted(values, reverse=True) and made.unranked[0].params["k"] == {True: 4, False: 5}[bool(names)]
        )

    def test_limits_are_those_that_are_given(self, names):
        made = board(self.rows(names), limits=Limits(0.7, None))
        assert {entry.params["k"] for entry in made.entries} == {3, 4, 5}
        assert {other.params["k"] for other in made.unranked} == {2, 6}

    def test_a_board_of_which_nothing_is_ranked_is_shown(self, names):
        rows = [row for row in self.rows(names) if row.params["k"] != 3]
        made = board(rows)
        assert made.entries == [] and len(made.unranked) == 4
        assert ": none" in printed(rows) and "Not ranked: 1 (" in printed(rows)
        page = sweep.render(unaudited(rows))
        assert page.count('<tr class="unranked">') == 4

    def test_a_terminal_counts_the_reasons_and_has_no_row_of_them(self, names):
        text = printed(self.rows(names))
        assert ": 1 of 1" in text and len(re.findall(r"^ *\d=? +(?:pixels|kmeans)", text, re.MULTILINE)) == 1
        assert "1 (60 % noise, more than 30 %)" in text and "1 (one cluster only)" in text

    @pytest.mark.parametrize("form", ["csv", "json"])
    def test_programs_read_them_with_an_empty_rank(self, names, form, capsys):
        self.rows(names)
        cli.main(["leaderboard", "--format", form])
        out = capsys.readouterr().out
        lines = json.loads(out) if form == "json" else list(csv.DictReader(io.StringIO(out)))
        assert [int(line["k"]) for line in lines if line["rank"]] == [3]
        assert {int(line["k"]): line["not_ranked"] for line in lines if not line["rank"]} == REASONS
        assert all(line["clusters"] not in (None, "") and line["largest_share"] not in (None, "") for line in lines)

    def test_the_page_has_them_last_and_sorted_by_nothing(self, names):
        rows = self.rows(names)
        made = unaudited(rows)
        (part,) = sweep._parts(made)
        view = _boards.view(part, part.boards[0], 0)
        assert [row[0].text for row in view.rows] == ["1", *["not ranked"] * 4]
        assert {row[0].below for row in view.rows[1:]} == set(REASONS.values())
        numbers = [at for at, column in enumerate(view.columns) if column.about or column.down]
        assert len(numbers) >= 3 and all(row[at].sort is None for row in view.rows[1:] for at in numbers)
        assert {"number of clusters", "share of noise", "share of the largest cluster"} <= {
            column.label for column in view.columns
        }
        page = sweep.render(made)
        assert page.count('<tr class="unranked">') == 4 and page.index('class="unranked"') > page.index('class="best"')
        records = {record["k"]: record for record in _boards.records(part)}
        assert {k: record["not_ranked"] for k, record in records.items()} == {3: None, **REASONS}
        assert [k for k, record in records.items() if record["rank"] is not None] == [3]


def test_a_clustering_whose_metric_is_undefined_is_not_ranked():
    rows = Stored(names=None, widths=lambda stage, truth: np.full(N, math.nan)).rows(
        "clusterer=kmeans", "k=3", *CLUSTERED
    )
    made = board(rows)
    assert made.entries == [] and [other.reason for other in made.unranked] == ["silhouette undefined"]


# Seeds


def seeded(noisy):
    """Labels of which some seeds leave most images out."""

    def labels(stage, truth):
        found = mixed(truth, 0.8, stage.config["seed"])
        return np.where(np.arange(len(truth)) % 5 < 3, -1, found) if stage.config["seed"] in noisy else found

    return Stored(labels=labels).rows("clusterer=kmeans", "k=4", "seed=0,1,2,3", *CLUSTERED)


@pytest.mark.parametrize(("noisy", "ranked"), [((), True), ((0,), True), ((0, 2), False), ((0, 1, 3), False)])
def test_a_configuration_is_not_ranked_if_half_of_its_seeds_are_no_clustering(noisy, ranked):
    made = board(seeded(noisy))
    assert bool(made.entries) == ranked == (not made.unranked)
    if not ranked:
        assert made.unranked[0].reason == f"60 % noise, more than 30 % ({len(noisy)} of 4 seeds)"
        assert len(made.unranked[0].rows) == 4


def test_all_seeds_count_and_one_that_is_a_clustering_stands_for_them():
    rows = seeded((0,))
    (entry,) = board(rows).entries
    assert entry.values["ami"].mean == pytest.approx(np.mean([row.metrics["ami"] for row in rows]))
    assert eligibility.fault(entry.row.metrics) is None and entry.row.params["seed"] == 1
    assert [row.params["seed"] for row in entry.rows] == [1, 2, 3, 0]


# Terminals


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def printed(rows, target=None):
    target = io.StringIO() if target is None else target
    leaderboard.show(answer.by_dataset(rows, store()), 5, target)
    return re.sub(r"\x1b\[[\d;]*m", "", target.getvalue())


@pytest.mark.parametrize("columns", [None, 130, 100, 80, 70])
def test_counts_of_clusters_stay_on_a_narrow_terminal(columns, monkeypatch):
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))

    def labels(stage, truth):
        return np.where(np.arange(len(truth)) % 10 == 0, -1, mixed(truth, 0.7, 1))

    rows = Stored(labels=labels).rows("clusterer=kmeans,agglomerative", "k=4", *CLUSTERED)
    lines = printed(rows, Screen() if columns else None).splitlines()
    head = next(line for line in lines if "AMI" in line.split())
    assert {"AMI", "clusters", "noise", "largest"} <= set(head.split())
    first = next(line for line in lines if re.match(r" *1=? ", line))
    largest = max(np.bincount(mixed(np.arange(N) % 4, 0.7, 1)[np.arange(N) % 10 > 0])) / N
    assert re.search(rf" 4 +10 % +{100 * largest:.0f} %", first)
    assert all(len(line.rstrip()) <= (columns or 130) for line in lines if re.match(r" *\d=? ", line))


# Noise that looks good


@functools.cache
def imbalanced():
    """Rows in 20 classes of very unequal sizes that overlap, and their classes."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, CLASSES + 1)
    truth = rng.choice(CLASSES, N, p=share / share.sum())
    return (rng.normal(size=(N, 8)) + rng.normal(size=(CLASSES, 8))[truth]).astype(np.float32), truth


@functools.cache
def fitted(name, k):
    x, _ = imbalanced()
    if name == "dbscan":
        return one(dbscan, x, options("dbscan", eps_quantile=0.02))[0]
    return one(kmeans, x, options("kmeans"), k=k, seed=0)[0]


def noisy_and_fine(labelled=True):
    def labels(stage, truth):
        return fitted(stage.config["clusterer"]["name"], stage.config.get("k"))

    def of_noise(stage, truth):
        return np.full(N, 0.9 if stage.config["clusterer"]["name"] == "dbscan" else 0.1)

    stored = Stored(labels=labels, widths=of_noise, truth=imbalanced()[1], names=NUMBERS if labelled else None)
    return stored.rows("clusterer=kmeans,dbscan", "k=4,8,20", *CLUSTERED)


def test_most_points_as_noise_have_the_best_nmi_and_not_the_best_ami():
    truth = imbalanced()[1]
    noise, *fits = [fitted("dbscan", None), *(fitted("kmeans", k) for k in (4, 8, 20))]
    assert (noise < 0).mean() > 0.9
    assert external.nmi(truth, noise) > max(external.nmi(truth, fit) for fit in fits) + 0.1
    assert external.ami(truth, noise) < min(external.ami(truth, fit) for fit in fits) - 0.2
    made = board(noisy_and_fine(), limits=Limits(None, None))
    assert [entry.params["clusterer.name"] for entry in made.entries] == ["kmeans"] * 3 + ["dbscan"]
    assert made.unranked == ()


@pytest.mark.parametrize("labelled", [True, False])
def test_noise_is_first_nowhere(labelled):
    rows = noisy_and_fine(labelled)
    made = board(rows)
    assert {entry.params["clusterer.name"] for entry in made.entries} == {"kmeans"}
    assert [other.params["clusterer.name"] for other in made.unranked] == ["dbscan"]
    answered = SweepAnswer(rows[0].plan, rows, store())
    (part,) = sweep._parts(answered)
    headlines = [verdict.text.headline for verdict in words.answer(part.answer).verdicts]
    assert headlines and not any("DBSCAN" in headline for headline in headlines)
    for name in policies():
        policy = selection.parse(policies()[name])
        for space in candidates.representations(rows):
            chosen = selection.decide(space, policy).chosen
            assert chosen is None or chosen.clusterer == "kmeans", name


def policies():
    import yaml

    return {path.stem: yaml.safe_load(path.read_text()) for path in (paths.conf() / "selection").glob("*.yaml")}


# Runs whose clustering failed


def test_other_tasks_are_in_their_tables_where_every_clustering_failed(tmp_path, capsys):
    """A mixture that may iterate once does not converge."""
    images = sweeping.collection(tmp_path / "pictures", ("red", "green", "blue"), each=12)
    mixture = ("clusterer=gaussian_mixture", "clusterer.max_iter=1", "k=4,5")
    asked = ("experiment=none", "backbone=pixels", *mixture, "classifier=knn", "retrieval=cosine", "retrieval.at=5")
    rows = sweeping.rows_of(sweeping.computed(*images, *asked))
    assert all(row.chain_failed("clustering") and not row.chain_failed("classification") for row in rows)
    cli.main(["leaderboard", "--format", "json"])
    lines = json.loads(capsys.readouterr().out)
    assert {(line["board"], line["rank"]) for line in lines} == {("classification", 1), ("retrieval", 1)}
    cli.main(["leaderboard"])
    text = capsys.readouterr().out
    assert "Classifiers, ranked by" in text and "Representations, ranked by" in text and "Clusterings" not in text
