"""The rule of judges: stored values of its reference, answers by hand, scikit-learn, what must not change a choice."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score, silhouette_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from backbench.judging import embedding, rule
from backbench.judging.agreement import ami_matrix
from backbench.judging.judge import Judge

# Of drawn judges and candidates: rows, true clusters, candidates, seed.
CASES = {"few rows": (40, 3, 15, 0), "rows": (120, 4, 30, 1), "many candidates": (90, 5, 120, 2)}
STORED = json.loads((Path(__file__).parent / "data" / "judging.json").read_text(encoding="utf-8"))


def drawn(rows: int, true: int, candidates: int, seed: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Labels (candidates, rows), of two judges features (rows, 20), and what stands for their embeddings (rows, 10)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, true, rows)
    features = [2 * rng.normal(size=(true, 20))[truth] + rng.normal(size=(rows, 20)) for _ in range(2)]
    labels = []
    for candidate in range(candidates):
        parts = truth * int(rng.integers(1, 4)) + rng.integers(0, rng.integers(1, 4), rows)
        wrong = rng.random(rows) < 0.4 * rng.random()
        parts = np.where(wrong, rng.integers(0, parts.max() + 1, rows), parts)
        labels.append(np.where(rng.random(rows) < 0.1, -1, parts) if candidate % 4 == 0 else parts)
    return np.array(labels), features, [part[:, :10].astype(np.float32) for part in features]


def judged(labels: np.ndarray, features: list[np.ndarray], embeddings: list[np.ndarray]) -> np.ndarray:
    """Values (judges, candidates, 3) of labels (candidates, rows)."""
    return np.stack([Judge.of(x, z).table(labels) for x, z in zip(features, embeddings, strict=True)])


def blobs(rows: int = 150, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows (rows, 30) of three blobs, and their truth (rows,); the centres follow the seed, the truth does not."""
    rng = np.random.default_rng(seed)
    truth = np.arange(rows) % 3
    return 1.5 * rng.normal(size=(3, 30))[truth] + noise * rng.normal(size=(rows, 30)), truth


@pytest.mark.parametrize("name", CASES)
def test_equals_the_stored_values_of_the_reference(name):
    labels, *judges = drawn(*CASES[name])
    values, stored = judged(labels, *judges), STORED[name]
    for column, part in enumerate(("net", "codelength", "silhouette")):
        np.testing.assert_allclose(values.mean(axis=0)[:, column], stored[part], atol=1e-6, err_msg=part)
    choice = rule.choose(labels, values)
    assert choice.chosen == stored["chosen"]
    assert choice.plausible.tolist() == stored["plausible"]
    np.testing.assert_allclose(choice.scores, stored["scores"], atol=1e-8)
    assert choice.order[: len(choice.plausible)].tolist() == stored["plausible"]
    assert choice.low <= choice.clusters[choice.chosen] <= choice.high


def test_values_of_one_labeling_are_those_of_the_table():
    labels, features, embeddings = drawn(*CASES["rows"])
    judge = Judge.of(features[0], embeddings[0])
    np.testing.assert_allclose(judge.values(labels[3]), judge.table(labels)[3], rtol=1e-12)


def test_net_of_random_labels_is_below_zero():
    features, _ = blobs()
    judge = Judge.of(features, features[:, :10])
    rng = np.random.default_rng(1)
    random = np.array([rng.integers(0, k, len(features)) for k in (2, 3, 5, 10, 30) for _ in range(20)])
    assert judge.table(random)[:, 0].max() < 0


def test_net_by_leaving_each_row_out():
    # Ridge regression with the mean and the ridge of all rows: each row is left out of the fit for real.
    features, truth = blobs(36, noise=4.0)
    labels = np.where(np.arange(36) % 7 == 0, (truth + 1) % 3, truth)
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    ridge = (rows**2).sum() / len(rows)
    one_hot = np.eye(3)[labels]
    centred = one_hot - one_hot.mean(axis=0)
    predictions = []
    for row in range(len(rows)):
        kept = np.arange(len(rows)) != row
        weights = np.linalg.solve(rows[kept].T @ rows[kept] + ridge * np.eye(30), rows[kept].T @ centred[kept])
        predictions.append(int((rows[row] @ weights + one_hot.mean(axis=0)).argmax()))
    told = mutual_info_score(predictions, labels)
    sizes = np.bincount(labels) / len(labels)
    unknown = -(sizes * np.log(sizes)).sum() - told
    chance = expected_mutual_information(contingency_matrix(predictions, labels, sparse=True), len(labels))
    net = Judge.of(features, features[:, :10]).values(labels)[0]
    assert net == pytest.approx(told - chance - 1.5 * unknown)


