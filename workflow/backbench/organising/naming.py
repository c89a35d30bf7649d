"""The names that a person gives to the clusters of a run: ``results/labels/<12 digits>.csv``.

A table that spreadsheets open: a line for each cluster with its number, its images, its name and examples. It is
written whole or not at all, and a lock keeps two writers from losing names.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backbench import hashing, paths
from backbench.files import locked, write_bytes
from backbench.organising import sheets
from backbench.organising.sheets import TITLES

SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """A line of the table: a cluster, its number of images, its name (empty without one) and names of a few files."""

    number: int
    images: str = ""
    name: str = ""
    examples: str = ""


def path(run_hash: str) -> Path:
    """Where the names of a run are."""
    return paths.results() / "labels" / f"{hashing.short(run_hash)}.csv"


def names(run_hash: str) -> dict[int, str]:
    """The names of the clusters of a run, by their numbers; clusters without a name are not in it.

    Raises
    ------
    ConfigError
        If a person left the table in a state that cannot be read; says in which line.
    """
    return {cluster.number: cluster.name for cluster in clusters(run_hash) if cluster.name}


def save_names(run_hash: str, names: Mapping[int, str]) -> None:
    """Name clusters of a run; an empty name takes the name away, and clusters that are not in `names` keep theirs.

    Raises
    ------
    ConfigError
        If something is no name, or the table as it is cannot be read.
    """
    checked = {number: sheets.checked(name, f"cluster {number}") for number, name in names.items()}
    with _locked(run_hash):
        rows = {cluster.number: cluster for cluster in clusters(run_hash)}
        for number, name in checked.items():
            rows[number] = replace(rows.get(number, Cluster(number)), name=name)
        _write(run_hash, [rows[number] for number in sorted(rows)])


def save_clusters(run_hash: str, described: Sequence[Cluster]) -> list[Cluster]:
    """Write the table of a run with these clusters, which keep the names that they have; returns its lines."""
    with _locked(run_hash):
        known = names(run_hash)
        rows = [replace(cluster, name=known.get(cluster.number, "")) for cluster in described]
        _write(run_hash, rows)
    return rows


def clusters(run_hash: str) -> list[Cluster]:
    """The lines of the table of a run; none if there is no table."""
    table = path(run_hash)
    if not table.exists():
        return []
    return [Cluster(line.number, line.images, line.name, line.examples) for line in sheets.read(table)]


def _write(run_hash: str, rows: Sequence[Cluster]) -> None:
    lines = ((row.number, row.images, row.name, row.examples) for row in rows)
    content = sheets.encoded(TITLES, lines)
    table = path(run_hash)
    if not table.exists() or table.read_bytes() != content:
        write_bytes(table, content)


@contextlib.contextmanager
def _locked(run_hash: str) -> Iterator[None]:
    with locked(paths.results() / "labels" / f".{hashing.short(run_hash)}.lock", SECONDS):
        yield
