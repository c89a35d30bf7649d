"""Images as their owner knows them: whole, upright, in their own proportions, and there when their files are not."""

import numpy as np
import pytest
from pictures import scene
from PIL import Image
from sweeping import computed, rows_of

from backbench import paths
from backbench.pictures.source import Source
from backbench.store import Store

# Width and height of each painted file, and those that its thumbnail has.
SIZES = {
    "a_wide.jpg": ((900, 300), (360, 120)),
    "b_tall.jpg": ((200, 800), (45, 180)),
    "c_small.png": ((28, 20), (28, 20)),
    "d_middle.png": ((120, 90), (120, 90)),
    "e_turned.jpg": ((300, 900), (360, 120)),
}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def source(tmp_path):
    """A run over files of many sizes, one of which says that it lies on its side."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (name, (size, _)) in enumerate(SIZES.items()):
        exif = Image.Exif()
        exif[0x0112] = 6 if "turned" in name else 1
        scene(number, size).save(folder / name, exif=exif)
    plan = computed(
        "experiment=none", "backbone=pixels", "k=2", "classifier=none", f"dataset.root={folder}", "dataset=folder"
    )
    return Source(rows_of(plan)[0], Store(paths.store()))


def test_each_fits_the_box_upright_and_in_its_own_proportions(source):
    rows = {name: row for row, name in enumerate(source.info("dataset")["files"])}
    assert list(rows) == list(SIZES)
    sizes = {name: source.thumbnails.thumbnail(row) for name, row in rows.items()}
    assert {name: (image.width, image.height) for name, image in sizes.items()} == {
        name: small for name, (_, small) in SIZES.items()
    }
    assert [image.format for image in sizes.values()] == ["webp", "webp", "png", "webp", "webp"]
    assert [image.shape[:2] for image in source.shown(range(5))] == [small[::-1] for _, small in SIZES.values()]


def test_small_images_keep_every_pixel(source, tmp_path):
    with Image.open(tmp_path / "photos" / "c_small.png") as image:
        assert np.array_equal(source.shown([2])[0], np.asarray(image))


def test_what_was_seen_once_needs_no_file_and_what_is_lost_is_none(source, tmp_path):
    first = source.thumbnails.thumbnail(0)
    (tmp_path / "photos" / "a_wide.jpg").unlink()
    scene(9, (50, 50)).save(tmp_path / "photos" / "b_tall.jpg")
    again = Source(source.row, source.store).thumbnails
    assert again.thumbnail(0) == first
    assert again.thumbnail(1) is None, "the file has changed"
    for kept in (paths.results() / "reports" / "thumbnails").iterdir():
        kept.write_bytes(b"damaged")
    assert again.thumbnail(0) is None
    assert again.thumbnail(3) is not None
