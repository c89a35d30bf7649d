"""From a collection and a backbone to the stages of features."""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbench import hashing, plugins, schema
from backbench.backbones import _contract
from backbench.backbones._contract import Backbone, Frozen, Given, Joining, OfImages, Resolving, Settling
from backbench.datasets import Description, _intake, _resplit
from backbench.engine.grid import Stage
from backbench.engine.plan import calibrating, options, resolution, smallness, weights
from backbench.engine.plan.factory import GridFactory
from backbench.images.policy import Image as Policy
from backbench.schema import ConfigError
from backbench.store import Store

PRECISION = "float32"
# Differing bits of perceptual hashes that count as nearly the same image where a dataset has no such option.
NEAR_DISTANCE = 4
LEAST_PARTS = 2


@dataclass(frozen=True)
class Source:
    """What planning knows of a dataset: its stage, its description and the rows that each scope may use.

    `split` says which of its splits is meant, as it is hashed: empty for its own.
    """

    stage: Stage
    about: Description
    split: Mapping[str, Any] = field(default_factory=dict)

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

    @property
    def hashed(self) -> dict[str, Any]:
        """What the configuration of a stage that reads the split says of it."""
        return {"split": dict(self.split)} if self.split else {}

    def rows(self, fit: str) -> int:
        return self.n if fit == "all" else self.train

    def least(self, scope: str) -> int:
        """Rows of the smallest part that is clustered by itself; one without rows is not."""
        return min(filter(None, self.counts)) if scope == "per_split" else self.rows(scope)

    def most(self, scope: str) -> int:
        """Rows of the largest part that is clustered by itself."""
        return max(self.counts) if scope == "per_split" else self.rows(scope)


# Options that may be a path; the later ones may be the name of a column too, which has no suffix.
PLACES = ("root", "archive", "csv", "path", "weights", "model")
OR_COLUMNS = ("labels", "names", "parts")


