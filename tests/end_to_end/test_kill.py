"""Killed at any moment and started again, a sweep ends where an undisturbed one does, to the last bit."""

import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workbench import (
    GRID,
    RUNS,
    Bench,
    Finished,
    copy_checkout,
    copy_results,
    end_all,
    kill_alone,
    kill_group,
    processes,
    statuses,
    tracked,
    wait_until,
)

from backbench.engine.plan import frozen as plans
from backbench.stage import RECIPE
from backbench.store import Store

SEED = 20240521
LEAST_KILLS = 10
# A station that has passed already, as an earlier launch came that far: while planning, or as Snakemake starts.
PASSED_SECONDS = (0.2, 3.0)


def stored(results: Path) -> int:
    """Members in the store so far."""
    return len([*(results / "store").glob("*/??/*.json")])


def recorded(results: Path) -> int:
    """Runs in MLflow so far, whole or not."""
    try:
        connection = sqlite3.connect(f"file:{results / 'mlflow.db'}?mode=ro", uri=True)
        try:
            return connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error:
        return 0


def stations() -> dict[str, tuple[float, Callable[[Path], object]]]:
    """Stations in the life of a sweep, in their order: each launch is killed within so many seconds after the next."""
    members = {f"{n} members": (0.4, lambda results, n=n: stored(results) >= n) for n in (1, 2, 3, 4, 6, 9)}
    runs = {f"{n} runs in MLflow": (0.1, lambda results, n=n: recorded(results) >= n) for n in (1, 4, 8)}
    return {
        "started": (0.5, lambda results: True),
        "planned": (0.5, lambda results: any((results / "plans").glob("*.json"))),
        "Snakemake started": (1.5, lambda results: any((results / "logs").glob("snakemake-*.log"))),
        **members,
        "joined": (0.5, lambda results: any((results / "sweeps").glob("*/results.json"))),
        "tracking": (0.5, lambda results: (results / "mlflow.db.lock").exists()),
        "MLflow made": (0.1, lambda results: any(results.glob("*mlflow.db*[!k]"))),
        **runs,
    }


def kill_at(process: subprocess.Popen, condition: Callable[[], object], delay: float, how: Callable) -> bool:
    """Kill a launch `delay` seconds after a condition came true; whether it was still running."""
    wait_until(lambda: condition() or process.poll() is not None, seconds=120)
    end = time.monotonic() + delay
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    running = process.poll() is None
    how(process)
    return running


def launch_and_kill(bench: Bench, command: tuple[str, ...]) -> list[str]:
    """Kill one launch after another at every station; where they died."""
    dice, deaths = random.Random(SEED), []

    def cut(process: subprocess.Popen) -> None:
        end_all(bench.results)
        process.wait()

    for name, (most, reached) in stations().items():
        passed = reached(bench.results) and name != "started"
        delay = dice.uniform(*PASSED_SECONDS) if passed else dice.uniform(0.0, most)
        process = bench.start(*command)
        if kill_at(process, lambda passed=passed, reached=reached: passed or reached(bench.results), delay, cut):
            deaths.append(f"{name} ({'passed, ' if passed else ''}{delay:.1f} s)")
    return deaths


def whole(bench: Bench) -> None:
    """Every member in the store is readable and complete; temporary files are none."""
    store = Store(bench.store)
    for path in bench.store.glob("*/??/*.json"):
        record = store.read(path.parts[-3], member(path))
        assert record is not None, path
        for name in record["arrays"]:
            store.array(path.parts[-3], member(path), name)
    [plan] = [plans.load(path) for path in (bench.results / "plans").glob("*.json")]
    computed = {key for key, stage in plan.stages.items() if stage.kind != RECIPE}
    assert {path.name.partition(".")[0] for path in bench.store.glob("*/??/*.json")} == computed


def member(record: Path) -> str:
    """What a record is of, by its name: the digest of the code that made it stands behind that."""
    return record.stem.rpartition(".")[0] or record.stem


def equal(bench: Bench, finished: Finished) -> None:
    """What MLflow and the store hold is what an undisturbed sweep left in another folder."""
    now, then = tracked(bench.database), tracked(finished.bench.database)
    assert statuses(bench.database) == {"FINISHED"}
    assert len(now) == RUNS
    assert {key: run.results for key, run in now.items()} == {key: run.results for key, run in then.items()}
    assert all(run.results for run in now.values())
    arrays = bench.arrays()
    assert {name: arrays.get(name) for name in finished.bench.arrays()} == finished.bench.arrays()


@pytest.mark.timeout(600)
def test_a_sweep_killed_again_and_again_ends_like_an_undisturbed_one(empty: Bench, finished: Finished):
    """Every process dies at once, as at a power cut."""
    deaths = launch_and_kill(empty, ("sweep", *GRID))
    print(f"killed after: {', '.join(deaths)}")
    assert len(deaths) >= LEAST_KILLS, deaths
    empty.run("sweep", *GRID, check=0)
    equal(empty, finished)
    whole(empty)


def test_a_killed_launcher_leaves_jobs_that_do_no_harm(bench: Bench, finished: Finished):
    """Only the launcher dies; its Snakemake goes on, while the same command is given again."""
    forget_fits(bench)
    process = bench.start("sweep", *GRID)
    assert kill_at(process, lambda: locked(bench.results), 0.2, kill_alone)
    assert processes(bench.results), "nothing outlived the launcher"
    bench.run("sweep", *GRID, check=0)
    assert wait_until(lambda: not processes(bench.results)), "something still runs"
    equal(bench, finished)
    whole(bench)


def test_plain_snakemake_starts_again_after_a_kill(finished: Finished, tmp_path: Path):
    """Without unlocking by hand, although the killed one left Snakemake's own lock behind."""
    checkout = copy_checkout(tmp_path / "checkout")
    bench = Bench(checkout, copy_results(finished.bench.results, checkout / "results"))
    forget_fits(bench)
    [plan] = (bench.results / "plans").glob("*.json")
    words = ("--cores", "2", "--config", f"plan={plan}")
    process = bench.start(*words, module="snakemake")
    assert kill_at(process, lambda: locked(checkout), 0.5, kill_group)
    assert wait_until(lambda: not processes(bench.results)), "the group was killed, and something still runs"
    assert locked(checkout)
    bench.snakemake(*words, check=0)
    equal(bench, finished)
    whole(bench)


def forget_fits(bench: Bench) -> None:
    """Take the clusterings out of a finished sweep, so that there is something to do."""
    shutil.rmtree(bench.store / "clustering")


def locked(folder: Path) -> bool:
    """Whether a Snakemake is at work, or died at it, in a folder."""
    return any((folder / ".snakemake" / "locks").glob("*"))
