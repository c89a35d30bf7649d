"""Names for clusters from a list of words, by a backbone that knows images and texts.

The word for a cluster is the one whose text is nearest, by the cosine, to the mean of the unit features of its images;
each word names one cluster as long as there are words, so that the sum of the cosines is highest (Kuhn, "The Hungarian
method for the assignment problem", 1955). Clusters beyond the words get the nearest word, used before or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import hashing
from backbench.backbones import _contract, _texts
from backbench.classifiers import zero_shot
from backbench.organising import centres, sheets
from backbench.pictures.source import Source
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

TEMPLATES = ("a photo of a {}.", "a photo of the {}.", "a photo of many {}.")


@dataclass(frozen=True)
class Proposal:
    """A word for a cluster, and the cosine of the two."""

    word: str
    cosine: float


def words(given: str) -> list[str]:
    """The words of a text with commas between them, or of the lines of the file of this name, each once.

    Raises
    ------
    ConfigError
        If there are none, the file is no text, or something cannot be the name of a class.
    """
    path = Path(given).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if "," not in given and path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--words {given}: the file cannot be read as text in UTF-8 ({error}).") from error
    texts = lines or given.split(",")
    distinct = dict.fromkeys(filter(None, (sheets.checked(text, f"--words {text.strip()}") for text in texts)))
    if not distinct:
        raise ConfigError(f"--words {given!r}: no word in it; allowed: boots,hats, or a file with a word on each line.")
    return list(distinct)


def proposals(source: Source, choice: Sequence[str]) -> dict[int, Proposal]:
    """A word for each cluster of a run.

    Raises
    ------
    ConfigError
        If the backbone of the run knows images alone, or its text tower cannot be opened.
    """
    import numpy as np

    rows = dict(centres.members(source))
    unit = _unit(np.asarray(source.stored("features", "features"), np.float64))
    means = _unit(np.stack([unit[members].mean(axis=0) for members in rows.values()]))
    cosines = means @ _spoken(source, choice).T
    places = _assigned(cosines)
    return {
        number: Proposal(choice[place], float(cosines[line, place]))
        for line, (number, place) in enumerate(zip(rows, places, strict=True))
    }


def _spoken(source: Source, choice: Sequence[str]) -> "np.ndarray":
    """Unit features (words, d) of words in prompts."""
    from backbench.stages import _extraction

    stage = source.row.plan.stages[source.row.stages["features"]]
    if not _texts.has(stage.family):
        raise ConfigError(
            f"--words: the backbone of run {hashing.short(source.row.config_hash)}, {stage.family}, knows images "
            f"alone; take a run of one that knows texts ({', '.join(_texts.KNOWN)}), or type --set 0=NAME."
        )
    config = {**stage.config, **stage.local}
    texts = _texts.encoder(stage.family, _extraction.parameters(_contract.load(stage.family), config))
    return zero_shot.words(zero_shot.Params(TEMPLATES, 1.0, None), choice, texts).astype("float64")


def _assigned(cosines: "np.ndarray") -> list[int]:
    """The place of a word for each cluster, from cosines (clusters, words)."""
    from scipy.optimize import linear_sum_assignment

    places = cosines.argmax(axis=1)
    clusters, distinct = linear_sum_assignment(cosines, maximize=True)
    places[clusters] = distinct
    return [int(place) for place in places]


def _unit(rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) of length 1; zeros stay zeros."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
