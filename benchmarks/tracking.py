"""What `track` costs per run beside MLflow's own floor: one create, one log_batch, one terminate in a plain loop.

Run with ``python benchmarks/tracking.py [runs]``. All write the same parameters, metrics and tags into SQLite files of
their own, in turns within one process, so that a busy machine slows them alike; the median turn counts. The floor is
given twice: on a database as MLflow makes it, and on one tuned as `track` tunes it (write-ahead log, commits that don't
wait for the disk), which tells what `track` itself adds.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backbench import hashing, tracking
from backbench.tracking import databases, rows

TURNS = 5
SWEEP = hashing.digest("benchmark")


def make_row(index: int) -> tracking.RunRow:
    """A run with about as much to say as a real one."""
    config = {f"stage{stage}": {f"option{option}": option / 8 for option in range(12)} for stage in range(6)}
    config["clustering"] = {"k": index}
    return tracking.RunRow(
        config_hash=hashing.digest(config),
        name=f"efficientnet_lite0 pca50 kmeans k={index} knn",
        status="done",
        params={f"stage.option{option}": option for option in range(20)},
        metrics={f"metric_{number}": number + index / 1000 for number in range(14)},
        tags={f"recorded.{number}": hashing.digest(number) for number in range(12)},
        config=config,
        start_ms=1_700_000_000_000 + index,
        end_ms=1_700_000_001_000 + index,
    )


def floor(uri: str, folder: Path, run_rows: Sequence[tracking.RunRow]) -> None:
    """Log rows with MLflow alone, as its documentation does it."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = client.get_experiment_by_name("benchmark")
    place = (folder / "mlartifacts").as_uri()
    experiment = found.experiment_id if found else client.create_experiment("benchmark", artifact_location=place)
    for row in run_rows:
        entry = rows.row_entry(row)
        run = client.create_run(experiment, start_time=entry.start_ms, run_name=entry.name)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, entry.end_ms, 0) for name, value in entry.metrics.items()],
            params=[Param(name, value) for name, value in entry.params.items()],
            tags=[RunTag(name, value) for name, value in {**entry.tags, "config_hash": entry.value}.items()],
        )
        client.set_terminated(run.info.run_id, end_time=entry.end_ms)


def tuned(uri: str, folder: Path, run_rows: Sequence[tracking.RunRow]) -> None:
    """The floor on a database that `track` has set up."""
    with databases.light_commits():
        floor(uri, folder, run_rows)


def backbench(uri: str, folder: Path, run_rows: Sequence[tracking.RunRow]) -> None:
    """Log rows as a sweep does."""
    tracking.track(run_rows, "benchmark", uri, SWEEP, folder / "mlartifacts")


def timed(action: Callable[..., None], folder: Path, run_rows: Sequence[tracking.RunRow]) -> float:
    """Milliseconds per run."""
    started = time.perf_counter()
    action(f"sqlite:///{folder / 'mlflow.db'}", folder, run_rows)
    return (time.perf_counter() - started) / len(run_rows) * 1e3


def import_seconds() -> float:
    """Seconds that a process spends before it can log its first run."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from mlflow import MlflowClient"], check=True)
    return time.perf_counter() - started


def main(runs: int) -> None:
    share = runs // TURNS
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder, action in (("plain", floor), ("tuned", backbench), ("ours", backbench)):
            (root / folder).mkdir()
            timed(action, root / folder, [make_row(0)])
        spent: dict[str, list[float]] = {"plain": [], "tuned": [], "track": [], "again": []}
        for turn in range(TURNS):
            batch = [make_row(1 + turn * share + index) for index in range(share)]
            spent["plain"].append(timed(floor, root / "plain", batch))
            spent["tuned"].append(timed(tuned, root / "tuned", batch))
            spent["track"].append(timed(backbench, root / "ours", batch))
            spent["again"].append(timed(backbench, root / "ours", batch))
    report({name: statistics.median(values) for name, values in spent.items()}, runs)


def report(median: dict[str, float], runs: int) -> None:
    print(f"{runs} runs in {TURNS} turns, SQLite, median turn")
    print("| what | ms per run |")
    print("| --- | --- |")
    print(f"| MLflow's floor: create_run, log_batch, set_terminated | {median['plain']:.1f} |")
    print(f"| the floor on a tuned database | {median['tuned']:.1f} |")
    print(f"| track: the same, exactly once | {median['track']:.1f} |")
    print(f"| beyond the floor on a tuned database | {median['track'] - median['tuned']:+.1f} |")
    print(f"| beyond the floor | {median['track'] - median['plain']:+.1f} |")
    print(f"| track again, nothing changed | {median['again']:.2f} |")
    seconds = statistics.median(import_seconds() for _ in range(3))
    print(f"One process per run would pay {seconds:.1f} s each, for importing mlflow.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
