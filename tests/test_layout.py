"""What folders of images are taken for: rightly, or refused; never otherwise."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _files, _layout, _names, _pattern, _split_names
from backbench.datasets._folders import Asked, Parts
from backbench.schema import ConfigError

JPEG = b"\xff\xd8\xff"


def lay(root: Path, *places: str, content: bytes = JPEG) -> Path:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def spread(*folders: str, n: int = 2) -> list[str]:
    return [f"{folder}/{number}.jpg" for folder in folders for number in range(n)]


def meaning(root: Path, **asked) -> dict[tuple[str, str | None], int]:
    """Images by part and class."""
    listing = _layout.read(root, Asked(**asked))
    return dict(Counter((PARTS[entry.part], entry.label) for entry in listing.entries))


TRAIN_TEST = {("train", "ant"): 2, ("train", "bee"): 2, ("test", "ant"): 2, ("test", "bee"): 2}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("train", "val"),
        ("train", "valid"),
        ("Training", "Testing"),
        ("TRAIN", "TEST"),
        ("tRaIn", "sEg_tEsT"),
        ("seg_train", "seg_test"),
        ("train2017", "val2017"),
        ("train_images", "test_images"),
        ("trainImages", "testImages"),
        ("trainset", "testset"),
        ("data-train", "data-dev"),
        ("trainval", "test"),
        ("train", "evaluation"),
        ("my training set", "my holdout set"),
        ("train", "tests"),
        ("train", "evalset"),
        ("train", "devel"),
    ],
)
def test_two_parts_of_any_name(tmp_path, train, test):
    lay(tmp_path, *spread(*(f"{part}/{name}" for part in (train, test) for name in ("ant", "bee"))))
    assert meaning(tmp_path) == TRAIN_TEST
    listing = _layout.read(tmp_path)
    assert listing.given and not listing.apart
    assert listing.understood[0].startswith("2 splits (train 4, ") and "2 classes" in listing.understood[1]


def test_three_parts_and_what_lies_beside_them(tmp_path):
    lay(tmp_path, *spread(*(f"{part}/{name}" for part in ("train", "val", "test") for name in ("ant", "bee"))))
    lay(
        tmp_path,
        "docs/x.png",
        "unlabeled/1.jpg",
        "@eaDir/thumb.jpg",
        "README.md",
        ".DS_Store",
        "LICENSE",
        content=b"text",
    )
    listing = _layout.read(tmp_path)
    assert meaning(tmp_path) == {**TRAIN_TEST, ("validation", "ant"): 2, ("validation", "bee"): 2}
    assert listing.left_out == {
        "@eaDir/": _names.SYSTEM,
        "LICENSE": _names.DOCUMENT,
        "README.md": _names.DOCUMENT,
        "docs/x.png": "outside the splits",
        "unlabeled/1.jpg": "outside the splits",
    }
    assert listing.understood == ("3 splits (train 4, validation 4, test 4)", "2 classes from folder names")


def test_eval_is_the_test_part_unless_there_is_one(tmp_path):
    lay(tmp_path, *spread("train/a", "train/b", "eval/a", "eval/b", "test/a"))
    assert meaning(tmp_path)["validation", "a"] == 2
    assert _split_names.of_names(["train", "val", "eval"]) == {"train": TRAIN, "val": VALIDATION, "eval": TEST}


def test_parts_that_wrap_themselves(tmp_path):
    """As a well-known collection of landscapes is packed, with a part of predictions that has no classes."""
    lay(tmp_path, *spread("seg_train/seg_train/ant", "seg_train/seg_train/bee", "seg_test/seg_test/ant"))
    lay(tmp_path, *spread("seg_test/seg_test/bee", "seg_pred/seg_pred"))
    assert meaning(tmp_path) == TRAIN_TEST


def test_parts_within_classes(tmp_path):
    lay(tmp_path, *spread(*(f"{name}/{part}" for part in ("train", "test") for name in ("ant", "bee"))))
    lay(tmp_path, "ant/ground_truth/1.png")
    assert meaning(tmp_path) == TRAIN_TEST
    assert _layout.read(tmp_path).left_out == {"ant/ground_truth/1.png": "outside the splits"}


def test_one_class_in_each_part(tmp_path):
    lay(tmp_path, *spread("train/cats", "test/cats"))
    assert meaning(tmp_path) == {("train", "cats"): 2, ("test", "cats"): 2}


def test_parts_without_classes(tmp_path):
    lay(tmp_path, *spread("train", "test"))
    assert meaning(tmp_path) == {("train", None): 2, ("test", None): 2}


@pytest.mark.parametrize("wrapper", ["", "data/", "a/b/c/"])
@pytest.mark.parametrize("beside", [(), ("README.txt",), ("notes.pdf", "Thumbs.db", "clip.mp4")])
def test_wrappers_are_entered(tmp_path, wrapper, beside):
    lay(tmp_path, *spread(f"{wrapper}ant", f"{wrapper}bee"), *beside)
    assert meaning(tmp_path) == {("train", "ant"): 2, ("train", "bee"): 2}
    listing = _layout.read(tmp_path)
    assert listing.below == wrapper.rstrip("/") and listing.entries[0].path == "ant/0.jpg"
    assert len(listing.left_out) == len(beside), "what lies beside a wrapper is recorded"
    assert all(path.startswith("../") for path in listing.left_out) or not wrapper


def test_one_folder_is_one_class(tmp_path):
    assert meaning(lay(tmp_path, *spread("holiday"))) == {("train", "holiday"): 2}


@pytest.mark.parametrize("name", ["train", "images", "JPEGImages", "DCIM", "100CANON"])
def test_a_folder_that_is_called_after_all_images_is_no_class(tmp_path, name):
    assert meaning(lay(tmp_path, *spread(name))) == {("train", None): 2}


@pytest.mark.parametrize(
    "folders",
    [
        ("2023/01", "2023/02", "2024/01"),
        ("2023/01", "2023/02"),
        ("2023/2023-01-05", "2024/2024-07-30"),
        ("2024/7/30", "2024/8/1"),
        ("2023/January", "2023/February"),
        ("2023/01 - January", "2023/02 - February"),
        ("2023/05-01-2023", "2023/06-01-2023"),
        ("2023/Januar", "2023/März"),
        ("2022/Winter", "2023/Summer", "2023/Q3"),
        ("100CANON", "101CANON"),
        ("DCIM/100APPLE", "DCIM/101APPLE"),
        ("101MSDCF", "102_PANA"),
    ],
)
def test_dates_and_camera_folders_are_no_classes(tmp_path, folders):
    assert meaning(lay(tmp_path, *spread(*folders))) == {("train", None): 2 * len(folders)}
    place = 1 if len({folder.split("/")[0] for folder in folders}) == 1 else 0
    assert {label for _, label in meaning(tmp_path, labels="folders")} == {
        folder.split("/")[place] for folder in folders
    }, "of each folder at the first level that has several"


def test_digits_and_numbered_names_are_classes(tmp_path):
    names = [str(digit) for digit in range(10)]
    assert {label for _, label in meaning(lay(tmp_path / "digits", *spread(*names)))} == set(names)
    birds = ["001.Albatross", "002.Auklet", "001_BIRD"]
    assert {label for _, label in meaning(lay(tmp_path / "birds", *spread(*birds)))} == set(birds)
    assert set(meaning(lay(tmp_path / "vehicles", *spread("bus", "car", "train")))) == {
        ("train", "bus"),
        ("train", "car"),
        ("train", "train"),
    }


AMBIGUOUS = {
    "a folder of the classes beside train and val": (
        "train/ant",
        "train/bee",
        "val/ant",
        "val/bee",
        "te/ant",
        "te/bee",
    ),
    "days of a country that puts the month first": ("12-30-2023", "12-31-2023"),
    "days in words": ("January 5, 2023", "January 6, 2023"),
    "seasons": ("Summer 2023", "Winter 2022"),
    "quarters": ("2023Q1", "2023Q2"),
    "masks in two words": ("imgs", "gt_masks"),
    "small copies": ("images", "thumbnails"),
    "classes beside a program": ("ant", "bee", "node_modules", "venv"),
    "years": ("2021", "2022"),
    "albums": ("2021 Summer", "2022-05 Rome"),
    "several images of a part": ("trainA", "trainB", "testA", "testB"),
    "flat parts beside a folder": ("train", "test", "docs"),
    "folders alike": ("fold1/ant", "fold1/bee", "fold2/ant", "fold2/bee"),
    "folders alike, one with more": ("a/ant", "a/bee", "a/cow", "b/ant", "b/bee"),
    "two views of each class": ("ant/left", "ant/right", "bee/left", "bee/right"),
    "folders alike beside docs": ("photo/ant", "photo/bee", "sketch/ant", "sketch/bee", "docs"),
    "folders alike that are wrapped": ("amazon/images/ant", "amazon/images/bee", "dslr/images/ant", "dslr/images/bee"),
    "classes again in a folder beside them": ("ant", "bee", "all_ants_bees/ant", "all_ants_bees/bee"),
    "a split beside a folder": ("data/data/train/ant", "data/data/val/ant", "demo/demo"),
    "a split beside classes": ("ant/train", "ant/test", "bee"),
    "a split and a copy of it": ("a/train/x", "a/train/y", "a/val/x", "b/a/train/x", "b/a/train/y", "b/a/val/x"),
    "folds of splits": ("fold0/train/x", "fold0/train/y", "fold0/val/x", "fold0/val/y")
    + ("fold1/train/x", "fold1/train/y", "fold1/val/x", "fold1/val/y"),
    "data beside docs": ("data/ant", "data/bee", "docs"),
    "classes beside docs": ("ant", "bee", "docs"),
    "pieces": ("HAM10000_images_part_1", "HAM10000_images_part_2"),
    "pieces that wrap": ("images_001/images", "images_002/images"),
    "folds": ("fold1", "fold2", "fold3"),
    "pieces of a part": ("train_1", "train_2"),
    "parts without a training part": ("val", "test"),
    "months": ("Jan", "Feb", "Mar"),
    "days": ("05.01.2023", "06.01.2023 Rome"),
    "years beside other names": ("2019", "2020", "misc"),
    "albums of a service": ("Photos from 2019", "Photos from 2020", "Rome"),
    "folders of a telephone": ("Camera", "Screenshots", "WhatsApp Images"),
    "a camera folder beside those of a telephone": ("DCIM/100ANDRO", "DCIM/Camera"),
    "years in a folder": ("data/1990", "data/1991"),
    "a test part of unknown images": ("train/ant", "train/bee", "test/unknown"),
    "names that happen to hold those of parts": ("train station", "test tube"),
    "a library of photographs": ("originals/0", "originals/F", "resources"),
    "masks": ("images", "masks"),
    "masks in parts": ("train/images", "train/masks", "test/images", "test/masks"),
    "masks of parts": ("images/train", "images/val", "masks/train", "masks/val"),
    "a lone part": ("train/ant", "train/bee", "docs"),
    "a lone part beside deep folders": ("train/ant", "train/bee", "notebooks/x", "notebooks/y"),
    "a lone part and unlabelled images": ("train", "unlabeled"),
    "a part without classes": ("train/ant", "train/bee", "test"),
}


@pytest.mark.parametrize("folders", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_mean_two_things_is_refused_with_what_to_type(tmp_path, folders):
    lay(tmp_path, *spread(*folders))
    with pytest.raises(ConfigError, match="which can mean") as refused:
        _layout.read(tmp_path)
    typed = re.findall(r"dataset\.\S+", str(refused.value))
    assert len(typed) >= 2
    for words in str(refused.value).splitlines()[1:]:
        assert _readable(tmp_path, words), words


def _readable(root: Path, words: str) -> bool:
    """Whether what a refusal says to type is read without another one."""
    asked: dict = {}
    for word in shlex.split(words.rpartition(": ")[2].replace("dataset.csv=PATH", "")):
        key, _, value = word.removeprefix("dataset.").partition("=")
        if key == "root":
            root = Path(value)
        elif key.startswith("parts."):
            asked.setdefault("parts", {})[key.removeprefix("parts.")] = tuple(value.strip("[]").split(","))
        elif key in ("labels", "loose"):
            asked[key] = value
    if "parts" in asked:
        asked["parts"] = Parts(**asked["parts"])
    return bool(_layout.read(root, Asked(**asked)).entries) if asked or "root" in words else True


def test_examples_of_parts_are_in_the_order_of_their_names(tmp_path):
    lay(tmp_path, *spread("first/ant", "first/bee", "train/ant", "train/bee"))
    with pytest.raises(ConfigError, match=r"'dataset\.parts\.train=\[train\]' 'dataset\.parts\.test=\[first\]'"):
        _layout.read(tmp_path)


def test_names_of_classes_with_a_word_of_masks_or_years_are_classes(tmp_path):
    for place, names in (("a", ["mask", "picture frame", "sofa"]), ("b", ["Audi A5 2012", "BMW M3 2010"])):
        assert {label for _, label in meaning(lay(tmp_path / place, *spread(*names)))} == set(names)


def test_a_folder_named_for_images_within_a_part_is_no_class(tmp_path):
    lay(tmp_path / "a", *spread("train/images", "valid/images", "test/images"), "train/labels/0.txt")
    assert meaning(tmp_path / "a") == {("train", None): 2, ("validation", None): 2, ("test", None): 2}
    lay(tmp_path / "b", *spread("train/images/ant", "val/images/ant"))
    assert meaning(tmp_path / "b") == {("train", "ant"): 2, ("test", "ant"): 2}
    lay(tmp_path / "c", *spread("train/ant/images", "train/bee/images", "val/images"))
    with pytest.raises(ConfigError, match="val has no classes and is left out"):
        _layout.read(tmp_path / "c")
    assert meaning(lay(tmp_path / "d", *spread("VOC/VOC2012/JPEGImages"))) == {("train", None): 2}


@pytest.mark.parametrize("name", ["test-dev", "testdev2017", "held-out", "hold_out", "HeldOut"])
def test_names_of_the_test_part(name):
    assert _split_names.of_name(name) == (None if name == "testdev2017" else TEST)


def test_no_labels_hold_in_named_parts(tmp_path):
    lay(tmp_path, *spread("a/ant", "a/bee", "b/ant", "b/bee"))
    parts = Parts(train=("a",), test=("b",))
    assert meaning(tmp_path, labels="none", parts=parts) == {("train", None): 4, ("test", None): 4}


def test_what_a_refusal_says_to_type_is_what_was_meant(tmp_path):
    lay(tmp_path / "years", *spread("data/1990", "data/1991"))
    assert meaning(tmp_path / "years", labels="folders") == {("train", "1990"): 2, ("train", "1991"): 2}
    lay(tmp_path / "again", *spread("ant", "bee", "set/ant", "set/bee"))
    with pytest.raises(ConfigError, match=r"dataset\.labels=folders 'dataset\.classes=\[ant,bee\]'"):
        _layout.read(tmp_path / "again")
    lay(tmp_path / "blanks", *spread("my site/ant", "my site/bee", "other/ant", "other/bee"))
    with pytest.raises(ConfigError, match=r"'dataset\.parts\.train=\[my site\]' 'dataset\.parts\.test=\[other\]'"):
        _layout.read(tmp_path / "blanks")


@pytest.mark.parametrize("folders", [("photos/ant", "photos/bee"), ("data/train/ant", "data/test/ant")])
def test_a_picture_beside_the_folder_that_counts_is_refused_or_left_out(tmp_path, folders):
    lay(tmp_path, *spread(*folders), "preview.jpg")
    with pytest.raises(ConfigError, match="holds 1 image beside"):
        _layout.read(tmp_path)
    listing = _layout.read(tmp_path, Asked(loose="exclude"))
    assert {entry.label for entry in listing.entries} == {folder.split("/")[-1] for folder in folders}
    assert listing.left_out == {"../preview.jpg": "beside the class folders"} and len(listing.entries) == 4


def test_loose_pictures_among_dates_are_left_out_only_if_asked(tmp_path):
    lay(tmp_path, *spread("2023/01", "2024/02"), "cover.jpg")
    assert meaning(tmp_path) == {("train", None): 5}
    assert meaning(tmp_path, loose="exclude") == {("train", None): 4}


def test_folders_that_make_up_one_part_are_named(tmp_path):
    lay(tmp_path, *spread(*(f"{part}/{name}" for part in ("Training", "PublicTest", "PrivateTest") for name in "ab")))
    assert _layout.read(tmp_path).understood[1] == "test is PrivateTest and PublicTest"


def test_parts_without_a_class_in_common_are_announced(tmp_path):
    lay(tmp_path, *spread("train/cat", "train/dog", "val/cats", "val/dogs"))
    assert _layout.read(tmp_path).understood[-1] == "none of the classes of val is in the training split"


def test_folders_by_the_first_digits_of_identifiers_are_refused(tmp_path):
    lay(tmp_path / "shards", "0/0A1B2C3D4E5F6071.jpg", "F/F0a1b2c3-d4e5-6071.jpg")
    with pytest.raises(ConfigError, match="first digits of the file names"):
        _layout.read(tmp_path / "shards")
    lay(tmp_path / "digits", "0/0_17.jpg", "1/1_4.jpg")
    assert meaning(tmp_path / "digits") == {("train", "0"): 1, ("train", "1"): 1}


@pytest.mark.parametrize("wrapper", ["", "data/", "a/b/"])
def test_parts_stay_parts_where_names_of_files_tell_the_classes(tmp_path, wrapper):
    lay(tmp_path, *(f"{wrapper}{part}/{name}_1.jpg" for part in ("train", "val") for name in ("ant", "bee")))
    listing = _pattern.read(tmp_path, "^(?P<label>[a-z]+)_")
    assert listing.given
    assert Counter((PARTS[entry.part], entry.label) for entry in listing.entries) == dict.fromkeys(TRAIN_TEST, 1)


def test_named_parts(tmp_path):
    lay(tmp_path, *spread("fold1/ant", "fold1/bee", "fold2/ant", "fold2/bee", "fold3/ant", "fold3/bee"))
    parts = Parts(train=("fold1", "fold2"), test=("fold3",))
    assert meaning(tmp_path, parts=parts) == {**TRAIN_TEST, ("train", "ant"): 4, ("train", "bee"): 4}
    listing = _layout.read(tmp_path, Asked(parts=parts))
    assert listing.given and listing.apart, "the paths do not tell these parts, so they count in the digest"
    one = _layout.read(tmp_path, Asked(parts=Parts(train=("fold1", "fold2"))))
    assert not one.given and len(one.entries) == 8 and len(one.left_out) == 4
    with pytest.raises(ConfigError, match="received fold9; allowed: the folders of"):
        _layout.read(tmp_path, Asked(parts=Parts(train=("fold9",))))
    with pytest.raises(ConfigError, match="received fold1 twice; name each folder once, in one split"):
        _layout.read(tmp_path, Asked(parts=Parts(train=("fold1", "fold2"), test=("fold1",))))
    with pytest.raises(ConfigError, match="no folder is the training split"):
        _layout.read(tmp_path, Asked(parts=Parts(test=("fold1",))))


@pytest.mark.parametrize("wrapper", ["", "data/"])
@pytest.mark.parametrize("folders", [("holiday",), ("ant", "bee"), ("train/a", "test/a"), ("2023/01", "2023/02", "x")])
def test_loose_images_are_refused_with_the_choice(tmp_path, wrapper, folders):
    """Beside one folder that itself lies in a folder, they are images of that folder's one class."""
    lay(tmp_path, *spread(*(wrapper + folder for folder in folders)), f"{wrapper}loose.jpg")
    if wrapper and folders == ("holiday",):
        assert meaning(tmp_path) == {("train", "data"): 3}
        return
    with pytest.raises(ConfigError, match=r"holds 1 image beside .* dataset\.loose=exclude.* dataset\.labels=none"):
        _layout.read(tmp_path)
    assert sum(meaning(tmp_path, labels="none").values()) == 2 * len(folders) + 1
    listing = _layout.read(tmp_path, Asked(loose="exclude"))
    assert listing.left_out == {"loose.jpg": "beside the class folders"}


