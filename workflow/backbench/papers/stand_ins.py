"""What of a sweep is not as the preset of a paper has it, and so stands in for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench.papers import described
from backbench.papers.described import AUTO, HEADS, NONE, Options
from backbench.papers.published import Images

PHOTOGRAPHS = "images"
PLUGINS = ("backbone", "clusterer", "classifier")
# What says which images of a collection are used, and how they are divided, whatever plugin reads them.
READ = ("dataset.sample", "dataset.seed", "dataset.split.")
# What all clusterers share; `k` and `seed` are there where a plugin uses them.
SHARED = ("clustering.scope", "clustering.bootstraps", "k", "seed")
CHAINS = tuple(f"{head}.chain" for head in HEADS)
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


@dataclass(frozen=True)
class Deviation:
    """How a sweep deviates from a preset.

    `replaced` says of an option what stands in for each value that the sweep lacks; `theirs` and `ours` are the options
    of the preset's cells and of the runs.
    """

    stand_ins: tuple[StandIn, ...]
    replaced: Mapping[str, Mapping[str, tuple[str, ...]]]
    theirs: Sequence[Options]
    ours: Sequence[Options]

    def stands_in(self, key: str, value: Any) -> bool:
        """Whether a value of an option is there in place of one of the preset's."""
        return any(described.text(value) in found for found in self.replaced.get(key, {}).values())


@dataclass
class _Comparing:
    """The comparison as it goes on."""

    theirs: Sequence[Options]
    ours: Sequence[Options]
    stand_ins: list[StandIn] = field(default_factory=list)
    replaced: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def values(self, key: str, of: tuple[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of an option in the preset and in the sweep, by their text; `of` confines it to a plugin."""
        return _values(self.theirs, key, of), _values(self.ours, key, of)

    def compare(self, key: str, of: tuple[str, Any] | None = None, said: str | None = None) -> None:
        """Note what of an option is missing and what is there instead."""
        theirs, ours = self.values(key, of)
        missing, new = _without(theirs, ours), _without(ours, theirs)
        if not theirs or not ours or not missing or described.text(AUTO) in theirs:
            return
        shown = (missing, new) if new else (theirs, ours)
        words = [_listed(found.values(), ALL if key == SAMPLE else EMPTY) for found in shown]
        self.stand_ins.append(StandIn(said or key, *words, narrowed=not new, of=of[1] if of else None))
        if new:
            self.replaced.setdefault(key, {}).update(_paired(missing, new))

    def options(self, key: str, prefix: str) -> None:
        """Note the options under `prefix` that differ where `key` has the same value; chains are compared apart."""
        theirs, ours = self.values(key)
        for text, value in theirs.items():
            if text in ours:
                own = [cell for cell in self.theirs if _is(cell, key, text)]
                for option in dict.fromkeys(option for cell in own for option in cell):
                    if (
                        option.startswith(prefix)
                        and option != key
                        and (prefix.startswith(CHAINS) or not _chain(option))
                    ):
                        self.compare(option, (key, value))


def compare(theirs: Sequence[Options], ours: Sequence[Options], images: StandIn | None, same: bool) -> Deviation:
    """What of `ours` is not as in `theirs`: plugins, their options, chains, and the axes.

    A plugin that is replaced is one stand-in, whatever its options are. A sweep that has more than the preset has no
    stand-in by that, nor has one where the preset leaves an option to the machine (``auto``).

    Parameters
    ----------
    images : the stand-in of the images, None where they are those of the paper as far as is known
    same : whether they are known to be those, so that it does not matter which plugin reads them
    """
    found = _Comparing(theirs, ours)
    known, given = found.values("dataset.name")
    if not same and known.keys() != given.keys():
        found.compare("dataset.name", said="dataset")
    elif images is not None:
        found.stand_ins.append(images)
    found.options("dataset.name", "dataset.")
    if same and not known.keys() & given.keys():
        for key in dict.fromkeys(key for options in theirs for key in options if key.startswith(READ)):
            found.compare(key)
    for name, key in (*((name, f"{name}.name") for name in PLUGINS), ("retrieval", "retrieval.metric")):
        found.compare(key, said=name)
        found.options(key, f"{name}.")
    for key in SHARED:
        found.compare(key)
    for key in CHAINS:
        found.compare(key)
        found.options(key, f"{key}.")
    return Deviation(tuple(_one_chain(found)), found.replaced, theirs, ours)


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


def _values(options: Iterable[Options], key: str, of: tuple[str, Any] | None) -> dict[str, Any]:
    kept = options if of is None else [one for one in options if _is(one, of[0], described.text(of[1]))]
    return {described.text(one[key]): one[key] for one in kept if key in one}


def _is(options: Options, key: str, text: str) -> bool:
    return key in options and described.text(options[key]) == text


def _without(found: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {text: value for text, value in found.items() if text not in others}


def _paired(missing: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What stands in for each missing value: of as many numbers the one of the same rank, else all that are new."""
    if len(missing) == len(new) and all(_number(value) for value in (*missing.values(), *new.values())):
        pairs = zip(sorted(missing, key=missing.get), sorted(new, key=new.get), strict=True)
        return {old: (own,) for old, own in pairs}
    return {old: tuple(new) for old in missing}


def _one_chain(found: _Comparing) -> list[StandIn]:
    """The stand-ins; a chain that was replaced alike for all heads is said once."""
    chains = [one for one in found.stand_ins if one.key in CHAINS]
    said = {(one.published, one.ours, one.narrowed) for one in chains}
    heads = {key for options in found.ours for key in CHAINS if key in options}
    if len(said) != 1 or {one.key for one in chains} != heads or len(heads) < 2:
        return found.stand_ins
    others = [one for one in found.stand_ins if one not in chains]
    return [*others, StandIn("chain", *said.pop())]


def _listed(values: Iterable[Any], absent: str) -> str:
    """Values in words: numbers by size, runs of whole numbers as ``2..15``, of very many the first ones."""
    values = list(values)
    if all(_number(value) for value in values):
        values = sorted(values)
        whole = all(isinstance(value, int) for value in values)
        if len(values) > 2 and whole and values == list(range(values[0], values[-1] + 1)):
            return f"{values[0]}..{values[-1]}"
    words = [shown(value, absent) for value in values]
    return ", ".join(words if len(words) <= LISTED else [*words[: LISTED - 1], f"and {len(words) - LISTED + 1} more"])


def shown(value: Any, absent: str = EMPTY) -> str:
    """A value in words."""
    return absent if value is None else str(value)


def _chain(option: str) -> bool:
    return option.startswith(CHAINS)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
