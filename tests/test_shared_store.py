"""A store that a group shares: two users of it, whatever their umask, and a store that stays private."""

import multiprocessing
import os
import shutil
import stat
import subprocess
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock  # noqa: F401 (loaded before root becomes a user, who may not be able to read it)
import numpy as np
import pytest

from backbench import files, lock, paths
from backbench.files import WriteError
from backbench.store import Store, StoreError

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes root, to be two users")

LAB, ALICE, BOB, OUTSIDER = 64100, 64101, 64102, 64103
HASH = "ab" * 32


@dataclass
class User:
    """A user with a home, its own group and one that it shares."""

    number: int
    place: Path
    umask: int = 0o022
    group: int = LAB
    results: Path | None = None
    store: Path | None = None

    def does(self, act: Callable[[], object]) -> str:
        """What `act` returns as text, or how it failed, done by this user in a process of its own."""
        receiver, sender = multiprocessing.Pipe(duplex=False)
        child = os.fork()
        if child == 0:
            try:
                self._become()
                sender.send(str(act()))
            except (WriteError, StoreError) as error:
                sender.send(f"refused: {error}")
            except BaseException:
                sender.send(f"failed: {traceback.format_exc()}")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        answer = receiver.recv()
        assert not answer.startswith("failed"), answer
        return answer

    def _become(self) -> None:
        home = self.place / str(self.number)
        home.mkdir(exist_ok=True)
        os.chown(home, self.number, self.number)
        os.environ["BACKBENCH_RESULTS"] = str(self.results or home / "results")
        os.environ["BACKBENCH_STORE"] = str(self.store or self.place / "store")
        os.environ.pop("BACKBENCH_DOWNLOADS", None)
        os.setgroups([self.group])
        os.setresgid(self.number, self.number, self.number)
        os.setresuid(self.number, self.number, self.number)
        os.umask(self.umask)


def sweeping(value):
    """Take the lock as a sweep does, then write a result and take a lock of the store, as its jobs do."""

    def act():
        lock.acquire()
        record = {"status": "done", "code": "c" * 64, "info": {}}
        Store(paths.store()).write("clustering", HASH, record, {"labels": np.full(10, value)})
        files.locked(paths.store() / "partial" / "x.lock").acquire()

    return act


def reading():
    return Store(paths.store()).array("clustering", HASH, "labels")[0]


