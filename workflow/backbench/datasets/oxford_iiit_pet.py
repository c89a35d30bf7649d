"""Oxford-IIIT Pet: 7,349 photographs of 37 breeds of cats and dogs, 3,680 for training, 3,669 for testing.

Source: Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, _known_files, _listing
from backbench.datasets._classes import Sizes
from backbench.datasets._known import Known, Original
from backbench.datasets._known_files import FileCollection
from backbench.datasets._listing import Entry, Listing
from backbench.schema import ConfigError

UNHASHED = ("root", "archive")
BREEDS = 37
COUNTS = {TRAIN: 3680, TEST: 3669}
LISTS = {TRAIN: "annotations/trainval.txt", TEST: "annotations/test.txt"}
LINE = re.compile(r"(?P<image>(?P<breed>\w+)_\d+) \d+ \d \d+")


@dataclass(frozen=True, kw_only=True)
class Params(_known_files.Params):
    """Options; see ``_known_files``."""


def _sizes(params: Params) -> Sizes:
    return _known_files.even(COUNTS, [f"breed {number:02d}" for number in range(BREEDS)])


def _list(folder: Path, params: Params) -> Listing:
    entries = [entry for part, name in LISTS.items() for entry in _read(folder / name, part)]
    return _listing.ordered(entries, True, {}, apart=True)


def _read(path: Path, part: int) -> Iterator[Entry]:
    for line in path.read_text(encoding="utf-8").splitlines():
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigError(f"{path} is not the official list of images: {line[:80]!r}.")
        yield Entry(f"images/{match['image']}.jpg", match["breed"], part)


def _fits(folder: Path) -> bool:
    return (folder / "images").is_dir() and all((folder / name).is_file() for name in LISTS.values())


COLLECTION = FileCollection(
    known=Known(
        title="Oxford-IIIT Pet",
        originals=(
            Original(
                "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
                "5c4f3ee8e5d25df40f4fd59a7f44e54c",
            ),
            Original(
                "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
                "95a8c909bbe2e81eed6a22bccdf3f68f",
            ),
        ),
        folder="oxford-iiit-pet",
        holds=f"images, {LISTS[TRAIN]} and {LISTS[TEST]}",
        fits=_fits,
    ),
    sizes=_sizes,
    listing=_list,
    given=True,
    exact=False,
    named=False,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
