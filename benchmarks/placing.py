"""How well new rows are placed: 80 % clustered and the others placed, against a clustering of all.

    python benchmarks/placing.py              a table to look at
    python benchmarks/placing.py --write      into results/placing.md

For each clusterer, on scikit-learn's digits (1,797 rows of 64 columns, 10 clusters) and on separate blobs (6 clusters
and 5 % noise): the adjusted mutual information (AMI) between the clusters of the placed rows and those that a fit on
all rows gives them. Beside it is the AMI of the two fits on the other 80 %: what the clusterer itself agrees about,
which no rule of placement can exceed by much. Noise counts as one more cluster. Means over five splits.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import yaml

from backbench import clusterers, paths, plugins, provenance, threads
from backbench.inference import fitting, placing
from backbench.metrics import neighbours
from backbench.metrics.near import Near

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "placing.md"
SPLITS, SHARE, SEED = 5, 0.8, 0
# Options by which density clusterers give about ten clusters of the digits rather than one.
DIGITS = {
    "dbscan": {"eps": 20.0, "eps_quantile": None},
    "hdbscan": {"min_cluster_size": 20, "min_samples": 5},
    "optics": {"min_samples": 10, "cluster_method": "dbscan", "eps": 20.0},
    "birch": {"threshold_quantile": 0.5},
    "micro_ward": {"micro_clusters": 300},
    "affinity_propagation": {"preference_quantile": 0.0},
}
BLOBS = {
    "birch": {"threshold_quantile": 0.5},
    "micro_ward": {"micro_clusters": 100},
    "optics": {"cluster_method": "dbscan", "eps": 2.5},
    "finch": {"metric": "euclidean"},
    "affinity_propagation": {"preference_quantile": 0.0},
    "temi": {"heads": 2, "hidden": 32, "bottleneck": 16, "iterations": 200, "warmup": 20, "batch_size": 128},
    "turtle": {"iterations": 100, "n_init": 2, "outer_rate": 0.01, "inner_rate": 0.01},
}


@dataclass(frozen=True)
class Agreement:
    """AMI on the placed rows and on the members, and the shares of noise among the placed and in the fit on all."""

    placed: float
    members: float
    noise: float
    refitted_noise: float


def digits() -> np.ndarray:
    """scikit-learn's digits (1797, 64) float32."""
    from sklearn.datasets import load_digits

    rows: np.ndarray = load_digits().data.astype(np.float32)
    return rows


def blobs(n: int = 600, d: int = 5, k: int = 6) -> np.ndarray:
    """Rows (n, d) float32 in `k` separate blobs, and 5 % of noise between them."""
    draw = np.random.default_rng(SEED)
    centres = 12 * draw.normal(size=(k, d))
    rows = draw.normal(size=(n, d)) + centres[np.arange(n) % k]
    far = draw.choice(n, n // 20, replace=False)
    rows[far] = draw.uniform(-30, 30, (len(far), d))
    return rows.astype(np.float32)


def configured(name: str, k: int, **changed: object) -> dict[str, object]:
    """The configuration of a clustering, as a plan has it."""
    options = yaml.safe_load((paths.conf() / "clusterer" / f"{name}.yaml").read_text()) | changed
    axes = {"k": k, "seed": SEED}
    return {"clusterer": options, **{axis: axes[axis] for axis in clusterers.load(name).AXES}}


def fitted(config: dict, rows: np.ndarray) -> tuple[np.ndarray, dict]:
    """Labels (n,) of rows (n, d), -1 for noise, and what the clusterer says."""
    name = config["clusterer"]["name"]
    module = clusterers.load(name)
    task = clusterers.Task(plugins.params("clusterer", config["clusterer"]), config.get("k"), config.get("seed"))
    with threads.one_core_each(1):
        labels, info = module.fit(module.prepare(rows, [task], Near(rows)), rows, task)
    return labels, info


def agreement(config: dict, rows: np.ndarray, seed: int) -> Agreement:
    """Cluster a share of the rows (n, d), place the others, and compare with a fit on all."""
    from sklearn.metrics import adjusted_mutual_info_score

    draw = np.random.default_rng(seed)
    members = np.sort(draw.permutation(len(rows))[: int(SHARE * len(rows))])
    others = np.setdiff1d(np.arange(len(rows)), members)
    whole, _ = fitted(config, rows)
    part, info = fitted(config, rows[members])
    placement = placing.fit(config, info, rows[members], part)
    clusters = placement(rows[others]).clusters
    return Agreement(
        adjusted_mutual_info_score(whole[others], clusters),
        adjusted_mutual_info_score(whole[members], part),
        float((clusters < 0).mean()),
        float((whole[others] < 0).mean()),
    )


def mean(config: dict, rows: np.ndarray) -> Agreement:
    """The means over several splits of the rows (n, d)."""
    each = [agreement(config, rows, seed) for seed in range(SPLITS)]
    return Agreement(*(float(np.mean([getattr(one, name) for one in each])) for name in Agreement.__annotations__))


def table() -> str:
    """The table, as Markdown."""
    lines = [
        "| clusterer | rule | digits: placed | digits: the fits themselves | blobs: placed | noise placed | refitted |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    spaces = (digits(), 10, DIGITS), (blobs(), 6, BLOBS)
    for name in sorted(plugins.names("clusterer")):
        rule = placing.rule(name)
        numbers, separate = (mean(configured(name, k, **given.get(name, {})), rows) for rows, k, given in spaces)
        cells = [f"{numbers.placed:.3f}", f"{numbers.members:.3f}", f"{separate.placed:.3f}"]
        cells += [f"{100 * separate.noise:.1f} %", f"{100 * separate.refitted_noise:.1f} %"]
        lines.append(f"| {name} | {rule} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def flagged() -> str:
    """How often held-back digits, and rows of noise, are called unlike anything seen."""
    rows, shares = digits(), []
    noise = np.random.default_rng(SEED).uniform(0, 16, (500, rows.shape[1])).astype(np.float32)
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(rows))
        members, others = (rows[part] for part in np.split(order, [int(SHARE * len(rows))]))
        own = neighbours.nearest(members, members, 1, "cosine", np.arange(len(members)))[1]
        limit = np.quantile(own, fitting.SHARE)
        shares.append([(neighbours.nearest(each, members, 1, "cosine")[1] > limit).mean() for each in (others, noise)])
    held, planted = (100 * share for share in np.mean(shares, axis=0))
    return f"Unlike anything seen (cosine): {held:.1f} % of the held-back digits, {planted:.0f} % of rows of noise."


def page() -> str:
    """The page that is kept."""
    versions = provenance.installed(("numpy", "scipy", "scikit-learn"))
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    head = (__doc__ or "").partition("\n\nFor each")[2].strip()
    return (
        "# How well new rows are placed\n\n```bash\npython benchmarks/placing.py --write\n```\n\n"
        f"For each{' ' + head}\n\n{text}.\n\n{table()}\n\n{flagged()}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write results/placing.md")
    if parser.parse_args().write:
        TARGET.write_text(page())
    else:
        print(table())
        print(flagged())


if __name__ == "__main__":
    main()