@pytest.fixture
def place():
    """A folder that everyone can reach, since those of pytest are root's."""
    folder = Path(tempfile.mkdtemp(prefix="backbench-shared-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=[0o022, 0o077], ids=["umask 022", "umask 077"])
def users(request, place) -> tuple[User, User]:
    return User(ALICE, place, request.param), User(BOB, place, request.param)


def folder_of(place, mode, name="store", group=LAB) -> Path:
    """A root that Alice owns."""
    root = place / name
    root.mkdir()
    os.chown(root, ALICE, group)
    root.chmod(mode)
    return root


def modes(root: Path) -> set[tuple[int, int]]:
    """Modes and groups of what is in a root, folders and files."""
    return {(stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) for path in root.rglob("*")}


def is_shared(root: Path) -> bool:
    folders = [path for path in root.rglob("*") if path.is_dir()]
    return all(group == LAB and bits & 0o060 == 0o060 and not bits & 0o002 for bits, group in modes(root)) and all(
        path.stat().st_mode & stat.S_ISGID for path in folders
    )


def test_a_result_in_a_folder_that_is_closed_to_a_user_is_absent_and_not_damaged(users, place):
    alice, bob = users
    root = folder_of(place, 0o2775)
    assert alice.does(sweeping(1.0)) == "None"
    Store(root).path("clustering", HASH).parent.chmod(0o700)
    assert bob.does(lambda: Store(paths.store()).read("clustering", HASH)) == "None"
    assert bob.does(lambda: Store(paths.store()).damaged("clustering", HASH)) == "False"


@pytest.mark.parametrize("mode", [0o2775, 0o775, 0o2770], ids=["setgid", "without setgid", "closed to others"])
def test_either_reads_and_replaces_what_the_other_made(users, place, mode):
    alice, bob = users
    root = folder_of(place, mode)
    assert alice.does(sweeping(1.0)) == "None" and is_shared(root)
    assert bob.does(reading) == "1.0"
    assert bob.does(sweeping(2.0)) == "None" and is_shared(root)
    assert alice.does(reading) == "2.0"


@pytest.mark.parametrize("damage", ["*.json", "*.npy"])
def test_a_damaged_result_of_the_other_is_replaced(users, place, damage):
    alice, bob = users
    root = folder_of(place, 0o2775)
    alice.does(sweeping(1.0))
    (path,) = root.rglob(damage)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert bob.does(reading).startswith("refused")
    assert "holds no 'labels'" in bob.does(reading)
    bob.does(sweeping(2.0))
    assert alice.does(reading) == "2.0"


def test_a_private_store_stays_private_and_says_how_it_is_shared(users, place):
    bob = users[1]
    root = folder_of(place, 0o755)
    User(ALICE, place, umask=0o002).does(sweeping(1.0))
    assert not any(bits & 0o022 for bits, _ in modes(root))
    refused = bob.does(sweeping(2.0))
    assert f"{root} may not be written by {BOB}: it belongs to {ALICE}" in refused
    assert "BACKBENCH_STORE=..." in refused
    (command,) = (line.partition("types: ")[2] for line in refused.splitlines() if "types: " in line)
    subprocess.run(command, shell=True, check=True)
    assert bob.does(sweeping(2.0)) == "None" and is_shared(root)


def test_what_was_made_before_it_was_shared_is_named_before_any_job(users, place):
    alice, bob = users
    root = folder_of(place, 0o755)
    alice.does(sweeping(1.0))
    root.chmod(0o2775)
    refused = bob.does(sweeping(2.0))
    assert f"{root / 'clustering'} ({ALICE}, mode 7" in refused
    assert f"{ALICE}, or an administrator, types: chgrp -R {LAB} {root}" in refused
    assert bob.does(reading).startswith("refused") or alice.umask == 0o022
    alice.does(lock.acquire)
    assert bob.does(sweeping(2.0)) == "None"


def test_who_is_not_in_the_group_is_told(place):
    folder_of(place, 0o2770)
    assert f"usermod -aG {LAB} {OUTSIDER}" in User(OUTSIDER, place, group=OUTSIDER).does(sweeping(1.0))


def test_a_sticky_folder_is_refused(place):
    root = folder_of(place, 0o2775)
    User(ALICE, place).does(sweeping(1.0))
    (root / "clustering").chmod(0o3775)
    assert f"chmod -R -t {root}" in User(BOB, place).does(sweeping(2.0))


def test_a_store_that_is_made_in_a_folder_of_the_group_is_shared(users, place):
    above = folder_of(place, 0o2775, "lab")
    for user in users:
        user.store = above / "store"
    assert [user.does(sweeping(1.0)) for user in users] == ["None", "None"] and is_shared(above)


def test_shared_results_let_the_other_launch(users, place):
    """Locks, receipts and logs of a results folder that both work on."""
    results = folder_of(place, 0o2775, "results")

    def act():
        sweeping(1.0)()
        (paths.results() / "mlflow.db").open("a").close()
        files.write_text(paths.receipts() / "x" / "y.json", "{}")

    for user in users:
        user.results, user.store = results, results / "store"
        assert user.does(act) == "None"
    assert all(group == LAB and bits & 0o060 == 0o060 for bits, group in modes(results))


def test_what_a_group_does_not_share_is_left_alone(users, place):
    """Hidden files, and the data of a tracking server, which PostgreSQL wants to be its owner's alone."""
    alice, bob = users
    root = folder_of(place, 0o2775, "results")
    for user in users:
        user.results, user.store = root, root / "store"
    private = [root / name for name in (".netrc", ".ssh/key", "server/data/file", "server/password")]

    def make() -> None:
        for path in private:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        for path in private[1:]:
            path.parent.chmod(0o700)

    alice.does(make)
    alice.does(sweeping(1.0))
    assert bob.does(sweeping(2.0)) == "None"
    shut = {path: stat.S_IMODE(path.stat().st_mode) for path in (*private, *(each.parent for each in private[1:]))}
    assert set(shut.values()) == {0o600, 0o700}
