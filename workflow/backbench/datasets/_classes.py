"""Choosing classes of a labelled collection by name (layer 1, standard library only): ``dataset.classes=[cat,dog]``.

The collection is then what it would be if it held nothing else: files of other classes are not decoded, the digest is
over those that are chosen, and the gate, the draw and the split come after the choice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from backbench.datasets._gate import shown
from backbench.datasets._listing import Listing
from backbench.schema import ConfigError, nearest

WHERE = "dataset.classes"
SHOWN = 12
# Folders may have names that read as numbers.
Names = tuple[str | int, ...] | None
Cells = Mapping[tuple[int, str], int]  # images by (part, class)


def settle(params: Any) -> None:
    """Put the names in one order, so that their order makes no difference to a hash (``__post_init__``).

    Raises
    ------
    ConfigError
        If there is no name, or one stands twice.
    """
    if params.classes is None:
        return
    names = sorted(map(str, params.classes))
    if not names:
        raise ConfigError(f"{WHERE}: received an empty list; name at least one class, or give null for all.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"{WHERE}: {', '.join(map(repr, twice))} stands there twice; name each class once.")
    object.__setattr__(params, "classes", tuple(names))


def of_listing(listing: Listing, classes: Sequence[str] | None, root: Any) -> Listing:
    """The files of the classes that are asked for, None for all.

    Raises
    ------
    ConfigError
        If the collection has no classes, or lacks one of these.
    """
    if classes is None:
        return listing
    known = {entry.label for entry in listing.entries} - {None}
    if not known:
        raise ConfigError(
            f"{WHERE}: received {', '.join(classes)}; the images of {root} have no classes. Give null, or say where "
            "their classes are: a sub-folder for each, dataset.csv or dataset.label_pattern."
        )
    _check(classes, known)
    words = (*listing.understood, f"only {len(classes)} of them, as asked")
    entries = [entry for entry in listing.entries if entry.label in classes]
    return replace(listing, entries=entries, understood=words)


def of_sizes(sizes: Cells, classes: Sequence[str] | None, named: bool) -> Cells:
    """The official images of the classes that are asked for; as many of any where `named` is false, and the names are
    known from the files alone.

    Raises
    ------
    ConfigError
        If the collection lacks one of these, or has fewer.
    """
    if classes is None:
        return sizes
    known = sorted({name for _, name in sizes})
    if named:
        _check(classes, known)
    elif len(classes) > len(known):
        raise ConfigError(f"{WHERE}: received {len(classes)} names; the collection has {len(known)} classes.")
    kept = classes if named else known[: len(classes)]
    return {cell: count for cell, count in sizes.items() if cell[1] in kept}


def check_left(classes: Sequence[str] | None, left: Iterable[str | None], root: Any) -> None:
    """Refuse a class of which no image is left.

    Raises
    ------
    ConfigError
        Naming those classes.
    """
    empty = sorted(set(classes or ()) - set(left))
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
    some = ", ".join(map(shown, known[:SHOWN])) + more
    count = f"{len(known)} class{'' if len(known) == 1 else 'es'}"
    hint = _hint(absent, [name for name in known if name not in classes])
    raise ConfigError(f"{WHERE}: received {', '.join(map(repr, absent))}; the collection has {count}: {some}.{hint}")


def _hint(absent: Sequence[str], known: Sequence[str]) -> str:
    """The nearest name of each that is not there; one that differs in its capitals alone comes before all others."""
    folded = {name.casefold(): name for name in known}
    near = (folded.get(name.casefold()) or nearest(name, known) for name in absent)
    found = list(dict.fromkeys(repr(name) for name in near if name))
    return f" Did you mean {', '.join(found)}?" if found else ""
