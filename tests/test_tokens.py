"""Vision transformers: last blocks, means of patches and several crops, against hooks on the plain networks."""

import dataclasses
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
import yaml

from backbench import plugins, schema
from backbench.backbones import _normalise, _tokens
from backbench.schema import ConfigError
from backbench.stage import Context

CONF = Path(__file__).parents[1] / "conf" / "backbone"
TIMM, TORCHVISION = "test_vit.r160_in1k", "vit_b_32"
IMAGE = {"size": 32, "resize": "crop", "interpolation": "bilinear", "shorter": 40}


def resolved(name, **changes):
    """The plugin and its options, for random weights and small images."""
    if name == "timm":
        pytest.importorskip(name)
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    values["image"] |= {**IMAGE, **changes.pop("image", {})}
    module = plugins.load("backbone", name)
    given = {"weights": "random", "engine": "torch", **changes}
    return module, module.resolve(plugins.params("backbone", {**values, **given}), "cpu")


def timm(**changes):
    image = {"size": 64, "shorter": 80, **changes.pop("image", {})}
    return resolved("timm", model=TIMM, image=image, **changes)


def inputs(params, n=2):
    pixels = np.random.default_rng(0).integers(0, 256, (n, params.image.size, params.image.size, 3), np.uint8)
    if hasattr(params, "mean"):
        normalise = _normalise.standard(params.mean, params.deviation)
    else:
        normalise = _normalise.named("imagenet")
    return pixels, normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())


def hooked(model, layers, norm, x):
    """The tokens behind every block of a plain network."""
    outputs = []
    for layer in layers:
        layer.register_forward_hook(lambda module, given, output: outputs.append(output))
    with torch.no_grad():
        model(x)
        return [norm(output) for output in outputs]


def wanted(tokens, blocks, pooling, prefix=1):
    last = tokens[-blocks:]
    if pooling == "mean":
        return torch.cat([block[:, prefix:].mean(1) for block in last], 1)
    more = [last[-1][:, prefix:].mean(1)] if pooling == "class_mean" else []
    return torch.cat([*(block[:, 0] for block in last), *more], 1)


CASES = [(1, "class"), (3, None), (2, "mean"), (2, "class_mean")]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize(("blocks", "pooling"), CASES)
def test_tokens_of_timm(blocks, pooling, engine):
    networks.needs_engine(engine)
    module, params = timm(blocks=blocks, pooling=pooling, engine=engine)
    pixels, x = inputs(params)
    plain = module._whole(params)
    expected = wanted(hooked(plain, plain.blocks, plain.norm, x), blocks, pooling)
    features = module.open(params, Context())(pixels)
    assert features.shape[1] == module.width(params) == sum(module.parts(params))
    np.testing.assert_allclose(features, expected.numpy(), rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_tokens_of_torchvision():
    module, params = resolved("torchvision", model=TORCHVISION, blocks=2, pooling="class_mean")
    plain = module._model(TORCHVISION)._random(module._settled(params))
    pixels, x = inputs(params)
    expected = wanted(hooked(plain, plain.encoder.layers, plain.encoder.ln, x), 2, "class_mean")
    assert module.parts(params) == [768] * 3 and module.width(params) == 3 * 768
    features = module.open(params, Context())(pixels)
    np.testing.assert_allclose(features, expected.numpy(), rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("count", [5, 10])
def test_features_of_crops_are_averaged(count):
    module, params = timm(crops=count)
    assert (params.image.size, params.image.shorter, params.view) == (80, 80, 64)
    pixels, x = inputs(params)
    plain, views = module._whole(params), []
    for top, left in ((0, 0), (0, 16), (16, 0), (16, 16), (8, 8)):
        views.append(x[:, :, top : top + 64, left : left + 64])
    views += [view.flip(3) for view in views] if count == 10 else []
    with torch.no_grad():
        expected = torch.stack([plain(view) for view in views]).mean(0)
    np.testing.assert_allclose(module.open(params, Context())(pixels), expected.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("timm", {"model": "resnet10t", "blocks": 2}, "is no vision transformer"),
        ("torchvision", {"model": "resnet18", "pooling": "mean"}, "is no vision transformer"),
        ("torchvision", {"model": TORCHVISION, "blocks": 2, "layer": "encoder.ln"}, "allowed: auto with blocks"),
        ("vit_b_16", {"blocks": 13}, "allowed: 1 to 12"),
        ("vit_b_16", {"blocks": 2, "layer": "tokens"}, "which blocks and pooling replace"),
        ("timm", {"model": TIMM, "crops": 5, "image": {"shorter": 32}}, "nothing of an image is cut off"),
    ],
)
def test_what_a_network_does_not_have_is_refused(name, changes, words):
    with pytest.raises(ConfigError, match=words):
        resolved(name, **changes)


@pytest.mark.parametrize("name", ["timm", "torchvision", "vit_b_16"])
def test_defaults_are_no_part_of_the_hash(name):
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    params = plugins.params("backbone", values)
    assert not {"blocks", "pooling", "crops", "view"} & set(schema.canonical(params))
    assert _tokens.asked(dataclasses.replace(params, blocks=2))
