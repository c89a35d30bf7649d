"""torchvision's models: its preprocessing, its features, and any layer."""

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
import yaml
from networks import CONF, SIZE, values
from torchvision import models

from backbench import plugins
from backbench.backbones import Image as Policy
from backbench.backbones import _hub, _nodes, _normalise, _torchvision, _weights
from backbench.schema import ConfigError
from backbench.stage import Context

MODELS = [name for name in plugins.names("backbone") if hasattr(plugins.load("backbone", name), "MODEL")]
MEAN = [[[0.485]], [[0.456]], [[0.406]]]
DEVIATION = [[[0.229]], [[0.224]], [[0.225]]]


def resolved(name, **changes):
    module = plugins.load("backbone", name)
    return module, module.resolve(plugins.params("backbone", values(name, **changes)), "cpu")


def opened(name, **changes):
    module, params = resolved(name, **changes)
    return module.open(params, Context())


def pictures(n, size):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def close(values, expected, tolerance=1e-5):
    assert values.shape == expected.shape
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-30))


@pytest.mark.parametrize("name", MODELS)
def test_the_yaml_prepares_images_as_the_default_weights_want(name):
    from PIL import Image

    from backbench.images.preparing import resize

    module, entries = plugins.load("backbone", name), models.get_model_weights(name)
    params = plugins.params("backbone", yaml.safe_load((CONF / f"{name}.yaml").read_text()))
    assert params.weights == entries.DEFAULT.name
    transform, normalise = entries.DEFAULT.transforms(), _normalise.named(params.normalise)
    assert (params.image.size, params.image.shorter) == (transform.crop_size[0], transform.resize_size[0])
    for width, height in ((500, 375), (301, 450), (260, 260)):
        image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))
        pixels = torch.from_numpy(resize(image, params.image).copy()).permute(2, 0, 1)[None].float()
        for layout in (torch.contiguous_format, torch.channels_last):
            assert torch.equal(normalise(pixels.clone(memory_format=layout))[0], transform(image))
    assert module.MODEL.gflops == pytest.approx(entries.DEFAULT.meta["_ops"], rel=0.01)
    assert module.gflops(params) == module.MODEL.gflops
    assert module.MODEL.weights == {entry.name: entry.url.removeprefix(_hub.URL) for entry in entries}
    for entry in entries:
        assert len(_hub.prefix(entry.url)) >= 8


@pytest.mark.parametrize("name", MODELS)
def test_known_layers_are_where_and_as_wide_as_they_say(name):
    module, params = resolved(name, size=None)
    for layer, known in module.MODEL.layers.items():
        asked = dataclasses.replace(params, layer=layer)
        shape = module.MODEL._shape(asked)
        pool = _nodes.settled("x", layer, known.dimensions, "auto")
        assert len(shape) == known.dimensions and _nodes.columns(shape, pool) == known.width
        assert module.resolve(dataclasses.replace(asked, layer=known.node, pool="auto"), "cpu").layer == layer


@pytest.mark.parametrize("name", MODELS)
def test_features_and_logits_are_torchvisions(name):
    module, params = resolved(name)
    options, seen = dict(module.MODEL._options(params)), []
    torch.manual_seed(0)
    plain = models.get_model(name, weights=None, **options).eval()
    last = [layer for layer in plain.modules() if isinstance(layer, torch.nn.Linear)]
    last = [layer for layer in last if layer.out_features == 1000][-1]
    last.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    images = pictures(3, params.image.size)
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    with torch.inference_mode():
        logits = plain(x).numpy()
    # The default layer of MobileNetV3 is the pool, one layer earlier.
    layer = "hidden" if name == "mobilenet_v3_large" else params.layer
    close(opened(name, layer=layer)(images), seen[0].numpy(), 1e-4)
    if name == "resnet18":
        close(opened(name, layer="logits")(images), logits, 1e-4)


