"""Zero-shot classification: the class whose name is nearest to an image, by a backbone that knows images and texts.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section 3.1: the
name of a class is put into several prompts; the mean of their unit text features, made a unit vector again, stands for
the class. An image gets the class of the highest cosine. No label is learnt from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from backbench import classifiers
from backbench.schema import ConfigError, Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
PLACE = "{}"
# PyTorch with its working memory, and the parameters of a CLIP model of d features: near 700 d², as its layers grow.
TORCH_MB, PARAMETERS = 600, 700
# Seconds of one core to open a model, and to encode a text with a model of 512 features; classes that there may be.
OPENING, TEXT, CLASSES = 3.0, 0.1, 10


@dataclass(frozen=True)
class Params:
    """Options: prompts with ``{}`` for the name of a class, what cosines are multiplied by before the softmax, and
    other words for the names of some classes."""

    templates: tuple[str, ...]
    scale: Annotated[float, Range(above=0)]
    names: Mapping[str, str] | None


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = classifiers.too_few_classes(classes)
    if not params.templates:
        reasons.append('templates: received none; allowed: at least one, such as ["a photo of a {}."]')
    wrong = [template for template in params.templates if template.count(PLACE) != 1]
    if wrong:
        reasons.append(f"templates: received {wrong[0]!r}; allowed: a text with {PLACE} once, for the name of a class")
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """The whole model with its image encoder, and the cosines of the queries to the classes."""
    return TORCH_MB + (4 * PARAMETERS * d * d + 16 * n_query * d) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members: a share of opening the model, and the prompts of ten classes."""
    return OPENING / max(count, 1) + TEXT * CLASSES * len(params.templates) * (d / 512) ** 2


def words(params: Params, names: Sequence[str], texts: "Callable[[Sequence[str]], np.ndarray]") -> "np.ndarray":
    """A unit vector for each class, (classes, d) float32.

    Raises
    ------
    ConfigError
        If `params.names` names a class that the collection does not have.
    """
    import numpy as np

    given = dict(params.names or {})
    strange = sorted(set(given) - set(names))
    if strange:
        raise ConfigError(f"names: received {strange[0]!r}; allowed: classes of the collection, such as {names[0]!r}.")
    spelled = [given.get(name) or spoken(name) for name in names]
    return np.stack([_ensemble(params.templates, name, texts) for name in spelled])


def spoken(name: str) -> str:
    """The name of a class as it is read: ``garden_spider`` as garden spider."""
    return " ".join(name.replace("_", " ").replace("-", " ").split())


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "np.ndarray":
    """The queries as unit vectors (q, d) float32; zeros stay zeros."""
    import numpy as np

    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    return np.divide(queries, lengths, out=np.zeros(queries.shape, np.float32), where=lengths > 0)


def predict(
    shared: "np.ndarray", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for unit queries `shared` (q, d), by the words of the task.

    Raises
    ------
    ValueError
        If the task has no words.
    """
    import numpy as np
    from scipy.special import softmax

    if task.words is None:
        raise ValueError("there are no words for the classes; the classification stage gives them")
    cosines = shared.astype(np.float64) @ task.words.astype(np.float64).T
    probabilities = softmax(task.params.scale * cosines, axis=1)
    return classifiers.Prediction(cosines.argmax(axis=1).astype(np.int64), probabilities=probabilities)


def _ensemble(templates: Sequence[str], name: str, texts: "Callable[[Sequence[str]], np.ndarray]") -> "np.ndarray":
    """The unit vector (d,) float32 of a name in its prompts, which are encoded together and apart from others."""
    import numpy as np

    features = texts([template.replace(PLACE, name) for template in templates]).astype(np.float64)
    mean = (features / np.linalg.norm(features, axis=1, keepdims=True)).mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)
