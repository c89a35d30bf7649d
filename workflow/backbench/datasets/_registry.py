"""Where folders of images are and what their files hold: one JSON file per folder.

The files are a cache (``results/fingerprints``): without them, folders are fingerprinted again.
"""

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from backbench import paths
from backbench.files import make_folder, share, write_text
from backbench.images import decoding
from backbench.images.reading import stamp
from backbench.schema import ConfigError

# Format 2 identified files by the digest of their decoded pixels.
FORMAT = 3
KEPT_DIGESTS = 32
# Formats that are recognised by the name of a file too.
BY_NAME = ("TGA", "RAW")
Facts = dict[str, Any]  # what is known of one file; see images.reading.Facts


def read(root: Path) -> dict[str, Facts]:
    """What is known of the files of a folder, by their relative paths; nothing if another decoder read them."""
    return {**_body(root).get("files", {}), **_journalled(root)}


def write(root: Path, files: Mapping[str, Facts], digest: str | None) -> None:
    """Store what is known of the files of a folder; `digest` is None until every file has been read.

    One folder may be listed in several ways (all of it, or by a table). So the facts of other files stay while those
    exist, and other digests stay while no file has changed.
    """
    old = _body(root)
    known = old.get("files", {})
    unlisted = {path: facts for path, facts in known.items() if path not in files}
    others = {path: facts for path, facts in unlisted.items() if os.path.lexists(root / path)}
    same = len(others) == len(unlisted) and all(known.get(path, facts) == facts for path, facts in files.items())
    digests = [other for other in old.get("digests", []) if same]
    new = [digest] if digest and digest not in digests else []
    about = {"digests": [*digests, *new][-KEPT_DIGESTS:], "files": {**others, **files}}
    body = {**_head(), "root": str(root), **about}
    if body != old:
        write_text(_path(root), json.dumps(body, separators=(",", ":")))
    _journal(root).unlink(missing_ok=True)


class Journal:
    """The facts of the files of a folder while they are being read, one line per block (a context manager).

    After an interruption, the next call continues behind the last line; :func:`write` merges the lines.
    """

    def __init__(self, root: Path):
        self.root = root
        self._file: IO[str] | None = None

    def note(self, files: Mapping[str, Facts]) -> None:
        """Add the facts of a block of files."""
        if self._file is None:
            self._file = self._opened()
        self._file.write(json.dumps(files, separators=(",", ":")) + "\n")
        self._file.flush()

    def _opened(self) -> IO[str]:
        path = _journal(self.root)
        make_folder(path.parent)
        if _lines(path):  # continue behind the last whole line
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
            return path.open("a", encoding="utf-8")
        path.unlink(missing_ok=True)  # it may be another user's
        file = path.open("w", encoding="utf-8")
        share(path)
        file.write(json.dumps({**_head(), "root": str(self.root)}) + "\n")
        return file

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def by_digest() -> dict[str, Facts]:
    """What is known of any image that was ever read here, by the digest of its bytes, unless its name mattered too."""
    bodies = (_load(path) for path in sorted((paths.results() / "fingerprints").glob("*.json")))
    files = itertools.chain.from_iterable(body.get("files", {}).values() for body in bodies)
    return {facts["sha256"]: facts for facts in files if "phash" in facts and facts["format"] not in BY_NAME}


def is_older(root: Path) -> bool:
    """Whether a folder was fingerprinted by a version that identified files by the digest of their decoded pixels."""
    return _stored(_path(root)).get("format") == FORMAT - 1


def forget(root: Path) -> None:
    """Have every file of a folder read again, since one has changed unnoticed; facts by the digest of bytes stay."""
    files = {path: {**facts, "size": -1} for path, facts in read(root).items()}
    write_text(_path(root), json.dumps({**_head(), "root": str(root), "digests": [], "files": files}))


def locate(digest: str, files: Sequence[str], places: Sequence[Path]) -> Path:
    """The folder that holds the content `digest`.

    The first of `places`, then of the folders where planning saw it, in which `files` have not changed since; if there
    is none, the first folder that exists.

    Raises
    ------
    ConfigError
        If none of these folders exists.
    """
    first = None
    for place in _candidates(digest, places):
        if place.is_dir():
            if _holds(place, files):
                return place
            first = first or place
    if first is None:
        raise ConfigError(
            f"the images of dataset {digest[:12]} were in {places[0]}, which no longer exists; give dataset.root=PATH."
        )
    return first


def _candidates(digest: str, places: Sequence[Path]) -> Iterator[Path]:
    yield from dict.fromkeys(places)
    for path in sorted((paths.results() / "fingerprints").glob("*.json")):
        body = _load(path)
        if digest in body.get("digests", ()):
            yield Path(body["root"])


def fresh(root: Path, file: str, known: Mapping[str, Facts]) -> bool:
    """Whether a file has not changed. The change time counts too: unlike the modification time, nobody sets it back."""
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


def _journalled(root: Path) -> dict[str, Facts]:
    """What an interrupted call has read; lines of another decoder, and one that is cut short, are ignored."""
    files: dict[str, Facts] = {}
    for entry in _lines(_journal(root))[1:]:
        files.update(entry)
    return files


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal, its head first; none if that is of another decoder."""
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
    """What a file holds, from any version and decoder; nothing if it is damaged or missing."""
    try:
        status = path.stat()
        body = _parsed(path, status.st_mtime_ns, status.st_size, status.st_ino)
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, *version: int) -> Any:
    """The content of a file, cached: planning needs the same one several times (24 MB for 100,000 images)."""
    return json.loads(path.read_text(encoding="utf-8"))