def test_layers_of_vgg16_are_those_of_keras(monkeypatch):
    images = pictures(2, 64)
    network = plugins.load("backbone", "vgg16").MODEL._random(resolved("vgg16")[1])
    monkeypatch.setattr(_torchvision.Model, "_random", lambda self, params: network)
    with torch.inference_mode():
        x = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2).float()
        maps = network.features(x - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1))
        hidden = network.classifier[:2](network.avgpool(maps).flatten(1))
    close(opened("vgg16", layer="features", normalise="caffe")(images), maps.mean((2, 3)).numpy())
    close(opened("vgg16", layer="fc1", normalise="caffe")(images), hidden.numpy())
    assert (opened("vgg16")(images) >= 0).all(), "fc2 is taken after its ReLU"


def test_normalisations():
    x = torch.tensor([[0.0, 255.0], [51.0, 127.5], [255.0, 0.0]]).view(1, 3, 1, 2)
    assert _normalise.named("unit")(x.clone()).flatten().tolist() == pytest.approx([0, 1, 0.2, 0.5, 1, 0])
    assert _normalise.named("symmetric")(x.clone()).flatten().tolist() == pytest.approx([-1, 1, -0.6, 0, 1, -1])
    caffe = [255 - 103.939, -103.939, 51 - 116.779, 127.5 - 116.779, -123.68, 255 - 123.68]
    assert _normalise.named("caffe")(x.clone()).flatten().tolist() == pytest.approx(caffe, rel=1e-5)
    vgg = models.VGG16_Weights.IMAGENET1K_FEATURES.transforms()
    assert (tuple(vgg.mean), tuple(vgg.std)) == (_normalise.VGG_MEAN, _normalise.VGG_DEVIATION)


def test_pooling_of_maps_and_tokens():
    images = pictures(2, 64)
    maps = opened("resnet18", layer="layer4", pool="flatten")(images).reshape(2, 512, 2, 2)
    close(opened("resnet18", layer="layer4")(images), maps.mean((2, 3)))
    close(opened("resnet18", layer="layer4", pool="max")(images), maps.max((2, 3)))
    close(opened("resnet18")(images), maps.mean((2, 3)))
    tokens = opened("vit_b_16", layer="tokens", pool="flatten")(images).reshape(2, 17, 768)
    close(opened("vit_b_16", layer="tokens")(images), tokens.mean(1))
    close(opened("vit_b_16")(images), tokens[:, 0])
    # Inside of Swin the channels come last.
    close(opened("swin_t", layer="norm")(images), opened("swin_t")(images))


def test_any_node_is_a_layer():
    module, params = resolved("resnet50", layer="layer2.1.bn3", pool="max")
    assert module.width(params) == 512 and module.open(params, Context())(pictures(2, 64)).shape == (2, 512)
    assert resolved("resnet50", layer="layer4.2.relu_2")[1].layer == "layer4", "one layer has one name, and one hash"
    module, params = resolved("resnet50", layer="conv1", pool="flatten")
    assert module.width(params) == 64 * 32 * 32


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("resnet50", {"layer": "layer4.2.relu2"}, ["received 'layer4.2.relu2'", "Did you mean 'layer4.2.relu_2'"]),
        ("resnet50", {"layer": "avgpol"}, ["Did you mean 'avgpool'"]),
        ("resnet50", {"pool": "max"}, ["resnet50).pool: received 'max'; allowed: auto, none", "gives vectors"]),
        ("resnet50", {"layer": "layer4", "pool": "none"}, ["received 'none'; allowed: auto, avg, max, flatten"]),
        ("vit_b_16", {"size": 100}, ["image.size: received 100; allowed: multiples of 16"]),
        ("vit_b_16", {"layer": "encoder.layers.encoder_layer_11.getattr"}, ["gives no values per image"]),
        ("torchvision", {"model": "resnet5"}, ["received 'resnet5'", "Did you mean 'resnet50'"]),
        ("torchvision", {"model": "inception_v3"}, ["use backbone=inception_v3"]),
        ("torchvision", {"model": "squeezenet1_0"}, ["no fully connected layer; name a node, such as features.12"]),
        ("torchvision", {"model": "mnasnet0_5", "weights": "IMAGENET1K_V7"}, ["Did you mean 'IMAGENET1K_V1'"]),
    ],
)
def test_what_cannot_be_is_refused(name, changes, words):
    with pytest.raises(ConfigError) as error:
        module, params = resolved(name, **changes)
        module.identity(params)
    for word in words:
        assert word in str(error.value)


