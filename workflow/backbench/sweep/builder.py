"""From cells to stages and runs, validated and hashed (layer 2). Nothing heavy is imported and nothing is computed."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from backbench import code, hashing, plugins, schema
from backbench.datasets import Description
from backbench.schema import ConfigError
from backbench.sweep.grid import HEADS, Grid, Run, Stage, stage_hash

CELL = {"dataset", "backbone", "chain", "clusterer", "classifier", "k", "seed"}
SHOWN_PROBLEMS = 8
PRECISION = "float32"
# Differing bits of perceptual hashes that count as nearly the same image where a dataset has no such option.
NEAR_DISTANCE = 4
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class _Source:
    """What planning knows of a dataset: its stage, its description and the rows that each scope may use."""

    stage: Stage
    about: Description

    @property
    def n(self) -> int:
        return self.about.n

    @property
    def classes(self) -> int | None:
        return self.about.classes

    @property
    def parts(self) -> tuple[int, int, int]:
        return self.about.counts

    @property
    def train(self) -> int:
        return self.parts[0]

    @property
    def queries(self) -> int:
        return self.parts[1] + self.parts[2]

    def rows(self, fit: str) -> int:
        return self.n if fit == "all" else self.train

    def least(self, scope: str) -> int:
        """Rows of the smallest part that is clustered by itself."""
        return min(self.parts) if scope == "per_split" else self.rows(scope)


Fingerprint = Callable[[Any, Any], str]


def build(
    cells: Iterable[Mapping[str, Any]], fingerprint: Fingerprint, explicit: Iterable[str] = (), device: str = "auto"
) -> Grid:
    """The grid of `cells`, each validated and hashed; cells that mean the same become one run.

    Parameters
    ----------
    fingerprint
        Called with (dataset plugin, params) where the content digest is not known yet.
    explicit
        Keys that were asked for by name: what an unlabelled dataset cannot have is then an error, else a notice.
    device
        Where features will be extracted (``auto``, ``cpu``, ``cuda``...): decides what ``engine: auto`` means.

    Raises
    ------
    ConfigError
        With every distinct problem of the grid, before any job starts.
    """
    builder = _Builder(fingerprint, frozenset(explicit), device)
    problems: dict[str, int] = {}
    for cell in cells:
        try:
            builder.add(cell)
        except ConfigError as error:
            problems[str(error)] = problems.get(str(error), 0) + 1
    if problems:
        raise ConfigError(_report(problems))
    return builder.grid


def _keys(cell: Mapping[str, Any]) -> dict[str, list[str]]:
    """The keys of a cell and of those parts of it that are no plugin's options."""
    missing = [key for key in (*sorted(CELL), *HEADS) if key not in cell]
    if missing:
        raise ConfigError(f"override: {', '.join(missing)} missing; a head is left out with none (clusterer=none).")
    chains = {f"{head}.chain": _part(cell[head], head).get("chain") for head in HEADS}
    steps = {where: sorted(_part(chain, where)) for where, chain in {"chain": cell["chain"], **chains}.items()}
    heads = {head: sorted(cell[head]) for head in ("clustering", "classification")}
    return {"override": sorted(cell), **heads, **steps}


def _check_keys(found: Mapping[str, list[str]]) -> None:
    """Refuse keys that mean nothing: every key of a cell has to be one that is hashed."""
    allowed = {"override": [*CELL, *HEADS], "clustering": ["chain", "scope"], "classification": ["chain"]}
    for where, keys in found.items():
        known = sorted(allowed.get(where, ["steps"]))
        for key in keys:
            if key not in known:
                raise schema.refuse(where, key, known)


def _part(value: Any, where: str) -> Mapping[str, Any]:
    """`value` if it is a mapping."""
    if not isinstance(value, Mapping):
        raise schema.refuse(where, value, "a mapping of options")
    return value


def _name(kind: str, options: Any) -> str:
    """The name of the plugin that `options` are of."""
    name = _part(options, kind).get("name")
    if name != "none" and name not in plugins.names(kind):
        raise schema.refuse(f"{kind}.name", name, plugins.names(kind))
    return name


