"""The words of an answer: the same in the terminal, the report and MLflow, with the names that people use."""

import json
import re
from html import unescape

import pytest
from answering import ALIKE, CLASSIFIED, classified, of, quick
from stored import Stored

from backbench import cli, hashing, paths, titles
from backbench.answers import facts, naming, words
from backbench.answers.figures import figures
from backbench.cli import answer as printed
from backbench.engine.results.joined_run import Row
from backbench.evaluate import answer, verdicts
from backbench.evaluate.estimates import Estimate
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.plugins import names
from backbench.reports import sweep as page
from backbench.store import FAILED, Store
from backbench.tracking import note, sweeps


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def bare(text):
    """A sentence without the marks of a page or of Markdown."""
    plain = unescape(re.sub(r"<[^>]+>", "", str(text))).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\\(.)", r"\1", plain.replace("`", "")).replace("**", "")


class TestEverywhere:
    @pytest.fixture
    def swept(self):
        rows = classified(ALIKE, quick)
        kept = {key: record for key, record in rows[0].records.items() if rows[0].plan.stages[key].kind != "audit"}
        rows = [Row(row.plan, row.run, kept) for row in rows]
        return answer.SweepAnswer(rows[0].plan, rows, Store(paths.store()))

    def sentences(self, swept):
        (found,) = swept.datasets.values()
        return [line for each in words.answer(found).verdicts for line in (each.text.headline, *each.text.details)]

    def test_the_same_words_stand_in_the_terminal_the_page_and_the_note(self, swept, capsys):
        printed.show(swept.datasets.values())
        places = {
            "terminal": capsys.readouterr().err,
            "page": bare(page.render(swept)),
            "note": bare(note.note(swept, "fashion_mnist")),
        }
        for place, text in places.items():
            flat = re.sub(r"\s+", " ", text)
            for line in self.sentences(swept):
                assert flat.count(line) == 1, (place, line)

    def test_the_metrics_and_tags_in_mlflow_are_those_of_the_answer(self, swept):
        (found,) = swept.datasets.values()
        (verdict,) = found.verdicts
        summary = sweeps.summary(swept, "fashion_mnist", "", pages=False)
        assert summary.metrics["best_accuracy"] == verdict.row.metrics["accuracy"]
        assert summary.metrics["best_val_accuracy"] == verdict.row.metrics["val_accuracy"]
        assert summary.metrics["best_accuracy"] < max(row.metrics["accuracy"] for row in swept.rows)
        assert "best_silhouette" not in summary.metrics
        assert summary.tags["use.classifier"] == self.sentences(swept)[0]
        assert summary.tags["use.classifier.run"] == verdict.row.config_hash

    def test_the_command_prints_it_and_json_has_the_facts(self, swept, capsys):
        assert cli.main(["answer"]) == 0
        text = capsys.readouterr().out
        assert all(line in text for line in self.sentences(swept))
        assert text.count("Ranges in brackets are 95 % intervals.") == 1
        assert cli.main(["answer", "--format", "json"]) == 0
        (plain,) = json.loads(capsys.readouterr().out)
        (found,) = swept.datasets.values()
        assert plain == json.loads(json.dumps(facts.plain(found)))
        (verdict,) = plain["verdicts"]
        assert verdict["use"]["run"] == found.verdicts[0].row.config_hash
        assert verdict["reported"]["metric"] == "accuracy" and verdict["fastest"]["name"].endswith(
            "logistic_regression"
        )
        assert verdict["commands"]["export"] == f"backbench export {hashing.short(verdict['use']['run'])}"

    def test_a_leaderboard_ends_with_the_first_sentences(self, swept, capsys):
        assert cli.main(["leaderboard"]) == 0
        assert self.sentences(swept)[0] in capsys.readouterr().out

    def test_a_filter_narrows_it(self, swept, capsys):
        assert cli.main(["answer", "--filter", "classifier.name=knn"]) == 0
        assert "Use k-nearest neighbours on " in capsys.readouterr().out
        assert cli.main(["answer", "--filter", "classifier.name=none_such"]) == 2
        assert "backbench sweep" in capsys.readouterr().err

    def test_failed_and_pending_runs_are_said(self, swept):
        lost, broken = sorted({row.run.stages[CLASSIFICATION] for row in swept.rows})[:2]
        failed = {**swept.rows[0].records[broken], "status": FAILED, "reason": "no room", "metrics": {}, "arrays": {}}
        records = {key: one for key, one in {**swept.rows[0].records, broken: failed}.items() if key != lost}
        rows = [Row(row.plan, row.run, records) for row in swept.rows]
        assert words.answer(of(rows)).notes()[0] == "1 run failed and 1 pending: the answer rests on the others."

    def test_without_results_it_says_so(self, swept):
        rows = [Row(row.plan, row.run, {}) for row in swept.rows]
        found = words.answer(of(rows))
        assert (found.verdicts, found.notes()) == ([], ["There are no results to compare yet."])

    def test_long_lines_are_broken_for_people_alone(self, swept):
        (found,) = swept.datasets.values()
        broken = list(printed.lines(words.answer(found), 80))
        assert max(map(len, (line for line in broken if "backbench export" not in line))) <= 80
        flat = re.sub(r"\s+", " ", " ".join(broken))
        assert all(line in flat for line in self.sentences(swept))


class TestTitles:
    @pytest.mark.parametrize(
        ("kind", "known"),
        [("backbone", titles.BACKBONES), ("clusterer", titles.CLUSTERERS), ("classifier", titles.CLASSIFIERS)],
    )
    def test_every_plugin_has_one(self, kind, known):
        assert set(known) == set(names(kind))

    @pytest.mark.parametrize(
        ("label", "steps"),
        [
            ("none", []),
            ("l2+umap10", ["unit length", "UMAP 10"]),
            ("pca0.95", ["PCA 95 %"]),
            ("pca50w", ["PCA 50 whitened"]),
            ("another", ["another"]),
        ],
    )
    def test_of_chains(self, label, steps):
        assert titles.chain(label) == steps

    def test_of_models_and_linkages(self):
        assert titles.backbone({"backbone.name": "timm", "backbone.model": "vit_tiny"}) == "vit_tiny"
        assert (
            titles.clusterer({"clusterer.name": "agglomerative", "clusterer.linkage": "average"}) == "average linkage"
        )

    def test_options_that_distinguish_results_belong_to_the_name(self):
        rows = Stored().rows("classifier=knn", "classifier.n_neighbors=1,5", *CLASSIFIED)
        shown = {naming.named(row, CLASSIFICATION, ["classifier.n_neighbors"]).whole for row in rows}
        assert shown == {f"k-nearest neighbours (n_neighbors={k}) on raw pixels" for k in (1, 5)}


def test_names_cannot_break_a_page_or_a_note():
    assert words._marks(words.HTML)["name"]("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert words._marks(words.MARKDOWN)["name"]("a_b*[c]") == r"a\_b\*\[c\]"


@pytest.mark.parametrize(
    ("reading", "shown"),
    [
        (("accuracy", 0.8234, 0.79, 0.86), ("82 %", "79", "86")),
        (("accuracy", 0.8234, 0.82, 0.83), ("82.3 %", "82.0", "83.0")),
        (("accuracy", 0.8234, None, None), ("82.3 %", "", "")),
        (("nmi", 0.6512, 0.6, 0.7), ("0.65", "0.60", "0.70")),
        (("nmi", 0.6512, 0.65, 0.66), ("0.651", "0.650", "0.660")),
        (("nmi", 0.6512, None, None), ("0.65", "", "")),
    ],
)
def test_no_more_digits_than_the_interval_bears(reading, shown):
    metric, mean, low, high = reading
    found = figures(verdicts.Reading(metric, Estimate(mean, low, high, None if low is None else "images", 100)))
    assert (found.value, found.low, found.high) == shown
