"""Which representations judge clusterings when there are no classes to choose by, or when they are asked to.

Every deep representation whose features are clustered judges all clusterings of its data set. Where there is only one,
it would judge what it made: a backbone that makes no candidates judges beside it. Several backbones side by side are no
judge beside their parts, nor one that is independent of these: they judge only where no single one does, and a part of
them is no independent judge.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench.engine.grid import Stage
from backbench.engine.plan.candidates import Candidate
from backbench.engine.plan.factory import GridFactory
from backbench.engine.plan.representations import Source, Sources
from backbench.schema import ConfigError
from backbench.wording import listed

# Representations that show what is gained over doing nothing: candidates, but neither answers nor judges.
BASELINES = ("pixels",)
# With fewer judges one of them would be alone with what it made.
LEAST_JUDGES = 2
# With so many classes clusterings are chosen by them.
LEAST_CLASSES = 2
# Of fewer images no neighbourhood can be judged.
LEAST_ROWS = 6


@dataclass(frozen=True)
class Judging:
    """How many rows judge at most, and what composes the options of those backbones that may judge beside the sweep's.

    `asked` is whether judges were asked for by name: they then judge where there are classes too.
    """

    rows: int
    extra: Callable[[], Sequence[Mapping[str, Any]]]
    asked: bool = False


def attach(factory: GridFactory, kept: Iterable[Candidate], sources: Sources, judging: Judging) -> None:
    """Add the judges of each data set that is clustered, where there are no classes to choose by or they were asked."""
    datasets: dict[str, list[Candidate]] = {}
    for candidate in kept:
        if "clustering" in candidate.stages:
            datasets.setdefault(candidate.stages["dataset"].hash, []).append(candidate)
    for group in datasets.values():
        source = factory.once(sources.dataset, group[0].cell["dataset"])
        if source.n >= LEAST_ROWS and (judging.asked or (source.classes or 0) < LEAST_CLASSES):
            _attach(factory, group, source, sources, judging)


def _attach(
    factory: GridFactory, group: Sequence[Candidate], source: Source, sources: Sources, judging: Judging
) -> None:
    deep: dict[str, Candidate] = {}
    for candidate in group:
        features = candidate.stages["features"]
        if features.family not in BASELINES:
            deep.setdefault(features.hash, candidate)
    joined = {key: _parts(factory, candidate.stages["features"]) for key, candidate in deep.items()}
    single = {key: candidate for key, candidate in deep.items() if not joined[key]}
    judges = single or deep
    for candidate in judges.values():
        _known(factory, candidate.stages["features"], source, judging.rows)
    names = {candidate.stages["features"].family for candidate in judges.values()}
    taken = names.union(*joined.values())
    if len(names) < LEAST_JUDGES:
        _extra(factory, source, sources, judging, next(iter(judges.values()), None), taken)


def _parts(factory: GridFactory, features: Stage) -> set[str]:
    """The backbones whose features are side by side in these; none for those of one backbone."""
    return {factory.grid.stages[ref].family for kind, ref in features.parents.values() if kind == "features"}


def _known(factory: GridFactory, features: Stage, source: Source, rows: int) -> None:
    """A judge whose features the sweep computes."""
    parents = {"dataset": source.stage, "features": features}
    about = {"n": min(source.n, rows), "gflops": 0.0}
    factory.stage("judge", features.family, {"rows": rows}, parents, [], about=about)


def _extra(
    factory: GridFactory,
    source: Source,
    sources: Sources,
    judging: Judging,
    beside: Candidate | None,
    names: Iterable[str],
) -> None:
    """A judge that makes no candidates; it is given the images as the representation `beside` it is."""
    if not source.about.images:
        return
    image = _image(beside.cell["backbone"]) if beside else None
    others = [options for options in judging.extra() if options["name"] not in names]
    for options in others:
        asked = {**options, "image": image} if image else dict(options)
        try:
            factory.once(sources.judge, {"backbone": asked, "rows": judging.rows}, source)
            return
        except ConfigError:
            continue
    if others:
        tried = listed([str(options["name"]) for options in others])
        factory.notice(
            f"no independent judge: the weights of {tried} are not here, so that the choice among clusterings is less "
            "certain; sweep a second backbone (backbone=efficientnet_lite0,mobilenet_v2), or name one that is here in "
            "selection.judges"
        )


def _image(backbone: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How images are prepared for a backbone that is no baseline, or for the first such part of several."""
    parts = [part for part in (backbone.get("parts") or {}).values() if part.get("name") not in BASELINES]
    image: Mapping[str, Any] | None = (parts[0] if parts else backbone).get("image")
    return image
