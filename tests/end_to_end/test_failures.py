"""What fails for real says why, harms nothing else, and goes on once it can."""

import csv
import io
import socket
import subprocess
from pathlib import Path

import pytest
from workbench import COMMON, RUNS, Bench, statuses, tracked

from backbench.store import DONE, FAILED, Store

# One step is too few for logistic regression; the other classifier does not have the option.
FAILING = (*COMMON, "clusterer=kmeans", "k=2", "classifier=knn,logistic_regression", "classifier.max_iter=1")
SMALL = (*COMMON, "clusterer=kmeans", "k=2", "classifier=none", "retrieval=none")


def table(bench: Bench) -> dict[str, dict[str, str]]:
    """What `backbench runs` says, by config hash."""
    text = bench.run("runs", "--format", "csv", check=0).stdout
    return {row["config_hash"]: row for row in csv.DictReader(io.StringIO(text))}


def failed(bench: Bench) -> tuple[str, dict[str, str]]:
    [failure] = [(key, row) for key, row in table(bench).items() if row["status"] == FAILED]
    return failure


def test_a_failed_fit_is_recorded_tried_again_and_reopened(editable: Bench):
    """One run cannot converge. It fails with its reason; the others finish; it succeeds once the plugin can."""
    done = editable.run("sweep", *FAILING, check=0)
    assert "failed: classification: did not converge" in done.stderr
    key, row = failed(editable)
    assert row["classifier.name"] == "logistic_regression"
    assert "did not converge" in row["reason"]
    before = tracked(editable.database)
    assert before[key].status == "FAILED"
    assert "did not converge" in before[key].tags["failure"]
    assert "nmi" in before[key].metrics, "the head that did not fail has its metrics"
    assert {run.status for other, run in before.items() if other != key} == {"FINISHED"}
    assert len(before) == RUNS + 1

    path = Store(editable.store).path("classification", before[key].tags["stage.classification"])
    first = path.stat().st_mtime_ns
    assert "1 of" in tried(editable.run("sweep", *FAILING, check=0).stderr)
    assert path.stat().st_mtime_ns > first
    assert tracked(editable.database)[key].status == "FAILED"

    plugin = editable.checkout / "workflow" / "backbench" / "classifiers" / "logistic_regression.py"
    text = plugin.read_text()
    assert text.count("max_iter=options.max_iter") == 1
    plugin.write_text(text.replace("max_iter=options.max_iter", "max_iter=1000 * options.max_iter"))
    editable.run("sweep", *FAILING, check=0)
    after = tracked(editable.database)
    assert {other: run.run_id for other, run in after.items()} == {other: run.run_id for other, run in before.items()}
    assert after[key].status == "FINISHED"
    assert "accuracy" in after[key].metrics
    assert "failure" not in after[key].tags
    assert {row["status"] for row in table(editable).values()} == {"finished"}


def tried(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("jobs to run"))


def closed_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def test_a_server_that_is_down_costs_no_result(bench: Bench):
    """Nothing listens at the address: all is computed and kept, and recorded later."""
    more = (*COMMON, "clusterer=kmeans", "k=7", "classifier=knn")
    down = Bench(bench.checkout, bench.results, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{closed_port()}"})
    done = down.run("sweep", *more, check=1)
    assert "cannot be used" in done.stderr
    assert "backbench track" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(tracked(bench.database)) == RUNS
    assert {row["status"] for row in table(down).values()} == {"finished"}
    members = bench.members()
    bench.run("track", check=0)
    assert bench.members() == members
    assert len(tracked(bench.database)) == RUNS + 1
    assert statuses(bench.database) == {"FINISHED"}


def assert_only_the_reason(bench: Bench) -> None:
    """The store holds nothing but the record of why the dataset is missing."""
    (path,) = bench.store.rglob("*.json")
    record = Store(bench.store).opened(path)
    assert record["status"] == FAILED
    assert "Fashion-MNIST was not found" in record["reason"]
    assert record["arrays"] == {}


def test_no_images_is_a_clear_error(empty: Bench):
    """The folder is not there: the first job says which, and what to do; nothing is left half done."""
    done = empty.run("sweep", *SMALL, "dataset.root=/nonexistent", check=1)
    assert "Fashion-MNIST was not found" in done.stderr
    assert "/nonexistent" in done.stderr
    assert "dataset.root=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
    assert_only_the_reason(empty)


def test_no_network_and_no_images_is_a_clear_error(empty: Bench, tmp_path: Path):
    """In a network namespace without a network, with no downloads: what was tried is named, and what to do."""
    prefix = isolated("--net", ["true"])
    if Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("the Debian package with the images is installed")
    alone = Bench(empty.checkout, empty.results, {"BACKBENCH_DOWNLOADS": str(tmp_path / "downloads")})
    done = alone.run("sweep", *SMALL, check=1, prefix=prefix)
    assert "Fashion-MNIST was not found" in done.stderr
    assert "the mirrors cannot be reached" in done.stderr
    assert "dataset.root=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
    assert_only_the_reason(alone)
    assert not [*(tmp_path / "downloads").glob("*")]


def isolated(what: str, probe: list[str]) -> tuple[str, ...]:
    """The words before a command that give it a namespace of its own; the test is skipped where that is forbidden."""
    for words in (("unshare", "--user", "--map-root-user", what), ("unshare", what)):
        try:
            if subprocess.run([*words, *probe], capture_output=True).returncode == 0:
                return words
        except FileNotFoundError:
            break
    pytest.skip(f"`unshare {what}` is not permitted here")


FULL = """
set -e
mount -t tmpfs -o size=1900k tmpfs "$1"
shift
set +e
"$@"
status=$?
cp -r "$BACKBENCH_STORE" "$KEPT"
exit $status
"""


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_half_written(empty: Bench, tmp_path: Path):
    """The store lies on a real file system of 1.9 MB: it holds the extraction, and has no room for its result."""
    place, kept = tmp_path / "small", tmp_path / "kept"
    place.mkdir()
    prefix = isolated("--mount", ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)])
    small = Bench(empty.checkout, empty.results, {"BACKBENCH_STORE": str(place / "store"), "KEPT": str(kept)})
    done = small.run("sweep", *SMALL, check=1, prefix=(*prefix, "sh", "-c", FULL, "sh", str(place)))
    assert "no space left below" in done.stderr
    assert "BACKBENCH_STORE" in done.stderr
    assert "Traceback" not in done.stderr
    store, written = Store(kept), [*kept.glob("*/??/*.json")]
    assert {path.parts[-3] for path in written} - {"features"} == {"dataset", "audit"}
    written = [path for path in written if path.parts[-3] != "features"]
    for path in written:
        record = store.opened(path)
        assert record["status"] == DONE
        for name in record["arrays"]:
            store.array(path.parts[-3], record["hash"], name)
    assert not [*kept.rglob(".tmp-*")]