def _report(problems: Mapping[str, int]) -> str:
    lines = [f"{text} ({count} cells)" if count > 1 else text for text, count in problems.items()]
    hidden = len(lines) - SHOWN_PROBLEMS
    more = [f"... and {hidden} more problems"] if hidden > 0 else []
    return "\n".join(lines[:SHOWN_PROBLEMS] + more)


class _Builder:
    """Builds stages once per distinct configuration; the memo makes a grid of thousands of cells cheap."""

    def __init__(self, fingerprint: Fingerprint, explicit: frozenset[str], device: str):
        self.grid = Grid()
        self.fingerprint = fingerprint
        self.explicit = explicit
        self.device = device
        self.memo: dict[tuple, Any] = {}
        self.texts: dict[int, tuple[Mapping, str]] = {}
        self.codes: dict[tuple[str, ...], str] = {}

    def add(self, cell: Mapping[str, Any]) -> None:
        self._once(_check_keys, _keys(cell))
        source = self._once(self._dataset, cell["dataset"])
        features, width = self._once(self._features, cell["backbone"], source)
        heads = {
            "clustering": self._clustering(cell, source, features, width),
            "classification": self._classification(cell, source, features, width),
            "retrieval": self._retrieval(cell, source, features, width),
        }
        stages = {"dataset": source.stage.hash, "features": features.hash}
        stages |= {kind: stage.hash for kind, stage in heads.items() if stage}
        run = Run(hashing.digest({"kind": "run", "stages": stages}), stages)
        self.grid.runs.setdefault(run.hash, run)

    def _once(self, make: Callable, config: Mapping, *parents: Any) -> Any:
        parts = (self._text(value) for value in config.values())
        key = (make.__name__, *config, *parts, *(id(parent) for parent in parents))
        if key not in self.memo:
            try:
                self.memo[key] = make(config, *parents)
            except ConfigError as error:
                self.memo[key] = error
        found = self.memo[key]
        if isinstance(found, ConfigError):
            raise found
        return found

    def _text(self, value: Any) -> str:
        """Text that tells values apart; cells share their parts, so that the text of a mapping is made once."""
        if not isinstance(value, dict):
            return repr(value)
        if id(value) not in self.texts:
            # The mapping is kept beside its text: while it lives, nothing else has its id.
            self.texts[id(value)] = (value, json.dumps(value, sort_keys=True))
        return self.texts[id(value)][1]

    def _code(self, modules: tuple[str, ...]) -> str:
        if modules not in self.codes:
            self.codes[modules] = code.digest(modules)
        return self.codes[modules]

    def _stage(
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
            own = self._code((f"backbench.stages.{kind}", *modules))
            chain = hashing.digest({"own": own, "parents": sorted(parent.code for parent in parents.values())})
            self.grid.stages[full] = Stage(full, kind, family, dict(config), dict(local), dict(about), refs, chain)
        return self.grid.stages[full]

    def _dataset(self, config: Mapping) -> _Source:
        name = _name("dataset", config)
        module, params = plugins.load("dataset", name), plugins.params("dataset", config)
        if params.digest is None:
            params = dataclasses.replace(params, digest=self.fingerprint(module, params))
        about = module.describe(params)
        hashed, local = _split(params, getattr(module, "UNHASHED", ()))
        modules = [plugins.module_name("dataset", name)]
        stage = self._stage("dataset", name, {"name": name, **hashed}, {}, modules, local)
        source = _Source(stage, about)
        if about.images:
            self._audit(config.get("near_distance", NEAR_DISTANCE), source)
        return source

    def _audit(self, near_distance: int, source: _Source) -> None:
        """The gate: nothing of a run, but before the images of its dataset are used."""
        config = {"near_distance": near_distance}
        self._stage("audit", "audit", config, {"dataset": source.stage}, [], about={"n": source.n})

    def _features(self, config: Mapping, source: _Source) -> tuple[Stage, int]:
        name = _name("backbone", config)
        module, params = plugins.load("backbone", name), plugins.params("backbone", config)
        if hasattr(module, "resolve"):
            params = module.resolve(params, self.device)
        parents, width = {"dataset": source.stage}, self._width(name, module, params, source)
        if _needs_images(module):
            image = schema.canonical(params.image)
            parents["images"] = self._stage(
                "images", "decode", image, {"dataset": source.stage}, [], about={"n": source.n}
            )
        full, local = _identified(name, module, params)
        modules = [plugins.module_name("backbone", name)]
        return self._stage("features", name, full, parents, modules, local, {"n": source.n}), width

    def _width(self, name: str, module: Any, params: Any, source: _Source) -> int:
        if not _needs_images(module):
            return module.width(params, source.about)
        if not source.about.images:
            raise ConfigError(
                f"backbone={name} needs images, and the dataset {source.stage.family!r} has none: it is embeddings "
                "made elsewhere; use backbone=precomputed."
            )
        return module.width(params)

    def _matrix(self, asked: Mapping, source: _Source, features: Stage) -> tuple[Stage, int]:
        """The stage that a head works on: its chain's, or the features' own where the chain is empty."""
        fit, width = asked["fit"], asked["width"]
        steps = [step for _, step in sorted(asked["steps"].items())]
        if not steps:
            return features, width
        names, parsed = [_name("transform", step) for step in steps], [plugins.params("transform", s) for s in steps]
        labels, fitted = [], False
        for name, params in zip(names, parsed, strict=True):
            module = plugins.load("transform", name)
            _refuse(f"transform({name})", module.problems(params, source.rows(fit), width))
            width = module.width(params, width)
            fitted |= module.FITTED
            labels.append(module.label(params))
        config = {
            "steps": [{"name": name, **schema.canonical(params)} for name, params in zip(names, parsed, strict=True)],
            "fit": fit if fitted else "all",
        }
        parents = {"dataset": source.stage, "features": features}
        modules = [plugins.module_name("transform", name) for name in sorted(set(names))]
        return self._stage("matrix", "transform", config, parents, modules, about={"label": "+".join(labels)}), width

    def _head(self, chain: Mapping, fit: str, source: _Source, features: Stage, width: int) -> tuple[Stage, int]:
        key = {"steps": _part(chain.get("steps") or {}, "chain.steps"), "fit": fit, "width": width}
        return self._once(self._matrix, key, source, features)

    def _clustering(self, cell: Mapping, source: _Source, features: Stage, width: int) -> Stage | None:
        clusterer, scope = cell["clusterer"], cell["clustering"].get("scope", "all")
        if _name("clusterer", clusterer) == "none":
            return None
        if scope not in ("all", "train", "per_split"):
            raise schema.refuse("clustering.scope", scope, ("all", "train", "per_split"))
        fit = "all" if scope == "all" else "train"
        matrix, wide = self._head(cell["clustering"]["chain"], fit, source, features, width)
        config = {"clusterer": clusterer, "k": cell.get("k"), "seed": cell.get("seed"), "scope": scope}
        return self._once(self._fit_clusterer, {**config, "d": wide}, source, matrix)

    def _fit_clusterer(self, asked: Mapping, source: _Source, matrix: Stage) -> Stage:
        name = asked["clusterer"]["name"]
        module, params = plugins.load("clusterer", name), self._once(_clusterer, asked["clusterer"])
        axes = _axes(asked, module.AXES)
        n = source.least(asked["scope"])
        _refuse(f"clusterer({name})", module.problems(params, n, asked["d"], axes.get("k")))
        config = {"clusterer": {"name": name, **schema.canonical(params)}, "scope": asked["scope"], **axes}
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("clusterer", name)]
        return self._stage("clustering", name, config, parents, modules, about={"d": asked["d"], "n": n})

    def _classification(self, cell: Mapping, source: _Source, features: Stage, width: int) -> Stage | None:
        name = _name("classifier", cell["classifier"])
        if name == "none":
            return None
        if source.classes is None or source.classes < 2:
            return self._left_out("classifier", name, source)
        matrix, wide = self._head(cell["classification"]["chain"], "train", source, features, width)
        asked = {"classifier": cell["classifier"], "seed": cell.get("seed"), "d": wide}
        return self._once(self._fit_classifier, asked, source, matrix)

    def _fit_classifier(self, asked: Mapping, source: _Source, matrix: Stage) -> Stage:
        name = asked["classifier"]["name"]
        module, params = plugins.load("classifier", name), self._once(_classifier, asked["classifier"])
        _refuse(f"classifier({name})", module.problems(params, source.train, asked["d"], source.classes))
        config = {"classifier": {"name": name, **schema.canonical(params)}, **_axes(asked, module.AXES)}
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("classifier", name)]
        about = {"d": asked["d"], "n": source.train, "queries": source.queries}
        return self._stage("classification", name, config, parents, modules, about=about)

    def _left_out(self, key: str, name: str, source: _Source) -> None:
        lack = "has no labels" if source.classes is None else "has one class only"
        if key in self.explicit:
            raise ConfigError(
                f"{key}={name}: the dataset {source.stage.family!r} {lack}, and a classifier needs classes. "
                f"Leave {key} out, or give a dataset with one sub-folder per class."
            )
        notice = f"{key} left out: the dataset {lack}"
        if notice not in self.grid.notices:
            self.grid.notices.append(notice)

    def _retrieval(self, cell: Mapping, source: _Source, features: Stage, width: int) -> Stage | None:
        options = {key: value for key, value in cell["retrieval"].items() if key != "chain"}
        if options.get("metric") in (None, "none"):
            return None
        asked = self._once(_parse_retrieval, options)
        fit = "all" if asked.protocol == "leave_one_out" else "train"
        matrix, wide = self._head(cell["retrieval"]["chain"], fit, source, features, width)
        return self._once(self._retrieve, {**schema.canonical(asked), "d": wide}, source, matrix)

    def _retrieve(self, asked: Mapping, source: _Source, matrix: Stage) -> Stage:
        if asked["at"] >= source.n:
            raise ConfigError(f"retrieval.at: received {asked['at']}; allowed: below the {source.n} images.")
        config = {key: value for key, value in asked.items() if key != "d"}
        about = {"d": asked["d"], "n": source.n}
        parents = {"dataset": source.stage, "matrix": matrix}
        return self._stage("retrieval", "neighbours", config, parents, [], about=about)


