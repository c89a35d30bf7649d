"""A path alone is a collection: from what lies there to the overrides that name it (no hydra).

====================================  ================================================================
what                                  overrides
====================================  ================================================================
a folder                              ``dataset=folder dataset.root=PATH``
``.zip``, ``.tar``, ``.tar.gz`` ...   ``dataset=archive dataset.archive=PATH``
``.npz``, ``.npy``, ``.parquet`` ...  ``dataset=embeddings dataset.path=PATH backbone=precomputed``
``.csv``, ``.tsv``, ``.txt``          ``dataset=folder dataset.csv=PATH``
``https://...``                       ``dataset=archive dataset.url=ADDRESS``
====================================  ================================================================

What a file is, its first bytes say; its name counts where these say nothing.
"""

import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

from backbench import arrays
from backbench.compose.places import absolute, of_address
from backbench.datasets import _names
from backbench.schema import ConfigError

ADDRESSES = ("http://", "https://")
HEAD = 512
ALLOWED = (
    "a folder of images, an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz), a table of images (.csv, .tsv) or "
    f"embeddings ({', '.join(arrays.FORMATS)})"
)
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
ARCHIVE_SUFFIXES = frozenset([".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz"])
WEIGHT_SUFFIXES = frozenset([".pt", ".pth", ".ckpt", ".onnx", ".pkl", ".pickle", ".joblib", ".bin", ".skops"])
# First bytes -> what they are of.
ARRAYS = (b"\x93NUMPY", b"PAR1")
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it and give the folder",
    b"Rar!": "a RAR archive: unpack it and give the folder",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it and give the folder",
    b"\x89HDF": "an HDF5 file: store its table as .npz or .parquet",
    b"MATLAB 5": "a MATLAB file: store its table as .npz or .parquet",
    b"ARROW1": "an Arrow or Feather file: store it as .parquet",
    b"%PDF": "a PDF: save its pictures as files of a folder",
    b"SQLite format 3": "a database",
}


def overrides_of(path: str | Path) -> list[str]:
    """The overrides that name what lies at `path`, or behind an address, as the collection.

    Raises
    ------
    ConfigError
        If nothing is there, or it is no collection.

    Examples
    --------
    >>> overrides_of("/")
    ['dataset=folder', 'dataset.root=/']
    """
    text = of_address(str(path))
    if text.startswith(ADDRESSES):
        return ["dataset=archive", f"dataset.url={text}"]
    if "\0" in text:
        raise ConfigError(f"{text!a} holds a null character, which no path can; allowed: {ALLOWED}.")
    place = absolute(text)
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            next(place.iterdir(), None)
            return ["dataset=folder", f"dataset.root={place}"]
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{place} is neither a file nor a folder; allowed: {ALLOWED}.")
        return _of_file(place)
    except FileNotFoundError:
        reason = "is a broken link" if place.is_symlink() else "is not there"
        raise ConfigError(f"{place} {reason}; allowed: {ALLOWED}.") from None
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror or error}; allowed: {ALLOWED}.") from error


def _of_file(path: Path) -> list[str]:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise ConfigError(f"{path} is an empty file; allowed: {ALLOWED}.")
    kind = _by_content(path, head) or _by_name(path.suffix.lower())
    if kind == "image":
        raise ConfigError(f"{path} is one image; give the folder: {path.parent}")
    if kind == "weights":
        raise ConfigError(
            f"{path} holds the weights of a network or a pickled object, no images; allowed: {ALLOWED}. "
            f"Weights go with a backbone: backbone.weights={path}"
        )
    if kind == "archive":
        return ["dataset=archive", f"dataset.archive={path}"]
    if kind == "embeddings":
        return ["dataset=embeddings", f"dataset.path={path}", "backbone=precomputed"]
    if kind == "table":
        return ["dataset=folder", f"dataset.csv={path}"]
    raise ConfigError(f"{path} is {kind or 'no collection'}; allowed: {ALLOWED}.")


def _by_content(path: Path, head: bytes) -> str | None:
    """What the bytes of a file say that it is; None where they say nothing."""
    for magic, words in OTHERS.items():
        if head.startswith(magic):
            return words
    if _names.starts_image(head) or head.startswith(b"8BPS") or head[4:12] == b"ftypcrx ":
        return "image"
    if head[4:8] == b"ftyp":
        return "a video: give a folder of images"
    if head.startswith(ARRAYS) or (head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 1 << 40):
        return "embeddings"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(path)
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "weights"
    if head.startswith(PACKED) or head[257:262] == b"ustar":
        return _of_tar(path)
    return None


def _of_zip(path: Path) -> str | None:
    """An ``.npz`` is a zip too, and so are office documents and the weights that torch saves."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError):
        return None
    if members and all(name.endswith(".npy") for name in members) and path.suffix.lower() != ".zip":
        return "embeddings"
    images = any(Path(name).suffix.lower() in _names.IMAGES for name in members)
    if not images and any(name.endswith("/data.pkl") or name == "data.pkl" for name in members):
        return "weights"
    if "[Content_Types].xml" in members or (members[:1] == ["mimetype"]):
        return "an office document: save its table as .csv"
    return "archive"


def _of_tar(path: Path) -> str | None:
    try:
        if tarfile.is_tarfile(path):
            return "archive"
    except (EOFError, zlib.error, ValueError):
        return None
    return (
        None
        if path.name.lower().endswith((".tgz", ".tbz", ".tbz2", ".txz")) or ".tar." in path.name.lower()
        else ("one compressed file, not an archive: unpack it")
    )


def _by_name(suffix: str) -> str | None:
    kinds = {
        "image": (*_names.IMAGES, ".psd", ".svg"),
        "table": TABLE_SUFFIXES,
        "archive": ARCHIVE_SUFFIXES,
        "weights": WEIGHT_SUFFIXES,
        "embeddings": arrays.FORMATS,
    }
    return next((kind for kind, suffixes in kinds.items() if suffix in suffixes), None)
