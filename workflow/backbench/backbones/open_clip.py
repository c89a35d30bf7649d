"""The image encoder of any CLIP-like model of open_clip, with the transform of its weights.

Ilharco et al., "OpenCLIP", github.com/mlfoundations/open_clip; Radford et al., "Learning Transferable Visual Models
From Natural Language Supervision", ICML 2021. The features are the image embedding of ``encode_image``, not normalised:
the chain ``l2`` does that. Needs the extra ``open_clip``; planning imports it.
"""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Calibration, Engine, Image, Precision, _engine, _external, _huggingface, _weights
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

BATCH, ENGINE, UNHASHED = 32, "torch", ("weights_seed",)
PRETRAINED = "pretrained"
# The file of weights where a repository of the hub does not name it, and its variant as safetensors.
FILE = "open_clip_pytorch_model.bin"
SAFE = "open_clip_model.safetensors"


@dataclass(frozen=True)
class Params:
    """Options. `pretrained` is open_clip's tag of weights; `weights` is ``pretrained``, ``random`` or a path.

    The tag determines how images are prepared, even if the weights come from a path.
    """

    model: str
    pretrained: str
    image: _external.ImageOptions
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision
    calibration: Calibration = _engine.CALIBRATION


def resolve(params: Params, device: str) -> Params:
    """`params` with every null replaced by the value of the weights' transform.

    Raises
    ------
    ConfigError
        If open_clip is not installed, or has no such model or weights.
    """
    _huggingface.require("open_clip", "open_clip")
    transform = _transform(params.model, params.pretrained)
    return dataclasses.replace(
        _engine.resolve(params, device),
        image=_external.settled(params.image, lambda size: _image(params, size)),
        mean=_external.three("backbone(open_clip).mean", params.mean or transform["mean"]),
        deviation=_external.three("backbone(open_clip).deviation", params.deviation or transform["std"]),
    )


def width(params: Params) -> int:
    """Number of features."""
    return _config(params.model)["embed_dim"]


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that one image takes, of which open_clip says nothing."""
    return _external.GFLOPS


def identity(params: Params) -> dict[str, Any]:
    """The digest of the weights, wherever their file is, or the seed of random ones.

    Raises
    ------
    ConfigError
        If the file does not exist, is not in the cache, and cannot be downloaded.
    """
    return _external.identity(params, _file)


def fits(params: Params) -> None:
    """Raise ConfigError, with open_clip's list of keys, for weights that are not those of this model."""
    network(params)


def open(params: Params, context: Context) -> Extractor:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

    Raises
    ------
    ConfigError
        If the weights are not those of this model; gives open_clip's list of missing keys.
    """
    return _external.open(network(params), params, context)


def network(params: Params) -> "nn.Module":
    """The image encoder with its weights, in evaluation mode."""
    import torch

    path = None if params.weights == _external.RANDOM else _file(params)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(params.weights_seed)
        try:
            return _tower(_create(params, path))
        except (
            Exception
        ) as error:  # a wrong file causes many kinds of errors, from unpickling to the library of the text encoder
            where = (
                f"{path} does not hold the weights of {params.model}"
                if path
                else f"backbone(open_clip).model: {params.model} fails"
            )
            raise ConfigError(f"{where}: {type(error).__name__}: {_weights.brief(error)}.") from error


def _create(params: Params, path: Path | None) -> "nn.Module":
    import open_clip

    options: dict[str, Any] = {}
    if params.image.size != _config(params.model)["vision_cfg"].get("image_size"):
        options["force_image_size"] = params.image.size
    if _tag(params.model, params.pretrained).get("quick_gelu"):
        options["force_quick_gelu"] = True
    pretrained = str(path) if path else None
    return open_clip.create_model(params.model, pretrained, pretrained_text=False, weights_only=True, **options)


def _tower(model: "nn.Module") -> "nn.Module":
    """The image encoder of a model, as a module that gives features alone."""
    from torch import nn

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual: Any = model.visual

        def forward(self, x: Any) -> Any:
            output = self.visual(x)  # that of CoCa gives its tokens too
            return output[0] if isinstance(output, tuple) else output

    return Tower().eval()


@functools.cache
def _config(model: str) -> dict[str, Any]:
    import open_clip

    known = open_clip.list_models()
    if model not in known:
        raise refuse("backbone(open_clip).model", model, known)
    return open_clip.get_model_config(model)


def _tag(model: str, pretrained: str) -> dict[str, Any]:
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(model)
    config = open_clip.get_pretrained_cfg(model, pretrained)
    if known and not config:
        raise refuse("backbone(open_clip).pretrained", pretrained, known)
    return config or {}


def _transform(model: str, pretrained: str) -> dict[str, Any]:
    """The transform as open_clip merges it: its defaults, then those of the weights, and the size of the model."""
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    size = _config(model)["vision_cfg"].get("image_size", PreprocessCfg.size)
    return {**merge_preprocess_dict(PreprocessCfg(), _tag(model, pretrained)), "size": size}


def _image(params: Params, size: int | None) -> Image:
    transform = _transform(params.model, params.pretrained)
    sides = transform["size"] if isinstance(transform["size"], (tuple, list)) else (transform["size"],) * 2
    if sides[0] != sides[1] or transform["resize_mode"] == "longest":
        raise ConfigError(
            f"backbone(open_clip).image: {params.model} wants {sides}, resize_mode {transform['resize_mode']!r}, which "
            "is not supported; give size, resize and interpolation to prepare images in another way."
        )
    size = size or sides[0]
    if transform["resize_mode"] == "squash":
        return Image(size, "RGB", "squash", transform["interpolation"])
    return Image(size, "RGB", "crop", transform["interpolation"], size)


def _file(params: Params) -> Path:
    if params.weights != PRETRAINED:
        return _weights.local("backbone(open_clip)", params.weights, (PRETRAINED, _external.RANDOM))
    place = _tag(params.model, params.pretrained).get("hf_hub")
    if not place:
        raise ConfigError(f"backbone(open_clip).weights: {params.model} has no weights on the hub; allowed: a path.")
    repository, _, name = place.rpartition("/")
    return _huggingface.file(f"{params.model} ({params.pretrained})", repository, _names(name))


def _names(name: str) -> tuple[str, ...]:
    """Names under which the hub may have the file: as safetensors, then as given."""
    if not name or name == FILE:
        return SAFE, FILE
    stem, dot, ending = name.rpartition(".")
    return (f"{stem}{dot}safetensors", name) if ending in ("bin", "pth") else (name,)
