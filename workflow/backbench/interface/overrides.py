"""Overrides as Python values: ``k=[5, 10]`` for ``k=5,10``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench.compose import collection
from backbench.schema import ConfigError

# What stands for a dot in the name of a keyword: backbone__image__size for backbone.image.size.
DOT = "__"


def overrides(given: Sequence[Any], options: Mapping[str, Any]) -> list[str]:
    """The overrides that positional and keyword arguments stand for.

    Parameters
    ----------
    given : a collection (path or address) first, then overrides as text (``k=2..15``) or as mappings
    options : values by key; in a keyword, two underscores stand for a dot

    Raises
    ------
    ConfigError
        For a collection that is none, or a value that cannot be written as an override.

    Examples
    --------
    >>> overrides(["k=5", {"backbone.image.size": 96}], {"classifier": ["knn", "svm"], "clustering__scope": "train"})
    ['k=5', 'backbone.image.size=96', 'classifier=knn,svm', 'clustering.scope=train']
    """
    words: list[str] = []
    for each in given:
        if isinstance(each, Mapping):
            words += [f"{key}={text(value)}" for key, value in each.items()]
        elif isinstance(each, Path) or not _is_override(str(each)):
            words += collection.overrides_of(each)
        else:
            words.append(str(each))
    return words + [f"{key.replace(DOT, '.')}={text(value)}" for key, value in options.items()]


def text(value: Any) -> str:
    """A value in the grammar of overrides; a list or tuple is a sweep over its values.

    Raises
    ------
    ConfigError
        If it cannot be written there.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Path):
        return quoted(str(value))
    if isinstance(value, str):
        return value
    if isinstance(value, range | list | tuple):
        return ",".join(text(each) for each in value)
    raise ConfigError(f"received {value!r}; allowed: text, a number, true or false, None, a path, or a list of these.")


def quoted(word: str) -> str:
    """A path as the grammar of overrides takes it."""
    if not any(sign in word for sign in " ,'\"()[]{}=:$\\"):
        return word
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_override(word: str) -> bool:
    key, sign, _ = word.partition("=")
    return bool(sign) and not Path(word).exists() and not key.startswith(("/", "./", "../", "~/"))
