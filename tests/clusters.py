"""A SLURM of one node and a PostgreSQL server, on loopback, for tests that need the real ones.

SLURM reads its settings from /etc/slurm: it is started by root alone, where none is set up, and shared by all processes
of a test run. One that is called `test` and answers already is used as it is; any other is left alone.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

CLUSTER = "test"
SETTINGS = Path("/etc/slurm/slurm.conf")
CPUS, MEMORY_MB = 8, 16_000
BASE = Path(tempfile.gettempdir()) / "backbench-test-slurm"
SECONDS_TO_START = 30

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def _other_slurm() -> bool:
    """Whether this machine has a SLURM that is no business of tests."""
    return SETTINGS.exists() and f"ClusterName={CLUSTER}\n" not in SETTINGS.read_text()


needs_slurm = pytest.mark.skipif(
    not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))) or os.geteuid() != 0 or _other_slurm(),
    reason="SLURM cannot be started here (as root: apt-get install slurm-wlm)",
)
needs_postgres = pytest.mark.skipif(BINARIES is None, reason="PostgreSQL is not installed (apt-get install postgresql)")


# ------------------------------------------------------------------------------------------------------- SLURM


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """A cluster called `test` with one node of 8 CPUs and 16,000 MB, memory limits and no accounting."""
    BASE.mkdir(mode=0o755, exist_ok=True)
    lock = filelock.FileLock(BASE / "lock")
    with lock:
        ours = BASE / "users" / uuid.uuid4().hex
        if (BASE / "users").is_dir() or not _answers():
            ours.parent.mkdir(exist_ok=True)
            ours.touch()
        if not _answers():
            _stop_slurm()
            _start_slurm()
    yield
    with lock:
        ours.unlink(missing_ok=True)
        if ours.parent.is_dir() and not any(ours.parent.iterdir()):
            ours.parent.rmdir()
            _stop_slurm()


def _answers() -> bool:
    if not SETTINGS.exists():
        return False
    shown = subprocess.run(["timeout", "5", "sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    return shown.returncode == 0 and shown.stdout.split()[:1] in (["idle"], ["mixed"], ["allocated"])


def _start_slurm() -> None:
    for name in ("state", "spool", "log", "munge"):
        (BASE / name).mkdir(exist_ok=True)
    (BASE / "munge").chmod(0o711)
    key = BASE / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    (BASE / "slurm.conf").write_text(_settings(socket.gethostname().partition(".")[0]))
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.unlink(missing_ok=True)
    SETTINGS.symlink_to(BASE / "slurm.conf")
    munge = (f"--{option}={BASE}/munge/{name}" for option, name in MUNGE_FILES.items())
    subprocess.run(["munged", "--force", *munge], check=True)
    for daemon in ("slurmctld", "slurmd"):
        subprocess.run([daemon, "-f", str(BASE / "slurm.conf"), "-c"], check=True)
    deadline = time.monotonic() + SECONDS_TO_START
    while not _answers():
        assert time.monotonic() < deadline, f"SLURM did not start; its logs are in {BASE}/log"
        time.sleep(0.2)


def _stop_slurm() -> None:
    """Stop the daemons by the files in which they keep their process numbers."""
    pids = [pid for name in ("slurmd.pid", "slurmctld.pid", "munge/pid") for pid in _pid(BASE / name)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.1)
    for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
        (BASE / name).unlink(missing_ok=True)
    if SETTINGS.is_symlink() and SETTINGS.readlink() == BASE / "slurm.conf":
        SETTINGS.unlink()


def _pid(file: Path) -> list[int]:
    """The process of a file, if it is a daemon of ours that still runs."""
    try:
        pid = int(file.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return []
    return [pid] if name in ("slurmctld", "slurmd", "munged") else []


MUNGE_FILES = {"socket": "sock", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _settings(host: str) -> str:
    return f"""\
ClusterName={CLUSTER}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={BASE}/munge/sock
SlurmctldPort=26817
SlurmdPort=26818
SlurmctldPidFile={BASE}/slurmctld.pid
SlurmdPidFile={BASE}/slurmd.pid
StateSaveLocation={BASE}/state
SlurmdSpoolDir={BASE}/spool
SlurmctldLogFile={BASE}/log/slurmctld.log
SlurmdLogFile={BASE}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
MinJobAge=3600
ReturnToService=2
SlurmdParameters=config_overrides
MailProg=/bin/true
SwitchType=switch/none
MpiDefault=none
KillWait=5
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} Boards=1 SocketsPerBoard=1 CoresPerSocket={CPUS} \
ThreadsPerCore=1 RealMemory={MEMORY_MB} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES DefaultTime=10 MaxTime=INFINITE State=UP
"""


# -------------------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and returns its address."""
    base = Path(tempfile.mkdtemp(prefix="backbench-test-postgres-"))
    port = free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(base, "postgres", "postgres")
        _as_postgres(str(BINARIES / "initdb"), "-D", f"{base}/data", "-A", "trust", "-U", "postgres", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {base}"
        start = ("-D", f"{base}/data", "-o", options, "-l", f"{base}/log", "-w", "start")
        _as_postgres(str(BINARIES / "pg_ctl"), *start)

        def database() -> str:
            name = f"mlflow_{uuid.uuid4().hex[:12]}"
            _as_postgres(str(BINARIES / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", name)
            return f"postgresql://postgres@127.0.0.1:{port}/{name}"

        yield database
        _as_postgres(str(BINARIES / "pg_ctl"), "-D", f"{base}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _as_postgres(*command: str) -> None:
    """Run a program of PostgreSQL, which refuses root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")


def free_port() -> int:
    """A port of 127.0.0.1 at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