def test_planning_with_known_layers_imports_no_torch():
    asked = {name: values(name) for name in MODELS} | {"vgg16": values("vgg16", layer="features", pool="avg")}
    program = (
        "import json, sys; from backbench import plugins\n"
        "for name, options in json.loads(sys.argv[1]).items():\n"
        "    module, params = plugins.load('backbone', name), plugins.params('backbone', options)\n"
        "    params = module.resolve(params, 'cpu')\n"
        "    module.width(params), module.identity(params)\n"
        "print(sorted({'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, json.dumps(asked)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def _saved(path, name, **changes):
    module, params = resolved(name, **changes)
    state = module.MODEL._random(params).state_dict()
    torch.save(state, path)
    return state


def _renamed(monkeypatch, name, digest):
    """Let the file with this digest be the official one of a plugin."""
    module = plugins.load("backbone", name)
    model = dataclasses.replace(module.MODEL, weights={"IMAGENET1K_V1": f"{name}-{digest[:8]}.pth"})
    for function in ("resolve", "width", "identity", "open"):
        monkeypatch.setattr(module, function, getattr(model, function))
    return model


def test_official_weights_are_known_without_and_by_their_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    _saved(tmp_path / "mine.pth", "resnet18")
    digest = _weights.digest(tmp_path / "mine.pth")
    module, params = resolved("resnet18", weights=str(tmp_path / "mine.pth"))
    assert module.identity(params) == {"weights": "file", "weights_sha256": digest}
    model = _renamed(monkeypatch, "resnet18", digest)
    official = {"weights": "IMAGENET1K_V1", "weights_sha256": digest[:8]}
    assert module.identity(params) == official, "a path says where, not what"
    asked = dataclasses.replace(params, weights="IMAGENET1K_V1")
    monkeypatch.setattr(_hub, "unreachable", lambda url: "no answer")
    with pytest.raises(ConfigError, match=rf"{model.weights['IMAGENET1K_V1']} in {tmp_path}.*weights=PATH"):
        module.identity(asked)
    _hub.folder().mkdir(parents=True)
    (tmp_path / "mine.pth").rename(_hub.folder() / model.weights["IMAGENET1K_V1"])
    assert module.identity(asked) == official
    close(module.open(asked, Context())(pictures(2, 64)), opened("resnet18")(pictures(2, 64)))


def test_only_the_layers_before_the_chosen_one_are_needed(tmp_path):
    state, path = _saved(tmp_path / "whole.pth", "resnet18"), tmp_path / "base.pth"
    torch.save({key: value.half() for key, value in state.items() if not key.startswith("fc.")}, path)
    found = opened("resnet18", layer="layer4", weights=str(path))(pictures(2, 64))
    close(found, opened("resnet18", layer="layer4")(pictures(2, 64)), 1e-2)
    with pytest.raises(ConfigError, match=r"weights of resnet18 up to 'logits': missing keys \(2\): fc\.weight"):
        opened("resnet18", layer="logits", weights=str(path))
    with pytest.raises(ConfigError, match=r"missing keys \(.*unexpected keys \("):
        opened("mobilenet_v2", weights=str(path))


def test_position_embeddings_are_interpolated_to_the_size(tmp_path):
    from torchvision.models.vision_transformer import interpolate_embeddings

    state = _saved(tmp_path / "w.pth", "vit_b_16", size=96)
    plain = models.vit_b_16(image_size=64).eval()
    plain.load_state_dict(interpolate_embeddings(64, 16, dict(state)))
    x = pictures(2, 64)
    with torch.inference_mode():
        expected = plain(torch.from_numpy(x).permute(0, 3, 1, 2) / 255)
    logits = opened("vit_b_16", layer="logits", normalise="unit", weights=str(tmp_path / "w.pth"))(x)
    close(logits, expected.numpy(), 1e-4)


def test_inception_wants_its_pixels_from_minus_one_to_one():
    images = pictures(2, 96)
    close(opened("inception_v3", normalise="symmetric")(images), opened("inception_v3")(images), 1e-4)


def test_inception_with_the_average_pools_of_keras(monkeypatch):
    from torch.nn import functional

    network, params = plugins.load("backbone", "inception_v3").MODEL, resolved("inception_v3", normalise="symmetric")[1]
    plain, average = network._random(params), functional.avg_pool2d
    monkeypatch.setattr(functional, "avg_pool2d", lambda *a, **k: average(*a, **k, count_include_pad=False))
    images = pictures(2, 96)
    with torch.inference_mode():
        expected = plain(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1).numpy()
    monkeypatch.undo()
    options = {"normalise": "symmetric", "layer": "logits"}
    close(opened("inception_v3", average_pool="keras", **options)(images), expected, 1e-4)
    other = opened("inception_v3", average_pool="torchvision", **options)(images)
    assert np.abs(other - expected).max() > 1e-3 * np.abs(expected).max()


def test_any_model_by_name_is_prepared_as_its_weights_want():
    module, params = resolved("torchvision", model="efficientnet_v2_l", size=None, weights="DEFAULT")
    assert params.image == Policy(480, "RGB", "crop", "bicubic", 480)
    assert (params.normalise, params.weights, params.layer) == ("symmetric", "IMAGENET1K_V1", "flatten")
    assert module.width(params) == 1280
    named, known = opened("torchvision", model="resnet18"), opened("resnet18")
    np.testing.assert_array_equal(named(pictures(2, 64)), known(pictures(2, 64)))


WIDTHS = {"alexnet": 4096, "densenet121": 1024, "googlenet": 1024, "mnasnet0_5": 1280, "regnet_y_400mf": 440}
WIDTHS |= {"shufflenet_v2_x0_5": 1024, "swin_v2_t": 768, "vit_b_32": 768, "vgg11_bn": 4096, "wide_resnet50_2": 2048}


@pytest.mark.parametrize("model", WIDTHS)
def test_the_features_of_any_model_are_what_its_classifier_receives(model):
    module, params = resolved("torchvision", model=model, size=None, weights="random")
    assert module.width(params) == WIDTHS[model]
    if model in ("regnet_y_400mf", "vit_b_32", "googlenet"):
        module, params = resolved("torchvision", model=model, size=64)
        assert module.open(params, Context())(pictures(2, 64)).shape == (2, WIDTHS[model])


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "inception_v3"])
def test_batch_norm_evaluates_and_keeps_its_statistics(name):
    module, params = resolved(name)
    network = module.MODEL.network(params)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert not any(layer.training for layer in network.modules())
    from backbench.backbones import _engine

    network.train()
    extract = _engine.open(network, _normalise.named(params.normalise), params, Context())
    images = pictures(4, params.image.size)
    close(np.concatenate([extract(images[:3]), extract(images[3:])]), opened(name)(images))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


