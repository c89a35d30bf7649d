"""Autoencoders: the same bits on any number of threads and after a kill, and codes that say something."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from backbench import paths, plugins
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import features
from backbench.store import Store

NAMES = ("autoencoder", "conv_autoencoder")
IMAGE = {"size": 8, "mode": "L", "resize": "squash", "interpolation": "bilinear"}
SMALL = {
    "autoencoder": {"widths": [24, 12, 4]},
    "conv_autoencoder": {"channels": [4, 6], "code_width": 5, "dropout": 0.3},
}
REFS = {"dataset": ("dataset", "d" * 64)}
COMMON = {"image": IMAGE, "epochs": 3, "batch_size": 50, "patience": None}


def backbone(name, **changes):
    values = yaml.safe_load((Path(paths.conf()) / "backbone" / f"{name}.yaml").read_text())
    return plugins.load("backbone", name), plugins.params("backbone", {**values, **SMALL[name], **COMMON, **changes})


def digits(n=400):
    """Real digits of 8 x 8 pixels, uint8 (n, 8, 8, 1), and their classes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images[:n, ..., None] * 15).astype(np.uint8), found.target[:n]


def trained(name, scratch, images=None, rows=None, validation=None, threads=1, progress=None, **changes):
    """(codes of all images, information) of a fit."""
    extract, info, images = fitted(name, scratch, images, rows, validation, threads, progress, **changes)
    return extract(images), info


def reconstructed(name, scratch, **changes):
    """(reconstructions, their rows) that a fit wants stored."""
    extract, _, _ = fitted(name, scratch, **changes)
    return extract.arrays["reconstructions"], extract.arrays["reconstructed_rows"]


def fitted(name, scratch, images=None, rows=None, validation=None, threads=1, progress=None, **changes):
    """(extractor, information, images) of a fit."""
    images = digits()[0] if images is None else images
    rows = np.arange(0, 300) if rows is None else rows
    validation = np.arange(300, 400) if validation is None else validation
    module, params = backbone(name, **changes)
    context = Context(threads=threads, scratch=scratch, progress=progress or (lambda done, total: None))
    return *module.fit(params, images, rows, validation, context), images


