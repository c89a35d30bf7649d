"""Labellings that are learnt: TURTLE and TEMI; how far classifiers generalise a labeling, and its coding length."""

import itertools

import numpy as np
import pytest
import torch
from densities import blobs, one, options
from sklearn.linear_model import Ridge
from sklearn.metrics import adjusted_rand_score, cohen_kappa_score

from backbench import plugins
from backbench.clusterers import _adam, _spaces, _turtle
from backbench.metrics import _scatter, coding, generalising

TURTLE, TEMI = (plugins.load("clusterer", name) for name in ("turtle", "temi"))
QUICK = {"iterations": 120, "n_init": 1, "outer_rate": 0.02, "inner_rate": 0.02}
HEADS = {"heads": 3, "hidden": 32, "bottleneck": 16, "iterations": 120, "warmup": 10, "batch_size": 100}


def apart(seed=0, n=240, k=4):
    """Rows in two representations of four columns, the second of larger numbers, and their clusters."""
    truth = np.arange(n) % k
    rng = np.random.default_rng(seed)
    left, right = (8 * np.eye(k, 4)[part] + rng.normal(size=(n, 4)) for part in (truth, (truth + 1) % k))
    return np.hstack([left, 100 * right]).astype(np.float32), truth


class TestTurtle:
    def test_adam_is_that_of_torch(self):
        rng = np.random.default_rng(0)
        start, gradients = rng.normal(size=(3, 5)), rng.normal(size=(4, 3, 5))
        ours, theirs = start.copy(), torch.tensor(start, requires_grad=True)
        adam, optimiser = _adam.Adam([ours], 0.1), torch.optim.Adam([theirs], 0.1)
        for gradient in gradients:
            adam.step([gradient])
            theirs.grad = torch.tensor(gradient)
            optimiser.step()
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9)

    def test_a_step_is_that_of_automatic_differentiation(self):
        x, _ = apart()
        params = options("turtle", inner_steps=3, n_init=1, scale="none", components=None)
        search = _turtle._Search([x[:, :4], x[:, 4:] / 100], 3, np.random.RandomState(0), params)
        maps = [[torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in each] for each in search.maps]
        weights = [[torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in c] for c in search.classifiers]
        rows = [torch.tensor(each, dtype=torch.float64) for each in search.rows]
        search._step(search.spaces)
        inner = [torch.optim.Adam(each, params.inner_rate) for each in weights]
        outer = torch.optim.Adam([part for each in maps for part in each], params.outer_rate)
        shares = [
            torch.softmax(space @ (length * v / v.norm(dim=1, keepdim=True)).T + offset.T, 1)
            for space, (v, length, offset) in zip(rows, maps, strict=True)
        ]
        labels = sum(shares) / 2
        for each, optimiser, space in zip(weights, inner, rows, strict=True):
            for _ in range(params.inner_steps):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(space @ each[0].T + each[1].T, labels.detach()).backward()
                optimiser.step()
        logits = [(space @ each[0].T + each[1].T).detach() for each, space in zip(weights, rows, strict=True)]
        error = sum(torch.nn.functional.cross_entropy(each, labels) for each in logits)
        entropy = sum(torch.special.entr(each.mean(0)).sum() for each in shares)
        (error - params.gamma * entropy).backward()
        outer.step()
        for ours, theirs in ((search.classifiers, weights), (search.maps, maps)):
            for part, other in zip(itertools.chain(*ours), itertools.chain(*theirs), strict=True):
                np.testing.assert_allclose(part, other.detach().numpy(), atol=2e-5)

    def test_finds_clusters_in_two_spaces(self):
        x, truth = apart()
        labels, info = one(TURTLE, x, options("turtle", spaces=[4, 4], **QUICK), k=4, seed=0)
        assert adjusted_rand_score(truth, labels) > 0.95
        assert info["entropy"] == pytest.approx(2 * np.log(4), abs=0.1)

    def test_spaces_are_what_planning_knows(self):
        auto = options("turtle")
        assert TURTLE.parted(auto, (4, 4)).spaces == (4, 4)
        assert TURTLE.parted(auto, ()).spaces is None
        assert TURTLE.parted(options("turtle", spaces=[3, 5]), (4, 4)).spaces == (3, 5)
        assert "12 columns together; there are 8" in TURTLE.problems(options("turtle", spaces=[4, 8]), 90, 8, 2)[0]

    def test_components_have_unit_variance_and_constant_columns_are_none(self):
        x = np.hstack([blobs(), np.full((150, 2), 7, np.float32)])
        (seen,) = _spaces.spaces(x, (6,), 5, "standardise")
        np.testing.assert_allclose(np.cov(seen.T, bias=True), np.diag([1, 1, 1, 1, 0]), atol=1e-5)


