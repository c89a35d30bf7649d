"""Fetching original files into the download folder: completely or not at all.

Each function takes the folder to fill; :func:`into` gives it a temporary one and renames it when it is complete.
"""

import contextlib
import logging
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from backbench.files import make_folder, share_all

log = logging.getLogger(__name__)

PROBE_SECONDS, STALL_SECONDS = 5, 30
APT_SECONDS = 600


class FetchError(RuntimeError):
    """A source that did not deliver the files; the message says why in one line."""


def into(target: Path, fill: Callable[[Path], None]) -> Path:
    """Let `fill` work in a temporary folder beside `target`, and rename that to `target` when it has returned."""
    make_folder(target.parent)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        fill(work)
        work.chmod(0o755)
        share_all(work)
        with contextlib.suppress(OSError):  # another process was first; its folder is just as good
            work.rename(target)
        if not target.is_dir():
            raise FetchError(f"cannot make {target}")
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def debian_package(name: str, files: str, folder: Path) -> None:
    """The files under `files` of a Debian package, without root rights: apt keeps its state in `folder`.

    Raises
    ------
    FetchError
        If this is not a Debian-like system, or apt cannot get the package.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise FetchError("no apt-get and dpkg-deb on this system")
    state = folder / "apt"
    for below in ("lists/partial", "cache/archives/partial"):
        (state / below).mkdir(parents=True)
    options = _apt_options(state)
    _command(["apt-get", *options, "update"], state)
    _command(["apt-get", *options, "download", name], state)
    packages = sorted(state.glob(f"{name}_*.deb"))
    if not packages:
        raise FetchError(f"apt-get downloaded no {name}")
    _command(["dpkg-deb", "-x", str(packages[0]), str(state / "tree")], state)
    for path in (state / "tree" / files).iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(state)


def _apt_options(state: Path) -> list[str]:
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": STALL_SECONDS,
        "Acquire::https::Timeout": STALL_SECONDS,
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "",
    }
    return ["-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


def _command(words: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=APT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{words[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"{words[0]} {words[-1] if words[0] == 'apt-get' else ''} failed: {last}")


def probe(addresses: Sequence[str], what: str = "the mirrors") -> None:
    """Check that one of `addresses` answers within a few seconds, so that a missing network is noticed at once.

    Raises
    ------
    FetchError
        If none does.
    """
    reasons = []
    for address in addresses:
        request = urllib.request.Request(address, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
            return
        except urllib.error.HTTPError:
            return  # the server answers; the folder itself need not be readable
        except OSError as error:
            reasons.append(f"{address}: {error}")
    raise FetchError(f"{what} cannot be reached ({'; '.join(reasons)})")