@pytest.mark.parametrize("name", NAMES)
class TestBoth:
    def test_what_comes_out(self, name, tmp_path):
        seen = []
        codes, info = trained(name, tmp_path, progress=lambda *now: seen.append(now))
        module, params = backbone(name)
        assert codes.shape == (400, module.width(params)) and codes.dtype == np.float32
        assert np.isfinite(codes).all() and codes.std(axis=0).min() > 0
        assert module.identity(params) == {}
        assert info["epochs"] == 3 and 1 <= info["best_epoch"] <= 3
        assert {key: len(curve) for key, curve in info["history"].items()} == {"loss": 3, "validation_loss": 3}
        assert info["history"]["loss"][2] < info["history"]["loss"][0]
        assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def test_the_number_of_threads_changes_no_bit(self, name, tmp_path):
        one, about = trained(name, tmp_path / "1")
        for threads in (2, 3):
            other, info = trained(name, tmp_path / str(threads), threads=threads)
            np.testing.assert_array_equal(one, other)
            assert info["history"] == about["history"]

    def test_the_seed_decides(self, name, tmp_path):
        import torch

        state = torch.random.get_rng_state()
        one, same, other = (trained(name, tmp_path / str(i), seed=seed)[0] for i, seed in enumerate((1, 1, 2)))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        assert torch.equal(state, torch.random.get_rng_state()), "PyTorch's own random state is left alone"

    def test_colours_and_odd_sides(self, name, tmp_path):
        images = np.random.default_rng(0).integers(0, 256, (40, 11, 11, 3), np.uint8)
        image = {**IMAGE, "size": 11, "mode": "RGB"}
        codes, _ = trained(name, tmp_path, images, np.arange(30), np.arange(30, 40), image=image, epochs=1)
        assert np.isfinite(codes).all()

    def test_a_batch_does_not_matter_to_a_code(self, name, tmp_path):
        module, params = backbone(name)
        images, _ = digits()
        extract, _ = module.fit(params, images, np.arange(300), np.arange(300, 400), Context(scratch=tmp_path))
        whole = extract(images)
        parts = np.concatenate([extract(images[start : start + 7]) for start in range(0, 400, 7)])
        np.testing.assert_allclose(parts, whole, atol=1e-5 * np.abs(whole).max(), rtol=0)

    @pytest.mark.parametrize("output", ["sigmoid", "linear"])
    def test_reconstructions_are_those_of_the_best_weights(self, name, output, tmp_path):
        """The network of the module itself, with the weights of the checkpoint, on images that were not learnt from."""
        import torch

        from backbench.backbones import _autoencoder, _training

        found, rows = reconstructed(name, tmp_path, output=output, validation=np.arange(300, 320))
        assert found.shape == (16, 8, 8, 1) and found.dtype == np.uint8 and rows.dtype == np.int32
        assert rows[0] == 320 and rows[-1] == 399 and (np.diff(rows) >= 5).all()
        network = {"autoencoder": _autoencoder.Dense, "conv_autoencoder": _autoencoder.Convolutional}[name]
        network = _autoencoder.initialise(network((8, 8, 1), backbone(name, output=output)[1]), 0)
        best = torch.load(tmp_path / _training.CHECKPOINT, weights_only=True)["best"]
        with torch.no_grad():
            for weights, own in zip(network.parameters(), best, strict=True):
                weights.copy_(own)
            raw = network(torch.from_numpy(digits()[0][rows]).permute(0, 3, 1, 2) / 255).permute(0, 2, 3, 1)
            raw = raw.sigmoid() if output == "sigmoid" else raw
        assert np.abs(found - np.clip(255 * raw.numpy(), 0, 255)).max() <= 0.5 + 1e-3

    def test_reconstructions_are_the_same_on_any_threads_and_when_nothing_is_left_to_train(self, name, tmp_path):
        one, rows = reconstructed(name, tmp_path / "1")
        for threads, folder in ((1, "1"), (2, "2"), (3, "3")):
            other, same = reconstructed(name, tmp_path / folder, threads=threads)
            np.testing.assert_array_equal(one, other)
            assert rows.tolist() == same.tolist()

    def test_a_finished_training_is_not_repeated(self, name, tmp_path):
        first, info = trained(name, tmp_path)
        seen = []
        again, about = trained(name, tmp_path, progress=lambda *now: seen.append(now))
        np.testing.assert_array_equal(first, again)
        assert about == info and seen == [(3, 3)]

    def test_another_key_starts_anew(self, name, tmp_path):
        trained(name, tmp_path)
        other, _ = trained(name, tmp_path, learning_rate=0.01)
        np.testing.assert_array_equal(other, trained(name, tmp_path / "clean", learning_rate=0.01)[0])

    def test_a_damaged_checkpoint_is_not_trusted(self, name, tmp_path):
        first, _ = trained(name, tmp_path)
        (path,) = tmp_path.iterdir()
        path.write_bytes(path.read_bytes()[:-200])
        np.testing.assert_array_equal(first, trained(name, tmp_path)[0])

    def test_a_loss_that_is_not_finite_names_the_learning_rate(self, name, tmp_path):
        with pytest.raises(ConfigError, match=r"learning_rate = 1e\+30.*smaller backbone\.learning_rate"):
            trained(name, tmp_path, learning_rate=1e30, output="linear")

    def test_options_that_exclude_each_other(self, name, tmp_path):
        module, params = backbone(name, loss="bce", output="linear")
        with pytest.raises(ConfigError, match=r"output: received 'linear'; allowed: sigmoid"):
            module.identity(params)

    @pytest.mark.parametrize("changes", [{"activation": "sigmoid"}, {"loss": "bce"}, {"output": "linear"}])
    def test_options(self, name, changes, tmp_path):
        plain, _ = trained(name, tmp_path / "plain")
        other, info = trained(name, tmp_path / "other", **changes)
        assert not np.array_equal(plain, other) and np.isfinite(info["history"]["loss"]).all()

    def test_the_code_layer_may_be_bounded(self, name, tmp_path):
        codes, _ = trained(name, tmp_path, code_activation="sigmoid")
        assert codes.min() >= 0 and codes.max() <= 1


def test_one_step_equals_plain_pytorch(tmp_path):
    """The sliced gradient and the split optimiser against one loss, one backward pass and one Adam."""
    import torch

    from backbench.backbones import _autoencoder, _training

    images, rows = digits()[0], np.arange(300)
    _, params = backbone("autoencoder", batch_size=300, epochs=1, loss="bce")
    network = _autoencoder.initialise(_autoencoder.Dense(images.shape[1:], params), params.seed)
    x = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float() / 255
    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x), x)
    loss.backward()
    optimiser.step()
    found = _autoencoder.Dense(images.shape[1:], params)
    _, info = _training.fit(found, params, images, rows, np.arange(300, 400), Context(scratch=tmp_path), "x")
    assert info["history"]["loss"][0] == pytest.approx(loss.item(), rel=1e-6)
    for mine, theirs in zip(found.parameters(), network.parameters(), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), atol=2e-6)


