"""Results that pictures alone need, as members of the store: what is current, who makes it, and its record."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench import code, hashing, provenance
from backbench.files import make_folder
from backbench.store import DONE, Store, StoreError
from backbench.sweep.plan.grid import stage_hash
from backbench.threads import one_core_each

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

KIND = "layout"

Arrays = dict[str, "np.ndarray"]


@dataclass(frozen=True)
class Member:
    """A result that may be in the store: its configuration, what it is made from, and the digest of what makes it."""

    config: Mapping[str, Any]
    parents: Mapping[str, tuple[str, str]]
    code: str

    @property
    def hash(self) -> str:
        return stage_hash(KIND, self.config, self.parents)


def member(
    store: Store, config: Mapping[str, Any], parents: Mapping[str, tuple[str, str]], modules: Sequence[str]
) -> Member:
    """The member of a configuration; what its parents hold counts as code does, for it makes the result another one."""
    content = {role: (store.read(*ref) or {}).get("arrays") for role, ref in parents.items()}
    return Member(config, parents, hashing.digest({"own": code.digest(modules), "content": content}))


def current(store: Store, wanted: Member) -> Mapping[str, Any] | None:
    """The record of a member, where it was made by this code from what is there now."""
    record = store.read(KIND, wanted.hash)
    return record if record and record["code"] == wanted.code and store.complete(KIND, record) else None


def ensure(
    store: Store, wanted: Member, make: Callable[[], tuple[dict[str, Any], Arrays]], threads: int
) -> tuple[Mapping[str, Any], Arrays]:
    """Information on a member and its arrays; `make`, with so many threads, gives both where they are not current.

    Of several processes one makes it, and the others wait.
    """
    with _alone(store, wanted):
        found = _read(store, wanted)
        if found is None:
            began = time.perf_counter()
            with one_core_each(threads):
                found = make()
            body = _record(wanted, found[0], threads, time.perf_counter() - began)
            store.write(KIND, wanted.hash, body, found[1])
        return found


def _read(store: Store, wanted: Member) -> tuple[Mapping[str, Any], Arrays] | None:
    record = current(store, wanted)
    if record is None:
        return None
    try:
        return record["info"], {name: store.array(KIND, wanted.hash, name) for name in record["arrays"]}
    except StoreError as error:
        log.warning("%s", error)
        return None


@contextmanager
def _alone(store: Store, wanted: Member) -> Iterator[None]:
    import filelock

    scratch = store.scratch(KIND, wanted.hash)
    make_folder(scratch.parent)
    with filelock.FileLock(scratch.with_name(f"{hashing.short(wanted.hash)}.lock"), mode=0o664):
        yield


def _record(wanted: Member, info: Mapping[str, Any], threads: int, seconds: float) -> dict[str, Any]:
    return {
        "status": DONE,
        "reason": None,
        "config": dict(wanted.config),
        "local": {},
        "parents": {role: list(ref) for role, ref in wanted.parents.items()},
        "code": wanted.code,
        "metrics": {},
        "notes": {},
        "info": dict(info),
        "provenance": {
            "versions": provenance.versions(),
            "git": provenance.git_commit(),
            **provenance.machine(),
            "device": "cpu",
            "threads": threads,
            "finished": round(time.time(), 3),
            "seconds": round(seconds, 6),
        },
    }
