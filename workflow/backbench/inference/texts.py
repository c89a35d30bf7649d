"""Texts as queries: the features of words, in the space of a backbone's image features."""

from typing import TYPE_CHECKING

from backbench import hashing
from backbench.backbones import _contract, _texts
from backbench.backbones._texts import Encoder as Encoder
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from backbench.inference.model import Model


def encoder(model: "Model") -> Encoder:
    """The text encoder that was trained together with the backbone of a run, with the run's weights.

    Raises
    ------
    ConfigError
        If the backbone has none, or it cannot be opened.
    """
    from backbench.stages import _extraction

    about = model.about["backbone"]
    if not _texts.has(about["name"]):
        raise ConfigError(
            f"run {hashing.short(model.run)} cannot be searched by text: its backbone {about['name']} knows images "
            f"alone. Backbones that know texts too: {', '.join(_texts.KNOWN)}; "
            f"`backbench runs --filter backbone.name={next(iter(_texts.KNOWN))}` lists runs with one."
        )
    return _texts.encoder(about["name"], _extraction.parameters(_contract.load(about["name"]), about))
