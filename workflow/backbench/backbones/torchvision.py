"""Any classification model of torchvision by name (layer 1), prepared as its own weights want it.

``backbone=torchvision backbone.model=regnet_y_400mf``: the features are what its last fully connected layer receives,
or any node. Planning imports torchvision; the models that have a plugin of their own are quicker to plan.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench.backbones import Engine, Image, Precision, _nodes, _normalise, _torchvision, _vit
from backbench.backbones._own import Own, settled
from backbench.backbones._torchvision import Model
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
DEFAULT = "DEFAULT"
# How torchvision prepares images where a model has no official weights.
SIZE, SHORTER = 224, 256
# These need options of their own.
PLUGINS = ("inception_v3",)
# Means and deviations of torchvision's weights, and what they are called here.
NORMALISATIONS = {
    (_normalise.IMAGENET_MEAN, _normalise.IMAGENET_DEVIATION): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "symmetric",
    (_normalise.VGG_MEAN, _normalise.VGG_DEVIATION): "vgg_features",
}


@dataclass(frozen=True)
class Params:
    """Options: as those of every torchvision backbone; ``auto``, null and ``DEFAULT`` mean the model's own."""

    model: str
    image: Own
    layer: str
    pool: _nodes.Pool
    normalise: _normalise.Name | Literal["auto"]
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision


def resolve(params: Params, device: str) -> Params:
    """`params` with every ``auto``, null and ``DEFAULT`` replaced.

    Raises
    ------
    ConfigError
        If there is no such model, or it has no such layer.
    """
    model = _model(params.model)
    if params.weights == DEFAULT:
        params = dataclasses.replace(params, weights=_default(params.model))
    image = settled(params.image, lambda size: _image(params.model, params.weights, size))
    normalise = _normalisation(params.model, params.weights) if params.normalise == "auto" else params.normalise
    params = dataclasses.replace(params, image=image, normalise=normalise)
    if params.layer == "auto":
        params = dataclasses.replace(params, layer=_features(model, params))
    return model.resolve(params, device)


def width(params: Params) -> int:
    """Number of features."""
    return _model(params.model).width(params)


def identity(params: Params) -> dict[str, Any]:
    """The name of official weights, ``random`` or ``file``, and their digest or seed; ConfigError where absent."""
    return _model(params.model).identity(params)


def fits(params: Params) -> None:
    """Refuse weights from a path that are not the model's; ConfigError with the keys."""
    _model(params.model).fits(params)


def open(params: Params, context: Context) -> "Callable[[np.ndarray], np.ndarray]":
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d)."""
    return _model(params.model).open(params, context)


@functools.cache
def _model(name: str) -> Model:
    from torchvision import models

    if name in PLUGINS:
        raise ConfigError(f"backbone(torchvision).model: {name} has options of its own; use backbone={name}.")
    known = models.list_models(module=models)
    if name not in known:
        raise refuse("backbone(torchvision).model", name, [word for word in known if word not in PLUGINS])
    weights = {entry.name: entry.url.rsplit("/", 1)[-1] for entry in models.get_model_weights(name)}
    return Model(name, 0.0, {}, weights, **_special(name))


def _special(name: str) -> Mapping[str, Any]:
    """What the builders of some models want to know."""
    if name.startswith("vit_"):
        patch = int(name.rsplit("_", 1)[-1])
        return {"options": _vit.options(name, patch), "adapt": _vit.interpolated(patch)}
    if name == "googlenet":
        return {"options": _googlenet}
    return {}


def _googlenet(params: Params) -> dict[str, Any]:
    # Its official weights have auxiliary heads, and expect torchvision to undo the ImageNet normalisation.
    return {"aux_logits": True, "init_weights": False, "transform_input": params.normalise == "imagenet"}


def _default(name: str) -> str:
    from torchvision import models

    entries = models.get_model_weights(name)
    if not len(entries):
        raise ConfigError(f"backbone(torchvision).weights: {name} has no official weights; allowed: random, or a path.")
    return entries.DEFAULT.name


def _transforms(name: str, weights: str) -> Any:
    """The preprocessing of official weights; of others, that of the default ones; None where there are none."""
    from torchvision import models

    entries = models.get_model_weights(name)
    if not len(entries):
        return None
    return (entries[weights] if weights in entries.__members__ else entries.DEFAULT).transforms()


def _image(name: str, weights: str, size: int | None) -> Image:
    way = _transforms(name, weights)
    own, shorter = (way.crop_size[0], way.resize_size[0]) if way else (SIZE, SHORTER)
    size = size or own
    interpolation = way.interpolation.value if way else "bilinear"
    return Image(size, "RGB", "crop", interpolation, round(shorter * size / own))


def _normalisation(name: str, weights: str) -> str:
    way = _transforms(name, weights)
    key = (tuple(way.mean), tuple(way.std)) if way else (_normalise.IMAGENET_MEAN, _normalise.IMAGENET_DEVIATION)
    if key not in NORMALISATIONS:
        raise ConfigError(f"backbone(torchvision).normalise: {name} wants {key}; say which of the names is meant.")
    return NORMALISATIONS[key]


def _features(model: Model, params: Params) -> str:
    options = tuple(sorted(model.options(params).items()))
    found = _nodes.last_linear_input(model.name, options)
    if found is None:
        nodes = ", ".join(_nodes.names(model.name, options)[-8:])
        raise ConfigError(
            f"backbone(torchvision).layer: {model.name} has no fully connected layer; name a node, such as {nodes}."
        )
    return found
