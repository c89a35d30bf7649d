"""Models of transformers: made here in the layout of the hub, and equal to what transformers gives for them."""

import json
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from backbench import plugins
from backbench.backbones import _normalise, _transformers, huggingface
from backbench.compose.checks import check
from backbench.compose.mistakes import Mistake
from backbench.images.preparing import resize
from backbench.schema import ConfigError
from backbench.stage import Context

transformers = pytest.importorskip("transformers")
CONF = Path(__file__).parents[1] / "conf" / "backbone"
WIDTH, LAYERS = 16, 3
VIT = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
WIDE = {**VIT, "intermediate_size": 32}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = {**TEXT, "vocab_size": 50, "max_position_embeddings": 8}
# The model, its options, its processor with its own, and where the norm of its tower is.
MODELS = {
    "dinov2": ("Dinov2", {**VIT, "mlp_ratio": 2}, "BitImageProcessor", "layernorm"),
    "dinov3": ("DINOv3ViT", {**WIDE, "num_register_tokens": 2}, "DINOv3ViTImageProcessor", "norm"),
    "vit": ("ViT", WIDE, "ViTImageProcessor", "layernorm"),
    "siglip": ("Siglip", {"vision_config": WIDE, "text_config": WORDS}, "SiglipImageProcessor", "post_layernorm"),
    "clip": (
        *("CLIP", {"vision_config": WIDE, "text_config": WORDS, "projection_dim": 12}),
        *("CLIPImageProcessor", "post_layernorm"),
    ),
    "convnext": (
        "ConvNext",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        "ConvNextImageProcessor",
        "",
    ),
}
SQUARE, SHORTER = {"height": 32, "width": 32}, {"shortest_edge": 40}
SIZES = {
    "BitImageProcessor": {"size": SHORTER, "crop_size": SQUARE},
    "CLIPImageProcessor": {"size": SHORTER, "crop_size": SQUARE},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 32}, "crop_pct": 0.8},
}
# How far the pixels of Pillow may be from those of torchvision, which transformers resizes with: levels of 255.
LEVELS = 1.01


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders as `save_pretrained` writes them."""
    root = tmp_path_factory.mktemp("models")
    for name, (family, options, processor, _) in MODELS.items():
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**options)
        getattr(transformers, f"{family}Model")(config).save_pretrained(root / name)
        getattr(transformers, processor)(**SIZES.get(processor, {"size": SQUARE})).save_pretrained(root / name)
    return root


def resolved(model, **changes):
    values = yaml.safe_load((CONF / "huggingface.yaml").read_text())
    values["image"] |= changes.pop("image", {})
    params = plugins.params("backbone", {**values, "model": str(model), "engine": "torch", **changes})
    return huggingface.resolve(params, "cpu")


def inputs(params, n=3):
    """Pixels (n, side, side, 3) and what the network is given of them."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, params.image.size, params.image.size, 3), np.uint8)
    normalise = _normalise.standard(params.mean, params.deviation)
    return pixels, normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())


