"""timm and open_clip: their own transforms, their own forward passes, and weights that are never random in silence."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from backbench import plugins
from backbench.backbones import Image as Policy
from backbench.backbones import _hub, _huggingface, _normalise
from backbench.schema import ConfigError
from backbench.stage import Context

CONF = Path(__file__).parents[1] / "conf" / "backbone"
TIMM = ["test_vit.r160_in1k", "test_resnet.r160_in1k", "test_convnext.r160_in1k", "mobilenetv3_small_050.lamb_in1k"]


def resolved(name, **changes):
    pytest.importorskip(name)
    found = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    changes = {"weights": "random", "engine": "torch", **changes}
    found["image"] |= changes.pop("image", {})
    module = plugins.load("backbone", name)
    return module, module.resolve(plugins.params("backbone", {**found, **changes}), "cpu")


def images(*sizes):
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]


def check_preparation(params, transform, sizes=((300, 200), (201, 330), (128, 128))):
    """The decoded uint8 image, normalised, is the library's tensor."""
    from backbench.images.preparing import resize

    normalise = _normalise.standard(params.mean, params.deviation)
    for image in images(*sizes):
        pixels = torch.from_numpy(resize(image, params.image).copy()).permute(2, 0, 1)[None].float()
        torch.testing.assert_close(normalise(pixels)[0], transform(image), rtol=0, atol=1e-6)


