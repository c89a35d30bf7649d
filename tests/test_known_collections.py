"""Known collections: the official files in small, no content but the official one, and what is said without data."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from backbench import paths, plugins
from backbench.datasets import (
    TEST,
    TRAIN,
    VALIDATION,
    Reading,
    _known,
    caltech101,
    cifar10,
    flowers102,
    food101,
    mnist,
    stl10,
)
from backbench.datasets import oxford_iiit_pet as pets
from backbench.schema import ConfigError
from backbench.stage import Context

FILES = ("caltech101", "flowers102", "food101", "oxford_iiit_pet")
ARRAYS = ("cifar10", "stl10")
ASSETS = os.environ.get("BACKBENCH_ASSETS")


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


def params_of(name, **changes):
    values = yaml.safe_load((paths.conf() / "dataset" / f"{name}.yaml").read_text(encoding="utf-8"))
    return plugins.params("dataset", {**values, **changes})


def load(name, **changes):
    module, params = plugins.load("dataset", name), params_of(name, **changes)
    digest = module.fingerprint(params, Reading())
    about = module.describe(params)
    found = module.load(params, Context(downloads=paths.downloads()))
    assert about.digest == digest == found.digest
    assert about.counts == tuple(np.bincount(found.split, minlength=3)) and about.classes == len(found.names)
    assert len(found.rows) == about.n
    return found


def offline(monkeypatch):
    def probe(addresses, what="mirrors"):
        raise _known._fetch.FetchError(f"{what} cannot be reached ({addresses[0]}: no network)")

    monkeypatch.setattr(_known._fetch, "probe", probe)


def jpeg(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (16, 20, 3), np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def packed(folder: Path, target: Path, top: str | None = None) -> Path:
    with tarfile.open(target, "w:gz" if target.suffix in (".gz", ".tgz") else "w") as tar:
        tar.add(folder, top or folder.name)
    return target


# Without data


@pytest.mark.parametrize(
    ("name", "n", "classes", "counts"),
    [
        ("mnist", 70000, 10, (48000, 12000, 10000)),
        ("fashion_mnist", 70000, 10, (48000, 12000, 10000)),
        ("cifar10", 60000, 10, (40000, 10000, 10000)),
        ("stl10", 13000, 10, (4000, 1000, 8000)),
        ("caltech101", 8677, 101, (5207, 1735, 1735)),
        ("flowers102", 8189, 102, (1020, 1020, 6149)),
        ("food101", 101000, 101, (60600, 15150, 25250)),
        ("oxford_iiit_pet", 7349, 37, (2944, 736, 3669)),
    ],
)
def test_planning_needs_no_data(name, n, classes, counts):
    about = plugins.load("dataset", name).describe(params_of(name, sample=None))
    assert (about.n, about.classes, about.counts) == (n, classes, counts)
    assert (about.digest is None) == (name not in ("mnist", "fashion_mnist"))


@pytest.mark.parametrize("name", [*FILES, *ARRAYS])
def test_without_a_network_it_says_what_to_do(name, monkeypatch):
    offline(monkeypatch)
    module = plugins.load("dataset", name)
    known = module.COLLECTION.known
    with pytest.raises(ConfigError) as caught:
        module.fingerprint(params_of(name), Reading())
    said = str(caught.value)
    for original in known.originals:
        assert original.url in said and original.md5 in said
    assert f"{known.title} was not found" in said and str(paths.downloads()) in said
    assert "dataset.archive=PATH" in said and f"dataset.root=FOLDER that holds {known.folder}" in said
    assert [p for p in (paths.downloads() / "archives").iterdir() if p.suffix != ".lock"] == []


@pytest.mark.parametrize("name", [*FILES, *ARRAYS])
def test_a_root_that_is_another_folder(name, tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match=r"Looked for .* in .*/x.*dataset\.root=FOLDER"):
        plugins.load("dataset", name).describe(params_of(name, root=str(tmp_path / "x")))


@pytest.mark.parametrize("name", [*FILES, *ARRAYS])
def test_an_archive_of_something_else(name, tmp_path):
    (tmp_path / "x").mkdir()
    jpeg(tmp_path / "x" / "1.jpg", 1)
    archive = packed(tmp_path / "x", tmp_path / "x.tar")
    with pytest.raises(ConfigError, match=r"x\.tar is not .*: it lacks"):
        plugins.load("dataset", name).fingerprint(params_of(name, archive=str(archive)), Reading())


def test_planning_imports_no_torch():
    """Every known collection is described in a process that would notice."""
    code = (
        "import sys, yaml; from backbench import paths, plugins\n"
        f"for name in {(*FILES, *ARRAYS, 'mnist')}:\n"
        "    values = yaml.safe_load((paths.conf() / 'dataset' / f'{name}.yaml').read_text())\n"
        "    plugins.load('dataset', name).describe(plugins.params('dataset', values))\n"
        "heavy = {'torch', 'torchvision', 'scipy', 'numpy', 'pooch', 'requests', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_addresses_and_sums_are_torchvisions():
    from torchvision import datasets

    def of(module):
        return [(original.url, original.md5) for original in module.COLLECTION.known.originals]

    assert of(cifar10) == [(datasets.CIFAR10.url, datasets.CIFAR10.tgz_md5)]
    assert dict(datasets.CIFAR10.train_list + datasets.CIFAR10.test_list) == cifar10.MD5
    assert cifar10.COLLECTION.known.folder == datasets.CIFAR10.base_folder
    assert of(stl10) == [(datasets.STL10.url, datasets.STL10.tgz_md5)]
    official = dict(datasets.STL10.train_list + datasets.STL10.test_list)
    assert official.items() >= stl10.MD5.items() and stl10.COLLECTION.known.folder == datasets.STL10.base_folder
    flowers = datasets.Flowers102
    assert of(flowers102) == [(flowers._download_url_prefix + name, sum_) for name, sum_ in flowers._file_dict.values()]
    assert flowers102.names() == flowers.classes
    assert dict(zip((TRAIN, VALIDATION, TEST), flowers._splits_map.values(), strict=True)) == flowers102.SETS
    assert of(food101) == [(datasets.Food101._URL, datasets.Food101._MD5)]
    assert of(pets) == list(datasets.OxfordIIITPet._RESOURCES)
    source = Path(sys.modules[datasets.Caltech101.__module__].__file__).read_text(encoding="utf-8")
    assert all(text in source for text in of(caltech101)[0])


# MNIST


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def small_mnist(monkeypatch):
    """Two images of each digit for training, one for testing."""
    small = dataclasses.replace(mnist.COLLECTION, sizes={TRAIN: (2,) * 10, TEST: (1,) * 10}, sources=())
    for name in ("describe", "fingerprint", "load"):
        monkeypatch.setattr(mnist, name, getattr(small, name))
    labels = np.arange(30, dtype=np.uint8) % 10
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    digest = mnist._mnist_like.content_digest(pixels, labels.astype(np.int64))
    files = {}
    for stem, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        files[f"{stem}-images-idx3-ubyte"] = idx(pixels[rows])
        files[f"{stem}-labels-idx1-ubyte"] = idx(labels[rows])
    return files, pixels, {"n": 30, "digest": digest, "sample": None}


@pytest.mark.parametrize("layout", ["", "MNIST/raw", "dotted", "gz"])
def test_mnist_from_a_folder(small_mnist, tmp_path, layout):
    files, pixels, options = small_mnist
    place = tmp_path / ("" if layout in ("dotted", "gz") else layout)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        name = name.replace("-idx", ".idx") if layout == "dotted" else name
        (place / (f"{name}.gz" if layout == "gz" else name)).write_bytes(
            gzip.compress(data) if layout == "gz" else data
        )
    found = load("mnist", root=str(tmp_path), **options)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert np.bincount(found.split).tolist() == [16, 4, 10] and set(found.split[20:]) == {TEST}


def test_mnist_from_an_archive(small_mnist, tmp_path):
    files, pixels, options = small_mnist
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("package/index.js", b"")
        for name, data in files.items():
            archive.writestr(f"package/data/{name}", data)
    np.testing.assert_array_equal(load("mnist", archive=str(tmp_path / "m.zip"), **options).pixels, pixels)


def test_mnist_of_other_digits(small_mnist, tmp_path):
    files, _, options = small_mnist
    for name, data in files.items():
        (tmp_path / name).write_bytes(data[:-1] + b"\0")
    with pytest.raises(ConfigError, match=f"not the pinned {options['digest'][:12]}"):
        load("mnist", root=str(tmp_path), **options)
    with pytest.raises(ConfigError, match=r"MNIST was not found\. Looked for train-images.*dataset\.archive=PATH"):
        load("mnist", **options)


# CIFAR-10 and STL-10


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """The official layout with twenty images a batch, pickled as Python 2 did."""
    folder = tmp_path / "cifar" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    generator, sums, pixels = np.random.default_rng(0), {}, []
    for name in cifar10.MD5:
        data = generator.integers(0, 256, (20, 3072), np.uint8)
        pixels.append(data.reshape(20, 3, 32, 32).transpose(0, 2, 3, 1))
        body = {"data": data, "labels": [n % 10 for n in range(20)], "batch_label": name, "filenames": ["a"] * 20}
        (folder / name).write_bytes(pickle.dumps(body, protocol=2))
        sums[name] = md5(folder / name)
    small = dataclasses.replace(cifar10.COLLECTION, per_class={TRAIN: 10, TEST: 2})
    monkeypatch.setattr(cifar10, "PER_BATCH", 20)
    monkeypatch.setattr(cifar10, "MD5", sums)
    for name in ("describe", "fingerprint", "load"):
        monkeypatch.setattr(cifar10, name, getattr(small, name))
    return folder, np.concatenate(pixels)


def test_cifar10(small_cifar, tmp_path):
    folder, pixels = small_cifar
    found = load("cifar10", root=str(folder.parent))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.labels.tolist() == list(range(10)) * 12 and np.bincount(found.split).tolist() == [80, 20, 20]
    assert found.names[3] == "cat" and set(found.split[100:]) == {TEST}
    assert load("cifar10", root=str(folder)).digest == found.digest
    archive = packed(folder, tmp_path / "cifar-10-python.tar.gz")
    assert load("cifar10", archive=str(archive)).digest == found.digest
    drawn = load("cifar10", root=str(folder), sample=24)
    np.testing.assert_array_equal(drawn.pixels, pixels[drawn.rows])


def test_cifar10_of_the_binary_version(small_cifar, tmp_path):
    folder, _ = small_cifar
    other = tmp_path / "binary"
    other.mkdir()
    for name in cifar10.MD5:
        body = pickle.loads((folder / name).read_bytes())
        records = np.concatenate([np.array(body["labels"], np.uint8)[:, None], body["data"]], axis=1)
        (other / f"{name}.bin").write_bytes(records.tobytes())
    assert load("cifar10", root=str(other)).digest == load("cifar10", root=str(folder)).digest
    (other / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(ConfigError, match=r"test_batch\.bin holds 5 bytes"):
        load("cifar10", root=str(other))


def test_a_digest_is_remembered_until_a_file_changes(small_cifar):
    folder, _ = small_cifar
    module, params = plugins.load("dataset", "cifar10"), params_of("cifar10", root=str(folder))
    assert module.describe(params).digest is None
    digest = module.fingerprint(params, Reading())
    assert module.describe(params).digest == digest
    os.utime(folder / "test_batch", (1, 1))
    assert module.describe(params).digest is None
    with pytest.raises(ConfigError, match="not 000000000000 as planned or pinned"):
        module.load(params_of("cifar10", root=str(folder), digest="0" * 64), Context(downloads=paths.downloads()))


class Attack:
    def __reduce__(self):
        return os.system, ("touch OPENED",)


def test_a_batch_that_is_not_official_is_not_even_read(small_cifar, tmp_path, monkeypatch):
    folder, _ = small_cifar
    monkeypatch.chdir(tmp_path)
    (folder / "data_batch_2").write_bytes(pickle.dumps({"data": Attack(), "labels": []}))
    with pytest.raises(ConfigError, match="data_batch_2 is not the official file: its MD5 is"):
        load("cifar10", root=str(folder))
    assert not (tmp_path / "OPENED").exists()


@pytest.mark.parametrize(
    "value", [Attack(), print, np.array([{}], object), np.ma.array([1]), io.BytesIO, np.float64(1)]
)
def test_a_pickle_builds_nothing_but_arrays(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in (2, 4):
        body = io.BytesIO(pickle.dumps({"data": value}, protocol=protocol))
        if isinstance(value, np.ndarray) and value.dtype == object and type(value) is np.ndarray:
            assert cifar10._ArraysOnly(body).load()["data"].tolist() == [{}]  # plain values in an array are no harm
            continue
        with pytest.raises(pickle.UnpicklingError, match="a CIFAR-10 batch has"):
            cifar10._ArraysOnly(body).load()
    assert not (tmp_path / "OPENED").exists()


@pytest.fixture
def small_stl(tmp_path, monkeypatch):
    folder = tmp_path / "stl" / "stl10_binary"
    folder.mkdir(parents=True)
    pixels = {}
    for stem, n in (("train", 20), ("test", 30)):
        pixels[stem] = np.random.default_rng(n).integers(0, 256, (n, 96, 96, 3), np.uint8)
        (folder / f"{stem}_X.bin").write_bytes(pixels[stem].transpose(0, 3, 2, 1).tobytes())
        (folder / f"{stem}_y.bin").write_bytes((np.arange(n, dtype=np.uint8) % 10 + 1).tobytes())
    small = dataclasses.replace(stl10.COLLECTION, per_class={TRAIN: 2, TEST: 3})
    monkeypatch.setattr(stl10, "MD5", {name: md5(folder / name) for name in stl10.MD5})
    for name in ("describe", "fingerprint", "load"):
        monkeypatch.setattr(stl10, name, getattr(small, name))
    return folder, np.concatenate([pixels["train"], pixels["test"]])


def test_stl10(small_stl, tmp_path):
    folder, pixels = small_stl
    found = load("stl10", root=str(folder.parent))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.labels.tolist() == list(range(10)) * 5 and np.bincount(found.split).tolist() == [16, 4, 30]
    assert load("stl10", archive=str(packed(folder, tmp_path / "stl10_binary.tar.gz"))).digest == found.digest


def test_stl10_that_is_another(small_stl, monkeypatch):
    folder, _ = small_stl
    (folder / "test_y.bin").write_bytes(np.full(30, 1, np.uint8).tobytes())
    with pytest.raises(ConfigError, match=r"test_y\.bin is not the official file"):
        load("stl10", root=str(folder))
    monkeypatch.setitem(stl10.MD5, "test_y.bin", md5(folder / "test_y.bin"))
    with pytest.raises(ConfigError, match=r"not STL-10 as published: the test split has \[30, 0"):
        load("stl10", root=str(folder))


# Caltech-101


def test_the_official_counts_of_caltech101():
    every = caltech101._counts(caltech101.FIRST_50) | caltech101._counts(caltech101.OTHERS)
    assert len(every) == 101 and sum(every.values()) == 8677
    assert sum(caltech101._counts(caltech101.FIRST_50).values()) == 4696


@pytest.mark.parametrize(
    ("subset", "background", "classes", "n"),
    [("all", None, 101, 8677), ("all", True, 102, 9144), (51, None, 51, 5163), (51, False, 50, 4696)],
)
def test_the_subsets_of_caltech101(subset, background, classes, n):
    params = params_of("caltech101", subset=subset, background=background)
    about = caltech101.describe(params)
    assert (about.n, about.classes) == (n, classes)
    assert params.background is (classes in (51, 102)), "null is settled before anything is hashed"


@pytest.fixture
def small_caltech(tmp_path, monkeypatch):
    monkeypatch.setattr(caltech101, "FIRST_50", "accordion:3 bonsai:4")
    monkeypatch.setattr(caltech101, "OTHERS", "yin_yang:2")
    monkeypatch.setattr(caltech101, "BACKGROUND_IMAGES", 5)
    folder = tmp_path / "caltech101" / "101_ObjectCategories"
    for number, (name, count) in enumerate(
        {"accordion": 3, "bonsai": 4, "yin_yang": 2, "BACKGROUND_Google": 5}.items()
    ):
        for image in range(1, count + 1):
            jpeg(folder / name / f"image_{image:04}.jpg", 100 * number + image)
    (folder / "BACKGROUND_Google" / "tmp").write_text("as in the official archive")
    return folder


def test_caltech101(small_caltech, tmp_path):
    found = load("caltech101", root=str(tmp_path))
    assert list(found.names) == ["accordion", "bonsai", "yin_yang"] and np.bincount(found.labels).tolist() == [3, 4, 2]
    assert load("caltech101", root=str(small_caltech)).digest == found.digest
    half = load("caltech101", root=str(small_caltech), subset=51)
    assert list(half.names) == ["BACKGROUND_Google", "accordion", "bonsai"] and len(half.files) == 12
    assert list(load("caltech101", root=str(small_caltech), subset=51, background=False).names) == [
        "accordion",
        "bonsai",
    ]
    assert len(load("caltech101", root=str(small_caltech), background=True).files) == 14
    tar = packed(small_caltech, tmp_path / "101_ObjectCategories.tar.gz")
    assert load("caltech101", archive=str(tar)).digest == found.digest


def test_caltech101_as_it_is_published(small_caltech, tmp_path, monkeypatch):
    """A zip with a tar.gz in it, beside what is not needed, from the official address."""
    tar = packed(small_caltech, tmp_path / "101_ObjectCategories.tar.gz")
    with zipfile.ZipFile(tmp_path / "caltech-101.zip", "w") as archive:
        archive.write(tar, "caltech-101/101_ObjectCategories.tar.gz")
        archive.writestr("caltech-101/Annotations.tar", b"")
        archive.writestr("__MACOSX/caltech-101/._Annotations.tar", b"")
    found = load("caltech101", archive=str(tmp_path / "caltech-101.zip"))
    assert len(found.files) == 9
    monkeypatch.setattr(_known._fetch, "probe", lambda *_: None)
    monkeypatch.setattr(_known._download, "fetch", lambda url, known, target: served(url, target))
    fetched = []

    def served(url, target):
        fetched.append(url)
        target.write_bytes((tmp_path / "caltech-101.zip").read_bytes())
        return target

    assert load("caltech101").digest == found.digest
    assert fetched == [caltech101.COLLECTION.known.originals[0].url], "fetched once"
    left = [path.name for path in (paths.downloads() / "archives").iterdir() if "zip" in path.name]
    assert left == [], "the download is gone"


def test_caltech101_that_is_not_whole(small_caltech):
    with pytest.raises(ConfigError, match="has no official split"):
        load("caltech101", split={"source": "given", "validation": 0.2, "test": 0.2})
    (small_caltech / "bonsai" / "image_0002.jpg").unlink()
    with pytest.raises(
        ConfigError, match=r"1 counts differ, bonsai has 3 images, not 4.*dataset=folder dataset\.root="
    ):
        load("caltech101", root=str(small_caltech))
    (small_caltech / "yin_yang").rename(small_caltech / "tmp")
    with pytest.raises(ConfigError, match=r"lacks 1 of the categories: yin_yang.*dataset\.subset=51"):
        load("caltech101", root=str(small_caltech))


@pytest.mark.skipif(not ASSETS, reason="BACKBENCH_ASSETS is not set")
@pytest.mark.slow
def test_the_published_half_of_caltech101():
    archive = Path(ASSETS) / "data" / "caltech101_51.tar"
    found = load("caltech101", archive=str(archive), subset=51)
    assert len(found.files) == 5163 and len(found.names) == 51 and found.info["excluded"] == {}
    counts = Counter(found.labels.tolist())
    assert counts[list(found.names).index("BACKGROUND_Google")] == 467


# Flowers, food and pets: labels and parts in files of their own


@pytest.fixture
def small_flowers(tmp_path, monkeypatch):
    from scipy.io import savemat

    folder = tmp_path / "flowers" / "flowers-102"
    for number in range(1, 13):
        jpeg(folder / "jpg" / f"image_{number:05}.jpg", number)
    # Image 1 is of the third kind, image 2 of the first, and so on.
    savemat(folder / "imagelabels.mat", {"labels": np.array([[3, 1, 2] * 4], np.uint8)})
    sets = {"trnid": [[1, 2, 3, 10]], "valid": [[4, 5, 6]], "tstid": [[7, 8, 9, 11, 12]]}
    savemat(folder / "setid.mat", {name: np.array(ids, np.uint16) for name, ids in sets.items()})
    monkeypatch.setattr(flowers102, "COUNTS", {TRAIN: 4, VALIDATION: 3, TEST: 5})
    monkeypatch.setattr(flowers102, "NAMES", "rose; daisy; iris")
    small = [
        dataclasses.replace(original, md5=md5(folder / original.name))
        for original in (flowers102.LABELS, flowers102.SETIDS)
    ]
    for name, original in zip(("LABELS", "SETIDS"), small, strict=True):
        monkeypatch.setattr(flowers102, name, original)
    known = dataclasses.replace(
        flowers102.COLLECTION.known, originals=(flowers102.COLLECTION.known.originals[0], *small)
    )
    collection = dataclasses.replace(flowers102.COLLECTION, known=known)
    for name in ("describe", "fingerprint", "load"):
        monkeypatch.setattr(flowers102, name, getattr(collection, name))
    return folder


def test_flowers102(small_flowers, tmp_path):
    found = load("flowers102", root=str(small_flowers.parent))
    kind = dict(zip(found.files, (found.names[label] for label in found.labels), strict=True))
    part = dict(zip(found.files, found.split.tolist(), strict=True))
    assert kind["jpg/image_00001.jpg"] == "iris" and kind["jpg/image_00002.jpg"] == "rose"
    assert kind["jpg/image_00012.jpg"] == "daisy" and len(kind) == 12
    assert [part[f"jpg/image_{n:05}.jpg"] for n in (10, 4, 7)] == [TRAIN, VALIDATION, TEST]
    assert np.bincount(found.split).tolist() == [4, 3, 5]
    # The official archive holds the images alone; the two others lie beside it.
    archive = packed(small_flowers / "jpg", tmp_path / "flowers" / "flowers-102" / "102flowers.tgz")
    assert load("flowers102", archive=str(archive)).digest == found.digest


def test_flowers102_with_other_labels(small_flowers):
    path = small_flowers / "imagelabels.mat"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match=r"imagelabels\.mat is not the official file"):
        load("flowers102", root=str(small_flowers))


def test_flowers102_that_lacks_an_image(small_flowers):
    (small_flowers / "jpg" / "image_00003.jpg").unlink()
    with pytest.raises(ConfigError, match=r"lacks 1 images: jpg/image_00003\.jpg"):
        load("flowers102", root=str(small_flowers))


@pytest.fixture
def small_food(tmp_path, monkeypatch):
    folder, meta = tmp_path / "food-101", {"train": {}, "test": {}}
    for number, dish in enumerate(("apple_pie", "waffles")):
        for image in range(5):
            jpeg(folder / "images" / dish / f"{image}.jpg", 10 * number + image)
        meta["train"][dish] = [f"{dish}/{image}" for image in range(3)]
        meta["test"][dish] = [f"{dish}/{image}" for image in range(3, 5)]
    (folder / "meta").mkdir()
    for part, content in meta.items():
        (folder / "meta" / f"{part}.json").write_text(json.dumps(content))
    monkeypatch.setattr(food101, "COUNTS", {TRAIN: 6, TEST: 4})
    monkeypatch.setattr(food101, "DISHES", 2)
    return folder


def test_food101(small_food, tmp_path):
    found = load("food101", root=str(tmp_path), split={"source": "given", "validation": 0.34, "test": 0.2})
    assert list(found.names) == ["apple_pie", "waffles"] and np.bincount(found.split).tolist() == [4, 2, 4]
    assert {name for name, part in zip(found.files, found.split, strict=True) if part == TEST} == {
        f"images/{dish}/{n}.jpg" for dish in found.names for n in (3, 4)
    }
    archive = packed(small_food, tmp_path / "food-101.tar.gz")
    assert load("food101", archive=str(archive)).digest == found.digest


@pytest.mark.parametrize("names", [["../../etc/passwd"], ["../passwd"], [3], "apple_pie/1", {}])
def test_food101_with_a_list_of_something_else(small_food, tmp_path, names):
    (small_food / "meta" / "test.json").write_text(json.dumps({"apple_pie": names, "waffles": []}))
    with pytest.raises(ConfigError, match=r"test\.json is not the official list|is not Food-101 as published"):
        load("food101", root=str(tmp_path))


def test_oxford_iiit_pet(tmp_path, monkeypatch):
    monkeypatch.setattr(pets, "COUNTS", {TRAIN: 4, TEST: 3})
    monkeypatch.setattr(pets, "BREEDS", 2)
    folder = tmp_path / "oxford-iiit-pet"
    lists = {
        "trainval": ["Abyssinian_1", "Abyssinian_2", "pit_bull_1", "pit_bull_10"],
        "test": ["Abyssinian_3", "pit_bull_2", "pit_bull_3"],
    }
    (folder / "annotations").mkdir(parents=True)
    for part, names in lists.items():
        lines = [f"{name} {1 + name.startswith('pit')} 1 1" for name in names]
        (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
        for name in names:
            jpeg(folder / "images" / f"{name}.jpg", hash_of(name))
    found = load("oxford_iiit_pet", root=str(tmp_path), split={"source": "given", "validation": 0.25, "test": 0.2})
    assert list(found.names) == ["Abyssinian", "pit_bull"] and np.bincount(found.split).tolist() == [3, 1, 3]
    (folder / "annotations" / "test.txt").write_text("../../etc/passwd 1 1 1\n")
    with pytest.raises(ConfigError, match="is not the official list of images"):
        load("oxford_iiit_pet", root=str(tmp_path))


def hash_of(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def test_a_second_official_archive_beside_the_first(tmp_path, monkeypatch):
    """Only an official one is taken; here it is not."""
    monkeypatch.setattr(pets, "COUNTS", {TRAIN: 1, TEST: 1})
    jpeg(tmp_path / "images" / "cat_1.jpg", 1)
    archive = packed(tmp_path / "images", tmp_path / "images.tar.gz")
    (tmp_path / "annotations.tar.gz").write_bytes(b"something else")
    with pytest.raises(ConfigError, match=r"annotations\.tar\.gz is not the official file"):
        load("oxford_iiit_pet", archive=str(archive))
