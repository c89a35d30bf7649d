"""From features to the stages of the three heads, each behind its own chain of transforms (layer 2)."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbench import plugins, schema
from backbench.schema import ConfigError
from backbench.sweep import parts
from backbench.sweep.grid import Stage
from backbench.sweep.making import Making
from backbench.sweep.sources import Source


class Heads:
    """Stages of the heads of a cell."""

    def __init__(self, making: Making):
        self.making = making

    def _matrix(self, asked: Mapping, source: Source, features: Stage) -> tuple[Stage, int]:
        """The stage that a head works on: its chain's, or the features' own where the chain is empty."""
        fit, width = asked["fit"], asked["width"]
        features_width = width
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
        about = {"label": "+".join(labels), "n": source.n, "d": features_width, "steps": names}
        return self.making.stage("matrix", "transform", config, parents, modules, about=about), width

    def _head(self, chain: Mapping, fit: str, source: Source, features: Stage, width: int) -> tuple[Stage, int]:
        key = {"steps": parts.part(chain.get("steps") or {}, "chain.steps"), "fit": fit, "width": width}
        return self.making.once(self._matrix, key, source, features)

    def clustering(self, cell: Mapping, source: Source, features: Stage, width: int) -> Stage | None:
        clusterer = cell["clusterer"]
        if parts.name_of("clusterer", clusterer) == "none":
            return None
        head = self.making.once(parts.clustering, _without_chain(cell["clustering"]))
        fit = "all" if head.scope == "all" else "train"
        matrix, wide = self._head(cell["clustering"]["chain"], fit, source, features, width)
        config = {"clusterer": clusterer, "k": cell.get("k"), "seed": cell.get("seed")}
        return self.making.once(self._fit_clusterer, {**config, "d": wide}, source, matrix, head)

    def _fit_clusterer(self, asked: Mapping, source: Source, matrix: Stage, head: parts.Clustering) -> Stage:
        name = asked["clusterer"]["name"]
        module, params = plugins.load("clusterer", name), self.making.once(_clusterer, asked["clusterer"])
        axes = parts.axes(asked, module.AXES)
        _refuse(f"clusterer({name})", module.problems(params, source.least(head.scope), asked["d"], axes.get("k")))
        n = source.most(head.scope)
        config = {"clusterer": {"name": name, **schema.canonical(params)}, **head.hashed(n), **axes}
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("clusterer", name)]
        return self.making.stage("clustering", name, config, parents, modules, about={"d": asked["d"], "n": n})

    def classification(self, cell: Mapping, source: Source, features: Stage, width: int) -> Stage | None:
        name = parts.name_of("classifier", cell["classifier"])
        if name == "none":
            return None
        if source.classes is None or source.classes < 2:
            return self._left_out("classifier", name, source)
        matrix, wide = self._head(cell["classification"]["chain"], "train", source, features, width)
        asked = {"classifier": cell["classifier"], "seed": cell.get("seed"), "d": wide}
        return self.making.once(self._fit_classifier, asked, source, matrix)

    def _fit_classifier(self, asked: Mapping, source: Source, matrix: Stage) -> Stage:
        name = asked["classifier"]["name"]
        module, params = plugins.load("classifier", name), self.making.once(_classifier, asked["classifier"])
        _refuse(f"classifier({name})", module.problems(params, source.train, asked["d"], source.classes))
        config = {"classifier": {"name": name, **schema.canonical(params)}, **parts.axes(asked, module.AXES)}
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("classifier", name)]
        about = {"d": asked["d"], "n": source.train, "queries": source.queries}
        return self.making.stage("classification", name, config, parents, modules, about=about)

    def _left_out(self, key: str, name: str, source: Source) -> None:
        lack = "has no labels" if source.classes is None else "has one class only"
        if key in self.making.explicit:
            raise ConfigError(
                f"{key}={name}: the dataset {source.stage.family!r} {lack}, and a classifier needs classes. "
                f"Leave {key} out, or give a dataset with one sub-folder per class."
            )
        self.making.notice(f"{key} left out: the dataset {lack}")

    def retrieval(self, cell: Mapping, source: Source, features: Stage, width: int) -> Stage | None:
        options = _without_chain(cell["retrieval"])
        if options.get("metric") in (None, "none"):
            return None
        asked = self.making.once(parts.retrieval, options).resolved(source.n)
        fit = "all" if asked.protocol == "leave_one_out" else "train"
        matrix, wide = self._head(cell["retrieval"]["chain"], fit, source, features, width)
        return self.making.once(self._retrieve, {**schema.canonical(asked), "d": wide}, source, matrix)

    def _retrieve(self, asked: Mapping, source: Source, matrix: Stage) -> Stage:
        if asked["at"] >= source.n:
            raise ConfigError(f"retrieval.at: received {asked['at']}; allowed: below the {source.n} images.")
        config = {key: value for key, value in asked.items() if key != "d"}
        about = {"d": asked["d"], "n": source.n}
        parents = {"dataset": source.stage, "matrix": matrix}
        return self.making.stage("retrieval", "neighbours", config, parents, [], about=about)


def _without_chain(head: Mapping) -> dict[str, Any]:
    return {key: value for key, value in head.items() if key != "chain"}


def _clusterer(options: Mapping) -> Any:
    return plugins.params("clusterer", options)


def _classifier(options: Mapping) -> Any:
    return plugins.params("classifier", options)


def _refuse(where: str, problems: Iterable[str]) -> None:
    for problem in problems:
        raise ConfigError(f"{where}: {problem}")
