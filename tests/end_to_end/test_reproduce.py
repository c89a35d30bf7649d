"""A recorded run is computed again from nothing, without a look at the store that holds it."""

import json
import platform
import re
import shutil
from pathlib import Path

import pytest
from workbench import Bench, Finished, Tracked, tracked

from backbench import provenance

X86_OPENBLAS = platform.machine() == "x86_64" and "openblas" in provenance.blas()
WITNESS = """
import os, sys

def witness(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        handle = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, (path + "\\n").encode())
        os.close(handle)

busy = False

def once(event, arguments):
    global busy
    if not busy:
        busy = True
        try:
            witness(event, arguments)
        finally:
            busy = False

sys.addaudithook(once)
"""


@pytest.fixture
def witnessed(bench: Bench, tmp_path: Path) -> tuple[Bench, Path]:
    """A bench whose processes, all of them, write down every file that they open."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITNESS)
    path = f"{bench.checkout / 'workflow'}:{tmp_path / 'site'}"
    variables = {"PYTHONPATH": path, "WITNESS": str(tmp_path / "opened")}
    return Bench(bench.checkout, bench.results, variables), tmp_path / "opened"


def of_kmeans(bench: Bench) -> tuple[str, Tracked]:
    return next((key, run) for key, run in sorted(tracked(bench.database).items()) if "inertia" in run.metrics)


def table(text: str) -> dict[str, list[str]]:
    """The rows of a printed table by their first word."""
    return {words[0]: words[1:] for words in (re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line)}


def test_a_run_is_reproduced_without_the_store_being_opened(witnessed: tuple[Bench, Path]):
    bench, opened = witnessed
    key, run = of_kmeans(bench)
    done = bench.run("reproduce", key[:12], check=0)
    rows = table(done.stdout)
    assert {name for name in run.results if rows.get(name, ["", ""])[-1] == "ok"} == set(run.results)
    assert "agrees: bit for bit" in done.stderr
    paths = {Path(line) for line in opened.read_text().splitlines()}
    assert any("backbench-reproduce-" in str(path) and path.suffix == ".npy" for path in paths), "no witness"
    assert not [path for path in paths if bench.store in path.parents]


def test_a_changed_value_is_found_with_the_store_moved_away(bench: Bench, tmp_path: Path):
    """One recorded metric is another one, in a file that is whole otherwise; it alone differs."""
    key, run = of_kmeans(bench)
    [path] = bench.results.glob("sweeps/*/results.json")
    body = json.loads(path.read_text())
    body["records"][run.tags["stage.clustering"]]["metrics"]["silhouette"] += 1e-9
    path.write_text(json.dumps(body, sort_keys=True))
    bench.store.rename(tmp_path / "elsewhere")
    done = bench.run("reproduce", key, check=1)
    rows = table(done.stdout)
    assert {name for name, cells in rows.items() if cells[-1:] == ["DIFFERS"]} == {"silhouette"}
    assert rows["silhouette"][2] == "1e-09"
    assert rows["nmi"][-1] == rows["accuracy"][-1] == rows["clustering labels"][-1] == "ok"
    assert "DIFFERS" in done.stderr


@pytest.mark.skipif(not X86_OPENBLAS, reason="the kernels are those of OpenBLAS on x86")
def test_another_blas_kernel_is_named_and_rounding_tolerated(finished: Finished):
    """Every processor of this kind can run the kernel for Nehalem, and none of today chooses it."""
    key, run = of_kmeans(finished.bench)
    bench = Bench(finished.bench.checkout, finished.bench.results, {"OPENBLAS_CORETYPE": "Nehalem"})
    done = bench.run("reproduce", key[:12], "--tolerance", "1e-9", check=0)
    rows = table(done.stdout)
    assert {name for name in run.results if rows.get(name, [""])[-1] == "ok"} == set(run.results)
    assert re.search(r"agrees: (bit for bit|same result within 1e-09 \(another BLAS kernel: Nehalem, rec)", done.stderr)
    assert re.search(r"note: another BLAS kernel: Nehalem, recorded \w+\n", done.stderr)
    assert "Nehalem" not in run.tags["blas"] and "openblas" in run.tags["blas"]


def test_a_run_is_reproduced_from_mlflow_where_the_results_are_gone(finished: Finished, tmp_path: Path):
    key, run = of_kmeans(finished.bench)
    shutil.copy2(finished.bench.database, tmp_path / "kept.db")
    bench = Bench(finished.bench.checkout, tmp_path / "nothing")
    done = bench.run("reproduce", key[:12], "--uri", f"sqlite:///{tmp_path / 'kept.db'}", check=0)
    rows = table(done.stdout)
    assert {name for name in run.results if rows.get(name, [""])[-1] == "ok"} == set(run.results)
    assert rows["clustering labels"][-1] == rows["classification labels"][-1] == "ok"
    assert "recorded in MLflow" in done.stderr
    assert "agrees: bit for bit" in done.stderr


def test_an_unknown_hash_is_refused_and_the_nearest_named(finished: Finished):
    key = min(tracked(finished.bench.database))
    other = f"{key[:11]}{'0' if key[11] != '0' else '1'}"
    done = finished.bench.run("reproduce", other, check=2)
    assert key[:12] in done.stderr
    assert "Traceback" not in done.stderr
