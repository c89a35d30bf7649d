"""Exports: what is in the folder, that the classifier predicts as the run did, and that nothing is half written."""

import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
import yaml
from sharing import once
from sklearn.metrics import classification_report
from skops.io.exceptions import UntrustedTypesFoundException
from sweeping import collection, computed, rows_of

from backbench import cli, exports, hashing, paths, plugins, threads
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import FINISHED
from backbench.engine.run import scored
from backbench.exports import _pictures, pipeline, writing
from backbench.exports._folder import ABANDONED_SECONDS, UNFINISHED, Folder
from backbench.inference import _estimators, _transformers, skops_files
from backbench.metrics import supervised
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.stage import RECIPE, SCORES
from backbench.store import Store

CLASSES = ("bush", "cat/dog", "zebra", "Äpfel, rot")
EMBEDDED = ("experiment=none", "dataset=embeddings", "dataset.split.source=given", "backbone=precomputed")
ALONE = (*EMBEDDED, "clusterer=none", "retrieval=none")
CHAINS = "chain=none,l2,standardise,pca50,pca95,pca50_whitened,whiten,standardise_pca50"
FEW = "chain=none,standardise_pca50"
# Options of classifiers; one that minds a turn of the axes has all chains.
GRIDS = {
    "knn": ("classifier.metric=euclidean,cosine", "classifier.weights=uniform,distance"),
    "svm": ("classifier.kernel=rbf,linear",),
    "lda": (),
    "lda ": ("classifier.solver=lsqr,eigen", "classifier.shrinkage=0.1"),
    "logistic_regression": (),
    "logistic_sweep": ("classifier.values=5", "classifier.lowest=1e-3"),
    "linear_probe": ("classifier.epochs=9", "classifier.first_columns=[30]", "classifier.refit=false,true"),
    "nearest_centroid": ("classifier.metric=euclidean,manhattan", "classifier.shrink_threshold=null,0.3"),
    "mlp": ("classifier.hidden=16", "classifier.epochs=8", "classifier.activation=relu,tanh"),
    "random_forest": ("classifier.n_estimators=9", "seed=0,3"),
    "gradient_boosting": ("classifier.max_iter=3", "classifier.min_samples_leaf=5", "classifier.max_features=0.5"),
}
ONE = {"confusion": "confusion_matrix"}
EVERY_CHAIN = "nearest_centroid"


def embeddings(folder: Path, n: int = 300) -> str:
    """A file of 64 columns and rank 56; four columns are constant over the training rows alone."""
    rng = np.random.default_rng(0)
    labels, part = np.arange(n) % 4, np.repeat(["train", "validation", "test"], [n - 160, 80, 80])
    some = rng.normal(size=(n, 56)) + rng.normal(size=(4, 56))[labels] / 3
    x = np.hstack([some, some[:, :4], np.full((n, 4), 3.0)]).astype(np.float32)
    x[part != "train", 60:] = rng.normal(size=(160, 4))
    names = np.array([f"some/{row}.png" for row in range(n)])
    np.savez(folder / "e.npz", features=x, labels=np.array(CLASSES)[labels], split=part, names=names)
    return f"dataset.path={folder / 'e.npz'}"


def made(folder: Path, *overrides: str) -> list[str]:
    """The plans of sweeps in a results folder of their own, made once."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        return [computed(*given).hash for given in overrides]


def fits(folder: Path) -> list[str]:
    data = embeddings(folder)
    return made(
        folder,
        *((*ALONE, data, f"classifier={name.strip()}", *own, _chains(name)) for name, own in GRIDS.items()),
    )


def _chains(name: str) -> str:
    return CHAINS if name == EVERY_CHAIN else FEW


def sweep(folder: Path) -> list[str]:
    """Pictures in four classes, clustered and classified."""
    own = collection(folder / "photos", CLASSES)
    grid = ("experiment=none", "backbone=pixels", "k=3", "classifier=knn", "clustering.scope=per_split,all")
    return made(folder, (*grid, "clusterer=agglomerative", *own), (*grid[:3], *own, "classifier=none"))


@pytest.fixture
def results(tmp_path_factory, monkeypatch):
    """A function that makes sweeps once and gives their rows."""

    def rows(name: str, make):
        folder, _ = once(tmp_path_factory, name, make)
        monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        monkeypatch.delenv("BACKBENCH_STORE", raising=False)
        return ledger.all_rows(store())

    return rows


@pytest.fixture
def row(results):
    """A run with a tree of merges and neighbours' votes on pictures."""
    found = [row for row in results("exports-sweep", sweep) if row.params.get("clusterer.name") == "agglomerative"]
    return next(row for row in found if row.params["clustering.scope"] == "all")


