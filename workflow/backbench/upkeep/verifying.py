"""Verify a store: every record against its checksum, and every array against the digest that its record names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing
from backbench.store import Store
from backbench.upkeep.inventory import RECORD, Inventory, Result

Progress = Callable[[int, int], None]
UNREADABLE = "it cannot be read by this user, or not now"


@dataclass(frozen=True)
class Damage:
    """A record or an array that is not what was written, with the records that name it.

    `size` and `digest` are what an array should have; None where it is a record. What cannot be read may be whole, so
    that it is not `certain`.
    """

    path: Path
    reason: str
    records: tuple[Path, ...] = ()
    size: int | None = None
    digest: str = ""
    certain: bool = True


def verify(inventory: Inventory, progress: Progress = lambda done, total: None) -> list[Damage]:
    """All damage of a store; `progress` is told of bytes. Arrays that several records name are read once."""
    damage = [Damage(file.path, "the record is damaged") for file in inventory.damaged]
    damage += [Damage(file.path, UNREADABLE, certain=False) for file in inventory.unreadable]
    named: dict[tuple[Path, int, str], list[Path]] = {}
    for path, result in inventory.results.items():
        for array, size, digest in _entries(result):
            named.setdefault((array, size, digest), []).append(path)
    done, total = 0, sum(size for _, size, _ in named)
    for (array, size, digest), records in sorted(named.items()):
        reason = _reason(array, size, digest)
        if reason:
            damage.append(Damage(array, reason, tuple(records), size, digest, not reason.startswith(UNREADABLE)))
        done += size
        progress(done, total)
    return damage


def remove(store: Store, damage: Sequence[Damage]) -> list[Path]:
    """Forget what is damaged, so that it is computed again; the files that this user may not remove.

    It is looked at once more: a sweep may have mended it meanwhile.
    """
    kept: list[Path] = []
    for each in damage:
        for path in _still(store, each):
            if path.suffix == RECORD:
                store.mark_damaged(path)
            try:
                path.unlink(missing_ok=True)
            except OSError:
                kept.append(path)
    return kept


def _still(store: Store, damage: Damage) -> Iterator[Path]:
    """The files of a damage that is certain and still there: first the records that name an array, then itself."""
    if not damage.certain:
        return
    if damage.size is None:
        if store.opened(damage.path) is None:
            yield damage.path
        return
    if not _reason(damage.path, damage.size, damage.digest):
        return
    for path in damage.records:
        record = store.opened(path)
        if record and any(entry["sha256"] == damage.digest for entry in record["arrays"].values()):
            yield path
    yield damage.path


def _entries(result: Result) -> list[tuple[Path, int, str]]:
    folder = result.record.path.parent
    return [(folder / entry["file"], entry["bytes"], entry["sha256"]) for entry in result.about["arrays"].values()]


def _reason(path: Path, size: int, digest: str) -> str:
    try:
        if not path.is_file():
            return "the array is missing"
        if path.stat().st_size != size:
            return f"the array has {path.stat().st_size:,} bytes instead of {size:,}"
        return "" if hashing.file_digest(path) == digest else "the array does not match its digest"
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror})"
