"""Where a request read its images, and which files it left out: one JSON file per intake.

Results are shared by all requests whose readable images have the same content, wherever they are. The folder and the
files that were left out belong to the request: a plan refers to its intake by digest, and the audit and the records of
the runs describe that intake.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.files import write_text


def keep(root: Path, excluded: Mapping[str, str]) -> str:
    """Write an intake unless it exists, and return its digest."""
    body = {"root": str(root), "excluded": dict(excluded)}
    digest = hashing.digest(body)
    if not _path(digest).exists():
        write_text(_path(digest), json.dumps(body, sort_keys=True))
    return digest


@functools.lru_cache(maxsize=64)
def read(digest: str) -> Mapping[str, Any]:
    """``root`` and ``excluded`` of an intake; empty if it no longer exists."""
    try:
        return json.loads(_path(digest).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def asked(record: Mapping[str, Any], about: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a dataset, with the folder and left-out files of the intake that `about` names, if it names one."""
    if "intake" not in about:
        return record
    return {**record, "info": {**record["info"], **read(about["intake"])}}


def _path(digest: str) -> Path:
    return paths.results() / "intakes" / f"{hashing.short(digest)}.json"
