"""Food-101: 101,000 photographs of 101 dishes, each with 750 for training and 250 for testing.

Source: Bossard, Guillaumin and Van Gool, "Food-101: Mining Discriminative Components with Random Forests", ECCV 2014.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, _known_files, _listing
from backbench.datasets._classes import Sizes
from backbench.datasets._known import Known, Original
from backbench.datasets._known_files import FileCollection
from backbench.datasets._listing import Entry, Listing
from backbench.schema import ConfigError

UNHASHED = ("root", "archive")
DISHES = 101
COUNTS = {TRAIN: 75_750, TEST: 25_250}
META = {TRAIN: "meta/train.json", TEST: "meta/test.json"}


@dataclass(frozen=True, kw_only=True)
class Params(_known_files.Params):
    """Options; see ``_known_files``."""


def _sizes(params: Params) -> Sizes:
    return _known_files.even(COUNTS, [f"dish {number:03d}" for number in range(DISHES)])


def _list(folder: Path, params: Params) -> Listing:
    entries = [
        Entry(f"images/{name}.jpg", dish, part)
        for part, meta in META.items()
        for dish, names in _read(folder / meta).items()
        for name in names
    ]
    return _listing.ordered(entries, True, {}, apart=True)


def _read(path: Path) -> dict[str, list[str]]:
    """Image names by dish.

    Raises
    ------
    ConfigError
        If it is not such a list, or a name leads out of the folder.
    """
    try:
        by_dish: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        names = [name for listed in by_dish.values() for name in listed]
        if all(name.count("/") == 1 and ".." not in name.split("/") for name in names):
            return by_dish
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    raise ConfigError(f"{path} is not the official list of images.")


def _fits(folder: Path) -> bool:
    return (folder / "images").is_dir() and all((folder / meta).is_file() for meta in META.values())


COLLECTION = FileCollection(
    known=Known(
        title="Food-101",
        originals=(
            Original(
                "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                "85eeb15f3717b99a5da872d97d918f87",
            ),
        ),
        folder="food-101",
        holds="images, meta/train.json and meta/test.json",
        fits=_fits,
    ),
    sizes=_sizes,
    listing=_list,
    given=True,
    exact=False,
    named=False,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
