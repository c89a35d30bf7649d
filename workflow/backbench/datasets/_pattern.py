"""Classes from the names of files (standard library only): ``dataset.label_pattern=REGEX``.

The regular expression has a group named ``label``. It is searched for in the name of each file or, if it contains a
slash, in the path below the root. Folders named after splits, at the top or in folders that only wrap others, remain
the collection's own splits.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from backbench.datasets import TRAIN, _folders, _listing, _split_names
from backbench.datasets._listing import Entry, Listing
from backbench.schema import ConfigError

NO_MATCH = "label_pattern does not match"
EXAMPLE = "'^(?P<label>[a-z]+)_'"


def read(root: Path, pattern: str) -> Listing:
    """List a folder; files that do not match, or match with an empty label, are left out.

    Raises
    ------
    ConfigError
        If the pattern is not a regular expression with a group ``label``, or matches nothing.
    """
    expression = _compiled(pattern)
    paths, skipped = _listing.walk(root)
    depth = len(_folders.wrapper(paths, root).parts)
    parts = _split_names.of_names(_folders.folders(paths, depth))
    used = _split_names.reported(parts.values())
    counts: Counter[int] = Counter()
    entries, left_out = [], dict(skipped)
    for path in paths:
        label, part = _label(expression, path), parts.get(path.parts[depth]) if parts else TRAIN
        if label and part is not None:
            counts[part] += 1
            entries.append(Entry(str(path), label, used[part] if parts else TRAIN))
        else:
            left_out[str(path)] = _listing.BESIDE if label else NO_MATCH
    if not entries:
        raise ConfigError(f"dataset.label_pattern: {pattern!r} matches none of the {len(paths)} files of {root}.")
    classes = f"{len({entry.label for entry in entries}):,} classes from file names (label_pattern)"
    words = (_split_names.sentence(counts), classes) if parts else (classes,)
    return replace(_listing.ordered(entries, bool(parts), left_out), understood=words)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"dataset.label_pattern: {pattern!r} is not a regular expression ({error}).") from error
    if "label" not in expression.groupindex:
        raise ConfigError(
            f"dataset.label_pattern: {pattern!r} has no group named label; write it as (?P<label>...), as in {EXAMPLE}."
        )
    return expression


def _label(expression: re.Pattern[str], path: PurePosixPath) -> str | None:
    match = expression.search(str(path) if "/" in expression.pattern else path.name)
    return None if match is None else match["label"]