@pytest.mark.parametrize("name", MODELS)
def test_features_are_those_of_transformers(models, name):
    params = resolved(models / name)
    pixels, x = inputs(params)
    model = transformers.AutoModel.from_pretrained(models / name).eval()
    with torch.no_grad():
        plain = model.get_image_features(pixel_values=x) if name in ("clip", "siglip") else model(pixel_values=x)
    features = huggingface.open(params, Context())(pixels)
    assert features.shape == (3, huggingface.width(params)) and features.dtype == np.float32
    np.testing.assert_allclose(features, plain.pooler_output.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_images_are_prepared_as_by_the_processor(models, name):
    params = resolved(models / name)
    processor = transformers.AutoImageProcessor.from_pretrained(models / name)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)).resize((211, 150))
    wanted = processor(images=picture, return_tensors="pt")["pixel_values"][0]
    pixels = torch.from_numpy(resize(picture, params.image).copy()).permute(2, 0, 1)[None].float()
    given = _normalise.standard(params.mean, params.deviation)(pixels)[0]
    levels = (given - wanted).abs() * torch.tensor(params.deviation)[:, None, None] * 255
    assert given.shape == wanted.shape and levels.max() < LEVELS


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize("name", ["dinov2", "dinov3", "vit", "clip"])
def test_class_tokens_of_the_last_blocks_and_the_mean_of_patches(models, name, engine):
    if engine == "openvino":
        networks.needs_engine("openvino")
    params = resolved(models / name, blocks=2, pooling="class_mean", engine=engine)
    pixels, x = inputs(params)
    whole = transformers.AutoModel.from_pretrained(models / name).eval()
    tower, outputs = getattr(whole, "vision_model", whole), []
    (layers,) = {id(each): each for each in tower.modules() if isinstance(each, torch.nn.ModuleList)}.values()
    for layer in layers:
        layer.register_forward_hook(lambda module, given, output: outputs.append(output))
    with torch.no_grad():
        tower(pixel_values=x)
        norm = getattr(tower, MODELS[name][3])
        tokens = [norm(output[0] if isinstance(output, tuple) else output) for output in outputs]
    prefix = 3 if name == "dinov3" else 1
    wanted = torch.cat([tokens[-2][:, 0], tokens[-1][:, 0], tokens[-1][:, prefix:].mean(1)], dim=1)
    assert huggingface.parts(params) == [WIDTH] * 3 and huggingface.width(params) == 3 * WIDTH
    np.testing.assert_allclose(huggingface.open(params, Context())(pixels), wanted.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("siglip", {"pooling": "class"}, "has no class token"),
        ("convnext", {"blocks": 2}, "is no vision transformer"),
        ("vit", {"blocks": LAYERS + 1}, f"allowed: 1 to {LAYERS}"),
        ("vit", {"crops": 5}, "allowed: 1 where nothing of an image is cut off"),
        ("nowhere/at/all", {}, "there is no folder"),
    ],
)
def test_what_a_model_does_not_have_is_refused(models, name, changes, words):
    with pytest.raises(ConfigError, match=words):
        resolved(models / name if name in MODELS else name, **changes)


def test_the_hash_is_of_the_files_and_not_of_their_place(models, tmp_path):
    first = huggingface.identity(resolved(models / "vit"))
    moved = tmp_path / "vit"
    moved.mkdir()
    for path in (models / "vit").iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    options = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**options, "transformers_version": "4.0.0"}))
    assert huggingface.identity(resolved(moved)) == first
    (moved / "config.json").write_text(json.dumps({**options, "hidden_act": "relu"}))
    _transformers.config.cache_clear()
    assert huggingface.identity(resolved(moved))["config_sha256"] != first["config_sha256"]


def test_weights_of_another_model_or_in_pickles_are_refused(models, tmp_path):
    with pytest.raises(ConfigError, match=r"lacks|cannot be opened"):
        huggingface.fits(resolved(models / "vit", weights=str(models / "convnext" / "model.safetensors")))
    (tmp_path / "config.json").write_bytes((models / "vit" / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    given = {"size": 32, "resize": "squash", "interpolation": "bilinear"}
    params = resolved(tmp_path, image=given, mean=[0.5] * 3, deviation=[0.5] * 3)
    with pytest.raises(ConfigError, match=r"has no model\.safetensors.*never unpickled"):
        huggingface.identity(params)


def test_without_a_network_it_says_what_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"preprocessor_config\.json .*of nobody/nothing.*backbone\.model=PATH"):
        resolved("nobody/nothing")


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("facebook/dinov2-small", ("backbone=huggingface", "backbone.model=facebook/dinov2-small")),
        ("timm/vit_tiny.x", ("backbone=timm", "backbone.model=hf-hub:timm/vit_tiny.x")),
        ("hf-hub:timm/vit_tiny.x", ("backbone=timm", "backbone.model=hf-hub:timm/vit_tiny.x")),
    ],
)
def test_a_name_of_the_hub_is_answered_with_what_to_type(typed, instead):
    with pytest.raises(Mistake) as refused:
        check(f"backbone={typed}")
    assert refused.value.instead == instead