@dataclass(frozen=True)
class Retrieval:
    """The retrieval head: nearest images by `metric`, the first `at` of them looked at."""

    metric: Literal["cosine", "euclidean"]
    protocol: Literal["leave_one_out", "test_against_train"]
    at: Annotated[int, schema.Range(1, 1000)]


@dataclass(frozen=True)
class Axes:
    """The axes that are no plugin's own option."""

    k: Annotated[int, schema.Range(1)]
    seed: Annotated[int, schema.Range(0, 2**32 - 1)]


def _needs_images(module: Any) -> bool:
    return getattr(module, "IMAGES", True)


def _identified(name: str, module: Any, params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is hashed of a backbone, and what is only needed to compute it (paths, and what has no effect)."""
    hashed, _ = _split(params, ("image",))
    identity = module.identity(params)
    local = {key: value for key, value in hashed.items() if key in identity and identity[key] != value}
    dropped = {key for key in getattr(module, "UNHASHED", ()) if key not in identity}
    local |= {key: hashed[key] for key in dropped}
    kept = {key: value for key, value in hashed.items() if key not in dropped}
    return {"engine": module.ENGINE, "precision": PRECISION, "name": name, **kept, **identity}, local


def _clusterer(options: Mapping) -> Any:
    return plugins.params("clusterer", options)


def _classifier(options: Mapping) -> Any:
    return plugins.params("classifier", options)


def _parse_retrieval(options: Mapping) -> Retrieval:
    return schema.parse(Retrieval, options, "retrieval")


def _split(params: Any, unhashed: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    full = schema.canonical(params)
    return (
        {key: value for key, value in full.items() if key not in unhashed},
        {key: value for key, value in full.items() if key in unhashed},
    )


def _axes(asked: Mapping, used: Iterable[str]) -> dict[str, int]:
    """The values of the axes that a plugin uses; the others do not exist for it."""
    given = schema.parse(Axes, {**Axes(1, 0).__dict__, **{axis: asked[axis] for axis in used}}, "axis")
    return {axis: getattr(given, axis) for axis in used}


def _refuse(where: str, problems: Iterable[str]) -> None:
    for problem in problems:
        raise ConfigError(f"{where}: {problem}")
