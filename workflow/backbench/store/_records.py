"""Files of records: their names, which of them there are of a member, and what makes one whole.

The record of a member lies in ``<hash>.<code>.json``, named by the first digits of the digest of the code that made it,
so that results of different code lie side by side. Stores of earlier versions have ``<hash>.json``.
"""

import functools
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import files, hashing

log = logging.getLogger(__name__)

ENDING = ".json"
# An empty file in the place of a record that was forgotten because it, or an array of it, was damaged.
DAMAGED = ".damaged"
# A folder that changed less than this before it was listed may change again without a new time of change.
SETTLED_SECONDS = 2.0


def name(member: str, code: str = "") -> str:
    """Name of the file of a record, by the digest of the code that made it, if the record has one."""
    return f"{member}.{hashing.short(code)}{ENDING}" if code else f"{member}{ENDING}"


def mark(path: Path) -> Path:
    """The file that says that the record of this path was forgotten as damaged."""
    return path.with_suffix(DAMAGED)


def marked(folder: Path, member: str) -> bool:
    """Whether a record of the member, of whatever code, was forgotten as damaged, as far as this user may see."""
    try:
        return any(folder.glob(f"{member}*{DAMAGED}"))
    except PermissionError:
        return False


def digest_part(member: str) -> str:
    """The hash in the name of a member: of scores, that of their fit."""
    return member.partition(".")[0]


def names(folder: Path, member: str) -> Sequence[str]:
    """Names of all files in `folder` that may be records of a member, in no order."""
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return ()
    settled = time.time() - changed / 1e9 > SETTLED_SECONDS
    return (_listed if settled else _listed.__wrapped__)(str(folder), changed).get(member, ())


def newest_first(folder: Path, candidates: Sequence[str]) -> list[Path]:
    """The files that are there, the one that was written last first."""
    times: list[tuple[int, str]] = []
    for candidate in candidates:
        try:
            times.append(((folder / candidate).stat().st_mtime_ns, candidate))
        except OSError:  # a link to nowhere is tried last
            times.append((0, candidate))
    return [folder / candidate for _, candidate in sorted(times, reverse=True)]


def read(path: Path, member: str | None = None) -> dict[str, Any] | None:
    """The verified record in a file, of `member` if that is given; None where it is absent, damaged or cut short."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        intact = record.pop("checksum") == checksum(record) and _belongs(record, path, member)
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn_of(files.blocking(path), error.strerror or type(error).__name__)
        return None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        log.warning("damaged record, counted as absent: %s", path)
        return None
    if not intact:
        log.warning("record does not match its checksum, counted as absent: %s", path)
        return None
    return record


def sealed(record: Mapping[str, Any]) -> str:
    """The text of a record with its checksum."""
    body = json.loads(json.dumps(record))
    return json.dumps({**body, "checksum": checksum(body)}, sort_keys=True, indent=1)


def checksum(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _belongs(record: Mapping[str, Any], path: Path, member: str | None) -> bool:
    """Whether a record is that of the member, and of the code, that its file is named by."""
    key = record["hash"]
    return member in (None, key) and path.name in (name(key, record.get("code", "")), name(key))


@functools.lru_cache(maxsize=8192)
def _listed(folder: str, changed: int) -> dict[str, list[str]]:
    """By member, the files of its records in a folder that was changed at this time."""
    by_member: dict[str, list[str]] = {}
    try:
        entries = [path.name for path in Path(folder).iterdir()]
    except OSError:
        return {}
    for entry in entries:
        if entry.endswith(ENDING):
            stem = entry.removesuffix(ENDING)
            by_member.setdefault(stem, []).append(entry)
            by_member.setdefault(stem.rpartition(".")[0], []).append(entry)
    return by_member


@functools.cache
def _warn_of(path: Path, reason: str) -> None:
    log.warning("%s cannot be read as a record (%s), counted as absent; a sweep computes it anew", path, reason)
