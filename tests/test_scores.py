"""Scores are results of their own: what computes them again, and that nothing is fitted for want of them."""

import json
import math

import numpy as np
import pytest
from sweeping import GRID, collection, computed, rows_of

from backbench import code, paths, planning
from backbench.engine.grid import HEADS
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.engine.run import runner, scored, status
from backbench.engine.run.scored import ABSENT, CURRENT, FAILED, STALE
from backbench.metrics import external, labels
from backbench.stage import SCORES
from backbench.stages import classification, clustering, retrieval
from backbench.store import Store, _records
from backbench.sweeping.describing import describe

GRID_OF_FEW = (*GRID[:2], "clusterer=kmeans,agglomerative,gaussian_mixture", "k=2,3", "classifier=knn,svm")


pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def grid(tmp_path) -> tuple[str, ...]:
    return (*GRID_OF_FEW, *collection(tmp_path / "images", classes=("a", "b", "c"), each=20))


@pytest.fixture
def store(own_results) -> Store:
    return Store(paths.store())


def made(grid) -> frozen.Plan:
    """The plan of today's code."""
    found = planning.make(["plots=none", *grid]).plan
    frozen.save(found)
    return found


def fits(plan, *kinds) -> set[str]:
    return {key for key, stage in plan.stages.items() if stage.kind in (kinds or HEADS)}


def edit(monkeypatch, *modules):
    """Make modules of the package other code than they are."""
    plain = code._module_digest
    edited = {f"backbench.{module}" for module in modules}
    monkeypatch.setattr(code, "_module_digest", lambda name: "edited" if name in edited else plain(name))


def scores_of(store, member):
    """What the scores of a fit lie under."""
    fits_of_it = (store.read(kind, member) for kind in HEADS)
    return scored.place(next(fit for fit in fits_of_it if fit))


def score(plan, store) -> None:
    """Run the jobs that score stored fits; nothing may be fitted."""

    def refuse(*given):
        raise AssertionError("nothing is to be fitted")

    with pytest.MonkeyPatch.context() as patch:
        for stage in (clustering, classification, retrieval):
            patch.setattr(stage, "compute", refuse)
        for shard in plan.scoring.values():
            options = ["--plan", str(plan.path), "--shard", shard.id, "--device", "cpu"]
            runner.score(plan, shard, store, runner.parser(SCORES).parse_args(options))


def records(plan, store, *kinds) -> dict[tuple[str, str], bytes]:
    """What lies in the store of fits and of scores."""
    places = [(kind, member) for member in fits(plan) for kind in (plan.stages[member].kind, SCORES)]
    return {
        (kind, member): store.path(kind, scores_of(store, member) if kind == SCORES else member).read_bytes()
        for kind, member in places
        if not kinds or kind in kinds
    }


def seen(plan) -> dict[str, tuple]:
    """What readers see of runs, circumstances aside."""
    return {
        row.config_hash: (
            row.status,
            {name: None if math.isnan(value) else value for name, value in row.metrics.items()},
            row.notes,
            {head: record["info"] for head, record in row.heads.items()},
            {head: sorted((n, e["sha256"]) for n, e in record["arrays"].items()) for head, record in row.heads.items()},
        )
        for row in rows_of(plan)
    }


def older(plan, store) -> None:
    """Write the records as they were when a fit's record held its metrics."""
    for member in fits(plan):
        kind = plan.stages[member].kind
        whole = scored.read(kind, member, store)
        body = {
            key: value for key, value in whole.items() if key not in (scored.SUMMARY, scored.APART, "arrays", "kind")
        }
        arrays = {
            name: store.array(entry.get("kind", kind), entry.get("member", member), name)
            for name, entry in whole["arrays"].items()
            if name not in ("probabilities", "decision")
        }
        store.path(SCORES, scores_of(store, member)).unlink()
        store.write(kind, member, body, arrays)


