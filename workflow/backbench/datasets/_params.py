"""Options that collections of image files share: files, policies, classes, draw and split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from backbench.datasets import Split, _groups
from backbench.datasets._folders import Labels, Loose, Names, Parts
from backbench.datasets._table_titles import Columns
from backbench.schema import ConfigError, Range

NEAR_DISTANCE = 4


@dataclass(frozen=True, kw_only=True)
class FileParams:
    """Options of every collection of files.

    `digest` is filled in by planning from the fingerprint; given by hand, it pins the content. `near_distance` is in
    bits of the perceptual hash. An option that has no effect is set to its default, and `classes` are sorted, so that
    neither makes a difference to the hash.
    """

    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split
    unreadable: Literal["exclude", "fail"]
    duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_distance: Annotated[int, Range(low=0, high=16)] = NEAR_DISTANCE
    leaks: Literal["keep", "fail"] = "keep"
    classes: Names = None

    def __post_init__(self) -> None:
        if self.near_duplicates == "keep" and self.leaks == "keep" and not self.by_looks:
            object.__setattr__(self, "near_distance", NEAR_DISTANCE)
        if self.classes is not None:
            object.__setattr__(self, "classes", _ordered(self.classes))

    @property
    def by_looks(self) -> bool:
        """Whether near duplicates are groups that no split divides."""
        return False

    @property
    def class_names(self) -> Sequence[str] | None:
        """The classes that are asked for, None for all."""
        return None if self.classes is None else [str(name) for name in self.classes]


@dataclass(frozen=True, kw_only=True)
class FolderParams(FileParams):
    """Options of a folder of the user's own, unpacked or not: where its labels are, and what its folders mean.

    `bits` says how many of the 16 bits of a sample count in files that do not say so themselves (null: all). `groups`
    says which images no split divides (see ``_groups``).
    """

    csv: str | None = None
    label_pattern: str | None = None
    labels: Labels = "auto"
    parts: Parts = field(default_factory=Parts)
    loose: Loose = "fail"
    columns: Columns | None = None
    bits: Annotated[int | None, Range(low=8, high=16)] = None
    groups: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _groups.check(self.groups, self.csv)
        if self.split.source == "temporal" and (self.columns is None or self.columns.time is None):
            raise ConfigError(
                "dataset.split.source: received 'temporal', which needs the time of each image: give dataset.csv=PATH "
                "and dataset.columns.time=COLUMN, or use auto, given or random."
            )
        titles = [f"{name}={title}" for name, title in (self.columns or Columns()).given().items()]
        if titles and self.csv is None:
            raise ConfigError(
                f"dataset.columns: received {', '.join(titles)}; these are columns of a table: give dataset.csv=PATH "
                "too."
            )

    @property
    def by_looks(self) -> bool:
        """Whether near duplicates are groups that no split divides."""
        return self.groups == _groups.NEAR


def _ordered(classes: Sequence[str | int]) -> tuple[str, ...]:
    """Class names as text, sorted.

    Raises
    ------
    ConfigError
        If there is none, or one is listed twice.
    """
    names = sorted(map(str, classes))
    if not names:
        raise ConfigError("dataset.classes: received an empty list; name at least one class, or give null for all.")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ConfigError(f"dataset.classes: {', '.join(map(repr, repeated))} is listed twice; name each class once.")
    return tuple(names)
