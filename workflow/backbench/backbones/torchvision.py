"""Any classification model of torchvision by name, with images prepared as its weights expect.

``backbone=torchvision backbone.model=regnet_y_400mf``: the features are the input of its last fully connected layer, or
any node. Planning imports torchvision; the models that have their own plugin are faster to plan.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from backbench.backbones import (
    Calibration,
    Engine,
    Image,
    Precision,
    Side,
    _engine,
    _external,
    _nodes,
    _normalise,
    _tokens,
    _torchvision,
    _vit,
)
from backbench.backbones._extractor import Extractor
from backbench.backbones._torchvision import Model
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
DEFAULT = "DEFAULT"
# How torchvision prepares images for a model without official weights.
SIZE, SHORTER = 224, 256
Interpolation = Literal["bilinear", "bicubic", "nearest"]
# Models with their own options.
PLUGINS = ("inception_v3",)
# Names for the means and deviations of torchvision's weights.
NORMALISATIONS: dict[tuple[tuple[float, ...], tuple[float, ...]], _normalise.Name] = {
    (_normalise.IMAGENET_MEAN, _normalise.IMAGENET_DEVIATION): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "symmetric",
    (_normalise.VGG_MEAN, _normalise.VGG_DEVIATION): "vgg_features",
}


@dataclass(frozen=True)
class Params:
    """Options of every torchvision backbone, in which ``auto``, null and ``DEFAULT`` mean the value of the model."""

    model: str
    image: _external.ImageOptions
    layer: str
    pool: _nodes.Pool
    normalise: _normalise.Name | Literal["auto"]
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision
    calibration: Calibration = _engine.CALIBRATION
    # Those of vision transformers, see _tokens; planning fills in the side of a crop.
    blocks: Annotated[int, Range(low=1)] = 1
    pooling: _tokens.Pooling | None = None
    crops: _tokens.Crops = 1
    view: Side | None = None


def resolve(params: Params, device: str) -> Params:
    """`params` with every ``auto``, null and ``DEFAULT`` replaced.

    Raises
    ------
    ConfigError
        If there is no such model, or it has no such layer.
    """
    if params.weights == DEFAULT:
        params = dataclasses.replace(params, weights=_default(params.model))
    if _tokens.asked(params) and params.layer != "auto":
        raise ConfigError(
            f"backbone(torchvision).layer: received {params.layer!r}; allowed: auto with blocks or pooling, which take "
            "the tokens of blocks."
        )
    model, options = _model(params.model), _settled(params)
    if options.layer == "auto":
        options = dataclasses.replace(options, layer=_features(model, options))
    options = model.resolve(options, device)
    return dataclasses.replace(
        params,
        image=options.image,
        layer=options.layer,
        pool=options.pool,
        normalise=options.normalise,
        engine=options.engine,
        view=options.view,
    )


def width(params: Params) -> int:
    """Number of features."""
    return _model(params.model).width(_settled(params))


def parts(params: Params) -> list[int]:
    """Widths of the columns that belong together, where the tokens of blocks are asked for."""
    return _model(params.model).parts(_settled(params))


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that are assumed for one image."""
    return _external.GFLOPS * params.crops


def identity(params: Params) -> dict[str, Any]:
    """The name of official weights, ``random`` or ``file``, and their digest or seed; ConfigError if not available."""
    return _model(params.model).identity(_settled(params))


def fits(params: Params) -> None:
    """Raise ConfigError, with the keys, for weights from a path that are not those of the model."""
    _model(params.model).fits(_settled(params))


