"""From features to the stages of the three heads, each behind its own chain of transforms."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from backbench import classifiers, clusterers, plugins, schema, transforms
from backbench.engine.grid import Stage
from backbench.engine.plan import few_shot, options, worded
from backbench.engine.plan.factory import GridFactory
from backbench.engine.plan.representations import Source
from backbench.engine.plan.shortage import Fit, TooSmall
from backbench.schema import ConfigError
from backbench.wording import counted


class Heads:
    """Stages of the heads of a cell."""

    def __init__(self, factory: GridFactory):
        self.factory = factory

    def _matrix(self, asked: Mapping[str, Any], source: Source, features: Stage) -> tuple[Stage, int]:
        """The stage that a head works on: its chain's, or the features' own where the chain is empty."""
        fit, width = asked["fit"], asked["width"]
        features_width = width
        steps = dict(sorted(asked["steps"].items()))
        if not steps:
            return features, width
        names = [options.name_of("transform", step) for step in steps.values()]
        parsed = [plugins.params("transform", step) for step in steps.values()]
        labels, fitted = [], False
        for key, name, params in zip(steps, names, parsed, strict=True):
            module = transforms.load(name)
            Fit("transform", name, params, source.rows(fit), width, f"chain.steps.{key}").check()
            width = module.width(params, width)
            fitted |= module.FITTED
            labels.append(module.label(params))
        config = {
            "steps": [{"name": name, **schema.canonical(params)} for name, params in zip(names, parsed, strict=True)],
            "fit": fit if fitted else "all",
            **(source.hashed if fitted and fit == "train" else {}),
        }
        parents = {"dataset": source.stage, "features": features}
        modules = [plugins.module_name("transform", name) for name in sorted(set(names))]
        about = {"label": "+".join(labels), "n": source.n, "d": features_width, "steps": names}
        return self.factory.stage("matrix", "transform", config, parents, modules, about=about), width

    def _head(
        self, chain: Mapping[str, Any], fit: str, source: Source, features: Stage, width: int
    ) -> tuple[Stage, int]:
        key = {"steps": options.part(chain.get("steps") or {}, "chain.steps"), "fit": fit, "width": width}
        return self.factory.once(self._matrix, key, source, features)

    def clustering(self, cell: Mapping[str, Any], source: Source, features: Stage, width: int) -> Stage | None:
        clusterer = cell["clusterer"]
        if options.name_of("clusterer", clusterer) == "none":
            return None
        head = self.factory.once(options.clustering, _without_chain(cell["clustering"]))
        fit = "all" if head.scope == "all" else "train"
        matrix, wide = self._head(cell["clustering"]["chain"], fit, source, features, width)
        config = {"clusterer": clusterer, "k": cell.get("k"), "seed": cell.get("seed")}
        asked = {**config, "d": wide, "parts": _parts(features, matrix)}
        return self.factory.once(self._fit_clusterer, asked, source, matrix, head)

    def _fit_clusterer(
        self, asked: Mapping[str, Any], source: Source, matrix: Stage, head: options.Clustering
    ) -> Stage:
        name = asked["clusterer"]["name"]
        module, params = clusterers.load(name), self.factory.once(options.clusterer, asked["clusterer"])
        if isinstance(module, clusterers.Parted):
            params = module.parted(params, tuple(asked["parts"]))
        axes = options.axes(asked, clusterers.axes(module, params))
        n = source.most(head.scope)
        for rows in sorted({source.least(head.scope), n}):
            Fit("clusterer", name, params, rows, asked["d"], "clusterer", (axes.get("k"),)).check()
        config = {"clusterer": {"name": name, **schema.canonical(params)}, **head.hashed(n), **axes}
        config |= {} if head.scope == "all" else source.hashed
        parents = {"dataset": source.stage, "matrix": matrix}
        modules = [plugins.module_name("clusterer", name)]
        return self.factory.stage("clustering", name, config, parents, modules, about={"d": asked["d"], "n": n})

    def classification(self, cell: Mapping[str, Any], source: Source, features: Stage, width: int) -> Stage | None:
        name = options.name_of("classifier", cell["classifier"])
        if name == "none":
            return None
        lack = _nothing_to_classify(source)
        if lack:
            self._leave_out(name, source, *lack)
            return None
        head = self.factory.once(options.classification, _without_chain(cell["classification"]))
        few_shot.check(self.factory, head, source)
        matrix, wide = self._head(cell["classification"]["chain"], "train", source, features, width)
        asked = {"classifier": cell["classifier"], "seed": cell.get("seed"), "d": wide}
        return self.factory.once(self._fit_classifier, asked, source, features, matrix, head)

    def _fit_classifier(
        self, asked: Mapping[str, Any], source: Source, features: Stage, matrix: Stage, head: options.Classification
    ) -> Stage:
        name, rows = asked["classifier"]["name"], few_shot.rows(head, source)
        module, params = classifiers.load(name), self.factory.once(_classifier, asked["classifier"])
        Fit("classifier", name, params, rows, asked["d"], "classifier", (source.classes,)).check()
        if isinstance(module, classifiers.Selecting) and not source.counts[1]:
            few_shot.check_choice(name, head, rows)
            self.factory.notice(f"{name} chooses by one in ten training images: the dataset has no validation images")
        axes = options.axes(asked, module.AXES)
        config = {"classifier": {"name": name, **schema.canonical(params)}, **head.hashed(), **axes, **source.hashed}
        parents = {"dataset": source.stage, "matrix": matrix}
        of_words = worded.tower(module, name, features, matrix)
        modules = [plugins.module_name("classifier", name), *of_words.modules]
        unused = {"unused": source.train - rows} if rows < source.train else {}
        about = {"d": asked["d"], "n": rows, "queries": source.queries, **unused}
        return self.factory.stage("classification", name, config, parents, modules, of_words.local, about)

    def _leave_out(self, name: str, source: Source, lack: str, way: str) -> None:
        """Leave the classification out, unless it was asked for."""
        asked = sorted(key for key in self.factory.explicit if key.split(".")[0] in ("classifier", "classification"))
        if asked:
            left = ", ".join(asked)
            raise ConfigError(
                f"classifier={name}: the dataset {source.stage.family!r} {lack}. Leave {left} out, or {way}."
            )
        self.factory.notice(f"classifier left out: the dataset {lack}")

    def retrieval(self, cell: Mapping[str, Any], source: Source, features: Stage, width: int) -> Stage | None:
        wanted = _without_chain(cell["retrieval"])
        if wanted.get("metric") in (None, "none"):
            return None
        asked = self._seen(self.factory.once(options.retrieval, wanted).resolved(source.n), source)
        if asked.full and (source.classes or 0) < 2:
            self._unranked(source)
        if asked.junk == "groups" and not source.stage.config.get("groups"):
            raise ConfigError(
                "retrieval.junk: received 'groups', and the images are in no groups; give dataset.groups (a column of "
                "the table, a pattern, or near_duplicates), or retrieval.junk=duplicates."
            )
        fit = "all" if asked.protocol == "leave_one_out" else "train"
        matrix, wide = self._head(cell["retrieval"]["chain"], fit, source, features, width)
        return self.factory.once(self._retrieve, {**schema.canonical(asked), "d": wide}, source, matrix)

    def _unranked(self, source: Source) -> None:
        """Say that whole rankings need classes; refuse them where they were asked for."""
        lack = "has no labels" if source.classes is None else "has one class only"
        text = f"the dataset {source.stage.family!r} {lack}, and rankings are scored by classes"
        if "retrieval.full" in self.factory.explicit:
            raise ConfigError(f"retrieval.full: {text}. Leave retrieval.full out.")
        self.factory.notice(f"retrieval.full has no effect: {text}")

    def _seen(self, asked: options.Retrieval, source: Source) -> options.Retrieval:
        """`asked` with no more neighbours than there are images to find."""
        most, what = options.gallery(asked.protocol, source.counts)
        if asked.protocol == "test_against_train" and not source.counts[2]:
            problem = "retrieval: there are no test images to look for; retrieval.protocol=leave_one_out takes all"
            raise TooSmall("retrieval", problem, f"{source.n:,} images", {})
        if most < 1:
            raise TooSmall("retrieval", f"retrieval: there are no {what} to find", f"{source.n:,} images", {})
        if asked.at <= most:
            return asked
        if "retrieval.at" in self.factory.explicit:
            raise ConfigError(f"retrieval.at: received {asked.at}; allowed: 1 to {most}, the {what}.")
        self.factory.notice(
            f"retrieval looks at {counted(most, 'neighbour')}, not {asked.at}: those are all the {what}"
        )
        return dataclasses.replace(asked, at=most)

    def _retrieve(self, asked: Mapping[str, Any], source: Source, matrix: Stage) -> Stage:
        config = {key: value for key, value in asked.items() if key != "d"}
        config |= {} if asked["protocol"] == "leave_one_out" else source.hashed
        about = {"d": asked["d"], "n": source.n}
        if asked.get("full"):
            whole = asked["protocol"] == "leave_one_out"
            about["pairs"] = source.n**2 if whole else source.counts[2] * source.counts[0]
        parents = {"dataset": source.stage, "matrix": matrix}
        return self.factory.stage("retrieval", "neighbours", config, parents, [], about=about)


def _without_chain(head: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in head.items() if key != "chain"}


def _parts(features: Stage, matrix: Stage) -> list[int]:
    """Widths of the representations that lie side by side in a matrix; empty for one, or where a chain mixes them."""
    mixed = set(matrix.about.get("steps", ())) - transforms.APART
    return [] if mixed else list(features.about.get("parts", ()))


def _classifier(options: Mapping[str, Any]) -> Any:
    return plugins.params("classifier", options)


def _nothing_to_classify(source: Source) -> tuple[str, str] | None:
    """Why no classifier can be trained and judged, and the way out, if so."""
    folders = "give a dataset with one sub-folder of images per class"
    if source.classes is None:
        return "has no labels", folders
    if source.classes < 2:
        return "has one class only", folders
    if not source.queries:
        return "has training images only, and none to judge a classifier by", "give more images of each class"
    return None
