"""The features stage: resumable, complete, and independent of batches and threads."""

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from backbench import plugins
from backbench.backbones._extractor import DeviceLost
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import features as stage
from backbench.stages._partial import PROGRESS, ROWS, Partial
from backbench.store import Store

POLICY = {"size": 32, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
REFS = {"dataset": ("dataset", "d" * 64)}
RANDOM = {"name": "efficientnet_lite0", "weights": "random", "weights_seed": 5}


def put_images(store, n=200, **arrays):
    """A dataset of an array of pixels that are as the policy wants them."""
    images = np.random.default_rng(1).integers(0, 256, (n, 32, 32, 3), np.uint8)
    info = {"n": n, "total": n, "digest": "a" * 64}
    store.write("dataset", REFS["dataset"][1], {"info": info}, {"pixels": images, "rows": np.arange(n), **arrays})
    return images


def extract(store, config, scratch, **options):
    member = Member("f" * 64, {"image": POLICY, **config})
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
    speed, rows = outcome.info["images_per_second"], outcome.info["rows"]
    assert rows == {"family": "f" * 64, "identity": rows["identity"], "known": 0}
    assert outcome.info == {
        "rows": rows,
        "d": 1280,
        "images_per_second": speed,
        "engine": "torch",
        "precision": "float32",
        "weights": "random",
        "weights_seed": 5,
    }
    assert speed > 0 and outcome.seconds > 0
    module = plugins.load("backbone", "efficientnet_lite0")
    config = {"name": "efficientnet_lite0", "weights": "imagenet", "weights_sha256": module.NETWORK.sha256}
    assert extract(store, config, tmp_path / "s")[0].info["weights_sha256"] == module.NETWORK.sha256
    with pytest.raises(ConfigError, match="was planned; plan again"):
        extract(store, {**config, "weights_sha256": "0" * 64}, tmp_path / "s")


def test_threads_and_company_change_nothing_and_sizes_next_to_nothing(store, tmp_path):
    images = put_images(store)
    _, one = extract(store, RANDOM, tmp_path / "s")
    _, two = extract(store, RANDOM, tmp_path / "s", threads=2)
    np.testing.assert_array_equal(one, two)
    for size in (1, 7, 200, 1000):
        _, other = extract(store, RANDOM, tmp_path / "s", batch_size=size, threads=2)
        np.testing.assert_allclose(other, one, atol=1e-5 * np.abs(one).max(), rtol=0)
    chosen = [150, 3, 77]
    arrays = {"pixels": images[chosen], "rows": np.array(chosen)}
    store.write("dataset", REFS["dataset"][1], {"info": {"n": 3, "total": 200, "digest": "a" * 64}}, arrays)
    _, few = extract(store, RANDOM, tmp_path / "t")
    np.testing.assert_array_equal(few, one[chosen])


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
image = {"size": 32, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
member = Member("f" * 64, {"name": "efficientnet_lite0", "image": image, "weights": "random", "weights_seed": 5})
refs = {"dataset": ("dataset", "d" * 64)}
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


# What else a backbone has that is trained.
LEARNER = {"CORE_GFLOPS": 1.0, "layers": lambda params: []}


def fake_backbone(monkeypatch, **attributes):
    """A backbone of this test: the plugin `pixels` with other functions."""
    module = types.SimpleNamespace(**{**vars(plugins.load("backbone", "pixels")), **attributes})
    monkeypatch.setattr(plugins, "load", lambda kind, name: module)
    return module


class Lossy:
    """An extractor whose device is lost at a batch."""

    lanes = 1

    def __init__(self, device, left):
        self.device, self.left = device, left

    def __call__(self, images):
        self.left -= 1
        if self.left < 0:
            raise DeviceLost("CUDA error: unspecified launch failure")
        return images.reshape(len(images), -1).astype(np.float32)


def test_a_lost_device_fails_or_the_cpu_goes_on(store, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    images, opened = put_images(store), []

    def lossy(params, context):
        opened.append(context.device)
        return Lossy(context.device, 4 if context.device == "cuda" else 1000)

    fake_backbone(monkeypatch, open=lossy, BATCH=20)
    options = {"device": "cuda", "batch_size": 20}
    with pytest.raises(DeviceLost, match=r"cuda was lost \(CUDA error.*what is done is kept.*on_device_loss=cpu"):
        extract(store, {"name": "pixels"}, tmp_path / "s", **options)
    seen = []
    options |= {"on_device_loss": "cpu", "progress": lambda *now: seen.append(now)}
    outcome, found = extract(store, {"name": "pixels"}, tmp_path / "s", **options)
    np.testing.assert_array_equal(found, images.reshape(200, -1))
    assert opened == ["cuda", "cuda", "cpu"] and 0 < seen[0][0] < 200, "the first attempt did some"
    assert outcome.used == {"device": "cpu", "batch_size": 20}
    assert "CUDA error" in outcome.info["device_lost"] and "continuing on the CPU" in caplog.text


def test_what_was_used_is_told(store, tmp_path):
    put_images(store, 10)
    assert extract(store, {"name": "pixels"}, tmp_path / "s", batch_size=3)[0].used == {
        "device": "cpu",
        "batch_size": 3,
    }
    assert extract(store, RANDOM, tmp_path / "s", device="cpu")[0].used == {"device": "cpu", "batch_size": 32}


def test_a_backbone_that_learns(store, tmp_path, monkeypatch):
    split = np.random.default_rng(0).integers(0, 3, 200).astype(np.int8)
    images = put_images(store, split=split)
    fitted = []

    def fit(params, pixels, rows, validation_rows, context):
        fitted.append((rows.tolist(), validation_rows.tolist()))
        mean = pixels[rows].reshape(len(rows), -1).mean(axis=0)
        (context.scratch / "checkpoint").mkdir(parents=True)
        return lambda batch: (batch.reshape(len(batch), -1) - mean).astype(np.float32), {"history": [3.0, 2.0]}

    fake_backbone(monkeypatch, fit=fit, **LEARNER)
    outcome, found = extract(store, {"name": "pixels"}, tmp_path / "s")
    assert fitted == [(np.flatnonzero(split == 0).tolist(), np.flatnonzero(split == 1).tolist())]
    assert outcome.info["training"] == {"history": [3.0, 2.0]}
    rows = images.reshape(200, -1)
    np.testing.assert_allclose(found, rows - rows[split == 0].mean(axis=0), rtol=1e-5, atol=1e-3)
    assert not (tmp_path / "s").exists(), "its checkpoints are gone with it"


def test_rows_of_another_training_are_dropped(store, tmp_path, monkeypatch):
    put_images(store, split=np.zeros(200, np.int8))
    left, factor, seen = [3], [1.0], []

    def fit(params, pixels, rows, validation_rows, context):
        def run(batch):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return (batch.reshape(len(batch), -1) * factor[0]).astype(np.float32)

        return run, {"history": [factor[0]]}

    def attempt(batches, of):
        left[0], factor[0] = batches, of
        seen.clear()
        extract(store, {"name": "pixels"}, tmp_path / "s", batch_size=10, progress=lambda *now: seen.append(now))

    fake_backbone(monkeypatch, fit=fit, BATCH=10, **LEARNER)
    for batches, of, first in ((3, 1.0, 0), (4, 2.0, 0), (3, 2.0, 30)):
        with pytest.raises(KeyboardInterrupt):
            attempt(batches, of)
        assert seen[0] == (first, 200)
    attempt(1000, 2.0)
    assert seen[0] == (60, 200), "rows of the same training are kept"


def test_embeddings_made_elsewhere(store, tmp_path, monkeypatch):
    own = np.arange(20, dtype=np.float64).reshape(10, 2)
    rows = np.arange(10)[::-1].copy()
    info = {"n": 10, "total": 10, "files": [f"{i}.png" for i in range(10)]}
    store.write("dataset", REFS["dataset"][1], {"info": info}, {"rows": rows, "embeddings": own})
    given = []

    def embeddings(params, source):
        given.append(source)
        return source.embeddings[source.positions]

    fake_backbone(monkeypatch, embeddings=embeddings, Params=Nothing, identity=lambda params: {})
    monkeypatch.setattr(plugins, "params", lambda kind, values: Nothing())

    def result():
        (outcome,) = stage.compute(
            [Member("f" * 64, {"name": "pixels"})], Inputs(store, REFS), Context(scratch=tmp_path)
        )
        return outcome

    outcome = result()
    np.testing.assert_array_equal(outcome.arrays["features"], own[::-1].astype(np.float32))
    assert outcome.arrays["features"].dtype == np.float32 and outcome.info["d"] == 2
    assert given[0].n == 10 and given[0].files == info["files"]
    store.write("dataset", REFS["dataset"][1], {"info": info}, {"rows": rows, "embeddings": own * np.nan})
    assert result().failure == "the features of image 0 are not finite"


@dataclasses.dataclass(frozen=True)
class Nothing:
    """Options of a backbone without images."""


def test_extraction_needs_no_scikit_learn(store, tmp_path):
    put_images(store, 20)
    program = PROGRAM + "\nassert not {'sklearn', 'scipy', 'pandas'} & set(sys.modules), 'seconds of importing'"
    subprocess.run([sys.executable, "-c", program, str(store.root), str(tmp_path / "s")], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_images(store, tmp_path):
    peaks = []
    for n in (2_000, 10_000):
        put_images(store, n)
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(store.root), str(tmp_path / "s")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    # 8,000 more images are 24 MB of pixels and 94 MB of features.
    assert peaks[1] - peaks[0] < 40 << 10, peaks


MEASURED = """
import sys
from pathlib import Path
from backbench.stage import Context, Inputs, Member
from backbench.stages import _extraction, _partial, features
from backbench.store import Store

_extraction.RELEASE_BYTES, _partial.SAVE_SECONDS, _partial.SAVE_SHARE = 1 << 22, 0.01, 0
refs = {"dataset": ("dataset", "d" * 64)}
image = {"size": 32, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
inputs, context = Inputs(Store(Path(sys.argv[1])), refs), Context(scratch=Path(sys.argv[2]), batch_size=64)
for outcome in features.compute([Member("f" * 64, {"name": "pixels", "image": image})], inputs, context):
    # Not what getrusage says: that begins with the size of the process that started this one.
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_rows_of_two_makers_are_not_for_other_collections(store, tmp_path, monkeypatch):
    """As after a launch that was interrupted, and an upgrade of the libraries since."""
    left = [2]

    def opened(params, context):
        def run(batch):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return batch.reshape(len(batch), -1).astype(np.float32)

        return run

    put_images(store)
    fake_backbone(monkeypatch, open=opened, BATCH=64)
    with pytest.raises(KeyboardInterrupt):
        extract(store, {"name": "pixels"}, tmp_path / "s")
    left[0] = 1000
    outcome, _ = extract(store, {"name": "pixels"}, tmp_path / "t")
    assert "identity" in outcome.info["rows"]
    monkeypatch.setattr(stage._engine, "runtime", lambda engine, device: {"numpy": "other"})
    seen = []
    outcome, _ = extract(store, {"name": "pixels"}, tmp_path / "s", progress=lambda *now: seen.append(now))
    assert seen[0] == (128, 200) and "rows" not in outcome.info
