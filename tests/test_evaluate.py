"""Which k, and which clustering: known answers, every branch of the rule, and what is written of it."""

import dataclasses
import functools
import json
import math

import numpy as np
import pytest
import yaml
from kneed import DataGenerator, KneeLocator
from scipy.stats import rankdata
from sklearn.cluster import KMeans

from backbench import paths, planning
from backbench.engine.results import ledger
from backbench.evaluate import best_k, candidates, knee, recommendations, selection
from backbench.evaluate.answer import SweepAnswer
from backbench.evaluate.candidates import Candidate, LeftOut, Representation
from backbench.schema import ConfigError
from backbench.store import Store

NAN = math.nan
POLICY = selection.PUBLISHED
INTERNAL = dataclasses.replace(POLICY, name="internal", prefer=None)


def candidate(clusterer="kmeans", k=None, seed=None, clusters=3, noise=0.0, family=None, label=None, **metrics):
    values = {"clusters": float(clusters), "noise_fraction": noise, **metrics}
    label = label or " ".join([family or clusterer, *([f"k={k}"] if k else []), *([f"seed={seed}"] if seed else [])])
    member = f"{label} {sorted(values.items())}"
    return Candidate(member, f"run of {label}", clusterer, {}, k, seed, values, {}, family or clusterer, label)


def scored(label, s, db, ch, **options):
    return candidate(label=label, silhouette=s, davies_bouldin=db, calinski_harabasz=ch, **options)


def representation(*found, failed=(), waiting=()):
    return Representation("d", "0" * 64, "b", "none", "all", "1" * 64, "b", tuple(found), tuple(failed), waiting)


def decide(*found, policy=POLICY, **others):
    return selection.decide(representation(*found, **others), policy)


def choice(criterion, *members):
    (family,) = best_k.families(representation(*members))
    return family.choice(criterion)


# The elbow


@pytest.mark.parametrize(("points", "at"), [(DataGenerator.convex_decreasing, 2), (DataGenerator.bumpy, 26)])
def test_knees_of_published_examples(points, at):
    x, y = ([float(value) for value in axis] for axis in points())
    found = knee.find([int(value) for value in x], y)
    assert (found.x, found.method) == (at, "kneedle")


@pytest.mark.parametrize("ks", [range(1, 11), range(2, 16), (2, 4, 6, 8, 12)])
def test_the_knee_of_four_blobs_is_four(ks):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(middle, 0.5, (20, 2)) for middle in [(0, 0), (10, 0), (0, 10), (10, 10)]])
    curve = {k: KMeans(k, n_init=2, random_state=0).fit(x).inertia_ for k in ks}
    found = best_k.elbow(curve)
    assert (found.k, found.value) == (4, curve[4]) and "kneedle" in found.note


def test_kneedle_is_the_librarys():
    rng = np.random.default_rng(1)
    agreed = 0
    for _ in range(200):
        x = sorted(rng.choice(np.arange(1, 40), rng.integers(4, 15), replace=False).tolist())
        y = np.cumsum(np.sort(rng.exponential(size=len(x)) ** 2))[::-1].tolist()
        found = knee.find(x, y)
        known = KneeLocator(x, y, curve="convex", direction="decreasing").knee
        if found and found.method == "kneedle":
            assert found.x == known
            agreed += 1
    assert agreed > 50


@pytest.mark.parametrize(
    "y", [[5, 4, 3, 2, 1], [3, 3, 3, 3], [1, 2, 3, 4], [100, 99, 90, 50, 1], [10, 9.9, 9.8, 9.69, 0]]
)
def test_a_curve_that_does_not_bend_has_no_knee(y):
    assert knee.find(range(1, len(y) + 1), y) is None


def test_where_kneedle_finds_none_the_chord_does():
    found = knee.find([2, 3, 4], [10.0, 2.0, 1.0])
    assert (found.x, found.method) == (3, "chord") and found.depth == pytest.approx(8 / 9 - 1 / 2)
    assert knee.find([2, 3, 4], [10.0, 5.2, 1.0]) is None


def test_a_fit_that_got_stuck_makes_no_knee():
    smooth = [100.0, 60.0, 40.0, 10.0, 9.0, 8.0, 7.0, 6.0]
    stuck = [100.0, 60.0, 85.0, 10.0, 9.0, 8.0, 7.0, 6.0]
    assert knee.find(range(1, 9), stuck).x == knee.find(range(1, 9), smooth).x == 4


