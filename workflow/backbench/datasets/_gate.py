"""What the policies of a collection leave out or refuse (layer 1): images that are there more than once.

``duplicates`` are of equal pixels, ``near_duplicates`` of perceptual hashes that differ in at most
``near_distance`` bits, directly or through images between them. Of such a group, ``exclude`` keeps one image: that of
the test part, else of the validation part, else of the training part (where the collection brings its parts and
``split.source`` keeps them), and among these the one whose path comes first. ``leaks`` is about what is left, drawn
and divided: ``fail`` refuses the same image, exactly or nearly, in two parts.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _twins
from backbench.datasets._fingerprint import Audit, Seen
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

SHOWN = 3
NEAR_DISTANCE = 4
WORTH = {TEST: 0, VALIDATION: 1, TRAIN: 2}
EXACT, NEAR = "the same image as", "nearly the same image as"
Drawn = Callable[[], tuple["np.ndarray", "np.ndarray"]]


@dataclass(frozen=True)
class Chosen:
    """The images that are `kept`, their `places` among all readable ones, and why each other file was left out."""

    kept: Sequence[Seen]
    places: Sequence[int]
    excluded: dict[str, str]


def settle(params: Any) -> None:
    """Give an option that has no effect its default, so that it makes no difference to a hash (``__post_init__``)."""
    if params.near_duplicates == "keep" and params.leaks == "keep":
        object.__setattr__(params, "near_distance", NEAR_DISTANCE)


def choose(audit: Audit, params: Any, root: Path) -> Chosen:
    """Apply ``duplicates``, then ``near_duplicates`` to what is left.

    Raises
    ------
    ConfigError
        Where a policy is ``fail`` and there are such images.
    """
    chosen = Chosen(audit.readable, range(len(audit.readable)), dict(audit.excluded))
    for option, words, groups in (("duplicates", EXACT, _equal), ("near_duplicates", NEAR, _near)):
        policy = getattr(params, option)
        if policy == "keep":
            continue
        twins = _dispensable(chosen.kept, groups(chosen.kept, params), params)
        if twins and policy == "fail":
            raise ConfigError(f"{root}: {_told(chosen.kept, twins.items(), words)} (dataset.{option}: fail).")
        chosen = _without(chosen, twins, words)
    return chosen


def check_leaks(kept: Sequence[Seen], params: Any, draw: Drawn, root: Path) -> None:
    """Refuse the same image in two parts of the split, if that is the policy.

    Raises
    ------
    ConfigError
        With the first few pairs.
    """
    if params.leaks == "keep":
        return
    rows, split = draw()
    drawn = [kept[row] for row in rows]
    pairs = {*_apart(_equal(drawn, params), split), *_nearly_apart(_phashes(drawn), split, params.near_distance)}
    if pairs:
        named = [[f"{shown(drawn[row].entry.path)} ({PARTS[split[row]]})" for row in pair] for pair in sorted(pairs)]
        said = ", ".join(" and ".join(pair) for pair in named[:SHOWN]) + (", ..." if len(named) > SHOWN else "")
        raise ConfigError(f"{root}: the same image, or nearly, is in two parts: {said} (dataset.leaks: fail).")


def _equal(seen: Sequence[Seen], params: Any) -> "np.ndarray":
    return _twins.exact_groups(bytes.fromhex(image.content) for image in seen)


def _near(seen: Sequence[Seen], params: Any) -> "np.ndarray":
    return _twins.near_groups(_phashes(seen), params.near_distance)


def _phashes(seen: Sequence[Seen]) -> "np.ndarray":
    import numpy as np

    return np.array([image.phash for image in seen], np.uint64)


def _dispensable(seen: Sequence[Seen], group: "np.ndarray", params: Any) -> dict[int, int]:
    """The images that a group can do without, and the one of the group that stays."""
    given = params.split.source == "given"
    worth = [WORTH[one.entry.part] if given else 0 for one in seen]
    best: dict[int, int] = {}
    for row in sorted(range(len(seen)), key=lambda row: (worth[row], seen[row].entry.path)):
        best.setdefault(int(group[row]), row)
    kept = ((row, best[int(group[row])]) for row in range(len(seen)))
    return {row: twin for row, twin in kept if row != twin}


def _without(chosen: Chosen, twins: Mapping[int, int], words: str) -> Chosen:
    reasons = {}
    for row, twin in twins.items():
        left, kept = chosen.kept[row].entry, chosen.kept[twin].entry
        reasons[left.path] = f"{words} {kept.path}" + (" (another class)" if left.label != kept.label else "")
    rows = [row for row in range(len(chosen.kept)) if row not in twins]
    return Chosen(
        [chosen.kept[row] for row in rows], [chosen.places[row] for row in rows], {**chosen.excluded, **reasons}
    )


def _apart(group: "np.ndarray", split: "np.ndarray") -> Iterator[tuple[int, int]]:
    """The first of each group with every other image of it that is in another part."""
    import numpy as np

    for row in np.flatnonzero(split != split[group]).tolist():
        yield int(group[row]), row


def _nearly_apart(phashes: "np.ndarray", split: "np.ndarray", distance: int) -> Iterator[tuple[int, int]]:
    """One pair of images for any two near hashes and two parts: of thousands of copies not millions of pairs."""
    import numpy as np

    values, place = np.unique(phashes, return_inverse=True)
    member = np.full((len(values), len(PARTS)), -1)
    member[place[::-1], split[::-1]] = np.arange(len(split))[::-1]
    same = np.flatnonzero(values != _twins.NO_STRUCTURE)
    pairs = np.concatenate([np.stack([same, same], axis=1), _twins.near_pairs(values, distance)])
    for one, other in itertools.permutations(range(len(PARTS)), 2):
        found = np.stack([member[pairs[:, 0], one], member[pairs[:, 1], other]], axis=1)
        yield from map(tuple, np.sort(found[(found >= 0).all(axis=1)], axis=1).tolist())


def _told(seen: Sequence[Seen], pairs: Iterable[tuple[int, int]], words: str) -> str:
    """How many images have a twin, and the first few pairs by name."""
    pairs = list(pairs)
    named = [f"{shown(seen[row].entry.path)} is {words} {shown(seen[twin].entry.path)}" for row, twin in pairs[:SHOWN]]
    return f"{len(pairs)} images are there twice: {', '.join(named)}{', ...' if len(pairs) > SHOWN else ''}"


def duplicates(digests: "np.ndarray", split: "np.ndarray") -> dict[str, Any]:
    """How many images have an equal twin, and how many have one in another part: what a test score may owe to that."""
    import numpy as np

    group = _twins.exact_groups(digests)
    pairs = np.unique(np.stack([group, split.astype(np.int64)]), axis=1)
    apart = np.flatnonzero(np.bincount(pairs[0]) > 1) if len(group) else group
    across = int(np.isin(group, apart).sum())
    if across:
        log.warning("%d images have an identical twin in another part (%s)", across, ", ".join(PARTS))
    return {"duplicates": len(group) - len(np.unique(group)), "duplicates_across_parts": across}


def shown(text: str) -> str:
    """A path or name that can be printed and written anywhere: what is not printable is escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
