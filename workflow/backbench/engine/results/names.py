"""What a collection is called where people read of it."""

from collections.abc import Mapping
from os.path import normpath
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from backbench.wording import shorten

# The options that say where the images of these data sets are, the first that is given first.
PLACES = {"folder": ("root", "csv"), "archive": ("folder", "archive", "url"), "embeddings": ("path",)}
# Characters of a name; it becomes part of file names.
LONGEST = 60
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".csv", ".npy", ".npz", ".parquet", ".safetensors")


def collection(plugin: str, options: Mapping[str, Any]) -> str:
    """The name of the folder, archive or file that a data set was read from, else that of its plugin."""
    given = next((str(options[name]) for name in PLACES.get(plugin, ()) if options.get(name)), None)
    if given is None:
        return plugin
    path = unquote(urlsplit(given).path) if "://" in given else given
    name = _without_ending(PurePath(normpath(path)).name)
    return (
        shorten("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name), LONGEST)
        or plugin
    )


def _without_ending(name: str) -> str:
    """A file name without the endings of archives and tables."""
    ending = max((each for each in ENDINGS if name.lower().endswith(each)), key=len, default="")
    return name[: len(name) - len(ending)] if ending else name