# A network of each kind: converting takes long.
CONVERTED = ("mobilenet_v2", "resnet18", "inception_v3", "vit_b_16", "swin_t")


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_openvino_gives_the_features_of_torch(name):
    networks.needs_engine("openvino")
    images = pictures(5, SIZE.get(name, 64))
    extract, expected = opened(name, engine="openvino"), opened(name)(images)
    for part in (slice(0, 5), slice(1, 2)):
        close(extract(images[part]), expected[part], 1e-3)


ASSETS = os.environ.get("BACKBENCH_ASSETS")
needs_assets = pytest.mark.skipif(not ASSETS, reason="BACKBENCH_ASSETS is not set")
# Photographs of each class: the fewer, the harder it is to find one of the same class. VGG16 takes twelve.
CLASSES, EACH, FEW = 15, 12, {"mobilenet_v2": 5, "inception_v3": 5}
# Sides that are enough: VGG16 is right for 0.92 at 128 pixels, a third of the pixels of 224.
SMALLER = {"vgg16": {"size": 128, "shorter": 146}}
FILES = {
    "mobilenet_v2": ("mobilenet_v2_features_torchvision.pth", {}),
    "vgg16": ("vgg16_features_keras_bgr_caffe_fp16.pth", {"layer": "features", "normalise": "caffe"}),
    "inception_v3": (
        "inception_v3_features_torchvision_keys_fp16.pth",
        {"normalise": "symmetric", "average_pool": "keras"},
    ),
}


