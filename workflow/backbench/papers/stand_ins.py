"""What of a sweep is not as the preset of a paper has it, and so stands in for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench.papers.described import AUTO, NONE, TASKS, Options, text
from backbench.papers.published import Images

PHOTOGRAPHS = "images"
PLUGINS = {"backbone": "backbone.name", "clusterer": "clusterer.name", "classifier": "classifier.name"}
# What says which images of a collection are used, and how they are divided, whatever plugin reads them.
READ = ("dataset.sample", "dataset.seed", "dataset.split.")
# What all clusterers share; `k` and `seed` are there where a plugin uses them.
SHARED = ("clustering.scope", "clustering.bootstraps", "k", "seed")
CHAINS = tuple(f"{task}.chain" for task in TASKS)
LISTED = 6
OTHER = "other photographs: "
SAMPLE, ALL, EMPTY = "dataset.sample", "all", "null"


@dataclass(frozen=True)
class StandIn:
    """A deviation from the preset: an option or a plugin, what the preset has there and what the sweep has.

    `narrowed` is whether the sweep has but some of the preset's values; `of` is the plugin that the option belongs to.
    """

    key: str
    published: str
    ours: str
    narrowed: bool = False
    of: str | None = None

    @property
    def words(self) -> str:
        """``inception_v3 in place of resnet50``, ``k: only 10 of 2..15``, ``other photographs: 60 images``."""
        if self.key == PHOTOGRAPHS:
            return f"{OTHER}{self.ours}"
        if self.narrowed:
            return f"{self.key}: only {self.ours} of {self.published}"
        before = "" if self.key in PLUGINS and self.ours != NONE else f"{self.key} "
        return f"{before}{self.ours} in place of {self.published}"


@dataclass
class Deviation:
    """How a sweep deviates from a preset; `theirs` and `ours` are the options of the preset's cells and of the runs.

    `replaced` says of an option what stands in for each value that the sweep lacks, values by their text.
    """

    theirs: Sequence[Options]
    ours: Sequence[Options]
    stand_ins: list[StandIn] = field(default_factory=list)
    replaced: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def stands_in(self, key: str, value: Any) -> bool:
        """Whether a value of an option is there in place of one of the preset's."""
        return any(text(value) in instead for instead in self.replaced.get(key, {}).values())

    def note(self, key: str, name: str = "", plugin: tuple[str, Any] | None = None) -> None:
        """Note what of an option is missing and what is there instead, where `plugin`, an option, has its value."""
        theirs, ours = (_values(options, key, plugin) for options in (self.theirs, self.ours))
        missing = {word: value for word, value in theirs.items() if word not in ours}
        new = {word: value for word, value in ours.items() if word not in theirs}
        if not ours or not missing or text(AUTO) in theirs:
            return
        pair = (missing, new) if new else (theirs, ours)
        published, here = (_listed(values.values(), ALL if key == SAMPLE else EMPTY) for values in pair)
        self.stand_ins.append(StandIn(name or key, published, here, not new, plugin[1] if plugin else None))
        if new:
            self.replaced.setdefault(key, {}).update(_paired(missing, new))

    def note_options(self, key: str, prefix: str) -> None:
        """Note the options under `prefix` that differ where `key` has the same value; chains are compared apart."""
        shared = _values(self.ours, key).keys()
        for value in (value for word, value in _values(self.theirs, key).items() if word in shared):
            names = dict.fromkeys(name for cell in self.theirs if has(cell, key, value) for name in cell)
            for name in names:
                chained = name.startswith(CHAINS) and not prefix.startswith(CHAINS)
                if name.startswith(prefix) and name != key and not chained:
                    self.note(name, plugin=(key, value))