@pytest.mark.parametrize("ks", [(), (3,), (3, 7)])
def test_two_values_of_k_have_no_elbow(ks):
    assert knee.find(ks, [1.0] * len(ks)) is None
    found = best_k.elbow({k: 10.0 / k for k in ks})
    assert found.k is None and f"{len(ks)} value" in found.note and "takes 3" in found.note


# Best k


def test_each_criterion_takes_its_own_end():
    values = {2: (0.4, 1.2, 50.0, -10.0), 3: (0.5, 0.9, 70.0, -30.0), 4: (0.3, 0.8, 60.0, -20.0)}
    names = ("silhouette", "davies_bouldin", "calinski_harabasz", "bic")
    members = [candidate(k=k, **dict(zip(names, own, strict=True))) for k, own in values.items()]
    found = {name: choice(name, *members) for name in names}
    assert {name: one.k for name, one in found.items()} == dict(zip(names, (3, 4, 3, 3), strict=True))
    assert [name for name, one in found.items() if one.edge] == ["davies_bouldin"]
    assert "largest k that was tried" in found["davies_bouldin"].note
    assert choice("elbow", *members) is None


def test_of_equal_values_the_smaller_k_is_taken():
    assert choice("silhouette", *[candidate(k=k, silhouette=s) for k, s in ((5, 0.5), (3, 0.5), (2, 0.1))]).k == 3


def test_an_undefined_value_is_no_point():
    members = [candidate(k=1, clusters=1, silhouette=NAN, inertia=90.0), candidate(k=2, silhouette=0.2, inertia=20.0)]
    assert choice("silhouette", *members).k is None
    members += [candidate(k=3, silhouette=0.1, inertia=15.0), candidate(k=4, silhouette=NAN, inertia=12.0)]
    assert (choice("silhouette", *members).k, choice("elbow", *members).k) == (2, 2)


def test_seeds_are_averaged():
    members = [
        candidate(k=k, seed=seed, silhouette=s) for k, seed, s in ((2, 0, 0.9), (2, 1, 0.1), (3, 0, 0.6), (3, 1, 0.6))
    ]
    (family,) = best_k.families(representation(*members))
    assert (family.ks, family.seeds) == ((2, 3), (0, 1))
    assert (family.choice("silhouette").k, family.choice("silhouette").value) == (3, pytest.approx(0.6))


def test_a_mean_does_not_depend_on_the_order():
    members = [candidate(k=2, seed=seed, silhouette=0.1 * seed + 1e-9 * seed**3) for seed in range(9)]
    means = {best_k.mean_curve(order, "silhouette")[2] for order in (members, members[::-1], members[4:] + members[:4])}
    assert len(means) == 1


def test_an_estimate_stands_in_and_is_named():
    members = [candidate(k=k, silhouette_sampled=s) for k, s in ((2, 0.1), (3, 0.3), (4, 0.2))]
    assert choice("silhouette", *members).k == 3 and "silhouette_sampled" in choice("silhouette", *members).note
    assert "silhouette_sampled" in decide(*members).reason


def test_families_stand_by_name_and_those_without_k_have_no_choices():
    found = best_k.families(representation(candidate(k=2), candidate("dbscan"), candidate("birch", k=3)))
    assert [family.name for family in found] == ["birch", "dbscan", "kmeans"]
    assert found[1].ks == () and found[1].choices == ()


# The rule


def test_dbscan_is_preferred_although_others_are_stronger():
    found = decide(scored("dbscan", 0.1, 3, 10, clusterer="dbscan", noise=0.123), scored("ward", 0.9, 0.1, 900))
    assert found.chosen.clusterer == "dbscan" and found.usable == 2
    assert found.reason == "dbscan left 12.3 % as noise, at most 30 % allowed, so it is preferred"


@pytest.mark.parametrize(("count", "chosen"), [(90, "dbscan"), (91, "ward")])
def test_thirty_percent_are_still_allowed(count, chosen):
    noise = float((np.arange(300) < count).mean())
    found = decide(scored("dbscan", 0.1, 3, 10, clusterer="dbscan", noise=noise), scored("ward", 0.9, 0.1, 900))
    assert found.chosen.label == chosen


