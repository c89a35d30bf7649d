"""Splits whose classes do not go together (standard library only)."""

from collections.abc import Iterator, Mapping

from backbench.datasets import TEST, TRAIN
from backbench.datasets._folders import Level, some
from backbench.datasets._listing import Listing
from backbench.datasets._readings import WITHOUT_CLASSES, spelled_alike, two_ways, typed, typed_root


def check(level: Level, inside: Mapping[str, Listing], parts: Mapping[str, int], sure: bool) -> None:
    """Refuse splits without classes beside splits with classes.

    Unless the user named the splits (`sure`), refuse also a split whose only folder may not be a class, and classes
    whose names differ between splits only in case.

    Raises
    ------
    ConfigError
        With every reading and what to type for it.
    """
    classes = {name: _classes(listing) for name, listing in inside.items()}
    without = [name for name in classes if not classes[name]]
    if 0 < len(without) < len(classes):
        raise two_ways(level, _leave_out(level, parts, without), ("images without classes", WITHOUT_CLASSES))
    if sure:
        return
    train = _of_train(classes, parts)
    odd = [name for name in classes if len(classes[name]) == 1 < len(train) and not classes[name] & train]
    if odd:
        folder = next(iter(classes[odd[0]]))
        kept = (f"{folder} is a class", typed(parts))
        raise two_ways(level, _leave_out(level, parts, odd), kept)
    alike = spelled_alike(set().union(*classes.values()))
    if alike and not any(spelled_alike(names) for names in classes.values()):
        raise two_ways(
            level,
            (f"{some(alike)} are the same class, spelled differently", "rename the folders so that they match"),
            ("they are different classes", typed(parts)),
        )


def refuse_likely_test(level: Level, parts: Mapping[str, int]) -> None:
    """Refuse training and validation splits beside a folder of the same classes, which may be the test split.

    Raises
    ------
    ConfigError
        With both readings and what to type for each.
    """
    if TEST in parts.values():
        return
    classes = set().union(*(level.within[name][1] for name in parts))
    for name in sorted(set(level.folders) - set(parts)):
        if len(classes & set(level.within[name][1])) > 1:
            raise two_ways(
                level,
                (f"{name} is the test split", typed({**parts, name: TEST})),
                (f"splits, without {name}", typed(parts)),
            )


def strangers(inside: Mapping[str, Listing], parts: Mapping[str, int]) -> Iterator[str]:
    """A sentence for each split that has no class in common with the training split."""
    classes = {name: _classes(listing) for name, listing in inside.items()}
    train = _of_train(classes, parts)
    for name, labels in classes.items():
        if train and labels and not labels & train:
            yield f"none of the classes of {name} is in the training split"


def _leave_out(level: Level, parts: Mapping[str, int], names: list[str]) -> tuple[str, str]:
    kept = {name: part for name, part in parts.items() if name not in names}
    choice = typed(kept) if len(kept) > 1 else typed_root(level, level.place / next(iter(kept)))
    verb = "has" if len(names) == 1 else "have"
    return f"{some(sorted(names))} {verb} no classes and {'is' if verb == 'has' else 'are'} left out", choice


def _of_train(classes: Mapping[str, set[str]], parts: Mapping[str, int]) -> set[str]:
    return set().union(*(labels for name, labels in classes.items() if parts[name] == TRAIN))


def _classes(listing: Listing) -> set[str]:
    return {entry.label for entry in listing.entries if entry.label is not None}