@pytest.fixture
def quick(monkeypatch):
    """One picture instead of five."""
    monkeypatch.setattr(_pictures, "NAMES", ONE)


def store() -> Store:
    return Store(paths.store())


def reloaded(row, folder: Path):
    """The pipeline of a run after it was written and read again, and what it trusts."""
    with threads.one_core_each(2):
        needed = skops_files.save(pipeline.fit(Source(row, store())), folder / "x.skops")
    return skops.io.load(folder / "x.skops", trusted=needed), needed


def options(kind: str, name: str, **changed):
    values = yaml.safe_load((paths.conf() / kind / f"{name}.yaml").read_text())
    return plugins.params(kind, values | changed)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashing.file_digest(path) for path in folder.iterdir() if not path.name.startswith(".")}


class TestTransformers:
    CASES = (
        ("l2", {}),
        *(("standardise", {"with_mean": mean, "with_std": std}) for mean in (True, False) for std in (True, False)),
        *(("pca", {"n_components": 6, "solver": solver}) for solver in ("full", "covariance_eigh")),
        ("pca", {"n_components": None, "variance": 0.9}),
        ("pca", {"n_components": 11, "whiten": True}),
        ("whiten", {}),
        ("whiten", {"epsilon": 0.0}),
    )

    @pytest.mark.parametrize(("name", "changed"), CASES)
    @pytest.mark.parametrize("shape", [(300, 12), (12, 40)], ids=["tall", "wide"])
    def test_they_do_what_the_plugins_do(self, name, changed, shape):
        rng = np.random.default_rng(1)
        x = (rng.normal(size=(shape[0] + 20, shape[1])) * rng.uniform(0.1, 9, shape[1]) + 70).astype(np.float32)
        fitted = x[: shape[0]]
        fitted[:, 3], fitted[:, 4], fitted[:, 5], x[-1] = fitted[:, 2], 0.1, 0.0, 0.0
        params = options("transform", name, **changed)
        expected = plugins.load("transform", name).fit_transform(params, fitted, x)
        found = _transformers.EQUALS[name](params, fitted.astype(np.float64)).transform(x.astype(np.float64))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6 * np.abs(expected).max())

    @pytest.mark.parametrize(("kind", "own"), [("transform", _transformers), ("classifier", _estimators)])
    def test_every_plugin_has_an_equal_or_the_reason_why_not(self, kind, own):
        assert set(plugins.names(kind)) == {*own.EQUALS, *own.LACKS}


def _refitted(source: Source) -> bool:
    """Whether the classifier was fitted again, on validation images too, after it had predicted them."""
    return bool(source.info("classification").get("choice", {}).get("refit"))