class TestFresh:
    def test_a_fit_and_its_scores_are_two_records(self, grid, store):
        plan = computed(*grid)
        for member in fits(plan):
            stage = plan.stages[member]
            fit, scores = store.read(stage.kind, member), store.read(SCORES, scores_of(store, member))
            assert fit["code"] == stage.code and scores["code"] == stage.scoring
            assert set(fit["metrics"]) <= {"bic"} and "per_class" not in fit["info"]
            assert scores["metrics"] and scores["of"] == scored.of(fit, stage.kind)
            assert "silhouettes" not in fit["arrays"]
        assert not status.inspect(plan, store).due
        assert {row.status for row in rows_of(plan)} == {"finished"}

    def test_readers_see_one_record(self, grid, store):
        plan = computed(*grid)
        (row, *_) = rows_of(plan)
        assert {"nmi", "silhouette", "accuracy", "val_accuracy", "precision_at_10"} <= set(row.metrics)
        assert "per_class" in row.heads["classification"]["info"]
        assert {"labels", "silhouettes"} == set(row.heads["clustering"]["arrays"])
        assert all(store.complete(kind, record) for kind, record in row.heads.items())
        fit = store.read("clustering", row.run.stages["clustering"])
        assert row.heads["clustering"]["provenance"]["seconds"] > fit["provenance"]["seconds"]

    def test_probabilities_and_decisions_are_stored(self, grid, store):
        plan = computed(*grid)
        (data,) = fits(plan, "dataset")
        split = store.array("dataset", data, "split")
        for member in fits(plan, "classification"):
            name = {"knn": "probabilities", "svm": "decision"}[plan.stages[member].family]
            values = store.array("classification", member, name)
            predictions = store.array("classification", member, "predictions")
            assert values.shape == (len(split), 3) and values.dtype == np.float32
            assert np.array_equal(np.isnan(values).all(axis=1), split == 0)
            asked = split != 0
            assert (values[asked].argmax(axis=1) == predictions[asked]).mean() > 0.8

    def test_scores_of_other_probabilities_do_not_count(self, grid, store):
        plan = computed(*grid)
        knn, svm = (
            next(key for key in fits(plan, "classification") if plan.stages[key].family == name)
            for name in ("knn", "svm")
        )
        assert set(store.read(SCORES, scores_of(store, knn))["of"]) == {"predictions", "probabilities"}
        assert set(store.read(SCORES, scores_of(store, svm))["of"]) == {"predictions", "decision"}
        assert {"log_loss", "brier", "ece"} <= set(scored.read("classification", knn, store)["metrics"])
        assert not {"log_loss", "brier", "ece"} & set(scored.read("classification", svm, store)["metrics"])
        fit = store.read("classification", knn)
        arrays = {name: store.array("classification", knn, name) for name in fit["arrays"]}
        arrays["probabilities"] = arrays["probabilities"][:, ::-1]
        store.write("classification", knn, {k: v for k, v in fit.items() if k not in ("arrays", "kind")}, arrays)
        assert scored.read("classification", knn, store)[scored.SUMMARY] is None
        assert status.inspect(plan, store).scores[knn] == ABSENT
        score(made(grid), store)
        assert status.inspect(plan, store).scores[knn] == CURRENT

    def test_bic_is_the_fits_and_is_shown(self, grid, store):
        plan = computed(*grid)
        mixtures = [key for key in fits(plan, "clustering") if plan.stages[key].family == "gaussian_mixture"]
        for member in mixtures:
            assert set(store.read("clustering", member)["metrics"]) == {"bic"}
            assert "bic" not in store.read(SCORES, scores_of(store, member))["metrics"]
            assert "bic" in scored.read("clustering", member, store)["metrics"]