def test_early_stopping_keeps_the_best_weights(tmp_path):
    changes = {"learning_rate": 0.05, "batch_size": 20}
    long, info = trained("autoencoder", tmp_path / "long", epochs=40, patience=3, **changes)
    best = info["best_epoch"]
    assert info["epochs"] == best + 3 < 40
    curve = info["history"]["validation_loss"]
    assert curve[best - 1] == min(curve)
    short, _ = trained("autoencoder", tmp_path / "short", epochs=best, patience=3, **changes)
    np.testing.assert_array_equal(long, short)


def test_the_published_network():
    values = yaml.safe_load((paths.conf() / "backbone" / "autoencoder.yaml").read_text())
    module, params = plugins.load("backbone", "autoencoder"), plugins.params("backbone", values)
    from backbench.backbones import _autoencoder

    network = _autoencoder.Dense((28, 28, 1), params)
    widths = [(layer.in_features, layer.out_features) for layer in (*network.encoder, *network.decoder)]
    assert widths[:4] == [(784, 2000), (2000, 1000), (1000, 500), (500, 10)]
    assert widths[4:] == [(10, 500), (500, 1000), (1000, 2000), (2000, 784)]
    assert module.width(params) == 10


class TestRows:
    def parts(self, training, given, n=400, **changes):
        from backbench.backbones import _learning

        return _learning.split(backbone("autoencoder", **changes)[1], n, np.array(training), np.array(given))

    def test_the_split_decides_where_it_can(self):
        rows, validation = self.parts([1, 2, 3], [4, 5])
        assert rows.tolist() == [1, 2, 3] and validation.tolist() == [4, 5]

    def test_a_validation_part_is_drawn_from_the_training_rows(self):
        rows, validation = self.parts(np.arange(100, 200), [], validation=0.2)
        assert len(validation) == 20 and sorted([*rows, *validation]) == list(range(100, 200))
        assert validation.tolist() == self.parts(np.arange(100, 200), [], validation=0.2)[1].tolist()
        assert validation.tolist() != self.parts(np.arange(100, 200), [], validation=0.2, seed=1)[1].tolist()

    def test_all(self):
        rows, validation = self.parts([1, 2, 3], [4, 5], fit="all", validation=0.1)
        assert len(validation) == 40 and sorted([*rows, *validation]) == list(range(400))

    def shown(self, n, rows, validation):
        from backbench.backbones import _learning

        return _learning.shown(n, np.array(rows), np.array(validation)).tolist()

    def test_reconstructed_are_those_without_a_part_in_the_training(self):
        assert self.shown(100, range(40), range(40, 60)) == np.linspace(60, 99, 16).astype(int).tolist()
        assert self.shown(10, range(4), range(4, 6)) == [6, 7, 8, 9]
        assert self.shown(3, [0], [1]) == [2]

    def test_reconstructed_are_those_of_the_validation_where_all_had_a_part(self):
        found = self.shown(100, range(50), range(50, 100))
        assert found[0] == 50 and found[-1] == 99 and len(set(found)) == 16
        assert self.shown(4, [0, 1], [3, 2]) == [2, 3]

    def test_too_few(self):
        with pytest.raises(ConfigError, match="at least 2 images to learn from; received 1"):
            self.parts([1], [])


class TestStage:
    """What the features stage stores of an autoencoder."""

    def outcome(self, root, scratch, name, progress=lambda done, total: None):
        values = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text())
        store, split = Store(root), np.repeat([0, 1, 2], [300, 50, 50]).astype(np.uint8)
        arrays = {"pixels": digits()[0][..., 0], "rows": np.arange(400), "split": split}
        store.write("dataset", "d" * 64, {"info": {"n": 400, "digest": "a" * 64}}, arrays)
        config = {**values, **SMALL[name], **COMMON}
        context = Context(scratch=scratch, progress=progress)
        (found,) = features.compute([Member("f" * 64, config)], Inputs(store, REFS), context)
        return found

    @pytest.mark.parametrize("name", NAMES)
    def test_reconstructions_are_stored_beside_the_features(self, name, tmp_path):
        found = self.outcome(tmp_path / "store", tmp_path / "s", name)
        assert set(found.arrays) == {"features", "keys", "reconstructions", "reconstructed_rows"}
        assert "rows" not in found.info, "what was learnt is of this collection"
        assert found.arrays["reconstructed_rows"].min() >= 350, "test images"
        extract, _, images = fitted(name, tmp_path / "own", validation=np.arange(300, 350))
        np.testing.assert_allclose(found.arrays["features"], extract(images), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found.arrays["reconstructions"], extract.arrays["reconstructions"])

    def test_a_job_that_was_killed_behind_its_last_row_stores_the_same(self, tmp_path):
        def killed(done, total):
            if done == total == 400:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.outcome(tmp_path / "store", tmp_path / "s", "autoencoder", killed)
        resumed = self.outcome(tmp_path / "store", tmp_path / "s", "autoencoder").arrays
        whole = self.outcome(tmp_path / "store", tmp_path / "t", "autoencoder").arrays
        assert set(resumed) == set(whole)
        for name, array in whole.items():
            np.testing.assert_array_equal(resumed[name], array)


