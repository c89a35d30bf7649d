"""Texts in the space of a backbone's image features: the text towers that were trained together with image encoders.

A backbone plugin may have a function ``texts(params)`` that gives an encoder (:class:`backbones._contract.Speaking`);
those that come with the package have theirs in modules of their own, so that adding one leaves the plugins, and with
them the stored features, as they are.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import plugins
from backbench.backbones import _contract

if TYPE_CHECKING:
    import numpy as np

# From texts to features (n, d) float32, not normalised.
Encoder = Callable[[Sequence[str]], "np.ndarray"]
KNOWN: Mapping[str, str] = {"open_clip": "backbench.backbones._clip_texts"}


def has(name: str) -> bool:
    """Whether the backbone of this name has a text tower."""
    return name in KNOWN or plugins.offers(plugins.load("backbone", name), _contract.Speaking)


def modules(name: str) -> tuple[str, ...]:
    """The dotted names of the modules that encode texts for a backbone, beside its plugin."""
    return (KNOWN[name],) if name in KNOWN else ()


def encoder(name: str, params: Any) -> Encoder:
    """The text tower of the backbone `name`, with the weights that `params` name.

    Raises
    ------
    ConfigError
        If it cannot be opened.
    """
    module = _contract.load(name)
    make = module.texts if isinstance(module, _contract.Speaking) else importlib.import_module(KNOWN[name]).encoder
    encode: Encoder = make(params)
    return encode