class TestEdited:
    def test_an_edited_metric_fits_nothing(self, grid, store, monkeypatch, capsys):
        before = computed(*grid)
        fitted, scores, shown = records(before, store, *HEADS), records(before, store, SCORES), seen(before)
        edit(monkeypatch, "metrics.external")
        plan = made(grid)
        found = status.inspect(plan, store)
        assert found.needed == frozenset() and found.unscored == fits(plan, "clustering")
        assert {found.scores[key] for key in found.unscored} == {STALE}
        describe(planning.Planned(plan), found, 2)
        said = capsys.readouterr().err
        assert "6 fits are done; their scores are computed again: about" in said
        assert "jobs to run: 1 of" in said
        score(plan, store)
        assert records(plan, store, *HEADS) == fitted
        changed = {
            member for (_, member), text in records(plan, store, SCORES).items() if scores[SCORES, member] != text
        }
        assert changed == fits(plan, "clustering")
        assert not status.inspect(plan, store).due and seen(plan) == shown

    def test_an_added_metric_is_added(self, grid, store, monkeypatch):
        computed(*grid)
        plain = external.scores
        edit(monkeypatch, "metrics.external")
        monkeypatch.setattr(external, "scores", lambda truth, found: ({**plain(truth, found)[0], "more": 0.5}, {}))
        plan = made(grid)
        score(plan, store)
        assert all(row.metrics["more"] == 0.5 for row in rows_of(plan))

    @pytest.mark.parametrize(("module", "head"), [("supervised", "classification"), ("retrieval", "retrieval")])
    def test_each_head_has_its_own(self, grid, store, monkeypatch, module, head):
        computed(*grid)
        edit(monkeypatch, f"metrics.{module}")
        plan = made(grid)
        assert status.inspect(plan, store).unscored == fits(plan, head)

    def test_an_edited_clusterer_is_fitted_and_scored_by_the_same_job(self, grid, store, monkeypatch):
        computed(*grid)
        edit(monkeypatch, "clusterers.kmeans")
        plan = made(grid)
        found = status.inspect(plan, store)
        assert {plan.stages[key].family for key in found.needed} == {"kmeans"} and not found.unscored
        computed(*grid)
        assert not status.inspect(plan, store).due

    def test_the_tags_of_code_tell(self, grid, store, monkeypatch):
        before = {row.config_hash: row.code for row in rows_of(computed(*grid))}
        edit(monkeypatch, "metrics.external")
        plan = made(grid)
        assert {row.older for row in rows_of(plan)} == {(False, True)}
        score(plan, store)
        assert {row.older for row in rows_of(plan)} == {(False, False)}
        assert all(row.code != before[row.config_hash] for row in rows_of(plan))

    def test_stability_is_not_computed_again(self, grid, store, monkeypatch):
        grid = (*grid, "clustering.bootstraps=3")
        shown = seen(computed(*grid))
        edit(monkeypatch, "metrics.internal")
        plan = made(grid)
        score(plan, store)
        assert seen(plan) == shown
        assert all("stability" in row.metrics for row in rows_of(plan))

    @pytest.mark.parametrize("scope", ["train", "per_split"])
    def test_parts_are_told_as_before(self, grid, store, monkeypatch, scope):
        grid = (*grid, f"clustering.scope={scope}")
        shown = seen(computed(*grid))
        edit(monkeypatch, "metrics.internal")
        plan = made(grid)
        score(plan, store)
        assert seen(plan) == shown

    def test_code_is_accepted_apart(self, grid, store, monkeypatch):
        computed(*grid)
        edit(monkeypatch, "metrics.retrieval")
        plan = made(grid)
        assert status.accept_code(plan, store, status.inspect(plan, store)) == (0, 1)
        (member,) = fits(plan, "retrieval")
        assert len(store.read(SCORES, scores_of(store, member))["accepted_code"]) == 1
        assert not status.inspect(plan, store).due