def test_of_several_that_qualify_the_strongest_by_mean_rank():
    dbscans = [
        scored("dbscan eps=1", 0.2, 2.0, 10, clusterer="dbscan", noise=0.2),
        scored("dbscan eps=2", 0.3, 1.0, 5, clusterer="dbscan", noise=0.1),
        scored("dbscan eps=3", 0.9, 0.1, 99, clusterer="dbscan", noise=0.4),
    ]
    found = decide(*dbscans, scored("ward", 0.9, 0.1, 900))
    assert found.chosen.label == "dbscan eps=2"
    assert "of the 2 dbscan that qualify, it has the best mean rank 1.33 of 2 over silhouette" in found.reason
    assert [(one.label, one.reason) for one in found.left_out] == [("dbscan eps=3", "40 % noise, more than 30 %")]


def test_else_the_best_mean_rank():
    noisy = scored("dbscan", 0.99, 0.01, 9999, clusterer="dbscan", noise=0.412)
    found = decide(noisy, scored("a", 0.5, 1.0, 100), scored("b", 0.6, 0.9, 50), scored("c", 0.1, 3.0, 10))
    assert found.chosen.label == "b"
    assert found.reason == (
        "no dbscan left at most 30 % as noise (the least: 41.2 %); b has the best mean rank 1.33 of 3 "
        "over silhouette, davies_bouldin, calinski_harabasz"
    )
    assert [(own.candidate.label, round(own.mean_rank, 3)) for own in found.ranked] == [
        ("b", 1.333),
        ("a", 1.667),
        ("c", 3),
    ]
    assert found.ranked[0].ranks == {"silhouette": 1, "davies_bouldin": 1, "calinski_harabasz": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clusters": 0, "noise": 1.0}, "no dbscan found two clusters or more"),
        ({"clusters": 1, "noise": 0.01}, "no dbscan found two clusters or more"),
        ({"clusters": 2, "noise": 0.3004}, "(the least: 30.04 %)"),
    ],
)
def test_a_dbscan_that_does_not_qualify(options, said):
    found = decide(
        scored("dbscan", NAN, NAN, NAN, clusterer="dbscan", **options), scored("a", 1, 1, 1), scored("b", 0, 2, 0)
    )
    assert found.chosen.label == "a" and said in found.reason
    assert len(found.left_out) == 1


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "no dbscan was tried"),
        ({"waiting": ("1",)}, "no dbscan is done"),
        ({"failed": [LeftOut("2", "dbscan", "failed: why", "dbscan")]}, "every dbscan failed"),
    ],
)
def test_without_a_dbscan(others, said):
    found = decide(scored("a", 1, 1, 1), **others)
    assert found.reason == f"{said}; a is the only clustering to choose from"
    assert found.pending == len(others.get("waiting", ())) and len(found.left_out) == len(others.get("failed", ()))


def test_equal_ranks_go_to_the_fewest_clusters_then_to_the_name():
    found = decide(scored("b", 1, 2, 1, clusters=5), scored("c", 2, 1, 1, clusters=4), scored("a", 1, 2, 1, clusters=5))
    assert found.chosen.label == "c"
    tied = decide(scored("b", 1, 1, 1), scored("c", 1, 1, 1, clusters=4), scored("a", 1, 1, 1))
    assert tied.chosen.label == "a" and "shared with 2" in tied.reason


def test_undefined_values_rank_last():
    found = decide(scored("a", 0.1, NAN, 1), scored("b", 0.1, 5.0, 1), scored("c", NAN, NAN, NAN), policy=INTERNAL)
    assert [own.candidate.label for own in found.ranked] == ["b", "a", "c"]
    assert found.ranked[1].ranks == {"silhouette": 1.5, "davies_bouldin": 2.5, "calinski_harabasz": 1.5}


def test_ranks_equal_scipys():
    rng = np.random.default_rng(0)
    pool = [scored(str(i), *rng.integers(0, 5, 3).astype(float)) for i in range(40)]
    ranked = {own.candidate.member: own for own in selection.rank(pool, POLICY.metrics)}
    for name, sign in (("silhouette", -1), ("davies_bouldin", 1), ("calinski_harabasz", -1)):
        known = rankdata([sign * one.value(name) for one in pool])
        assert [ranked[one.member].ranks[name] for one in pool] == known.tolist()