def test_no_labels_ignores_folders(tmp_path):
    lay(tmp_path, *spread("train/ant", "val/ant"))
    assert meaning(tmp_path, labels="none") == {("train", None): 4}
    assert meaning(tmp_path, labels="folders") == {("train", "train"): 2, ("train", "val"): 2}


def test_classes_that_differ_in_case_alone_are_announced_and_refused_across_parts(tmp_path):
    lay(tmp_path / "one", *spread("Cat", "cat", "dog"))
    assert "differ only in case or blanks: Cat, cat" in _layout.read(tmp_path / "one").understood[0]
    lay(tmp_path / "two", *spread("train/Cat", "test/cat", "train/dog", "test/dog"))
    with pytest.raises(ConfigError, match="Cat, cat are the same class"):
        _layout.read(tmp_path / "two")
    asked = Asked(parts=Parts(train=("train",), test=("test",)))
    assert {entry.label for entry in _layout.read(tmp_path / "two", asked).entries} == {"Cat", "cat", "dog"}


@pytest.mark.parametrize(
    "name",
    [
        "@SynoResource/a.jpg",
        "@appstore/a.jpg",
        "Network Trash Folder/a.jpg",
        "Temporary Items/a.jpg",
        "2023 Previews.lrdata/a.jpg",
        "Desktop.ini",
        "_DS_Store",
        "ehthumbs.db",
        "Thumbs.db",
        "Icon\r",
        "Icon",
        "@eaDir/a.jpg",
        "#recycle/a.jpg",
        "$RECYCLE.BIN/a.jpg",
    ]
    + [".thumbnails/a.jpg", "__MACOSX/ant/a.jpg", "System Volume Information/x.jpg", ".Trash-1000/a.jpg"]
    + ["clip.MOV", "clip.mp4", "voice.m4a", "labels.csv", "IMG_1.AAE", "x.zip", "Ant/Thumbs.db", "ant/@eaDir/0.jpg"],
)
def test_videos_and_system_files_are_counted_and_are_no_classes(tmp_path, name):
    lay(tmp_path, *spread("ant", "bee"), name)
    assert meaning(tmp_path) == {("train", "ant"): 2, ("train", "bee"): 2}
    assert len(_layout.read(tmp_path).left_out) == 1


