"""How the end-to-end tests run backbench: through the command line, in subprocesses, in folders of their own."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backbench import paths

CHECKOUT = ("Snakefile", "conf", "profiles", "pyproject.toml", "scripts", "workflow")
MAIN = "import sys; from backbench.cli import main; sys.exit(main())"
COMMON = ("experiment=none", "backbone=pixels", "dataset.sample=300", "plots=none")
GRID = (*COMMON, "clusterer=kmeans,agglomerative,dbscan", "k=2,3", "classifier=knn,svm")
RUNS, FITS = 10, 8
PATIENCE = 300
# Every job would compile the copied checkout anew.
NOT_INHERITED = ("BACKBENCH_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
TABLES = ("experiments", "runs", "params", "tags", "metrics", "latest_metrics")


@dataclass(frozen=True)
class Bench:
    """A checkout that works on a results folder."""

    checkout: Path
    results: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return Path(self.variables.get("BACKBENCH_STORE", self.results / "store"))

    @property
    def database(self) -> Path:
        return self.results / "mlflow.db"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
        folders = {
            "PYTHONPATH": str(self.checkout / "workflow"),
            "BACKBENCH_RESULTS": str(self.results),
            "BACKBENCH_DOWNLOADS": str(paths.downloads()),
            # What killed processes leave behind goes with the folder of the test.
            "TMPDIR": str(self.results.parent),
        }
        return {**inherited, **folders, **self.variables}

    def run(self, *words: str, check: int | None = None, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess:
        """Run `backbench` to its end, behind the words of `prefix`; `check` is the exit status that it must have."""
        done = self._run([*prefix, sys.executable, "-c", MAIN, *words], self.results.parent)
        assert check is None or done.returncode == check, _report(words, done)
        return done

    def snakemake(self, *words: str, check: int | None = None) -> subprocess.CompletedProcess:
        """Run plain `snakemake` in the checkout to its end."""
        done = self._run([sys.executable, "-m", "snakemake", *words], self.checkout)
        assert check is None or done.returncode == check, _report(words, done)
        return done

    def python(self, code: str, check: int | None = None) -> subprocess.CompletedProcess:
        """Run a few lines of Python in the surroundings of the bench."""
        done = self._run([sys.executable, "-c", code], self.results.parent)
        assert check is None or done.returncode == check, _report((code,), done)
        return done

    def start(self, *words: str, module: str | None = None) -> subprocess.Popen:
        """Start `backbench` (or another program, by its module) in a process group of its own, talking into a file."""
        program = ["-m", module] if module else ["-c", MAIN]
        with (self.results.parent / "launches.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *program, *words],
                cwd=self.checkout if module else self.results.parent,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def log_of_snakemake(self) -> set[Path]:
        """What every start of Snakemake leaves behind."""
        return {log for place in (self.checkout, self.results) for log in (place / ".snakemake" / "log").glob("*")}

    def members(self) -> dict[str, tuple[int, int, int]]:
        """Every file of the store with its inode, time and size: what was written again differs."""
        files = (path for path in self.store.rglob("*") if path.is_file() and "partial" not in path.parts)
        stats = {str(path.relative_to(self.store)): path.stat() for path in files}
        return {name: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}

    def finished_members(self) -> dict[str, tuple[int, int, int]]:
        """Those files of the store that belong to results whose record is there: a kill may leave arrays without."""
        members = self.members()
        there = {name.partition(".")[0] for name in members if name.endswith(".json")}
        return {name: stat for name, stat in members.items() if name.partition(".")[0] in there}

    def arrays(self) -> dict[str, bytes]:
        """Content of every array in the store."""
        return {path.name: path.read_bytes() for path in self.store.rglob("*.npy") if "partial" not in path.parts}


def _report(words: tuple[str, ...], done: subprocess.CompletedProcess) -> str:
    return f"{words} ended with {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"


@dataclass(frozen=True)
class Tracked:
    """One active MLflow run, read from the database itself."""

    run_id: str
    status: str
    metrics: dict[str, float]
    tags: dict[str, str]

    @property
    def results(self) -> dict[str, float]:
        """The metrics without the seconds, which no two computations share."""
        return {name: value for name, value in self.metrics.items() if not name.startswith("seconds_")}


def tracked(database: Path) -> dict[str, Tracked]:
    """The active runs by config hash.

    Raises
    ------
    AssertionError
        If two of them have the same.
    """
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        runs = connection.execute("SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
        tags, metrics = {}, {}
        for run, key, value in connection.execute("SELECT run_uuid, key, value FROM tags"):
            tags.setdefault(run, {})[key] = value
        for run, key, value in connection.execute("SELECT run_uuid, key, value FROM latest_metrics WHERE NOT is_nan"):
            metrics.setdefault(run, {})[key] = value
    connection.close()
    active = {}
    for run, status in runs:
        key = tags[run].get("config_hash")
        if key:
            assert key not in active, f"config hash {key} stands in two runs"
            active[key] = Tracked(run, status, metrics.get(run, {}), tags[run])
    return active


def statuses(database: Path) -> set[str]:
    """Every status that an active run has, summaries included."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT DISTINCT status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
    connection.close()
    return {status for (status,) in rows}


def content(database: Path) -> dict[str, list]:
    """Every row of the tables that hold runs."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        tables = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in TABLES}
    connection.close()
    return tables


def processes(results: Path) -> list[int]:
    """Living processes that work on a results folder, by the environment that they were started with."""
    wanted = f"BACKBENCH_RESULTS={results}\0".encode()
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes() and "(zombie)" not in (entry / "status").read_text():
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def kill_group(process: subprocess.Popen) -> None:
    """``kill -9`` of a process and of its whole group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill(process: subprocess.Popen, results: Path) -> None:
    """``kill -9`` of a launcher and of its Snakemake, each with its group."""
    launch = json.loads((results / "launches" / "current.json").read_text())
    for pid in (process.pid, launch["snakemake"]["pid"]):
        os.killpg(pid, signal.SIGKILL)
    process.wait()


def kill_alone(process: subprocess.Popen) -> None:
    """``kill -9`` of a process; what it started goes on."""
    process.kill()
    process.wait()


def wait_until(condition: Callable[[], object], seconds: float = 60.0, every: float = 0.02) -> bool:
    """Wait for a condition; whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return False


def copy_checkout(target: Path, original: Path = paths.CHECKOUT) -> Path:
    """The part of the checkout that works, without its past."""
    target.mkdir(parents=True)
    for name in CHECKOUT:
        source = original / name
        if source.is_dir():
            # With the compiled code: Python trusts it while time and size of the source are the same.
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy2(source, target / name)
    return target


def copy_results(source: Path, target: Path) -> Path:
    """A results folder elsewhere; its MLflow no longer points into the first one."""
    shutil.copytree(source, target)
    with sqlite3.connect(target / "mlflow.db") as connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(source), str(target)))
    connection.close()
    return target


@dataclass(frozen=True)
class Finished:
    """The undisturbed sweep that the others are compared with."""

    bench: Bench


def end_all(results: Path) -> None:
    """``kill -9`` of everything that works on a results folder, as at a power cut."""
    for pid in processes(results):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
