"""Tracking against a real MLflow on SQLite: exactly once, in place, and whole after a kill at any moment."""

import contextlib
import dataclasses
import http.server
import json
import math
import random
import runpy
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backbench import hashing, tracking
from backbench.tracking import local, pages, rows, schema, service, views
from backbench.tracking.rows import Attached, Data

SWEEP, OTHER_SWEEP = hashing.digest("sweep"), hashing.digest("another sweep")
EXPERIMENT = tracking.Experiment("toy", views.tags([views.BY_AMI]), former="folder")

CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_tracking
folder, count, revision, uri = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
said = lambda done, total: print(done, flush=True)
report = test_tracking.track(folder, test_tracking.make_rows(count, revision), uri=uri, progress=said)
print("report", report.created, report.updated, report.unchanged, flush=True)
print("imported", "mlflow" in sys.modules)
"""


def make_row(index: int, **changes) -> tracking.RunRow:
    config = {"dataset": {"name": "toy"}, "clustering": {"k": index, "clusterer": {"name": "kmeans", "n_init": 4}}}
    row = tracking.RunRow(
        config_hash=hashing.digest(config),
        name=f"pixels kmeans k={index}",
        status="done",
        params={"clustering.k": index, "clustering.clusterer.name": "kmeans", "exact": True},
        metrics={"nmi": 0.5 + index / 1000, "silhouette": 0.1, "accuracy": 0.9},
        tags={"device": "cpu", "stage.clustering": f"{index:064x}"},
        config=config,
        start_ms=1_700_000_000_000 + index,
        end_ms=1_700_000_001_000 + index,
    )
    return dataclasses.replace(row, **changes)


def make_rows(count: int, revision: int = 0) -> list[tracking.RunRow]:
    """Rows whose values change with every revision of the code."""
    made = [make_row(index) for index in range(1, count + 1)]
    return [
        dataclasses.replace(
            row,
            metrics={**row.metrics, "nmi": row.metrics["nmi"] / (1 + revision)},
            end_ms=row.end_ms + revision * 60_000,
        )
        for row in made
    ]


def sqlite_uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def track(folder: Path, run_rows, sweep: str = SWEEP, uri: str | None = None, **more) -> tracking.TrackReport:
    return tracking.track(run_rows, EXPERIMENT, uri or sqlite_uri(folder), sweep, folder / "mlartifacts", **more)


def query(folder: Path, text: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(text).fetchall()


def content(folder: Path) -> dict[str, list[tuple]]:
    """All that MLflow holds, with run ids replaced by config hashes."""
    names = dict(query(folder, "SELECT run_uuid, value FROM tags WHERE key IN ('config_hash', 'sweep_summary')"))
    tables = {
        "runs": "SELECT run_uuid, name, status, start_time, end_time, lifecycle_stage FROM runs",
        "params": "SELECT run_uuid, key, value FROM params",
        "metrics": "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics",
        "latest": "SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics",
        "tags": "SELECT run_uuid, key, value FROM tags",
    }
    by_run = {name: query(folder, text) for name, text in tables.items()}
    return {name: sorted((names[run], *rest) for run, *rest in lines) for name, lines in by_run.items()}


def counts(report: tracking.TrackReport) -> tuple[int, int, int]:
    return report.created, report.updated, report.unchanged


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    """A fresh database, made once."""
    folder = tmp_path_factory.mktemp("migrated")
    tracking.track([make_row(1)], tracking.Experiment("elsewhere"), sqlite_uri(folder), SWEEP, folder / "mlartifacts")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "mlflow.db"


def test_the_kept_schema_is_what_the_migrations_of_mlflow_make():
    script = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "write_schema.py"))
    assert script["fresh"](), "run `make docs`"


@pytest.mark.parametrize("kept", [None, {"version": "0.1", "statements": ["CREATE TABLE runs (x);"]}])
def test_a_version_without_a_kept_schema_makes_its_own(tmp_path, kept):
    if kept:
        (tmp_path / "schema.json").write_text(json.dumps(kept))
    assert not schema.lay_out(tmp_path / "mlflow.db", tmp_path / "schema.json")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.fixture
def folder(tmp_path, migrated) -> Path:
    (tmp_path / "mlflow.db").write_bytes(migrated.read_bytes())
    return tmp_path


def test_loss_curves_are_logged_by_step_and_once(folder):
    curves = {"training_loss": {0: 0.3, 1: 0.2, 2: 0.15}, "training_validation_loss": {5: 0.4, 10: 0.3, 20: 0.35}}
    row = make_row(1, curves=curves)
    track(folder, [row])
    logged = "SELECT key, step, value FROM metrics WHERE key LIKE 'training%' ORDER BY key, step"
    expected = [(name, step, value) for name, curve in curves.items() for step, value in curve.items()]
    assert query(folder, logged) == expected
    assert counts(track(folder, [row])) == (0, 0, 1)
    assert counts(track(folder, [dataclasses.replace(row, metrics={**row.metrics, "nmi": 0.7})])) == (0, 1, 0)
    assert query(folder, logged) == expected, "a curve that did not change is not logged again"
    latest = dict(query(folder, "SELECT key, value FROM latest_metrics"))
    assert latest["training_loss"] == 0.15 and latest["nmi"] == 0.7


def test_a_curve_longer_than_mlflow_takes_at_once_is_logged_whole(folder):
    track(folder, [make_row(1, curves={"training_loss": {step: 1 / (step + 1) for step in range(2300)}})])
    assert query(folder, "SELECT count(*), max(step) FROM metrics WHERE key = 'training_loss'") == [(2300, 2299)]


def test_importing_tracking_does_not_import_mlflow():
    code = "import backbench.tracking, sys; print('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_fresh_database_gets_one_whole_run_per_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert counts(track(tmp_path, [*make_rows(3), make_row(4, status="pending")])) == (3, 0, 0)
    tables = content(tmp_path)
    assert [status for _, _, status, *_ in tables["runs"]] == ["FINISHED"] * 3
    assert len({run for run, *_ in tables["runs"]}) == 3
    tags = {key: value for run, key, value in tables["tags"] if run == make_row(2).config_hash}
    assert tags["config_hash"] == make_row(2).config_hash and tags[rows.sweep_tag(SWEEP)] == "true"
    assert tags["mlflow.runName"] == f"pixels kmeans k=2 {make_row(2).config_hash[:12]}"
    params = {key: value for run, key, value in tables["params"] if run == make_row(2).config_hash}
    assert params == {"clustering.k": "2", "clustering.clusterer.name": "kmeans", "exact": "true"}
    assert not (tmp_path / "mlruns").exists()
    assert query(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_tracking_again_writes_nothing_and_does_not_import_mlflow(folder):
    track(folder, make_rows(3))
    before, stamp = content(folder), (folder / "mlflow.db").stat().st_mtime_ns
    assert counts(track(folder, make_rows(3))) == (0, 0, 3)
    assert content(folder) == before and (folder / "mlflow.db").stat().st_mtime_ns == stamp
    assert start(folder, 3).communicate()[0].split("\n")[:2] == ["report 0 0 3", "imported False"]


def test_only_what_is_new_is_written(folder):
    track(folder, make_rows(2))
    before = content(folder)
    assert counts(track(folder, make_rows(4))) == (2, 0, 2)
    after = content(folder)
    assert all(set(before[table]) <= set(after[table]) for table in before)


def test_a_changed_result_updates_its_run_in_place(folder):
    track(folder, make_rows(2))
    ids = query(folder, "SELECT run_uuid FROM runs")
    new = make_row(1, metrics={"nmi": 0.25, "accuracy": 0.9, "purity": 0.75}, end_ms=1_700_000_009_000)
    assert counts(track(folder, [new, make_row(2)])) == (0, 1, 1)
    assert query(folder, "SELECT run_uuid FROM runs") == ids
    latest = {
        key: (value, is_nan) for run, key, value, _, _, is_nan in content(folder)["latest"] if run == new.config_hash
    }
    assert latest == {"nmi": (0.25, 0), "accuracy": (0.9, 0), "purity": (0.75, 0), "silhouette": (0.0, 1)}
    assert counts(track(folder, [new, make_row(2)])) == (0, 0, 2)


def test_a_new_value_shows_even_when_the_clock_went_back(folder):
    track(folder, [make_row(1)])
    track(folder, [make_row(1, metrics={"nmi": 0.25}, end_ms=1_600_000_000_000)])
    assert tracking.find(sqlite_uri(folder), make_row(1).config_hash[:8]).metrics["nmi"] == 0.25


def test_going_back_to_the_first_result_shows_it_again(folder):
    track(folder, [make_row(1)])
    track(folder, [make_row(1, metrics={"nmi": 0.25}, end_ms=1_700_000_009_000)])
    assert counts(track(folder, [make_row(1)])) == (0, 1, 0)
    assert tracking.find(sqlite_uri(folder), make_row(1).config_hash).metrics == make_row(1).metrics


def test_a_failed_run_that_later_succeeds_is_the_same_run(folder):
    track(folder, [make_row(1, status="failed", reason="did not converge", metrics={}, end_ms=1_700_000_000_500)])
    run = tracking.find(sqlite_uri(folder), make_row(1).config_hash)
    assert run.status == "FAILED" and run.tags["failure"] == "did not converge"
    assert counts(track(folder, [make_row(1)])) == (0, 1, 0)
    again = tracking.find(sqlite_uri(folder), make_row(1).config_hash)
    assert (again.run_id, again.status, again.metrics) == (run.run_id, "FINISHED", make_row(1).metrics)
    assert "failure" not in again.tags


def test_an_undefined_metric_is_named_and_not_logged(folder):
    track(folder, [make_row(1, metrics={"nmi": math.nan, "accuracy": 0.5, "ari": math.inf})])
    run = tracking.find(sqlite_uri(folder), make_row(1).config_hash)
    assert run.metrics == {"accuracy": 0.5} and run.tags["backbench.undefined"] == "ari,nmi"


def test_a_long_config_comes_back_whole(folder):
    row = make_row(1, config={"files": [f"{index:040d}" for index in range(400)], "rate": 10.0, "text": "é"})
    track(folder, [row])
    run = tracking.find(sqlite_uri(folder), row.config_hash)
    assert run.config == row.config and hashing.canonical_json(run.config) == hashing.canonical_json(row.config)
    assert all(len(value) <= rows.TAG_CHARACTERS for value in run.tags.values())


def test_the_configuration_of_before_is_read_and_replaced(folder):
    row = make_row(1, config={"files": [f"{index:040d}" for index in range(400)]})
    track(folder, [row])
    expected = content(folder)["tags"]
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE tags SET key = 'backbench.' || key WHERE key = 'config' OR key LIKE 'config.%'")
        connection.execute("UPDATE tags SET value = 'older' WHERE key = 'backbench.result'")
    assert tracking.find(sqlite_uri(folder), row.config_hash).config == row.config
    assert counts(track(folder, [row])) == (0, 1, 0)
    assert content(folder)["tags"] == expected


def test_no_tag_with_a_long_value_has_a_key_that_mlflow_shortens_to_a_letter(folder):
    row = make_row(1, status="failed", reason="no memory " * 50, config={"files": ["x" * 9000]})
    summary = tracking.Summary("s", {}, 1, 1, tags={"mlflow.note.content": "note " * 500})
    track(folder, [row], summary=summary)
    long = query(folder, "SELECT DISTINCT key FROM tags WHERE length(value) > 100 AND key NOT LIKE 'mlflow.%'")
    assert sorted(long) == [("config",), ("config.2",), ("failure",)]
    assert all(len(key) <= 15 for (key,) in long)


def test_a_second_sweep_adds_its_tag_and_nothing_else(folder):
    track(folder, make_rows(2))
    before = content(folder)
    report = track(folder, make_rows(2), sweep=OTHER_SWEEP)
    assert counts(report) == (0, 0, 2) and report.joined == 2
    added = [(row.config_hash, rows.sweep_tag(OTHER_SWEEP), "true") for row in make_rows(2)]
    assert content(folder) == {**before, "tags": sorted([*before["tags"], *added])}


@pytest.mark.parametrize("sweep", ["1e5f00000000", "123456789012", "0000abcd0000", "abcdef012345"])
def test_sweeps_can_be_searched(folder, sweep):
    from mlflow import MlflowClient

    track(folder, make_rows(2), sweep=sweep)
    client = MlflowClient(tracking_uri=sqlite_uri(folder), registry_uri=sqlite_uri(folder))
    experiment = client.get_experiment_by_name(EXPERIMENT.name).experiment_id
    assert len(client.search_runs([experiment], f"tags.{rows.sweep_tag(sweep)} = 'true'")) == 2


def test_a_deleted_run_is_made_again_and_a_killed_one_is_finished(folder):
    track(folder, make_rows(3))
    expected = content(folder)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        first, second, _ = [run for (run,) in connection.execute("SELECT run_uuid FROM runs ORDER BY start_time")]
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", [first])
        connection.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", [second])
        for table in ("metrics", "latest_metrics", "params"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [second])
    assert counts(track(folder, make_rows(3))) == (1, 1, 1)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [first])
    assert content(folder) == expected


def test_a_run_killed_under_another_sweep_does_not_stay_running(folder):
    track(folder, make_rows(2))
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE runs SET status = 'RUNNING' WHERE start_time = ?", [make_row(1).start_ms])
    track(folder, [make_row(3)], sweep=OTHER_SWEEP)
    assert tracking.find(sqlite_uri(folder), make_row(1).config_hash).status == "KILLED"
    assert counts(track(folder, make_rows(2))) == (0, 1, 1)


def test_doubles_are_reduced_to_one_run(folder):
    from mlflow import MlflowClient

    track(folder, make_rows(2))
    client = MlflowClient(tracking_uri=sqlite_uri(folder), registry_uri=sqlite_uri(folder))
    experiment = client.get_experiment_by_name(EXPERIMENT.name).experiment_id
    client.create_run(experiment, tags={"config_hash": make_row(1).config_hash})
    track(folder, make_rows(2))
    runs = client.search_runs([experiment])
    assert sorted(run.data.tags["config_hash"] for run in runs) == sorted(row.config_hash for row in make_rows(2))
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_parameters_spelled_anew_replace_the_run(folder):
    track(folder, [make_row(1)])
    assert counts(track(folder, [make_row(1, params={"clustering.k": "one"})])) == (0, 1, 0)
    assert tracking.find(sqlite_uri(folder), make_row(1).config_hash).params == {"clustering.k": "one"}


def test_a_tag_that_the_user_set_is_kept(folder):
    from mlflow import MlflowClient

    track(folder, [make_row(1)])
    run = tracking.find(sqlite_uri(folder), make_row(1).config_hash)
    MlflowClient(tracking_uri=sqlite_uri(folder), registry_uri=sqlite_uri(folder)).set_tag(
        run.run_id, "mlflow.note.content", "mine"
    )
    track(folder, [make_row(1, metrics={"nmi": 0.1}, end_ms=1_700_000_009_000)])
    assert tracking.find(sqlite_uri(folder), run.config_hash).tags["mlflow.note.content"] == "mine"


def test_rebuilding_from_nothing_gives_the_same(folder, tmp_path_factory):
    track(folder, make_rows(2))
    track(folder, make_rows(5))
    other = tmp_path_factory.mktemp("rebuilt")
    track(other, make_rows(5))
    assert content(other) == content(folder)


def test_a_summary_holds_its_files_and_no_config_hash(folder):
    board = folder / "leaderboard.csv"
    board.write_text("run,nmi\n1,0.5\n")
    summary = tracking.Summary(
        "sweep abc", {"runs": 2, "best_nmi": 0.5}, 1_700_000_000_000, 1_700_000_002_000, files=(Attached(board),)
    )
    assert counts(track(folder, make_rows(2), summary=summary)) == (3, 0, 0)
    assert counts(track(folder, make_rows(2), summary=summary)) == (0, 0, 3)
    board.write_text("run,nmi\n1,0.6\n")
    assert counts(track(folder, make_rows(2), summary=summary)) == (0, 1, 2)
    (stored,) = (folder / "mlartifacts").rglob("leaderboard.csv")
    assert stored.read_text() == "run,nmi\n1,0.6\n"
    assert len(tracking.hashes(sqlite_uri(folder))) == 2


def test_pictures_lie_in_a_folder_of_their_run_and_are_replaced(folder):
    picture = folder / "confusion.png"
    picture.write_bytes(b"one")
    row = make_row(1, files=(Attached(picture, "pictures"),))
    assert counts(track(folder, [row])) == (1, 0, 0)
    assert counts(track(folder, [row])) == (0, 0, 1)
    picture.write_bytes(b"two")
    assert counts(track(folder, [row])) == (0, 1, 0)
    (stored,) = (folder / "mlartifacts").rglob("pictures/confusion.png")
    assert stored.read_bytes() == b"two"


def test_the_data_set_is_logged_as_one(folder):
    data = Data("blobs", "0" * 12, "local", '{"uri": "here"}', {"images": 30, "classes": 3}, "frozen features")
    track(folder, [make_row(1, data=data), make_row(2, data=data)])
    track(folder, [make_row(1, data=data, metrics={"nmi": 0.9}), make_row(3)])
    shown = query(folder, "SELECT name, digest, dataset_profile FROM datasets")
    assert shown == [("blobs", "0" * 12, '{"images": 30, "classes": 3}')]
    assert query(folder, "SELECT count(*) FROM inputs WHERE source_type = 'DATASET'") == [(2,)]


def test_find_by_prefix_and_the_nearest_when_there_is_none(folder):
    track(folder, make_rows(20))
    full = make_row(7).config_hash
    run = tracking.find(sqlite_uri(folder), full[:12])
    assert (run.config_hash, run.config, run.metrics) == (full, make_row(7).config, make_row(7).metrics)
    typo = full[:11] + ("0" if full[11] != "0" else "1")
    with pytest.raises(LookupError, match=full[:12]):
        tracking.find(sqlite_uri(folder), typo)
    shared = next(
        full[0]
        for full in tracking.hashes(sqlite_uri(folder))
        if sum(h[0] == full[0] for h in tracking.hashes(sqlite_uri(folder))) > 1
    )
    with pytest.raises(LookupError, match="begins"):
        tracking.find(sqlite_uri(folder), shared)


def test_finding_does_not_make_a_database(tmp_path):
    with pytest.raises(LookupError, match="holds no run"):
        tracking.find(sqlite_uri(tmp_path), "abc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_server_that_is_down_is_asked_once(tmp_path, scheme, monkeypatch):
    calls, connect = [], socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda *rest: calls.append("connect") or connect(*rest))
    monkeypatch.setattr(time, "sleep", lambda seconds: calls.append("sleep"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(tracking.TrackingUnavailable, match="backbench track") as caught:
        tracking.track(
            make_rows(1), EXPERIMENT, f"{scheme}://me:secret@127.0.0.1:{port}", SWEEP, tmp_path / "mlartifacts"
        )
    assert calls == ["connect"], "without waiting to try again"
    assert str(port) in str(caught.value) and "secret" not in str(caught.value)


def test_a_server_whose_address_has_a_password_is_found():
    asked = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(401)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        service.check(f"http://me:secret@127.0.0.1:{server.server_port}/")
        thread.join()
    assert asked == ["/health"]


def test_a_file_that_is_no_database_is_reported_at_once(tmp_path):
    (tmp_path / "mlflow.db").write_text(
        "this is not a database, and long enough to be told apart from an empty one" * 9
    )
    with pytest.raises(tracking.TrackingUnavailable, match="not a database"):
        track(tmp_path, make_rows(1))


def test_when_the_tables_change_the_search_goes_through_mlflow(folder, monkeypatch):
    track(folder, make_rows(3))
    before = content(folder)
    monkeypatch.setattr(local, "RECORDED", "SELECT gone FROM nowhere WHERE ? = ? = ? = ? = ?")
    assert counts(track(folder, make_rows(3))) == (0, 0, 3)
    assert content(folder) == before


def test_the_ui_command_names_everything(folder):
    command = tracking.ui_command(sqlite_uri(folder), (folder / "mlartifacts").as_uri(), port=5055)
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert dict(zip(command[4::2], command[5::2], strict=True)) == {
        "--backend-store-uri": sqlite_uri(folder),
        "--artifacts-destination": (folder / "mlartifacts").as_uri(),
        "--host": "127.0.0.1",
        "--port": "5055",
        "--workers": "1",
    }
    with pytest.raises(ValueError, match="browser"):
        tracking.ui_command("http://127.0.0.1:1", folder.as_uri())


def test_a_password_is_not_in_the_ui_command_which_all_users_can_see():
    uri = "postgresql://anna:secret@db:5432/mlflow"
    assert "secret" not in " ".join(tracking.ui_command(uri, "s3://team"))
    assert pages.variables("127.0.0.1", uri) == {**pages.QUIET, "MLFLOW_BACKEND_STORE_URI": uri}
    assert pages.variables("127.0.0.1", "postgresql://anna@db/mlflow") == pages.QUIET


def test_a_server_that_is_open_to_others_knows_its_names(monkeypatch):
    monkeypatch.delenv(pages.ALLOWED, raising=False)
    allowed = pages.variables("0.0.0.0")[pages.ALLOWED].split(",")
    assert {socket.gethostname(), f"{socket.gethostname()}:*", "localhost:*", "10.*"} <= set(allowed)
    assert pages.reachable("0.0.0.0", 5000) == f"http://{socket.gethostname()}:5000"
    monkeypatch.setenv(pages.ALLOWED, "mlflow.example.org")
    assert pages.ALLOWED not in pages.variables("0.0.0.0"), "what the user says counts"


def start(folder: Path, count: int, revision: int = 0, uri: str | None = None) -> subprocess.Popen:
    code = CHILD.format(tests=str(Path(__file__).parent))
    words = [str(folder), str(count), str(revision), uri or sqlite_uri(folder)]
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)


def kill(child: subprocess.Popen, after: float) -> None:
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


def kill_while_writing(child: subprocess.Popen, after: float) -> None:
    for line in child.stdout:
        if line.strip().isdigit():
            break
    kill(child, after)


def reports(children: list[subprocess.Popen]) -> list[str]:
    return sorted(child.communicate()[0].splitlines()[-2] for child in children)


def statuses(folder: Path) -> list[tuple[str, str, int]]:
    return query(folder, "SELECT lifecycle_stage, status, COUNT(*) FROM runs GROUP BY 1, 2 ORDER BY 1, 2")


def test_two_trackers_at_once_on_a_fresh_database(tmp_path):
    assert reports([start(tmp_path, 12), start(tmp_path, 12)]) == ["report 0 0 12", "report 12 0 0"]
    assert statuses(tmp_path) == [("active", "FINISHED", 12)]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_exactly_once(tmp_path, tmp_path_factory):
    # More rows than the five writers can finish before they are killed, however quick the machine is.
    count, dice = 150, random.Random(20240501)
    for _ in range(2):
        # While mlflow is imported and the database is made.
        kill(start(tmp_path, count), dice.uniform(0.2, 1.5))
    for _ in range(3):
        kill_while_writing(start(tmp_path, count), dice.uniform(0.0, 0.2))
    assert 0 < len(query(tmp_path, "SELECT 1 FROM runs WHERE status = 'FINISHED'")) < count
    track(tmp_path, make_rows(count))
    whole = tmp_path_factory.mktemp("whole")
    track(whole, make_rows(count))
    assert content(tmp_path) == content(whole)
    assert counts(track(tmp_path, make_rows(count))) == (0, 0, count)


@pytest.mark.slow
def test_killed_while_it_updates_it_ends_with_the_new_values_once(folder, tmp_path_factory):
    count, dice = 40, random.Random(20240502)
    whole = tmp_path_factory.mktemp("whole")
    (whole / "mlflow.db").write_bytes((folder / "mlflow.db").read_bytes())
    for place in (folder, whole):
        track(place, make_rows(count))
    for _ in range(4):
        kill_while_writing(start(folder, count, revision=1), dice.uniform(0.0, 0.2))
    track(folder, make_rows(count, revision=1))
    assert counts(track(whole, make_rows(count, revision=1))) == (0, count, 0)
    assert content(folder) == content(whole)


def test_rows_as_json_are_enough_to_rebuild(folder):
    """A row holds plain JSON only, so that any process can hand it over."""
    row = make_row(1)
    again = tracking.RunRow(**json.loads(json.dumps(dataclasses.asdict(row))))
    assert rows.row_entry(again).result == rows.row_entry(row).result