class TestTemi:
    def test_finds_what_neighbours_share(self):
        x, truth = apart(2)
        labels, info = one(TEMI, x / x.std(axis=0), options("temi", neighbours=20, **HEADS), k=4, seed=0)
        assert adjusted_rand_score(truth, labels) > 0.9
        assert info["loss"] < 0

    def test_asks_for_neighbours_that_there_are(self):
        assert TEMI.neighbours(options("temi"), 1000) == ("cosine", 50)
        assert TEMI.neighbours(options("temi"), 20) == ("cosine", 19)
        assert TEMI.neighbours(options("temi"), 1) is None
        assert one(TEMI, blobs(n=1), options("temi"), k=1, seed=0)[0].tolist() == [0]


class TestGeneralisation:
    @pytest.mark.parametrize(("n", "d"), [(60, 5), (40, 70)])
    def test_is_the_kappa_of_ridge_regression_without_the_row(self, n, d):
        rng = np.random.default_rng(0)
        x, part = rng.normal(size=(n, d)).astype(np.float32), rng.integers(0, 3, n)
        x[:, :3] += np.eye(3)[part]
        penalty = generalising.PENALTY * ((x - x.mean(axis=0)) ** 2).sum() / n
        guesses = []
        for row in range(n):
            rest = np.arange(n) != row
            # The penalty and the mean of all rows: the row's own share in them is kept.
            model = Ridge(alpha=penalty).fit(x[rest], np.eye(3)[part[rest]])
            guesses.append(int(model.predict(x[row : row + 1]).argmax()))
        scores, reason = generalising.scores(x, [part])
        assert reason == ""
        assert scores[0] == pytest.approx(cohen_kappa_score(part, guesses), abs=1e-9)

    def test_several_representations_are_averaged_and_others_do_not_count(self):
        x, truth = apart(3)
        parts = [truth, truth // 2, np.where(truth == 3, -1, truth)]
        together, _ = generalising.scores(x, parts, (4, 4))
        each = [generalising.scores(np.ascontiguousarray(x[:, span]), parts)[0] for span in (np.s_[:4], np.s_[4:])]
        assert together == np.mean(each, axis=0).tolist()
        assert [generalising.scores(x, [part], (4, 4))[0][0] for part in parts] == together
        assert together[0] > 0.99

    def test_rows_that_are_all_alike_have_none(self):
        assert generalising.scores(np.ones((9, 2)), [np.arange(9) % 2])[1] == generalising.ALIKE


class TestCodingLength:
    def test_is_the_formula(self):
        x, truth = apart(4)
        rows, m = coding.directions(x), len(x)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
        expected = 0.0
        for cluster in range(4):
            v = rows[truth == cluster].T
            turned = np.eye(8) + 8 / (coding.DISTORTION * v.shape[1]) * v @ v.T
            expected += (v.shape[1] + 8) / 2 * np.log2(np.linalg.det(turned)) - v.shape[1] * np.log2(v.shape[1] / m)
        assert coding.scores(x, [truth])[0][0] == pytest.approx(expected / m)

    def test_few_rows_have_coordinates_with_the_same_products(self):
        x = np.random.default_rng(0).normal(3, 1, (12, 40)).astype(np.float32)
        turned, centred = _scatter.coordinates(x), x - x.mean(axis=0, dtype=np.float64)
        assert turned.shape == (12, 12)
        np.testing.assert_allclose(turned @ turned.T, centred @ centred.T, atol=1e-6)

    @pytest.mark.parametrize("k", [3, 6])
    def test_its_minimum_is_the_number_of_subspaces(self, k):
        rng = np.random.default_rng(k)
        truth = np.arange(150 * k) % k
        bases = rng.normal(size=(k, 3, 30))
        x = np.einsum("nr,nrd->nd", rng.normal(size=(len(truth), 3)), bases[truth]) + 0.1 * rng.normal(
            size=(len(truth), 30)
        )
        halved = np.where((truth == 0) & (rng.random(len(truth)) < 0.5), k, truth)
        joined = np.where(truth == 1, 0, truth)
        lengths, _ = coding.scores(x, [truth, halved, joined, np.zeros_like(truth)])
        assert int(np.argmin(lengths)) == 0