def of_assets(name, engine="torch", image=None):
    file, changes = FILES[name]
    options = values(name, size=None, weights=str(Path(ASSETS) / "weights" / file), engine=engine, **changes)
    module = plugins.load("backbone", name)
    params = plugins.params("backbone", {**options, "image": {**options["image"], **(image or {})}})
    return module, module.resolve(params, "cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Some photographs of every third class of a part of Caltech-101."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("caltech")
    with tarfile.open(Path(ASSETS) / "data" / "caltech101_51.tar") as archive:
        # A filter by name came with Python 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    classes = sorted({path.parent for path in folder.rglob("*.jpg")} - set(folder.rglob("BACKGROUND_Google")))
    files = [file for name in classes[::3][:CLASSES] for file in sorted(name.glob("*.jpg"))[:EACH]]
    return [Image.open(file).convert("RGB") for file in files]


# One of them in every run of the tests: each takes many passes through a large network.
OFTEN = ("mobilenet_v2",)
KNOWING = [name if name in OFTEN else pytest.param(name, marks=pytest.mark.thorough) for name in FILES]


@needs_assets
@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWING)
def test_real_weights_know_photographs_apart(name, photographs):
    import importlib.util

    from backbench.images.preparing import resize

    engine = "openvino" if importlib.util.find_spec("openvino") else "torch"
    module, params = of_assets(name, engine, SMALLER.get(name))
    assert module.identity(params)["weights"] == "file"
    each = FEW.get(name, EACH)
    images = np.stack([resize(image, params.image) for at, image in enumerate(photographs) if at % EACH < each])
    extract = module.open(params, Context())
    features = np.concatenate([extract(images[row : row + 12]) for row in range(0, len(images), 12)])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    alike = features @ features.T
    np.fill_diagonal(alike, -1)
    classes = np.repeat(np.arange(CLASSES), each)
    assert (classes[alike.argmax(1)] == classes).mean() > 0.9


@needs_assets
def test_stored_features_of_a_published_system_cluster_as_stored():
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    folder = Path(ASSETS) / "data" / "autoimageclassifier_golden"
    stored = np.load(folder / "features" / "train_features.npz", allow_pickle=False)["features"]
    labels = np.load(folder / "results" / "train_clusters.npz", allow_pickle=False)["clusters"]
    assert adjusted_rand_score(labels, AgglomerativeClustering(3, linkage="ward").fit_predict(stored)) == 1.0


@needs_assets
@pytest.mark.parametrize("part", ["train", "test"])
def test_other_weights_find_the_same_photographs_alike(part):
    """The stored features come from other weights: their axes differ, which images are alike does not."""
    from PIL import Image

    from backbench.images.preparing import resize

    folder = Path(ASSETS) / "data" / "autoimageclassifier_golden"
    stored = np.load(folder / "features" / f"{part}_features.npz", allow_pickle=False)["features"]
    module, params = of_assets("mobilenet_v2", image={"resize": "squash", "shorter": None})
    params = dataclasses.replace(params, normalise="unit")
    files = sorted(path for path in (folder / "splits" / part).rglob("*") if path.is_file())
    images = np.stack([resize(Image.open(file).convert("RGB"), params.image) for file in files])
    alike = [_cosines(features) for features in (stored, module.open(params, Context())(images))]
    assert np.corrcoef(*alike)[0, 1] > 0.75


def _cosines(features):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    return (rows @ rows.T)[np.triu_indices(len(rows), 1)]