def test_too_many_poolings_are_refused():
    module, params = backbone("conv_autoencoder", channels=[2, 2, 2, 2])
    with pytest.raises(ConfigError, match=r"received 4 poolings; allowed: 1 to 3"):
        module.identity(params)


PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
import test_autoencoder as tests
from backbench.backbones import _training
_training.SAVE_SECONDS = _training.SAVE_FACTOR = 0.0
tests.digits()
with ThreadPoolExecutor(len(tests.NAMES)) as pool:
    list(pool.map(lambda name: tests.trained(name, Path(sys.argv[2]) / name, epochs=tests.LONG), tests.NAMES))
"""
LONG = 20


def training_is_killed(folder: Path) -> dict[str, tuple[int, int]]:
    """Train both networks in a process, and kill it soon after each has saved: the epoch and batch of each."""
    import torch

    from backbench.backbones import _training

    checkpoints = {name: folder / name / _training.CHECKPOINT for name in NAMES}
    before = {name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in checkpoints.items()}

    def saved() -> bool:
        return all(path.exists() and path.stat().st_mtime_ns > before[name] for name, path in checkpoints.items())

    job = subprocess.Popen([sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(folder)])
    while job.poll() is None and not saved():
        time.sleep(0.002)
    time.sleep(0.1)
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL, "it was to be killed midway"
    states = {name: torch.load(path, weights_only=True)["state"] for name, path in checkpoints.items()}
    return {name: (state["epoch"], state["batch"]) for name, state in states.items()}


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_same_bits(tmp_path):
    first, second = (training_is_killed(tmp_path / "killed") for _ in range(2))
    for name in NAMES:
        assert first[name] < second[name] < (LONG, 0)
        going_on, about, images = fitted(name, tmp_path / "killed" / name, epochs=LONG)
        undisturbed, info, _ = fitted(name, tmp_path / "undisturbed" / name, epochs=LONG, threads=2)
        np.testing.assert_array_equal(going_on(images), undisturbed(images))
        assert about["history"] == info["history"]
        for array in ("reconstructions", "reconstructed_rows"):
            np.testing.assert_array_equal(going_on.arrays[array], undisturbed.arrays[array])


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_codes_are_worth_something(name, tmp_path):
    """Reconstruction far below the variance, codes that cluster by class, and PCA of the same width beside them."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import normalized_mutual_info_score as nmi

    images, classes = digits(1797)
    rows, rest = np.arange(1400), np.arange(1400, 1797)
    size = (
        {"widths": [128, 64, 10]} if name == "autoencoder" else {"channels": [16, 32], "code_width": 10, "dropout": 0}
    )
    changes = {"epochs": 20, "batch_size": 32, "learning_rate": 0.005, "patience": 10, **size}
    codes, info = trained(name, tmp_path, images, rows, rest, threads=2, **changes)
    pixels = images.reshape(len(images), -1) / 255
    variance = ((pixels[rest] - pixels[rows].mean(0)) ** 2).mean()
    pca = PCA(10).fit(pixels[rows])
    left = ((pca.inverse_transform(pca.transform(pixels[rest])) - pixels[rest]) ** 2).mean()
    loss = min(info["history"]["validation_loss"])
    found = nmi(classes, KMeans(10, n_init=5, random_state=0).fit_predict(codes))
    chance = nmi(classes, np.random.default_rng(0).permutation(classes))
    print(f"{name}: variance {variance:.4f}, PCA {left:.4f}, autoencoder {loss:.4f}, NMI {found:.3f} ({chance:.3f})")
    assert loss < 0.4 * variance
    assert loss < 1.2 * left
    assert found > 0.4 > 10 * chance
