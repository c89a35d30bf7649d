"""Config hashes by their first digits."""

from collections.abc import Iterable

from backbench import hashing
from backbench.schema import ConfigError


def unique(prefix: str, hashes: Iterable[str]) -> str:
    """The one full hash that starts with `prefix`.

    Raises
    ------
    ConfigError
        If none does (the nearest is named) or several do.
    """
    known = sorted(set(hashes))
    matches = [full for full in known if full.startswith(prefix.lower())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(hashing.short(full) for full in matches[:5])
        raise ConfigError(f"{prefix}: {len(matches)} runs start with it ({shown}...); give more digits.")
    near = _nearest_hash(prefix.lower(), known)
    nearest = f" The nearest is {hashing.short(near)}; `backbench runs` lists all." if near else ""
    hint = nearest or " No runs are recorded yet."
    raise ConfigError(f"{prefix}: no run with this config hash is recorded here.{hint}")


def _nearest_hash(prefix: str, known: list[str]) -> str | None:
    """The hash that agrees with most of the given digits, place by place."""
    return max(known, key=lambda full: sum(a == b for a, b in zip(prefix, full, strict=False)), default=None)
