"""Stages made once per distinct configuration, hashed, each with the digest of its code."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from backbench import code, hashing
from backbench.engine.grid import HEADS, Grid, Stage, stage_hash
from backbench.engine.plan import same_code
from backbench.schema import ConfigError
from backbench.stage import RECIPE

Fingerprint = Callable[[Any, Any], str]
RECIPE_MODULES = ("backbench.images.preparing", "backbench.images.decoding")
PLAIN = frozenset({str, int, float, bool, type(None)})
EMPTY: Mapping[str, Any] = MappingProxyType({})


class GridFactory:
    """The grid that is being made. A memo makes thousands of cells cheap: they share their parts.

    Parameters
    ----------
    fingerprint, explicit, device
        See :func:`backbench.engine.plan.builder.build`.
    """

    def __init__(self, fingerprint: Fingerprint, explicit: frozenset[str], device: str):
        self.grid = Grid()
        self.fingerprint = fingerprint
        self.explicit = explicit
        self.device = device
        self._memo: dict[tuple[Any, ...], Any] = {}
        self._known: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}
        self._texts: dict[int, tuple[Mapping[str, Any], str]] = {}
        self._codes: dict[tuple[str, ...], str] = {}
        self._chains: dict[tuple[Any, ...], tuple[str, tuple[str, ...]]] = {}

    def notice(self, text: str) -> None:
        """Say something about the grid, once."""
        if text not in self.grid.notices:
            self.grid.notices.append(text)

    def understand(self, texts: Iterable[str]) -> None:
        """Say what is taken for what, once."""
        self.grid.understood += [text for text in texts if text not in self.grid.understood]

    def once(self, make: Callable[..., Any], config: Mapping[str, Any], *parents: Any) -> Any:
        """`make(config, *parents)`, or the error that it raised, for equal arguments computed once."""
        texts = (self._text(value) for value in config.values())
        key = (make.__qualname__, *config, *texts, *(id(parent) for parent in parents))
        if key not in self._memo:
            try:
                self._memo[key] = make(config, *parents)
            except ConfigError as error:
                self._memo[key] = error
        made = self._memo[key]
        if isinstance(made, ConfigError):
            raise made
        return made

    def same(self, what: str, parts: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """What `make()` gave for these very `parts`, or the error that it raised; called at the first question.

        Mappings are known by their identity, which costs nothing: the cells of a grid share the parts in which they are
        equal. All else is known by its value and its type.
        """
        key = (what, *[(type(part), part) if type(part) in PLAIN else id(part) for part in parts])
        if key not in self._known:
            try:
                made = make()
            except ConfigError as error:
                made = error
            # The parts are kept beside it: while they live, nothing else has their identities.
            self._known[key] = (made, parts)
        made = self._known[key][0]
        if isinstance(made, ConfigError):
            raise made
        return made

    def _text(self, value: Any) -> str:
        """Text that tells values apart; cells share their parts, so that the text of a mapping is made once."""
        if not isinstance(value, dict):
            return repr(value)
        if id(value) not in self._texts:
            # The mapping is kept beside its text: while it lives, nothing else has its id.
            self._texts[id(value)] = (value, json.dumps(value, sort_keys=True))
        return self._texts[id(value)][1]

    def code_of(self, modules: tuple[str, ...]) -> str:
        if modules not in self._codes:
            self._codes[modules] = code.digest(modules)
        return self._codes[modules]

    def stage(
        self,
        kind: str,
        family: str,
        config: Mapping[str, Any],
        parents: Mapping[str, Stage],
        modules: Sequence[str],
        local: Mapping[str, Any] = EMPTY,
        about: Mapping[str, Any] = EMPTY,
    ) -> Stage:
        refs = {role: (parent.kind, parent.hash) for role, parent in parents.items()}
        full = stage_hash(kind, config, refs)
        if full not in self.grid.stages:
            code, same = self.chained((f"backbench.stages.{kind}", *modules), list(parents.values()))
            scoring = self.code_of((f"backbench.stages.scores.{kind}",)) if kind in HEADS else ""
            self.grid.stages[full] = Stage(
                full, kind, family, dict(config), dict(local), dict(about), refs, code, same_code=same, scoring=scoring
            )
        return self.grid.stages[full]

    def recipe(self, image: Mapping[str, Any], dataset: Stage) -> Stage:
        """How the images of `dataset` are prepared: hashed as a stage, computed by the stages of the features."""
        refs = {"dataset": (dataset.kind, dataset.hash)}
        full = stage_hash(RECIPE, image, refs)
        code, same = self.chained(RECIPE_MODULES, [dataset])
        about = {"n": dataset.about["n"]}
        stage = Stage(full, RECIPE, "decode", dict(image), {}, about, refs, code, same_code=same)
        return self.grid.stages.setdefault(full, stage)

    def chained(self, modules: tuple[str, ...], parents: Sequence[Stage]) -> tuple[str, tuple[str, ...]]:
        """Digest of the code of a stage and of those before it, and the digests of code with the same results."""
        key = (modules, *((parent.code, parent.same_code) for parent in parents))
        if key not in self._chains:
            digest = self.code_of(modules)
            chain = {"own": digest, "parents": sorted(parent.code for parent in parents)}
            same = same_code.chained(modules, digest, [parent.same_code for parent in parents])
            self._chains[key] = (hashing.digest(chain), same)
        return self._chains[key]
