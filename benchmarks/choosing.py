"""What rules that choose a clustering without labels lose, over labelled collections whose labels they do not see.

    python benchmarks/choosing.py                         every collection that can be had here, on the screen
    python benchmarks/choosing.py --write                 the same, into benchmarks/results/choosing.md
    python benchmarks/choosing.py --folders ~/flowers     and a folder of your own, with a sub-folder for each class

The regret of a rule is the AMI of the best clustering in the pool minus that of the one it chooses. Features and pools
are kept in the folder --work. BACKBENCH_ASSETS names a folder with Caltech-101 and the thirty photographs; without it
there are fewer collections.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import _features
import _labelled
import _pools
import numpy as np
from _pools import Pool
from scipy.stats import rankdata, spearmanr

from backbench import paths, provenance
from backbench.judging import rule
from backbench.judging.agreement import ami_matrix

RESULTS = paths.CHECKOUT / "benchmarks" / "results" / "choosing.md"
LITE0, LITE2, LITE0_96, LITE2_96 = range(4)
# Pools as sweeps make them, and their judges: the network of the sweep, and one that made no candidate.
SWEEPS = {
    "224 pixels": (("pixels", "lite0"), (LITE0, LITE2)),
    "96 pixels": (("pixels", "lite0_96"), (LITE0_96, LITE2_96)),
    "both": (("pixels", "lite0", "lite0_96"), (LITE0, LITE2)),
}
BANDS = {"2 to 3": (2, 3), "5 to 6": (5, 6), "10 to 15": (10, 15), "25": (25, 25)}
# Of clusterings that a rule chooses: all indices, one for each answer that it gives.
Rule = Callable[[Pool, tuple[int, ...]], Sequence[int]]


def judged(pool: Pool, judges: tuple[int, ...], which: Sequence[int] | None = None) -> list[int]:
    """The rule of the project, by all judges or those at some places."""
    seats = [judges[place] for place in which] if which else list(judges)
    return [rule.choose(pool.labels, pool.values[seats]).chosen]


def best_score(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    """The largest sum of ranks, without the medoid."""
    return [int(rule.choose(pool.labels, pool.values[list(judges)]).order[0])]


def medoid(pool: Pool, score: np.ndarray) -> list[int]:
    """The medoid of the best twentieth by any score (candidates,), ties as in the rule."""
    order = np.lexsort((pool.clusters, -np.round(score, 9)))
    best = order[: max(3, int(0.05 * len(order)))]
    return [int(best[ami_matrix(pool.labels[best]).mean(axis=1).round(9).argmax()])]


def net_alone(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    return medoid(pool, pool.values[list(judges), :, 0].mean(axis=0))


def by_ranks(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    """Ranks of each judge, then their mean: no judge counts more because its values spread more."""
    return medoid(pool, _ranks(pool, judges).mean(axis=0))


def weighted(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    """All four judges, each by how well its ranks correlate with those of the others."""
    ranks = _ranks(pool, tuple(range(len(pool.values))))
    agreement = spearmanr(ranks.T).statistic
    weights = np.maximum((agreement.sum(axis=0) - 1) / (len(ranks) - 1), 1e-6)
    return medoid(pool, weights @ ranks)


def all_judges(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    return judged(pool, tuple(range(len(pool.values))))


def _ranks(pool: Pool, judges: tuple[int, ...]) -> np.ndarray:
    """Sum of the three ranks (judges, candidates) of each judge."""
    signed = pool.values[list(judges)] * np.array([1.0, -1.0, 1.0])
    return rankdata(np.round(signed, 9), axis=1).sum(axis=2)


def _inner_ranks(inner: np.ndarray) -> np.ndarray:
    """Mean rank (candidates,) of silhouette, DB and CH (candidates, 3), the least is the best."""
    signed = np.nan_to_num(inner * np.array([-1.0, 1.0, -1.0]), nan=np.inf)
    return rankdata(signed, axis=0).mean(axis=1)


def pooled_ranks(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    return [int(_inner_ranks(pool.inner).argmin())]


def silhouette(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    return [int(np.nan_to_num(pool.inner[:, 0], nan=-1.0).argmax())]


def each_matrix(pool: Pool, judges: tuple[int, ...], prefer: bool = False) -> list[int]:
    """The best mean rank on each matrix, DBSCAN's first if `prefer`: policies internal and published."""
    answers = []
    for space in np.unique(pool.spaces):
        members = np.flatnonzero(pool.spaces == space)
        ranks = _inner_ranks(pool.inner[members])
        preferred = pool.dbscan[members]
        if prefer and preferred.any():
            ranks = np.where(preferred, ranks, np.inf)
        answers.append(int(members[ranks.argmin()]))
    return answers


def any_candidate(pool: Pool, judges: tuple[int, ...]) -> list[int]:
    """All of them: what choosing at random loses on average."""
    return list(range(len(pool.ami)))


RULES: dict[str, Rule] = {
    "**judges: NET, map equation, UMAP silhouette; medoid** (default)": judged,
    "the same, best score without the medoid": best_score,
    "the same, EfficientNet-Lite2 alone, which made no candidate": partial(judged, which=[1]),
    "the same, the sweep's own network alone": partial(judged, which=[0]),
    "the same, four judges (both networks at 224 and 96 pixels)": all_judges,
    "the same, four judges weighted by their agreement": weighted,
    "the same, ranks of each judge averaged": by_ranks,
    "NET alone, medoid": net_alone,
    "mean rank of silhouette, DB and CH over the pool": pooled_ranks,
    "silhouette over the pool": silhouette,
    "mean rank on each matrix (`internal`)": each_matrix,
    "DBSCAN first, then mean rank on each matrix (`published`)": partial(each_matrix, prefer=True),
    "any candidate": any_candidate,
}


