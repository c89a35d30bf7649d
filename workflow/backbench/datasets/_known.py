"""Where a known collection's official files are: given, fetched before, or fetched now.

The addresses and MD5 sums are those of torchvision's dataset classes, which a test compares. They are repeated here
because planning must not import torch, and because torchvision's own download can neither resume nor guard against
hostile archives.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backbench.datasets import _archives, _download, _fetch, _unpack
from backbench.datasets._archives import Tree
from backbench.datasets._unpack import Limits, Unpacked
from backbench.schema import ConfigError

log = logging.getLogger(__name__)

LIMITS = Limits(1_000_000, 64 << 30)


@dataclass(frozen=True)
class Original:
    """One official file. An archive is unpacked into the folder `into`; another file is put there."""

    url: str
    md5: str
    archive: bool = True
    into: str = "."

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Known:
    """A collection of which everyone has the same copy.

    `folder` is its folder in torchvision's layout. `fits` recognises that folder by its content, which `holds`
    describes for messages. `inner` are archives within the archive.
    """

    title: str
    originals: Sequence[Original]
    folder: str
    holds: str
    fits: Callable[[Path], bool]
    inner: Sequence[str] = ()


@dataclass(frozen=True)
class Place:
    """The folder of the collection, and the links that were left out when it was unpacked."""

    folder: Path
    skipped: Mapping[str, str] = field(default_factory=dict)


def find(known: Known, root: str | None, archive: str | None, downloads: Path) -> Place | None:
    """Where the files are on this machine, or None; nothing is fetched or unpacked.

    Raises
    ------
    ConfigError
        If `root` or `archive` is given and does not exist or is not this collection.
    """
    if root is not None:
        return _in_root(known, Path(root).expanduser().absolute())
    if archive is not None:
        tree = _archives.existing(_archives.checksum(Path(archive).expanduser(), None), downloads)
    else:
        tree = _archives.existing(f"md5:{known.originals[0].md5}", downloads)
    return None if tree is None else _in_tree(known, tree, archive)


def fetch(known: Known, root: str | None, archive: str | None, downloads: Path) -> Place:
    """Where the files are, fetched and unpacked if needed.

    Raises
    ------
    ConfigError
        If they cannot be had; it says what was sought, where, and how to supply it.
    """
    if (place := find(known, root, archive, downloads)) is not None:
        return place
    if archive is not None:
        path = Path(archive).expanduser().absolute()
        tree = _archives.tree(_archives.checksum(path, None), downloads, lambda work: _from_given(known, path, work))
    else:
        md5 = f"md5:{known.originals[0].md5}"
        tree = _archives.tree(md5, downloads, lambda work: _from_web(known, downloads, work))
        _drop_downloads(known, downloads)
    return _in_tree(known, tree, archive)


def verify(path: Path, md5: str) -> None:
    """Refuse a file that is not the official one.

    Raises
    ------
    ConfigError
        If it is missing or a different file.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is missing.")
    with path.open("rb") as handle:
        actual = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if actual != md5:
        raise ConfigError(f"{path} is not the official file: its MD5 is {actual}, not {md5}.")


def _in_root(known: Known, root: Path) -> Place:
    places = [root / known.folder, root, root / Path(known.folder).name]
    for place in places:
        if place.is_dir() and known.fits(place):
            return Place(place)
    raise ConfigError(
        f"dataset.root: {known.title} was not found. Looked for {known.holds} in "
        f"{', '.join(map(str, dict.fromkeys(places)))}. {_supply(known)}"
    )


def _in_tree(known: Known, tree: Tree, archive: str | None) -> Place:
    place = _archives.holding(tree.folder, known.fits)
    if place is None:
        raise ConfigError(f"{archive or tree.folder} is not {known.title}: it lacks {known.holds}. {_supply(known)}")
    return Place(place, tree.skipped)


def _from_given(known: Known, archive: Path, work: Path) -> Unpacked:
    """Unpack an archive of the user's; the other official files are taken from the same folder if they are there."""
    unpacked = _unpack.unpack(archive, work, LIMITS)
    for original in known.originals:
        beside = archive.with_name(original.name)
        if beside != archive and beside.is_file():
            verify(beside, original.md5)
            _put(original, beside, work)
    _unpack_inner(known, work)
    return unpacked


def _from_web(known: Known, downloads: Path, work: Path) -> Unpacked:
    try:
        _fetch.probe([known.originals[0].url], "its server")
        for original in known.originals:
            path = _downloaded(original, downloads)
            _put(original, _download.fetch(original.url, f"md5:{original.md5}", path), work)
    except _fetch.FetchError as error:
        wanted = ", ".join(original.name for original in known.originals)
        raise ConfigError(
            f"{known.title} was not found. Looked for {wanted} in {downloads / 'archives'} and on the web: {error}. "
            f"{_supply(known)}"
        ) from error
    _unpack_inner(known, work)
    return Unpacked()


def _put(original: Original, path: Path, work: Path) -> None:
    target = work / original.into
    target.mkdir(parents=True, exist_ok=True)
    if original.archive:
        _unpack.unpack(path, target, LIMITS)
    else:
        shutil.copyfile(path, target / original.name)


def _unpack_inner(known: Known, work: Path) -> None:
    for name in known.inner:
        for path in sorted(work.rglob(name)):
            _unpack.unpack(path, path.parent, LIMITS)
            path.unlink()


def _downloaded(original: Original, downloads: Path) -> Path:
    return downloads / "archives" / f"{original.md5[:12]}.{original.name}"


def _drop_downloads(known: Known, downloads: Path) -> None:
    for original in known.originals:
        _downloaded(original, downloads).unlink(missing_ok=True)


def _supply(known: Known) -> str:
    """How the user can supply the files if this machine cannot fetch them."""
    files = ", ".join(f"{original.url} (MD5 {original.md5})" for original in known.originals)
    beside = " (with the others in the same folder)" if len(known.originals) > 1 else ""
    return (
        f"Download {files} elsewhere and give dataset.archive=PATH of {known.originals[0].name}{beside}, "
        f"or unpack it and give dataset.root=FOLDER that holds {known.folder}."
    )
