"""Models of runs: for the run's own images, what they say is what the store holds, by the bytes or computed anew."""

from pathlib import Path

import numpy as np
import pytest
from classifying import NAMES
from PIL import Image
from sharing import once
from sweeping import computed

from backbench import paths, plugins
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.inference import fitting, learning
from backbench.inference.known import Known
from backbench.inference.looking import look
from backbench.inference.model import Model
from backbench.inference.predicting import Predictor
from backbench.pictures.source import Source
from backbench.store import Store

CLASSES = ("bush", "cat", "shoe", "zebra")
EACH, WILD = 26, 6
SMALL = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "retrieval=none")
MOST, CHAINS, UMAP = "chain=none,l2,standardise_pca50", ("none", "l2", "standardise+pca50"), "umap10"
CLASSIFIERS, CLUSTERERS = sorted(NAMES), sorted(plugins.names("clusterer"))
LEARNT, ON_UMAP = "svm", ("kmeans", "hdbscan", "agglomerative")
CASES = [(name, chain) for name in (*CLASSIFIERS, *CLUSTERERS) for chain in CHAINS]
OPTIONS = {
    "random_forest": ("classifier.n_estimators=12",),
    "gradient_boosting": ("classifier.max_iter=4", "classifier.min_samples_leaf=5"),
    "mlp": ("classifier.epochs=8", "classifier.hidden=16"),
    "logistic_sweep": ("classifier.values=5", "classifier.lowest=1e-3"),
    "linear_probe": ("classifier.epochs=9", "classifier.learning_rates=[0.01,0.3]"),
}
# Scores that are computed anew may differ from the stored ones in their last bits.
CLOSE = 1e-5


def photos(folder: Path) -> tuple[str, ...]:
    """Pictures of 12 pixels in four classes, and some of noise among them: overrides for their folder."""
    draw = np.random.default_rng(0)
    patterns = draw.integers(40, 216, (len(CLASSES), 12, 12, 3))
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            spread = draw.normal(0, draw.choice([20, 40]), patterns[label].shape)
            pixels = draw.integers(0, 256, (12, 12, 3)) if number < WILD and label == 0 else patterns[label] + spread
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number:02}.png")
    return ("dataset=folder", f"dataset.root={folder}")


def sweeps(folder: Path) -> list[str]:
    """Every classifier and every clusterer on three chains, and some on UMAP."""
    own = photos(folder / "photos")
    heads = [(f"classifier={name}", *OPTIONS.get(name, ()), "clusterer=none", MOST) for name in CLASSIFIERS]
    heads.append((f"clusterer={','.join(CLUSTERERS)}", "classifier=none", "k=4", MOST))
    heads.append((f"classifier={LEARNT}", "clusterer=none", "chain=umap10"))
    heads.append((f"clusterer={','.join(ON_UMAP)}", "classifier=none", "k=4", "chain=umap10"))
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        return [computed(*SMALL, *own, *words).hash for words in heads]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The runs by the name of their classifier or clusterer, and of their chain."""
    folder, _ = once(tmp_path_factory, "inference", sweeps)
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.delenv("BACKBENCH_STORE", raising=False)
        store = Store(paths.store())
        rows = ledger.all_rows(store)
        yield {_key(row): Source(row, store) for row in rows}


def _key(row) -> tuple[str, str]:
    name = row.params.get("classifier.name") or row.params["clusterer.name"]
    return name, row.params["chain"]


@pytest.mark.parametrize(("name", "chain"), [*CASES, *((name, UMAP) for name in (LEARNT, *ON_UMAP))])
def test_models_say_what_the_store_holds(runs, name, chain):
    source = runs[name, chain]
    model, known = fitting.fit(source), Known(source)
    numbers = np.arange(len(source.split)) if name in CLUSTERERS else np.flatnonzero(source.split == TEST)
    files = [known.path(row) for row in numbers.tolist()]
    stored = source.labels[numbers] if name in CLUSTERERS else source.predictions[numbers]
    for given in (known, None):
        answers = list(Predictor(model, given).files(files))
        alone = list(Predictor(model, given).files(files[-1:]))
        assert (alone[0].label, alone[0].cluster) == (answers[-1].label, answers[-1].cluster)
        assert [answer.reason for answer in answers] == [""] * len(files)
        if name in CLUSTERERS:
            assert [answer.cluster for answer in answers] == stored.tolist()
        else:
            assert [answer.label for answer in answers] == [source.names[number] for number in stored]
            right = [
                answer.label == source.names[source.truth[row]] for answer, row in zip(answers, numbers, strict=True)
            ]
            assert np.mean(right) == source.row.metrics["accuracy"]
            _same_scores(source, answers, numbers)


def _same_scores(source, answers, numbers):
    """Scores of test images as the store holds them."""
    kind = answers[0].kind
    if not kind:
        return
    scores = np.array([list(answer.scores.values()) for answer in answers])
    np.testing.assert_allclose(scores, source.stored("classification", kind)[numbers], atol=CLOSE, rtol=CLOSE)


BACKBONES = {
    "pixels": (),
    "efficientnet_lite0": ("backbone.image.size=32",),
    "torchvision": ("backbone.model=shufflenet_v2_x0_5", "backbone.weights=random", "backbone.image.size=32"),
    "timm": ("backbone.model=resnet10t", "backbone.weights=random", "backbone.image.size=32"),
    "conv_autoencoder": ("backbone.image.size=8", "backbone.channels=[4]", "backbone.epochs=2"),
    "autoencoder": ("backbone.image.size=8", "backbone.widths=[16,4]", "backbone.epochs=2"),
}
PLAIN = ("experiment=none", "clusterer=none", "retrieval=none", "chain=l2", "classifier=nearest_centroid")


def backbones(folder: Path) -> list[str]:
    """A run of each backbone over some of the pictures."""
    own = photos(folder / "photos")
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        return [computed(*PLAIN, *own, f"backbone={name}", *words).hash for name, words in BACKBONES.items()]


@pytest.mark.parametrize("name", BACKBONES)
def test_features_come_out_bit_for_bit(tmp_path_factory, monkeypatch, name):
    folder, _ = once(tmp_path_factory, "inference-backbones", backbones)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    store = Store(paths.store())
    row = next(each for each in ledger.all_rows(store) if each.params["backbone.name"] == name)
    source, said = Source(row, store), []
    model = fitting.fit(source, said.append)
    stored, known = source.stored("features", "features"), Known(source)
    looks = [look(known.path(number), model) for number in range(len(stored))]
    images = np.stack([each.pixels for each in looks])
    assert np.array_equal(model.embed(images), stored)
    assert np.array_equal(model.embed(images[5:6]), stored[5:6])
    np.testing.assert_allclose(model.embed(images[5:6], exact=False), stored[5:6], rtol=1e-4, atol=1e-5)
    model.save(folder / "saved" / name)
    assert np.array_equal(Model.load(folder / "saved" / name).embed(images[:3]), stored[:3])
    if name in learning.NETWORKS:
        assert any("bit for bit" in line for line in said)
