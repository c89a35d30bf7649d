"""Folders that hold a collection of their own beside others (standard library only): all are refused."""

from collections.abc import Iterator

from backbench.datasets import PARTS, TRAIN, _split_names
from backbench.datasets._folders import Level, images, some
from backbench.datasets._listing import Listing
from backbench.datasets._readings import AS_CLASSES, IMAGE_WORDS, letters, two_ways, typed, typed_classes, typed_root

UNLABELLED_WORDS = frozenset(
    {"unlabeled", "unlabelled", "unsup", "unsupervised", "extra", "pred", "predict", "prediction", "predictions"}
)
# Folders beside the classes of a collection that someone works on.
BESIDE_WORDS = frozenset(
    {"doc", "docs", "documentation", "figure", "figures", "figs", "asset", "assets", "notebooks", "src", "source"}
    | {"scripts", "code", "results", "logs", "runs", "readme", "nodemodules", "venv", "cache", "tmp", "temp"}
    | {"thumbnail", "thumbnails", "thumbs", "preview", "previews", "backup", "backups"}
)
DATA_WORDS = frozenset({"data", "dataset", "classes", "originals", "masters", *IMAGE_WORDS})


def splits(level: Level) -> Listing | None:
    """Folders of which one holds splits; or all do, each with the same classes."""
    holding = [name for name, (_, inner) in level.within.items() if _split_names.of_names(inner)]
    if not holding or len(level.folders) < 2 or (level.parts_in_classes and not _same_in_splits(level)):
        return None
    raise two_ways(level, *_alone(level, holding), AS_CLASSES)


def again(level: Level) -> Listing | None:
    """Classes, and beside them a folder that holds folders of the same names."""
    for name in sorted(level.folders):
        way, inner = level.within[name]
        same = sorted(set(inner) & set(level.folders) - {name})
        if len(same) > 1:
            others = sorted(set(level.folders) - {name})
            classes = typed_classes(others)
            readings = [(f"the classes {some(others)}, without {name}", classes)] if classes else []
            alone = (f"only {name} (which holds {some(same)} too)", typed_root(level, level.root / way))
            raise two_ways(level, *readings, alone, AS_CLASSES)
    return None


def alike(level: Level) -> Listing | None:
    """Folders that hold the same folders, and are not named after splits."""
    deep = {name: set(inner) for name, (_, inner) in level.within.items() if _is_deep(level, name)}
    for name in deep:
        names = [other for other in deep if len(deep[name] & deep[other]) > 1]
        if len(names) > 1:
            # Names of splits are suggested as what they say.
            names.sort(key=lambda other: {TRAIN: 0, None: 1}.get(_split_names.of_name(other), 2))
            shared = sorted(set.intersection(*(deep[name] & deep[other] for other in names))) or sorted(deep[name])
            raise two_ways(
                level,
                ("training and test splits, for example", typed({names[0]: TRAIN, names[-1]: len(PARTS) - 1})),
                (f"the classes {some(shared)}, each in several folders", typed(dict.fromkeys(names, TRAIN))),
                AS_CLASSES,
            )
    return None


def lone_split(level: Level) -> Listing | None:
    """A single split with classes, or one beside unlabelled images."""
    named = [name for name in level.folders if _split_names.of_name(name) is not None]
    others = sorted(set(level.folders) - set(named))
    without = any(letters(name) in UNLABELLED_WORDS for name in others)
    if not named or not others or not (without or any(map(level.deep, named))):
        return None
    raise two_ways(level, *_alone(level, named), AS_CLASSES)


def workplace(level: Level) -> Listing | None:
    """A folder of data beside others, or classes beside folders of scripts, documents or results."""
    data = [name for name in sorted(level.folders) if letters(name) in DATA_WORDS and _is_deep(level, name)]
    if data and len(level.folders) > 1:
        raise two_ways(level, *_alone(level, data), AS_CLASSES)
    others = [name for name in sorted(level.folders) if letters(name) in BESIDE_WORDS]
    classes = [name for name in sorted(level.folders) if name not in others]
    if not others or not classes:
        return None
    if len(classes) == 1:
        raise two_ways(level, *_alone(level, classes), AS_CLASSES)
    choice = typed_classes(classes) or f"move {some(others)} elsewhere"
    raise two_ways(level, (f"a class for each folder, without {some(others)}", choice), AS_CLASSES)


def _alone(level: Level, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names[:4]:
        others = sorted(set(level.folders) - {name})
        yield f"only {name}, without {some(others)}", typed_root(level, level.place / name)


def _is_deep(level: Level, name: str) -> bool:
    """Whether one of the folders, or what it only wraps, holds at least two folders, and no image beside them."""
    way, inner = level.within[name]
    return len(inner) > 1 and not images(level.folders[name], len(way.parts), level.root)


def _same_in_splits(level: Level) -> bool:
    """Whether at least two classes are in the splits of every folder, as in folds and domains."""
    depth = level.depth + 2
    classes = [{path.parts[depth] for path in paths if len(path.parts) > depth + 1} for paths in level.folders.values()]
    return len(classes) > 1 and len(set.intersection(*classes)) > 1
