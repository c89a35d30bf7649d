"""Any vision model of transformers by its name on the Hugging Face hub, or from a folder, with its own processor.

Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020 (demonstrations). The features are
what the model gives for an image: ``get_image_features`` of models that know texts too, else its pooled output, or the
class token where the weights have no pooler. Of vision transformers they may be the tokens of the last blocks (see
``_tokens``). Needs the extra ``huggingface``; planning imports it.
"""

import dataclasses
import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench import hashing
from backbench.backbones import (
    Calibration,
    Engine,
    Precision,
    Side,
    _engine,
    _external,
    _huggingface,
    _tokens,
    _transformers,
    _weights,
)
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import torch
    from torch import nn

BATCH, ENGINE, UNHASHED = 32, "torch", ("weights_seed",)
# Its version is a part of what rows depend on.
LIBRARIES = ("transformers",)
PRETRAINED, WHERE = "pretrained", _transformers.WHERE
# The last norm of a vision transformer, by its name in the families of transformers.
NORMS = ("layernorm", "norm", "post_layernorm")
POOLER = "pooler."


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``pretrained``, ``random`` (from `weights_seed`) or a path; null: the processor's value.

    `blocks`, `pooling` and `crops` are those of ``_tokens``; planning fills in `view`, the side of a crop.
    """

    model: str
    image: _external.ImageOptions
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None
    blocks: Annotated[int, Range(low=1)]
    pooling: _tokens.Pooling | None
    crops: _tokens.Crops
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision
    calibration: Calibration = _engine.CALIBRATION
    view: Side | None = None


def resolve(params: Params, device: str) -> Params:
    """`params` with every null replaced by the value of the model's processor.

    Raises
    ------
    ConfigError
        If transformers is not installed or does not know the model, or its processor cannot be followed.
    """
    _huggingface.require("transformers", "huggingface")
    if place := _transformers.folder(params.model):
        # Jobs run in another folder.
        params = dataclasses.replace(params, model=str(place.absolute()))
    mean, deviation = params.mean, params.deviation
    if mean is None or deviation is None:
        means, deviations = _transformers.colours(params.model)
        mean, deviation = mean or means, deviation or deviations
    resolved = dataclasses.replace(
        _engine.resolve(params, device),
        image=_external.settled(params.image, lambda size: _transformers.image(params.model, size)),
        mean=_external.three(f"{WHERE}.mean", mean),
        deviation=_external.three(f"{WHERE}.deviation", deviation),
    )
    resolved = _tokens.cropping(WHERE, resolved)
    if _tokens.asked(params):
        depth, has_class, _ = _transformer(resolved)
        _tokens.check(WHERE, params, params.model, depth, has_class)
    return resolved


def width(params: Params) -> int:
    """Number of features."""
    return sum(parts(params)) or _width(params.model, _tokens.side(params))


def parts(params: Params) -> list[int]:
    """Widths of the columns that belong together, where the tokens of blocks are asked for."""
    return _tokens.parts(params, _transformer(params)[2]) if _tokens.asked(params) else []


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that one image takes, of which transformers says nothing."""
    return _external.GFLOPS * params.crops


def identity(params: Params) -> dict[str, Any]:
    """The digests of the weights and of the configuration, and the name without the place of a folder.

    What the processor says is hashed as the options that it becomes.

    Raises
    ------
    ConfigError
        If a file does not exist, is not in the cache, and cannot be downloaded.
    """
    place = _transformers.folder(params.model)
    about = {"model": place.name if place else params.model, "config_sha256": _transformers.digest(params.model)}
    if params.weights == _external.RANDOM:
        return {**about, "weights": _external.RANDOM, "weights_seed": params.weights_seed}
    digests = [_weights.digest(path) for path in _files(params)]
    sha256 = digests[0] if len(digests) == 1 else hashing.digest(digests)
    return {**about, "weights": "file", "weights_sha256": sha256}


def fits(params: Params) -> None:
    """Raise ConfigError, with the keys, for weights that are not those of this model."""
    network(params)


