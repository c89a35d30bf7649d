"""Several writers on one PostgreSQL and on one tracking server, both real: each run once at every moment."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import trackers
from clusters import free_port, needs_postgres
from test_tracking import EXPERIMENT, make_row, make_rows

from backbench import tracking
from backbench.schema import ConfigError
from backbench.tracking import databases, hosting, service, turns, views
from backbench.tracking.cluster import Cluster

pytestmark = needs_postgres
COUNT = 12
LEASE = 2.0
COMMAND = "import sys; from backbench.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def results() -> Iterator[Path]:
    """A results folder that PostgreSQL's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="backbench-test-server-"))
    folder.chmod(0o755)
    (folder / "server").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(results) -> Iterator[Cluster]:
    made = Cluster(results / "server")
    made.make()
    with (made.data / "postgresql.auto.conf").open("a") as settings:
        settings.write("fsync = off\n")
    start(made)
    yield made
    made.stop()


def start(cluster: Cluster) -> None:
    cluster.start()
    while not cluster.is_ready():
        assert cluster.process.poll() is None, cluster.log.read_text()
        time.sleep(0.05)


def ask(uri: str, text: str) -> list[tuple]:
    with contextlib.closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def migrated(cluster) -> str:
    """A database with MLflow's tables, made once."""
    service.prepare(cluster.uri)
    return cluster.uri


@pytest.fixture
def uri(cluster, migrated) -> str:
    """The database with nothing in it; a copy of it would be hundreds of files."""
    ask(cluster.uri, "TRUNCATE runs, registered_models, experiment_tags CASCADE")
    ask(cluster.uri, "DELETE FROM experiments WHERE experiment_id <> 0")
    return cluster.uri


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    trackers.kill_all()


