"""Where folders of images lay and what was found in them: one JSON file per folder (layer 1).

The files are a cache (``results/fingerprints``): without them, folders are fingerprinted anew.
"""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.datasets import _decode
from backbench.schema import ConfigError
from backbench.store import write_text

FORMAT = 2
KEPT_DIGESTS = 32
Found = dict[str, Any]  # {"size", "mtime_ns", "ctime_ns", and "reason" or what _fingerprint.look gives}


def read(root: Path) -> dict[str, Found]:
    """What is known of the files of a folder, by their relative paths; nothing if another decoder found it."""
    return _body(root).get("files", {})


def write(root: Path, files: Mapping[str, Found], digest: str | None) -> None:
    """Keep what was found; `digest` is None while not every file has been looked at.

    One folder may be listed in several ways (all of it, by a CSV), so that what is known of other files stays while
    they are there, and what is known of other digests while no file has changed.
    """
    old = _body(root)
    known = old.get("files", {})
    unlisted = {path: found for path, found in known.items() if path not in files}
    others = {path: found for path, found in unlisted.items() if os.path.lexists(root / path)}
    same = len(others) == len(unlisted) and all(known.get(path, found) == found for path, found in files.items())
    digests = [other for other in old.get("digests", []) if same]
    new = [digest] if digest and digest not in digests else []
    about = {"digests": [*digests, *new][-KEPT_DIGESTS:], "files": {**others, **files}}
    body = {**_head(), "root": str(root), **about}
    if body != old:
        write_text(_path(root), json.dumps(body, separators=(",", ":")))


def locate(digest: str, recorded: Path) -> Path:
    """The folder that holds the content `digest`: where it was, or where planning last saw it.

    Raises
    ------
    ConfigError
        If it is in none of these places.
    """
    seen = (_load(path) for path in sorted((paths.results() / "fingerprints").glob("*.json")))
    for place in (recorded, *(Path(body["root"]) for body in seen if digest in body.get("digests", ()))):
        if place.is_dir():
            return place
    raise ConfigError(f"the images of dataset {digest[:12]} were in {recorded}, which is gone; give dataset.root=PATH.")


def _path(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return paths.results() / "fingerprints" / f"{name}.json"


def _head() -> dict[str, Any]:
    return {"format": FORMAT, "decoder": _decode.decoder_version()}


def _body(root: Path) -> dict[str, Any]:
    body = _load(_path(root))
    return body if body.get("root") == str(root) else {}


def _load(path: Path) -> dict[str, Any]:
    try:
        about = path.stat()
        body = _parsed(path, about.st_mtime_ns, about.st_size, about.st_ino)
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) and _head().items() <= body.items() else {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, *version: int) -> Any:
    """The content of a file: planning asks several times for the same, of 100,000 images 24 MB."""
    return json.loads(path.read_text(encoding="utf-8"))
