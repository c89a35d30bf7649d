"""Texts as queries: the features of words, in the space of a backbone's image features.

A backbone plugin may have a function ``texts(params)`` that gives an encoder; those that come with the package have
theirs here, so that adding one leaves the plugins, and with them the stored features, as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.backbones import _contract
from backbench.inference import _clip_texts
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from backbench.inference.model import Model

# From texts to features (n, d) float32.
Encoder = Callable[[Sequence[str]], "np.ndarray"]
KNOWN: Mapping[str, Callable[[Any], Encoder]] = {"open_clip": _clip_texts.encoder}


def encoder(model: "Model") -> Encoder:
    """The text encoder that was trained together with the backbone of a run, with the run's weights.

    Raises
    ------
    ConfigError
        If the backbone has none, or it cannot be opened.
    """
    from backbench.stages import _extraction

    about = model.about["backbone"]
    module = _contract.load(about["name"])
    make = getattr(module, "texts", None) or KNOWN.get(about["name"])
    if make is None:
        raise ConfigError(
            f"run {hashing.short(model.run)} cannot be searched by text: its backbone {about['name']} knows images "
            f"alone. Backbones that know texts too: {', '.join(KNOWN)}; "
            f"`backbench runs --filter backbone.name={next(iter(KNOWN))}` lists runs with one."
        )
    return make(_extraction.parameters(module, about))
