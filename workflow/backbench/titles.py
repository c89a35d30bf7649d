"""What people call the plugins and the steps of a chain (standard library only); commands keep the names of `conf`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

BACKBONES = {
    "autoencoder": "autoencoder",
    "concatenated": "several side by side",
    "conv_autoencoder": "convolutional autoencoder",
    "convnext_tiny": "ConvNeXt-Tiny",
    "efficientnet_b0": "EfficientNet-B0",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "efficientnet_lite1": "EfficientNet-Lite1",
    "efficientnet_lite2": "EfficientNet-Lite2",
    "huggingface": "huggingface",
    "inception_v3": "Inception v3",
    "mobilenet_v2": "MobileNet v2",
    "mobilenet_v3_large": "MobileNet v3 Large",
    "open_clip": "open_clip",
    "pixels": "raw pixels",
    "precomputed": "the given embeddings",
    "resnet101": "ResNet-101",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "swin_t": "Swin-T",
    "timm": "timm",
    "torchvision": "torchvision",
    "vgg16": "VGG-16",
    "vit_b_16": "ViT-B/16",
}
CLUSTERERS = {
    "affinity_propagation": "affinity propagation",
    "agglomerative": "agglomerative clustering",
    "birch": "BIRCH",
    "dbscan": "DBSCAN",
    "finch": "FINCH",
    "gaussian_mixture": "Gaussian mixture",
    "genie": "Genie",
    "hdbscan": "HDBSCAN",
    "kmeans": "k-means",
    "leiden": "Leiden",
    "mean_shift": "mean shift",
    "micro_ward": "Ward on micro-clusters",
    "minibatch_kmeans": "mini-batch k-means",
    "optics": "OPTICS",
    "plscan": "PLSCAN",
    "spectral": "spectral clustering",
    "temi": "TEMI",
    "turtle": "TURTLE",
}
CLASSIFIERS = {
    "gradient_boosting": "gradient boosting",
    "knn": "k-nearest neighbours",
    "lda": "linear discriminant analysis",
    "linear_probe": "linear probe",
    "logistic_regression": "logistic regression",
    "logistic_sweep": "logistic regression (C chosen)",
    "mlp": "multilayer perceptron",
    "nearest_centroid": "nearest centroid",
    "random_forest": "random forest",
    "svm": "SVM",
    "zero_shot": "zero-shot",
}
SEARCHES = {"cosine": "cosine similarity", "euclidean": "Euclidean distance"}
STEPS = {
    "l2": "unit length",
    "standardise": "standardised",
    "centre": "centred",
    "scale": "scaled",
    "keep": "unchanged",
    "whiten": "whitened",
}
LINKAGES = {"ward": "Ward"}
# Clusterers that are known by an option: its name and the titles of its values.
BY_METHOD = {"leiden": ("clusterer.method", {"louvain": "Louvain"})}
# Backbones that are known by the model that they were given.
BY_MODEL = ("huggingface", "open_clip", "timm", "torchvision")
RANDOM = "random"
# Options that a name has in it already.
NAMED = ("backbone.name", "backbone.model", "clusterer.linkage")
# Between the names of backbones that are side by side, and before the options of each of them.
JOINED, PART = "+", "backbone.parts."
_STEP = re.compile(r"(pca|umap)([\d.]+)(w?)")


def backbone(params: Mapping[str, Any]) -> str:
    """A backbone by the parameters of its run: ``EfficientNet-Lite0``, or the model that one such as timm was given;
    one of parts as ``EfficientNet-Lite0 + raw pixels``."""
    keys = [key for name in params if (key := name.removesuffix(".name")).startswith(PART) and key.count(".") == 2]
    return " + ".join(_backbone(params, key) for key in keys or ["backbone"])


def _backbone(params: Mapping[str, Any], key: str) -> str:
    name = str(params[f"{key}.name"])
    title = str(params.get(f"{key}.model", name)) if name in BY_MODEL else backbones(name)
    return f"{title} with random weights" if params.get(f"{key}.weights") == RANDOM else title


def backbones(name: str) -> str:
    """What a backbone is called by its name alone, or several by their names with plus signs between."""
    return " + ".join(BACKBONES.get(part, part) for part in name.split(JOINED))


def clusterer(params: Mapping[str, Any]) -> str:
    """A clusterer by the parameters of its run: ``k-means``; agglomerative by linkage, Louvain by method."""
    name, linkage = str(params["clusterer.name"]), params.get("clusterer.linkage")
    if linkage is None:
        option, titles = BY_METHOD.get(name, ("", {}))
        return titles.get(str(params.get(option)), CLUSTERERS.get(name, name))
    return LINKAGES.get(str(linkage), f"{linkage} linkage")


def classifier(params: Mapping[str, Any]) -> str:
    """A classifier by the parameters of its run: ``SVM``."""
    name = str(params["classifier.name"])
    return CLASSIFIERS.get(name, name)


def chain(label: str) -> list[str]:
    """The steps of a chain by its label, ``l2+pca50``: ``unit length``, ``PCA 50``."""
    return [] if label == "none" else [_step(step) for step in label.split("+")]


def options(names: Iterable[str], params: Mapping[str, Any], prefix: str) -> list[str]:
    """The options among `names` that start with `prefix`, as ``C=10``; an image size as ``224 pixels``."""
    values = {name: params[name] for name in names if name.startswith(prefix) and name in params and name not in NAMED}
    return [
        f"{value} pixels" if name.endswith("image.size") else f"{name.rpartition('.')[2]}={value}"
        for name, value in values.items()
    ]


def with_notes(title: str, notes: Iterable[str]) -> str:
    """A title with notes in brackets, where there are any."""
    text = ", ".join(notes)
    return f"{title} ({text})" if text else title


def _step(label: str) -> str:
    match = _STEP.fullmatch(label)
    if match is None:
        return STEPS.get(label, label)
    size = f"{100 * float(match[2]):g} %" if "." in match[2] else match[2]
    return f"{match[1].upper()} {size}{' whitened' if match[3] else ''}"
