"""The stages of the dataset plugins: what is stored, and found again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import FOLDER, digest_of, paint
from PIL import Image

from backbench.images import decoding, preparing
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import images as images_stage
from backbench.store import Store

pytestmark = pytest.mark.usefixtures("own_results")


def store_stage(store, module, kind, config, refs, scratch):
    member = Member(kind[0] * 64, config)
    (outcome,) = module.compute([member], Inputs(store, refs), Context(threads=2, scratch=scratch))
    assert outcome.failure is None
    store.write(kind, member.hash, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
    return kind, member.hash


IMAGE = {"size": 8, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}


def test_the_stages_of_a_folder(folder, tmp_path):
    store, config = Store(tmp_path / "store"), {**FOLDER, "root": str(folder), "digest": digest_of(folder)}
    source = store_stage(store, dataset_stage, "dataset", config, {}, tmp_path)
    info = store.read(*source)["info"]
    assert info["n"] == 30 and info["counts"] == {"train": 18, "validation": 6, "test": 6}
    assert info["classes"] == ["class0", "class1", "class2"] and len(info["files"]) == 30
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="which is gone"):
        store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")
    digest_of(moved)
    decoded = store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")
    images = store.array(*decoded, "images")
    for row, file in enumerate(info["files"]):
        expected = Image.open(moved / file).resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], np.asarray(expected))
    assert not (tmp_path / "scratch").exists()
    paint(moved / "class1" / "01.png", 99)
    with pytest.raises(decoding.Unreadable, match="has changed since"):
        store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")


def test_resizing():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 30), np.uint8)
    grey = preparing.resize(Image.fromarray(pixels), preparing.Policy(10, "RGB", "crop", "bilinear"))
    np.testing.assert_array_equal(grey, np.repeat(pixels[:, 10:20, None], 3, axis=2))
    same = preparing.resize(Image.fromarray(pixels), preparing.Policy(30, "L", "squash", "nearest"))
    np.testing.assert_array_equal(same[..., 0], np.repeat(pixels, 3, axis=0))
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8))
    assert preparing.resize(colour, preparing.Policy(4, "L", "squash", "bicubic")).shape == (4, 4, 1)
