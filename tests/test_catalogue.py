"""The catalogue of metrics: what the stages record is in it, what it says of a metric holds, and all else asks it."""

import math
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sweeping
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import backbench
from backbench import code, plugins
from backbench.engine.grid import HEADS
from backbench.metrics import (
    _spelling,
    approximate,
    catalogue,
    coding,
    external,
    generalising,
    internal,
    probabilistic,
    rankings,
    retrieval,
    supervised,
)
from backbench.schema import ConfigError
from backbench.statistics import replicates, stability

ROOT = Path(backbench.__file__).parent
ENTRIES = catalogue.ENTRIES
CLASSES = 3
SWEEPS = (
    (
        *("clusterer=gaussian_mixture", "clustering.bootstraps=2", "classifier=knn", "retrieval.search=approximate"),
        "retrieval.full=true",
    ),
    ("clusterer=kmeans", "clustering.silhouette=sampled", "clustering.silhouette_rows=20", "classifier=none"),
)
# Metrics whose names are English words too, which stand in quotes for other things.
PLAIN_WORDS = ("clusters", "stability")
# Files that name a metric in quotes, and why they may: each is a choice that is checked, or makes the value.
MAKERS = "records the metric, or is the function of that name"
CHOICES = "chooses which metrics to show, in which order; checked at import"
NAMING = {
    "app/choices.py": CHOICES,
    "cli/runs.py": CHOICES,
    "cli/select.py": CHOICES,
    "classifiers/_choice.py": "the accuracy on the images that chose, beside each candidate",
    "clusterers/gaussian_mixture.py": MAKERS,
    "clusterers/kmeans.py": MAKERS,
    "clusterers/minibatch_kmeans.py": MAKERS,
    "engine/plan/idle.py": "the option of how silhouettes are computed",
    "evaluate/best_k.py": CHOICES,
    "evaluate/how_many.py": CHOICES,
    "evaluate/leaderboard_specs.py": CHOICES,
    "evaluate/candidates.py": "the share of noise is what a policy limits",
    "evaluate/eligibility.py": "what is no clustering",
    "evaluate/resampled.py": "the silhouette is the one metric of which every image has a stored value",
    "evaluate/selection.py": "the policy of plans that name none; checked at import",
    "exports/_reports.py": "a row of scikit-learn's classification report",
    "judging/judge.py": "what a judge says, in its own space",
    "metrics/_spread.py": MAKERS,
    "metrics/coding.py": MAKERS,
    "metrics/generalising.py": MAKERS,
    "metrics/external.py": MAKERS,
    "metrics/internal.py": MAKERS,
    "metrics/_spelling.py": "the names that other people have for metrics",
    "metrics/probabilistic.py": MAKERS,
    "metrics/rankings.py": MAKERS,
    "metrics/retrieval.py": MAKERS,
    "metrics/supervised.py": MAKERS,
    "organising/tables.py": "a column of the table, with the stored widths",
    "pictures/choice.py": CHOICES,
    "pictures/kinds/probe_choice.py": "draws the accuracy that a choice is stored with",
    "pictures/kinds/silhouette.py": "draws the stored widths of one metric",
    "pictures/overview/metric_by_k.py": CHOICES,
    "stages/scores/classification.py": MAKERS,
    "stages/clustering.py": MAKERS,
    "stages/retrieval.py": MAKERS,
    "stages/scores/retrieval.py": "the arrays with the values of the queries",
    "statistics/replicates.py": MAKERS,
    "tracking/sweeps.py": CHOICES,
    "tracking/views.py": CHOICES,
}


def pattern(name: str) -> str:
    return re.escape(name).replace("_K", r"_(\d*|\{\w+\})")


