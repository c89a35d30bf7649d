"""Options that count only beside another option: asked for where they count in no combination, they are refused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench.engine.grid import Stage
from backbench.schema import ConfigError

# Stands for any value but null.
ANY = "N"


@dataclass(frozen=True)
class Beside:
    """Another option of the same group, and the values of it with which an option counts."""

    option: str
    values: tuple[str, ...]

    def counts(self, options: Mapping[str, Any]) -> bool:
        value = options.get(self.option)
        return value is not None if self.values == (ANY,) else str(value) in self.values


# By group and plugin (None: all of the group, or the group has no plugins).
BESIDE: Mapping[tuple[str, str | None], Mapping[str, Beside]] = {
    ("backbone", None): {"calibration": Beside("precision", ("int8",))},
    ("classifier", "knn"): {"temperature": Beside("weights", ("exponential",))},
    ("classifier", "lda"): {"tol": Beside("solver", ("svd",))},
    ("classifier", "svm"): {"gamma": Beside("kernel", ("rbf",))},
    ("clusterer", "optics"): dict.fromkeys(
        ("xi", "min_cluster_size", "predecessor_correction"), Beside("cluster_method", ("xi",))
    ),
    ("clusterer", "spectral"): {"n_init": Beside("assign_labels", ("kmeans",))},
    ("classification", None): {"draw": Beside("shots", (ANY,))},
    ("clustering", None): {"silhouette_rows": Beside("silhouette", ("sampled", "auto"))},
}


def refuse(cells: Sequence[Mapping[str, Any]], explicit: Iterable[str]) -> None:
    """Refuse keys that were asked for by name and that make no difference to any of the combinations that have them.

    Raises
    ------
    ConfigError
        With what they count beside.
    """
    for key in sorted(explicit):
        *path, option = key.split(".")
        group = key.partition(".")[0]
        places = {id(place): place for cell in cells for place in _places(cell, path, option)}
        depending = [(place, beside) for place in places.values() if (beside := _beside(group, place, option))]
        counts = len(depending) < len(places) or any(beside.counts(place) for place, beside in depending)
        if depending and not counts:
            raise _refusal(key, option, *depending[0])


def refuse_test_share(stages: Iterable[Stage], explicit: Iterable[str]) -> None:
    """Refuse a share of test images for collections that all bring their own.

    Raises
    ------
    ConfigError
        With the way to draw others.
    """
    sources = {
        stage.config["split"]["source"] for stage in stages if "split" in stage.config and stage.kind == "dataset"
    }
    if "dataset.split.test" in explicit and sources == {"given"}:
        raise ConfigError(
            "dataset.split.test counts with dataset.split.source=random or temporal alone, and these images bring test "
            "images of their own. Leave dataset.split.test out, or give dataset.split.source=random."
        )


def _refusal(key: str, option: str, place: Mapping[str, Any], beside: Beside) -> ConfigError:
    other = f"{key.rpartition('.')[0]}.{beside.option}"
    given = place.get(beside.option)
    return ConfigError(
        f"{key}: received {place[option]!r}, which counts with {other}={' or '.join(beside.values)} alone, and that is "
        f"{'null' if given is None else given} here. Leave {key} out, or give {other}={beside.values[0]}."
    )


def _places(cell: Mapping[str, Any], path: Sequence[str], option: str) -> Iterator[Mapping[str, Any]]:
    """The mappings of a cell that hold the option of a key: that of its group, or those of the parts of a backbone."""
    options: Any = cell
    for name in path:
        options = options.get(name) if isinstance(options, Mapping) else None
    if isinstance(options, Mapping):
        parts = options.get("parts")
        inside = parts.values() if isinstance(parts, Mapping) and option not in options else (options,)
        yield from (place for place in inside if isinstance(place, Mapping) and option in place)


def _beside(group: str, options: Mapping[str, Any], option: str) -> Beside | None:
    plugin = options.get("name")  # anything that was typed: whoever reads the group says what is wrong with it
    of_all = BESIDE.get((group, None), {})
    of_plugin = BESIDE.get((group, plugin), {}) if isinstance(plugin, str) else {}
    return of_all.get(option) or of_plugin.get(option)