def open(params: Params, context: Context) -> Extractor:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d)."""
    return _model(params.model).open(_settled(params), context)


def _settled(params: Params) -> _vit.Params:
    """The options as those of any torchvision backbone, with the values of the model for its images."""
    return _vit.Params(
        image=_external.settled(params.image, lambda size: _image(params.model, params.weights, size)),
        layer=params.layer,
        pool=params.pool,
        normalise=_normalisation(params.model, params.weights) if params.normalise == "auto" else params.normalise,
        weights=params.weights,
        weights_seed=params.weights_seed,
        engine=params.engine,
        precision=params.precision,
        calibration=params.calibration,
        blocks=params.blocks,
        pooling=params.pooling,
        crops=params.crops,
        view=params.view,
    )


@functools.cache
def _model(name: str) -> Model:
    from torchvision import models

    if name in PLUGINS:
        raise ConfigError(f"backbone(torchvision).model: {name} has its own options; use backbone={name}.")
    known = models.list_models(module=models)
    if name not in known:
        raise refuse("backbone(torchvision).model", name, [word for word in known if word not in PLUGINS])
    weights = {entry.name: entry.url.rsplit("/", 1)[-1] for entry in models.get_model_weights(name)}
    return Model(name, 0.0, {}, weights, **_special(name))


class _Special(TypedDict, total=False):
    options: Callable[[Any], Mapping[str, Any]]
    adapt: Callable[["_torchvision.State", Any], "_torchvision.State"]
    tokens: Callable[["nn.Module", Any], "nn.Module"]
    transformer: Callable[[Any], tuple[int, int]]


def _special(name: str) -> _Special:
    """The functions that the builders of some models need."""
    if name.startswith("vit_"):
        patch = int(name.rsplit("_", 1)[-1])
        return {
            "options": _vit.options(name, patch),
            "adapt": _vit.interpolated(patch),
            "tokens": _vit.tokens,
            "transformer": lambda params: _sizes(name),
        }
    if name == "googlenet":
        return {"options": _googlenet}
    return {}


def _sizes(name: str) -> tuple[int, int]:
    """The number of blocks of a vision transformer, and the width of its tokens."""
    outline: Any = _nodes.outline(name, ())
    return len(outline.encoder.layers), int(outline.hidden_dim)


def _googlenet(params: _torchvision.Params) -> dict[str, Any]:
    # Its official weights have auxiliary classifiers, and expect torchvision to undo the ImageNet normalisation.
    return {"aux_logits": True, "init_weights": False, "transform_input": params.normalise == "imagenet"}


def _default(name: str) -> str:
    from torchvision import models

    entries = models.get_model_weights(name)
    if not len(entries):
        raise ConfigError(f"backbone(torchvision).weights: {name} has no official weights; allowed: random, or a path.")
    return entries.DEFAULT.name


def _transforms(name: str, weights: str) -> Any:
    """The preprocessing of official weights, for other weights that of the default ones; None if there are none."""
    from torchvision import models

    entries = models.get_model_weights(name)
    if not len(entries):
        return None
    return (entries[weights] if weights in entries.__members__ else entries.DEFAULT).transforms()


def _image(name: str, weights: str, size: int | None) -> Image:
    transforms = _transforms(name, weights)
    usual, shorter = (transforms.crop_size[0], transforms.resize_size[0]) if transforms else (SIZE, SHORTER)
    size = size or usual
    interpolation: Interpolation = transforms.interpolation.value if transforms else "bilinear"
    return Image(size, "RGB", "crop", interpolation, round(shorter * size / usual))


def _normalisation(name: str, weights: str) -> _normalise.Name:
    transforms = _transforms(name, weights)
    key = (
        (tuple(transforms.mean), tuple(transforms.std))
        if transforms
        else (_normalise.IMAGENET_MEAN, _normalise.IMAGENET_DEVIATION)
    )
    if key not in NORMALISATIONS:
        raise ConfigError(f"backbone(torchvision).normalise: {name} wants {key}; choose one of the names.")
    return NORMALISATIONS[key]


def _features(model: Model, params: _torchvision.Params) -> str:
    options = tuple(sorted(model.options(params).items()))
    node = _nodes.last_linear_input(model.name, options)
    if node is None:
        nodes = ", ".join(_nodes.names(model.name, options)[-8:])
        raise ConfigError(
            f"backbone(torchvision).layer: {model.name} has no fully connected layer; name a node, such as {nodes}."
        )
    return node
