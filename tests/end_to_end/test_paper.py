"""A paper as one command: table, page, files and MLflow; again it writes nothing; killed, it goes on."""

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from workbench import Bench, content, kill, processes, statuses, tracked, wait_until

from backbench import papers

NAME = "fashion_mnist_autoencoder"
SMALL = ("dataset.sample=300", "backbone.widths=[32,10]", "backbone.epochs=3", "clusterer.covariance_type=diag")
WORDS = ("paper", NAME, *SMALL, "seed=0,1", "plots=none", "--cores", "2")
FILES = ("index.html", "paper.csv", "paper.json", "paper.md", "pictures/published.png", "export/final_report.json")


def folder(bench: Bench) -> Path:
    (only,) = (bench.results / "papers" / NAME).iterdir()
    return only


def figure(clusterer: str, backbone: str = "pixels") -> str:
    """The first figure of a clusterer on the codes of a backbone."""
    wanted = {"clusterer.name": clusterer, "backbone.name": backbone}
    return next(entry.name for entry in papers.load(NAME).figures if wanted.items() <= entry.where.items())


def stamps(place: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def summary(database: Path) -> dict[str, float]:
    """The metrics of the summary run that are of a paper, each with the number of times that it was logged."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        latest = connection.execute(
            "SELECT key, value, (SELECT count(*) FROM metrics AS all_ WHERE all_.run_uuid = latest.run_uuid "
            "AND all_.key = latest.key) FROM latest_metrics AS latest WHERE key LIKE 'paper/%'"
        ).fetchall()
    connection.close()
    assert {count for _, _, count in latest} <= {1}
    return {key: value for key, value, _ in latest}


@pytest.mark.timeout(600)
def test_a_paper_from_nothing_and_again(empty: Bench):
    """Killed while it computes, it goes on; finished, it is quick and changes nothing."""
    process = empty.start(*WORDS)
    begun = wait_until(lambda: len(empty.members()) >= 6 or process.poll() is not None, seconds=240)
    assert begun and process.poll() is None, "it had ended before it was killed"
    kill(process, empty.results)
    assert wait_until(lambda: not processes(empty.results), seconds=20)
    before = empty.finished_members()
    done = empty.run(*WORDS, check=0)
    after = empty.members()
    assert {name: after[name] for name in before} == before, "what was there is not computed again"

    place = folder(empty)
    assert all((place / name).is_file() for name in FILES)
    table = json.loads((place / "paper.json").read_text())
    assert table["finished"] and table["runs"] == len(tracked(empty.database)) >= 8
    assert {entry["key"] for entry in table["stand_ins"]} >= {"dataset.sample", "backbone.widths", "backbone.epochs"}
    assert 0 < table["circumstances"]["launch"]["computed"] < table["circumstances"]["launch"]["stages"]
    for words in ("k-means on pixels", "k-means on codes", "backbone.epochs 3 in place of 200"):
        assert words in done.stdout
    assert "announced: about" in done.stderr
    purity = {run.tags["config_hash"]: run.metrics["purity"] for run in tracked(empty.database).values()}
    first = table["lines"][0]
    assert first["ours"] == pytest.approx(sum(purity[run] for run in first["runs"]) / 2)

    metrics = summary(empty.database)
    assert metrics["paper/k-means on pixels"] == pytest.approx(first["ours"])
    assert metrics["paper/k-means on pixels published"] == 0.5534
    assert metrics["paper/k-means on pixels difference"] == pytest.approx(first["ours"] - 0.5534)
    assert statuses(empty.database) == {"FINISHED"}
    attached = {path.name for path in (empty.results / "mlartifacts").glob("*/artifacts/paper/*")}
    assert attached == {"index.html", "paper.csv", "paper.md", "published.png"}

    files, rows, starts = stamps(place), content(empty.database), empty.log_of_snakemake()
    again = empty.run(*WORDS, check=0)
    assert again.stdout == done.stdout and "nothing had to be computed" in again.stderr
    assert (stamps(place), content(empty.database), empty.log_of_snakemake()) == (files, rows, starts)
    assert empty.members() == after

    empty.run("track", check=0)
    assert summary(empty.database) == metrics and content(empty.database) == rows
    csv_ = empty.run(*WORDS, "--format", "csv", "--to", str(empty.results / "copy"), check=0).stdout
    assert csv_ == (empty.results / "copy" / "paper.csv").read_text() == (place / "paper.csv").read_text()
    assert [entry["figure"] for entry in csv.DictReader(csv_.splitlines())] == [
        entry["name"] for entry in table["lines"]
    ]


def test_a_figure_whose_fit_fails_is_said_and_ends_with_1(empty: Bench):
    """Pixels that never change have no variance; what does not need them is there."""
    grid = ("dataset.sample=300", "backbone=pixels", "seed=0", "plots=none")
    done = empty.run(
        "paper", NAME, *grid, "clusterer.covariance_type=diag", "clusterer.reg_covar=0", "--format", "json"
    )
    assert done.returncode == 1, done.stderr
    table = json.loads(done.stdout)
    kmeans, codes, mixture = (figure("kmeans"), figure("kmeans", "autoencoder"), figure("gaussian_mixture"))
    lines = {line["name"]: line for line in table["lines"]}
    assert (table["runs"], table["failed"]) == (2, 1)
    assert lines[kmeans]["ours"] > 0.3 and lines[mixture]["ours"] is None
    assert lines[mixture]["why"][0].startswith("Failed: ")
    assert lines[codes]["why"][0].startswith("Not in this sweep")
    assert json.loads((folder(empty) / "paper.json").read_text()) == table


def test_an_input_that_is_missing_leaves_nothing_behind(empty: Bench):
    done = empty.run("paper", "unlabelled_resnet50", check=2)
    assert "unlabelled_resnet50 needs dataset.root: a folder" in done.stderr
    assert not (empty.results / "papers").exists() and not list(empty.results.glob("plans/*"))
