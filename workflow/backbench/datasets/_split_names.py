"""Training, validation and test splits as people name them (standard library only).

A name tells a split if one of its words does: ``train``, ``Training``, ``seg_train``, ``train2017``, ``trainset`` and
``TRAIN images`` all mean the training split. A collection brings its own splits if it has a training split and at least
one other. With a validation split and no test split, results are reported on the validation split: it becomes the test
split, and another validation split is drawn from the training split.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), TRAIN),
    **dict.fromkeys(
        ("validation", "validate", "validating", "valid", "vali", "val", "dev", "devel", "development"), VALIDATION
    ),
    **dict.fromkeys(("test", "tests", "testing", "tst", "holdout", "heldout"), TEST),
}
# The test split, or the validation split if another name is that of a test split.
EITHER = ("eval", "evaluate", "evaluation")
KIND = re.compile(r"(?:set|data|images|imgs|split|part)$")
OUT = re.compile(r"(hold|held)[-_ ]?out", re.IGNORECASE)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def of_name(name: str) -> int | None:
    """The split that a folder, file or cell names, or None."""
    part = _of_words(_words(name))
    return _of_words(_words(name.lower())) if part is None else part


def _of_words(words: list[str]) -> int | None:
    parts = {part for word in words if (part := _of_word(word)) is not None}
    if parts == {TRAIN, VALIDATION}:  # train_val, as trainval
        return TRAIN
    if parts == {TEST, VALIDATION} and "dev" in words:  # test-dev
        return TEST
    return parts.pop() if len(parts) == 1 else None


def about(name: str) -> tuple[str, ...]:
    """The words of a name that do not belong to the name of a split: what the split is of."""
    return tuple(word for word in _words(name) if not word.isdigit() and _of_word(word) is None and KIND.sub("", word))


def of_names(names: Iterable[str]) -> dict[str, int]:
    """The split of each name that tells one; empty unless there are a training split and another one."""
    parts = {name: part for name in names if (part := of_name(name)) is not None}
    if TEST in {part for name, part in parts.items() if not _either(name)}:
        parts |= {name: VALIDATION for name in parts if _either(name)}
    return parts if TRAIN in parts.values() and len(set(parts.values())) > 1 else {}


def differ(names: Iterable[str]) -> bool:
    """Whether the names are of different things: ``train station`` and ``test tube``."""
    kinds = {words for name in names if (words := about(name))}
    return len(kinds) > 1


def reported(parts: Iterable[int]) -> dict[int, int]:
    """What each of the present splits is used as: a validation split without a test split is the test split."""
    present = set(parts)
    used = {part: part for part in present}
    return {**used, VALIDATION: TEST} if VALIDATION in present and TEST not in present else used


def several(parts: Mapping[str, int]) -> Iterator[str]:
    """A sentence for each split that consists of several folders."""
    for part in sorted(set(parts.values())):
        names = sorted(name for name, other in parts.items() if other == part)
        if len(names) > 1:
            yield f"{PARTS[part]} is {' and '.join(names)}"


def sentence(counts: Mapping[int, int]) -> str:
    """The splits of a collection in words: ``2 splits (train 900, validation 300; no test: ...)``.

    Parameters
    ----------
    counts
        Images of each split that exists, before :func:`reported`.
    """
    listed = ", ".join(f"{PARTS[part]} {counts[part]:,}" for part in sorted(counts))
    if TEST not in counts:
        listed += "; no test: results are reported on validation, and another validation split is drawn from train"
    elif VALIDATION not in counts:
        listed += "; no validation: it is drawn from train"
    return f"{len(counts)} splits ({listed})"


def _words(name: str) -> list[str]:
    """The words of a name in lower case; hold-out and held-out are one word."""
    return [word.lower() for word in WORD.findall(OUT.sub(r"\1out", name))]


def _of_word(word: str) -> int | None:
    if word in EITHER or KIND.sub("", word) in EITHER:
        return TEST
    return WORDS.get(word, WORDS.get(KIND.sub("", word)))


def _either(name: str) -> bool:
    return any(KIND.sub("", word) in EITHER for word in _words(name))
