"""With what a run was computed, as far as it may change the last bits of a result, and what differs between two."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backbench.engine.results.joined_run import Row

# Between the libraries of a record, and between the records of the stages of a run in a tag.
BETWEEN = re.compile("; |, ")


@dataclass(frozen=True)
class Environment:
    """Versions by library, processors, their instruction sets, BLAS libraries, and threads and device by stage.

    A run whose stages were computed on several machines has several processors. A BLAS library is a text of
    `provenance.blas`. What an older record does not hold is empty.
    """

    versions: Mapping[str, str]
    processors: frozenset[str]
    instructions: frozenset[str]
    blas: frozenset[str]
    threads: Mapping[str, int]
    devices: Mapping[str, str]


def of_row(row: Row) -> Environment:
    """The environment of a row of the joined results."""
    texts = {key: row.provenance(key) for key in ("cpu", "cpu_features", "blas")}
    return Environment(
        versions=row.versions,
        processors=frozenset(texts["cpu"].values()),
        instructions=frozenset(texts["cpu_features"].values()) - {""},
        blas=_libraries(texts["blas"].values()),
        threads=row.provenance("threads"),
        devices=row.provenance("device"),
    )


def of_tags(tags: Mapping[str, str]) -> Environment:
    """The environment that the tags of a tracking server name."""
    return Environment(
        versions=_by_stage(tags, "version"),
        processors=frozenset({tags["cpu"]} if "cpu" in tags else ()),
        instructions=frozenset(BETWEEN.split(tags.get("cpu_features", ""))) - {""},
        blas=_libraries([tags.get("blas", "")]),
        threads={kind: int(count) for kind, count in _by_stage(tags, "threads").items()},
        devices=_by_stage(tags, "device"),
    )


def differences(then: Environment, now: Environment) -> list[str]:
    """What of `now` is not as it was `then`, each as words; empty where results must be equal to the last bit."""
    return [
        *_of_blas(then.blas, now.blas),
        *_of_processors(then, now),
        *_of_versions(then.versions, now.versions),
        *_of_stages("threads", then.threads, now.threads),
        *_of_stages("device", then.devices, now.devices),
    ]


def _of_blas(then: frozenset[str], now: frozenset[str]) -> list[str]:
    """Compared are the libraries of packages that both name: which others a job had loaded is no difference."""
    if now and not then:
        return [f"a BLAS kernel that was not recorded: now {kernels(now)}"]
    shared = {_package(library) for library in then} & {_package(library) for library in now}
    if shared:
        then, now = (frozenset(text for text in each if _package(text) in shared) for each in (then, now))
    if then == now:
        return []
    if kernels(then) != kernels(now):
        return [f"another BLAS kernel: {kernels(now)}, recorded {kernels(then)}"]
    return [f"another BLAS library: {_named(now - then)}, recorded {_named(then - now)}"]


def _package(library: str) -> str:
    return library.partition(" ")[0]


def kernels(libraries: Iterable[str]) -> str:
    """The kernels of BLAS libraries, ``Haswell``: the fourth word of each; MKL, which names none, by its version."""
    words = [library.split(" ") for library in libraries]
    return _named({parts[3] if len(parts) > 4 else " ".join(parts[1:]) for parts in words})


def _of_processors(then: Environment, now: Environment) -> list[str]:
    changes = []
    if then.processors != now.processors:
        changes.append(f"another processor: {_named(now.processors)}, recorded {_named(then.processors)}")
    if then.instructions and then.instructions != now.instructions:
        sets = [{word for text in each.instructions for word in text.split()} for each in (then, now)]
        lost, added = _named(sets[0] - sets[1]), _named(sets[1] - sets[0])
        words = [f"{verb} {names}" for verb, names in (("without", lost), ("with", added)) if names]
        changes.append(f"other instruction sets: {', '.join(words) or 'not the same in all stages'}")
    return changes


def _of_versions(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    pairs = ((name, version, now.get(name)) for name, version in then.items())
    return [f"{name} {new or 'absent'}, recorded {old}" for name, old, new in pairs if old != new]


def _of_stages(word: str, then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    pairs = ((kind, then[kind], now[kind]) for kind in then if kind in now)
    return [f"{word} of {kind} {new}, recorded {old}" for kind, old, new in pairs if str(old) != str(new)]


def _by_stage(tags: Mapping[str, str], word: str) -> dict[str, str]:
    return {key.partition(".")[2]: text for key, text in tags.items() if key.startswith(f"{word}.")}


def _libraries(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(library for text in texts for library in BETWEEN.split(text) if library)


def _named(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