def open(params: Params, context: Context) -> Extractor:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

    Raises
    ------
    ConfigError
        If the weights are not those of this model; names the keys.
    """
    return _external.open(network(params), params, context)


def weights_file(params: Params) -> Path:
    """Refuse to take the model elsewhere as one file of weights: its configuration is a file of its own."""
    raise ConfigError(
        f"{WHERE}: {params.model} cannot be taken away as one file of weights, for transformers builds it from its own "
        "files; the run predicts here, and its features and its classifier are exported."
    )


def network(params: Params) -> "nn.Module":
    """The model as a module from images to features, with its weights, in evaluation mode."""
    import torch

    if params.weights == _external.RANDOM:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(params.weights_seed)
            whole, missing = _transformers.network(params.model), list[str]()
    else:
        path = None if params.weights == PRETRAINED else _files(params)[0]
        whole, missing = _transformers.loaded(params.model, path)
    lacking = [key for key in missing if not key.startswith(POOLER)]
    if lacking:
        raise ConfigError(
            f"{WHERE}.weights: {', '.join(map(str, _files(params)))} lacks {len(lacking)} weights of {params.model}, "
            f"such as {', '.join(lacking[:3])}; give those of this model."
        )
    size = _tokens.side(params)
    made = _blocks(whole, params, size) if _tokens.asked(params) else _pooled(whole, size, pooler=not missing)
    return _tokens.crops(made, params)


def _files(params: Params) -> list[Path]:
    if params.weights == PRETRAINED:
        return _transformers.weights(params.model)
    return [_weights.local(WHERE, params.weights, (PRETRAINED, _external.RANDOM))]


def _pooled(whole: Any, size: int, pooler: bool) -> "nn.Module":
    """What a model gives for an image as one vector; without `pooler` the first token, as its weights have none."""
    from torch import nn

    with_text = hasattr(whole, "get_image_features")
    options = _options(whole.get_image_features if with_text else whole.forward, whole.config, size)

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, x: Any) -> Any:
            call = self.whole.get_image_features if with_text else self.whole
            return _vector(call(pixel_values=x, **options), pooler)

    return Pooled().eval()


def _vector(output: Any, pooler: bool) -> "torch.Tensor":
    """The vector (n, d) of an output of transformers."""
    pooled = getattr(output, "pooler_output", None) if pooler else None
    if pooled is not None:
        return pooled.flatten(1)
    values: torch.Tensor = output if not hasattr(output, "last_hidden_state") else output.last_hidden_state
    if values.ndim == 4:
        return values.mean((2, 3))
    return values[:, 0] if values.ndim == 3 else values


def _blocks(whole: Any, params: Params, size: int) -> "nn.Module":
    """The tokens of the last blocks of a vision transformer, behind its last norm."""
    from torch import nn

    tower, prefix = _tower(whole), _prefix(params.model, size)
    options, norm = _options(tower.forward, whole.config, size), _norm(tower)
    # The last output of CLIP's is the only one that its norm is not applied to.
    normed = not hasattr(tower, "pre_layrnorm")

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower, self.norm = tower, norm

        def forward(self, x: Any) -> Any:
            output = self.tower(pixel_values=x, output_hidden_states=True, **options)
            last = output.last_hidden_state if normed else self.norm(output.last_hidden_state)
            earlier: Sequence[torch.Tensor] = output.hidden_states[len(output.hidden_states) - params.blocks : -1]
            tokens = [*map(self.norm, earlier), last]
            pairs = [(block[:, 0] if prefix else None, block[:, prefix:]) for block in tokens]
            return _tokens.gathered(pairs, _tokens.pooling(params))

    return Blocks().eval()


def _tower(whole: Any) -> Any:
    """The part of a model that sees images."""
    return getattr(whole, "vision_model", whole)


def _norm(tower: Any) -> Any:
    return next((norm for name in NORMS if (norm := getattr(tower, name, None)) is not None), None)


def _options(function: Any, config: Any, size: int) -> dict[str, Any]:
    """Position embeddings are interpolated for images of another size than the model's, where that has to be asked."""
    usual = getattr(getattr(config, "vision_config", config), "image_size", size)
    asked = "interpolate_pos_encoding" in inspect.signature(function).parameters
    return {"interpolate_pos_encoding": True} if asked and usual != size else {}


def _transformer(params: Params) -> tuple[int, bool, int]:
    """The number of blocks of a vision transformer, whether it has a class token, and the width of its tokens.

    Raises
    ------
    ConfigError
        If the model is none whose tokens are known.
    """
    prefix = _prefix(params.model, _tokens.side(params))
    if prefix < 0:
        raise _tokens.refusal(WHERE, params, params.model)
    config = _transformers.config(params.model)
    vision = getattr(config, "vision_config", config)
    return int(vision.num_hidden_layers), prefix > 0, int(vision.hidden_size)


@functools.cache
def _prefix(model: str, size: int) -> int:
    """How many tokens stand before those of the patches, the class token first; -1 if there are no such tokens."""
    import torch

    config = _transformers.config(model)
    patch = getattr(getattr(config, "vision_config", config), "patch_size", None)
    with torch.device("meta"):
        tower = _tower(_transformers.network(model)).eval()
    if not isinstance(patch, int) or _norm(tower) is None:
        return -1
    options = _options(tower.forward, config, size)
    tokens = _shape(lambda x: tower(pixel_values=x, **options).last_hidden_state, model, size)
    return tokens[1] - (size // patch) ** 2 if len(tokens) == 3 else -1


@functools.cache
def _width(model: str, size: int) -> int:
    import torch

    with torch.device("meta"):
        whole = _transformers.network(model).eval()
    shape = _shape(_pooled(whole, size, pooler=True), model, size)
    if len(shape) != 2:
        raise ConfigError(f"{WHERE}.model: {model} gives {tuple(shape[1:])} values per image, not a vector.")
    return shape[1]


def _shape(function: Any, model: str, size: int) -> tuple[int, ...]:
    """Shape of what a network without memory for its parameters gives for an image."""
    import torch

    try:
        with torch.inference_mode():
            return tuple(function(torch.empty(1, 3, size, size, device="meta")).shape)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(
            f"{WHERE}.image.size: {model} does not accept images of {size} pixels, or is no model of images: {error}"
        ) from error
