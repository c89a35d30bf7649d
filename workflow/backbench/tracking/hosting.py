"""A tracking server for a team: PostgreSQL and MLflow's server in front of it, in the foreground, below one folder.

PostgreSQL listens at 127.0.0.1 alone, behind a password that only its owner can read; MLflow's server receives runs
and artifacts. It has no accounts: who reaches its address may write. Both are started one after the other and stopped
in the opposite order. Where the process that started them was killed, they go on; the next start ends them first.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from backbench import paths
from backbench.engine.run import jobs
from backbench.files import write_text
from backbench.schema import ConfigError
from backbench.tracking import databases, pages
from backbench.tracking.cluster import Cluster

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.2
SECONDS_TO_STOP = 15
LINES_OF_A_LOG = 12


class Failed(RuntimeError):
    """One of the two servers ended by itself."""


def folder() -> Path:
    """Folder of the server's data, artifacts and logs."""
    return paths.results() / "server"


@contextlib.contextmanager
def only_one(address: str) -> Iterator[None]:
    """Hold the lock of the server's folder, which ends with the process; `address` is where it will answer.

    Raises
    ------
    ConfigError
        If a server runs there; it says where.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"the server of {folder()} runs already: {lock.read().strip()}. Another one needs a results folder of "
                "its own (BACKBENCH_RESULTS=...)."
            ) from None
        lock.truncate(0)
        lock.write(f"{address}, process {os.getpid()}\n")
        lock.flush()
        yield


class Host:
    """The two servers at an address; `say` is told what happens.

    Raises
    ------
    ConfigError
        If PostgreSQL or its driver is not installed, or cannot run here.
    """

    def __init__(self, host: str, port: int, say: Callable[[str], None]):
        self.host, self.port, self.say = host, port, say
        self.artifacts, self.log = folder() / "artifacts", folder() / "mlflow.log"
        try:
            databases.check_driver("postgresql://")
        except databases.DriverMissing as error:
            raise ConfigError(str(error)) from error
        self.cluster = Cluster(folder())
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()

    @property
    def address(self) -> str:
        """What to open in a browser, and to name as the address of MLflow."""
        return pages.reachable(self.host, self.port)

    def clear(self) -> None:
        """End what an earlier start has left running because it was killed."""
        postgres, mlflow = self.cluster.left_behind(), _recorded(folder() / "mlflow.json")
        for pid, number, whole in ((mlflow, signal.SIGTERM, True), (postgres, signal.SIGINT, False)):
            if pid is not None:
                self.say(f"ending process {pid}, which an earlier start has left behind")
                _end(pid, number, whole)

    def run(self) -> None:
        """Start both, and wait until a signal says to stop, or one of them ends.

        Raises
        ------
        Failed
            If one of them ends by itself; the end of its log is shown.
        """
        before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            self._start()
            if self._wait(lambda: False):
                return
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self) -> None:
        self.say(f"PostgreSQL and MLflow below {folder()}: data, artifacts, postgresql.log, mlflow.log")
        self.cluster.make()
        self.cluster.start()
        if self._wait(self.cluster.is_ready):
            self._start_mlflow()
            self.say("starting; this takes about half a minute (Ctrl-C ends it)")
            if self._wait(self._answers):
                self.say(f"MLflow answers at {self.address}. Whoever shall record runs here types:")
                self.say(f"  export MLFLOW_TRACKING_URI={self.address}")
                if self.host not in pages.LOOPBACK:
                    self.say("There are no passwords: who reaches this address may read and write.")

    def _start_mlflow(self) -> None:
        self.artifacts.mkdir(exist_ok=True)
        command = pages.server_command(self.artifacts.absolute().as_uri(), self.port, self.host)
        variables = {**os.environ, **pages.variables(self.host), "MLFLOW_BACKEND_STORE_URI": self.cluster.uri}
        variables.pop("MLFLOW_TRACKING_URI", None)
        variables.pop("MLFLOW_DEFAULT_ARTIFACT_ROOT", None)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        body = {"pid": self.process.pid, "boot": jobs.boot(), "started": jobs.started(self.process.pid)}
        write_text(folder() / "mlflow.json", json.dumps(body))

    def _wait(self, ready: Callable[[], bool]) -> bool:
        """Wait until something is ready; False where it was told to stop."""
        while not self.stopping.is_set():
            for name, process, log in self._parts():
                if process is not None and process.poll() is not None:
                    raise Failed(
                        f"{name} has ended with status {process.returncode}; its log {log} ends:\n{_tail(log)}"
                    )
            if ready():
                return True
            self.stopping.wait(POLL_SECONDS)
        return False

    def _parts(self) -> list[tuple[str, subprocess.Popen[bytes] | None, Path]]:
        return [("PostgreSQL", self.cluster.process, self.cluster.log), ("MLflow's server", self.process, self.log)]

    def _answers(self) -> bool:
        try:
            here = pages.EVERYWHERE.get(self.host, self.host)
            urllib.request.urlopen(f"{pages.base(here, self.port)}/health", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _stop(self, *_: object) -> None:
        self.stopping.set()

    def _end(self) -> None:
        """End MLflow's server, then PostgreSQL."""
        if self.process is not None and self.process.poll() is None:
            self.say("stopping")
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        (folder() / "mlflow.json").unlink(missing_ok=True)
        self.cluster.stop()


def _recorded(file: Path) -> int | None:
    """The process in a file, if it is still the one that was meant."""
    try:
        body = json.loads(file.read_text())
        same = body["boot"] == jobs.boot() and body["started"] is not None
        return int(body["pid"]) if same and jobs.started(body["pid"]) == body["started"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _end(pid: int, number: int, whole: bool) -> None:
    """End a process that is no child of ours, with its group if `whole`."""
    send = os.killpg if whole else os.kill
    started = jobs.started(pid)
    for each in (number, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            send(pid, each)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < deadline:
            if jobs.started(pid) != started:
                return
            time.sleep(POLL_SECONDS)


def _tail(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-LINES_OF_A_LOG:])