def inputs(params, n=3):
    """Images as the stage gives them, and as the library's network wants them."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, params.image.size, params.image.size, 3), np.uint8)
    normalise = _normalise.standard(params.mean, params.deviation)
    return pixels, normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())


def close(found, expected):
    expected = expected.numpy()
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "model",
    [
        "vit_small_patch14_dinov2.lvd142m",
        "resnet50.a1_in1k",
        "coat_lite_tiny.in1k",
        "vit_base_patch16_siglip_224.webli",
    ],
)
def test_timm_prepares_images_as_timm_does(model):
    timm = pytest.importorskip("timm")
    _, params = resolved("timm", model=model)
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(model).to_dict())
    assert params.image.size == config["input_size"][1]
    check_preparation(params, timm.data.create_transform(**config))


def test_timm_at_another_size_keeps_the_part_that_it_crops():
    timm = pytest.importorskip("timm")
    _, params = resolved("timm", model="resnet50.a1_in1k", image={"size": 96})
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg("resnet50.a1_in1k").to_dict())
    check_preparation(params, timm.data.create_transform(**{**config, "input_size": (3, 96, 96)}))
    asked = {"size": 96, "resize": "squash", "interpolation": "nearest"}
    assert resolved("timm", model="resnet50.a1_in1k", image=asked)[1].image == Policy(96, "RGB", "squash", "nearest")


@pytest.mark.parametrize("model", TIMM)
def test_timm_features_are_those_without_the_classifier(model, tmp_path):
    timm = pytest.importorskip("timm")
    module, params = resolved("timm", model=model, image={"size": 160, "shorter": 160})
    torch.manual_seed(1)
    whole = timm.create_model(model).eval()
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    plain = timm.create_model(model, num_classes=0).eval()
    plain.load_state_dict(whole.state_dict(), strict=False)
    torch.save(plain.state_dict(), tmp_path / "headless.pth")
    pixels, x = inputs(params)
    with torch.inference_mode():
        expected = plain(x)
    assert module.width(params) == expected.shape[1]
    for file in ("whole.pth", "headless.pth"):
        _, given = resolved("timm", model=model, image={"size": 160, "shorter": 160}, weights=str(tmp_path / file))
        close(module.open(given, Context())(pixels), expected)


def test_timm_interpolates_positions_to_the_size(tmp_path):
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "w.pth")
    options = {"model": "test_vit", "weights": str(tmp_path / "w.pth"), "image": {"size": 96, "shorter": 96}}
    module, params = resolved("timm", **options)
    overlay = {"file": str(tmp_path / "w.pth")}
    plain = timm.create_model("test_vit", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, img_size=96)
    pixels, x = inputs(params)
    with torch.inference_mode():
        close(module.open(params, Context())(pixels), plain.eval()(x))


def test_the_name_of_a_model_is_made_full():
    assert resolved("timm", model="test_vit")[1].model == "test_vit.r160_in1k"


def test_timm_weights_are_identified_by_their_content(tmp_path):
    timm = pytest.importorskip("timm")
    module, params = resolved("timm", model="test_vit")
    assert module.identity(params) == {"weights": "random", "weights_seed": 0}
    for file in ("a.pth", "b.pth"):
        torch.manual_seed(0)
        torch.save(timm.create_model("test_vit").state_dict(), tmp_path / file)
    found = [
        module.identity(resolved("timm", model="test_vit", weights=str(tmp_path / f))[1]) for f in ("a.pth", "b.pth")
    ]
    assert found[0]["weights"] == "file" and len(found[0]["weights_sha256"]) == 64


def test_wrong_weights_are_refused_with_the_list(tmp_path):
    timm = pytest.importorskip("timm")
    state = timm.create_model("test_vit").state_dict()
    state["surplus"] = state.pop("blocks.0.norm1.weight")
    torch.save(state, tmp_path / "w.pth")
    for model, surplus in (("test_vit", "surplus"), ("test_resnet", "cls_token")):
        module, params = resolved("timm", model=model, weights=str(tmp_path / "w.pth"))
        with pytest.raises(
            ConfigError,
            match=rf"does not hold the weights of {model}.*Missing key\(s\).*Unexpected key\(s\).*{surplus}",
        ):
            module.open(params, Context())
    (tmp_path / "w.pth").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="cannot be read"):
        module.open(params, Context())


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("timm", {"model": "resnet5o"}, ["received 'resnet5o'", "Did you mean 'resnet5"]),
        ("timm", {"model": "test_vit.r161_in1k"}, ["received 'test_vit.r161_in1k'", "test_vit.r160_in1k"]),
        ("timm", {"mean": [0.5]}, ["timm).mean: received (0.5,); allowed: three numbers"]),
        ("timm", {"model": "dm_nfnet_f0.dm_in1k"}, ["crop_mode 'squash' with crop_pct 0.9", "give size, resize and"]),
        ("open_clip", {"model": "ViT-B-3"}, ["received 'ViT-B-3'", "Did you mean 'ViT-B-32'"]),
        ("open_clip", {"pretrained": "laion2b"}, ["received 'laion2b'; allowed: ", "laion2b_s34b_b79k"]),
        ("open_clip", {"deviation": [1, 0, 1]}, ["each > 0"]),
        ("open_clip", {"weights": "pretraind"}, ["Did you mean 'pretrained'"]),
    ],
)
def test_what_cannot_be_is_refused(name, changes, words):
    with pytest.raises(ConfigError) as error:
        module, params = resolved(name, **changes)
        module.identity(params)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("name", ["timm", "open_clip"])
def test_no_network_says_what_was_looked_for_and_how_to_supply_it(name, monkeypatch):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nowhere/hub")
    monkeypatch.setattr(_hub, "unreachable", lambda url: "no answer")
    module, params = resolved(name, weights="pretrained")
    repository = {"timm": "timm/vit_small_patch14_dinov2.lvd142m", "open_clip": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"}
    with pytest.raises(ConfigError) as error:
        module.identity(params)
    for word in (params.model, repository[name], "/nowhere/hub", "safetensors", "backbone.weights=PATH"):
        assert word in str(error.value)


def test_a_file_in_the_cache_of_the_hub_is_used(tmp_path, monkeypatch):
    """Laid out as huggingface_hub does: snapshots by commit, and a reference to one."""
    timm, safetensors = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
    hub = pytest.importorskip("huggingface_hub")
    torch.manual_seed(3)
    network = timm.create_model("test_vit").eval()
    folder, commit = tmp_path / "models--timm--test_vit.r160_in1k", "0" * 40
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    safetensors.save_file(network.state_dict(), folder / "snapshots" / commit / "model.safetensors")
    find = hub.try_to_load_from_cache
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *words: find(*words, cache_dir=tmp_path))
    module, params = resolved("timm", model="test_vit", weights="pretrained")
    assert module.identity(params)["weights"] == "file"
    pixels, x = inputs(params)
    with torch.inference_mode():
        close(
            module.open(params, Context())(pixels), network.forward_head(network.forward_features(x), pre_logits=True)
        )


def test_a_missing_extra_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "absent" else find(name))
    with pytest.raises(ConfigError, match=r'needs the package absent; pip install "backbench\[timm\]"'):
        _huggingface.require("absent", "timm")


@pytest.mark.parametrize(
    ("model", "pretrained"),
    [("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-16-SigLIP", "webli"), ("RN50", "openai"), ("ViT-B-32", "openai")],
)
def test_open_clip_prepares_images_as_open_clip_does(model, pretrained):
    open_clip = pytest.importorskip("open_clip")
    _, params = resolved("open_clip", model=model, pretrained=pretrained)
    config = open_clip.get_pretrained_cfg(model, pretrained)
    config = {key: config[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in config}
    size = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
    check_preparation(params, open_clip.image_transform(size, is_train=False, **config))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ViT-S-32-alt", "coca_ViT-B-32"])
def test_open_clip_features_are_those_of_encode_image(model, tmp_path):
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(2)
    plain = open_clip.create_model(model, pretrained_text=False, force_image_size=96).eval()
    torch.save(plain.state_dict(), tmp_path / "w.pt")
    tags = open_clip.list_pretrained_tags_by_model(model)
    options = {"model": model, "pretrained": tags[0] if tags else "none", "image": {"size": 96}}
    module, params = resolved("open_clip", weights=str(tmp_path / "w.pt"), **options)
    pixels, x = inputs(params)
    with torch.inference_mode():
        expected = plain.encode_image(x, normalize=False)
    assert module.width(params) == expected.shape[1]
    close(module.open(params, Context())(pixels), expected)
    assert module.identity(params)["weights"] == "file"
    state = plain.state_dict()
    state.pop(next(key for key in state if key.startswith("visual.")))
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match=rf"w\.pt does not hold the weights of {model}.*Missing key"):
        module.open(params, Context())