@pytest.fixture
def folders(tmp_path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make


def statuses(uri: str) -> list[tuple]:
    return ask(uri, "SELECT lifecycle_stage, status, count(*)::int FROM runs GROUP BY 1, 2 ORDER BY 1, 2")


def once(uri: str, count: int = COUNT) -> bool:
    """Whether each row has one run, which is whole."""
    hashes = ask(uri, "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = 'config_hash' AND "
                      "lifecycle_stage = 'active' AND status = 'FINISHED' ORDER BY value")  # fmt: skip
    active = [line for line in statuses(uri) if line[0] == "active"]
    whole = [(row.config_hash,) for row in sorted(make_rows(count), key=lambda row: row.config_hash)]
    return hashes == whole and active == [("active", "FINISHED", count)]


def queue(uri: str) -> list[tuple]:
    return ask(uri, f"SELECT version FROM model_versions WHERE name = '{turns.NAME}' AND current_stage = 'None'")


def test_two_first_starts_on_an_empty_database(cluster, folders):
    ask(cluster.uri, "CREATE DATABASE empty")
    uri = cluster.uri.removesuffix("mlflow") + "empty"
    places = [folders("one"), folders("two")]
    with trackers.never_two(uri):
        started = [trackers.start(uri, place, COUNT) for place in places]
        outcomes = sorted(tracker.outcome() for tracker in started)
    assert outcomes == [("report", 0, 0, COUNT), ("report", COUNT, 0, 0)]
    assert once(uri) and queue(uri) == []
    said = "\n".join(tracker.said() for tracker in started)
    assert "waiting for it" in said and "process" in said
    locations = dict(ask(uri, "SELECT name, artifact_location FROM experiments"))
    assert Path(locations["toy"].removeprefix("file://")) in [place / "mlartifacts" for place in places]
    (artifact,) = [path for place in places for path in place.rglob("picture.csv") if path.parent != place]
    assert artifact.is_relative_to(locations["toy"].removeprefix("file://"))
    assert "mlruns" not in str(locations) and not [path for place in places for path in place.rglob("mlruns")]


def test_a_killed_writer_is_followed_at_once_and_its_run_is_completed(uri, folders):
    with trackers.never_two(uri):
        first = trackers.start(uri, folders("one"), COUNT, stop_at=4)
        first.wait_until_stopped()
        second = trackers.start(uri, folders("two"), COUNT)
        assert "records runs" in second.until("said")[1]
        assert [line[1] for line in statuses(uri)] == ["FINISHED", "RUNNING"]
        first.send_signal(signal.SIGKILL)
        assert second.outcome() == ("report", COUNT - 3, 0, 3)
    assert f"process {first.process.pid} " in second.said() and "has died" in second.said()
    assert once(uri) and queue(uri) == []


def test_a_stopped_writer_loses_its_turn_and_writes_nothing_twice(uri, folders):
    with trackers.never_two(uri):
        first = trackers.start(uri, folders("one"), COUNT, lease=LEASE, stop_at=4)
        first.wait_until_stopped()
        second = trackers.start(uri, folders("two"), COUNT, lease=LEASE)
        assert second.outcome() == ("report", COUNT - 3, 0, 3)
        assert "not been heard from" in second.said()
        # It stands between its last look and the call that publishes its run.
        first.send_signal(signal.SIGCONT)
        assert first.outcome() == ("report", 3, 0, COUNT - 3)
        third = trackers.start(uri, folders("three"), COUNT)
        assert third.outcome() == ("report", 0, 0, COUNT)
    assert once(uri) and queue(uri) == []


def test_a_session_that_has_ended_is_not_waited_for(uri, folders):
    """Another machine's process cannot be seen, its session can."""
    first = trackers.start(uri, folders("one"), COUNT, stop_at=4)
    first.wait_until_stopped()
    ask(uri, "UPDATE model_version_tags SET value = replace(value, '\"pid\": ', '\"pid\": 9') "
             f"WHERE name = '{turns.NAME}' AND key = '{turns.TICKET}'")  # fmt: skip
    ask(uri, "UPDATE model_version_tags SET value = replace(value, '\"host\": \"', '\"host\": \"far-') "
             f"WHERE name = '{turns.NAME}' AND key = '{turns.TICKET}'")  # fmt: skip
    second = trackers.start(uri, folders("two"), COUNT)
    assert "far-" in second.until("said")[1]
    first.send_signal(signal.SIGKILL)
    assert second.outcome() == ("report", COUNT - 3, 0, 3)
    assert "the connection of" in second.said()
    assert once(uri)


def test_what_is_not_understood_is_waited_for(uri, folders):
    """A version of a later backbench, or of a person."""
    with service.client(uri) as client:
        client.create_registered_model(turns.NAME)
        client.create_model_version(turns.NAME, turns.SOURCE, tags={turns.TICKET: "[]"})
        waiting = trackers.start(uri, folders("one"), COUNT)
        assert "another version" in waiting.until("said")[1]
        client.delete_model_version(turns.NAME, "1")
    assert waiting.outcome() == ("report", COUNT, 0, 0)


def test_a_writer_that_is_sent_away_queues_again(uri, folders):
    first = trackers.start(uri, folders("one"), COUNT, lease=LEASE, stop_at=4)
    first.wait_until_stopped()
    ask(uri, "DELETE FROM model_version_tags"), ask(uri, "DELETE FROM model_versions")
    time.sleep(LEASE)
    first.send_signal(signal.SIGCONT)
    assert first.outcome()[0] == "report"
    assert once(uri) and queue(uri) == []


def test_the_database_is_killed_in_the_middle(uri, cluster, folders):
    place = folders("one")
    first = trackers.start(uri, place, COUNT, stop_at=4)
    first.wait_until_stopped()
    cluster.process.kill()
    cluster.process.wait()
    first.send_signal(signal.SIGCONT)
    kind, text = first.outcome()
    assert kind == "refused" and "`backbench track` records what is missing" in text
    assert cluster._password not in text
    # A number that has gone to another program, as after a restart of the machine.
    file = cluster.data / "postmaster.pid"
    assert file.exists()
    file.write_text(file.read_text().replace(file.read_text().split()[0], str(os.getpid()), 1))
    assert cluster.left_behind() is None and not file.exists()
    start(cluster)
    second = trackers.start(cluster.uri, place, COUNT)
    assert second.outcome()[0] == "report" and once(cluster.uri)


def test_a_lower_floor_refuses_at_once_and_says_why(cluster, tmp_path, monkeypatch):
    base = cluster.uri.rpartition("/")[0]
    wrong = {
        f"{base}/nowhere": 'database "nowhere" does not exist',
        cluster.uri.replace(cluster._password, "wrong"): "password authentication failed",
        cluster.uri.replace("postgresql:", "postgres:"): "write postgresql://",
        cluster.uri.replace("postgresql:", "postgresql+nodriver:"): "names no known driver",
    }
    for uri, reason in wrong.items():
        with pytest.raises(tracking.TrackingUnavailable, match=reason) as caught:
            tracking.track([make_row(1)], EXPERIMENT, uri, "0" * 64, tmp_path / "mlartifacts")
        assert cluster._password not in str(caught.value)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(databases.DriverMissing, match=r'pip install "backbench\[postgres\]"'):
        databases.check_driver(cluster.uri)


def test_artifacts_go_where_the_team_keeps_them(uri, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", str(shared))
    assert tracking.artifact_place() == shared.as_uri() == service.shared_root()
    where = {"root": service.shared_root()}
    tracking.track([make_row(1)], EXPERIMENT, uri, "0" * 64, tmp_path / "mlartifacts", **where)
    assert ask(uri, "SELECT artifact_location FROM experiments WHERE name = 'toy'") == [(shared.as_uri(),)]
    assert shared.is_dir() and not (tmp_path / "mlartifacts").exists()
    ask(uri, "UPDATE experiments SET artifact_location = 'file:///home/anna/results/mlartifacts' WHERE name = 'toy'")
    with pytest.raises(tracking.TrackingUnavailable, match=r"tracking\.artifacts"):
        tracking.track(make_rows(2), EXPERIMENT, uri, "0" * 64, tmp_path / "mlartifacts")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "shared")
    with pytest.raises(ConfigError, match="absolute"):
        service.shared_root()


def serve(results: Path, *words: str, **more) -> subprocess.Popen:
    environment = {**os.environ, "BACKBENCH_RESULTS": str(results)}
    command = [sys.executable, "-c", COMMAND, "server", *words]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **more)


