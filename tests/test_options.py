"""Every option of every plugin is in the hash: another legal value of it makes another run."""

import dataclasses
import itertools
import types
import typing
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import hubs
import numpy as np
import pytest
from grids import cell, changed, options, photos, run_hash

from backbench import plugins
from backbench.backbones import _transformers
from backbench.datasets import Reading
from backbench.engine.grid import HEADS
from backbench.schema import ConfigError

# Options that have one legal value, or say what another one says too.
FIXED = {
    ("clusterer", "dbscan", "metric"),
    ("clusterer", "genie", "metric"),
    ("clusterer", "hdbscan", "metric"),
    ("clusterer", "plscan", "metric"),
    ("backbone", "open_clip", "pretrained"),
    ("dataset", "fashion_mnist", "n"),
    ("dataset", "mnist", "n"),
    ("dataset", "caltech101", "split.source"),
    ("dataset", "archive", "digest"),
    ("dataset", "embeddings", "digest"),
    ("dataset", "folder", "digest"),
    ("backbone", "precomputed", "align"),
    # Planning fills it in where there are several crops.
    *(("backbone", name, "view") for name in ("huggingface", "timm", "torchvision", "vit_b_16")),
}
# Options that count for collections of files alone.
OF_FILES = {"image.decode"}
# What an option counts beside, by its name or by plugin and name.
BESIDE: dict[Any, dict[str, Any]] = {
    "image.resize": {"image.shorter": None},
    "image.shorter": {"image.resize": "crop"},
    "split.test": {"split.source": "random"},
    "near_distance": {"near_duplicates": "exclude"},
    "calibration": {"engine": "openvino", "precision": "int8"},
    ("agglomerative", "metric"): {"linkage": "average"},
    ("birch", "threshold"): {"threshold": 1.0, "threshold_quantile": None},
    ("dbscan", "eps"): {"eps": 1.0, "eps_quantile": None},
    ("lda", "shrinkage"): {"solver": "lsqr"},
    ("optics", "eps"): {"cluster_method": "dbscan", "eps": 1.0},
    ("mean_shift", "bandwidth"): {"bandwidth": 1.0, "quantile": None},
    ("turtle", "spaces"): {"spaces": None},
    ("spectral", "gamma"): {"affinity": "rbf", "n_neighbors": None, "gamma": 1.0},
    ("torchvision", "pool"): {"layer": "layer4.1.relu"},
    ("timm", "pooling"): {"model": "test_vit.r160_in1k"},
    ("timm", "blocks"): {"model": "test_vit.r160_in1k"},
    ("torchvision", "blocks"): {"model": "vit_b_32"},
    ("torchvision", "pooling"): {"model": "vit_b_32"},
    "crops": {"image.resize": "crop", "image.shorter": 256, "image.size": 224},
    ("pca", "variance"): {"n_components": None, "variance": 0.9},
}
# What a value of an option calls for in others.
CALLS_FOR: dict[Any, dict[str, Any]] = {
    ("dbscan", "eps_knee", "True"): {"eps_quantile": None},
    ("optics", "cluster_method", "dbscan"): {"eps": 1.0},
    ("spectral", "affinity", "rbf"): {"n_neighbors": None, "gamma": 1.0},
}
# Values to try beside those that the type of an option gives.
TRIED: dict[Any, list[Any]] = {
    "classes": [["a"], ["accordion"], ["pink primrose"]],
    "bits": [12],
    "groups": ["near_duplicates", "(?P<group>\\d)"],
    "digest": ["1" * 64],
    "sample": [20, 1000],
    "image.size": [64],
    "image.shorter": [300],
    "mean": [[0.1, 0.2, 0.3]],
    "deviation": [[0.1, 0.2, 0.3]],
    "init_size": [100_000],
    ("timm", "model"): ["resnet34"],
    ("huggingface", "model"): [str(hubs.place(4))],
    ("torchvision", "model"): ["resnet34"],
    ("torchvision", "layer"): ["layer4.1.relu"],
    ("open_clip", "model"): ["RN101"],
    ("turtle", "spaces"): [[600, 184]],
    ("zero_shot", "templates"): [["a {}."]],
    ("zero_shot", "names"): [{"sandal": "shoe"}],
    ("linear_probe", "first_columns"): [[5]],
}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    # Whatever this machine has: nothing is computed.
    monkeypatch.setattr("backbench.provenance.cpu_features", lambda: "avx512_bf16 avx512_vnni")
    monkeypatch.setattr("backbench.backbones._engine._installed", lambda package: True)


