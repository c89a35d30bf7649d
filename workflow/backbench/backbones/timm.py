"""Any model of timm by name, with the transform and weights that belong to the name.

Wightman, "PyTorch Image Models", github.com/huggingface/pytorch-image-models. The features are those of the model
without its classifier, ``timm.create_model(name, num_classes=0)``; of vision transformers they may be the tokens of the
last blocks (see ``_tokens``). A name may be one of the hub (``hf-hub:timm/vit_small_patch14_dinov2.lvd142m``) or a
folder with the same files (``local-dir:PATH``). Needs the extra ``timm``; planning imports it.
"""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import (
    Calibration,
    Engine,
    Image,
    Precision,
    Side,
    _engine,
    _external,
    _hub,
    _huggingface,
    _timm_files,
    _tokens,
    _weights,
)
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

BATCH, ENGINE, UNHASHED = 32, "torch", ("weights_seed",)
PRETRAINED, WHERE = "pretrained", "backbone(timm)"
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
    calibration: Calibration = _engine.CALIBRATION
    # Blocks of a vision transformer whose tokens are taken, from the last one on, and what is taken of each.
    blocks: Annotated[int, Range(low=1)] = 1
    pooling: _tokens.Pooling | None = None
    crops: _tokens.Crops = 1
    # Width and height of a crop, where there are several; planning fills it in.
    view: Side | None = None


def resolve(params: Params, device: str) -> Params:
    """`params` with the full name of the model (architecture.tag), and every null replaced from its transform.

    Raises
    ------
    ConfigError
        If timm is not installed or has no such model, or its transform is not supported.
    """
    _huggingface.require("timm", "timm")
    name, config = _config(params.model)
    resolved = dataclasses.replace(
        _engine.resolve(params, device),
        model=name,
        image=_external.settled(params.image, lambda size: _image(name, size)),
        mean=_external.three("backbone(timm).mean", params.mean or config["mean"]),
        deviation=_external.three("backbone(timm).deviation", params.deviation or config["std"]),
    )
    if _tokens.asked(params):
        depth, has_class, _ = _transformer(name, params)
        _tokens.check(WHERE, params, name, depth, has_class)
    return _tokens.cropping(WHERE, resolved)


def width(params: Params) -> int:
    """Number of features."""
    return sum(parts(params)) or _width(params.model, _tokens.side(params))


def parts(params: Params) -> list[int]:
    """Widths of the columns that belong together, where the tokens of blocks are asked for."""
    return _tokens.parts(params, _transformer(params.model, params)[2]) if _tokens.asked(params) else []


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that one image takes, of which timm says nothing."""
    return _external.GFLOPS * params.crops


def identity(params: Params) -> dict[str, Any]:
    """The digest of the weights, wherever their file is, or the seed of random ones.

    Raises
    ------
    ConfigError
        If the file does not exist, is not in the cache, and cannot be downloaded.
    """
    return {**_external.identity(params, _file), **_timm_files.identity(params.model)}


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
    model = _whole(params)
    return _tokens.crops(_blocks(model, params) if _tokens.asked(params) else model, params)


def _whole(params: Params) -> "nn.Module":
    import torch

    if params.weights != _external.RANDOM:
        return _loaded(params, _file(params)).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(params.weights_seed)
        return _create(params.model, _tokens.side(params), num_classes=0).eval()


def _blocks(model: Any, params: Params) -> "nn.Module":
    """The tokens of the last blocks of a vision transformer, behind its last norm."""
    from torch import nn

    has_class = getattr(model, "cls_token", None) is not None

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Any) -> Any:
            options = {"norm": True, "output_fmt": "NLC", "intermediates_only": True, "return_prefix_tokens": True}
            blocks = self.model.forward_intermediates(x, params.blocks, **options)
            pairs = [block if isinstance(block, tuple) else (block, None) for block in blocks]
            tokens = [(prefix[:, 0] if has_class else None, patches) for patches, prefix in pairs]
            return _tokens.gathered(tokens, _tokens.pooling(params))

    return Blocks().eval()


def _transformer(model: str, params: Params) -> tuple[int, bool, int]:
    """The number of blocks of a vision transformer, whether it has a class token, and the width of its tokens.

    Raises
    ------
    ConfigError
        If the model is none.
    """
    depth, has_class, columns = _outline(model)
    if not depth:
        raise _tokens.refusal(WHERE, params, model)
    return depth, has_class, columns


@functools.cache
def _outline(model: str) -> tuple[int, bool, int]:
    import torch

    with torch.device("meta"):
        whole: Any = _create(model, None, num_classes=0)
    if not all(hasattr(whole, name) for name in ("blocks", "num_prefix_tokens", "forward_intermediates")):
        return 0, False, 0
    if "return_prefix_tokens" not in inspect.signature(whole.forward_intermediates).parameters:
        return 0, False, 0
    return len(whole.blocks), getattr(whole, "cls_token", None) is not None, int(whole.embed_dim)


def _loaded(params: Params, path: Path) -> "nn.Module":
    """The model with weights loaded by timm, which converts old and foreign files; no key may be missing."""
    state, size = _weights.read(path), _tokens.side(params)
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


def _create(model: str, size: int | None, **options: Any) -> "nn.Module":
    """A model for images of so many pixels; None: of its own size."""
    import timm

    config = _config(model)[1]
    if size and config.get("fixed_input_size") and tuple(config["input_size"][1:]) != (size, size):
        options["img_size"] = size
    if _timm_files.named(model):
        overlay = {**config[_timm_files.GIVEN], **options.pop("pretrained_cfg_overlay", {})}
        options = {**config[_timm_files.ARGUMENTS], **options, "pretrained_cfg": overlay}
        return timm.create_model(config["architecture"], **options)
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

    resolved: Callable[..., dict[str, Any]] = data.resolve_data_config  # it has no complete annotations
    if _timm_files.named(model):
        known = _timm_files.config(model)
        return _timm_files.placed(model), {**known, **resolved(pretrained_cfg=known)}
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        raise refuse("backbone(timm).model", model, timm.list_models(pretrained=True))
    try:
        config = timm.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError as error:
        raise refuse("backbone(timm).model", model, timm.list_pretrained(f"{name}.*") or [name]) from error
    about: Any = config  # its class has no complete annotations
    known = about.to_dict()
    tag = tag or known.get("tag", "")
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
    if _timm_files.named(params.model):
        return _timm_files.file(params.model, FILES)
    config = _config(params.model)[1]
    if config.get("hf_hub_id"):
        names = (config["hf_hub_filename"],) if config.get("hf_hub_filename") else FILES
        return _huggingface.file(params.model, config["hf_hub_id"], names)
    if config.get("url"):
        return _hub.fetch(params.model, config["url"])
    raise ConfigError(f"backbone(timm).weights: {params.model} has no pretrained weights; allowed: random, or a path.")