def rows(classes=CLASSES, n=90, seed=0):
    """Rows in three heaps that lie apart, their classes, and classes at random."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    x = rng.normal(size=(n, 4)) + 20 * rng.normal(size=(classes, 4))[truth]
    return x, truth, rng.integers(0, classes, n)


def measured(x, truth, found, again):
    """Every metric of a labeling `found`; `again` is what a second fit gives."""
    values = {**external.scores(truth, found)[0], **supervised.scores(truth, found)}
    values |= internal.scores(x, [found])[0].values | internal.scores(x, [found], 30)[0].values
    values |= {module.NAME: module.scores(x, [found])[0][0] for module in (coding, generalising)}
    values["val_accuracy"] = supervised.accuracy(truth, found)
    values |= probable(truth, found)
    values["stability"] = stability.mean_pairwise_ari([found, again])
    means = np.stack([x[found == cluster].mean(axis=0) for cluster in np.unique(found)])
    model = GaussianMixture(len(means), means_init=means, max_iter=1, covariance_type="spherical", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        values["bic"] = model.fit(x).bic(x)
    return values | ranked(truth, found)


def probable(truth, found):
    """Metrics of probabilities that name the class `found` of each image, and five others as the next ones."""
    width = probabilistic.FEWEST_CLASSES + CLASSES
    shares = np.zeros((len(truth), width), np.float32)
    shares[:, -5:] = 0.02
    shares[np.arange(len(truth)), found] = 0.9
    return probabilistic.scores(truth, shares, None)


def ranked(truth, found):
    """Retrieval where each query's neighbours are those of its cluster first."""
    order = np.stack([np.argsort(found != cluster, kind="stable") for cluster in found])
    near = np.stack([own[own != query] for query, own in enumerate(order)])
    hits = retrieval.relevant(truth, truth[near])
    totals = np.bincount(truth)[truth] - 1
    whole = np.nanmean([rankings.scores_of(np.flatnonzero(row) + 1) for row in hits], axis=0)
    of_all = dict(zip(("r_precision", "map_full", "map_revisited"), whole, strict=True))
    return retrieval.curves(hits[:, :1], totals, [1]) | of_all


