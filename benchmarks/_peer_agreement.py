"""How far the sides of a family agree with scikit-learn, in words: nobody wins by computing something else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _peer_families import PLAIN

from backbench.metrics import labels

# It says how tight clusters are: with as many clusters, the higher the better.
SPREAD = "calinski_harabasz"


def words(kind: str, folder: Path, metrics: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, str]:
    """For each side but scikit-learn how many members have its labels, and how far the others are from it."""
    answers = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    if PLAIN not in answers:
        return {}
    told = {"clustering": _clusterings, "classification": _predictions, "retrieval": _neighbours}[kind]
    return {
        name: told(answers[PLAIN], answer, metrics.get(PLAIN, ()), metrics.get(name, ()))
        for name, answer in answers.items()
        if name != PLAIN
    }


def _clusterings(theirs: np.ndarray, ours: np.ndarray, their: Sequence[Any], our: Sequence[Any]) -> str:
    from sklearn.metrics import adjusted_rand_score

    pairs = [(labels.canonical(a), labels.canonical(b)) for a, b in zip(theirs, ours, strict=True)]
    different = [at for at, (a, b) in enumerate(pairs) if not np.array_equal(a, b)]
    equal = f"{len(pairs) - len(different)} of {len(pairs)}"
    if not different:
        return equal
    index = min(adjusted_rand_score(*pairs[at]) for at in different)
    alike = [at for at in different if pairs[at][0].max() == pairs[at][1].max()]
    spread = [our[at][SPREAD] / their[at][SPREAD] for at in alike if SPREAD in our[at] and SPREAD in their[at]]
    shown = f", Calinski-Harabasz {min(spread):.2f} to {max(spread):.2f} times" if spread else ""
    return f"{equal}, ARI from {index:.2f}{shown}"


def _predictions(theirs: np.ndarray, ours: np.ndarray, their: Sequence[Any], our: Sequence[Any]) -> str:
    share = (theirs == ours).mean(axis=1)
    equal = f"{int((share == 1).sum())} of {len(share)}"
    if (share == 1).all():
        return equal
    gap = max(abs(a["accuracy"] - b["accuracy"]) for a, b in zip(their, our, strict=True))
    return f"{equal}, {100 * share.min():.1f} % of the rows, accuracy within {gap:.3f}"


def _neighbours(theirs: np.ndarray, ours: np.ndarray, their: Sequence[Any], our: Sequence[Any]) -> str:
    share = np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(theirs[0], ours[0], strict=True)])
    gap = abs(their[0]["precision_at_10"] - our[0]["precision_at_10"])
    return f"{100 * share:.2f} % of the neighbours, precision within {gap:.0e}"
