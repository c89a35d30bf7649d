"""Where folders of images lay and what was found in them: one JSON file per folder (layer 1).

The files are a cache (``results/fingerprints``): without them, folders are fingerprinted anew.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.datasets import _decode
from backbench.schema import ConfigError
from backbench.store import write_text

FORMAT = 1
Found = dict[str, Any]  # {"size", "mtime_ns", and "sha256" or "reason"}


def read(root: Path) -> dict[str, Found]:
    """What is known of the files of a folder, by their relative paths; nothing if another decoder found it."""
    body = _load(_path(root))
    return body.get("files", {}) if body.get("root") == str(root) else {}


def write(root: Path, files: Mapping[str, Found], digest: str | None) -> None:
    """Keep what was found; `digest` is None while not every file has been looked at."""
    about = {"format": FORMAT, "decoder": _decode.decoder_version(), "root": str(root), "digest": digest}
    write_text(_path(root), json.dumps({**about, "files": files}))


def locate(digest: str, recorded: Path) -> Path:
    """The folder that holds the content `digest`: where it was, or where planning last saw it.

    Raises
    ------
    ConfigError
        If it is in none of these places.
    """
    seen = (_load(path) for path in sorted((paths.results() / "fingerprints").glob("*.json")))
    for place in (recorded, *(Path(body["root"]) for body in seen if body.get("digest") == digest)):
        if place.is_dir():
            return place
    raise ConfigError(f"the images of dataset {digest[:12]} were in {recorded}, which is gone; give dataset.root=PATH.")


def _path(root: Path) -> Path:
    name = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return paths.results() / "fingerprints" / f"{name}.json"


def _load(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = {"format": FORMAT, "decoder": _decode.decoder_version()}
    return body if isinstance(body, dict) and wanted.items() <= body.items() else {}