def search_recall(wanted):
    """What an approximate search finds that looks no further than where it finds the share `wanted`."""
    x = np.random.default_rng(0).normal(size=(1500, 16)).astype(np.float32)
    return approximate.nearest_approximate(x, x, 10, "euclidean", np.arange(len(x)), wanted=wanted)[2].recall


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The metrics that the heads of small sweeps record, by head."""
    folder = tmp_path_factory.mktemp("recorded")
    names = {head: set() for head in HEADS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = sweeping.collection(folder / "pictures", ("red", "green", "blue", "grey", "pink", "teal"), each=10)
        for overrides in SWEEPS:
            asked = (*images, "experiment=none", "backbone=pixels", "k=3", "retrieval=cosine", *overrides)
            for row in sweeping.rows_of(sweeping.computed(*asked)):
                for head, record in row.heads.items():
                    names[head] |= set(record["metrics"])
    return names


class TestEntries:
    def test_what_stages_record_is_in_the_catalogue_under_its_head(self, recorded):
        for head, names in recorded.items():
            assert names and {catalogue.metric(name).task for name in names} == {head}

    def test_every_entry_is_recorded_by_some_stage(self, recorded):
        every = [name for names in recorded.values() for name in names]
        unseen = [entry.name for entry in ENTRIES if not any(re.fullmatch(pattern(entry.name), name) for name in every)]
        assert unseen == []

    @pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
    def test_is_complete(self, entry):
        assert entry.title and entry.short and entry.needs and entry.task in HEADS
        assert (entry.direction == catalogue.NEITHER) == bool(entry.neither)
        assert entry.low is None or entry.high is None or entry.low < entry.high
        assert not entry.share or entry.bounded
        assert not entry.estimates or catalogue.metric(entry.estimates).direction == entry.direction
        assert not (entry.policy and entry.direction == catalogue.NEITHER)

    def test_names_are_there_once(self):
        assert len({entry.name for entry in ENTRIES}) == len(ENTRIES) == len({entry.words for entry in ENTRIES})

    @pytest.mark.parametrize("seed", range(3))
    def test_the_better_labeling_has_the_better_value(self, seed):
        x, truth, drawn = rows(seed=seed)
        good, bad = measured(x, truth, truth, truth), measured(x, truth, drawn, rows(seed=seed + 9)[2])
        good, bad = good | {"search_recall": search_recall(0.99)}, bad | {"search_recall": search_recall(0.0)}
        for name in (name for name in catalogue.names(1) if catalogue.metric(name).direction):
            entry = catalogue.metric(name)
            assert entry.direction * good[name] > entry.direction * bad[name], name
            assert entry.best([good[name], bad[name]]) == good[name]

    @pytest.mark.parametrize("seed", range(6))
    def test_values_of_labelings_at_random_are_within_the_range(self, seed):
        x, truth, drawn = rows(seed=seed)
        rng = np.random.default_rng(seed)
        found = np.where(rng.random(len(truth)) < 0.2 * (seed % 2), -1, rng.permutation(drawn))
        values = measured(x, truth, np.maximum(found, 0), drawn) | external.scores(truth, found)[0]
        values |= internal.scores(x, [found])[0].values
        for name, value in values.items():
            entry = catalogue.metric(name)
            assert (-math.inf if entry.low is None else entry.low) <= value, name
            assert value <= (math.inf if entry.high is None else entry.high) + 1e-12, name

    def test_what_is_resampled_has_replicates(self):
        of_classes = {*replicates.PREDICTED, *probabilistic.PER_IMAGE}
        wanted = {catalogue.CLUSTERING: external.OF_COUNTS, catalogue.CLASSIFICATION: of_classes}
        for entry in ENTRIES:
            if entry.resampled and catalogue.LABELS in entry.needs and entry.task in wanted:
                assert entry.name.removeprefix("val_") in wanted[entry.task]

    def test_what_needs_distances_compares_within_a_space_alone(self):
        for entry in ENTRIES:
            if entry.task == catalogue.CLUSTERING:
                assert entry.across == (catalogue.DISTANCES not in entry.needs)


class TestLookUp:
    def test_a_family_stands_for_every_depth(self):
        entry = catalogue.metric("precision_at_5")
        assert (entry.depth, entry.short) == (5, "P@5")
        assert entry.axis == "precision at 5 (0 to 1, higher is better)"

    def test_words_at_an_axis(self):
        assert catalogue.metric("silhouette").axis == "silhouette (-1 to 1, higher is better)"
        assert catalogue.metric("davies_bouldin").axis == "Davies-Bouldin index (lower is better)"
        assert catalogue.metric("nmi").words == "NMI with the classes"

    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("acuracy", "accuracy"),
            ("precison_at_7", "precision_at_7"),
            ("map_at_0", "map_at_K"),
            ("silhouettes", "silhouette"),
            ("R@10", "recall_at_10"),
            ("recall@10", "recall_at_10"),
            ("P@10", "precision_at_10"),
            ("Hits@5", "hit_rate_at_5"),
            ("mAP@20", "map_at_20"),
            ("recall@k", "recall_at_K"),
            ("mAP", "map_full"),
            ("R-precision", "r_precision"),
            ("top-5", "top_5_accuracy"),
            ("acc@5", "top_5_accuracy"),
            ("NLL", "log_loss"),
            ("Brier score", "brier"),
        ],
    )
    def test_a_name_that_is_not_there_is_an_error_that_names_the_nearest(self, name, nearest):
        with pytest.raises(ConfigError, match=rf"--metric: received '{name}'.*Did you mean '{nearest}'\?"):
            catalogue.metric(name, "--metric")
        assert not catalogue.known(name)

    def test_a_metric_that_no_run_has_is_named_with_what_gives_it(self):
        for name in ("mAP", "map_full"):
            text = str(catalogue.unknown("--sort", name, ["map_at_10", "accuracy"]))
            assert text.startswith(f"--sort: received {name!r}; allowed: map_at_10, accuracy.")
            assert text.endswith("is 'map_full', which no run has; retrieval.full=true gives it.")
        assert str(catalogue.unknown("--sort", "mAP@10", ["map_at_10"])).endswith("Did you mean 'map_at_10'?")

    def test_what_others_call_metrics_leads_to_entries(self):
        assert {catalogue.metric(name).name for name in _spelling.NAMES.values()} == set(_spelling.NAMES.values())
        assert all(catalogue.metric(f"{name}3").family is False for name in _spelling.FAMILIES.values())

    @pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if not entry.direction])
    def test_what_has_no_better_end_ranks_nothing(self, name):
        with pytest.raises(ConfigError, match=r"which cannot rank results: .*that can: nmi"):
            catalogue.ranking(name, ["clusters", "nmi"])

    def test_planning_reads_it_without_numpy(self):
        program = "import sys; from backbench.metrics import catalogue; print('numpy' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_no_stage_and_no_plugin_depends_on_it():
    """Else a new metric would make every stored result stale."""
    files = [path.relative_to(ROOT) for path in (ROOT / "stages").rglob("*.py") if path.stem != "__init__"]
    stages = [".".join(["backbench", *path.with_suffix("").parts]) for path in files]
    fits = [plugins.module_name(kind, name) for kind in plugins.PACKAGES for name in plugins.names(kind)]
    assert len(stages) > 8 and len(fits) > 30
    assert not {"backbench.metrics.catalogue", "backbench.metrics._entry"} & code._closure(frozenset(stages + fits))


def test_other_files_do_not_list_metrics():
    names = "|".join(pattern(entry.name) for entry in ENTRIES if entry.name not in PLAIN_WORDS)
    quoted = re.compile(rf"[\"']({names})[\"']")
    files = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if quoted.search(path.read_text())}
    others = files - {"metrics/catalogue.py"}
    assert others == set(NAMING), "ask the catalogue, or say in NAMING why a name stands there"
    assert len(NAMING) <= 39


def test_the_page_of_metrics_has_every_entry_with_its_better_end():
    page = (ROOT.parents[1] / "docs" / "metrics.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", page, re.MULTILINE))
    for entry in ENTRIES:
        line = table[entry.name.replace("_K", "_k")]
        if entry.task == catalogue.CLUSTERING:
            assert line.split("|")[1].strip() == entry.better.removesuffix(" is better"), entry.name
