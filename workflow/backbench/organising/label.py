"""From named clusters to a labelled collection: a table of paths and labels that `backbench sweep` reads."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from backbench import hashing, paths
from backbench.datasets._table_paths import Ground, locate
from backbench.files import write_bytes
from backbench.organising import centres, folders, naming, photographs, sheets
from backbench.organising.naming import Cluster
from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.wording import brief

# The third column tells such a table from one of the user's, which is never overwritten.
TITLES = ("path", "label", "cluster")
EXAMPLES = 4


@dataclass(frozen=True)
class Labelled:
    """A labelled collection that was written to `path`: the number of images of each class, and of those left out."""

    path: Path
    root: Path
    sizes: Mapping[str, int]
    left_out: int
    corrected: int

    @property
    def command(self) -> str:
        """The command that sweeps it."""
        return f"backbench sweep {shlex.quote(str(self.path))} {shlex.quote(f'dataset.root={self.root}')}"


def describe(source: Source) -> list[Cluster]:
    """The clusters of a run with their names and the files that are nearest to their centres; written beside its names.

    Raises
    ------
    ConfigError
        If the run has no clusters that could have a name.
    """
    check(source)
    files = source.info("dataset").get("files")
    rows = []
    for number, members, near in centres.nearest(source, EXAMPLES):
        shown = [brief(PurePath(files[row]).name) if files else f"image {row}" for row in near]
        rows.append(Cluster(number, str(len(members)), "", "; ".join(shown)))
    return naming.save_clusters(source.row.config_hash, rows)


def check(source: Source) -> None:
    """Refuse a run whose clusters cannot have names."""
    run, reason = hashing.short(source.row.config_hash), _heads.missing(source, "clustering")
    if reason:
        raise ConfigError(f"run {run}: {reason}, so there is nothing to name.")
    if folders.apart(source):
        raise ConfigError(
            f"run {run} clustered each split alone, so that cluster 0 of one is not cluster 0 of another. Name the "
            "clusters of a run with clustering.scope=all."
        )


def from_file(source: Source, path: Path) -> dict[int, str]:
    """The names in a table that a person filled in; empty ones included.

    Raises
    ------
    ConfigError
        If the table is not in order; says in which line.
    """
    return {line.number: line.name for line in sheets.read(path, _known(source))}


def from_words(source: Source, words: Mapping[str, str]) -> dict[int, str]:
    """Names by clusters as a person types them: ``{"3": "boots"}``.

    Raises
    ------
    ConfigError
        If there is no such cluster, or something is no name.
    """
    known = _known(source)
    return {
        sheets.number(cluster, f"{cluster}={name}", known): sheets.checked(name, f"{cluster}={name}")
        for cluster, name in words.items()
    }


def fixes(source: Source, path: Path) -> dict[int, str]:
    """Labels of single images by their row, from a table with the columns ``path`` and ``label``.

    Paths are relative to the collection or the table, or absolute. An empty label leaves an image out.

    Raises
    ------
    ConfigError
        If a column is missing, or a path is none of the collection's or occurs twice; says in which line.
    """
    table = sheets.opened(path, "path,label")
    place, label = sheets.column(table, "path"), sheets.column(table, "label")
    files = photographs.of(source)
    rows_of = {name: row for row, name in enumerate(files.files)}
    located = locate(table.column(place), Ground(files.root, path.absolute().parent, list(files.files)), table.encoding)
    labels: dict[int, str] = {}
    lines: dict[int, int] = {}
    for line, name in zip(table.rows, located.paths, strict=True):
        where, row = f"{path}, line {line.line}", rows_of.get(name or "")
        if row is None:
            raise ConfigError(f"{where}: {line.cells[place]!r} is none of the {len(files.files):,} images of the run.")
        if row in labels:
            raise ConfigError(f"{where}: {line.cells[place]!r} is in line {lines[row]} already; remove one of them.")
        labels[row], lines[row] = sheets.checked(line.cells[label], where), line.line
    return labels


def default(source: Source) -> Path:
    """Where the labelled collection of a run goes."""
    return paths.results() / "labels" / hashing.short(source.row.config_hash) / "collection.csv"


def collection(source: Source, target: Path, corrected: Mapping[int, str] | None = None) -> Labelled:
    """Write the images of the named clusters with their names as labels; `corrected` has the labels of single rows.

    Raises
    ------
    ConfigError
        If the collection has no files, no cluster has a name, or `target` is another file.
    """
    check(source)
    target = Path(os.path.normpath(target.expanduser().absolute()))
    files, names, corrected = photographs.of(source), naming.names(source.row.config_hash), corrected or {}
    if os.path.lexists(target) and not (target.is_file() and sheets.begins(target, TITLES)):
        raise ConfigError(f"{target} exists and is not a labelled collection of backbench; name another file.")
    lines, sizes = [], dict.fromkeys([*names.values()], 0)
    for row, number in enumerate(source.labels.tolist()):
        label = corrected.get(row, names.get(number, ""))
        if label:
            lines.append((files.files[row], label, number))
            sizes[label] = sizes.get(label, 0) + 1
    if not lines:
        raise ConfigError(
            f"no cluster of run {hashing.short(source.row.config_hash)} has a name yet; fill in the column `name` of "
            f"{naming.path(source.row.config_hash)}, or type --set 0=NAME."
        )
    write_bytes(target, sheets.encoded(TITLES, sorted(lines)))
    return Labelled(target, files.root, sizes, len(source.labels) - len(lines), len(corrected))


def _known(source: Source) -> list[int]:
    check(source)
    return [number for number, _ in centres.members(source)]