def test_map_equation_by_hand():
    # Two cliques of five rows, each the four neighbours of the others, and no link between them. A walk stays in its
    # clique for ever: with a module for each, log2 5 bits a step; with one module for all, log2 10.
    features = np.repeat(np.eye(2), 5, axis=0) + 1e-3 * np.random.default_rng(0).normal(size=(10, 2))
    judge = Judge.of(features, features)
    assert judge.values(np.repeat([0, 1], 5))[1] == pytest.approx(np.log2(5))
    assert judge.values(np.zeros(10, int))[1] == pytest.approx(np.log2(10))
    # A module for each row: one step of ten names modules and each module leaves at once, 1 bit: log2 10 + 2.
    assert judge.values(np.arange(10))[1] == pytest.approx(np.log2(10) + 2)


def test_silhouette_is_scikit_learns():
    features, truth = blobs(noise=3.0)
    judge = Judge.of(features, features[:, :10])
    labels = np.random.default_rng(0).integers(-1, 4, len(truth))
    labels[5] = 9
    for part in (truth, labels):
        assert judge.values(part)[2] == pytest.approx(silhouette_score(features[:, :10], part), abs=1e-5)


def test_ami_of_all_pairs_is_scikit_learns():
    labels = drawn(*CASES["rows"])[0][:6]
    labels = np.vstack([labels, labels[:1] + 5, np.zeros_like(labels[:1]), np.arange(labels.shape[1])[None]])
    matrix = ami_matrix(labels)
    expected = [[adjusted_mutual_info_score(first, second) for second in labels] for first in labels]
    np.testing.assert_allclose(matrix, expected, atol=1e-10)


def test_three_blobs_seen_by_two_noisy_judges_are_three_clusters():
    from sklearn.cluster import KMeans

    judges = [blobs(seed=seed, noise=2.0)[0] for seed in range(2)]
    truth = blobs()[1]
    labels = [
        KMeans(k, n_init=1, random_state=seed).fit_predict(rows)
        for rows in judges
        for k in range(2, 10)
        for seed in range(2)
    ]
    choice = rule.choose(np.array(labels), judged(np.array(labels), judges, [embedding.embed(rows) for rows in judges]))
    assert choice.clusters[choice.chosen] == 3
    assert adjusted_mutual_info_score(truth, labels[choice.chosen]) > 0.9
    assert choice.low <= 3 <= choice.high


def test_the_order_of_judges_and_the_names_of_clusters_change_nothing():
    labels, features, embeddings = drawn(*CASES["rows"])
    values = judged(labels, features, embeddings)
    choice = rule.choose(labels, values)
    names = np.random.default_rng(0).permutation(labels.max() + 2)
    renamed = names[labels + 1] + 7
    again = rule.choose(renamed, judged(renamed, features, embeddings)[::-1])
    np.testing.assert_array_equal(choice.scores, again.scores)
    assert (choice.chosen, choice.plausible.tolist()) == (again.chosen, again.plausible.tolist())


def test_equal_candidates_go_to_fewer_clusters_then_to_the_first():
    three, two = np.arange(12) % 3, np.arange(12) % 2
    values = np.zeros((1, 4, 3))
    choice = rule.choose(np.array([three, two, two + 1, three]), values)
    assert choice.order.tolist() == [1, 2, 0, 3]
    assert (choice.chosen, choice.low, choice.high) == (1, 2, 3)


