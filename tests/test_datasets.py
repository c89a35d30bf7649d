"""The stages of the dataset plugins: what is stored, and found again."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import FOLDER, digest_of, paint
from PIL import Image

from backbench.images import decoding, preparing
from backbench.images.policy import Image as Policy
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import pixels
from backbench.store import Store

pytestmark = pytest.mark.usefixtures("own_results")


IMAGE = {"size": 8, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}


def test_a_folder_is_stored_and_its_images_are_found(folder, tmp_path):
    store, config = Store(tmp_path / "store"), {**FOLDER, "root": str(folder), "digest": digest_of(folder)}
    inputs = Inputs(store, {"dataset": ("dataset", "d" * 64)})
    (outcome,) = dataset_stage.compute([Member("d" * 64, config)], Inputs(store, {}), Context(threads=2))
    assert outcome.failure is None
    store.write("dataset", outcome.hash, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
    info = inputs.info("dataset")
    assert info["n"] == 30 and info["counts"] == {"train": 18, "validation": 6, "test": 6}
    assert info["classes"] == ["class0", "class1", "class2"] and len(info["files"]) == 30
    digests = [hashlib.sha256((folder / file).read_bytes()).digest() for file in info["files"]]
    assert inputs.array("dataset", "file_digests").tobytes() == b"".join(digests)
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="which no longer exists"):
        pixels.Prepared(inputs, Policy(**IMAGE))[0]
    digest_of(moved)
    images = pixels.Prepared(inputs, Policy(**IMAGE))
    for row, file in enumerate(info["files"]):
        expected = Image.open(moved / file).resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], np.asarray(expected))
    paint(moved / "class1" / "01.png", 99)
    with pytest.raises(decoding.Unreadable, match="has changed since"):
        images[:]


def test_resizing():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 30), np.uint8)
    grey = preparing.resize(Image.fromarray(pixels), Policy(10, "RGB", "crop", "bilinear"))
    np.testing.assert_array_equal(grey, np.repeat(pixels[:, 10:20, None], 3, axis=2))
    same = preparing.resize(Image.fromarray(pixels), Policy(30, "L", "squash", "nearest"))
    np.testing.assert_array_equal(same[..., 0], np.repeat(pixels, 3, axis=0))
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8))
    assert preparing.resize(colour, Policy(4, "L", "squash", "bicubic")).shape == (4, 4, 1)