class Sources:
    """Stages before the heads."""

    def __init__(self, factory: GridFactory):
        self.factory = factory

    def dataset(self, config: Mapping[str, Any]) -> Source:
        """The stage of a data set."""
        name = options.name_of("dataset", config)
        module, params = plugins.load("dataset", name), plugins.params("dataset", config)
        if params.digest is None:
            params = dataclasses.replace(params, digest=self.factory.fingerprint(module, params))
        about = module.describe(params)
        params = dataclasses.replace(params, split=params.split.settled(about.given))
        self.factory.understand(smallness.understood(about))
        hashed, local = _split(params, getattr(module, "UNHASHED", ()))
        modules = [plugins.module_name("dataset", name)]
        intake = {} if about.root is None else {"intake": _intake.keep(about.root, about.excluded)}
        described = {"n": about.n, **intake}
        stage = self.factory.stage("dataset", name, {"name": name, **hashed}, {}, modules, _placed(local), described)
        source = Source(stage, about)
        if about.keys is not None and params.sample is None:
            self.factory.grid.keys[stage.hash] = about.keys
        if about.notice:
            self.factory.notice(about.notice)
        if about.images:
            self._audit({"near_distance": config.get("near_distance", NEAR_DISTANCE), **intake}, source)
        return source

    def divided(self, config: Mapping[str, Any], source: Source) -> Source:
        """A data set with the split that a combination asks for by ``split``.

        Raises
        ------
        ConfigError
            If its images cannot be divided in this way.
        """
        asked = config["split"]
        if not isinstance(asked, Mapping):
            allowed = "split.repeats=N and split.folds=K; how images are divided is said by dataset.split.source"
            raise schema.refuse("split", asked, allowed)
        chosen = _resplit.parsed(asked)
        if not chosen:
            return source
        counts = _resplit.counts(chosen, source.counts, source.stage.config)
        return dataclasses.replace(source, about=dataclasses.replace(source.about, counts=counts), split=chosen)

    def check_learned(self, features: Stage, source: Source) -> None:
        """Refuse features that were learned from the training images of another split.

        Raises
        ------
        ConfigError
            With the way out.
        """
        parts = [self.factory.grid.stages[ref] for kind, ref in features.parents.values() if kind == "features"]
        calibrating.refuse_other_splits(features, source.split)
        learned = next((stage for stage in (features, *parts) if stage.config.get("fit") == "train"), None)
        if source.split and learned is not None:
            raise ConfigError(
                f"split: backbone={learned.family} learns from the training images of one split (backbone.fit=train), "
                "which are test images of others, so that repeats and folds would flatter it. Give backbone.fit=all "
                "(all images, without their labels), another backbone, or leave split.repeats and split.folds out."
            )

    def _audit(self, config: Mapping[str, Any], source: Source) -> None:
        """The gate: nothing of a run, but before the images of its dataset are used."""
        about, local = {"n": source.n}, _located(source)
        self.factory.stage("audit", "audit", config, {"dataset": source.stage}, [], local, about)

    def features(self, config: Mapping[str, Any], source: Source) -> tuple[Stage, int]:
        """The stage of a backbone on a data set, and the number of its columns."""
        name = options.name_of("backbone", config)
        module, params = _contract.load(name), plugins.params("backbone", config)
        if isinstance(module, Joining):
            return self._joined(name, module, params, source)
        if isinstance(module, Resolving):
            params = module.resolve(params, self.factory.device)
        parents, width = {"dataset": source.stage}, self._width(name, module, params, source)
        image: dict[str, Any] | None = None
        if not isinstance(module, Given):
            image = _prepared(params.image, source)
            self._warn(resolution.notice(name, params, source.stage.family))
            parents["images"] = self.factory.recipe(image, source.stage)
        if isinstance(module, Settling):
            params, texts = module.settle(params, source.about)
            self.factory.understand(texts)
        calibrating.refuse_few(name, params, source.train)
        full, local = _identified(name, module, params)
        modules = [plugins.module_name("backbone", name)]
        if image is not None:
            rows = self.factory.code_of(("backbench.stages.features", *modules))
            family = [full, image, rows, *calibrating.shared_with(params, source.stage)]
            local |= {"image": image, "rows": hashing.digest(family), **_located(source)}
        about = {"n": source.n, "gflops": round(module.gflops(params), 4)}
        return self.factory.stage("features", name, full, parents, modules, _placed(local), about), width

    def _joined(self, name: str, module: Joining[Any], params: Any, source: Source) -> tuple[Stage, int]:
        """The stage of several backbones side by side, whose features are its parents, in the order of their names."""
        made = [self.factory.once(self.features, part, source) for part in params.parts.values()]
        parts = sorted(made, key=lambda part: (part[0].family, part[0].hash))
        _check_parts(name, [stage for stage, _ in parts])
        widths = [width for _, width in parts]
        parents = {f"part_{place:02}": stage for place, (stage, _) in enumerate(parts, start=1)}
        about = {"n": source.n, "gflops": module.gflops(params), "parts": widths}
        hashed = {key: value for key, value in schema.canonical(params).items() if key != "parts"}
        config = {"engine": module.ENGINE, "precision": PRECISION, "name": name, **hashed, **module.identity(params)}
        modules = [plugins.module_name("backbone", name)]
        parents = {"dataset": source.stage, **parents}
        stage = self.factory.stage("features", name, config, parents, modules, _located(source), about)
        return stage, module.width(params, widths)

    def judge(self, asked: Mapping[str, Any], source: Source) -> Stage:
        """A backbone that makes no candidates and judges those of others, on a sample of the images.

        Raises
        ------
        ConfigError
            If it cannot be used, for its weights are not here or it is no frozen network.
        """
        config, rows = asked["backbone"], asked["rows"]
        name = options.name_of("backbone", config)
        module, params = _contract.load(name), plugins.params("backbone", config)
        if not isinstance(module, Frozen):
            raise ConfigError(f"selection.judges: received {name!r}; allowed: backbones that learn nothing.")
        calibrating.refuse_judge(name, params)
        if isinstance(module, Resolving):
            params = module.resolve(params, self.factory.device)
        image = _prepared(params.image, source)
        full, local = _identified(name, module, params)
        parents = {"dataset": source.stage, "images": self.factory.recipe(image, source.stage)}
        judges = min(source.n, rows)
        about = {"n": judges, "gflops": round(module.gflops(params), 4)}
        return self.factory.stage(
            "judge",
            name,
            {"rows": rows, "backbone": full},
            parents,
            [plugins.module_name("backbone", name)],
            {"image": image, **_located(source), **({"backbone": {**full, **_placed(local)}} if local else {})},
            about,
        )

    def _warn(self, text: str | None) -> None:
        if text:
            self.factory.notice(text)

    def _width(self, name: str, module: Backbone[Any], params: Any, source: Source) -> int:
        if isinstance(module, Given):
            return module.width(params, source.about)
        if not source.about.images:
            raise ConfigError(
                f"backbone={name} needs images, and the dataset {source.stage.family!r} has none: it is embeddings "
                "made elsewhere; use backbone=precomputed."
            )
        assert isinstance(module, OfImages), "a backbone without embeddings computes them from images"
        return module.width(params)