class TestLost:
    @pytest.fixture
    def plan(self, grid):
        return computed(*grid)

    def test_killed_between_a_fit_and_its_scores(self, plan, store):
        shown, member = seen(plan), min(fits(plan, "clustering"))
        store.path(SCORES, scores_of(store, member)).unlink()
        found = status.inspect(plan, store)
        assert found.needed == frozenset() and found.unscored == {member} and found.scores[member] == ABSENT
        of_it = [row for row in rows_of(plan) if row.run.stages["clustering"] == member]
        assert {row.status for row in of_it} == {"pending"} and all("clustering" not in row.heads for row in of_it)
        score(plan, store)
        assert seen(plan) == shown

    def test_a_job_that_fits_scores_what_is_waiting_of_its_shard(self, plan, store, grid):
        shown = seen(plan)
        lost, waiting = sorted(fits(plan, "classification"))
        store.path("classification", lost).unlink()
        store.path(SCORES, scores_of(store, waiting)).unlink()
        found = status.inspect(plan, store)
        assert lost in found.needed and not found.unscored
        computed(*grid)
        assert seen(plan) == shown and not status.inspect(plan, store).due

    @pytest.mark.parametrize("damage", ["text", "array", "lost"])
    def test_damaged_scores_are_computed_again_alone(self, plan, store, damage):
        shown, fitted, member = seen(plan), records(plan, store, *HEADS), min(fits(plan, "clustering"))
        path = store.path(SCORES, scores_of(store, member))
        (widths,) = path.parent.glob(f"{member}.silhouettes.*.npy")
        if damage == "text":
            path.write_text(path.read_text()[:-20])
        elif damage == "lost":
            widths.unlink()
        else:
            widths.write_bytes(widths.read_bytes()[:-4])
        found = status.inspect(plan, store)
        assert found.needed == frozenset() and found.unscored == {member}
        score(plan, store)
        assert seen(plan) == shown and records(plan, store, *HEADS) == fitted

    def test_other_labels_make_scores_stale(self, plan, store):
        member = min(fits(plan, "clustering"))
        fit = store.read("clustering", member)
        other = labels.canonical(store.array("clustering", member, "labels")[::-1])
        store.write("clustering", member, fit, {"labels": other.astype(np.int32)})
        assert status.inspect(plan, store).unscored == {member}
        score(plan, store)
        assert not status.inspect(plan, store).due

    def test_scores_of_a_fit_that_is_made_again_count_no_more(self, plan, store):
        member = min(fits(plan, "clustering"))
        scored.forget(member, plan.stages[member].code, store)
        assert status.inspect(plan, store).unscored == {member}
        score(plan, store)
        assert not status.inspect(plan, store).due

    def test_labels_that_are_damaged_are_fitted_again_next_time(self, plan, store):
        member, other = sorted(fits(plan, "clustering"))[:2]
        for each in (member, other):
            store.path(SCORES, scores_of(store, each)).unlink()
        (path,) = store.path("clustering", member).parent.glob(f"{member}.labels.*.npy")
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 0xFF
        path.write_bytes(raw)
        score(plan, store)
        found = status.inspect(plan, store)
        assert found.states[member] == ABSENT and found.scores[other] == CURRENT

    def test_what_cannot_be_scored_fails_alone_and_is_tried_again(self, plan, store, monkeypatch):
        shown, member = seen(plan), min(fits(plan, "clustering"))
        for each in fits(plan, "clustering"):
            store.path(SCORES, scores_of(store, each)).unlink()
        bad, plain = store.array("clustering", member, "labels"), external.scores

        def scores(truth, found):
            if np.array_equal(found, bad):
                raise FloatingPointError("no such table")
            return plain(truth, found)

        with monkeypatch.context() as patch:
            patch.setattr(external, "scores", scores)
            score(plan, store)
        found = status.inspect(plan, store)
        assert found.scores[member] == FAILED and member in found.unscored and found.states[member] == CURRENT
        failed = {row.reason for row in rows_of(plan) if row.run.stages["clustering"] == member}
        assert failed == {"clustering: scores: FloatingPointError: no such table"}
        score(plan, store)
        assert seen(plan) == shown

    def test_scores_need_the_matrix_and_it_is_made_where_it_is_gone(self, plan, store):
        (features,) = fits(plan, "features")
        member = min(fits(plan, "clustering"))
        store.path(SCORES, scores_of(store, member)).unlink()
        store.path("features", features).unlink()
        found = status.inspect(plan, store)
        assert features in found.needed and found.unscored == {member}
        assert not found.needed & fits(plan)


class TestRequests:
    def test_a_job_is_asked_for_where_there_is_something_to_score(self, grid, store):
        plan = computed(*grid)
        (shard,) = plan.scoring.values()
        status.sync_receipts(plan, status.inspect(plan, store))
        assert not shard.request.exists() and not shard.receipt.exists()
        member = min(fits(plan, "clustering"))
        store.path(SCORES, scores_of(store, member)).unlink()
        status.sync_receipts(plan, status.inspect(plan, store))
        assert json.loads(shard.request.read_text())["members"] == [member]
        assert all(other.receipt.exists() for other in plan.shards.values())
        score(plan, store)
        status.write_receipt(shard, {member: CURRENT})
        status.sync_receipts(plan, status.inspect(plan, store))
        assert shard.request.exists() and shard.receipt.exists()

    def test_the_joined_results_are_those_of_the_scores(self, grid, store, monkeypatch):
        plan = computed(*grid)
        found = status.inspect(plan, store)
        ledger.join(plan, ledger.read_records(plan, store))
        assert ledger.joined(plan, found.states, found.scores)
        edit(monkeypatch, "metrics.external")
        again = made(grid)
        found = status.inspect(again, store)
        assert not ledger.joined(again, found.states, found.scores)


