"""Collections in the four files of MNIST: found or fetched, verified, drawn and split.

The archives of mirrors and packages differ in their bytes, so the decoded arrays are verified: ``digest`` covers the
pixels and labels of the training split followed by those of the test split.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from backbench import hashing
from backbench.datasets import TEST, TRAIN, Collection, Description, Reading, Split, _archives, _fetch, _idx, _split
from backbench.datasets._unpack import Limits
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

SIDE = 28
FILES = {TRAIN: "train", TEST: "t10k"}
LIMITS = Limits(1000, 1 << 30)


@dataclass(frozen=True)
class Params:
    """Options. `root` is a folder, `archive` an archive that holds the four files; `n` and `digest` pin the content.

    `sample` is the number of images to draw, stratified by class and official split (null for all); `seed` is that of
    the draw and of the split.
    """

    root: str | None
    n: int
    digest: str
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split
    archive: str | None = None


@dataclass(frozen=True)
class MnistLike:
    """One collection: its classes, its official counts by split and class, and where its files may come from.

    `stem` is its name here, `title` its name for people, `folder` torchvision's name. `places` are folders where the
    files may already be; each of `sources` fills a folder with them. `hint` ends the error message if none has them.
    """

    stem: str
    title: str
    folder: str
    names: Sequence[str]
    sizes: Mapping[int, Sequence[int]]
    sources: Sequence[Callable[[Path], None]]
    places: Sequence[Path] = ()
    hint: str = ""

    def describe(self, params: Params) -> Description:
        """What planning needs, without reading a file."""
        sizes = {(part, label): n for part, counts in self.sizes.items() for label, n in enumerate(counts)}
        if params.n != sum(sizes.values()):
            raise ConfigError(
                f"dataset({self.stem}).n: received {params.n}; the collection has {sum(sizes.values())} images."
            )
        counts = _split.counts(sizes, params.sample, params.split)
        training = _split.training(sizes, params.sample, params.split)
        return Description(sum(counts), len(self.names), params.digest, counts, training=training)

    def fingerprint(self, params: Params, reading: Reading) -> str:
        """The pinned digest."""
        reading.progress(params.n, params.n)
        return params.digest

    def load(self, params: Params, context: Context) -> Collection:
        """Fetch if needed, decode, verify, draw and split.

        Raises
        ------
        ConfigError
            If no source has the files, or they are not the collection that `digest` names.
        """
        import numpy as np

        pixels, labels, place = self._verified(params, context.downloads)
        parts = np.repeat(list(self.sizes), [sum(counts) for counts in self.sizes.values()]).astype(np.uint8)
        rows, split = _split.sample_and_split(parts, labels, len(labels), params.sample, params.seed, params.split)
        return Collection(
            digest=params.digest,
            split=split,
            labels=labels[rows],
            names=self.names,
            pixels=pixels[rows],
            rows=rows.astype(np.int64),
            total=len(labels),
            info={"source": str(place)},
        )

    def _verified(self, params: Params, downloads: Path) -> tuple["np.ndarray", "np.ndarray", Path]:
        """Pixels (n, 28, 28) uint8, labels (n,) int64 and folder of the first source that has the pinned content."""
        tried: list[str] = []
        cache = downloads / self.stem
        for place in self._places(params, downloads, tried):
            try:
                pixels, labels = self._decode(place)
            except _idx.IdxError as error:
                tried.append(str(error))
            else:
                digest = content_digest(pixels, labels)
                if digest == params.digest:
                    return pixels, labels, place
                tried.append(f"{place}: content {hashing.short(digest)}, not the pinned {hashing.short(params.digest)}")
            log.warning("%s", tried[-1])
            if place == cache:
                shutil.rmtree(place)
        raise self._absent(tried)

    def _places(self, params: Params, downloads: Path, tried: list[str]) -> Iterator[Path]:
        """Folders that hold the four files, the cheapest source first; failures are noted in `tried`."""
        given = params.root is not None or params.archive is not None
        for place in self._given(params, downloads) if given else [downloads / self.stem, *self.places]:
            if _complete(place):
                yield place
            else:
                tried.append(f"{place}: not all four files")
        for fill in () if given else self.sources:
            try:
                yield _fetch.into(downloads / self.stem, fill)
            except _fetch.FetchError as error:
                log.info("%s: %s", self.title, error)
                tried.append(str(error))

    def _given(self, params: Params, downloads: Path) -> list[Path]:
        if params.root is not None:
            base = Path(params.root).expanduser()
            return [base, base / self.folder / "raw", base / self.stem.replace("_", "-")]
        archive = Path(params.archive or "").expanduser()
        tree = _archives.from_file(archive, _archives.checksum(archive, None), downloads, LIMITS).folder
        return [_archives.holding(tree, _complete) or tree]

    def _decode(self, place: Path) -> tuple["np.ndarray", "np.ndarray"]:
        """Pixels (n, 28, 28) uint8 and labels (n,) int64 of all splits."""
        import numpy as np

        pixels, labels = [], []
        for part, counts in self.sizes.items():
            n = sum(counts)
            pixels.append(_read(place, part, "images", (n, SIDE, SIDE)))
            labels.append(_read(place, part, "labels", (n,)))
        return np.concatenate(pixels), np.concatenate(labels).astype(np.int64)

    def _absent(self, tried: Sequence[str]) -> ConfigError:
        wanted = ", ".join(f"{stem}-images-idx3-ubyte[.gz], {stem}-labels-idx1-ubyte[.gz]" for stem in FILES.values())
        return ConfigError(
            f"{self.title} was not found. Looked for {wanted}. Tried: {'; '.join(tried)}. Put the four files into a "
            f"folder and give dataset.root=FOLDER, or into an archive and give dataset.archive=PATH{self.hint}."
        )


def content_digest(pixels: "np.ndarray", labels: "np.ndarray") -> str:
    """The digest of decoded `pixels` (n, ...) uint8 and `labels` (n,) int64: training split, then test split."""
    return hashing.digest({"pixels": hashing.array_digest(pixels), "labels": hashing.array_digest(labels)})


def _read(place: Path, part: int, kind: str, shape: tuple[int, ...]) -> "np.ndarray":
    """The array (d1, ..., dm) uint8 of `shape` in one of the four files."""
    path = _file(place, part, kind)
    if path is None:
        raise _idx.IdxError(f"{place} lacks {FILES[part]}-{kind}-idx*-ubyte[.gz]")
    return _idx.read(path, shape)


def _complete(place: Path) -> bool:
    return all(_file(place, part, kind) for part in FILES for kind in ("images", "labels"))


def _file(place: Path, part: int, kind: str) -> Path | None:
    stem = f"{FILES[part]}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    # Some packages change the names into the last two.
    names = (f"{stem}.gz", stem, f"{stem.replace('-idx', '.idx')}.gz", stem.replace("-idx", ".idx"))
    return next((place / name for name in names if (place / name).is_file()), None)