def compare(
    theirs: Sequence[Options],
    ours: Sequence[Options],
    images: StandIn | None,
    same: bool,
) -> Deviation:
    """What of `ours` is not as in `theirs`: plugins, their options, chains, and the axes.

    A plugin that is replaced is one stand-in, whatever its options are. A sweep that has more than the preset has no
    stand-in by that, nor has one where the preset leaves an option to the machine (``auto``).

    Parameters
    ----------
    images : the stand-in of the images, None where they are those of the paper as far as is known
    same : whether they are known to be those, so that it does not matter which plugin reads them
    """
    deviation = Deviation(theirs, ours)
    readers = [_values(options, "dataset.name").keys() for options in (theirs, ours)]
    if not same and readers[0] != readers[1]:
        deviation.note("dataset.name", "dataset")
    elif images is not None:
        deviation.stand_ins.append(images)
    deviation.note_options("dataset.name", "dataset.")
    read = dict.fromkeys(key for options in theirs for key in options if key.startswith(READ))
    for key in read if same and not readers[0] & readers[1] else ():
        deviation.note(key)
    for name, key in {**PLUGINS, "retrieval": "retrieval.metric"}.items():
        deviation.note(key, name)
        deviation.note_options(key, f"{name}.")
    for key in SHARED:
        deviation.note(key)
    for key in CHAINS:
        deviation.note(key)
        deviation.note_options(key, f"{key}.")
    _join_chains(deviation)
    return deviation


def photographs(published: Images, info: Mapping[str, Any]) -> tuple[str, bool | None]:
    """What images the record of a data set is of, in words, and whether they are the published ones.

    None where that cannot be told, because the paper's are not pinned. A sample of the published images is no other
    collection.
    """
    n, total, names = info.get("n", 0), info.get("total") or info.get("n", 0), info.get("classes")
    classes = f" in {len(names)} class{'' if len(names) == 1 else 'es'}" if names else ""
    size = f"{n:,} of {total:,} images{classes}" if n < total else f"{n:,} images{classes}"
    if published.digest is not None:
        if info.get("digest") == published.digest:
            return published.words if n == total else f"a sample: {size}", True
        return f"{OTHER}{size}", False
    pairs = ((published.n, total), (published.classes, len(names) if names else None))
    pinned = [(theirs, ours) for theirs, ours in pairs if theirs is not None]
    if any(theirs != ours for theirs, ours in pinned):
        return f"{OTHER}{size}", False
    return f"{size}, {'as many as were published' if pinned else 'the published ones are not known'}", None


def shown(value: Any, absent: str = EMPTY) -> str:
    """A value in words."""
    return absent if value is None else str(value)


def _values(options: Iterable[Options], key: str, plugin: tuple[str, Any] | None = None) -> dict[str, Any]:
    """The values of an option by their text, in those that have `plugin`."""
    return {text(cell[key]): cell[key] for cell in options if key in cell and (plugin is None or has(cell, *plugin))}


def has(options: Options, key: str, value: Any) -> bool:
    """Whether an option is there and has a value."""
    return key in options and text(options[key]) == text(value)


def _paired(missing: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What stands in for each missing value: of as many numbers the one of the same rank, else all that are new."""
    if len(missing) == len(new) and all(_is_number(value) for value in (*missing.values(), *new.values())):
        pairs = zip(sorted(missing, key=missing.__getitem__), sorted(new, key=new.__getitem__), strict=True)
        return {old: (instead,) for old, instead in pairs}
    return {old: tuple(new) for old in missing}


def _join_chains(deviation: Deviation) -> None:
    """Replace the stand-ins of a chain that was replaced alike for all tasks by a single instead."""
    chains = [instead for instead in deviation.stand_ins if instead.key in CHAINS]
    alike = {(instead.published, instead.ours, instead.narrowed) for instead in chains}
    tasks = {key for options in deviation.ours for key in CHAINS if key in options}
    if len(alike) == 1 and len(tasks) > 1 and {instead.key for instead in chains} == tasks:
        others = [instead for instead in deviation.stand_ins if instead not in chains]
        deviation.stand_ins = [*others, StandIn("chain", *alike.pop())]


def _listed(values: Iterable[Any], absent: str) -> str:
    """Values in words: numbers by size, runs of whole numbers as ``2..15``, of very many the first ones."""
    values = list(values)
    if all(map(_is_number, values)):
        values.sort()
        whole = all(isinstance(value, int) for value in values)
        if len(values) > 2 and whole and values == list(range(values[0], values[-1] + 1)):
            return f"{values[0]}..{values[-1]}"
    words = [shown(value, absent) for value in values]
    return ", ".join(words if len(words) <= LISTED else [*words[: LISTED - 1], f"and {len(words) - LISTED + 1} more"])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
