"""Where folders of images lay and what was found in them: one JSON file per folder (layer 1).

The files are a cache (``results/fingerprints``): without them, folders are fingerprinted anew.
"""

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.files import make_folder, write_text
from backbench.images import decoding
from backbench.images.reading import stamp
from backbench.schema import ConfigError

# Two told files by the digest of their decoded pixels.
FORMAT = 3
KEPT_DIGESTS = 32
# Formats that are told by the name of a file too.
BY_NAME = ("TGA", "RAW")
Found = dict[str, Any]  # see images.reading.Facts


def read(root: Path) -> dict[str, Found]:
    """What is known of the files of a folder, by their relative paths; nothing if another decoder found it."""
    return {**_body(root).get("files", {}), **_journalled(root)}


def write(root: Path, files: Mapping[str, Found], digest: str | None) -> None:
    """Keep what was found; `digest` is None while not every file has been looked at.

    One folder may be listed in several ways (all of it, by a CSV), so that what is known of other files stays while
    they are there, and what is known of other digests while no file has changed.
    """
    old = _body(root)
    known = old.get("files", {})
    unlisted = {path: found for path, found in known.items() if path not in files}
    others = {path: found for path, found in unlisted.items() if os.path.lexists(root / path)}
    same = len(others) == len(unlisted) and all(known.get(path, found) == found for path, found in files.items())
    digests = [other for other in old.get("digests", []) if same]
    new = [digest] if digest and digest not in digests else []
    about = {"digests": [*digests, *new][-KEPT_DIGESTS:], "files": {**others, **files}}
    body = {**_head(), "root": str(root), **about}
    if body != old:
        write_text(_path(root), json.dumps(body, separators=(",", ":")))
    _journal(root).unlink(missing_ok=True)


class Journal:
    """What is found of the files of a folder while they are read, a line for each block (a context manager).

    A call that is killed goes on behind its last line; :func:`write` takes the lines in.
    """

    def __init__(self, root: Path):
        self.root, self._file = root, None

    def note(self, files: Mapping[str, Found]) -> None:
        """Add what was found of a block of files."""
        if self._file is None:
            path = _journal(self.root)
            make_folder(path.parent)
            going_on = bool(_lines(path))
            if going_on:  # behind the last whole line
                os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
            self._file = path.open("a" if going_on else "w", encoding="utf-8")
            if not going_on:
                self._file.write(json.dumps({**_head(), "root": str(self.root)}) + "\n")
        self._file.write(json.dumps(files, separators=(",", ":")) + "\n")
        self._file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def by_digest() -> dict[str, Found]:
    """What is known of any image that was ever read here, by the digest of its bytes; not where its name counted."""
    bodies = (_load(path) for path in sorted((paths.results() / "fingerprints").glob("*.json")))
    files = itertools.chain.from_iterable(body.get("files", {}).values() for body in bodies)
    return {facts["sha256"]: facts for facts in files if "phash" in facts and facts["format"] not in BY_NAME}


def is_older(root: Path) -> bool:
    """Whether a folder was fingerprinted by a version that told files by the digest of their decoded pixels."""
    return _stored(_path(root)).get("format") == FORMAT - 1


def forget(root: Path) -> None:
    """Let every file of a folder be read again, for one of them has changed unseen; what their bytes tell stays."""
    files = {path: {**facts, "size": -1} for path, facts in read(root).items()}
    write_text(_path(root), json.dumps({**_head(), "root": str(root), "digests": [], "files": files}))


def locate(digest: str, files: Sequence[str], places: Sequence[Path]) -> Path:
    """The folder that holds the content `digest`: the first of `places`, or else of where planning saw it, in which
    `files` are as they were then; where none is known to hold them so, the first that is there.

    Raises
    ------
    ConfigError
        If it is in none of these places.
    """
    first = None
    for place in _candidates(digest, places):
        if place.is_dir():
            if _holds(place, files):
                return place
            first = first or place
    if first is None:
        raise ConfigError(
            f"the images of dataset {digest[:12]} were in {places[0]}, which is gone; give dataset.root=PATH."
        )
    return first


def _candidates(digest: str, places: Sequence[Path]) -> Iterator[Path]:
    yield from dict.fromkeys(places)
    for path in sorted((paths.results() / "fingerprints").glob("*.json")):
        body = _load(path)
        if digest in body.get("digests", ()):
            yield Path(body["root"])


def fresh(root: Path, file: str, known: Mapping[str, Found]) -> bool:
    """Whether a file is as it was. The change time counts: nobody sets it back, as copying sets the other one."""
    before = known.get(file)
    if before is None:
        return False
    now = stamp(f"{root}/{file}")
    return all(before.get(key) == now[key] for key in now)


def _holds(root: Path, files: Sequence[str]) -> bool:
    known = read(root)
    return all(fresh(root, file, known) for file in files)


def _path(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return paths.results() / "fingerprints" / f"{name}.json"


def _journal(root: Path) -> Path:
    return _path(root).with_suffix(".journal")


def _journalled(root: Path) -> dict[str, Found]:
    """What an interrupted call found; lines of another decoder, and one that is cut short, count for nothing."""
    files: dict[str, Found] = {}
    for entry in _lines(_journal(root))[1:]:
        files.update(entry)
    return files


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal, its head first; none where that is of another decoder."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines if lines and _head().items() <= lines[0].items() else []


def _head() -> dict[str, Any]:
    return {"format": FORMAT, "decoder": decoding.decoder_version()}


def _body(root: Path) -> dict[str, Any]:
    body = _load(_path(root))
    return body if body.get("root") == str(root) else {}


def _load(path: Path) -> dict[str, Any]:
    body = _stored(path)
    return body if _head().items() <= body.items() else {}


def _stored(path: Path) -> dict[str, Any]:
    """What a file holds, by whatever version and decoder; nothing if it is damaged or not there."""
    try:
        about = path.stat()
        body = _parsed(path, about.st_mtime_ns, about.st_size, about.st_ino)
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, *version: int) -> Any:
    """The content of a file: planning asks several times for the same, of 100,000 images 24 MB."""
    return json.loads(path.read_text(encoding="utf-8"))
