"""From cells to stages and runs, validated and hashed (layer 2). Nothing heavy is imported and nothing is computed."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from backbench import code, hashing, plugins, schema
from backbench.datasets import Description
from backbench.schema import ConfigError
from backbench.sweep import parts
from backbench.sweep.grid import Grid, Run, Stage, stage_hash

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
    def counts(self) -> tuple[int, int, int]:
        return self.about.counts

    @property
    def train(self) -> int:
        return self.counts[0]

    @property
    def queries(self) -> int:
        return self.counts[1] + self.counts[2]

    def rows(self, fit: str) -> int:
        return self.n if fit == "all" else self.train

    def least(self, scope: str) -> int:
        """Rows of the smallest part that is clustered by itself."""
        return min(self.counts) if scope == "per_split" else self.rows(scope)


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
        self._once(parts.check, parts.keys(cell))
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
        texts = (self._text(value) for value in config.values())
        key = (make.__name__, *config, *texts, *(id(parent) for parent in parents))
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
        name = parts.name_of("dataset", config)
        module, params = plugins.load("dataset", name), plugins.params("dataset", config)
        if params.digest is None:
            params = dataclasses.replace(params, digest=self.fingerprint(module, params))
        about = module.describe(params)
        hashed, local = _split(params, getattr(module, "UNHASHED", ()))
        modules = [plugins.module_name("dataset", name)]
        stage = self._stage("dataset", name, {"name": name, **hashed}, {}, modules, local)
        source = _Source(stage, about)
        if about.notice and about.notice not in self.grid.notices:
            self.grid.notices.append(about.notice)
        if about.images:
            self._audit(config.get("near_distance", NEAR_DISTANCE), source)
        return source

    def _audit(self, near_distance: int, source: _Source) -> None:
        """The gate: nothing of a run, but before the images of its dataset are used."""
        config = {"near_distance": near_distance}
        self._stage("audit", "audit", config, {"dataset": source.stage}, [], about={"n": source.n})

    def _features(self, config: Mapping, source: _Source) -> tuple[Stage, int]:
        name = parts.name_of("backbone", config)
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
        about = {"n": source.n} | ({"gflops": round(module.cost(params), 3)} if hasattr(module, "cost") else {})
        return self._stage("features", name, full, parents, modules, local, about), width

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
        names = [parts.name_of("transform", step) for step in steps]
        parsed = [plugins.params("transform", step) for step in steps]
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
        key = {"steps": parts.part(chain.get("steps") or {}, "chain.steps"), "fit": fit, "width": width}
        return self._once(self._matrix, key, source, features)

    def _clustering(self, cell: Mapping, source: _Source, features: Stage, width: int) -> Stage | None:
        clusterer, scope = cell["clusterer"], cell["clustering"].get("scope", "all")
        if parts.name_of("clusterer", clusterer) == "none":
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
        axes = parts.axes(asked, module.AXES)
        n = source.least(asked["scope"])
        _refuse(f"clusterer({name})", module.problems(params, n, asked["d"], axes.get("k")))
        config = {"clusterer": {"name": name, **schema.canonical(params)}, "scope": asked["scope"], **axes}
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("clusterer", name)]
        return self._stage("clustering", name, config, parents, modules, about={"d": asked["d"], "n": n})

    def _classification(self, cell: Mapping, source: _Source, features: Stage, width: int) -> Stage | None:
        name = parts.name_of("classifier", cell["classifier"])
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
        config = {"classifier": {"name": name, **schema.canonical(params)}, **parts.axes(asked, module.AXES)}
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
        asked = self._once(parts.retrieval, options)
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


def _split(params: Any, unhashed: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    full = schema.canonical(params)
    return (
        {key: value for key, value in full.items() if key not in unhashed},
        {key: value for key, value in full.items() if key in unhashed},
    )


def _refuse(where: str, problems: Iterable[str]) -> None:
    for problem in problems:
        raise ConfigError(f"{where}: {problem}")
