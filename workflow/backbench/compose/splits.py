"""``split.repeats=10`` and ``split.folds=5``: short for an axis over ``split.repeat`` (standard library only)."""

from collections.abc import Sequence

from backbench.schema import ConfigError, refuse

REPEAT, REPEATS, FOLDS = "split.repeat", "split.repeats", "split.folds"
LEAST, MOST = 2, 1000


def written_out(overrides: Sequence[str]) -> list[str]:
    """Overrides with ``split.repeats`` as the axis that it stands for, and ``split.folds`` with that of its folds.

    A value of ``split.repeat`` itself comes before both.

    Raises
    ------
    ConfigError
        For a number that is none, or too small or large.
    """
    given = {key.strip(): value.strip() for key, equals, value in (text.partition("=") for text in overrides) if equals}
    if REPEATS not in given and given.get(FOLDS, "null") == "null":
        return list(overrides)
    folds = None if given.get(FOLDS, "null") == "null" else _count(FOLDS, given[FOLDS], LEAST)
    least = 1 if folds else LEAST
    repeats = _count(REPEATS, given[REPEATS], least) if REPEATS in given else 1
    kept = [text for text in overrides if text.partition("=")[0].strip() != REPEATS]
    if REPEAT in given:
        if REPEATS in given:
            raise ConfigError(
                f"{REPEATS}={given[REPEATS]}: received {REPEAT}={given[REPEAT]} too; allowed: one of them, since "
                f"{REPEATS} is short for all values of {REPEAT}."
            )
        return kept
    count = repeats * (folds or 1)
    if count > MOST:
        raise refuse(REPEATS, repeats, f"at most {MOST // (folds or 1):,}: {count:,} splits are no better")
    return [*kept, f"{REPEAT}={','.join(map(str, range(count)))}"]


def _count(key: str, text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= MOST:
        raise refuse(key, text, f"one whole number, {least} to {MOST:,}")
    return int(text)
