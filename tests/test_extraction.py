"""Rows of features do not know their company; and what becomes of a run whose memory or device is lost."""

import importlib.util
import logging
import threading

import networks
import numpy as np
import pytest
import yaml

from backbench import plugins
from backbench.backbones import _engine
from backbench.backbones._extractor import DeviceLost, OutOfMemory
from backbench.stage import Context
from backbench.stages import _extraction
from backbench.stages._partial import Partial

SIZE, LAST = 4, 3


def partial_of(folder, n, width):
    return Partial(folder, (n, width), "float32", "k", lambda done, total: None)


def rows_of(folder, extract, images, width, threads=1):
    with partial_of(folder, len(images), width) as partial:
        used = _extraction.run(partial, images, extract, SIZE, Context(threads=threads))
        assert used == {"device": "cpu", "batch_size": SIZE}
        return np.array(partial.array)


class Breaking:
    """An extractor that is broken off after some batches."""

    def __init__(self, extract, left):
        self.extract, self.left = extract, left
        self.lanes, self.device, self.one_shape = 1, extract.device, extract.one_shape

    def __call__(self, images):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.extract(images)


# ---------------------------------------------------------------------------------------------------- a contract

# Converting and compiling take long: a network of each kind there, every network in PyTorch.
CONVERTED, COMPILED = ("efficientnet_lite0", "mobilenet_v2", "timm"), ("timm",)
# In bfloat16 a network of convolutions and a transformer.
ROUNDED = ("efficientnet_lite0", "timm")
NEEDS_OPENVINO = pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="openvino is missing")
NEEDS_BFLOAT16 = pytest.mark.skipif(not _engine.native("bfloat16"), reason="the processor has no bfloat16")


def cases():
    for name in networks.names():
        yield name, "torch", "float32"
        if name in CONVERTED:
            yield pytest.param(name, "openvino", "float32", marks=NEEDS_OPENVINO)
        if name in ROUNDED:
            yield pytest.param(name, "openvino", "bfloat16", marks=[NEEDS_OPENVINO, NEEDS_BFLOAT16])
        if name in COMPILED:
            missing = pytest.mark.skipif(not _engine._compiler(), reason="there is no C++ compiler")
            yield pytest.param(name, "inductor", "float32", marks=[pytest.mark.thorough, missing])


@pytest.mark.parametrize(("name", "engine", "precision"), cases())
def test_a_row_does_not_know_its_company(name, engine, precision, tmp_path):
    """Alone, in other company, at another place, in another order, by two threads and after a break: the same bits."""
    if name in networks.OPTIONAL:
        pytest.importorskip(networks.OPTIONAL[name])
    module, params = networks.small(name, engine=engine, precision=precision)
    side, width = params.image.size, module.width(params)
    images = np.random.default_rng(0).integers(0, 256, (2 * SIZE + LAST, side, side, 3), np.uint8)
    extract, of_two = (module.open(params, Context(threads=threads)) for threads in (1, 2))
    whole = rows_of(tmp_path / "whole", extract, images, width)
    assert whole.dtype == np.float32 and np.isfinite(whole).all() and len(np.unique(whole, axis=0)) == len(images)

    def same(rows, taken, extract=extract, threads=1):
        computed = rows_of(tmp_path / f"{len(list(tmp_path.iterdir()))}", extract, rows, width, threads)
        np.testing.assert_array_equal(computed[taken], whole[: len(computed[taken])])

    same(images, slice(None), of_two, threads=2)
    same(images[::-1], slice(None, None, -1), of_two, threads=2)
    same(images[:1], slice(None))
    white = np.full((SIZE + 1, *images.shape[1:]), 255, np.uint8)
    same(np.concatenate([white, images[:2]]), slice(SIZE + 1, None))
    with pytest.raises(KeyboardInterrupt), partial_of(tmp_path / "broken", len(images), width) as partial:
        _extraction.run(partial, images, Breaking(extract, 1), SIZE, Context())
    with partial_of(tmp_path / "broken", len(images), width) as partial:
        assert partial.done == SIZE
        assert "mixed_batches" not in _extraction.run(partial, images, extract, SIZE, Context())
        np.testing.assert_array_equal(partial.array, whole)
    if engine != "inductor":
        np.testing.assert_allclose(extract(images), whole, atol=1e-5 * np.abs(whole).max(), rtol=0)


def grey(name, size, **changes):
    """A plugin without an engine, and the options of its YAML for grey images."""
    image = {"size": size, "mode": "L", "resize": "squash", "interpolation": "bilinear"}
    values = yaml.safe_load((networks.CONF / f"{name}.yaml").read_text()) | {"image": image} | changes
    return plugins.load("backbone", name), plugins.params("backbone", values)


@pytest.mark.parametrize("name", ["autoencoder", "conv_autoencoder"])
def test_neither_does_the_code_of_an_autoencoder(name, tmp_path):
    module, params = grey(name, size=8, epochs=1)
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
    context = Context(scratch=tmp_path / "training")
    extract, _ = module.fit(params, images, np.arange(40), np.arange(40, 60), context)
    whole = rows_of(tmp_path / "whole", extract, images, module.width(params))
    for first, last in ((0, 1), (5, 6), (7, 60)):
        part = rows_of(tmp_path / f"{first}", extract, images[first:last], module.width(params))
        np.testing.assert_array_equal(part, whole[first:last])


# ---------------------------------------------------------------------------------------------------- the size


def lite(size, engine):
    image = {"size": size, "mode": "RGB", "resize": "squash", "shorter": None, "interpolation": "bilinear"}
    values = {"name": "efficientnet_lite0", "image": image, "weights": "random", "weights_seed": 0, "engine": engine}
    return plugins.params("backbone", values)