class TestOfBefore:
    """Records of versions that kept the metrics with the fit."""

    def test_they_are_read_and_scored_again_without_a_fit(self, grid, store):
        plan = computed(*grid)
        shown = seen(plan)
        older(plan, store)
        assert {row.status for row in rows_of(plan)} == {"finished"}
        assert {key: each[:4] for key, each in seen(plan).items()} == {key: each[:4] for key, each in shown.items()}
        found = status.inspect(plan, store)
        assert found.needed == frozenset() and found.unscored == fits(plan)
        score(plan, store)
        assert {key: each[:4] for key, each in seen(plan).items()} == {key: each[:4] for key, each in shown.items()}
        assert not status.inspect(plan, store).due

    def test_with_stability_and_parts(self, grid, store):
        plan = computed(*grid, "clustering.bootstraps=3", "clustering.scope=per_split")
        shown = seen(plan)
        older(plan, store)
        score(plan, store)
        assert {key: each[:4] for key, each in seen(plan).items()} == {key: each[:4] for key, each in shown.items()}

    def test_they_are_as_good_as_current_where_the_features_are_gone(self, grid, store):
        plan = computed(*grid)
        older(plan, store)
        for member in fits(plan, "features", "matrix", "dataset"):
            store.path(plan.stages[member].kind, member).unlink()
        assert not status.inspect(plan, store).due
        assert {row.status for row in rows_of(plan)} == {"finished"}


class TestTwoCheckouts:
    """Two versions of the code on one store, each with results of its own; the edits change no result."""

    @pytest.fixture
    def shared(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BACKBENCH_STORE", str(tmp_path / "shared"))
        return Store(tmp_path / "shared")

    def test_scores_belong_to_the_code_of_their_fit(self, grid, shared):
        first = computed(*grid)
        before = {path: path.read_bytes() for path in shared.root.rglob("*.json")}
        with pytest.MonkeyPatch.context() as patch:
            edit(patch, "clusterers.kmeans")
            second = computed(*grid)
            assert not status.inspect(second, shared).due and seen(second) == seen(first)
        assert not status.inspect(first, shared).due
        assert {path: path.read_bytes() for path in before} == before
        assert len(list(shared.root.glob("scores/*/*.json"))) == len(fits(first)) + 2

    def test_code_of_one_is_accepted_without_the_other_noticing(self, grid, shared):
        first = computed(*grid)
        with pytest.MonkeyPatch.context() as patch:
            edit(patch, "clusterers.kmeans", "metrics.external")
            second = made(grid)
            results, scores = status.accept_code(second, shared, status.inspect(second, shared))
            assert (results, scores > 0) == (2, True)
            assert not status.inspect(second, shared).due and seen(second) == seen(first)
        assert not status.inspect(first, shared).due
        member = min(key for key in fits(first, "clustering") if first.stages[key].family == "kmeans")
        assert "accepted_code" not in first.seen(shared).read("clustering", member)
        assert "accepted_code" in second.seen(shared).read("clustering", member)

    def test_fits_take_the_inputs_of_their_own_code(self, grid, shared):
        """Features of other code are no input, not even where those of the own code are lost."""
        first = computed(*grid)
        (features,) = fits(first, "features")
        with pytest.MonkeyPatch.context() as patch:
            edit(patch, "backbones.pixels")
            second = computed(*grid)
        shared.path("features", features, first.stages[features].code).unlink()
        state = status.inspect(first, shared)
        assert state.states[features] == STALE and not state.needed
        assert first.own(shared).read("features", features) is None
        assert second.own(shared).read("features", features)["code"] == second.stages[features].code

    def test_records_of_earlier_versions_are_current(self, grid, shared):
        """Their names had no code, and the scores of a fit lay under its hash alone."""
        plan = computed(*grid)
        shown = seen(plan)
        for path in list(shared.root.rglob("*.json")):
            record = shared.opened(path)
            if record["kind"] in (*HEADS, SCORES):
                record["hash"] = record["hash"].partition(".")[0]
                record |= {scored.APART: True} if record["kind"] in HEADS else {}
            path.unlink()
            path.with_name(f"{record['hash']}.json").write_text(_records.sealed(record))
        assert not status.inspect(plan, shared).due and seen(plan) == shown
        with pytest.MonkeyPatch.context() as patch:
            edit(patch, "clusterers.kmeans")
            second = made(grid)
            assert set(status.inspect(second, shared).states.values()) == {CURRENT, STALE}
            computed(*grid)
            assert not status.inspect(second, shared).due
        assert not status.inspect(plan, shared).due and seen(plan) == shown
