"""Models of timm that are files: of the Hugging Face hub (``hf-hub:OWNER/NAME``) or of a folder (``local-dir:PATH``).

Both have a ``config.json`` with the architecture, its arguments and how images are prepared, and the weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import hashing
from backbench.backbones import _huggingface
from backbench.schema import ConfigError

HUB, FOLDER = ("hf-hub:", "hf_hub:"), "local-dir:"
CONFIG = "config.json"
# Where the arguments of the architecture, and what the file says of its weights, are kept beside the rest.
ARGUMENTS, GIVEN = "model_args", "pretrained_cfg"
# Fields of the file that change no feature.
OF_CLASSES = ("num_classes", "label_names", "label_descriptions", "num_features")


def named(model: str) -> bool:
    """Whether a name is that of files."""
    return model.startswith((*HUB, FOLDER))


def placed(model: str) -> str:
    """The name with an absolute path, where it is that of a folder."""
    return f"{FOLDER}{_folder(model)}" if model.startswith(FOLDER) else model


def identity(model: str) -> dict[str, Any]:
    """The name without the place of a folder, and the digest of what the file says; nothing for timm's own names."""
    if not named(model):
        return {}
    name = f"{FOLDER}{_folder(model).name}" if model.startswith(FOLDER) else model
    about = {key: value for key, value in _read(model).items() if key not in OF_CLASSES}
    return {"model": name, "config_sha256": hashing.digest(about)}


def config(model: str) -> dict[str, Any]:
    """What the files say: timm's fields of weights and transform, the architecture and its arguments.

    Raises
    ------
    ConfigError
        If there is no such file, or it names no architecture of timm.
    """
    import timm

    about = _read(model)
    architecture = str(about.get("architecture"))
    if not timm.is_model(architecture):
        raise ConfigError(
            f"backbone(timm).model: {model} names the architecture {architecture!r}, which timm does not have; models "
            "of transformers are for backbone=huggingface."
        )
    given = about.get(GIVEN) or {key: value for key, value in about.items() if key not in OF_CLASSES}
    return {**given, "architecture": architecture, ARGUMENTS: about.get(ARGUMENTS) or {}, GIVEN: given}


def file(model: str, names: Sequence[str]) -> Path:
    """The first file of `names` that the model has.

    Raises
    ------
    ConfigError
        If there is none; says what was looked for, and where.
    """
    if not model.startswith(FOLDER):
        advice = "give the folder that they are in: backbone.model=local-dir:PATH"
        return _huggingface.file(model, model.partition(":")[2], names, advice)
    folder = _folder(model)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise ConfigError(f"backbone(timm).model: {folder} has no {' or '.join(names)}; put the model there.")
    return path


def _read(model: str) -> dict[str, Any]:
    return _huggingface.options("backbone(timm).model", file(model, (CONFIG,)))


def _folder(model: str) -> Path:
    return Path(model.removeprefix(FOLDER)).expanduser().absolute()