class TestClassifier:
    @pytest.mark.parametrize("name", GRIDS)
    def test_the_loaded_pipeline_predicts_as_the_run_did(self, results, tmp_path, name):
        rows = [row for row in results("exports-fits", fits) if row.params.get("classifier.name") == name.strip()]
        solvers = [
            row for row in rows if (row.params.get("classifier.solver") in ("lsqr", "eigen")) == (name == "lda ")
        ]
        assert len(solvers) >= 2 and all(row.status == FINISHED for row in solvers)
        for row in solvers:
            source = Source(row, store())
            model, needed = reloaded(row, tmp_path)
            features, asked = source.array("features", "features"), source.split > _refitted(source)
            assert np.array_equal(model.predict(features[asked]), source.predictions[asked]), row.name
            assert set(needed) <= set(exports.TRUSTED)
            agreed = pipeline.agreement(model, source)
            asked = ("test",) if _refitted(source) else ("validation", "test")
            assert agreed == {part: {"images": 80, "differs": 0} for part in asked}

    def test_one_row_alone_and_in_float64(self, results, tmp_path):
        row = next(row for row in results("exports-fits", fits) if row.params["classifier.name"] == "mlp")
        source, (model, _) = Source(row, store()), reloaded(row, tmp_path)
        at = int(np.flatnonzero(source.split == 2)[0])
        one = source.array("features", "features")[at : at + 1]
        assert model.predict(one) == model.predict(one.astype(np.float64)) == source.predictions[at]

    def test_the_same_step_twice_has_a_name_of_its_own(self):
        names = [name for name, _ in pipeline._named([("pca", 1), ("float32", 2), ("pca", 3)])]
        assert names == ["pca", "float32", "pca_2"]

    def test_stored_predictions_that_it_does_not_give_are_said(self, results, tmp_path, quick, caplog):
        rows = results("exports-fits", fits)
        shutil.copytree(paths.results(), tmp_path / "results")
        row = next(row for row in rows if row.params["classifier.name"] == "knn")
        mine, member = Store(tmp_path / "results" / "store"), row.run.stages["classification"]
        changed = mine.array("classification", member, "predictions")
        changed[np.flatnonzero(changed >= 0)[[0, 1, -1]]] += 1
        mine.write("classification", member, row.records[member], {"predictions": changed % 4 - 2 * (changed < 0)})
        fit = mine.read("classification", member)
        mine.amend(SCORES, scored.place(fit), {"of": scored.of(fit, "classification")})
        records = ledger.read_records(row.plan, mine)
        (same,) = (one for one in ledger.rows(row.plan, records) if one.config_hash == row.config_hash)
        stored = mine.array("classification", member, "predictions")
        assert (stored != Source(row, store()).predictions).sum() >= 3
        exports.write(same, mine, tmp_path / "export")
        differs = {"validation": {"images": 80, "differs": 2}, "test": {"images": 80, "differs": 1}}
        assert json.loads((tmp_path / "export" / "classifier.json").read_text())["agreement"] == differs
        assert writing.report(tmp_path / "export")["classifier"]["agreement"] == differs
        assert "ANOTHER class than the run for 3 of 160" in caplog.text
        assert "ANOTHER class" in (tmp_path / "export" / "README.md").read_text()

    def test_umap_is_left_out_and_all_else_is_there(self, own_results, tmp_path, quick):
        """Its columns are drawn: UMAP compiles for longer than all other tests here take, and is not asked."""
        grid = (*ALONE, embeddings(tmp_path), "classifier=knn", "chain=umap10")
        planned = computed(*grid, without=("matrix", "classification"))
        (stage,) = (stage for stage in planned.stages.values() if stage.kind == "matrix")
        record = {"status": "done", "reason": None, "config": dict(stage.config), "code": stage.code, "notes": {}}
        record |= {"metrics": {}, "info": {}, "provenance": {"seconds": 0.5, "finished": 1e9, "versions": {}}}
        drawn = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
        store().write("matrix", stage.hash, record, {"matrix": drawn})
        (row,) = rows_of(computed(*grid))
        names = {path.name for path in exports.write(row, store(), tmp_path / "x", joblib=True)}
        assert {"features.npz", "predictions.csv", "classification_report.txt", "confusion_matrix.png"} <= names
        assert not [name for name in names if name.startswith("classifier.")]
        assert "scikit-learn has no UMAP" in writing.report(tmp_path / "x")["not_exported"]["classifier.skops"]
        assert "scikit-learn has no UMAP" in (tmp_path / "x" / "README.md").read_text()

    def test_a_plugin_of_the_users(self, results, tmp_path, quick, monkeypatch):
        rows = results("exports-fits", fits)
        row = next(row for row in rows if row.params["classifier.name"] == "knn")
        monkeypatch.delitem(_estimators.EQUALS, "knn")
        exports.write(row, store(), tmp_path / "x")
        reason = writing.report(tmp_path / "x")["not_exported"]["classifier.skops"]
        assert reason.startswith("the classifier knn has no equal") and "estimator" in reason

        def estimator(params, seed, rows, classes):
            from sklearn.neighbors import KNeighborsClassifier

            return KNeighborsClassifier(params.n_neighbors, metric=params.metric, weights=params.weights).fit(
                rows, classes
            )

        monkeypatch.setattr(plugins.load("classifier", "knn"), "estimator", estimator, raising=False)
        names = [path.name for path in exports.write(row, store(), tmp_path / "x")]
        assert (
            "classifier.skops" in names
            and writing.report(tmp_path / "x")["not_exported"].get("classifier.skops") is None
        )

        class Own:
            def predict(self, rows):
                return rows

        monkeypatch.setattr(plugins.load("classifier", "knn"), "estimator", lambda *given: Own())
        assert "classifier.skops" not in [path.name for path in exports.write(row, store(), tmp_path / "x")]
        assert "Own" in writing.report(tmp_path / "x")["not_exported"]["classifier.skops"]
        assert not (tmp_path / "x" / "classifier.skops").exists(), "that of the earlier export"


