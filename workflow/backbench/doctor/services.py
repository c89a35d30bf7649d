"""What a sweep asks other programs for: MLflow, and the weights of networks."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from backbench import mounts, paths, tracking
from backbench.backbones import _hub
from backbench.findings import Finding, fail, ok, warn
from backbench.tracking import local, service
from backbench.wording import counted

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
WEIGHTS = ("*.pth", "*.pt", "*.safetensors", "*.bin")


def mlflow(_: Sequence[str]) -> Iterator[Finding]:
    """Whether MLflow's address answers."""
    uri = tracking.address()
    shown, database = service.without_password(uri), local.database(uri)
    if database is not None and not database.exists():
        yield ok("mlflow", f"{shown}, which the first sweep makes")
    else:
        try:
            service.check(uri)
        except tracking.TrackingUnavailable as error:
            yield fail("mlflow", str(error).splitlines()[0], "start the server, or set MLFLOW_TRACKING_URI to another")
            return
        yield ok("mlflow", f"{shown} answers")
    mount = mounts.of(database) if database is not None else None
    if mount and mount.network:
        seen = f"its database is a file on {mount.kind}, which fits one user on one machine"
        yield warn("mlflow", seen, "set tracking.uri to a server for more (docs/mlflow.md)")


def weights(_: Sequence[str]) -> Iterator[Finding]:
    """What is in the caches of weights, and whether the rest could be fetched."""
    hub = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser() / "hub"
    torch_files = [path for pattern in WEIGHTS for path in _hub.folder().glob(pattern)]
    models = list(hub.glob("models--*"))
    cached = f"{counted(len(torch_files), 'file')} in {_hub.folder()}, {counted(len(models), 'model')} in {hub}"
    offline = next((name for name in OFFLINE if os.environ.get(name, "0").lower() not in ("", "0", "false")), None)
    reason = f"{offline} is set" if offline else _hub.unreachable(_hub.URL)
    if reason:
        seen = f"{cached}; nothing can be fetched from here ({reason})"
        yield warn("weights", seen, "fetch on a machine with a network, and set TORCH_HOME and HF_HOME to its caches")
    else:
        yield ok("weights", f"{cached}; others are fetched when they are needed")
    place = mounts.existing(_hub.folder())
    if not os.access(place, os.W_OK):
        yield warn("weights", f"{place} may not be written", "set TORCH_HOME to a folder of yours")
    yield from _originals()


def _originals() -> Iterator[Finding]:
    """The collections that are here already."""
    files = [path for path in paths.downloads().glob("*") if not path.name.startswith(".")]
    if files:
        yield ok("originals", f"{counted(len(files), 'fetched original')} in {paths.downloads()}")
