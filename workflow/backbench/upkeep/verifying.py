"""Verify a store: every record against its checksum, and every array against the digest that its record names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing
from backbench.upkeep.inventory import Inventory, Result

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Damage:
    """A record or an array that is not what was written, with the records that name it."""

    path: Path
    reason: str
    records: tuple[Path, ...]


def verify(inventory: Inventory, progress: Progress = lambda done, total: None) -> list[Damage]:
    """All damage of a store; `progress` is told of bytes. Arrays that several records name are read once."""
    damage = [Damage(file.path, "the record cannot be read", (file.path,)) for file in inventory.damaged]
    named: dict[tuple[Path, int, str], list[Path]] = {}
    for path, result in inventory.results.items():
        for array, size, digest in _entries(result):
            named.setdefault((array, size, digest), []).append(path)
    done, total = 0, sum(size for _, size, _ in named)
    for (array, size, digest), records in sorted(named.items()):
        reason = _reason(array, size, digest)
        if reason:
            damage.append(Damage(array, reason, tuple(records)))
        done += size
        progress(done, total)
    return damage


def remove(damage: Sequence[Damage]) -> list[Path]:
    """Forget what is damaged, so that it is computed again; the files that this user may not remove."""
    kept: list[Path] = []
    for each in damage:
        for path in dict.fromkeys((*each.records, each.path)):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                kept.append(path)
    return kept


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
        return f"the array cannot be read ({error.strerror})"
