"""Caltech-101: 8,677 photographs of 101 categories, and 467 others (``BACKGROUND_Google``).

Source: Fei-Fei, Fergus and Perona, "Learning generative visual models from few training examples", CVPR Workshop 2004
(CC BY 4.0). ``subset=51`` is the collection of a published clustering and retrieval system: the first 50 categories by
name and ``BACKGROUND_Google``, 5,163 photographs. With ``background=false``, 4,696 in 50 folders remain, on which the
same authors also report.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backbench.datasets import TRAIN, _known_files, _listing
from backbench.datasets._classes import Sizes
from backbench.datasets._known import Known, Original
from backbench.datasets._known_files import FileCollection
from backbench.datasets._listing import Entry, Listing
from backbench.schema import ConfigError

UNHASHED = ("root", "archive")
BACKGROUND = "BACKGROUND_Google"
BACKGROUND_IMAGES = 467
FOLDER = "101_ObjectCategories"

FIRST_50 = """
    accordion:55 airplanes:800 anchor:42 ant:42 barrel:47 bass:54 beaver:46 binocular:33 bonsai:128 brain:98
    brontosaurus:43 buddha:85 butterfly:91 camera:50 cannon:43 car_side:123 ceiling_fan:47 cellphone:59 chair:62
    chandelier:107 cougar_body:47 cougar_face:69 crab:73 crayfish:70 crocodile:50 crocodile_head:51 cup:57
    dalmatian:67 dollar_bill:52 dolphin:65 dragonfly:68 electric_guitar:75 elephant:64 emu:53 euphonium:64 ewer:85
    Faces:435 Faces_easy:435 ferry:67 flamingo:67 flamingo_head:45 garfield:34 gerenuk:34 gramophone:51
    grand_piano:99 hawksbill:100 headphone:42 hedgehog:54 helicopter:88 ibis:80
"""
OTHERS = """
    inline_skate:31 joshua_tree:64 kangaroo:86 ketch:114 lamp:61 laptop:81 Leopards:200 llama:78 lobster:41 lotus:66
    mandolin:43 mayfly:40 menorah:87 metronome:32 minaret:76 Motorbikes:798 nautilus:55 octopus:35 okapi:39
    pagoda:47 panda:38 pigeon:45 pizza:53 platypus:34 pyramid:57 revolver:82 rhino:59 rooster:49 saxophone:40
    schooner:63 scissors:39 scorpion:84 sea_horse:57 snoopy:35 soccer_ball:64 stapler:45 starfish:86 stegosaurus:59
    stop_sign:64 strawberry:35 sunflower:85 tick:49 trilobite:86 umbrella:75 watch:239 water_lilly:37 wheelchair:59
    wild_cat:34 windsor_chair:56 wrench:39 yin_yang:60
"""


@dataclass(frozen=True, kw_only=True)
class Params(_known_files.Params):
    """Options. `subset` is all categories or the published 51 folders.

    `background` says whether BACKGROUND_Google is a class; null: only with the 51 folders, as published.
    """

    subset: Literal["all", 51]
    background: bool | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.background is None:
            object.__setattr__(self, "background", self.subset == 51)


def _counts(text: str) -> dict[str, int]:
    return {name: int(count) for name, _, count in (word.partition(":") for word in text.split())}


def _sizes(params: Params) -> Sizes:
    """The official number of images of each chosen category."""
    sizes = _counts(FIRST_50) | (_counts(OTHERS) if params.subset == "all" else {})
    if params.background:
        sizes[BACKGROUND] = BACKGROUND_IMAGES
    return {(TRAIN, name): count for name, count in sizes.items()}


def _list(folder: Path, params: Params) -> Listing:
    wanted = {name for _, name in _sizes(params)}
    paths, skipped = _listing.walk(folder)
    missing = sorted(wanted - {path.parts[0] for path in paths})
    if missing:
        hint = " If this is the published half, give dataset.subset=51." if params.subset == "all" else ""
        raise ConfigError(f"{folder} lacks {len(missing)} of the categories: {', '.join(missing[:5])}, ...{hint}")
    entries = [
        Entry(str(path), path.parts[0], TRAIN) for path in paths if path.parts[0] in wanted and path.suffix == ".jpg"
    ]
    return _listing.ordered(entries, False, skipped)


def _fits(folder: Path) -> bool:
    return (folder / "accordion" / "image_0001.jpg").is_file()


COLLECTION = FileCollection(
    known=Known(
        title="Caltech-101",
        originals=(
            Original(
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                "3138e1922a9193bfa496528edbbc45d0",
            ),
        ),
        folder=f"caltech101/{FOLDER}",
        holds="a folder for each category",
        fits=_fits,
        inner=(f"{FOLDER}.tar.gz",),
    ),
    sizes=_sizes,
    listing=_list,
    given=False,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
