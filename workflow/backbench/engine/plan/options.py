"""What a combination of the grid may say: its keys, the axes, and the options of retrieval."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from backbench import plugins, schema
from backbench.engine.grid import HEADS
from backbench.schema import ConfigError

# Above these, what is quadratic in the rows takes many minutes.
EXACT_SEARCH_ROWS = 200_000
EXACT_SILHOUETTE_ROWS = 100_000
# Share of the rows in a sample on which a clustering is fitted again (`statistics.refits`).
SAMPLE_SHARE = 0.5
CELL = {"dataset", "backbone", "chain", "clusterer", "classifier", "k", "seed"}


@dataclass(frozen=True)
class Retrieval:
    """The retrieval head: nearest images by `metric`, the first `at` of them looked at.

    With `full`, all images are ranked for each query as well; `junk` says which images count neither as right nor as
    wrong.
    """

    metric: Literal["cosine", "euclidean"]
    protocol: Literal["leave_one_out", "test_against_train"]
    at: Annotated[int, schema.Range(1, 1000)]
    search: Literal["auto", "exact", "approximate"] = "exact"
    full: bool = False
    junk: Literal["none", "duplicates", "groups"] = "none"

    def resolved(self, n: int) -> "Retrieval":
        """With ``auto`` replaced, for n rows."""
        auto: Literal["exact", "approximate"] = "exact" if n <= EXACT_SEARCH_ROWS else "approximate"
        return replace(self, search=auto) if self.search == "auto" else self


@dataclass(frozen=True)
class Clustering:
    """The clustering head beside its clusterer: the rows that are clustered, how silhouettes are computed, and on how
    many samples of half of the rows it is fitted again to see how far it varies."""

    scope: Literal["all", "train", "per_split"] = "all"
    silhouette: Literal["auto", "exact", "sampled"] = "auto"
    silhouette_rows: Annotated[int, schema.Range(2)] = 10_000
    bootstraps: Annotated[int, schema.Range(0, 1000)] = 0

    def hashed(self, n: int) -> dict[str, Any]:
        """What counts of it for n rows; exact silhouettes are what a clustering has anyway.

        Raises
        ------
        ConfigError
            For a single sample: there is no pair to compare.
        """
        if self.bootstraps == 1:
            raise schema.refuse("clustering.bootstraps", 1, "0 (none), or 2 and more: pairs are compared")
        sampled = self.silhouette == "sampled" or (self.silhouette == "auto" and n > EXACT_SILHOUETTE_ROWS)
        rows = {"silhouette_rows": self.silhouette_rows} if sampled else {}
        samples = {"bootstraps": self.bootstraps, "sample_share": SAMPLE_SHARE} if self.bootstraps else {}
        return {"scope": self.scope, **rows, **samples}


@dataclass(frozen=True)
class Classification:
    """The classification head beside its classifier: how many training images of each class it learns from, all where
    `shots` is None, and the number of their draw."""

    shots: Annotated[int | None, schema.Range(1)] = None
    draw: Annotated[int, schema.Range(0, 2**32 - 1)] = 0

    def hashed(self) -> dict[str, int]:
        """What counts of it: nothing where all training images are used."""
        return {} if self.shots is None else {"shots": self.shots, "draw": self.draw}


@dataclass(frozen=True)
class Axes:
    """The axes that are no plugin's own option."""

    k: Annotated[int, schema.Range(1)]
    seed: Annotated[int, schema.Range(0, 2**32 - 1)]


def keys(cell: Mapping[str, Any]) -> dict[str, list[str]]:
    """The keys of a cell and of those parts of it that are no plugin's options."""
    missing = [key for key in (*sorted(CELL), *HEADS) if key not in cell]
    if missing:
        raise ConfigError(f"override: {', '.join(missing)} missing; a task is left out with none (clusterer=none).")
    chains = {f"{head}.chain": part(cell[head], head).get("chain") for head in HEADS}
    steps = {where: sorted(part(chain, where)) for where, chain in {"chain": cell["chain"], **chains}.items()}
    heads = {head: sorted(cell[head]) for head in ("clustering", "classification")}
    return {"override": sorted(cell), **heads, **steps}


def check(given: Mapping[str, list[str]]) -> None:
    """Refuse keys that mean nothing: every key of a combination has to be one that is hashed."""
    heads = {"clustering": Clustering, "classification": Classification}
    of_heads = {head: ["chain", *(field.name for field in fields(options))] for head, options in heads.items()}
    allowed = {"override": [*CELL, *HEADS, "split"], **of_heads}
    for where, names in given.items():
        known = sorted(allowed.get(where, ["steps"]))
        for key in names:
            if key not in known:
                raise schema.refuse(where, key, known)


def part(value: Any, where: str) -> Mapping[str, Any]:
    """`value` if it is a mapping."""
    if not isinstance(value, Mapping):
        raise schema.refuse(where, value, "a mapping of options")
    return value


def name_of(kind: str, options: Any) -> str:
    """The name of the plugin that `options` are of."""
    name = part(options, kind).get("name")
    if name != "none" and name not in plugins.names(kind):
        raise schema.refuse(f"{kind}.name", name, plugins.names(kind))
    return name


def retrieval(options: Mapping[str, Any]) -> Retrieval:
    return schema.parse(Retrieval, options, "retrieval")


def gallery(protocol: str, counts: tuple[int, int, int]) -> tuple[int, str]:
    """How many images a query can find, and what they are."""
    if protocol == "leave_one_out":
        return sum(counts) - 1, "other images"
    return counts[0], "training images"


def clustering(options: Mapping[str, Any]) -> Clustering:
    return schema.parse(Clustering, options, "clustering")


def clusterer(options: Mapping[str, Any]) -> Any:
    """The parameters of a clusterer."""
    return plugins.params("clusterer", options)


def classification(options: Mapping[str, Any]) -> Classification:
    return schema.parse(Classification, options, "classification")


def axes(asked: Mapping[str, Any], used: Iterable[str]) -> dict[str, int]:
    """The values of the axes that a plugin uses; the others do not exist for it."""
    if "k" in used and isinstance(asked["k"], str):
        raise schema.refuse("axis.k", asked["k"], "a whole number, or auto", schema.nearest(asked["k"], ["auto"]))
    given = schema.parse(Axes, {**Axes(1, 0).__dict__, **{axis: asked[axis] for axis in used}}, "axis")
    return {axis: getattr(given, axis) for axis in used}
