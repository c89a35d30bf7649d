"""Values that are taken as they stand: paths, addresses and patterns need no quotes of Hydra's grammar (no hydra).

A path with ``~``, blanks, brackets or any other character is itself. What Hydra means by quotes, ``null``, its
functions, ``${...}`` and commas between several values stays as it is, unless the whole value is the path of
something that is there.
"""

import re
from collections.abc import Callable

from backbench.compose.mistakes import Mistake
from backbench.compose.places import absolute, of_address, of_nobody, there
from backbench.schema import ConfigError

OWNERS = ("dataset", "backbone", "store", "tracking")
FILES = ("root", "archive", "csv", "path", "weights")
PATHS = (*FILES, "labels", "names", "parts", "folder")
TEXTS = (*PATHS, "url", "uri", "label_pattern", "groups", "sha256", "digest", "key", "model", "pretrained")
FUNCTION = re.compile(
    r"(choice|range|interval|glob|sort|shuffle|tag|str|int|float|bool|extend_list|json_str)\(.*\)", re.DOTALL
)
# An option of one part of a backbone: backbone.parts.NAME.path.
PART = re.compile(r"^parts\.\w+\.")
LONGEST_NAME = 255
TYPOGRAPHIC = "“”„‟«»‘’‚‛"


def is_text(key: str) -> bool:
    """Whether the values of a key are paths or other text."""
    owner, _, name = key.lstrip("+").partition(".")
    return owner in OWNERS and PART.sub("", name) in TEXTS


def written(key: str, value: str, swept: Callable[[str], bool]) -> str:
    """The value of a text key as Hydra reads it.

    Parameters
    ----------
    swept
        Says whether Hydra reads an override as a sweep over several values.

    Raises
    ------
    ConfigError
        For a value with commas that can be one path or several.
    """
    name = key.rpartition(".")[2]
    bare = value if name in PATHS and there(value) else value.strip()
    bare = of_address(bare) if name in FILES else bare
    if name in PATHS and of_nobody(bare):
        bare = str(absolute(bare))
    if name in PATHS and max(len(part.encode(errors="replace")) for part in bare.split("/")) > LONGEST_NAME:
        raise ConfigError(f"{key}: received a name of more than {LONGEST_NAME} bytes; no file or folder has one.")
    if name in PATHS and there(bare):
        return _one_path(key, bare)
    if not bare or bare.lower() == "null" or "${" in bare or _in_quotes(bare) or FUNCTION.fullmatch(bare):
        return value
    if bare[0] in TYPOGRAPHIC and name in PATHS:
        text = f"{key}={value}: received typographic quotes, which are part of a name here; leave them out."
        raise Mistake(text, [f"{key}={value}"], [f"{key}={bare.strip(TYPOGRAPHIC)}"])
    return _several(key, value, swept) if "," in bare else quoted(bare)


def quoted(text: str) -> str:
    """`text` in the quotes of Hydra's grammar."""
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"


def _in_quotes(value: str) -> bool:
    return len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]


def _pieces(value: str) -> list[str]:
    return [piece.strip() for piece in value.split(",")]


def _one_path(key: str, path: str) -> str:
    """A path that is there; with commas, the parts of its name must not be paths too."""
    pieces = _pieces(path)
    if len(pieces) > 1 and all(map(there, pieces)):
        choice = f"{key}=choice({','.join(map(quoted, pieces))})"
        raise ConfigError(
            f"{key}: received {path!r}; it is the name of one path that is there, and of {len(pieces)}. For the one "
            f'type "{key}={quoted(path)}"; for a sweep over the {len(pieces)} type "{choice}".'
        )
    return quoted(path)


def _several(key: str, value: str, swept: Callable[[str], bool]) -> str:
    """A value with commas that is no path: several values, where each is one."""
    name, pieces = key.rpartition(".")[2], _pieces(value)
    if name in ("url", "uri"):
        return value if all("://" in piece for piece in pieces) and swept(f"{key}={value}") else quoted(value)
    if swept(f"{key}={value}"):
        return value
    if name not in PATHS:
        return quoted(value)
    if all(map(there, pieces)):
        return ",".join(map(quoted, pieces))
    lacking = ", ".join(piece or "''" for piece in pieces if not there(piece))
    raise ConfigError(
        f"{key}: received {value!r}; there is no such file or folder (looked for {absolute(value)})"
        f". Taken as a list of {len(pieces)}, {lacking} would be missing."
    )