def _pixels(size: int) -> dict[str, Any]:
    return {**options("backbone", "pixels"), "image": {**options("backbone", "pixels")["image"], "size": size}}


SIDE_BY_SIDE = {"pixels": _pixels(28), "pixels_2": _pixels(8)}
TRIED["concatenated", "parts"] = [{"pixels": _pixels(28), "pixels_2": _pixels(9)}]


def fields(kind: str, name: str) -> Iterator[tuple[str, Any]]:
    """Options of a plugin that count, with their types; a nested one is dotted."""
    module = plugins.load(kind, name)
    # The seed of random weights counts beside them; other options that are not hashed are paths.
    left_out = set(getattr(module, "UNHASHED", ())) - {"weights_seed"}
    for field, hint in typing.get_type_hints(module.Params, include_extras=True).items():
        if dataclasses.is_dataclass(hint) and field not in left_out:
            inner = typing.get_type_hints(hint, include_extras=True)
            yield from ((f"{field}.{key}", value) for key, value in inner.items() if not _one_mode(module, key))
        elif field not in left_out:
            yield field, hint


def _one_mode(module: Any, key: str) -> bool:
    """Pretrained networks take colour images alone."""
    return key == "mode" and is_network(module)


def is_network(module: Any) -> bool:
    return "weights_seed" in {field.name for field in dataclasses.fields(module.Params)}


def every_option() -> Iterator:
    for kind in plugins.PACKAGES:
        for name in plugins.names(kind):
            for option, hint in fields(kind, name):
                if (kind, name, option) not in FIXED:
                    yield pytest.param(kind, name, option, hint, id=f"{name}.{option}")


