"""Oxford 102 Flowers: 8,189 photographs of 102 kinds, with official splits of 1,020, 1,020 and 6,149.

Source: Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes", ICVGIP 2008. Labels
and splits are in two MATLAB files, which are verified and read by scipy.
"""

from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, VALIDATION, _known_files, _listing
from backbench.datasets._classes import Sizes
from backbench.datasets._known import Known, Original, verify
from backbench.datasets._known_files import FileCollection
from backbench.datasets._listing import Entry, Listing

UNHASHED = ("root", "archive")
# In the order of the official numbers, as in torchvision's Flowers102.
NAMES = """
    pink primrose; hard-leaved pocket orchid; canterbury bells; sweet pea; english marigold; tiger lily; moon
    orchid; bird of paradise; monkshood; globe thistle; snapdragon; colt's foot; king protea; spear thistle;
    yellow iris; globe-flower; purple coneflower; peruvian lily; balloon flower; giant white arum lily; fire lily;
    pincushion flower; fritillary; red ginger; grape hyacinth; corn poppy; prince of wales feathers; stemless
    gentian; artichoke; sweet william; carnation; garden phlox; love in the mist; mexican aster; alpine sea holly;
    ruby-lipped cattleya; cape flower; great masterwort; siam tulip; lenten rose; barbeton daisy; daffodil; sword
    lily; poinsettia; bolero deep blue; wallflower; marigold; buttercup; oxeye daisy; common dandelion; petunia;
    wild pansy; primula; sunflower; pelargonium; bishop of llandaff; gaura; geranium; orange dahlia; pink-yellow
    dahlia?; cautleya spicata; japanese anemone; black-eyed susan; silverbush; californian poppy; osteospermum;
    spring crocus; bearded iris; windflower; tree poppy; gazania; azalea; water lily; rose; thorn apple; morning
    glory; passion flower; lotus; toad lily; anthurium; frangipani; clematis; hibiscus; columbine; desert-rose;
    tree mallow; magnolia; cyclamen; watercress; canna lily; hippeastrum; bee balm; ball moss; foxglove;
    bougainvillea; camellia; mallow; mexican petunia; bromelia; blanket flower; trumpet creeper; blackberry lily
"""
COUNTS = {TRAIN: 1020, VALIDATION: 1020, TEST: 6149}
SETS = {TRAIN: "trnid", VALIDATION: "valid", TEST: "tstid"}
LABELS = Original(
    "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/imagelabels.mat",
    "e0620be6f572b9609742df49c70aed4d",
    archive=False,
)
SETIDS = Original(
    "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/setid.mat",
    "a5357ecc9cb78c4bef273ce3793fc85c",
    archive=False,
)


@dataclass(frozen=True, kw_only=True)
class Params(_known_files.Params):
    """Options; see ``_known_files``."""


def names() -> list[str]:
    """The 102 kinds in their official order."""
    return [" ".join(name.split()) for name in NAMES.split(";")]


def _sizes(params: Params) -> Sizes:
    """The official splits, divided evenly among the kinds: their real sizes differ, but do not matter to planning."""
    return _known_files.even(COUNTS, names())


def _list(folder: Path, params: Params) -> Listing:
    from scipy.io import loadmat

    for original in (LABELS, SETIDS):
        verify(folder / original.name, original.md5)
    kinds = loadmat(folder / LABELS.name, squeeze_me=True)["labels"].tolist()
    sets, known = loadmat(folder / SETIDS.name, squeeze_me=True), names()
    entries = [
        Entry(f"jpg/image_{number:05d}.jpg", known[kinds[number - 1] - 1], part)
        for part, key in SETS.items()
        for number in sets[key].tolist()
    ]
    return _listing.ordered(entries, True, {}, apart=True)


def _fits(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("jpg", LABELS.name, SETIDS.name))


COLLECTION = FileCollection(
    known=Known(
        title="Oxford 102 Flowers",
        originals=(
            Original(
                "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz",
                "52808999861908f626f3c1f4e79d11fa",
            ),
            LABELS,
            SETIDS,
        ),
        folder="flowers-102",
        holds=f"jpg, {LABELS.name} and {SETIDS.name}",
        fits=_fits,
    ),
    sizes=_sizes,
    listing=_list,
    given=True,
    exact=False,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
