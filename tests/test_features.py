"""The features stage: resumable, complete, and independent of batches and threads."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from backbench import plugins
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import features as stage
from backbench.stages._partial import PROGRESS, ROWS, Partial
from backbench.store import Store

POLICY = {"size": 32, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
REFS = {"dataset": ("dataset", "d" * 64), "images": ("images", "e" * 64)}
RANDOM = {"name": "efficientnet_lite0", "weights": "random", "weights_seed": 5}


def put_images(store, n=200):
    images = np.random.default_rng(1).integers(0, 256, (n, 32, 32, 3), np.uint8)
    store.write("images", REFS["images"][1], {"config": POLICY, "info": {}}, {"images": images})
    return images


def extract(store, config, scratch, **options):
    member = Member("f" * 64, config)
    (outcome,) = (
        (o, o.arrays and np.array(o.arrays["features"]))
        for o in stage.compute([member], Inputs(store, REFS), Context(scratch=scratch, **options))
    )
    return outcome


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_pixels(store, tmp_path):
    images, seen = put_images(store), []
    outcome, found = extract(store, {"name": "pixels"}, tmp_path / "s", progress=lambda *now: seen.append(now))
    np.testing.assert_array_equal(found, images.reshape(200, -1) / np.float32(255))
    assert outcome.info["d"] == 3072 and outcome.info["engine"] == "numpy"
    assert seen[0] == (0, 200) and seen[-1] == (200, 200)
    assert not (tmp_path / "s").exists()


def test_what_is_recorded(store, tmp_path):
    put_images(store, 3)
    outcome, _ = extract(store, RANDOM, tmp_path / "s")
    speed = outcome.info["images_per_second"]
    assert outcome.info == {
        "d": 1280,
        "images_per_second": speed,
        "engine": "torch",
        "precision": "float32",
        "weights": "random",
        "weights_seed": 5,
    }
    assert speed > 0 and outcome.seconds > 0
    module = plugins.load("backbone", "efficientnet_lite0")
    config = {"name": "efficientnet_lite0", "weights": "imagenet", "weights_sha256": module.IMAGENET}
    assert extract(store, config, tmp_path / "s")[0].info["weights_sha256"] == module.IMAGENET
    with pytest.raises(ConfigError, match="was planned; plan again"):
        extract(store, {**config, "weights_sha256": "0" * 64}, tmp_path / "s")


def test_threads_change_nothing_and_batches_next_to_nothing(store, tmp_path):
    put_images(store)
    _, one = extract(store, RANDOM, tmp_path / "s")
    _, two = extract(store, RANDOM, tmp_path / "s", threads=2)
    np.testing.assert_array_equal(one, two)
    for size in (1, 7, 200, 1000):
        _, other = extract(store, RANDOM, tmp_path / "s", batch_size=size, threads=2)
        np.testing.assert_allclose(other, one, atol=1e-5 * np.abs(one).max(), rtol=0)


def test_features_that_are_not_finite_fail(store, tmp_path):
    import torch

    from backbench.backbones._efficientnet import untrained

    put_images(store, 40)
    network = untrained(0)
    with torch.no_grad():
        network._bn1.bias[:] = float("nan")
    torch.save(network.state_dict(), tmp_path / "nan.pth")
    module = plugins.load("backbone", "efficientnet_lite0")
    values = {"name": "efficientnet_lite0", "image": POLICY, "weights": str(tmp_path / "nan.pth"), "weights_seed": 0}
    config = {**values, **module.identity(plugins.params("backbone", values)), "weights": values["weights"]}
    del config["image"]
    outcome, _ = extract(store, config, tmp_path / "s")
    assert outcome.failure == "the features of image 0 are not finite" and not outcome.arrays


PROGRAM = """
import sys
from pathlib import Path
from backbench.stage import Context, Inputs, Member
from backbench.stages import _partial, features
from backbench.store import Store

store, scratch = Store(Path(sys.argv[1])), Path(sys.argv[2])
_partial.SAVE_SECONDS = 0.05
member = Member("f" * 64, {"name": "efficientnet_lite0", "weights": "random", "weights_seed": 5})
refs = {"dataset": ("dataset", "d" * 64), "images": ("images", "e" * 64)}
for outcome in features.compute([member], Inputs(store, refs), Context(scratch=scratch, batch_size=8)):
    store.write("features", outcome.hash, {"info": dict(outcome.info)}, outcome.arrays)
"""


@pytest.mark.slow
def test_a_killed_extraction_goes_on(store, tmp_path):
    put_images(store, 4000)
    _, expected = extract(store, RANDOM, tmp_path / "undisturbed", batch_size=8)
    scratch, store_root = tmp_path / "scratch", str(store.root)
    job = subprocess.Popen([sys.executable, "-c", PROGRAM, store_root, str(scratch)], env=dict(os.environ))
    while job.poll() is None and not (scratch / PROGRESS).exists():
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL, "it was to be killed midway"
    done = json.loads((scratch / PROGRESS).read_text())["stretches"][-1][0]
    assert 0 < done < 4000 and store.read("features", "f" * 64) is None
    seen = []
    _, found = extract(store, RANDOM, scratch, batch_size=8, progress=lambda *now: seen.append(now))
    assert seen[0] == (done, 4000)
    np.testing.assert_array_equal(found, expected)


def partial_of(folder, key="k", n=10):
    return Partial(folder, (n, 2), "float32", key, lambda done, total: None)


def filled(folder):
    with partial_of(folder) as partial:
        partial.append(np.ones((4, 2)))
        partial.save()
        partial.append(np.full((3, 2), 2))
    return folder


def test_a_partial_array_is_resumed(tmp_path):
    partial = partial_of(filled(tmp_path / "p"))
    assert partial.done == 7
    np.testing.assert_array_equal(partial.array[:7, 0], [1, 1, 1, 1, 2, 2, 2])


@pytest.mark.parametrize(
    ("name", "damage", "left"),
    [
        (ROWS, lambda data: data[:-30] + b"\1" + data[-29:], 4),
        (ROWS, lambda data: data[:-30], 4),
        (ROWS, lambda data: b"", 0),
        (ROWS, lambda data: data[:130] + b"\1" + data[131:], 0),
        (PROGRESS, lambda data: data[:-5], 0),
        (PROGRESS, lambda data: b"[]", 0),
        (PROGRESS, lambda data: data.replace(b'"k"', b'"j"'), 0),
        (PROGRESS, lambda data: data.replace(b"[7,", b"[11,"), 4),
    ],
)
def test_a_damaged_partial_array_is_not_trusted(tmp_path, name, damage, left):
    path = filled(tmp_path / "p") / name
    path.write_bytes(damage(path.read_bytes()))
    partial = partial_of(tmp_path / "p")
    assert partial.done == left
    partial.append(np.zeros((1, 2)))


def test_rows_of_other_code_are_dropped(tmp_path):
    filled(tmp_path / "p")
    assert partial_of(tmp_path / "p", key="other").done == 0
    filled(tmp_path / "q")
    assert partial_of(tmp_path / "q", n=20).done == 0
