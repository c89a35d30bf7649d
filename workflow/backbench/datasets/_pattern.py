"""Classes from the names of files (layer 1, standard library only): ``dataset.label_pattern=REGEX``.

The regular expression has a group named ``label`` and is searched for in the name of a file, or, if it holds a slash,
in the path below the root. Train, validation and test folders at the top stay the parts of a given split.
"""

import re
from pathlib import Path, PurePosixPath

from backbench.datasets import TRAIN, _listing
from backbench.datasets._listing import PART_NAMES, Entry, Listing
from backbench.schema import ConfigError

NO_MATCH = "label_pattern does not match"
EXAMPLE = "'^(?P<label>[a-z]+)_'"


def read(root: Path, pattern: str) -> Listing:
    """List a folder; files that do not match, or match with an empty label, are left out.

    Raises
    ------
    ConfigError
        If the pattern is no regular expression with a group ``label``, or matches nothing.
    """
    expression = _compiled(pattern)
    paths, without = _listing.walk(root)
    given = _listing.has_parts(_listing.top_folders(paths))
    entries, left_out = [], dict(without)
    for path in paths:
        label = _label(expression, path)
        if label and not (given and len(path.parts) == 1):
            entries.append(Entry(str(path), label, PART_NAMES[path.parts[0].lower()] if given else TRAIN))
        else:
            left_out[str(path)] = _listing.STRAY if label else NO_MATCH
    if not entries:
        raise ConfigError(f"dataset.label_pattern: {pattern!r} matches none of the {len(paths)} files of {root}.")
    return _listing.ordered(entries, given, left_out)


def _compiled(pattern: str) -> re.Pattern:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"dataset.label_pattern: {pattern!r} is no regular expression ({error}).") from error
    if "label" not in expression.groupindex:
        raise ConfigError(
            f"dataset.label_pattern: {pattern!r} has no group named label; write it as (?P<label>...), as in {EXAMPLE}."
        )
    return expression


def _label(expression: re.Pattern, path: PurePosixPath) -> str | None:
    found = expression.search(str(path) if "/" in expression.pattern else path.name)
    return found and found["label"]
