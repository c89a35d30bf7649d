"""Any model of timm by name, with the transform and weights that belong to the name.

Wightman, "PyTorch Image Models", github.com/huggingface/pytorch-image-models. The features are those of the model
without its classifier, ``timm.create_model(name, num_classes=0)``. Needs the extra ``timm``; planning imports it.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Engine, Image, Precision, _engine, _external, _hub, _huggingface, _weights
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

BATCH, ENGINE, UNHASHED = 32, "torch", ("weights_seed",)
PRETRAINED = "pretrained"
FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``pretrained``, ``random`` (from `weights_seed`) or a path; null: the model's value."""

    model: str
    image: _external.ImageOptions
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision


def resolve(params: Params, device: str) -> Params:
    """`params` with the full name of the model (architecture.tag), and every null replaced from its transform.

    Raises
    ------
    ConfigError
        If timm is not installed or has no such model, or its transform is not supported.
    """
    _huggingface.require("timm", "timm")
    name, config = _config(params.model)
    return dataclasses.replace(
        _engine.resolve(params, device),
        model=name,
        image=_external.settled(params.image, lambda size: _image(name, size)),
        mean=_external.three("backbone(timm).mean", params.mean or config["mean"]),
        deviation=_external.three("backbone(timm).deviation", params.deviation or config["std"]),
    )


def width(params: Params) -> int:
    """Number of features."""
    return _width(params.model, _external.side(params.image))


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that one image takes, of which timm says nothing."""
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
    """Raise ConfigError, with timm's list of keys, for weights that are not those of this model."""
    network(params)


def open(params: Params, context: Context) -> Extractor:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

    Raises
    ------
    ConfigError
        If the weights are not those of this model; gives timm's list of missing keys.
    """
    return _external.open(network(params), params, context)


def network(params: Params) -> "nn.Module":
    """The model without its classifier, with its weights, in evaluation mode."""
    import torch

    if params.weights != _external.RANDOM:
        return _loaded(params, _file(params)).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(params.weights_seed)
        return _create(params.model, _external.side(params.image), num_classes=0).eval()


def _loaded(params: Params, path: Path) -> "nn.Module":
    """The model with weights loaded by timm, which converts old and foreign files; no key may be missing."""
    state, size = _weights.read(path), _external.side(params.image)
    try:
        # As a classifier, because timm tolerates missing parameters when it drops the classifier itself.
        model: Any = _create(params.model, size, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)})
        model.reset_classifier(0)
        return model
    except (RuntimeError, KeyError, ValueError) as error:
        first = error
    try:
        overlay = {"state_dict": _headless(params.model, state), "num_classes": 0}
        return _create(params.model, size, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, ValueError):
        complaint = _weights.brief(first)
        raise ConfigError(f"{path} does not hold the weights of {params.model}: {complaint}.") from first


def _headless(model: str, state: Mapping[str, Any]) -> dict[str, Any]:
    heads = _config(model)[1].get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    return {key: value for key, value in state.items() if not key.startswith(tuple(f"{head}." for head in heads))}


def _create(model: str, size: int, **options: Any) -> "nn.Module":
    import timm

    config = _config(model)[1]
    if config.get("fixed_input_size") and tuple(config["input_size"][1:]) != (size, size):
        options["img_size"] = size
    return timm.create_model(model, **options)


@functools.cache
def _width(model: str, size: int) -> int:
    import torch

    try:
        with torch.device("meta"), torch.inference_mode():
            shape = _create(model, size, num_classes=0).eval()(torch.empty(1, 3, size, size)).shape
    except (AssertionError, NotImplementedError, RuntimeError):  # some models need memory for their parameters
        shape = _shape(model, size)
    if len(shape) != 2:
        raise ConfigError(f"backbone(timm).model: {model} gives {tuple(shape[1:])} values per image, not a vector.")
    return shape[1]


def _shape(model: str, size: int) -> tuple[int, ...]:
    import torch

    try:
        with torch.inference_mode():
            return tuple(_create(model, size, num_classes=0).eval()(torch.zeros(1, 3, size, size)).shape)
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"backbone(timm).image.size: {model} does not accept images of {size} pixels: {error}"
        ) from error


@functools.cache
def _config(model: str) -> tuple[str, dict[str, Any]]:
    """Full name of a model, and timm's configuration of its weights and transform."""
    import timm
    from timm.data import config as data

    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        raise refuse("backbone(timm).model", model, timm.list_models(pretrained=True))
    try:
        config = timm.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError as error:
        raise refuse("backbone(timm).model", model, timm.list_pretrained(f"{name}.*") or [name]) from error
    about: Any = config  # its class has no complete annotations
    known: dict[str, Any] = about.to_dict()
    tag = tag or known.get("tag", "")
    resolved: Callable[..., dict[str, Any]] = data.resolve_data_config  # it has no complete annotations
    transform = resolved(pretrained_cfg=known)
    return f"{name}.{tag}" if tag else name, {**known, **transform}


def _image(model: str, size: int | None) -> Image:
    """timm's evaluation transform: the shorter side to size / crop_pct, then the centre; or both sides to `size`."""
    config = _config(model)[1]
    _, height, width = config["input_size"]
    mode, part, size = config["crop_mode"], config["crop_pct"], size or width
    if height != width or mode not in ("center", "squash") or (mode == "squash" and part != 1):
        raise ConfigError(
            f"backbone(timm).image: {model} wants {height} x {width} pixels, crop_mode {mode!r} with crop_pct {part}, "
            "which is not supported; give size, resize and interpolation to prepare images in another way."
        )
    if mode == "squash":
        return Image(size, "RGB", "squash", config["interpolation"])
    return Image(size, "RGB", "crop", config["interpolation"], math.floor(size / part))


def _file(params: Params) -> Path:
    if params.weights != PRETRAINED:
        return _weights.local("backbone(timm)", params.weights, (PRETRAINED, _external.RANDOM))
    config = _config(params.model)[1]
    if config.get("hf_hub_id"):
        names = (config["hf_hub_filename"],) if config.get("hf_hub_filename") else FILES
        return _huggingface.file(params.model, config["hf_hub_id"], names)
    if config.get("url"):
        return _hub.fetch(params.model, config["url"])
    raise ConfigError(f"backbone(timm).weights: {params.model} has no pretrained weights; allowed: random, or a path.")
