"""Other splits of the same images: repeats and folds, computed from a stored dataset wherever a split is read.

The root option ``split`` of a run says which: ``{repeat: 0, folds: null}``, which is left out of every hash, is the
split that the dataset stage stores. Everything else is a function of the images' classes and groups, the seed and the
shares of the dataset and these two numbers (``_split.again`` and ``_split.fold``): nothing is stored and no features
are computed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from backbench import schema
from backbench.datasets import Split, _split
from backbench.schema import ConfigError, Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.store import Store


@dataclass(frozen=True)
class Resplit:
    """Which split of the images a run uses: number `repeat`; with `folds`, fold ``repeat % folds`` of partition
    ``repeat // folds``."""

    repeat: Annotated[int, Range(low=0)] = 0
    folds: Annotated[int | None, Range(low=2)] = None


def parsed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are hashed: empty for the split of the dataset itself."""
    hashed: dict[str, Any] = schema.canonical(schema.parse(Resplit, options, "split"))
    return hashed


def counts(options: Mapping[str, Any], base: tuple[int, int, int], dataset: Mapping[str, Any]) -> tuple[int, int, int]:
    """The numbers of training, validation and test images of another split of a dataset with this configuration.

    Exact without groups; groups change them a little from one split to the next.

    Raises
    ------
    ConfigError
        If the images of this dataset cannot be divided in this way.
    """
    _check(dataset)
    folds, n = options.get("folds"), sum(base)
    if folds is None:
        return base
    if folds > n:
        raise ConfigError(f"split.folds: received {folds}; allowed: 2 to {n:,}, the number of images.")
    split = _shares(dataset)
    if split.validation + 1 / folds >= 1:
        raise ConfigError(
            f"split.folds: received {folds} with dataset.split.validation={split.validation:g}, which leave nothing to "
            "train on; allowed: more folds, or a smaller dataset.split.validation."
        )
    return _split.fold_counts(n, split, options.get("repeat", 0), folds)


def divided(
    options: Mapping[str, Any],
    dataset: Mapping[str, Any],
    split: "np.ndarray",
    labels: "np.ndarray | None",
    groups: "np.ndarray | None",
) -> "np.ndarray":
    """The split (n,) uint8 of a run with these hashed `options`.

    `dataset` is the configuration of the dataset, `split` (n,) its own split, `labels` (n,) its classes and `groups`
    (n,) its groups, if it has any.
    """
    import numpy as np

    if not options:
        return split
    _check(dataset)
    labels = np.zeros(len(split), np.int64) if labels is None else labels
    shares, repeat, folds = _shares(dataset), options.get("repeat", 0), options.get("folds")
    if folds is None:
        return _split.again(labels, groups, dataset["seed"], shares, repeat)
    return _split.fold(labels, groups, dataset["seed"], shares, repeat, folds)


def stored(store: "Store", member: str, options: Mapping[str, Any]) -> "np.ndarray":
    """The split (n,) uint8 of a run on a dataset in the store.

    Raises
    ------
    StoreError
        If the dataset or one of its arrays is missing.
    """
    split = store.array("dataset", member, "split")
    if not options:
        return split
    record = store.read("dataset", member) or {}
    arrays = record.get("arrays", {})
    labels, groups = (store.array("dataset", member, name) if name in arrays else None for name in ("labels", "groups"))
    return divided(options, record["config"], split, labels, groups)


def _shares(dataset: Mapping[str, Any]) -> Split:
    return schema.parse(Split, dataset["split"], "dataset.split")


def _check(dataset: Mapping[str, Any]) -> None:
    """Refuse to divide a dataset again whose split is not a random one."""
    source = dataset["split"]["source"]
    if source != "random":
        what = "keeps the splits that the collection brings" if source == "given" else "divides the images by time"
        raise ConfigError(
            f"split: received repeats or folds, but dataset.split.source={source} {what}, of which there is one. Give "
            "dataset.split.source=random to mix all images and split them again, or leave split.repeats and "
            "split.folds out."
        )
