"""Official weights of PyTorch's hub: found in its cache, else downloaded, always verified (layer 1).

The folder is torch.hub's: ``$TORCH_HOME/hub/checkpoints``, TORCH_HOME being ``$XDG_CACHE_HOME/torch`` or
``~/.cache/torch`` where it is not set. A file's name ends in the first digits of its SHA-256.
"""

import contextlib
import functools
import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from backbench.backbones import _weights
from backbench.files import make_folder
from backbench.schema import ConfigError

URL = "https://download.pytorch.org/models/"
PROBE_SECONDS, STALL_SECONDS = 5, 60


def folder() -> Path:
    """Where torch.hub keeps its checkpoints; torch is not imported."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))  # noqa: PTH118 (torch.hub's own rule)
    return Path(home).expanduser().absolute() / "hub" / "checkpoints"


def prefix(file: str) -> str:
    """The first digits of the SHA-256 that the name of an official file states."""
    return re.search(r"-([0-9a-f]{8,})\.\w+$", file)[1]


def check(what: str, url: str) -> None:
    """Refuse early where a file is neither in the cache nor can be downloaded; a probe, once per process.

    Raises
    ------
    ConfigError
        It says which file was looked for, where, from which URL, and how to supply it.
    """
    path = _path(url)
    if not path.is_file():
        reason = unreachable(url)
        if reason:
            raise _absent(what, url, reason)


def fetch(what: str, url: str) -> Path:
    """The file of official weights, downloaded if need be, its digest verified.

    Raises
    ------
    ConfigError
        If it can neither be found nor downloaded, or is another file than its name says.
    """
    path = _path(url)
    if not path.is_file():
        check(what, url)
        _download(what, url, path)
    found, expected = _weights.digest(path), prefix(path.name)
    if not found.startswith(expected):
        raise ConfigError(
            f"{path} is not the official file of {what} (SHA-256 {found[: len(expected)]}, not {expected}); delete it, "
            f"or give backbone.weights={path} to use it all the same."
        )
    return path


def _path(url: str) -> Path:
    return folder() / url.rsplit("/", 1)[-1]


def _absent(what: str, url: str, reason: str) -> ConfigError:
    path = _path(url)
    return ConfigError(
        f"The weights of {what} were not found. Looked for {path.name} in {path.parent}, then for {url} ({reason}). "
        "Put the file there (TORCH_HOME says where), or give backbone.weights=PATH."
    )


def _download(what: str, url: str, path: Path) -> None:
    from torch import hub

    make_folder(path.parent)
    try:
        with _stalls_after(STALL_SECONDS):
            hub.download_url_to_file(url, str(path), prefix(path.name), progress=False)
    except (OSError, RuntimeError) as error:
        raise _absent(what, url, f"{type(error).__name__}: {error}") from error


def unreachable(url: str) -> str | None:
    """Why the server of `url` does not answer, or None if it does."""
    return _probe("/".join(url.split("/")[:3]))


@functools.cache
def _probe(server: str) -> str | None:
    try:
        urllib.request.urlopen(urllib.request.Request(server, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return None  # it answers; its first page need not be there
    except OSError as error:
        return f"no answer: {getattr(error, 'reason', error)}"
    return None


@contextlib.contextmanager
def _stalls_after(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
