"""A file of weights that does not fit its network is refused when a sweep is planned.

What is no file of weights at all shows in its first bytes. For the rest the backbone's own loader is asked, which
imports torch; that it fits is then remembered for the file's digest, in ``results/weights``.
"""

import importlib.metadata
import json
import logging
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import hashing, paths, plugins, schema
from backbench.backbones._contract import Backbone, Refusing
from backbench.files import write_text
from backbench.schema import ConfigError

log = logging.getLogger(__name__)

FILE = "file"
LIBRARIES = ("torch", "torchvision", "timm", "open_clip_torch", "transformers")
ZIP, PICKLES = b"PK\x03\x04", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
HEADER_BYTES, METADATA = 8, "__metadata__"
LONGEST_HEADER = 100_000_000
ADVICE = "give a state dict, saved with torch.save(model.state_dict(), PATH) or as .safetensors"


def check(name: str, module: Backbone[Any], params: Any, identity: Mapping[str, Any]) -> None:
    """Refuse weights from a path that the backbone `name` cannot take.

    Raises
    ------
    ConfigError
        If the file holds no weights, or those of another network; which one, where that is known.
    """
    if identity.get("weights") != FILE or not isinstance(module, Refusing):
        return
    path = Path(params.weights).expanduser().absolute()
    if path.is_file():
        refuse_other_files(path)
    kept = _kept(name, params, identity)
    if kept.is_file():
        return
    print(f"checking that {path.name} holds the weights of {name}", file=sys.stderr)
    try:
        module.fits(params)
    except ConfigError as error:
        raise ConfigError(f"{error}{_fitting(path, name)}") from error
    write_text(kept, json.dumps({"backbone": name, "file": path.name, **identity}, indent=1, sort_keys=True))


def refuse_other_files(path: Path) -> None:
    """Refuse what is no file of weights by its first bytes; nothing of it is unpickled.

    Raises
    ------
    ConfigError
        It says what the file looks like, and what is wanted.
    """
    kind = _other_kind(path)
    if kind:
        raise ConfigError(f"backbone.weights: {path} is not a weights file: it is {kind}; {ADVICE}.")


def _other_kind(path: Path) -> str | None:
    """What a file is instead of weights, or None where it may be some."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
    if not size:
        return "empty"
    if path.suffix == ".safetensors":
        return _other_than_safetensors(path, start, size)
    if start.startswith(ZIP):
        return _other_than_archive(path)
    if start.startswith(PICKLES):
        return None
    words = start.lstrip().lower()
    if words.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page; the download went wrong"
    if words.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; run git lfs pull"
    if start[:4] == b"\x89HDF":
        return "an HDF5 file, as Keras writes it"
    if not _other_than_safetensors(path, start, size):
        return "in the safetensors format under another name; rename it to end in .safetensors"
    return "text" if b"\0" not in start and _decodes(start) else "of no known format"


def _decodes(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4 and len(start) > 4
    return True


def _other_than_safetensors(path: Path, start: bytes, size: int) -> str | None:
    length = int.from_bytes(start[:HEADER_BYTES], "little")
    if len(start) <= HEADER_BYTES or start[HEADER_BYTES : HEADER_BYTES + 1] != b"{" or length > LONGEST_HEADER:
        return "not in the safetensors format"
    wanted = HEADER_BYTES + length
    if wanted <= size:
        with path.open("rb") as file:
            try:
                entries = json.loads(file.read(wanted)[HEADER_BYTES:])
                wanted += max(
                    (entry["data_offsets"][1] for key, entry in entries.items() if key != METADATA), default=0
                )
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
                return "a safetensors file with a damaged header"
    return f"cut short: it should have {wanted:,} bytes and has {size:,}" if wanted > size else None


def _other_than_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged archive; a download that was cut short looks like this"
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        scripted = any("/code/" in name for name in names) and any(name.endswith("constants.pkl") for name in names)
        return "a TorchScript program, not a state dict" if scripted else None
    return f"a zip archive of {len(names)} files without PyTorch's data.pkl"


def _kept(name: str, params: Any, identity: Mapping[str, Any]) -> Path:
    """Where it is remembered that a file fits; other options or libraries may ask for another network."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    options = {key: value for key, value in schema.canonical(params).items() if key != "weights"}
    key = hashing.digest({"backbone": name, "options": options, "identity": dict(identity), "versions": versions})
    return paths.results() / "weights" / f"{hashing.short(key)}.json"


def _fitting(path: Path, refused: str) -> str:
    """Which other backbone the weights of a file are of, as the end of a sentence; empty where none is known."""
    from backbench.backbones import _weights

    try:
        state = _weights.read(path)
    except ConfigError:
        return ""
    for name in plugins.names("backbone"):
        model = getattr(plugins.load("backbone", name), "MODEL", None)
        if name != refused and model is not None and model.holds(state):
            return f" They fit {name}: backbone={name} backbone.weights={path}"
    return ""
