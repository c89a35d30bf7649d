"""Chains of transforms that are fitted once and applied to any rows.

Each step computes in float64 and its result is rounded to float32, as in the stage `matrix`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench import plugins, transforms
from backbench.inference import equals, skops_files
from backbench.inference._umap import Embedding
from backbench.metrics import distances

if TYPE_CHECKING:
    import numpy as np

UMAP, L2 = "umap", "l2"
ROWS, PLACES, LEARNT = "rows", "places", "learnt"


@dataclass(frozen=True)
class Step:
    """A fitted transform: the name of its plugin, and a model with a method `transform`."""

    name: str
    model: Any

    def __call__(self, rows: "np.ndarray") -> "np.ndarray":
        """Rows (n, d) transformed, float32 (n, w)."""
        if self.name == L2:
            # The plugin's function: scikit-learn's checks take longer than a few rows.
            return distances.unit_rows(rows).astype(equals.SINGLE)
        given = rows if isinstance(self.model, Embedding) else rows.astype(equals.DOUBLE)
        return self.model.transform(given).astype(equals.SINGLE)


@dataclass(frozen=True)
class Chain:
    """Fitted transforms, applied one after another."""

    steps: tuple[Step, ...] = ()

    def __call__(self, rows: "np.ndarray") -> "np.ndarray":
        """What the chain makes of features (n, d), float32 (n, w)."""
        for step in self.steps:
            rows = step(rows)
        return rows


def fit(
    steps: Sequence[Mapping[str, Any]],
    features: "np.ndarray",
    fitted: "np.ndarray | None",
    matrix: Callable[[], "np.ndarray"],
) -> Chain:
    """The chain of a run, fitted as in the sweep.

    Parameters
    ----------
    steps : the transforms with their options
    features : features (n, d) of all images
    fitted : numbers (m,) of the rows that it was fitted on; None for all
    matrix : gives what the stored chain made of all rows, (n, w): where UMAP is the last step, it is not computed again

    Raises
    ------
    equals.NoEqual
        If a transform cannot be applied to new rows.
    """
    made: list[Step] = []
    rows = features
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        known = rows if fitted is None else rows[fitted]
        if step["name"] == UMAP:
            output = matrix() if last else _again(step, known, rows)
            made.append(Step(UMAP, _embedding(step, rows, output, fitted)))
            rows = output
        else:
            made.append(Step(step["name"], equals.transformer(step, known.astype(equals.DOUBLE))))
            rows = rows if last else made[-1](rows)
    return Chain(tuple(made))


def pack(chain: Chain, prefix: str) -> "tuple[list[dict[str, Any]], dict[str, np.ndarray]]":
    """A chain as plain JSON and arrays (m, ...), whose names begin with `prefix`."""
    import numpy as np

    about: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for place, step in enumerate(chain.steps):
        name = f"{prefix}.{place}"
        entry: dict[str, Any] = {"name": step.name}
        if isinstance(step.model, Embedding):
            arrays |= {f"{name}.{ROWS}": step.model.rows, f"{name}.{PLACES}": step.model.places}
            if step.model.learnt is not None:
                arrays[f"{name}.{LEARNT}"] = step.model.learnt
            entry |= {"count": step.model.count, "metric": step.model.metric}
        else:
            arrays[name] = skops_files.dumps(step.model)
        about.append(entry)
    return about, arrays


def unpack(about: Sequence[Mapping[str, Any]], arrays: "Mapping[str, np.ndarray]", prefix: str) -> Chain:
    """The chain that :func:`pack` made arrays (m, ...) of."""
    steps = []
    for place, entry in enumerate(about):
        name = f"{prefix}.{place}"
        if entry["name"] == UMAP:
            known, places = (arrays[f"{name}.{part}"] for part in (ROWS, PLACES))
            learnt = arrays.get(f"{name}.{LEARNT}")
            steps.append(Step(UMAP, Embedding(known, places, entry["count"], entry["metric"], learnt)))
        else:
            steps.append(Step(entry["name"], skops_files.loads(arrays[name])))
    return Chain(tuple(steps))


def _again(step: Mapping[str, Any], known: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """The output (n, w) of a transform that other steps follow, learnt from `known` (m, d) of the rows (n, d)."""
    learnt = rows if len(known) == len(rows) else known
    return transforms.load(step["name"]).fit_transform(plugins.params("transform", step), learnt, rows)


def _embedding(
    step: Mapping[str, Any], rows: "np.ndarray", places: "np.ndarray", learnt: "np.ndarray | None"
) -> Embedding:
    """The embedding of known rows (n, d) at their places (n, w), learnt from those of the numbers (m,)."""
    import numpy as np

    return Embedding(
        np.ascontiguousarray(rows), np.ascontiguousarray(places), step["n_neighbors"], step["metric"], learnt
    )