class TestSafety:
    @pytest.fixture
    def forest(self, results, tmp_path) -> Path:
        rows = results("exports-fits", fits)
        reloaded(next(row for row in rows if row.params["classifier.name"] == "random_forest"), tmp_path)
        return tmp_path / "x.skops"

    def test_loading_unpickles_nothing(self, forest):
        program = (
            "import sys, numpy, skops.io\n"
            "from backbench import exports\n"
            "import sklearn.ensemble, sklearn.pipeline\n"
            "def watch(event, given):\n"
            "    if event.startswith(('pickle.', 'subprocess', 'os.system')): raise SystemExit(event)\n"
            "sys.addaudithook(watch)\n"
            "model = skops.io.load(sys.argv[1], trusted=list(exports.TRUSTED))\n"
            "print(model.predict(numpy.zeros((2, 64), 'float32')).shape)"
        )
        done = subprocess.run([sys.executable, "-c", program, str(forest)], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "(2,)\n"), done.stderr

    def test_trees_want_to_be_trusted(self, forest):
        with pytest.raises(UntrustedTypesFoundException, match="Tree"):
            skops.io.load(forest)

    def test_a_forged_file_is_refused(self, forest, tmp_path):
        with zipfile.ZipFile(forest) as old:
            entries = {entry.filename: old.read(entry) for entry in old.infolist()}
        forged = entries["schema.json"].replace(
            b'"__class__":"positive","__module__":"numpy"', b'"__class__":"system","__module__":"posix"', 1
        )
        assert forged != entries["schema.json"]
        with zipfile.ZipFile(tmp_path / "forged.skops", "w") as new:
            for name, content in {**entries, "schema.json": forged}.items():
                new.writestr(name, content)
        with pytest.raises(UntrustedTypesFoundException, match=r"posix\.system"):
            skops_files.load(tmp_path / "forged.skops")

    def test_a_truncated_file_is_refused(self, forest, tmp_path):
        content = forest.read_bytes()
        for size in (0, 100, len(content) // 2, len(content) - 1):
            (tmp_path / "cut.skops").write_bytes(content[:size])
            with pytest.raises(zipfile.BadZipFile):
                skops_files.load(tmp_path / "cut.skops")

    def test_a_model_with_code_of_ours_is_not_written(self, tmp_path):
        from sklearn.preprocessing import FunctionTransformer

        with pytest.raises(skops_files.Unsafe, match="getcwd"):
            skops_files.save(FunctionTransformer(os.getcwd), tmp_path / "x.skops")

    def test_equal_models_make_equal_files(self, tmp_path):
        from sklearn.svm import SVC

        x = np.random.default_rng(0).normal(size=(50, 4))
        for name in "ab":
            skops_files.save(SVC().fit(x, np.arange(50) % 3), tmp_path / name)
            time.sleep(2.1 if name == "a" else 0)  # the times in a zip are even
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestFiles:
    """What the files of a run on pictures hold, against the store."""

    @pytest.fixture(scope="class")
    def export(self, tmp_path_factory):
        """An export with all pictures, made once: its folder, and the files that were written."""
        folder, _ = once(tmp_path_factory, "exports-sweep", sweep)
        with pytest.MonkeyPatch().context() as patch:
            patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
            rows = [row for row in ledger.all_rows(store()) if row.params.get("classifier.name")]
            every = _pictures.NAMES
            for row in rows:
                patch.setattr(_pictures, "NAMES", every if row.params["clustering.scope"] == "all" else ONE)
                exports.write(row, store(), folder / row.params["clustering.scope"])
        return folder

    @pytest.fixture
    def source(self, row) -> Source:
        return Source(row, store())

    def test_features(self, export, source):
        data = np.load(export / "all" / "features.npz", allow_pickle=False)
        assert sorted(data) == ["classes", "features", "labels", "names", "part"]
        assert np.array_equal(data["features"], source.array("features", "features"))
        assert data["features"].dtype == np.float32 and data["classes"].tolist() == source.names
        assert data["names"].tolist() == source.info("dataset")["files"]
        assert np.array_equal(data["labels"], source.truth)
        assert [("train", "validation", "test").index(part) for part in data["part"]] == source.split.tolist()

    def test_clusters(self, export, source, row):
        data = np.load(export / "all" / "clusters.npz", allow_pickle=False)
        assert np.array_equal(data["labels"], source.labels) and data["scope"] == "all"
        assert not list((export / "all").glob("*_clusters.npz"))

    def test_clusters_of_parts_that_were_clustered_apart(self, export):
        whole = np.load(export / "per_split" / "clusters.npz", allow_pickle=False)
        for part in ("train", "validation", "test"):
            own = np.load(export / "per_split" / f"{part}_clusters.npz", allow_pickle=False)
            inside = whole["part"] == part
            assert np.array_equal(own["labels"], whole["labels"][inside]) and set(own["labels"]) == {0, 1, 2}
            assert np.array_equal(own["names"], whole["names"][inside])

    def test_predictions_and_report(self, export, source, row):
        with (export / "all" / "predictions.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert {line["part"] for line in lines} == {"validation", "test"} and len(lines) == (source.split > 0).sum()
        tested = [line for line in lines if line["part"] == "test"]
        truth, found = ([line[name] for line in tested] for name in ("true_class", "predicted_class"))
        right = sum(a == b for a, b in zip(truth, found, strict=True)) / len(tested)
        assert right == pytest.approx(row.metrics["accuracy"])
        text = (export / "all" / "classification_report.txt").read_text(encoding="utf-8")
        assert text == classification_report(truth, found, labels=source.names, digits=4, zero_division=0)
        with (export / "all" / "classification_report.csv").open(newline="", encoding="utf-8") as file:
            table = {line["class"]: line for line in csv.DictReader(file)}
        assert [*table] == [*source.names, "accuracy", "macro avg", "weighted avg"]
        assert float(table["macro avg"]["f1"]) == pytest.approx(row.metrics["macro_f1"])
        known = supervised.per_class(
            *(np.array(list(map(source.names.index, own))) for own in (truth, found)), source.names
        )
        assert {name: float(table[name]["recall"]) for name in known} == pytest.approx(
            {name: each["recall"] for name, each in known.items()}
        )

    def test_pictures(self, export):
        names = {path.stem for path in (export / "all").glob("*.png")}
        assert names == {"confusion_matrix", "sample_grid", "cluster_samples", "dendrogram", "map_tsne"}
        assert all((export / "all" / f"{name}.csv").stat().st_size for name in names)
        assert (export / "all" / "sample_grid.png").read_bytes().startswith(b"\x89PNG")

    def test_the_final_report(self, export, row):
        report = writing.report(export / "all")
        assert report["config_hash"] == row.config_hash and report["parameters"] == json.loads(json.dumps(row.params))
        assert {name: report["metrics"][name] for name in row.metrics} == pytest.approx(row.metrics, nan_ok=True)
        assert report["images"] == {"total": 100, "train": 60, "validation": 20, "test": 20}
        assert report["not_exported"] == {} and set(report["computed_with"]["seconds"]) == {*row.stages} - {RECIPE}
        assert report["reproduce"]["run"] == f"backbench reproduce {row.config_hash[:12]}"
        assert "dataset.root=PATH" in report["reproduce"]["sweep"] and "k=3" in report["reproduce"]["sweep"]
        found = digests(export / "all")
        del found["final_report.json"]
        assert {name: entry["sha256"] for name, entry in report["files"].items()} == found

    def test_no_file_says_where_it_was_made(self, export):
        texts = [path for path in (export / "all").iterdir() if path.suffix in (".json", ".md", ".txt", ".csv")]
        assert len(texts) >= 8
        for path in texts:
            assert str(export) not in path.read_text(encoding="utf-8") and "/tmp/" not in path.read_text(
                encoding="utf-8"
            )

    def test_the_page_shows_how_to_predict(self, export):
        """Its example runs without this package."""
        (code,) = re.findall(r"```python\n(.*?)```", (export / "all" / "README.md").read_text(), re.DOTALL)
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.modules['backbench'] = None\n{code}"],
            cwd=export / "all",
            capture_output=True,
            text=True,
        )
        with (export / "all" / "predictions.csv").open(newline="", encoding="utf-8") as file:
            expected = [line["predicted_class"] for line in csv.DictReader(file) if line["part"] == "test"]
        assert done.stdout == f"{expected}\n", done.stderr

    def test_a_second_export_is_the_same_files(self, export, row, tmp_path):
        with pytest.MonkeyPatch().context() as patch:
            patch.setenv("BACKBENCH_RESULTS", str(export / "results"))
            exports.write(row, store(), tmp_path / "again")
        assert digests(tmp_path / "again") == digests(export / "all")


class TestWhatARunDoesNotHave:
    def test_no_classifier(self, results, tmp_path, quick):
        rows = results("exports-sweep", sweep)
        row = next(row for row in rows if "classifier.name" not in row.params)
        names = [path.name for path in exports.write(row, store(), tmp_path / "x")]
        assert names == ["features.npz", "clusters.npz", "README.md", "final_report.json"]
        left_out = writing.report(tmp_path / "x")["not_exported"]
        assert {*left_out} == {
            "predictions.csv",
            "classification_report.txt",
            "classifier.skops",
            "confusion_matrix.png",
        }
        assert set(left_out.values()) == {"the run has no classification"}

    def test_no_classes(self, tmp_path, own_results, monkeypatch):
        monkeypatch.setattr(_pictures, "NAMES", {"confusion": "confusion_matrix", "cluster_samples": "cluster_samples"})
        grid = ("experiment=none", "backbone=pixels", "clusterer=dbscan", "retrieval=none")
        (row,) = rows_of(computed(*grid, *collection(tmp_path / "photos", (), 40)))
        names = {path.name for path in exports.write(row, store(), tmp_path / "x")}
        assert {"features.npz", "clusters.npz", "cluster_samples.png"} < names and "predictions.csv" not in names
        assert sorted(np.load(tmp_path / "x" / "features.npz")) == ["features", "names", "part"]
        report = writing.report(tmp_path / "x")
        assert (
            report["classes"] is None and report["not_exported"]["confusion_matrix.png"] == "the dataset has no classes"
        )

    def test_no_features(self, own_results, tmp_path):
        (row,) = rows_of(
            computed(*ALONE, embeddings(tmp_path), "classifier=knn", without=("features", "classification"))
        )
        with pytest.raises(ConfigError, match="features are not computed"):
            exports.write(row, store(), tmp_path / "x")
        assert not (tmp_path / "x").exists()


class TestWhole:
    def test_what_an_earlier_export_left_is_removed_and_nothing_else(self, row, tmp_path, quick, caplog):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "mine.txt").write_text("kept")
        exports.write(row, store(), tmp_path / "x", joblib=True)
        assert "loading it runs code" in caplog.text and (tmp_path / "x" / "classifier.joblib").exists()
        exports.write(row, store(), tmp_path / "x")
        assert not (tmp_path / "x" / "classifier.joblib").exists()
        assert (tmp_path / "x" / "mine.txt").read_text() == "kept"

    def test_the_export_of_another_run_is_removed_first(self, results, row, tmp_path, quick):
        exports.write(row, store(), tmp_path / "x")
        other = next(row for row in results("exports-sweep", sweep) if "classifier.name" not in row.params)
        found = exports.write(other, store(), tmp_path / "x")
        assert set((tmp_path / "x").iterdir()) == set(found) and len(found) == 4

    def test_a_disk_that_is_full(self, row, tmp_path, quick):
        exports.write(row, store(), tmp_path / "x")
        before = digests(tmp_path / "x")
        sizes = {path.name: path.stat().st_size for path in (tmp_path / "x").iterdir()}
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (sizes["features.npz"] // 2, hard))
        try:
            for folder in ("x", "new"):
                with pytest.raises(OSError, match="too large"):
                    exports.write(row, store(), tmp_path / folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert digests(tmp_path / "x") == before and list((tmp_path / "new").iterdir()) == []

    @pytest.mark.slow
    def test_killed_at_any_time(self, row, tmp_path, quick):
        exports.write(row, store(), tmp_path / "whole")
        known = digests(tmp_path / "whole")
        for number, after in enumerate(("features.npz", "predictions.csv", "classifier.json")):
            folder = tmp_path / f"killed{number}"
            _kill(row.config_hash, folder, after)
            there = digests(folder)
            assert after in there and there.items() <= known.items() and "final_report.json" not in there
        exports.write(row, store(), folder)
        assert digests(folder) == known

    def test_what_a_killed_export_left_behind_is_removed_in_time(self, tmp_path):
        for name, age in (("old", ABANDONED_SECONDS + 60), ("young", 60)):
            (tmp_path / f"{UNFINISHED}{name}").mkdir()
            os.utime(tmp_path / f"{UNFINISHED}{name}", (time.time() - age,) * 2)
        Folder(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [f"{UNFINISHED}young"]


def _kill(config_hash: str, folder: Path, after: str) -> None:
    """Start an export and kill it once the file `after` is there."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from backbench import exports, paths; from backbench.store import Store\n"
        "from backbench.engine.results import ledger\n"
        "from backbench.exports import _folder\n"
        "own = _folder.os.fsync\n"
        "_folder.os.fsync = lambda file: (time.sleep(0.3), own(file))\n"  # leaves time to be killed in
        "store = Store(paths.store())\n"
        "row = next(row for row in ledger.all_rows(store) if row.config_hash == sys.argv[1])\n"
        "exports.write(row, store, Path(sys.argv[2]))"
    )
    started = subprocess.Popen([sys.executable, "-c", program, config_hash, str(folder)], stderr=subprocess.PIPE)
    while not (folder / after).exists():
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    started.stderr.close()


class TestCommand:
    def test_into_the_folder_of_the_run(self, row, quick, capsys):
        assert cli.main(["export", row.config_hash[:10]]) == 0
        out, err = capsys.readouterr()
        folder = paths.results() / "exports" / row.config_hash[:12]
        listed = [Path(line) for line in out.splitlines()]
        assert listed[-1] == folder / "final_report.json" and all(path.is_file() for path in listed)
        assert set(folder.iterdir()) == set(listed) and "features" in err
        shutil.rmtree(folder)

    def test_what_is_left_out_is_said(self, results, quick, tmp_path, capsys):
        row = next(row for row in results("exports-sweep", sweep) if "classifier.name" not in row.params)
        cli.main(["export", row.config_hash, "--to", str(tmp_path / "x")])
        assert "classifier.skops was not exported: the run has no classification" in capsys.readouterr().err

    def test_a_folder_of_another_run_and_a_file_are_refused(self, row, quick, tmp_path, capsys):
        exports.write(row, store(), tmp_path / "x")
        report = tmp_path / "x" / "final_report.json"
        report.write_text(report.read_text().replace(row.config_hash, "0" * 64))
        (tmp_path / "file").touch()
        for name, said in (("x", "of run 000000000000"), ("file", "is a file")):
            assert cli.main(["export", row.config_hash, "--to", str(tmp_path / name)]) == 2
            assert said in capsys.readouterr().err