@pytest.mark.parametrize(
    ("size", "engine", "device", "expected"),
    [
        (224, "openvino", "cpu", 4),
        (96, "openvino", "cpu", 4),
        (64, "openvino", "cpu", 8),
        (224, "torch", "cpu", 4),
        (96, "torch", "cpu", 32),
        (96, "inductor", "cpu", 32),
        (16, "torch", "cpu", 32),
        (224, "torch", "cuda", 256),
        (384, "torch", "cuda:1", 64),
        (1024, "inductor", "cuda", 32),
        (32, "torch", "cuda", 1024),
    ],
)
def test_the_size_of_a_batch_follows_from_the_images(size, engine, device, expected):
    module = plugins.load("backbone", "efficientnet_lite0")
    assert _extraction.batch_of(module, lite(size, engine), Context(device=device)) == expected
    assert _extraction.batch_of(module, lite(size, engine), Context(device=device, batch_size=7)) == 7


@pytest.mark.parametrize(("name", "expected"), [("pixels", 1024), ("autoencoder", 512), ("conv_autoencoder", 128)])
def test_without_an_engine_it_is_the_plugins_own(name, expected):
    module, params = grey(name, size=28)
    for device in ("cpu", "cuda"):
        assert _extraction.batch_of(module, params, Context(device=device)) == expected


# ---------------------------------------------------------------------------------------------------- the run


class Device:
    """An extractor of one number a row, with room for `room` images, and for `later` after so many batches."""

    one_shape, device = True, "cuda"

    def __init__(self, room=10**9, later=None, after=10**9, lost_after=None, lanes=2):
        self.lanes, self.room, self.later, self.after, self.lost_after = lanes, room, later, after, lost_after
        self.sizes, self.guard = [], threading.Lock()

    def __call__(self, images):
        with self.guard:
            if len(images) > (self.room if len(self.sizes) < self.after else self.later):
                raise OutOfMemory("CUDA out of memory")
            if self.lost_after is not None and len(self.sizes) >= self.lost_after:
                raise DeviceLost("CUDA error: unspecified launch failure")
            self.sizes.append(len(images))
        return images.reshape(len(images), -1)[:, :1].astype(np.float32)


def ran(tmp_path, extract, n=4000, size=8):
    images = (np.arange(n) % 256).astype(np.uint8).reshape(n, 1, 1, 1)
    with partial_of(tmp_path / "p", n, 1) as partial:
        used = _extraction.run(partial, images, extract, size, Context(device="cuda"))
        np.testing.assert_array_equal(partial.array[:, 0], images[:, 0, 0, 0])
        assert _extraction.mixed(partial) == ("mixed_batches" in used)
    return used


def test_all_batches_have_one_shape(tmp_path):
    device = Device()
    assert ran(tmp_path, device, n=1003, size=50) == {"device": "cuda", "batch_size": 50}
    assert device.sizes == [50] * 21, "filled up by at most one batch"


def test_what_does_not_ask_for_one_shape_gets_no_surplus_images(tmp_path):
    sizes = []

    def extract(images):
        sizes.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32)

    assert ran(tmp_path, extract, n=1003, size=50) == {"device": "cpu", "batch_size": 50}
    assert sum(sizes) == 1003 and sizes[-1] == 3


def test_no_memory_from_the_start_halves_all_batches(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    device = Device(room=30)
    assert ran(tmp_path, device, n=1000, size=200) == {"device": "cuda", "batch_size": 25}
    assert device.sizes == [25] * 40
    assert "not enough memory for 200 images at once, continuing with 100" in caplog.text


def test_no_memory_soon_after_the_start_computes_all_rows_again(tmp_path):
    device = Device(later=30, after=5, lanes=1)
    assert ran(tmp_path, device, n=4000, size=40) == {"device": "cuda", "batch_size": 20}
    assert device.sizes == [40] * 5 + [20] * 200


def test_no_memory_midway_is_reported(tmp_path):
    device = Device(later=30, after=60, lanes=1)
    used = ran(tmp_path, device, n=4000, size=40)
    assert used == {"device": "cuda", "batch_size": 20, "mixed_batches": True}
    assert device.sizes == [40] * 60 + [20] * 80


def test_rows_of_a_halved_batch_are_resumed_in_their_shape(tmp_path):
    with pytest.raises(DeviceLost):
        ran(tmp_path, Device(room=30, lost_after=50, lanes=1), size=40)
    device = Device()
    assert ran(tmp_path, device, size=40) == {"device": "cuda", "batch_size": 20}
    assert device.sizes == [20] * 150


def test_rows_of_several_shapes_stay_so_after_a_break(tmp_path):
    with pytest.raises(DeviceLost):
        ran(tmp_path, Device(later=30, after=60, lost_after=70, lanes=1), size=40)
    assert ran(tmp_path, Device(), size=40) == {"device": "cuda", "batch_size": 20, "mixed_batches": True}


def test_rows_of_another_size_are_mixed(tmp_path):
    with pytest.raises(DeviceLost):
        ran(tmp_path, Device(lost_after=50, lanes=1), size=40)
    assert ran(tmp_path, Device(), size=8) == {"device": "cuda", "batch_size": 8, "mixed_batches": True}


def test_no_room_for_one_image_is_a_lost_device(tmp_path):
    with pytest.raises(DeviceLost, match="not enough memory for a single image"):
        ran(tmp_path, Device(room=0))


def test_what_a_lost_device_had_done_is_kept(tmp_path):
    with pytest.raises(DeviceLost):
        ran(tmp_path, Device(lost_after=5, lanes=1), size=100)
    device = Device()
    ran(tmp_path, device, size=100)
    assert sum(device.sizes) == 3500