@pytest.fixture
def host(results, monkeypatch) -> Iterator[hosting.Host]:
    """The server of the results folder, of which nothing is left at the end."""
    monkeypatch.setenv("BACKBENCH_RESULTS", str(results))
    host = hosting.Host("127.0.0.1", free_port(), print)
    yield host
    host.clear()


@pytest.mark.slow
def test_a_server_for_a_team(results, uri, cluster, folders, host):
    """From its start to kill -9 of all of it; one test, because MLflow's server takes long to start."""
    cluster.stop()
    address, port = host.address, host.port
    server = serve(results, "--port", str(port))
    # Where the start takes long, another line says what is being done.
    lines = [server.stderr.readline()]
    while lines[-1] and not lines[-1].strip().startswith("export"):
        lines.append(server.stderr.readline())
    assert lines[-1].strip() == f"export MLFLOW_TRACKING_URI={address}", lines
    # Started twice, and at a port in use.
    twice = serve(results, "--port", str(free_port())).communicate()[1]
    assert "runs already" in twice and address in twice and f"process {server.pid}" in twice
    (results / "another").mkdir()
    taken = serve(results / "another", "--port", str(port)).communicate()[1]
    assert "in use" in taken and "type backbench server --port " in taken

    postgres, mlflow = host.cluster.left_behind(), hosting._recorded(results / "server" / "mlflow.json")
    cluster.port = int((results / "server" / "data" / "postmaster.pid").read_text().split()[3])
    direct = cluster.uri
    uris = [address, address, direct]
    with trackers.never_two(direct):
        started = [trackers.start(uri, folders(f"at-{number}"), COUNT) for number, uri in enumerate(uris)]
        outcomes = sorted(tracker.outcome() for tracker in started)
    assert outcomes == [("report", 0, 0, COUNT)] * 2 + [("report", COUNT, 0, 0)]
    assert once(direct) and queue(direct) == []
    assert tracking.hashes(address) == sorted(row.config_hash for row in make_rows(COUNT))
    views_of = "SELECT key, value FROM experiment_tags JOIN experiments USING (experiment_id) WHERE name = 'toy'"
    assert dict(ask(direct, views_of)) == {views.KIND: views.MODEL_TRAINING, **EXPERIMENT.views}
    run = tracking.find(address, make_row(3).config_hash[:10])
    assert (run.config, run.metrics) == (make_row(3).config, make_row(3).metrics)
    (artifact,) = (results / "server" / "artifacts").rglob("picture.csv")
    assert not [path for path in artifact.parents if path.name == "mlruns"]
    # A server does not see sessions: who was killed on this machine is known, who is silent loses its turn.
    with trackers.never_two(direct):
        first = trackers.start(address, folders("stopped"), COUNT, revision=1, lease=LEASE, stop_at=4)
        first.wait_until_stopped()
        second = trackers.start(address, folders("after"), COUNT, revision=1, lease=LEASE)
        assert second.outcome() == ("report", 0, COUNT - 3, 3)
        first.send_signal(signal.SIGCONT)
        assert first.outcome()[0] == "report"
    assert once(direct)

    unfinished = trackers.start(address, folders("unfinished"), 2 * COUNT, stop_at=4)
    unfinished.wait_until_stopped()
    server.kill()
    assert urllib.request.urlopen(f"{address}/health", timeout=5).status == 200, "the two go on"
    os.killpg(mlflow, signal.SIGKILL)
    os.kill(postgres, signal.SIGKILL)
    unfinished.send_signal(signal.SIGCONT)
    kind, text = unfinished.outcome()
    assert kind == "refused" and address in text and "`backbench track` records what is missing" in text
    host.clear()
    start(cluster)
    assert trackers.start(cluster.uri, folders("afterwards"), 2 * COUNT).outcome()[0] == "report"
    assert once(cluster.uri, 2 * COUNT)