def candidates(hint: Any, value: Any) -> Iterator[Any]:
    """Other values of an option, by its type; not all of them need be legal."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        yield from candidates(typing.get_args(hint)[0], value)
    elif origin is Literal:
        yield from (choice for choice in typing.get_args(hint) if choice != value)
    elif origin in (Union, types.UnionType):
        for inner in typing.get_args(hint):
            yield from candidates(inner, value)
    elif hint is bool:
        yield not value
    elif hint is int:
        yield from ((value or 1) + 1, (value or 2) - 1, (value or 2) // 2)
    elif hint is float:
        yield from ((value or 0.5) * factor for factor in (0.9, 1.1, 0.5))
    elif origin is tuple:
        yield [item + 1 for item in value or ()]
    elif hint is types.NoneType and value is not None:
        yield None


def base(kind: str, name: str, folder: Path) -> dict[str, Any]:
    """What a plugin needs beside its YAML to be planned without a network, by dotted option."""
    values = {"weights": "random", "engine": "torch"} if is_network(plugins.load(kind, name)) else {}
    return values | SOURCES.get(name, lambda folder: {})(folder)


def _folder(folder: Path) -> dict[str, Any]:
    return {"root": str(photos(folder / "photos", classes=("train/a", "train/b", "test/a", "test/b")))}


def _archive(folder: Path) -> dict[str, Any]:
    root = Path(_folder(folder)["root"])
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    return {"archive": str(folder / "photos.zip")}


def _embeddings(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    labels, split = rng.integers(0, 3, 100), np.repeat(["train", "test"], [70, 30])
    np.savez(folder / "e.npz", features=rng.normal(size=(100, 8)).astype("float32"), labels=labels, split=split)
    return {"path": str(folder / "e.npz")}


def _precomputed(folder: Path) -> dict[str, Any]:
    np.save(folder / "e.npy", np.random.default_rng(0).normal(size=(70000, 8)).astype("float32"))
    return {"path": str(folder / "e.npy")}


SOURCES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "folder": _folder,
    "archive": _archive,
    "embeddings": _embeddings,
    "precomputed": _precomputed,
    "concatenated": lambda folder: {"parts": SIDE_BY_SIDE},
    "huggingface": lambda folder: {"model": str(hubs.vision_transformer())},
    "timm": lambda folder: {"model": "resnet18"},
    "torchvision": lambda folder: {"model": "resnet18"},
    "open_clip": lambda folder: {"model": "RN50", "pretrained": "openai"},
}


def weights_of(name: str, path: Path) -> Path:
    """A file of weights that fit a network: zeros of its shapes, which take no room."""
    import torch

    zeros = {key: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for key, tensor in _network(name).items()}
    torch.save(zeros, path)
    return path


def _network(name: str) -> dict[str, Any]:
    """The state of the network of a plugin, without its values."""
    import open_clip
    import timm
    import torch
    import torchvision

    if name == "open_clip":
        return open_clip.create_model("RN50").state_dict()
    with torch.device("meta"):
        if name == "huggingface":
            return _transformers.network(str(hubs.vision_transformer())).state_dict()
        if name.startswith("efficientnet_lite"):
            return plugins.load("backbone", name).NETWORK.untrained(0).state_dict()
        if name == "timm":
            return timm.create_model("resnet18").state_dict()
        model = "resnet18" if name == "torchvision" else plugins.load("backbone", name).MODEL.name
        return torchvision.models.get_model(model, weights=None).state_dict()


def tried(name: str, option: str, folder: Path) -> list[Any]:
    """Values to try that the type of an option does not tell."""
    if option == "weights" and name in plugins.names("backbone"):
        return [str(weights_of(name, folder / "other.pth"))]
    if option == "layer" and name != "torchvision":
        return list(plugins.load("backbone", name).MODEL.layers)
    return TRIED.get((name, option), TRIED.get(option, []))


def configured(kind: str, name: str, option: str, folder: Path) -> dict[str, Any]:
    """The options of a plugin, with what `option` counts beside."""
    values = dict(options(kind, name))
    beside = {**BESIDE.get(option, {}), **BESIDE.get((name, option), {})}
    if option == "pool" and name != "torchvision":
        layers = plugins.load("backbone", name).MODEL.layers
        beside["layer"] = next(known for known, layer in layers.items() if layer.dimensions > 1)
    for key, value in {**base(kind, name, folder), **beside}.items():
        values = changed(values, key, value)
    return values


def with_its_companions(values: dict[str, Any], name: str, option: str, other: Any) -> dict[str, Any]:
    """The options with one set to another value, and with what that value calls for."""
    for key, value in {option: other, **CALLS_FOR.get((name, option, str(other)), {})}.items():
        values = changed(values, key, value)
    return values


def value_of(values: dict[str, Any], option: str) -> Any:
    for key in option.split("."):
        values = values.get(key) if values else None
    return values


def cell_with(kind: str, name: str, values: dict[str, Any]) -> dict:
    """A cell that uses a plugin."""
    config = cell("k=3")
    if name == "embeddings":
        config["backbone"] = options("backbone", "precomputed")
    if name == "zero_shot":
        config["backbone"] = {**options("backbone", "open_clip"), "weights": "random"}
    if kind != "transform":
        return {**config, kind: values}
    chain = {"steps": {"s1": values}}
    return {**config, "chain": chain, **{head: {**config[head], "chain": chain} for head in HEADS}}


def hash_of(kind: str, name: str, values: dict[str, Any], collection: dict[str, Any]) -> str:
    """The run's hash; collections that are there are read, of the others nothing is known but their size."""
    config = {**cell_with(kind, name, values), **collection}
    if kind == "dataset" and name in SOURCES:
        module, params = plugins.load(kind, name), plugins.params(kind, config[kind])
        return run_hash(config, digest=module.fingerprint(params, Reading()))
    return run_hash(config)


@pytest.mark.parametrize(("kind", "name", "option", "hint"), every_option())
def test_every_option_counts(kind, name, option, hint, tmp_path):
    values = configured(kind, name, option, tmp_path)
    collection = {"dataset": {**options("dataset", "folder"), **_folder(tmp_path)}} if option in OF_FILES else {}
    before = hash_of(kind, name, values, collection)
    equal, refused = [], []
    for other in itertools.chain(tried(name, option, tmp_path), candidates(hint, value_of(values, option))):
        try:
            found = hash_of(kind, name, with_its_companions(values, name, option, other), collection)
        except ConfigError as error:
            refused.append(f"{other!r}: {error}")
        else:
            if found != before:
                return
            equal.append(other)
    pytest.fail(f"no other value of {option} makes another run; equal: {equal}; refused: {refused}")
