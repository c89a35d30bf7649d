"""Classifiers that know classes by words: what they need of the backbone, and whether a representation has it."""

from dataclasses import dataclass, field
from typing import Any

from backbench import classifiers, plugins
from backbench.backbones import _texts
from backbench.engine.grid import Stage
from backbench.engine.plan.shortage import TooSmall

# Cosines to texts are the same before and after these transforms; all others leave the space of the texts.
KEPT = frozenset({"l2"})


class Wordless(TooSmall):
    """A classifier that knows classes by words, on a representation that texts are not in."""

    why = "the representation knows no words"

    @property
    def way(self) -> str:
        return (
            f"take a backbone with a text tower ({', '.join(_texts.KNOWN)}) and chain@classification.chain=none or l2"
        )


@dataclass(frozen=True)
class Tower:
    """The `modules` that encode texts, and where a stage finds the weights; empty for most classifiers."""

    modules: tuple[str, ...] = ()
    local: dict[str, Any] = field(default_factory=dict)


def tower(module: Any, name: str, features: Stage, matrix: Stage) -> Tower:
    """The text tower of the backbone of `features`, for the classifier `name` that works on `matrix`.

    Raises
    ------
    Wordless
        If the backbone has none, or a chain leads out of its space.
    """
    if not plugins.offers(module, classifiers.Worded):
        return Tower()
    where, size = f"classifier({name})", f"{matrix.about['n']:,} images"
    if not _texts.has(features.family):
        raise Wordless(name, f"{where}: the backbone {features.family} has no text tower", size, {})
    moved = [step for step in matrix.about.get("steps", ()) if step not in KEPT]
    if moved:
        raise Wordless(name, f"{where}: the chain step {moved[0]} leads out of the space of the texts", size, {})
    return Tower(_texts.modules(features.family), {"backbone": {**features.config, **features.local}})