def test_noise_is_judged_as_a_cluster_and_not_counted_as_one():
    labels = np.array([[-1, -1, 0, 0, 1, 1]] * 3)
    choice = rule.choose(labels, np.zeros((1, 3, 3)))
    assert choice.clusters.tolist() == [2, 2, 2]
    assert ami_matrix(np.vstack([labels[:1], [[2, 2, 0, 0, 1, 1]]]))[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("candidates", [1, 2])
def test_with_fewer_than_three_candidates_the_better_score_is_chosen(candidates):
    labels = np.array([np.arange(12) % 2, np.arange(12) % 3])[-candidates:]
    values = np.array([[[0.0, 3.0, 0.0], [1.0, 2.0, 0.5]]])[:, -candidates:]
    assert rule.choose(labels, values).chosen == candidates - 1


def test_all_candidates_equal():
    labels = np.tile(np.arange(12) % 3, (6, 1))
    choice = rule.choose(labels, np.ones((2, 6, 3)))
    assert (choice.chosen, choice.low, choice.high) == (0, 3, 3)
    assert rule.diverse(labels, choice.plausible, choice.chosen) == []


def test_of_k_takes_the_largest_mean_net_of_that_k():
    labels = np.array([np.arange(12) % 2, np.arange(12) % 3, np.arange(12) // 4, np.arange(12) // 4])
    net = np.array([[9.0, 1.0, 2.0, 2.0], [9.0, 0.0, 0.5, 0.5]])
    values = np.stack([net, np.zeros((2, 4)), np.zeros((2, 4))], axis=2)
    assert rule.of_k(labels, values, 3) == 2
    with pytest.raises(ValueError, match="no candidate has 5 clusters; theirs are 2, 3"):
        rule.of_k(labels, values, 5)


def test_diverse_candidates_differ_from_the_chosen_and_from_one_another():
    rng = np.random.default_rng(0)
    first, second, third = (rng.integers(0, 3, 60) for _ in range(3))
    nearly = np.where(np.arange(60) == 0, (first + 1) % 3, first)
    labels = np.array([first, nearly, second, second + 1, third])
    picked = rule.diverse(labels, range(5), 0)
    assert set(picked[:2]) in ({2, 4}, {3, 4})
    assert picked[2] == 1
    assert rule.diverse(labels, range(5), 0, count=1) == picked[:1]


@pytest.mark.parametrize("rows", [3, 6, 14, 15, 16])
def test_few_rows(rows):
    rng = np.random.default_rng(rows)
    features = rng.normal(size=(rows, 8))
    labels = np.array([rng.integers(0, 3, rows), np.arange(rows), np.zeros(rows, int), np.full(rows, -1)])
    placed = embedding.embed(features)
    assert placed.shape == (rows, 10 if rows >= 15 else min(rows, 8))
    values = Judge.of(features, placed).table(labels)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values[2], values[3])
    assert values[2, 2] == -1
    assert 0 <= rule.choose(labels, values[None]).chosen < 4


@pytest.mark.parametrize("features", [np.ones((20, 5)), np.zeros((20, 5)), np.arange(1, 21)[:, None] * np.ones((1, 5))])
def test_features_that_tell_nothing_of_labels(features):
    labels = np.arange(20) % 2
    net, codelength, silhouette = Judge.of(features, embedding.embed(features)).values(labels)
    assert net == pytest.approx(-1.5 * np.log(2))
    assert np.isfinite(codelength)
    assert silhouette == 0


def test_copies_of_rows():
    features = np.repeat(np.random.default_rng(0).normal(size=(3, 6)), 20, axis=0)
    truth, halves = np.repeat(range(3), 20), np.arange(60) % 2
    values = Judge.of(features, embedding.embed(features)).table(np.array([truth, halves]))
    assert (values[0] > values[1])[[0, 2]].all()
    assert values[0, 1] < values[1, 1]


def test_what_cannot_be_judged_is_refused():
    features = np.ones((5, 2))
    broken = np.where(np.eye(5, 2) > 0, np.nan, features)
    with pytest.raises(ValueError, match="2 of 5 rows hold NaN or infinity, row 0 first"):
        Judge.of(broken, features)
    with pytest.raises(ValueError, match="NaN"):
        embedding.embed(broken)
    with pytest.raises(ValueError, match="5 rows of features and 4 of the embedding"):
        Judge.of(features, features[:4])
    with pytest.raises(ValueError, match="at least 3"):
        Judge.of(features[:2], features[:2])
    judge = Judge.of(features, features)
    with pytest.raises(ValueError, match="labels of 4 rows for a judge of 5"):
        judge.values(np.zeros(4, int))
    with pytest.raises(ValueError, match="whole numbers"):
        judge.table(np.zeros((1, 5)))
    labels = np.zeros((2, 5), int)
    with pytest.raises(ValueError, match="codelength of candidate 1 by judge 0 is nan"):
        rule.choose(labels, np.where(np.arange(6).reshape(1, 2, 3) == 4, np.nan, 0.0))
    for shape in ((0, 2, 3), (1, 1, 3), (2, 3)):
        with pytest.raises(ValueError, match=r"\(judges, 2, 3\)"):
            rule.choose(labels, np.zeros(shape))
    with pytest.raises(ValueError, match="candidates"):
        rule.choose(labels[:0], np.zeros((1, 0, 3)))


def test_a_sample_of_rows_is_the_same_each_time():
    assert embedding.sample(2000).tolist() == list(range(2000))
    rows = embedding.sample(5000)
    assert len(set(rows.tolist())) == 2000
    assert (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < 5000
    np.testing.assert_array_equal(rows, embedding.sample(5000))


def test_the_embedding_is_the_same_each_time_and_keeps_blobs_apart():
    features, truth = blobs(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = embedding.embed(features), embedding.embed(features.copy())
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert silhouette_score(first, truth) > 0.5
