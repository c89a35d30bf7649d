"""How many of the labels that are ranked first are wrong, where wrong ones were planted.

python benchmarks/labels.py HASH [--share 0.05] [--seeds 3]

The run HASH has a classifier with probabilities. A share of its labels is replaced by other classes drawn at random;
the images are then ranked as `backbench audit --labels` ranks them. Labels that were wrong before count as right, so
that the precision is a lower bound.
"""

import argparse

import numpy as np

from backbench import paths
from backbench.evaluate import chosen
from backbench.inference import out_of_fold
from backbench.metrics import confident
from backbench.pictures.source import Source
from backbench.stage import Context
from backbench.store import Store

FOLDS = out_of_fold.FOLDS


def planted(truth: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) of which a share is wrong, and the numbers (m,) of the wrong ones."""
    draw = np.random.default_rng(seed)
    wrong = draw.choice(len(truth), round(share * len(truth)), replace=False)
    given = truth.copy()
    given[wrong] = (given[wrong] + draw.integers(1, classes, len(wrong))) % classes
    return given, wrong


def judged(source: Source, given: np.ndarray, threads: int) -> confident.Doubt:
    """The doubts about the labels (n,) by fits that are given these."""
    whole = out_of_fold.computed(source, given, FOLDS, Context(threads=threads), lambda done, total: None)
    return confident.doubt(given, whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hash", help="a run whose classifier has probabilities")
    parser.add_argument("--share", type=float, default=0.05, help="share of the labels that are made wrong")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    store = Store(paths.store())
    source = Source(chosen.finished(args.hash, store), store)
    print(f"{source.row.name} on {source.dataset}")
    for seed in range(args.seeds):
        given, wrong = planted(source.truth, len(source.names), args.share, seed)
        doubt = judged(source, given, args.threads)
        first = np.isin(doubt.order[: len(wrong)], wrong).mean()
        print(
            f"seed {seed}: {len(wrong)} planted; {first:.0%} of the first {len(wrong)} are planted; "
            f"{doubt.doubtful[wrong].mean():.0%} of the planted are doubtful, {doubt.doubtful.sum()} labels in all"
        )


if __name__ == "__main__":
    main()
