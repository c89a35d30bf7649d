"""``backbench select`` and the last lines of a sweep, from stored records."""

import csv
import functools
import io
import json
import os
import re

import pytest

from backbench import cli, paths, planning
from backbench.cli import select
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.evaluate import answer
from backbench.store import Store
from backbench.tracking import sweeps

SAMPLED = ("experiment=none", "dataset.sample=100", "retrieval=none", "selection=published")
WCSS = {2: 60.0, 3: 20.0, 4: 18.0, 5: 16.0, 6: 14.0}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    for name in ("BACKBENCH_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def made(*overrides, failing=(), without=(), labelled=True):
    """A saved plan whose clusterings are in the store; those of the k in `failing` failed, `without` are pending."""
    found = planned(*SAMPLED, *overrides)
    frozen.save(found)
    store = Store(paths.store())
    for key, stage in found.stages.items():
        k = stage.config.get("k")
        if stage.kind != "clustering" or (k in without):
            continue
        metrics = {
            "silhouette": 0.3,
            "davies_bouldin": 0.5,
            "calinski_harabasz": 9.0,
            "clusters": 7.0,
            "noise_fraction": 0.2,
        }
        if k:
            metrics = {"silhouette": 1 / k, "davies_bouldin": k / 10, "calinski_harabasz": 10.0 * k}
            metrics |= {"clusters": float(k), "noise_fraction": 0.0, "inertia": WCSS[k]}
        metrics |= {"ami": 0.1 * (k or 1)} if labelled else {}
        failed = k in failing
        body = {"status": "failed" if failed else "done", "reason": "did not converge" if failed else None}
        body |= {"config": dict(stage.config), "code": stage.code, "metrics": {} if failed else metrics, "notes": {}}
        body |= {"info": {"label_digest": "0" * 64}, "provenance": {"seconds": 0.5, "finished": 1e9, "versions": {}}}
        store.write(stage.kind, key, body, {})
    return found


def call(capsys, *words) -> tuple[int, str, str]:
    code = cli.main(["select", *words])
    found = capsys.readouterr()
    return code, found.out, found.err


KMEANS = ("clusterer=kmeans", "k=range(2,7)")


def test_the_table_shows_k_and_the_choice(capsys):
    made("clusterer=kmeans,dbscan", "k=range(2,7)")
    code, out, err = call(capsys)
    assert (code, err) == (0, "")
    assert re.search(r"clusterer +searched +elbow +silhouette +DB +CH", out)
    assert re.search(r"kmeans +k 2\.\.6 +3 +2 +2 +6\+", out)
    assert re.search(r"dbscan +finds k: 7 clusters, 20\.0 % noise +- +- +- +-", out)
    assert "chosen: dbscan   run " in out
    assert "reason: dbscan left 20 % as noise, at most 30 % allowed, so it is preferred" in out
    assert out.count("by published: dbscan first, else the best mean rank of silhouette up") == 1


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], "dbscan"),
        (["--policy", "silhouette"], "kmeans k=2"),
        (["--policy", "external"], "kmeans k=6"),
        (["--policy", "internal", "--metric", "calinski_harabasz"], "kmeans k=6"),
        (["--filter", "k<=4"], "kmeans k=2"),
    ],
)
def test_policies_metrics_and_filters(capsys, words, chosen):
    made("clusterer=kmeans,dbscan", "k=range(2,7)")
    (one,) = json.loads(call(capsys, "--format", "json", *words)[1])
    assert one["decision"]["chosen"]["name"] == chosen


def test_the_policy_is_that_of_the_newest_sweep(capsys):
    old, new = made(*KMEANS), made(*KMEANS, "selection=external")
    os.utime(old.path, (1, 1))
    (one,) = json.loads(call(capsys, "--format", "json")[1])
    assert old.sweep == new.sweep and one["policy"]["name"] == "external"


