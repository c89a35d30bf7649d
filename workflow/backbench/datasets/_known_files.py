"""Known collections of image files: official counts for planning, a listing with labels and splits."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from backbench import paths
from backbench.datasets import PARTS, Collection, Description, Reading, _classes, _files, _known, _split
from backbench.datasets._classes import Sizes
from backbench.datasets._known import Known, Place
from backbench.datasets._listing import Listing
from backbench.datasets._params import FileParams
from backbench.schema import ConfigError
from backbench.stage import Context

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Params(FileParams):
    """Options of every known collection of files. `root` is a folder, `archive` an archive that holds it."""

    root: str | None
    archive: str | None


P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class FileCollection(Generic[P]):
    """One collection: where it comes from, what it officially holds, and how its folder is listed.

    `sizes` and `listing` are given the options. `given` says whether it brings its own splits; `exact`, whether `sizes`
    is right for each class, or only for each split; `named`, whether `sizes` has the names of the classes, or only
    stand-ins because the names are in the files.
    """

    known: Known
    sizes: Callable[[P], Sizes]
    listing: Callable[[Path, P], Listing]
    given: bool
    exact: bool = True
    named: bool = True

    def describe(self, params: P) -> Description:
        """What planning needs: from the files if they are on this machine, else from the official counts."""
        self._check_split(params)
        place = _known.find(self.known, params.root, params.archive, paths.downloads())
        if place is not None:
            return _files.describe(self._source(place, params), params)
        sizes = _classes.of_sizes(self.sizes(params), params.class_names, self.named)
        number = {name: position for position, name in enumerate(sorted({name for _, name in sizes}))}
        by_number = {(part, number[name]): count for (part, name), count in sizes.items()}
        counts = _split.counts(by_number, params.sample, params.split)
        training = _split.training(by_number, params.sample, params.split)
        return Description(sum(counts), len(number), params.digest, counts, training=training)

    def fingerprint(self, params: P, reading: Reading) -> str:
        """The digest of the content, which is fetched if needed."""
        self._check_split(params)
        place = _known.fetch(self.known, params.root, params.archive, paths.downloads())
        return _files.fingerprint(self._source(place, params), params, reading)

    def load(self, params: P, context: Context) -> Collection:
        """Fetch if needed, verify against the planned digest, draw and split."""
        place = _known.fetch(self.known, params.root, params.archive, context.downloads)
        return _files.load(self._source(place, params), params, context)

    def _source(self, place: Place, params: P) -> _files.Source:
        return _files.Source(place.folder, lambda: self._listed(place, params))

    def _listed(self, place: Place, params: P) -> Listing:
        listing = self.listing(place.folder, params)
        missing = [entry.path for entry in listing.entries if not (place.folder / entry.path).is_file()]
        if missing:
            raise ConfigError(f"{place.folder} lacks {len(missing)} images: {', '.join(missing[:SHOWN])}, ...")
        self._check(listing, place.folder, params)
        return replace(listing, left_out={**place.skipped, **listing.left_out})

    def _check(self, listing: Listing, folder: Path, params: P) -> None:
        """Compare the counts with the official ones, by class or by split."""
        actual = Counter((entry.part, (entry.label or "") if self.exact else "") for entry in listing.entries)
        official: Counter[tuple[int, str]] = Counter()
        for (part, name), count in self.sizes(params).items():
            official[part, name if self.exact else ""] += count
        wrong = sorted(key for key in official | actual if official[key] != actual[key])
        if wrong:
            part, name = wrong[0]
            raise ConfigError(
                f"{folder} is not {self.known.title} as published: {len(wrong)} counts differ, "
                f"{name or f'the {PARTS[part]} split'} has {actual[wrong[0]]} images, not {official[wrong[0]]}. For a "
                f"collection of your own use dataset=folder dataset.root={folder}."
            )

    def _check_split(self, params: P) -> None:
        if params.split.source == "temporal":
            raise ConfigError(
                f"dataset.split.source: received 'temporal', but {self.known.title} has no times; allowed: auto, given "
                "or random."
            )
        if params.split.source == "given" and not self.given:
            raise ConfigError(f"dataset.split.source: {self.known.title} has no official split; use random.")


def even(counts: Mapping[int, int], names: Sequence[str]) -> Sizes:
    """Sizes if the `counts` of images by split were divided as evenly as possible among the classes `names`."""
    return {
        (part, name): count // len(names) + (position < count % len(names))
        for part, count in counts.items()
        for position, name in enumerate(names)
    }
