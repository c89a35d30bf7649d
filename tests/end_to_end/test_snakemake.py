"""Plain Snakemake does the work of `backbench sweep`."""

from pathlib import Path

import pytest
from workbench import FITS, GRID, RUNS, Bench, Finished, copy_checkout, end_all, statuses, tracked

EXPERIMENT = """\
# @package _global_
# As the grid of the other tests.
defaults:
  - override /dataset: fashion_mnist
  - override /backbone: pixels
plots: none
dataset:
  sample: 300
sweep:
  clusterer: kmeans,agglomerative,dbscan
  k: 2,3
  classifier: knn,svm
"""


@pytest.fixture(scope="module")
def plain(images: Path, tmp_path_factory: pytest.TempPathFactory):
    """A fresh checkout with an experiment of its own, run once by plain Snakemake."""
    checkout = copy_checkout(tmp_path_factory.mktemp("plain") / "checkout")
    (checkout / "conf" / "experiment" / "tiny.yaml").write_text(EXPERIMENT)
    bench = Bench(checkout, checkout / "results")
    bench.snakemake("--cores", "2", "--config", "experiment=tiny", check=0)
    yield bench
    end_all(bench.results)


def test_plain_snakemake_makes_what_the_launcher_makes(plain: Bench, finished: Finished):
    """The same runs, the same results to the last bit, in another folder and by another way in."""
    now, then = tracked(plain.database), tracked(finished.bench.database)
    assert {key: run.results for key, run in now.items()} == {key: run.results for key, run in then.items()}
    assert len(now) == RUNS
    assert statuses(plain.database) == {"FINISHED"}
    assert plain.arrays() == finished.bench.arrays()


def test_then_there_is_nothing_to_do(plain: Bench):
    members, runs = plain.members(), tracked(plain.database)
    done = plain.snakemake("-n", "--cores", "2", "--config", "experiment=tiny", check=0)
    assert "Nothing to be done" in done.stdout + done.stderr
    plain.snakemake("--cores", "2", "--config", "experiment=tiny", check=0)
    assert plain.members() == members
    assert tracked(plain.database) == runs


def test_the_launcher_finds_the_work_of_plain_snakemake(plain: Bench):
    members, runs, starts = plain.members(), tracked(plain.database), plain.log_of_snakemake()
    plain.run("sweep", "experiment=tiny", check=0)
    assert plain.members() == members
    assert plain.log_of_snakemake() == starts
    assert tracked(plain.database) == runs


def test_jobs_read_the_plan_and_do_not_make_it(plain: Bench):
    """A Snakefile that is read for a job takes the plan that was made before; the configuration may be gone by then."""
    [plan] = (plain.results / "plans").glob("*.json")
    code = (
        "from backbench import launching\n"
        "plan = launching.for_snakemake({}, main=False)[0]\n"
        "print(plan.hash, len(plan.runs))\n"
    )
    variables = {"BACKBENCH_PLAN": str(plan), "BACKBENCH_CONF": str(plain.results / "nowhere")}
    words = Bench(plain.checkout, plain.results, variables).python(code, check=0).stdout.split()
    assert words == [plan.stem, str(RUNS)]
    del variables["BACKBENCH_PLAN"]
    assert Bench(plain.checkout, plain.results, variables).python(code).returncode != 0


def test_a_dry_run_of_the_launcher_lists_the_jobs_and_makes_nothing(empty: Bench):
    done = empty.run("sweep", *GRID, "--", "-n", check=0)
    text = done.stdout + done.stderr
    assert "dry-run" in text
    for rule in ("fetch_dataset", "extract_features", "join_runs", "track_runs"):
        assert rule in text
    assert f"{RUNS} runs from {FITS} distinct fits" in text
    assert not [*empty.store.rglob("*")]
    assert not empty.database.exists()
    assert not [*empty.results.glob("receipts/*/*.json")]


def test_a_dry_run_of_a_finished_sweep_has_nothing_to_do(bench: Bench):
    members, stamp = bench.members(), bench.database.stat().st_mtime_ns
    done = bench.run("sweep", *GRID, "--", "--dry-run", check=0)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert bench.members() == members
    assert bench.database.stat().st_mtime_ns == stamp
