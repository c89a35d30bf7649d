"""Fashion-MNIST: only verified content, from wherever it can be had."""

import functools
import gzip
import hashlib
import http.server
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from pictures import GIVEN, params_of

from backbench import paths, plugins
from backbench.datasets import TEST, _download, _fetch
from backbench.schema import ConfigError
from backbench.stage import Context

FASHION = {
    "name": "fashion_mnist",
    "root": None,
    "archive": None,
    "n": 70000,
    "digest": "265611ebbd2be7b245d921d4d599ec6d02b95055dccfeb86c1b68da8ea11c787",
    "sample": 3000,
    "seed": 0,
    "split": GIVEN,
}


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(paths.downloads()))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


@pytest.fixture(scope="session")
def fashion():
    try:
        return plugins.load("dataset", "fashion_mnist").load(
            params_of(FASHION, sample=None), Context(downloads=paths.downloads())
        )
    except ConfigError as error:
        pytest.skip(f"Fashion-MNIST cannot be had here: {error}")


def raw_files(fashion) -> Path:
    return Path(fashion.info["source"])


@pytest.mark.slow
def test_fashion_mnist_is_whole(fashion):
    assert fashion.pixels.shape == (70000, 28, 28) and fashion.pixels.dtype == np.uint8
    assert np.bincount(fashion.labels).tolist() == [7000] * 10
    assert np.bincount(fashion.split).tolist() == [48000, 12000, 10000]
    assert (fashion.split[60000:] == TEST).all() and not (fashion.split[:60000] == TEST).any()
    # Known statistics of the 60,000 training images.
    assert fashion.pixels[:60000].mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert fashion.pixels[:60000].std() / 255 == pytest.approx(0.3530, abs=1e-4)


@pytest.mark.slow
def test_fashion_mnist_sample_is_planned_and_official(fashion):
    module, params = plugins.load("dataset", "fashion_mnist"), params_of(FASHION)
    about = module.describe(params)
    drawn = module.load(params, Context(downloads=paths.downloads()))
    assert (about.n, about.classes, about.counts) == (3000, 10, (2056, 514, 430))
    assert tuple(np.bincount(drawn.split)) == about.counts
    official_test = {image.tobytes() for image in fashion.pixels[60000:]}
    official_train = {image.tobytes() for image in fashion.pixels[:60000]}
    assert all(image.tobytes() in official_test for image in drawn.pixels[drawn.split == TEST])
    assert all(image.tobytes() in official_train for image in drawn.pixels[drawn.split != TEST])


@pytest.mark.slow
def test_fashion_mnist_content_is_verified(fashion, tmp_path):
    module, root = plugins.load("dataset", "fashion_mnist"), tmp_path / "mine"
    root.mkdir()
    for path in raw_files(fashion).glob("*-ubyte.gz"):
        shutil.copy(path, root)
    context = Context(downloads=tmp_path / "downloads")
    assert len(module.load(params_of(FASHION, root=str(root)), context).labels) == 3000
    labels = root / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(gzip.decompress(labels.read_bytes()))
    data[-1] = (data[-1] + 1) % 10
    labels.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(ConfigError, match="not the pinned 265611ebbd2b"):
        module.load(params_of(FASHION, root=str(root)), context)
    assert labels.exists(), "files that the user gave are never removed"


@pytest.mark.slow
def test_a_damaged_download_is_replaced(fashion, tmp_path):
    cache = tmp_path / "fashion_mnist"
    shutil.copytree(raw_files(fashion), cache)
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    module = plugins.load("dataset", "fashion_mnist")
    assert len(module.load(params_of(FASHION), Context(downloads=tmp_path)).labels) == 3000


def test_addresses_and_sums_are_torchvisions():
    from torchvision import datasets

    from backbench.datasets import fashion_mnist, mnist

    for module, theirs in ((fashion_mnist, datasets.FashionMNIST), (mnist, datasets.MNIST)):
        assert list(module.MIRRORS) == theirs.mirrors
        assert dict(module.SUMS) == dict(theirs.resources)


def test_the_mirrors_are_used(fashion, tmp_path):
    """A download from a server of ours; the first of its two mirrors has other files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    served = functools.partial(Quiet, directory=str(raw_files(fashion)))
    files = sorted(raw_files(fashion).glob("*-ubyte.gz"))
    sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in files]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mirrors = [f"http://127.0.0.1:{server.server_port}/{below}" for below in ("absent/", "")]
        fill = functools.partial(_download.mirrored, mirrors, dict(sums))
        place = _fetch.into(tmp_path / "downloads" / "fashion_mnist", fill)
        server.shutdown()
    assert sorted(path.name for path in place.iterdir()) == [path.name for path in files]
    drawn = plugins.load("dataset", "fashion_mnist").load(params_of(FASHION), Context(downloads=place.parent))
    assert drawn.info["source"] == str(place)


def test_fashion_mnist_that_is_nowhere(tmp_path):
    with pytest.raises(ConfigError, match=r"t10k-labels-idx1-ubyte.*dataset\.root=FOLDER"):
        plugins.load("dataset", "fashion_mnist").load(params_of(FASHION, root=str(tmp_path)), Context())


def test_a_fetch_that_fails_leaves_nothing(tmp_path):
    def fill(folder):
        (folder / "half").write_bytes(b"x")
        raise _fetch.FetchError("gone")

    with pytest.raises(_fetch.FetchError):
        _fetch.into(tmp_path / "downloads" / "set", fill)
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.slow
def test_an_absent_debian_package_says_why(tmp_path):
    with pytest.raises(_fetch.FetchError, match="apt-get"):
        _fetch.debian_package("dataset-that-is-not-there", "usr", tmp_path)


def test_unreachable_mirrors_fail_over(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(_fetch.FetchError, match="cannot be reached"):
            _fetch.probe([address])
