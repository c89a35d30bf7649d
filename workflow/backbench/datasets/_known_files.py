"""Known collections of image files (layer 1): official counts for planning, a listing with labels and parts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from backbench import paths
from backbench.datasets import Collection, Description, Reading, Split, _classes, _files, _gate, _known, _split
from backbench.datasets._known import Known, Place
from backbench.datasets._listing import Listing
from backbench.schema import ConfigError, Range
from backbench.stage import Context

SHOWN = 3
Sizes = Mapping[tuple[int, str], int]  # images by (part, class)


@dataclass(frozen=True, kw_only=True)
class Params:
    """Options of every known collection of files. `root` is a folder, `archive` an archive that holds it.

    `digest` is filled in by planning from the fingerprint; given by hand, it pins the content.
    """

    root: str | None
    archive: str | None
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split
    unreadable: Literal["exclude", "fail"]
    duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_distance: Annotated[int, Range(low=0, high=16)] = _gate.NEAR_DISTANCE
    leaks: Literal["keep", "fail"] = "keep"
    classes: _classes.Names = None

    def __post_init__(self) -> None:
        _gate.settle(self)
        _classes.settle(self)


@dataclass(frozen=True)
class FileCollection:
    """One collection: where it is had, what it officially holds, and how its folder is listed.

    `given` says whether it brings its own split; `exact`, whether `sizes` is known by class, or else only by part;
    `named`, whether the classes in `sizes` have their names, or else the files alone tell these.
    """

    known: Known
    sizes: Callable[[Any], Sizes]
    listing: Callable[[Path, Any], Listing]
    given: bool
    exact: bool = True
    named: bool = True

    def describe(self, params: Any) -> Description:
        """What planning needs: from the files if they are here, else the official counts."""
        self._check_split(params)
        place = _known.find(self.known, params.root, params.archive, paths.downloads())
        if place is not None:
            return _files.describe(self._source(place, params), params)
        sizes = _classes.of_sizes(self.sizes(params), params.classes, self.named)
        number = {name: position for position, name in enumerate(sorted({name for _, name in sizes}))}
        cells = {(part, number[name]): count for (part, name), count in sizes.items()}
        counts = _split.counts(cells, params.sample, params.split)
        return Description(sum(counts), len(number), params.digest, counts)

    def fingerprint(self, params: Any, reading: Reading) -> str:
        """Digest of the decoded content; fetches where needed."""
        self._check_split(params)
        place = _known.fetch(self.known, params.root, params.archive, paths.downloads())
        return _files.fingerprint(self._source(place, params), params, reading)

    def load(self, params: Any, context: Context) -> Collection:
        """Fetch where needed, verify against the digest of the plan, draw and split."""
        place = _known.fetch(self.known, params.root, params.archive, context.downloads)
        return _files.load(self._source(place, params), params, context)

    def _source(self, place: Place, params: Any) -> _files.Source:
        return _files.Source(place.folder, lambda: self._listed(place, params))

    def _listed(self, place: Place, params: Any) -> Listing:
        listing = self.listing(place.folder, params)
        missing = [entry.path for entry in listing.entries if not (place.folder / entry.path).is_file()]
        if missing:
            raise ConfigError(f"{place.folder} lacks {len(missing)} images: {', '.join(missing[:SHOWN])}, ...")
        self._check(listing, place.folder, params)
        return replace(listing, left_out={**place.skipped, **listing.left_out})

    def _check(self, listing: Listing, folder: Path, params: Any) -> None:
        """Hold the counts against the official ones."""
        key = (lambda cell: cell) if self.exact else (lambda cell: cell[0])
        found, wanted = Counter(), Counter()
        for entry in listing.entries:
            found[key((entry.part, entry.label))] += 1
        for cell, count in self.sizes(params).items():
            wanted[key(cell)] += count
        wrong = [cell for cell in wanted | found if wanted[cell] != found[cell]]
        if wrong:
            first = sorted(wrong)[0]
            name = first[1] if self.exact else f"part {first}"
            raise ConfigError(
                f"{folder} is not {self.known.title} as it is published: {len(wrong)} counts differ, "
                f"{name} has {found[first]} images, not {wanted[first]}. For a collection of your own use "
                f"dataset=folder dataset.root={folder}."
            )

    def _check_split(self, params: Any) -> None:
        if params.split.source == "given" and not self.given:
            raise ConfigError(f"dataset.split.source: {self.known.title} has no official split; use random.")


def even(counts: Mapping[int, int], names: Sequence[str]) -> Sizes:
    """Sizes of `counts` images by part that are spread over `names` as evenly as can be."""
    return {
        (part, name): count // len(names) + (position < count % len(names))
        for part, count in counts.items()
        for position, name in enumerate(names)
    }