def _check_parts(name: str, parts: Sequence[Stage]) -> None:
    """Refuse what is nothing side by side.

    Raises
    ------
    ConfigError
        For fewer than two parts, for equal ones, and for parts that are made of parts.
    """
    if len(parts) < LEAST_PARTS:
        raise ConfigError(
            f"backbone={name}: received {len(parts)} parts; allowed: at least {LEAST_PARTS}, written as backbone=[a,b]."
        )
    calibrating.refuse_parts(name, parts)
    if any(stage.family == name for stage in parts):
        raise ConfigError(f"backbone={name}: received {name} as a part; name its parts instead.")
    same = next((stage for place, stage in enumerate(parts) if stage in parts[:place]), None)
    if same is not None:
        raise ConfigError(
            f"backbone={name}: received {same.family} twice with the same options; give one of them others, such as "
            f"backbone.parts.{same.family}_2.image.size=64, or leave it out."
        )


def policies(backbones: Iterable[Mapping[str, Any]], device: str) -> list[Policy]:
    """How the images are prepared for `backbones`, each way once; what is wrong with one is told when it is planned."""
    prepared: dict[Policy, None] = {}
    # Cells of a grid share few configurations, and not the objects.
    distinct = {json.dumps(config, sort_keys=True): config for config in backbones}
    for config in (part for whole in distinct.values() for part in _apart(whole)):
        with contextlib.suppress(ConfigError):
            name = options.name_of("backbone", config)
            module, params = _contract.load(name), plugins.params("backbone", config)
            if not isinstance(module, (Given, Joining)):
                params = module.resolve(params, device) if isinstance(module, Resolving) else params
                prepared[params.image] = None
    return list(prepared)


def _apart(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The configurations of the parts of a backbone that has some, else its own."""
    parts = config.get("parts") if isinstance(config, Mapping) else None
    return list(parts.values()) if isinstance(parts, Mapping) and parts else [config]


def known_rows(store: Store, stage: Stage, keys: Sequence[bytes]) -> int:
    """How many images of a dataset have features in the store, computed as a stage of features would."""
    import numpy as np

    from backbench.stages import _known

    return _known.count(store, stage.local["rows"], np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1))


def _located(source: Source) -> dict[str, str]:
    """The folder where the files of a collection are now, for the stages that open them."""
    return {} if source.about.root is None else {"root": str(source.about.root)}


def _prepared(image: Policy, source: Source) -> dict[str, Any]:
    """How images are prepared, as it is hashed; how they are decoded belongs to collections of files alone."""
    hashed = schema.canonical(dataclasses.replace(image, decode="scaled"))
    return hashed if source.about.root is None else {**hashed, "decode": image.decode}


def _identified(name: str, module: Backbone[Any], params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is hashed of a backbone, and what is only needed to compute it (paths, and what has no effect)."""
    hashed, _ = _split(params, ("image",))
    identity = module.identity(params)
    weights.check(name, module, params, identity)
    local = {key: value for key, value in hashed.items() if key in identity and identity[key] != value}
    dropped = {key for key in getattr(module, "UNHASHED", ()) if key not in identity}
    local |= {key: hashed[key] for key in dropped if key in hashed}
    kept = {key: value for key, value in hashed.items() if key not in dropped}
    return {"engine": module.ENGINE, "precision": PRECISION, "name": name, **kept, **identity}, local


def _placed(local: Mapping[str, Any]) -> dict[str, Any]:
    """Options with paths made absolute where they lead somewhere from here: jobs run in another folder."""
    return {
        key: str(Path(value).expanduser().absolute()) if _leads(key, value) else value for key, value in local.items()
    }


def _leads(key: str, value: Any) -> bool:
    if not isinstance(value, str) or key not in (*PLACES, *OR_COLUMNS):
        return False
    path = Path(value).expanduser()
    return path.exists() and (key in PLACES or bool(path.suffix))


def _split(params: Any, unhashed: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    full = schema.canonical(params)
    return (
        {key: value for key, value in full.items() if key not in unhashed},
        {key: value for key, value in full.items() if key in unhashed},
    )
