"""Official weights of PyTorch's hub: taken from its cache or downloaded, always verified.

The folder is torch.hub's: ``$TORCH_HOME/hub/checkpoints``, TORCH_HOME being ``$XDG_CACHE_HOME/torch`` or
``~/.cache/torch`` by default. The name of a file ends in the first digits of its SHA-256.
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
    """The folder of torch.hub's checkpoints; torch is not imported."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))  # noqa: PTH118 (torch.hub's own rule)
    return Path(home).expanduser().absolute() / "hub" / "checkpoints"


def prefix(file: str) -> str:
    """The first digits of the SHA-256, from the name of an official file."""
    match = re.search(r"-([0-9a-f]{8,})\.\w+$", file)
    assert match is not None, f"{file} is not the name of an official file"
    return match[1]


def check(what: str, url: str) -> None:
    """Raise early if a file is not in the cache and its server cannot be reached (tested once per process).

    Raises
    ------
    ConfigError
        Names the file, the places where it was looked for, and how to supply it.
    """
    path = _path(url)
    if not path.is_file():
        reason = unreachable(url)
        if reason:
            raise _absent(what, url, reason)


def fetch(what: str, url: str) -> Path:
    """The file of official weights, downloaded if necessary, with its digest verified.

    Raises
    ------
    ConfigError
        If it can neither be found nor downloaded, or its digest is not the one in its name.
    """
    path = _path(url)
    if not path.is_file():
        check(what, url)
        _download(what, url, path)
    actual, expected = _weights.digest(path), prefix(path.name)
    if not actual.startswith(expected):
        raise ConfigError(
            f"{path} is not the official file of {what} (SHA-256 {actual[: len(expected)]}, not {expected}); delete "
            f"it, or give backbone.weights={path} to use it anyway."
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
        return None  # the server answers, even if its first page does not exist
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
