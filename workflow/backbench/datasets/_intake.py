"""What a request found where it looked (layer 1): one JSON file per folder and list of what was left out there.

Results are shared by the content of the readable images, wherever those lie and whatever lies beside them. The folder
and the files that were left out belong to the request: a plan names its intake by the digest of it, and the audit and
the records of the runs speak of that one.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.files import write_text


def keep(root: Path, excluded: Mapping[str, str]) -> str:
    """Write an intake, unless it is there; returns its digest."""
    body = {"root": str(root), "excluded": dict(excluded)}
    digest = hashing.digest(body)
    if not _path(digest).exists():
        write_text(_path(digest), json.dumps(body, sort_keys=True))
    return digest


@functools.lru_cache(maxsize=64)
def read(digest: str) -> Mapping[str, Any]:
    """``root`` and ``excluded`` of an intake; empty if it is gone."""
    try:
        return json.loads(_path(digest).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def asked(record: Mapping[str, Any], about: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a dataset with the folder and the left-out files of the request that `about` belongs to."""
    if "intake" not in about:
        return record
    return {**record, "info": {**record["info"], **read(about["intake"])}}


def _path(digest: str) -> Path:
    return paths.results() / "intakes" / f"{hashing.short(digest)}.json"
