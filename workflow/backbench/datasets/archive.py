"""A folder of images in an archive: ``dataset=archive dataset.archive=PATH`` or ``dataset.url=ADDRESS``.

The archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz; see ``_unpack``) is unpacked once into ``downloads/archives``, and
its content is read as by the plugin ``folder``. Links within the archive become copies of their targets; links that
point outside it are left out and recorded. File names in a zip that states no encoding are read as UTF-8, Shift-JIS or
cp437, and the plan says which (see ``_zip_names``). Folders that only wrap others are entered; ``folder`` chooses
another one. An archive on the web needs its SHA-256; an interrupted download is resumed (see ``_download``). None of
this is part of a hash: the digest covers the images and their labels, as that of the same folder would.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from backbench import paths
from backbench.datasets import (
    Collection,
    Description,
    Reading,
    _archives,
    _download,
    _files,
    _folders,
    _listing,
)
from backbench.datasets import folder as folder_plugin
from backbench.datasets._archives import Tree
from backbench.datasets._listing import Listing
from backbench.datasets._params import FolderParams
from backbench.datasets._unpack import Limits
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

UNHASHED = ("url", "archive", "sha256", "folder", "max_files", "max_gb", *folder_plugin.UNHASHED[1:])
SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Params(FolderParams):
    """Options: where the archive is, beside those of the plugin ``folder``.

    `sha256` is that of the archive, required with an address; `folder` is a path inside the archive. `max_files` and
    `max_gb` limit what is unpacked (null: no limit). `csv` is a table inside the archive, or any other.
    """

    url: str | None
    archive: str | None
    sha256: str | None
    folder: str | None
    max_files: Annotated[int | None, Range(low=1)]
    max_gb: Annotated[float | None, Range(above=0.0)]


def describe(params: Params) -> Description:
    """What planning needs; nothing is fetched or unpacked.

    Raises
    ------
    ConfigError
        If the archive has not been fetched and unpacked yet.
    """
    tree = _archives.existing(_checksum(params), paths.downloads())
    if tree is None:
        raise ConfigError(
            f"dataset(archive): {_where(params)} is not {'unpacked' if params.url is None else 'fetched'} yet, so its "
            "images are not known; run `backbench audit` with the same overrides, or `backbench sweep`."
        )
    description = _files.describe(_source(tree, params), params)
    return replace(description, understood=(*description.understood, *tree.notes))


def fingerprint(params: Params, reading: Reading) -> str:
    """The digest of the content; fetches and unpacks the archive if needed."""
    return _files.fingerprint(_source(_tree(params, paths.downloads()), params), params, reading)


def load(params: Params, context: Context) -> Collection:
    """The drawn and divided images; see ``_files``."""
    collection = _files.load(_source(_tree(params, context.downloads), params), params, context)
    return replace(
        collection, info={**collection.info, "archive": _where(params), "archive_checksum": _checksum(params)}
    )


def _tree(params: Params, downloads: Path) -> Tree:
    known, limits = _checksum(params), Limits.of(params.max_files, params.max_gb)
    if params.url is not None:
        return _archives.existing(known, downloads) or _archives.from_url(params.url, known, downloads, limits)
    return _archives.from_file(_path(params), known, downloads, limits)


def _checksum(params: Params) -> str:
    """``sha256:...`` of the archive: given for an address, computed for a file.

    Raises
    ------
    ConfigError
        If no archive is given, or two, or an address without a SHA-256.
    """
    if (params.url is None) == (params.archive is None):
        raise ConfigError(
            "dataset(archive): give either dataset.archive=PATH, or dataset.url=ADDRESS and dataset.sha256=DIGITS."
        )
    if params.sha256 is not None and not SHA256.fullmatch(params.sha256):
        raise refuse("dataset.sha256", params.sha256, "64 hex digits, as sha256sum prints them")
    if params.url is None:
        return _archives.checksum(_path(params), params.sha256)
    _download.check_address(params.url)
    if params.sha256 is None:
        raise ConfigError(
            f"dataset.sha256: {_where(params)} needs one; without it, nobody knows whether the right bytes arrived. "
            "Take it from the publisher, or run sha256sum on a copy that you trust."
        )
    return f"sha256:{params.sha256.lower()}"


def _path(params: Params) -> Path:
    return Path(params.archive or "").expanduser().absolute()


def _where(params: Params) -> str:
    return str(_path(params)) if params.url is None else _download.shown(params.url)


def _source(tree: Tree, params: Params) -> _files.Source:
    """What the plugin ``folder`` makes of the unpacked folder.

    Its listing also records the links that were left out, and the files around the folder that was entered, unless the
    user chose that folder.
    """
    root = _archives.choose(tree.folder, params.folder)
    table = params.csv if params.folder is None else None
    if table is not None and not (root / table).is_file() and (tree.folder / table).is_file():
        root = tree.folder  # the table is beside the only folder with images
    source = folder_plugin.source(str(root), params, tree.folder)
    inside = PurePosixPath(root.relative_to(tree.folder).as_posix())

    def listing() -> Listing:
        around = _listing.around(tree.folder, inside) if params.folder is None else {}
        links = {path: why for path, why in tree.skipped.items() if params.folder is None or _below(path, inside)}
        return _with(source.listing(), {**around, **links}, inside)

    return _files.Source(source.root, listing)


def _below(path: str, inside: PurePosixPath) -> bool:
    return PurePosixPath(path).is_relative_to(inside)


def _with(listing: Listing, passed_over: Mapping[str, str], inside: PurePosixPath) -> Listing:
    """A listing with more files left out, given by paths in the archive; `inside` is the folder that was listed."""
    way = inside / listing.below
    more = {_folders.relative(path, way): why for path, why in passed_over.items()}
    return replace(listing, left_out=dict(sorted({**more, **listing.left_out}.items())))