def test_the_decision_does_not_depend_on_the_order():
    rng = np.random.default_rng(1)
    pool = [scored(f"c{i}", *rng.integers(0, 3, 3).astype(float), clusters=int(rng.integers(2, 4))) for i in range(30)]
    first = decide(*pool, policy=INTERNAL)
    for _ in range(5):
        rng.shuffle(pool)
        again = decide(*pool, policy=INTERNAL)
        assert (again.chosen, again.reason, again.ranked) == (first.chosen, first.reason, first.ranked)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no clustering is done"),
        ([scored("dbscan", NAN, NAN, NAN, clusters=0, noise=1.0)], "none of the 1 clusterings"),
        ([scored("a", NAN, NAN, NAN), scored("b", NAN, NAN, NAN)], "undefined for each of the 2"),
    ],
)
def test_nothing_to_choose_from_is_said(found, said):
    decision = decide(*found)
    assert decision.chosen is None and said in decision.reason


def test_external_metrics_need_classes():
    policy = selection.parse(options("external"))
    assert "ami is undefined for each of the 1" in decide(scored("a", 1, 1, 1), policy=policy).reason
    found = decide(candidate(k=2, ami=0.2), candidate(k=3, ami=0.5), candidate("dbscan", ami=0.1), policy=policy)
    assert found.reason == "kmeans k=3 has the best ami, 0.5, of 3"


# Policies


