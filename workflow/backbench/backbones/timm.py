"""Any model of timm by name (layer 1), with the transform and the weights that its name stands for.

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

from backbench.backbones import Engine, Image, Precision, _engine, _hub, _huggingface, _own, _weights
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

BATCH, ENGINE, UNHASHED = 32, "torch", ("weights_seed",)
PRETRAINED = "pretrained"
FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``pretrained``, ``random`` (from `weights_seed`) or a path; null: the model's own."""

    model: str
    image: _own.Own
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision


def resolve(params: Params, device: str) -> Params:
    """`params` with the model's full name (architecture.tag) and its own transform in place of every null.

    Raises
    ------
    ConfigError
        If timm is not installed, has no such model, or its transform cannot be had from the options of an image.
    """
    _huggingface.require("timm", "timm")
    name, config = _config(params.model)
    return dataclasses.replace(
        _engine.resolve(params, device),
        model=name,
        image=_own.settled(params.image, lambda size: _image(name, size)),
        mean=_own.three("backbone(timm).mean", params.mean or config["mean"]),
        deviation=_own.three("backbone(timm).deviation", params.deviation or config["std"]),
    )


def width(params: Params) -> int:
    """Number of features."""
    return _width(params.model, params.image.size)


def identity(params: Params) -> dict[str, Any]:
    """The digest of the weights, wherever they are, or the seed of random ones.

    Raises
    ------
    ConfigError
        If the file is neither there nor in the cache, and cannot be downloaded.
    """
    return _own.identity(params, _file)


def fits(params: Params) -> None:
    """Refuse weights that are not this model's, as timm's own loader does; ConfigError with its list."""
    network(params)


def open(params: Params, context: Context) -> "Callable[[np.ndarray], np.ndarray]":
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

    Raises
    ------
    ConfigError
        If the weights are not this model's; it has timm's list of what is missing.
    """
    return _own.open(network(params), params, context)


def network(params: Params) -> "nn.Module":
    """The model without its classifier, with its weights, in evaluation mode."""
    import torch

    if params.weights != _own.RANDOM:
        return _loaded(params, _file(params)).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(params.weights_seed)
        return _create(params.model, params.image.size, num_classes=0).eval()


def _loaded(params: Params, path: Path) -> "nn.Module":
    """The model filled by timm, which knows how to convert old and foreign files; nothing may be missing."""
    state, size = _weights.read(path), params.image.size
    try:
        # As a classifier, since timm lets parameters be missing where it drops the classifier itself.
        found = _create(params.model, size, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)})
        found.reset_classifier(0)
        return found
    except (RuntimeError, KeyError, ValueError) as error:
        first = error
    try:
        overlay = {"state_dict": _headless(params.model, state), "num_classes": 0}
        return _create(params.model, size, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, ValueError):
        raise ConfigError(f"{path} holds no {params.model}: {_weights.brief(first)}.") from first


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
    except (AssertionError, NotImplementedError, RuntimeError):  # not every model can do without storage
        shape = _shape(model, size)
    if len(shape) != 2:
        raise ConfigError(f"backbone(timm).model: {model} gives no vectors but {tuple(shape[1:])} for each image.")
    return shape[1]


def _shape(model: str, size: int) -> tuple[int, ...]:
    import torch

    try:
        with torch.inference_mode():
            return tuple(_create(model, size, num_classes=0).eval()(torch.zeros(1, 3, size, size)).shape)
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(f"backbone(timm).image.size: {model} takes no images of {size} pixels: {error}") from error


@functools.cache
def _config(model: str) -> tuple[str, dict[str, Any]]:
    """Full name of a model and what timm knows of its weights, transform included."""
    import timm

    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        raise refuse("backbone(timm).model", model, timm.list_models(pretrained=True))
    try:
        found = timm.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError as error:
        raise refuse("backbone(timm).model", model, timm.list_pretrained(f"{name}.*") or [name]) from error
    known = found.to_dict()
    tag = tag or known.get("tag")
    transform = timm.data.resolve_data_config(pretrained_cfg=known)
    return f"{name}.{tag}" if tag else name, {**known, **transform}


def _image(model: str, size: int | None) -> Image:
    """timm's evaluation transform: the shorter side to size / crop_pct, then the centre; or both sides to the size."""
    config = _config(model)[1]
    _, height, own = config["input_size"]
    mode, part, size = config["crop_mode"], config["crop_pct"], size or own
    if height != own or mode not in ("center", "squash") or (mode == "squash" and part != 1):
        raise ConfigError(
            f"backbone(timm).image: {model} wants {height} x {own} pixels, crop_mode {mode!r} with crop_pct {part}, "
            "which is not offered; give size, resize and interpolation to prepare images in another way."
        )
    if mode == "squash":
        return Image(size, "RGB", "squash", config["interpolation"])
    return Image(size, "RGB", "crop", config["interpolation"], math.floor(size / part))


def _file(params: Params) -> Path:
    if params.weights != PRETRAINED:
        return _weights.local("backbone(timm)", params.weights, (PRETRAINED, _own.RANDOM))
    config = _config(params.model)[1]
    if config.get("hf_hub_id"):
        names = (config["hf_hub_filename"],) if config.get("hf_hub_filename") else FILES
        return _huggingface.file(params.model, config["hf_hub_id"], names)
    if config.get("url"):
        return _hub.fetch(params.model, config["url"])
    raise ConfigError(f"backbone(timm).weights: {params.model} has no pretrained weights; allowed: random, or a path.")
