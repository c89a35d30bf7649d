"""The text encoder of an open_clip model: ``encode_text``, not normalised, like the image features of the plugin."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from backbench.backbones import _external, _weights, open_clip
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

BATCH = 64


def encoder(params: open_clip.Params) -> "Callable[[Sequence[str]], np.ndarray]":
    """The function from texts to features (n, d) float32, on the CPU; a text is taken as it is typed.

    Raises
    ------
    ConfigError
        If the weights are not those of the model, or its tokenizer is not on this machine and cannot be fetched.
    """
    model, tokenize = _model(params), _tokenizer(params.model)

    def encode(texts: Sequence[str]) -> "np.ndarray":
        """Features (n, d) float32 of texts."""
        import numpy as np
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                parts.append(model.encode_text(tokenize(list(texts[start : start + BATCH])), normalize=False).numpy())
        return np.concatenate(parts).astype(np.float32)

    return encode


def _model(params: open_clip.Params) -> Any:
    """The whole model with its weights, in evaluation mode; random ones are those of the image encoder's seed."""
    import torch

    path = None if params.weights == _external.RANDOM else open_clip._file(params)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(params.weights_seed)
        try:
            return open_clip._create(params, path).eval()
        except Exception as error:  # a wrong file causes many kinds of errors
            raise ConfigError(
                f"the text encoder of {params.model} cannot be opened: {type(error).__name__}: {_weights.brief(error)}."
            ) from error


@functools.cache
def _tokenizer(model: str) -> Any:
    import open_clip as library

    try:
        return library.get_tokenizer(model)
    except Exception as error:  # of the hub, of the network, of the libraries of some tokenizers
        raise ConfigError(
            f"the tokenizer of {model} is not on this machine and could not be fetched "
            f"({type(error).__name__}: {_weights.brief(error)}); do it once with a network."
        ) from error