def options(name) -> dict:
    return yaml.safe_load((paths.conf() / "selection" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("path", sorted((paths.conf() / "selection").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_policy_file_is_one(path):
    assert path.read_text().startswith("#")
    assert selection.parse(options(path.stem)).name == path.stem


def test_plans_without_a_policy_have_the_published_one():
    assert selection.parse(None) == selection.parse({}) == selection.parse(options("published"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prefer": "dbscn"}, "Did you mean 'dbscan'"),
        ({"noise_at_most": 1.5}, "<= 1"),
        ({"metrics": []}, "at least one"),
        ({"metrics": ["silhouette", "silhouette"]}, "each once"),
        ({"metrics": ["silhouete"]}, "Did you mean 'silhouette'"),
        ({"noise": 0.3}, "Did you mean 'noise_at_most'"),
    ],
)
def test_what_is_no_policy_is_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        selection.parse({**options("published"), **changed})


# Rows and what is written


GRID = ("experiment=none", "dataset.sample=100", "classifier=none", "retrieval=none", "selection=published")


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def stored(stage, **metrics) -> dict:
    return {
        "status": "done",
        "reason": None,
        "config": dict(stage.config),
        "code": stage.code,
        "metrics": metrics,
        "notes": {},
        "info": {},
        "provenance": {"seconds": 0.5, "finished": 1e9, "versions": {}},
    }


def wcss(k):
    return {1: 100.0, 2: 60.0, 3: 20.0, 4: 18.0, 5: 16.0, 6: 14.0}[k]


def records_of(plan) -> dict:
    """A record of every clustering: k-means has its elbow at 3, DBSCAN is all noise, of the rest seed 1 is worse."""
    found = {}
    for key, stage in plan.stages.items():
        if stage.kind != "clustering":
            continue
        k, seed = stage.config.get("k"), stage.config.get("seed")
        if k is None:
            found[key] = stored(stage, silhouette=None, clusters=0.0, noise_fraction=1.0)
        else:
            score = None if k == 1 else 1 / k - 0.01 * (seed or 0)
            found[key] = stored(
                stage, silhouette=score, inertia=wcss(k) + (seed or 0), clusters=float(k), noise_fraction=0.0
            )
    return found


@pytest.fixture
def plan(own_results):
    return planned(*GRID, "clusterer=kmeans,dbscan", "chain=none,pca50", "k=range(1,7)", "seed=0,1")


def test_rows_become_representations(plan):
    found = candidates.representations(ledger.rows(plan, records_of(plan)))
    assert [one.title for one in found] == ["pixels", "pixels, pca50"]
    for one in found:
        assert {own.label for own in one.candidates} == {
            "dbscan",
            *(f"kmeans k={k} seed={s}" for k in range(1, 7) for s in (0, 1)),
        }
        assert {own.family for own in one.candidates} == {"dbscan", "kmeans"}
        assert (one.dataset, one.scope, one.pending, one.failed) == ("fashion_mnist", "all", 0, ())


def test_a_clustering_that_many_runs_share_counts_once(own_results):
    made = planned("experiment=none", "dataset.sample=100", "k=2,3", "classifier=knn,svm")
    (found,) = candidates.representations(ledger.rows(made, records_of(made)))
    assert len(made.runs) == 4 and len(found.candidates) == 2
    assert {own.run for own in found.candidates} <= set(made.runs)


def test_swept_options_make_families(own_results):
    made = planned(*GRID, "clusterer=agglomerative", "clusterer.linkage=ward,average", "k=2,3")
    (found,) = candidates.representations(ledger.rows(made, records_of(made)))
    assert {own.family for own in found.candidates} == {"agglomerative linkage=average", "agglomerative linkage=ward"}


def test_scopes_are_not_compared(own_results):
    made = planned(*GRID, "clustering.scope=all,train", "k=2")
    assert [one.title for one in candidates.representations(ledger.rows(made, records_of(made)))] == [
        "pixels",
        "pixels, scope train",
    ]


def test_failed_and_pending_clusterings_are_counted_apart(plan):
    known = records_of(plan)
    first, second, third = sorted(key for key in known if plan.stages[key].config.get("k") == 2)[:3]
    known[first] = {**known[first], "status": "failed", "reason": "did not converge", "metrics": {}}
    del known[second], known[third]
    found = candidates.representations(ledger.rows(plan, known))
    assert sum(one.pending for one in found) == 2 and sum(len(one.candidates) for one in found) == 26 - 3
    assert [fault.reason for one in found for fault in one.failed] == ["failed: did not converge"]


def answer_of(plan, records):
    return SweepAnswer(plan, ledger.rows(plan, records), Store(paths.store()))


def test_what_is_recorded(plan):
    recorded = answer_of(plan, records_of(plan))
    found = recorded.selection
    assert found == json.loads(recorded.write().read_text())
    first = found["representations"][0]
    assert first["decision"]["chosen"]["name"] == "kmeans k=2 seed=0"
    assert first["decision"]["reason"].startswith(
        "no dbscan found two clusters or more; kmeans k=2 seed=0 has the best"
    )
    assert {fault["reason"] for fault in first["decision"]["left_out"]} == {"all images are noise", "one cluster only"}
    kmeans = first["best_k"][1]
    assert (kmeans["k"], kmeans["seeds"]) == ([1, 2, 3, 4, 5, 6], [0, 1])
    assert {name: one["k"] for name, one in kmeans["choices"].items()} == {"elbow": 3, "silhouette": 2}
    assert kmeans["choices"]["elbow"]["value"] == 20.5


def test_the_same_results_are_written_once_and_alike(plan):
    rows = ledger.rows(plan, records_of(plan))
    path = SweepAnswer(plan, rows, Store(paths.store())).write()
    written, text = path.stat(), path.read_bytes()
    SweepAnswer(plan, rows[::-1], Store(paths.store())).write()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    path.write_text("{")
    SweepAnswer(plan, rows[::-1], Store(paths.store())).write()
    assert path.read_bytes() == text


def test_another_result_or_policy_is_written_anew(plan):
    answer_of(plan, records_of(plan)).write()
    known = records_of(plan)
    known.pop(min(known))
    assert sum(one["decision"]["pending"] for one in answer_of(plan, known).selection["representations"]) == 1
    other = dataclasses.replace(plan, request={**plan.request, "selection": options("internal")})
    assert json.loads(answer_of(other, records_of(plan)).write().read_text())["policy"]["name"] == "internal"


def test_a_policy_counts_for_no_hash(own_results):
    plain, other = (planned(*GRID, *more) for more in ([], ["selection=internal", "selection.noise_at_most=0.1"]))
    assert (plain.sweep, set(plain.stages), set(plain.runs)) == (other.sweep, set(other.stages), set(other.runs))
    assert plain.hash != other.hash
    assert recommendations.policy_of(other) == dataclasses.replace(INTERNAL, noise_at_most=0.1)