def test_a_folder_of_videos_alone_says_so(tmp_path):
    lay(tmp_path, "a.mp4", "b.mp4", "c.txt")
    with pytest.raises(ConfigError, match=r"holds no images; 3 passed over: a video \(2\), a document"):
        _layout.read(tmp_path)


# Random layouts with a known meaning

CLASSES = st.lists(
    st.sampled_from(["ant", "bee", "cow", "dog", "Katze", "mouse 2", "n01440764"]), min_size=2, unique=True
)
PART_NAMES = {
    TRAIN: ["train", "Training", "TRAIN", "seg_train", "train_set", "train2017", "images-train"],
    VALIDATION: ["val", "valid", "Validation", "dev", "seg_val", "val2017"],
    TEST: ["test", "Testing", "seg_test", "test_set", "Test Images"],
}
STRAYS = ["README.md", "@eaDir/x.jpg", "clip.mp4", "LICENSE", "labels.csv", "Thumbs.db", ".git/a.jpg", ".DS_Store"]
HIDDEN = STRAYS[-2:]


@st.composite
def layouts(draw):
    """Places of files and what they mean: a mapping of part and class to a number of images."""
    names = draw(CLASSES)
    present = draw(st.sampled_from([[], [TRAIN, TEST], [TRAIN, VALIDATION], [TRAIN, VALIDATION, TEST]]))
    folders = {part: draw(st.sampled_from(PART_NAMES[part])) for part in present}
    wrapper = draw(st.sampled_from(["", "data/", "my photos/all/"]))
    inside = draw(st.booleans())  # parts within classes
    places, means = [], Counter()
    for part in present or [TRAIN]:
        used = TEST if part == VALIDATION and TEST not in present else part
        for name in names:
            count = draw(st.integers(1, 3))
            way = [folders[part]] if present else []
            way = [name, *way] if inside else [*way, name]
            places += [f"{wrapper}{'/'.join(way)}/{number}.jpg" for number in range(count)]
            means[PARTS[used], name] += count
    strays = draw(st.lists(st.sampled_from(STRAYS), unique=True))
    beside = draw(st.sampled_from(["", wrapper]))
    return places, [beside + stray for stray in strays], dict(means)


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_random_layouts_are_understood_or_refused(tmp_path_factory, layout):
    places, strays, means = layout
    root = tmp_path_factory.mktemp("layout")
    lay(root, *places)
    lay(root, *strays, content=b"text")
    try:
        listing = _layout.read(root)
    except ConfigError as refused:
        assert "which can mean" in str(refused)
        return
    assert dict(Counter((PARTS[entry.part], entry.label) for entry in listing.entries)) == means
    assert all((root / listing.below / entry.path).is_file() for entry in listing.entries)
    assert len(listing.left_out) == sum(not stray.endswith(tuple(HIDDEN)) for stray in strays)


# The trees of docs/collections.md

PAGE = Path(__file__).parents[1] / "docs" / "collections.md"
TREES = re.findall(r"### (.+?)\n\n```tree\n(.+?)```\n\n```says\n(.+?)\n```", PAGE.read_text(), re.DOTALL)


def build(where: Path, text: str) -> Path:
    """The files of a tree; returns its root."""
    way: list[str] = []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        way = [*way[:depth], line.strip().rstrip("/")]
        path = where.joinpath(*way)
        if line.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(JPEG)
    return where / text.splitlines()[0].rstrip("/")


@pytest.mark.parametrize(("tree", "says"), [tree[1:] for tree in TREES], ids=[title for title, *_ in TREES])
def test_the_page_shows_what_is_said(tmp_path, tree, says):
    root = build(tmp_path, tree)
    try:
        answer = _files._sentence(root, _layout.read(root))
    except ConfigError as refused:
        answer = str(refused)
    assert answer.replace(f"{tmp_path}/", "") == says


def test_every_rule_has_a_tree():
    assert len(TREES) == PAGE.read_text().count("```tree") >= 14


def test_reasons_in_older_records_are_still_known():
    assert _files.passed_over("outside the parts of the split")
    assert _files.passed_over("its part in the table is none of train, validation and test")
