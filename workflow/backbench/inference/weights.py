"""The weights of a backbone as a safetensors file that travels with a model: nothing is unpickled where it is loaded.

A plugin may say itself where its file is: ``weights_file(params)`` gives the path. Those that come with the package are
known here, so that the plugins, and with them the stored results, stay as they are.
"""

import dataclasses
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import plugins
from backbench.backbones import _timm_files, _weights
from backbench.schema import ConfigError

FILE = "weights.safetensors"
# Those of the parts of a backbone have a number each.
OF_PART, NAMES = "weights_{}.safetensors", re.compile(r"weights(_\d+)?\.safetensors")
RANDOM = "random"


def carried(module: Any, params: Any, folder: Path, name: str = FILE) -> dict[str, Any]:
    """Write the weights of a backbone into `folder`, as `name`; what its configuration then has to say of them.

    That is the name of the file, and its own digest in place of that of the file that it was made from. Empty for a
    backbone without weights, or with random ones, which are drawn again from their seed.

    Raises
    ------
    ConfigError
        If its file is not known, or cannot be read without running code that is in it.
    """
    path = source(module, params)
    if path is None:
        return {}
    target = folder / name
    if path.suffix == ".safetensors":
        shutil.copyfile(path, target)
    else:
        _convert(path, target)
    options = {field.name for field in dataclasses.fields(module.Params)}
    identity = module.identity(dataclasses.replace(params, weights=str(target)))
    return {key: value for key, value in identity.items() if key not in options} | {"weights": name}


def placed(backbone: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration of a backbone whose weights may lie in `folder`, or those of its parts, with their path.

    Raises
    ------
    ConfigError
        If they are not those that were written there.
    """
    if "parts" in backbone:
        return {**backbone, "parts": [placed(part, folder) for part in backbone["parts"]]}
    name = str(backbone.get("weights"))
    if not NAMES.fullmatch(name):
        return dict(backbone)
    path, wanted = folder / name, str(backbone["weights_sha256"])
    actual = _weights.digest(path)
    # Plugins know official files by the first digits of their digest.
    if not actual.startswith(wanted):
        raise ConfigError(
            f"{path} is not the file that was exported (SHA-256 {actual[: len(wanted)]}, not {wanted}); export the "
            "run again."
        )
    return {**backbone, "weights": str(path)}


def source(module: Any, params: Any) -> Path | None:
    """The file of weights of the backbone plugin `module`; None if it has none, or random ones.

    Raises
    ------
    ConfigError
        If nothing says where it is.
    """
    weights = getattr(params, "weights", RANDOM)
    if weights == RANDOM:
        return None
    name = module.__name__.rpartition(".")[2]
    if name == "timm" and _timm_files.named(params.model):
        raise ConfigError(
            f"backbone(timm): {params.model} cannot be taken away as one file of weights, for timm builds it from a "
            "config.json beside them; the run predicts here, and its features and its classifier are exported."
        )
    if hasattr(module, "weights_file"):
        return Path(module.weights_file(params))
    if hasattr(module, "NETWORK"):
        return Path(module.NETWORK.path(weights))
    if hasattr(module, "MODEL"):
        return Path(module.MODEL._file(params))
    if name == "torchvision":
        return Path(module._model(params.model)._file(module._settled(params)))
    if hasattr(module, "_file"):
        return Path(module._file(params))
    raise ConfigError(
        f"backbone({name}): the file of its weights is not known; a function `weights_file(params)` in "
        f"{plugins.module_name('backbone', name)} would give its path."
    )


def _convert(path: Path, target: Path) -> None:
    """Write the state dict of a PyTorch file as safetensors."""
    from safetensors.torch import save_file

    # A copy of each tensor: some files have several names for one, which safetensors refuses.
    state = {name: value.detach().clone().contiguous() for name, value in _weights.read(path).items()}
    save_file(state, target)
