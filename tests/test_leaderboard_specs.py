"""Leaderboards: which there are, what they rank by, and how they are printed."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from stored import N, Stored, mixed

from backbench import cli, paths
from backbench.cli import leaderboard
from backbench.engine.results import tables
from backbench.evaluate import answer, configurations, leaderboard_specs
from backbench.metrics import catalogue
from backbench.store import Store

CLASSIFIED = ("clusterer=none", "retrieval=none")
CLUSTERED = ("classifier=none", "retrieval=none")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def printed(rows, limit=5, columns=None, monkeypatch=None):
    if columns is None:
        target = io.StringIO()
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
        target = Screen()
    leaderboard.show(answer.by_dataset(rows, Store(paths.store())), limit, target)
    return re.sub(r"\x1b\[[\d;]*m", "", target.getvalue())


# Which boards


def test_each_head_has_a_board_that_says_what_it_is_ranked_by():
    rows = Stored().rows("classifier=knn", "clusterer=kmeans", "k=4")
    found = {board.head: board for board in leaderboard_specs.specs(rows)}
    assert {head: board.rank for head, board in found.items()} == {
        "classification": "val_accuracy",
        "clustering": "ami",
        "retrieval": "precision_at_10",
    }
    assert all(board.metrics[0] == board.rank and board.space is None for board in found.values())


def test_without_classes_each_feature_space_has_a_board_of_its_own():
    rows = Stored(names=None).rows("chain=none,pca50", "clusterer=kmeans", "k=3,4", *CLUSTERED)
    found = leaderboard_specs.specs(rows)
    assert [board.title for board in found] == [
        "Clusterings of pixels, ranked by silhouette",
        "Clusterings of pixels, pca50, ranked by silhouette",
    ]
    for board in found:
        ranked = leaderboard_specs.results(board, rows)
        assert len(ranked) == 2 and {row.stages.get("clustering.matrix") for row in ranked} == {
            None if "pca50" not in board.title else board.space[0]
        }


def test_scopes_of_one_space_are_not_ranked_together():
    rows = Stored(names=None).rows("clustering.scope=all,train", "clusterer=kmeans", "k=3", *CLUSTERED)
    assert [board.space[1] for board in leaderboard_specs.specs(rows)] == ["all", "train"]


def test_results_without_the_metric_are_not_ranked():
    def metrics(stage):
        return {"val_accuracy": float("nan")} if stage.config["classifier"]["name"] == "knn" else {}

    rows = Stored().rows("classifier=knn,lda", *CLASSIFIED)
    rows = [with_metrics(row, metrics) for row in rows]
    (board,) = leaderboard_specs.specs(rows)
    assert [row.params["classifier.name"] for row in leaderboard_specs.results(board, rows)] == ["lda"]


def with_metrics(row, metrics):
    """A row whose classification has other metrics."""
    member = row.run.stages["classification"]
    record = row.records[member]
    changed = {**record, "metrics": {**record["metrics"], **metrics(row.plan.stages[member])}}
    return replace(row, records={**row.records, member: changed})


# Configurations


def failed(rows, kind):
    """Rows whose stages of a kind failed."""
    records = {
        member: {**record, "status": "failed", "reason": "did not converge", "metrics": {}}
        if rows[0].plan.stages[member].kind == kind
        else record
        for member, record in rows[0].records.items()
    }
    return [replace(row, records=records) for row in rows]


def test_a_result_is_ranked_whose_run_failed_at_another_task():
    rows = failed(Stored().rows("classifier=knn,svm", "clusterer=kmeans", "k=4"), "clustering")
    assert all(row.status == "failed" for row in rows)
    ranked = {board.head: leaderboard_specs.results(board, rows) for board in leaderboard_specs.specs(rows)}
    assert {head: len(results) for head, results in ranked.items()} == {"classification": 2, "retrieval": 1}
    assert "svm" in printed(rows) and "Representations, ranked by retrieval" in printed(rows)


def test_a_result_is_not_ranked_whose_own_chain_failed():
    rows = failed(Stored().rows("classifier=knn", "clusterer=kmeans", "k=4"), "classification")
    assert {board.head for board in leaderboard_specs.specs(rows)} == {"clustering", "retrieval"}
    assert leaderboard_specs.specs(failed(rows, "features")) == []


def test_of_runs_with_one_result_a_finished_one_represents_it():
    rows = Stored().rows("classifier=knn", "clusterer=kmeans", "k=3,4", "retrieval=none")
    for fine in rows:
        broken = [row if row is fine else failed([row], "clustering")[0] for row in rows]
        (result,) = tables.distinct(broken, "classification")
        assert result is fine


def test_seeds_of_one_configuration_stand_together_and_fits_without_chance_stand_once():
    rows = Stored().rows("clusterer=kmeans,agglomerative", "k=3,4", "seed=2,0,1", *CLUSTERED)
    found = configurations.configurations(rows, "clustering")
    seeds = {
        (one.rows[0].params["clusterer.name"], one.rows[0].params["k"]): [row.params.get("seed") for row in one.rows]
        for one in found
    }
    assert seeds == {
        ("kmeans", 3): [0, 1, 2],
        ("kmeans", 4): [0, 1, 2],
        ("agglomerative", 3): [None],
        ("agglomerative", 4): [None],
    }


def test_seeds_anywhere_before_the_head_are_seeds_of_the_fit():
    axes = ("backbone=autoencoder", "backbone.seed=0,1", "chain=umap10", "chain.steps.s1.seed=3,4")
    rows = Stored().rows(*axes, "clusterer=agglomerative", "k=3", *CLUSTERED)
    (one,) = configurations.configurations(rows, "clustering")
    assert [configurations.seeds(row, "clustering") for row in one.rows] == [(0, 3), (0, 4), (1, 3), (1, 4)]


def test_the_seed_of_the_split_makes_other_images():
    rows = Stored().rows("dataset.seed=0,1", "clusterer=agglomerative", "k=3", *CLUSTERED)
    assert len(configurations.configurations(rows, "clustering")) == 2
    one, other = rows
    assert configurations.key(one, "clustering") != configurations.key(other, "clustering")


def test_runs_that_repeat_a_result_are_no_further_samples():
    rows = Stored().rows("clusterer=agglomerative", "k=3", "classifier=knn,lda,nearest_centroid", "retrieval=none")
    assert len(rows) == 3
    (one,) = configurations.configurations(rows, "clustering")
    assert len(one.rows) == 1


# Printed


def good(stage, truth):
    """Nearest centroid is the worst by far; the other two differ in a few images."""
    name = stage.config["classifier"]["name"]
    if name == "nearest_centroid":
        return mixed(truth, 0.3, 5)
    found = mixed(truth, 0.8, 0)
    return np.where(np.arange(N) % 97 == 5, truth, found) if name == "lda" else found


THREE = ("classifier=knn,lda,nearest_centroid", *CLASSIFIED)


def test_rows_that_cannot_be_told_apart_share_a_rank_and_a_line_says_so():
    text = printed(Stored(predictions=good).rows(*THREE))
    assert [line.split()[0] for line in text.splitlines() if "pixels" in line] == ["1=", "1=", "3"]
    assert "Classifiers, ranked by accuracy on validation: 3 of 3" in text
    assert "95 % intervals over the 300 validation images; the first 2 rows are tied." in text
    assert len(re.findall(r"0\.\d{4} \[0\.\d{3}, 0\.\d{3}\]", text)) == 3


def test_a_narrow_terminal_keeps_the_metric_and_gives_up_the_interval(monkeypatch):
    rows = Stored(predictions=good).rows(*THREE)
    for columns, there in ((100, True), (70, False)):
        lines = printed(rows, columns=columns, monkeypatch=monkeypatch).splitlines()
        table = [line.rstrip() for line in lines if "pixels" in line]
        assert all(len(line) <= columns for line in table)
        assert ("intervals do not fit here" in " ".join(lines)) != there
        assert all(("[" in line) == there for line in table) and all(re.search(r"0\.\d{4}", line) for line in table)


def test_a_terminal_that_is_too_narrow_keeps_ranks_and_values(monkeypatch):
    text = printed(Stored(predictions=good).rows(*THREE), columns=50, monkeypatch=monkeypatch)
    lines = [line.split() for line in text.splitlines() if re.match(r" *\d=? ", line)]
    assert [words[0] for words in lines] == ["1=", "1=", "3"]
    assert all(re.fullmatch(r"0\.\d{4}", words[-2]) for words in lines)


def test_numbers_of_seeds_and_stability_are_shown_where_there_are_several():
    rows = Stored().rows("clusterer=kmeans,agglomerative", "k=4", "seed=0,1,2", *CLUSTERED)
    text = printed(rows)
    head = next(line for line in text.splitlines() if "stability" in line)
    assert head.split()[-3:] == ["seeds", "stability", "run"]
    counts = {line.split()[3]: line.split()[-3:-1] for line in text.splitlines() if "pixels" in line and " 4 " in line}
    assert counts == {"kmeans": ["3", "1.0000"], "agglomerative": ["1", "-"]}
    assert "stability" not in printed([row for row in rows if "seed" not in row.params])


def test_it_prints_without_arrays_and_says_that_they_are_gone():
    text = printed(Stored(arrays=False).rows(*THREE))
    assert "[" not in text and "The arrays of 3 results are missing" in text


def test_it_says_where_internal_metrics_mislead():
    def labels(stage, truth):
        return mixed(truth, 0.2 + 0.1 * stage.config["k"], 3)

    def widths(stage, truth):
        return np.full(len(truth), 1 / stage.config["k"])

    rows = Stored(labels=labels, widths=widths).rows("clusterer=kmeans", "k=2,3,4,5,6", *CLUSTERED)
    text = printed(rows)
    outer = catalogue.metric(catalogue.main("clustering")).title
    assert re.search(
        rf"Do not choose by silhouette here: on raw pixels it would take kmeans k=2 \({outer} 0\.\d\d\) instead of "
        rf"kmeans k=6 \(0\.\d\d\); choose by {outer}, and where there are no classes with selection=judges\.",
        text,
    )


def test_programs_read_ranks_and_intervals(capsys):
    Stored(predictions=good).rows(*THREE)
    cli.main(["leaderboard", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["rank"] for row in rows] == ["1", "1", "3"] and [row["tied"] for row in rows] == ["2", "2", "1"]
    assert {(row["over"], row["seeds"], row["ranked_by"]) for row in rows} == {("images", "1", "val_accuracy")}
    for row in rows:
        assert float(row["low"]) < float(row["val_accuracy"]) < float(row["high"])
        assert float(row["accuracy_low"]) < float(row["accuracy"]) < float(row["accuracy_high"])
    cli.main(["leaderboard", "--format", "json", "--limit", "1"])
    (best,) = json.loads(capsys.readouterr().out)
    assert best["classifier.name"] == rows[0]["classifier.name"] and best["low"] == float(rows[0]["low"])


def blurred(stage, truth):
    """Probabilities that are the less sure the later the name of the classifier."""
    share = {"knn": 0.9, "lda": 0.6, "logistic_regression": 0.3}.get(stage.config["classifier"]["name"])
    if share is None:
        return None
    return (share * np.eye(4)[truth] + (1 - share) / 4).astype(np.float32)


def test_a_metric_ranks_on_request_the_lower_value_first_where_that_is_better(capsys):
    """The svm has no probabilities, and so no place."""
    Stored(probabilities=blurred).rows("classifier=logistic_regression,svm,lda,knn", *CLASSIFIED)
    assert cli.main(["leaderboard", "--metric", "log_loss", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["classifier.name"] for row in rows] == ["knn", "lda", "logistic_regression"]
    assert [row["rank"] for row in rows] == ["1", "2", "3"] and {row["ranked_by"] for row in rows} == {"log_loss"}
    assert cli.main(["leaderboard", "--metric", "macro_f1"]) == 0
    out = capsys.readouterr().out
    assert "Classifiers, ranked by macro F1 on test: 4 of 4" in out and "these figures flatter whatever" in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nll", "Did you mean 'log_loss'?"),
        ("mAP", "is 'map_full', which no run has; retrieval.full=true gives it."),
        ("clusters", "which cannot rank results"),
    ],
)
def test_a_metric_that_ranks_nothing_is_refused(name, text, capsys):
    Stored(probabilities=blurred).rows("classifier=knn", "clusterer=kmeans", "k=4", "retrieval=none")
    assert cli.main(["leaderboard", "--metric", name]) != 0
    assert text in capsys.readouterr().err


def test_an_internal_metric_ranks_each_space_and_a_depth_the_searches_that_reach_it(capsys):
    Stored().rows("chain=none,pca50", "clusterer=kmeans", "k=4", "classifier=none")
    assert cli.main(["leaderboard", "--metric", "davies_bouldin"]) == 0
    assert capsys.readouterr().out.count("ranked by Davies-Bouldin index: 1 of 1") == 2
    assert cli.main(["leaderboard", "--metric", "recall_at_5"]) == 0
    assert "ranked by recall at 5: 2 of 2" in capsys.readouterr().out


def test_an_option_that_is_absent_at_its_default_has_a_column_where_it_was_swept():
    rows = Stored().rows("retrieval.junk=none,duplicates", "clusterer=none", "classifier=none")
    (spec,) = leaderboard_specs.specs(rows)
    assert leaderboard_specs.varying(spec, rows) == ["retrieval.junk"]
    assert leaderboard_specs.varying(spec, rows[:1]) == []


def test_results_of_other_images_are_not_ranked_together():
    rows = Stored().rows("dataset.seed=0,1", "classifier=knn", *CLASSIFIED)
    text = printed(rows)
    assert text.count("1 of 1") == 2 and text.count("fashion_mnist, 1,200 images") == 2


def test_the_store_is_found_where_none_is_given():
    rows = Stored().rows("classifier=knn", *CLASSIFIED)
    assert Store(paths.store()).read("classification", rows[0].run.stages["classification"])
    assert "[" in printed(rows)
