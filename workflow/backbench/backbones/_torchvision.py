"""What all torchvision backbones share (layer 1; imports torchvision inside functions only).

A plugin is data: a :class:`Model` with the layers that have a name of their own, whose widths are then known without
importing torch, and the files of its official weights. Every other node of the network is a layer too; its width is
found by passing shapes through the model when a sweep is planned.
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Engine, Image, Precision, _engine, _hub, _nodes, _normalise, _weights
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np
    from torch import fx, nn

    Extract = Callable[[np.ndarray], np.ndarray]

BATCH = 32
# A path says where, not what: `identity` puts the digest of the file in its place. The seed counts for random weights.
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


@dataclass(frozen=True)
class Layer:
    """A layer with a name: its node, the number of its channels, and the dimensions of its values for one image."""

    node: str
    width: int
    dimensions: int = VECTOR


@dataclass(frozen=True)
class Model:
    """A torchvision model as a backbone.

    Parameters
    ----------
    name
        The function that builds it in ``torchvision.models``.
    gflops
        Multiplications and additions of one image at 224 pixels (Inception: 299), in 10^9, as torchvision gives them.
    layers
        Layers with a name.
    weights
        Official weights: the name in torchvision's enum, and the file.
    options
        Arguments of that function, from the options.
    adjust
        Applied to the network once it is cut at the layer, with the options.
    adapt
        Applied to the state dict of a file before it is loaded, with the options.
    """

    name: str
    gflops: float
    layers: Mapping[str, Layer]
    weights: Mapping[str, str]
    options: Callable[[Params], Mapping[str, Any]] = lambda params: {}
    adjust: Callable[["fx.GraphModule", Params], None] = lambda network, params: None
    adapt: Callable[[dict, Params], dict] = lambda state, params: state

    def resolve(self, params: Params, device: str) -> Params:
        """`params` with every ``auto`` replaced, and a known layer under its name.

        Raises
        ------
        ConfigError
            If the layer does not exist, the pooling does not fit it, or the engine cannot be had.
        """
        self._check(params)
        params = _engine.resolve(params, device)
        known = {layer.node: name for name, layer in self.layers.items()}
        params = dataclasses.replace(params, layer=known.get(params.layer, params.layer))
        pool = _nodes.settled(self._where, params.layer, self._dimensions(params), params.pool)
        return dataclasses.replace(params, pool=pool)

    def cost(self, params: Params) -> float:
        """What one image costs, in 10^9 multiplications and additions: for estimates of time."""
        return self.gflops * (params.image.size / (299 if self.name == "inception_v3" else 224)) ** 2

    def width(self, params: Params) -> int:
        """Number of features."""
        known = self.layers.get(params.layer)
        if known and params.pool != "flatten":
            return known.width
        return _nodes.columns(self._shape(params), params.pool)

    def identity(self, params: Params) -> dict[str, Any]:
        """The name of official weights (also where a path leads to them), ``random`` or ``file``, and digest or seed.

        Raises
        ------
        ConfigError
            If the file is not there, and could not be downloaded either.
        """
        self._check(params)
        if params.weights == "random":
            return {"weights": "random", "weights_seed": params.weights_seed}
        if params.weights in self.weights:
            _hub.check(self._title(params), self._url(params))
            return {"weights": params.weights, "weights_sha256": _hub.prefix(self.weights[params.weights])}
        found = _weights.digest(self._local(params))
        for name, file in self.weights.items():
            if found.startswith(_hub.prefix(file)):
                return {"weights": name, "weights_sha256": _hub.prefix(file)}
        return {"weights": "file", "weights_sha256": found}

    def open(self, params: Params, context: Context) -> "Extract":
        """The function from uint8 RGB images (n, h, w, 3) to float32 (n, d).

        Raises
        ------
        ConfigError
            If the weights cannot be had, or are not this network's; it names the keys.
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
        self.adjust(part, params)
        return _nodes.pooled(part, self._shape(params), params.pool)

    def fits(self, params: Params) -> None:
        """Refuse weights from a path that are not this network's, without making it: shapes are compared alone.

        Raises
        ------
        ConfigError
            It names the keys.
        """
        path, whole = self._local(params), _nodes.outline(self.name, self._options(params))
        part = _nodes.cut(whole, self._node(params))
        state, what = self.adapt(_weights.read(path), params), f"{self.name} up to {params.layer!r}"
        _weights.refuse_misfit(whole.state_dict(), state, path, set(part.state_dict()), what)

    def holds(self, state: Mapping[str, Any]) -> bool:
        """Whether a state dict looks like that of this model: all of its tensors, and most of the model's."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # builders warn of options that come later
            wanted = _nodes.outline(self.name, ()).state_dict()
        same = all(key in wanted and wanted[key].shape == value.shape for key, value in state.items())
        return same and 2 * len(state) > len(wanted)

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
        return _nodes.shape(self._where, self.name, options, self._node(params), params.image.size, known)

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
