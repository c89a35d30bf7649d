"""A PostgreSQL server of our own below a folder, on 127.0.0.1 (no mlflow).

PostgreSQL refuses to run as root; root's servers belong to the user `postgres`, which Debian's package makes. Its data
folder is made under another name, database and password included, so that a kill leaves none or all of it.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from backbench.schema import ConfigError

ACCOUNT = "postgres"
ROLE = DATABASE = "mlflow"
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
LOCAL = "127.0.0.1"
INSTALL = "apt-get install postgresql, dnf install postgresql-server, or conda install -c conda-forge postgresql"
# A light commit loses the last runs in a power cut, which the next `track` records again.
OPTIONS = ("-c", f"listen_addresses={LOCAL}", "-c", "unix_socket_directories=", "-c", "synchronous_commit=off")
SECONDS_TO_STOP = 60


def binaries() -> Path:
    """Folder of PostgreSQL's programs, the newest version that is installed.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += [folder for place in PLACES for folder in Path("/").glob(place[1:]) if (folder / "initdb").exists()]
    if not folders:
        raise ConfigError(f"PostgreSQL is not installed here: {INSTALL}. Or name a server of your own: --uri.")
    return max(folders, key=_version)


def _version(folder: Path) -> list[int]:
    return [int(word) for word in "".join(c if c.isdigit() else " " for c in str(folder)).split()]


class Cluster:
    """A PostgreSQL server: its data, its log, and the process while it runs.

    Raises
    ------
    ConfigError
        If PostgreSQL is not installed, or nobody may run it here.
    """

    def __init__(self, folder: Path):
        self.folder, self.data, self.log = folder, folder / "data", folder / "postgresql.log"
        self.programs = binaries()
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.as_owner: dict[str, Any] = _account(folder) if os.geteuid() == 0 else {}

    @property
    def uri(self) -> str:
        """Address of the database, its password included."""
        return f"postgresql://{ROLE}:{self._password}@{LOCAL}:{self.port}/{DATABASE}"

    @property
    def _password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def make(self) -> None:
        """Make the data folder, if there is none."""
        if self.data.exists():
            return
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give(new)
        password = secrets.token_urlsafe(24)
        (self.folder / "password").touch(mode=0o600)
        (self.folder / "password").write_text(password)
        locale = ("--locale=C", "--encoding=UTF8")
        self._run("initdb", "-D", str(new), "-U", ROLE, "-A", "reject", *locale)
        access = new / "pg_hba.conf"
        access.write_text(f"host all all {LOCAL}/32 scram-sha-256\n")
        orders = f"ALTER ROLE {ROLE} PASSWORD '{password}'\nCREATE DATABASE {DATABASE}\n"
        self._run("postgres", "--single", "-D", str(new), "postgres", text=orders)
        new.replace(self.data)

    def start(self) -> None:
        """Start the server at a port that is free; `is_ready` says when it answers."""
        with socket.create_server((LOCAL, 0)) as free:
            self.port = free.getsockname()[1]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *OPTIONS]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self.as_owner,
            )

    def is_ready(self) -> bool:
        """Whether the server takes connections; it may be recovering from a crash."""
        asked = [str(self.programs / "pg_isready"), "-q", "-h", LOCAL, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def stop(self) -> None:
        """End the server in order: connections are cut, what was committed is on disk."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def left_behind(self) -> int | None:
        """The process of an earlier server on these data, whose parent was killed; a stale file of one is removed."""
        file = self.data / "postmaster.pid"
        try:
            pid = int(file.read_text().split()[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return None
        if str(self.data).encode() in words:
            return pid
        # The number has gone to another program, for which PostgreSQL would take it.
        file.unlink(missing_ok=True)
        return None

    def _give(self, folder: Path) -> None:
        if self.as_owner:
            shutil.chown(folder, ACCOUNT)

    def _run(self, program: str, *words: str, text: str = "") -> None:
        done = subprocess.run(
            [str(self.programs / program), *words],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            **self.as_owner,
        )
        if done.returncode:
            raise ConfigError(f"{program} of PostgreSQL failed: {done.stdout.decode(errors='replace').strip()}")


def _account(folder: Path) -> dict[str, Any]:
    """The user that PostgreSQL runs as in place of root, for `subprocess`."""
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise ConfigError(
            f"PostgreSQL does not run as root, and there is no user {ACCOUNT!r}: useradd --system {ACCOUNT}, "
            "or start the server as another user."
        ) from None
    as_owner: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    if subprocess.run(["test", "-x", str(folder)], check=False, cwd="/", **as_owner).returncode:
        raise ConfigError(
            f"PostgreSQL does not run as root, and the user {ACCOUNT!r} may not enter {folder}. Use a results folder "
            "that it may enter (BACKBENCH_RESULTS=/srv/backbench), or start the server as another user."
        )
    return as_owner
