"""What all torchvision backbones share (imports torchvision inside functions only).

A plugin is data: a :class:`Model` with the files of its official weights, and with named layers, whose widths are known
without importing torch. Every other node of the network is a layer too; its width is found by passing shapes through
the model when a sweep is planned.
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from backbench.backbones import (
    Calibration,
    Engine,
    Image,
    Precision,
    _engine,
    _hub,
    _nodes,
    _normalise,
    _tokens,
    _weights,
)
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

    State = Mapping[str, torch.Tensor]

BATCH = 32
# `identity` replaces a path of weights by the digest of the file. The seed matters for random weights alone.
UNHASHED = ("weights_seed",)
VECTOR, TOKENS, MAP = 1, 2, 3


@dataclass(frozen=True)
class Params:
    """Options.

    `layer` is a name that the plugin knows or any node of the network, `pool` as in ``_nodes``, `normalise` as in
    ``_normalise``. `weights` is the name of official weights, ``random`` (for tests, from `weights_seed`) or a path.
    """

    image: Image
    layer: str
    pool: _nodes.Pool
    normalise: _normalise.Name
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine
    precision: Precision
    calibration: Calibration = field(default=_engine.CALIBRATION, kw_only=True)


P = TypeVar("P", bound=Params)


def side(params: Any) -> int:
    """Width and height of what the network is given: of a crop, where there are several."""
    size: int = getattr(params, "view", None) or params.image.size
    return size


def of_blocks(params: Any) -> bool:
    """Whether the tokens of blocks are asked for, which vision transformers have options for."""
    return hasattr(params, "blocks") and _tokens.asked(params)


@dataclass(frozen=True)
class Layer:
    """A named layer: its node, the number of its channels, and the dimensions of its output for one image."""

    node: str
    width: int
    dimensions: int = VECTOR


@dataclass(frozen=True)
class Model:
    """A torchvision model as a backbone.

    Parameters
    ----------
    name
        Name of the function in ``torchvision.models`` that builds it.
    gflops
        10^9 multiplications and additions for one image at 224 pixels (Inception: 299), as torchvision states them.
    layers
        The named layers.
    weights
        Files of official weights, by their names in torchvision's enum.
    options
        Gives the arguments of the function that builds the model, from the options.
    adjust
        Applied to the network that ends at the layer, with the options.
    adapt
        Applied to the state dict of a file before it is loaded, with the options.
    tokens, transformer
        Of vision transformers: the module of the tokens of the last blocks, from the network and the options, and the
        number of blocks with the width of a token, from the options.
    """

    name: str
    gflops: float
    layers: Mapping[str, Layer]
    weights: Mapping[str, str]
    options: Callable[[Any], Mapping[str, Any]] = lambda params: {}
    adjust: Callable[["fx.GraphModule", Any], None] = lambda network, params: None
    adapt: Callable[["State", Params], "State"] = lambda state, params: state
    tokens: Callable[["nn.Module", Any], "nn.Module"] | None = None
    transformer: Callable[[Any], tuple[int, int]] | None = None

    def resolve(self, params: P, device: str) -> P:
        """`params` with every ``auto`` replaced, and a node of a named layer replaced by the name.

        Raises
        ------
        ConfigError
            If the layer does not exist, the pooling does not suit it, or the engine is not available.
        """
        self._check(params)
        params = _engine.resolve(params, device)
        if hasattr(params, "crops"):
            params = _tokens.cropping(self._where, params)
        if of_blocks(params):
            _tokens.check(self._where, params, self.name, self._transformer(params)[0], has_class=True)
        known = {layer.node: name for name, layer in self.layers.items()}
        params = dataclasses.replace(params, layer=known.get(params.layer, params.layer))
        pool = _nodes.settled(self._where, params.layer, self._dimensions(params), params.pool)
        return dataclasses.replace(params, pool=pool)

    def cost(self, params: Params) -> float:
        """10^9 multiplications and additions that one image takes."""
        return (
            getattr(params, "crops", 1)
            * self.gflops
            * (side(params) / (299 if self.name == "inception_v3" else 224)) ** 2
        )

    def width(self, params: Params) -> int:
        """Number of features."""
        if of_blocks(params):
            return sum(self.parts(params))
        known = self.layers.get(params.layer)
        if known and params.pool != "flatten":
            return known.width
        return _nodes.columns(self._shape(params), params.pool)

    def parts(self, params: Params) -> list[int]:
        """Widths of the columns that belong together, where the tokens of blocks are asked for."""
        return _tokens.parts(params, self._transformer(params)[1]) if of_blocks(params) else []

    def identity(self, params: Params) -> dict[str, Any]:
        """The name of official weights (also if a path leads to them), ``random`` or ``file``, and the digest or seed.

        Raises
        ------
        ConfigError
            If the file does not exist and cannot be downloaded.
        """
        self._check(params)
        if params.weights == "random":
            return {"weights": "random", "weights_seed": params.weights_seed}
        if params.weights in self.weights:
            _hub.check(self._title(params), self._url(params))
            return {"weights": params.weights, "weights_sha256": _hub.prefix(self.weights[params.weights])}
        sha256 = _weights.digest(self._local(params))
        for name, file in self.weights.items():
            if sha256.startswith(_hub.prefix(file)):
                return {"weights": name, "weights_sha256": _hub.prefix(file)}
        return {"weights": "file", "weights_sha256": sha256}

    def open(self, params: Params, context: Context) -> Extractor:
        """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

        Raises
        ------
        ConfigError
            If the weights are not available, or not those of this network; names the keys.
        """
        return _engine.open(self.network(params), _normalise.named(params.normalise), params, context)

    def network(self, params: Params) -> "nn.Module":
        """The network from normalised images to features, with its weights."""
        whole = self._random(params) if params.weights == "random" else _nodes.build(self.name, self._options(params))
        part = _nodes.cut(whole, self._node(params))
        if params.weights != "random":
            path = self._file(params)
            state = self.adapt(_weights.read(path), params)
            _weights.fill(whole, state, path, set(part.state_dict()), f"{self.name} up to {params.layer!r}")
        if of_blocks(params):
            assert self.tokens is not None, "the options have been resolved"
            made = self.tokens(whole, params)
        else:
            self.adjust(part, params)
            made = _nodes.pooled(part, self._shape(params), params.pool)
        return _tokens.crops(made, params) if hasattr(params, "crops") else made

    def fits(self, params: Params) -> None:
        """Refuse weights from a path that are not those of this network, by comparing shapes alone.

        Raises
        ------
        ConfigError
            Names the keys.
        """
        path, whole = self._local(params), _nodes.outline(self.name, self._options(params))
        part = _nodes.cut(whole, self._node(params))
        state, what = self.adapt(_weights.read(path), params), f"{self.name} up to {params.layer!r}"
        _weights.refuse_misfit(whole.state_dict(), state, path, set(part.state_dict()), what)

    def holds(self, state: Mapping[str, Any]) -> bool:
        """Whether a state dict looks like one of this model: all its tensors match, and most of the model's exist."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # builders warn about options that are set later
            wanted = _nodes.outline(self.name, ()).state_dict()
        same = all(key in wanted and wanted[key].shape == value.shape for key, value in state.items())
        return same and 2 * len(state) > len(wanted)

    def _transformer(self, params: Any) -> tuple[int, int]:
        """The number of blocks and the width of a token; ConfigError for what is no vision transformer."""
        if self.transformer is None:
            raise _tokens.refusal(self._where, params, self.name)
        if params.layer in self.layers and params.layer != "cls":
            raise ConfigError(
                f"{self._where}.layer: received {params.layer!r} with blocks={params.blocks} and pooling="
                f"{params.pooling or 'null'}; allowed: the layer of the class token, which blocks and pooling replace."
            )
        return self.transformer(params)

    def _random(self, params: Params) -> "nn.Module":
        import torch

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(params.weights_seed)
            return _nodes.build(self.name, self._options(params))

    def _check(self, params: Params) -> None:
        if params.image.mode != "RGB":
            raise ConfigError(f"{self._where}.image.mode: received {params.image.mode!r}; allowed: RGB.")
        self.options(params)

    def _shape(self, params: Params) -> tuple[int, ...]:
        options, known = self._options(params), tuple(self.layers)
        return _nodes.shape(self._where, self.name, options, self._node(params), side(params), known)

    def _dimensions(self, params: Params) -> int:
        known = self.layers.get(params.layer)
        return known.dimensions if known else len(self._shape(params))

    def _node(self, params: Params) -> str:
        return self.layers[params.layer].node if params.layer in self.layers else params.layer

    def _options(self, params: Params) -> _nodes.Options:
        return tuple(sorted(self.options(params).items()))

    def _file(self, params: Params) -> Path:
        if params.weights in self.weights:
            return _hub.fetch(self._title(params), self._url(params))
        return self._local(params)

    def _local(self, params: Params) -> Path:
        return _weights.local(self._where, params.weights, (*self.weights, "random"))

    def _title(self, params: Params) -> str:
        return f"{self.name} ({params.weights})"

    def _url(self, params: Params) -> str:
        return _hub.URL + self.weights[params.weights]

    @property
    def _where(self) -> str:
        return f"backbone({self.name})"
