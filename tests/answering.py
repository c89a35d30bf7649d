"""Results of known quality for what is made of verdicts: rows of two backbones, and the answer on them."""

import numpy as np
from stored import Stored, mixed, planned

from backbench import paths
from backbench.answers import words
from backbench.evaluate import answer
from backbench.store import Store

LITE = "EfficientNet-Lite0 with random weights"
TWO = ("backbone=pixels,efficientnet_lite0", "backbone.weights=random")
CLASSIFIED = ("clusterer=none", "retrieval=none")
CLUSTERED = ("classifier=none", "retrieval=none")
SPLIT, FEW = Stored().split, 4


def of(rows):
    """The answer on the one data set of these rows."""
    (found,) = answer.by_dataset(rows, Store(paths.store())).values()
    return found


def told(rows, task):
    (verdict,) = (each for each in words.answer(of(rows)).verdicts if each.verdict.task == task)
    return verdict


def classified(quality, seconds=lambda stage: 0.5, classifiers="knn,svm,logistic_regression", backbones=TWO):
    """Rows whose classifiers are right as often as `quality` says, by the names of the backbone and the classifier.

    The SVM is right on a few more of the validation images, logistic regression on a few more of the test images.
    """
    plan = planned(*backbones, f"classifier={classifiers}", *CLASSIFIED)

    def predictions(stage, truth):
        backbone, classifier = (
            plan.stages[stage.parents["matrix"][1]].config["name"],
            stage.config["classifier"]["name"],
        )
        found = mixed(truth, quality(backbone, classifier), len(backbone))
        part = {"svm": 1, "logistic_regression": 2}.get(classifier)
        more = np.flatnonzero((found != truth) & (part == SPLIT))[:FEW]
        found[more] = truth[more]
        return found

    return Stored(predictions=predictions, seconds=seconds).rows(*backbones, f"classifier={classifiers}", *CLASSIFIED)


def by_network(low, high):
    return lambda backbone, classifier: low if backbone == "pixels" else high[classifier]


ALIKE = by_network(0.5, {"knn": 0.82, "svm": 0.82, "logistic_regression": 0.82})
APART = by_network(0.5, {"knn": 0.4, "svm": 0.9, "logistic_regression": 0.6})


def quick(stage):
    return {"knn": 3.0, "svm": 2.0, "logistic_regression": 1.0}.get(stage.family, 0.5)