def regret(pool: Pool, chosen: Sequence[int]) -> float:
    """AMI lost against the best candidate, a mean over the answers."""
    return float(pool.ami.max() - pool.ami[list(chosen)].mean())


def report(pools: Sequence[Pool]) -> list[str]:
    """The tables."""
    lines: list[str] = []
    for title, (representations, judges) in SWEEPS.items():
        parts = [pool.of(representations) for pool in pools]
        lines += ["", f"## Candidates: {title}", "", *_table(parts, judges), "", *_extra(parts, judges)]
    return [*lines, "", "## Collections", "", *_collections(pools)]


def _table(pools: Sequence[Pool], judges: tuple[int, ...]) -> list[str]:
    """Mean and worst regret of each rule, and means by the number of classes and over groups."""
    have = [name for name, band in BANDS.items() if any(band[0] <= pool.true <= band[1] for pool in pools)]
    head = ["rule, regret in AMI", "mean", "standard error", "mean of groups", "worst", *(f"k* = {n}" for n in have)]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, choose in RULES.items():
        lost = np.array([regret(pool, choose(pool, judges)) for pool in pools])
        groups = _by_group(pools, lost)
        cells = [lost.mean(), _error(pools, lost), groups.mean(), lost.max()]
        cells += [lost[[BANDS[n][0] <= pool.true <= BANDS[n][1] for pool in pools]].mean() for n in have]
        lines.append(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    return lines


def _by_group(pools: Sequence[Pool], lost: np.ndarray) -> np.ndarray:
    """Mean regret (groups,) of each group, of that of each collection (collections,)."""
    groups = np.array([pool.group for pool in pools])
    return np.array([lost[groups == group].mean() for group in np.unique(groups)])


def _error(pools: Sequence[Pool], lost: np.ndarray) -> float:
    """Standard error of the mean (collections,), with groups as the units that were drawn (cluster-robust)."""
    groups = np.array([pool.group for pool in pools])
    sums = np.array([(lost[groups == group] - lost.mean()).sum() for group in np.unique(groups)])
    count = len(sums)
    return math.sqrt((sums**2).sum() * count / max(1, count - 1)) / len(lost)


def _extra(pools: Sequence[Pool], judges: tuple[int, ...]) -> list[str]:
    """What the range of k and the choice at a known k are worth."""
    held, near, twice, known = [], [], [], []
    for pool in pools:
        values = pool.values[list(judges)]
        choice = rule.choose(pool.labels, values)
        clusters = pool.clusters
        ratio = clusters[choice.chosen] / pool.true
        held.append(choice.low <= pool.true <= choice.high)
        near.append(0.75 <= ratio <= 1.25)
        twice.append(0.5 <= ratio <= 2)
        tried = clusters[np.abs(clusters - pool.true).argmin()]
        same = clusters == tried
        known.append(pool.ami[same].max() - pool.ami[rule.of_k(pool.labels, values, int(tried))])
    return [
        f"The range of k held the number of classes in {sum(held)} of {len(held)}; the chosen k was within 25 % of it "
        f"in {sum(near)} and within a factor of two in {sum(twice)}. With k given (the nearest that was tried), the "
        f"largest NET of that k loses {np.mean(known):.3f} (at most {max(known):.3f}) against the best of that k."
    ]


def _collections(pools: Sequence[Pool]) -> list[str]:
    """What was chosen on each, among the candidates of all representations."""
    lines = ["| collection | rows | classes | candidates | chosen k | range | its AMI | best AMI |"]
    lines.append("| --- |" + " ---: |" * 7)
    representations, judges = SWEEPS["both"]
    for pool in (pool.of(representations) for pool in pools):
        choice = rule.choose(pool.labels, pool.values[list(judges)])
        cells = [pool.name, pool.labels.shape[1], pool.true, len(pool.ami), choice.clusters[choice.chosen]]
        cells += [f"{choice.low} to {choice.high}", f"{pool.ami[choice.chosen]:.3f}", f"{pool.ami.max():.3f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", nargs="*", type=Path, default=[], help="labelled folders of your own")
    parser.add_argument("--only", nargs="+", metavar="GROUP", help="only these groups")
    parser.add_argument("--work", type=Path, help="folder that keeps features and pools (default: a temporary one)")
    parser.add_argument("--write", action="store_true", help="write the results into the checkout")
    args = parser.parse_args()
    work = _features.work_folder(args.work)
    pools = []
    for name, images in _labelled.groups(args.folders).items():
        if args.only and name not in args.only:
            continue
        for collection in _labelled.subsets(images(), work):
            print(f"{collection.name}: {len(collection.truth)} rows", flush=True)
            pools.append(_pools.pool(collection, work))
    versions = provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("numpy", "scipy", "scikit-learn", "umap-learn"))
    groups = sorted({pool.group for pool in pools})
    lines = [
        "# What rules lose that choose without labels\n",
        "```bash",
        f"python benchmarks/choosing.py{' --folders ' if args.folders else ''}{' '.join(f.name for f in args.folders)}",
        "```\n",
        f"{len(pools)} collections in {len(groups)} groups ({', '.join(groups)}), drawn with seed {_labelled.SEED}; "
        f"{named}. Regret: AMI of the best candidate minus AMI of the chosen one. The standard error takes groups as "
        "the units, since subsets of the same images are no independent evidence. Nothing was tuned on these.",
        *report(pools),
    ]
    print(*lines, sep="\n")
    if args.write:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
