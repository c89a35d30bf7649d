"""Choosing classes of a labelled collection by name (standard library only): ``dataset.classes=[cat,dog]``.

The collection is then treated as if it held nothing else: files of other classes are not decoded, the digest covers
the chosen classes only, and the gate, the draw and the split come after the choice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from backbench.datasets._listing import Listing
from backbench.datasets._printable import printable
from backbench.schema import ConfigError, nearest

WHERE = "dataset.classes"
SHOWN = 12
Sizes = Mapping[tuple[int, str], int]  # images by (split, class)


def of_listing(listing: Listing, classes: Sequence[str] | None, root: Path) -> Listing:
    """The files of the chosen classes, None for all.

    Raises
    ------
    ConfigError
        If the collection has no classes, or lacks one of the chosen ones.
    """
    if classes is None:
        return listing
    known = {entry.label for entry in listing.entries if entry.label is not None}
    if not known:
        raise ConfigError(
            f"{WHERE}: received {', '.join(classes)}; the images of {root} have no classes. Give null, or say where "
            "their classes are: in sub-folders, dataset.csv or dataset.label_pattern."
        )
    _check(classes, known)
    words = (*listing.understood, f"only {len(classes)} of them (dataset.classes)")
    entries = [entry for entry in listing.entries if entry.label in classes]
    return replace(listing, entries=entries, understood=words)


def of_sizes(sizes: Sizes, classes: Sequence[str] | None, named: bool) -> Sizes:
    """The official sizes of the chosen classes.

    If `named` is false, the names in `sizes` are stand-ins: only the files tell the real ones, and as many classes are
    taken as were chosen.

    Raises
    ------
    ConfigError
        If the collection lacks one of the classes, or has fewer.
    """
    if classes is None:
        return sizes
    known = sorted({name for _, name in sizes})
    if named:
        _check(classes, known)
    elif len(classes) > len(known):
        raise ConfigError(f"{WHERE}: received {len(classes)} names; the collection has {len(known)} classes.")
    kept = classes if named else known[: len(classes)]
    return {key: count for key, count in sizes.items() if key[1] in kept}


def check_remaining(classes: Sequence[str] | None, remaining: Iterable[str | None], root: Path) -> None:
    """Refuse chosen classes that have no image among the `remaining` labels.

    Raises
    ------
    ConfigError
        Naming those classes.
    """
    empty = sorted(set(classes or ()) - set(remaining))
    if empty:
        raise ConfigError(
            f"{WHERE}: no image of {', '.join(map(repr, empty))} in {root} can be used; `backbench audit` without "
            "dataset.classes says why its files are left out. Repair them, or leave the class out of the list."
        )


def _check(classes: Sequence[str], known: Iterable[str]) -> None:
    known = sorted(known)
    absent = [name for name in classes if name not in known]
    if not absent:
        return
    more = f", and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    some = ", ".join(map(printable, known[:SHOWN])) + more
    count = f"{len(known)} class{'' if len(known) == 1 else 'es'}"
    hint = _hint(absent, [name for name in known if name not in classes])
    raise ConfigError(f"{WHERE}: received {', '.join(map(repr, absent))}; the collection has {count}: {some}.{hint}")


def _hint(absent: Sequence[str], known: Sequence[str]) -> str:
    """The nearest known name for each absent one, first of all one that differs only in case."""
    folded = {name.casefold(): name for name in known}
    near = (folded.get(name.casefold()) or nearest(name, known) for name in absent)
    suggestions = list(dict.fromkeys(repr(name) for name in near if name))
    return f" Did you mean {', '.join(suggestions)}?" if suggestions else ""
