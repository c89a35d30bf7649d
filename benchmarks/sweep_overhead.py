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

import _figures
import tracking as floor
from _figures import Figure

from backbench import hashing, paths
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.store import Store
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


def rows_of(folder: Path) -> list[Row]:
    """The runs of the one sweep in `folder`."""
    os.environ["BACKBENCH_RESULTS"] = str(folder)
    os.environ.pop("BACKBENCH_STORE", None)
    return ledger.all_rows(Store(paths.store()))


def mathematics(rows: list[Row]) -> tuple[float, float]:
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


def floors(rows: list[Row], folder: Path) -> tuple[float, float]:
    """Milliseconds per run of MLflow alone for the very runs of the sweep, plain and tuned: in turns, median turn."""
    told = sweeps.run_rows(rows)
    ways = {"plain": (floor.floor, floor.floor), "tuned": (floor.backbench, floor.tuned)}
    for name, (prepare, _) in ways.items():
        (folder / name).mkdir()
        floor.timed(prepare, folder / name, told[:1])
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for batch in (told[1 + turn :: floor.TURNS] for turn in range(floor.TURNS)):
        for name, (_, act) in ways.items():
            spent[name].append(floor.timed(act, folder / name, batch))
    return statistics.median(spent["plain"]), statistics.median(spent["tuned"])


def one_process(folder: Path) -> float:
    """Seconds of a process that imports what a run needs and logs one run into a database that is there."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", ALONE, f"sqlite:///{folder / 'plain' / 'mlflow.db'}"], check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def database(folder: Path) -> dict[str, object]:
    """Rows of every table of MLflow's database, and size and time of its files."""
    with sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        found: dict[str, object] = {}
        for name in tables:
            (found[name],) = connection.execute(f'select count(*) from "{name}"').fetchone()
    found["mlflow.db"] = (folder / "mlflow.db").stat().st_size, (folder / "mlflow.db").stat().st_mtime_ns
    return found


def results(folder: Path) -> dict[str, tuple[int, str]]:
    """Time and content of every file of the results; MLflow's database and the locks are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".lock", "mlflow.db")))
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashing.file_digest(path)) for path in files}


def main(cores: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        small, large = root / "small", root / "large"
        start, _ = launch(small, SMALL, cores)
        start -= mathematics(rows_of(small))[1]
        wall, said = launch(large, LARGE, cores)
        rows = rows_of(large)
        before = database(large), results(large)
        again, _ = launch(large, LARGE, cores)
        after = database(large), results(large)
        plain, tuned = floors(rows, root)
        alone = one_process(root)
        report(len(rows), cores, wall, mathematics(rows), start, (plain, tuned), alone)
    print("Its last words: " + next(text for text in said.splitlines() if text.startswith(f"{len(rows)} runs:")))
    report_again(again, before, after)
    beyond = [1e3 * (wall - mathematics(rows)[1]) / len(rows) - milliseconds for milliseconds in (plain, tuned)]
    print("\n".join(_figures.lines(figures(len(rows), wall, beyond, again, alone))))


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
    print(f"A sweep of {runs:,} runs, --cores {cores}; load of the machine over 15 minutes {os.getloadavg()[2]:.1f}\n")
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


def figures(runs: int, wall: float, beyond: list[float], again: float, alone: float) -> list[Figure]:
    """What the README shows; `beyond` are milliseconds per run over MLflow's floors, plain and tuned."""
    over = f"{beyond[0]:.0f} ms over the floor of a database as MLflow makes it, {beyond[1]:.0f} ms over a tuned one's"
    return [
        Figure(
            f"launching a finished sweep of {runs:,} runs again", "6 s", f"{again:.1f} s: no job, no write to MLflow"
        ),
        Figure(f"a run beyond its mathematics and MLflow's floor, in a sweep of {runs:,}", "10 ms", over),
        Figure(
            "the same sweep with a process for each run", "", f"{alone * runs / wall:.0f} times as long, extrapolated"
        ),
    ]


def line(what: str, seconds: float, runs: int) -> None:
    print(f"| {what} | {seconds:,.1f} | {seconds / runs * 1e3:,.1f} |")


def report_again(seconds: float, before: tuple[dict, dict], after: tuple[dict, dict]) -> None:
    print(f"\nLaunched again: {seconds:.1f} s.")
    rows = {key: value for key, value in after[0].items() if key != "mlflow.db"}
    same = "unchanged" if before[0] == after[0] else "CHANGED"
    counts = ", ".join(f"{rows[name]:,} {name}" for name in ("runs", "metrics", "params", "tags"))
    print(f"MLflow's database: {same} in the rows of its {len(rows)} tables ({counts}), in size and in time.")
    old, new = before[1], after[1]
    other = sorted(key for key in old.keys() | new.keys() if old.get(key, (0, ""))[1] != new.get(key, (0, ""))[1])
    touched = sorted({Path(key).parts[0] for key in old.keys() & new.keys() if old[key][0] != new[key][0]})
    print(f"Files of the results with other content: {', '.join(other) or 'none'} (of {len(new):,}).")
    print(f"Folders with files of the same content and a new time: {', '.join(touched) or 'none'}.")
    names = ("snakemake", "mlflow", "hydra-core", "scikit-learn", "numpy")
    print(f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in names))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