def test_json_says_why_and_csv_has_a_line_for_each_family(capsys):
    found = made("clusterer=kmeans,dbscan", "k=range(2,7)", "chain=none,pca50")
    both = json.loads(call(capsys, "--format", "json")[1])
    assert [one["title"] for one in both] == ["pixels", "pixels, pca50"]
    assert "kneedle" in both[0]["best_k"][1]["choices"]["elbow"]["note"]
    assert {one["decision"]["chosen"]["run"] for one in both} < set(found.runs)
    rows = list(csv.DictReader(io.StringIO(call(capsys, "--format", "csv")[1])))
    assert [(row["chain"], row["family"], row["k_elbow"], row["k_bic"]) for row in rows] == [
        ("none", "dbscan", "", ""),
        ("none", "kmeans", "3", ""),
        ("pca50", "dbscan", "", ""),
        ("pca50", "kmeans", "3", ""),
    ]
    assert {row["chosen"] for row in rows} == {"dbscan"}


def test_how_many_clusters_each_criterion_finds(capsys):
    made(*KMEANS)
    lines = call(capsys)[1].splitlines()
    assert any(line.startswith("how many clusters?") for line in lines)
    assert any(line.split()[:3] == ["elbow", "3", "(kmeans)"] for line in lines)
    assert any("no FINCH (clusterer=finch)" in line for line in lines)
    (space,) = json.loads(call(capsys, "--format", "json")[1])
    assert space["how_many"][0] == {"criterion": "elbow", "answers": [{"k": 3, "families": ["kmeans"]}], "note": ""}


def test_failed_and_pending_clusterings_do_not_break_it(capsys):
    made(*KMEANS, failing=(3,), without=(5, 6))
    code, out, _ = call(capsys)
    assert code == 0
    assert (
        "left out: 1 (failed: clustering: did not converge)" in out or "left out: 1 (failed: did not converge)" in out
    )
    assert "provisional: 2 clusterings pending" in out


def test_unlabelled_results_are_chosen_from_alike(capsys):
    made(*KMEANS, labelled=False)
    assert "chosen: kmeans k=2" in call(capsys)[1]
    assert "chosen: none; ami is undefined" in call(capsys, "--policy", "external")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "publishd"], "Did you mean 'published'"),
        (["--metric", "nmmi"], "Did you mean 'nmi'"),
        (["--filter", "kk=3"], "Did you mean 'k'"),
        (["--filter", "k=99"], "no recorded clustering"),
    ],
)
def test_what_is_refused(capsys, words, said):
    made(*KMEANS)
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and said in err


def test_without_results_it_says_what_makes_some(capsys):
    code, _, err = call(capsys)
    assert code == 2 and "backbench sweep" in err


def test_without_clusterings_there_is_nothing_to_say(capsys):
    made("clusterer=none")
    assert call(capsys)[0] == 2


@pytest.mark.parametrize(
    ("ks", "text"),
    [
        ((3,), "3"),
        ((2, 3), "2, 3"),
        ((2, 3, 4), "2..4"),
        ((2, 5, 10), "2, 5, 10"),
        (range(0, 40, 5), "0..35 (8 values)"),
    ],
)
def test_a_grid_in_few_words(ks, text):
    assert select.grid(list(ks)) == text


def answer_of(found):
    rows = ledger.rows(found, ledger.read_records(found, Store(paths.store())))
    return answer.SweepAnswer(found, rows, Store(paths.store()))


def test_the_summary_in_mlflow_names_the_choice():
    found = made(*KMEANS)
    summary = sweeps.summary(answer_of(found), "fashion_mnist", "")
    assert found.folder / answer.FILE in {file.path for file in summary.files}
    assert summary.tags["selection.policy"] == "published"
    assert summary.tags["use.clustering"].startswith("Use k-means with k = 6 on raw pixels: AMI 0.60; ")
    assert summary.tags["use.clustering.run"] in found.runs


def test_it_ends_with_the_answer_unless_another_policy_is_asked_for(capsys):
    made(*KMEANS)
    headline = "Use k-means with k = 6 on raw pixels: AMI 0.60; "
    assert headline in call(capsys)[1] and headline not in call(capsys, "--policy", "internal")[1]
