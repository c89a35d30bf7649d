"""What a run costs beyond its mathematics and beyond MLflow, in a sweep of 1,000 runs; and to launch it again.

Run with ``python benchmarks/sweep_overhead.py [cores]``. A real ``backbench sweep`` works in a temporary folder (it
takes a few minutes). Stated beside its wall time:

- the mathematics: the seconds that every stage result has in its own record, along the longest chain of jobs;
- MLflow's floor: one create_run, one log_batch and one set_terminated for each of the same runs in a plain loop, once
  on a database as MLflow makes it and once on one set up as a sweep sets it up (see ``tracking.py``);
- the start: a sweep of two runs elsewhere, less its mathematics; it is paid once, however many runs there are;
- one process per run: imports of scikit-learn and mlflow and the logging of one run, times the runs.

The second launch must write nothing: the rows of every table of ``mlflow.db`` and the file times are compared.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import tracking as floor

from backbench import paths
from backbench.store import Store
from backbench.sweep import ledger
from backbench.tracking import sweeps

COMMON = ["experiment=none", "backbone=pixels", "dataset.sample=500", "clusterer=kmeans", "classifier=knn"]
LARGE = [*COMMON, "k=range(2,22)", "seed=range(0,10)", "classifier.n_neighbors=1,3,5,7,9"]
SMALL = [*COMMON, "k=2,3"]
ALONE = """
import sys, tempfile
from sklearn import cluster, neighbors, metrics
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
run = client.create_run(client.get_experiment_by_name("benchmark").experiment_id)
client.log_batch(run.info.run_id, metrics=[Metric("m%d" % i, i, 0, 0) for i in range(20)],
                 params=[Param("p%d" % i, str(i)) for i in range(20)])
client.set_terminated(run.info.run_id)
"""


def launch(folder: Path, overrides: list[str], cores: str) -> tuple[float, str]:
    """Seconds of one ``backbench sweep`` with its results in `folder`, and what it said."""
    environment = {**os.environ, "BACKBENCH_RESULTS": str(folder), "BACKBENCH_STORE": str(folder / "store")}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    command = [Path(sys.executable).with_name("backbench"), "sweep", "--cores", cores, *overrides]
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"the sweep failed:\n{done.stderr}")
    return seconds, done.stderr


def rows_of(folder: Path) -> list[ledger.Row]:
    """The runs of the one sweep in `folder`."""
    os.environ["BACKBENCH_RESULTS"] = str(folder)
    os.environ.pop("BACKBENCH_STORE", None)
    return ledger.all_rows(Store(paths.store()))


def mathematics(rows: list[ledger.Row]) -> tuple[float, float]:
    """Recorded seconds of all stage results: their sum, and that along the longest chain of jobs."""
    plan, records = rows[0].plan, rows[0].records
    own = {
        shard.id: sum(records[member]["provenance"]["seconds"] for member in shard.members if member in records)
        for shard in plan.shards.values()
    }
    until: dict[str, float] = {}

    def ends(shard) -> float:
        if shard.id not in until:
            until[shard.id] = own[shard.id] + max((ends(parent) for parent in plan.parents(shard)), default=0.0)
        return until[shard.id]

    return sum(own.values()), max(ends(shard) for shard in plan.shards.values())


def floors(rows: list[ledger.Row], folder: Path) -> tuple[float, float]:
    """Milliseconds per run of MLflow alone for the very runs of the sweep: plain, and on a tuned database."""
    told, found = sweeps.run_rows(rows), []
    for name, prepare, action in (("plain", floor.floor, floor.floor), ("tuned", floor.backbench, floor.tuned)):
        place = folder / name
        place.mkdir()
        floor.timed(prepare, place, told[:1])
        found.append(floor.timed(action, place, told[1:]))
    return found[0], found[1]


def one_process(folder: Path) -> float:
    """Seconds of a process that imports what a run needs and logs one run into a database that is there."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", ALONE, f"sqlite:///{folder / 'plain' / 'mlflow.db'}"], check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def state(folder: Path) -> dict[str, object]:
    """Rows of every table of the database; size and time of every file of the results but the plan and the locks."""
    with sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        found: dict[str, object] = {
            name: database.execute(f'select count(*) from "{name}"').fetchone() for name in tables
        }
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "plans" and not path.name.startswith(".lock"):
            found[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def main(cores: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        small, large = root / "small", root / "large"
        start, _ = launch(small, SMALL, cores)
        start -= mathematics(rows_of(small))[1]
        wall, said = launch(large, LARGE, cores)
        rows = rows_of(large)
        before = state(large)
        again, repeated = launch(large, LARGE, cores)
        after = state(large)
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        plain, tuned = floors(rows, root)
        report(len(rows), cores, wall, mathematics(rows), start, (plain, tuned), one_process(root))
    report_again(again, changed, repeated)
    if "failed" in said.splitlines()[-4]:
        print("some runs failed")


def report(
    runs: int,
    cores: str,
    wall: float,
    work: tuple[float, float],
    start: float,
    floor_ms: tuple[float, float],
    alone: float,
) -> None:
    spent = {name: wall - work[1] - runs * ms / 1e3 for name, ms in zip(("plain", "tuned"), floor_ms, strict=True)}
    print(f"A sweep of {runs:,} runs, --cores {cores}\n")
    print("| what | seconds | ms per run |")
    print("| --- | ---: | ---: |")
    line("whole sweep, from the command to the leaderboard", wall, runs)
    line("mathematics, sum over all stages", work[0], runs)
    line("mathematics on the longest chain of jobs", work[1], runs)
    line("MLflow's floor for as many runs, its own database", runs * floor_ms[0] / 1e3, runs)
    line("MLflow's floor, database tuned as a sweep does", runs * floor_ms[1] / 1e3, runs)
    line("**beyond mathematics and MLflow's floor**", spent["plain"], runs)
    line("beyond mathematics and the tuned floor", spent["tuned"], runs)
    line("of it the start, once per sweep (a sweep of two runs less its mathematics)", start, runs)
    line("beyond mathematics, the tuned floor and the start", spent["tuned"] - start, runs)
    line("one process per run, extrapolated from one", alone * runs, runs)
    print(f"\nOne process that imports scikit-learn and mlflow and logs one run took {alone:.1f} s (median of 3);")
    print(f"{runs:,} of them were not run.")


def line(what: str, seconds: float, runs: int) -> None:
    print(f"| {what} | {seconds:,.1f} | {seconds / runs * 1e3:,.1f} |")


def report_again(seconds: float, changed: list[str], said: str) -> None:
    print(f"\nLaunched again: {seconds:.1f} s.")
    if changed:
        print(f"Written by it: {len(changed)} things: {', '.join(Path(key).name for key in sorted(changed)[:8])}")
    else:
        print("Written by it: nothing; rows of every table and size and time of every file are the same.")
    print("It said: " + "; ".join(text for text in said.splitlines() if text.startswith(("MLflow", "shards"))))
    names = ("snakemake", "mlflow", "hydra-core", "scikit-learn", "numpy")
    print(f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in names))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
