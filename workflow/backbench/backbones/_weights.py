"""Files of weights: finding them, their digest, and loading them without running code that is in them (layer 1)."""

import functools
import importlib.util
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

# Where training scripts keep the state dict beside the optimiser's, and what DataParallel puts before every name.
NESTS, PARALLEL = ("state_dict_ema", "model_ema", "state_dict", "model"), "module."
# Counted while training only; old files do not have it.
NOT_USED = "num_batches_tracked"


def packaged(package: str, file: str) -> Path | None:
    """Path of a file inside an installed package, whether or not it exists; None without the package."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent / file if found and found.origin else None


def digest(path: Path) -> str:
    """SHA-256 of a file of weights; computed once per process unless its size or modification time changes.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise ConfigError(f"weights: cannot read {path} ({error.strerror}).") from error
    if not path.is_file():
        raise ConfigError(f"weights: {path} is no file.")
    return _digest(path, about.st_size, about.st_mtime_ns)


@functools.cache
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return hashing.file_digest(path)


def local(where: str, weights: str, words: Collection[str]) -> Path:
    """The file that `weights` is the path of.

    Raises
    ------
    ConfigError
        If there is none; it names the `words` that are allowed besides.
    """
    path = Path(weights).expanduser().absolute()
    if path.is_file():
        return path
    if "/" in weights or path.suffix:
        allowed = f"{', '.join(words)}, or the path of a state dict"
        raise ConfigError(f"{where}.weights: received {weights!r}; allowed: {allowed} (looked for {path}).")
    raise refuse(f"{where}.weights", weights, (*words, "the path of a state dict"))


def load(network: "torch.nn.Module", path: Path, needed: Collection[str] | None, what: str) -> None:
    """Fill `network` with the state dict in a file; half-precision weights become those of the network.

    Parameters
    ----------
    needed
        Names without which it does not work; None for all. Others of the network may be missing.
    what
        Name of the network, for the error.

    Raises
    ------
    ConfigError
        If the file is not a state dict, or its names or shapes are not this network's; it lists them.
    """
    fill(network, read(path), path, needed, what)


def fill(network: "torch.nn.Module", state: "State", path: Path, needed: Collection[str] | None, what: str) -> None:
    """As :func:`load`, from a state dict that was read from `path`."""
    refuse_misfit(network.state_dict(), state, path, needed, what)
    network.load_state_dict(state, strict=False)


def refuse_misfit(wanted: "State", state: "State", path: Path, needed: Collection[str] | None, what: str) -> None:
    """Refuse a state dict that is not that of a network, whose own is `wanted`; see :func:`load`."""
    complaints = _complaints(wanted, state, set(wanted) if needed is None else needed)
    if complaints:
        raise ConfigError(f"{path} holds no {what}: {'; '.join(complaints)}.")


def read(path: Path) -> "State":
    """The state dict in a PyTorch or .safetensors file, out of the usual nests of training scripts.

    Raises
    ------
    ConfigError
        If it cannot be read without running code, or holds something else.
    """
    import torch

    try:
        found = _read(path)
    except ImportError as error:
        raise ConfigError(f"{path} needs the package safetensors; pip install safetensors.") from error
    except Exception as error:  # torch raises many kinds for a file that is no checkpoint; all mean the same here
        # Not torch's own text: it advises to load the file in a way that runs code.
        raise ConfigError(
            f"{path} cannot be read as PyTorch weights without running code in it ({type(error).__name__}); give a "
            "state dict, saved with torch.save(model.state_dict(), PATH) or as .safetensors."
        ) from error
    state = _unnested(found)
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ConfigError(
            f"{path} is not a state dict (a mapping of names to tensors); it holds {type(found).__name__}."
        )
    if state and all(name.startswith(PARALLEL) for name in state):
        return {name.removeprefix(PARALLEL): value for name, value in state.items()}
    return dict(state)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _unnested(found: Any) -> Any:
    if not isinstance(found, Mapping):
        return found
    return next((found[name] for name in NESTS if isinstance(found.get(name), Mapping)), found)


def _complaints(wanted: "State", found: "State", needed: Collection[str]) -> list[str]:
    shapes = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    groups = {
        "missing keys": [key for key in wanted if key in needed and key not in found and not key.endswith(NOT_USED)],
        "unexpected keys": [key for key in found if key not in wanted],
        "other shapes": shapes,
    }
    return [f"{what} ({len(items)}): {_some(items)}" for what, items in groups.items() if items]


def brief(error: Exception) -> str:
    """A library's own complaint about a state dict on one line, a few names of each kind."""
    text = " ".join(str(error).split()).rstrip(".")
    return re.sub(r'((?:"[^"]+", ){5})(?:"[^"]+"(?:, )?)+', r"\1...", text)[:1500]


def _some(items: list[str], shown: int = 5) -> str:
    return ", ".join(items[:shown]) + (", ..." if len(items) > shown else "")
