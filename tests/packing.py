"""Archives of small pictures, made by the libraries that others make theirs with."""

import hashlib
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from backbench import paths, plugins
from backbench.datasets import Reading, _unpack
from backbench.datasets._unpack import Limits, Unpacked
from backbench.stage import Context

LIMITS = Limits(1000, 1 << 30)
ARCHIVE = {
    "name": "archive",
    "url": None,
    "archive": None,
    "sha256": None,
    "folder": None,
    "max_files": 1000,
    "max_gb": 1.0,
    "digest": None,
    "sample": None,
    "seed": 0,
    "split": {"source": "random", "validation": 0.2, "test": 0.2},
    "unreadable": "exclude",
}


def png(number: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def pictures(prefix="", classes=("cat", "dog", "owl"), each=4) -> dict[str, bytes]:
    return {f"{prefix}{name}/{n:02}.png": png(17 * i + n) for i, name in enumerate(classes) for n in range(each)}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    suffix = path.suffix.lstrip(".")
    with tarfile.open(path, f"w:{suffix if suffix in ('gz', 'bz2', 'xz') else ''}") as archive:
        for name, data in files.items():
            archive.addfile(info := tarfile.TarInfo(name), None) if name.endswith("/") else None
            if not name.endswith("/"):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        for info in special:
            archive.addfile(info)
    return path


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def unpacked(archive: Path, tmp_path: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    target = tmp_path / "out"
    target.mkdir()
    _unpack.unpack(archive, target, limits)
    return {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}


def content(folder: Path) -> dict[str, bytes]:
    assert not any(path.is_symlink() for path in folder.rglob("*")), "a link on the disk"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpack(archive: Path, limits: Limits = LIMITS) -> tuple[dict[str, bytes], Unpacked]:
    """The files and the record of an archive, unpacked where it would show if anything were written outside."""
    target = archive.parent / "deep" / "down"
    target.mkdir(parents=True)
    outside = sorted(path.name for path in archive.parent.iterdir())
    try:
        result = _unpack.unpack(archive, target, limits)
        return content(target), result
    finally:
        assert sorted(path.name for path in archive.parent.iterdir()) == outside, "written outside"
        assert [path.name for path in target.parent.iterdir()] == ["down"], "written outside"
        shutil.rmtree(target.parent)


def mixed(path: Path, *entries: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    """A tar of files and links in just this order."""
    with tarfile.open(path, "w") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def params_of(**changes):
    return plugins.params("dataset", {**ARCHIVE, **changes})


def load(**changes):
    module, params = plugins.load("dataset", "archive"), params_of(**changes)
    digest = module.fingerprint(params, Reading())
    about = module.describe(params)
    found = module.load(params, Context(downloads=paths.downloads()))
    assert (about.digest, about.n) == (digest, len(found.files)) and found.digest == digest
    return found
