"""Files of weights: where they are, their digest, and loading them without running code that they contain."""

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

# Keys under which training scripts store the state dict, and the prefix that DataParallel gives to every name.
NESTS, PARALLEL = ("state_dict_ema", "model_ema", "state_dict", "model"), "module."
# Used in training only; old files do not have it.
NOT_USED = "num_batches_tracked"


def packaged(package: str, file: str) -> Path | None:
    """Path of a file inside an installed package, whether or not it exists; None without the package."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / file if spec and spec.origin else None


def digest(path: Path) -> str:
    """SHA-256 of a file of weights, computed again only if its size or modification time changes.

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
        raise ConfigError(f"weights: {path} is not a file.")
    return _digest(path, about.st_size, about.st_mtime_ns)


@functools.cache
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return hashing.file_digest(path)


def local(where: str, weights: str, words: Collection[str]) -> Path:
    """The file at the path `weights`.

    Raises
    ------
    ConfigError
        If there is none; names the `words` that are allowed instead.
    """
    path = Path(weights).expanduser().absolute()
    if path.is_file():
        return path
    if "/" in weights or path.suffix:
        allowed = f"{', '.join(words)}, or the path of a state dict"
        raise ConfigError(f"{where}.weights: received {weights!r}; allowed: {allowed} (looked for {path}).")
    raise refuse(f"{where}.weights", weights, (*words, "the path of a state dict"))


def load(network: "torch.nn.Module", path: Path, needed: Collection[str] | None, what: str) -> None:
    """Load the state dict in a file into `network`, converted to its precision.

    Parameters
    ----------
    needed
        Names that must be present; None for all of the network.
    what
        Name of the network, for the error.

    Raises
    ------
    ConfigError
        If the file is not a state dict, or its names or shapes are not those of the network; lists them.
    """
    fill(network, read(path), path, needed, what)


def fill(network: "torch.nn.Module", state: "State", path: Path, needed: Collection[str] | None, what: str) -> None:
    """As :func:`load`, for a state dict that was read from `path`."""
    refuse_misfit(network.state_dict(), state, path, needed, what)
    network.load_state_dict(state, strict=False)


def refuse_misfit(wanted: "State", state: "State", path: Path, needed: Collection[str] | None, what: str) -> None:
    """Raise ConfigError if a state dict does not match `wanted`, that of the network; see :func:`load`."""
    complaints = _complaints(wanted, state, set(wanted) if needed is None else needed)
    if complaints:
        raise ConfigError(f"{path} does not hold the weights of {what}: {'; '.join(complaints)}.")


def read(path: Path) -> "State":
    """The state dict in a PyTorch or .safetensors file, also from within the checkpoint of a training script.

    Raises
    ------
    ConfigError
        If the file cannot be read without running code, or holds something else.
    """
    import torch

    try:
        content = _read(path)
    except ImportError as error:
        raise ConfigError(f"{path} needs the package safetensors; pip install safetensors.") from error
    except (
        Exception
    ) as error:  # torch raises many kinds for a file that is not a checkpoint; here they all mean the same
        # Not torch's message, which advises loading the file in a way that runs code.
        raise ConfigError(
            f"{path} cannot be read as PyTorch weights without running code in it ({type(error).__name__}); give a "
            "state dict, saved with torch.save(model.state_dict(), PATH) or as .safetensors."
        ) from error
    state = _unnested(content)
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ConfigError(
            f"{path} is not a state dict (a mapping of names to tensors); it holds {type(content).__name__}."
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


def _unnested(content: Any) -> Any:
    """The state dict within a checkpoint; anything else as it is."""
    if not isinstance(content, Mapping):
        return content
    return next((content[name] for name in NESTS if isinstance(content.get(name), Mapping)), content)


def _complaints(wanted: "State", state: "State", needed: Collection[str]) -> list[str]:
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    groups = {
        "missing keys": [key for key in wanted if key in needed and key not in state and not key.endswith(NOT_USED)],
        "unexpected keys": [key for key in state if key not in wanted],
        "other shapes": shapes,
    }
    return [f"{what} ({len(items)}): {_some(items)}" for what, items in groups.items() if items]


def brief(error: Exception) -> str:
    """The message of a library about a state dict on one line, with a few names of each kind."""
    text = " ".join(str(error).split()).rstrip(".")
    return re.sub(r'((?:"[^"]+", ){5})(?:"[^"]+"(?:, )?)+', r"\1...", text)[:1500]


def _some(items: list[str], shown: int = 5) -> str:
    return ", ".join(items[:shown]) + (", ..." if len(items) > shown else "")
