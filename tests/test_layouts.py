"""Positions in the plane and trees: against the libraries, the same bits always, made once and kept while they hold."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA
from sweeping import collection, computed, rows_of

from backbench import code, machine, paths, plugins, threads
from backbench.clusterers import _trees
from backbench.metrics import neighbours
from backbench.metrics.labels import canonical
from backbench.metrics.near import Near
from backbench.pictures import _embedding, layouts
from backbench.pictures.source import Source
from backbench.store import Store

GRID = ("experiment=none", "backbone=pixels", "chain=none,standardise", "retrieval=none", "k=3")
HEADS = ("clusterer=agglomerative,kmeans", "classifier=knn")
N = 60


@pytest.fixture(scope="module")
def computed_once(tmp_path_factory):
    """A results folder with a sweep over sixty pictures; nothing of it is changed."""
    folder = tmp_path_factory.mktemp("layouts")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BACKBENCH_STORE", raising=False)
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = collection(folder / "images", ("cat", "dog", "cow"), N // 3)
        plans = [computed(*images, *GRID, *HEADS)]
        scopes = ("experiment=none", "backbone=pixels", "chain=none", "retrieval=none", "k=3", "classifier=none")
        plans.append(computed(*images, *scopes, "clusterer=agglomerative", "clustering.scope=train,per_split"))
        plans.append(computed(*images, *scopes[:-2], "clusterer=none", "classifier=knn"))
    return folder / "results", plans


@pytest.fixture
def rows(computed_once, tmp_path, monkeypatch):
    """The rows of the sweep, their store a copy of the test's own."""
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    shutil.copytree(computed_once[0], tmp_path / "results")
    return [row for plan in computed_once[1] for row in rows_of(plan)]


def source(rows, **params):
    wanted = {name.replace("_", "."): value for name, value in params.items()}
    row = next(row for row in rows if all(row.params.get(name) == value for name, value in wanted.items()))
    return Source(row, Store(paths.store()))


def blobs(n, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 3, n)[:, None] * 8 + rng.normal(size=(n, d))).astype(np.float32)


def embedded(method, x, count=1):
    with threads.one_core_each(count):
        return _embedding.embed(method, x, Near(x), lambda done, total: None)


def made(store):
    return sorted(path.stem[:12] for path in (store.root / "layout").glob("*/*.json"))


# ------------------------------------------------------------------------------------------------ numbers


def test_principal_components_are_those_of_scikit_learn():
    x = blobs(80)
    model = PCA(2).fit(x.astype(np.float64))
    found, info = embedded("pca", x)
    assert np.abs(found) == pytest.approx(np.abs(model.transform(x)), abs=1e-4)
    assert info["explained"] == pytest.approx(model.explained_variance_ratio_, abs=1e-5)


def test_the_sign_of_a_component_does_not_depend_on_the_order_of_the_rows():
    x = blobs(80)
    assert embedded("pca", x[::-1])[0][::-1] == pytest.approx(embedded("pca", x)[0], abs=1e-4)


def test_tsne_is_that_of_opentsne_on_its_exact_search():
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN

    x = blobs(150)
    found, info = embedded("tsne", x)
    own = PerplexityBasedNN(x.astype(np.float64), perplexity=30, method="exact", k_neighbors=90)
    model = TSNE(random_state=0, early_exaggeration_iter=250, n_iter=500)
    theirs = model.fit(affinities=own, initialization=_embedding._start(x, Near(x)))
    assert info == {"perplexity": 30, "neighbours": 90, "rounds": 750}
    # Distances differ in their last bits, and the rounds make that larger.
    gaps = [np.linalg.norm(one[:, None] - one[None], axis=2).ravel() for one in (found, np.asarray(theirs))]
    assert np.corrcoef(*gaps)[0, 1] > 0.98


def test_umap_is_the_transform_of_that_name_bit_for_bit():
    x = blobs(120)
    module = plugins.load("transform", "umap")
    params = module.Params(2, 15, 0.1, 1.0, "euclidean", "spectral", None, 0)
    assert np.array_equal(embedded("umap", x)[0], module.fit_transform(params, x, x))


@pytest.mark.parametrize(("n", "rounds"), [(150, (250, 500)), (10_400, (5, 15))])
def test_tsne_is_the_same_bits_whatever_the_threads(n, rounds, monkeypatch):
    """Barnes-Hut, and from 10,000 rows on interpolation."""
    monkeypatch.setattr(_embedding, "ROUNDS", rounds)
    x = blobs(n)
    assert np.array_equal(embedded("tsne", x, 1)[0], embedded("tsne", x, 3)[0])


def test_near_rows_stay_near():
    x = blobs(150)
    groups = np.round(x.mean(axis=1) / 8)
    for method in layouts.METHODS:
        found = embedded(method, x)[0]
        nearest = neighbours.nearest(found, found, 5, "euclidean", np.arange(len(x)))[0]
        assert (groups[nearest] == groups[:, None]).mean() > 0.9


@pytest.mark.parametrize(("n", "perplexity", "count"), [(4, 1, 3), (31, 10, 30), (90, 29, 87), (91, 30, 90)])
def test_small_collections_have_a_smaller_perplexity(n, perplexity, count):
    assert (_embedding.perplexity(n), _embedding.neighbours("tsne", n)) == (perplexity, count)


@pytest.mark.parametrize("method", layouts.METHODS)
@pytest.mark.parametrize(("n", "d"), [(4, 1), (5, 2), (9, 3)])
def test_few_rows_and_columns_have_a_place(method, n, d):
    found, _ = embedded(method, blobs(n, d))
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_principal_components_of_a_few_rows(n):
    found, info = embedded("pca", blobs(n))
    assert found.shape == (n, 2)
    assert sum(info["explained"]) == pytest.approx(1.0 if n > 1 else 0.0)


@pytest.mark.parametrize("method", layouts.METHODS)
def test_equal_rows(method):
    same = np.repeat(blobs(1), 20, axis=0)
    assert not embedded(method, same)[0].any()
    half = np.concatenate([same, blobs(20)])
    assert np.isfinite(embedded(method, half)[0]).all()


def test_values_that_are_not_finite_are_refused():
    x = blobs(20)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="1 of 120 values of the matrix are not finite"):
        embedded("tsne", x)


# ------------------------------------------------------------------------------------------------ the store


def test_pictures_say_what_they_need():
    assert [layouts.needed(kind) for kind in ("map_tsne", "map_pca_images", "dendrogram")] == ["tsne", "pca", "linkage"]
    assert layouts.needed("confusion") is None


def test_the_matrix_of_the_clustering_is_shown_or_else_that_of_the_classification(rows):
    both, classified = source(rows, clusterer_name="kmeans"), source(rows[-1:], classifier_name="knn")
    assert (layouts.shown_head(both), layouts.shown_head(classified)) == ("clustering", "classification")
    x = both.matrix("clustering")
    assert np.array_equal(layouts.layout(both, "pca").positions, embedded("pca", np.asarray(x))[0])
    assert layouts.layout(classified, "pca").positions.shape == (N, 2)


def test_layouts_are_made_once_for_all_runs_on_a_matrix(rows, monkeypatch):
    same = [row for row in rows if row.params.get("chain") == "none" and "clustering" in row.heads]
    one, other = (Source(row, Store(paths.store())) for row in same[:2])
    assert one.row.config_hash != other.row.config_hash
    assert layouts.prepare(one, ["map_pca", "map_pca_images", "map_umap", "confusion"], 2) == {}
    assert len(made(one.store)) == 2
    monkeypatch.setattr(_embedding, "embed", None)
    assert layouts.prepare(other, ["map_umap"], 1) == {}
    assert layouts.layout(other, "umap").info["n_neighbors"] == 15
    assert len(made(one.store)) == 2


def test_one_search_serves_all(rows, monkeypatch):
    asked = []
    search = neighbours.nearest
    monkeypatch.setattr(neighbours, "nearest", lambda *args: asked.append(args[2]) or search(*args))
    one = source(rows, clusterer_name="kmeans")
    assert layouts.prepare(one, ["map_umap", "map_tsne", "map_pca"]) == {}
    assert asked == [57]


def test_a_stored_graph_that_is_deep_enough_is_used(rows, monkeypatch):
    from dataclasses import replace

    from backbench.engine.grid import Stage, stage_hash

    one = source(rows, clusterer_name="kmeans")
    ref, x = one.matrix_ref("clustering"), np.asarray(one.matrix("clustering"))
    indices, distances = neighbours.nearest(x, x, 16, "euclidean", np.arange(N))
    config = {"metric": "euclidean", "count": 16}
    key = stage_hash("neighbours", config, {"matrix": ref})
    one.store.write("neighbours", key, {}, {"indices": indices.astype(np.int32), "distances": distances})
    stage = Stage(key, "neighbours", "euclidean", config, {}, {"n": N}, {"matrix": ref}, "0")
    plan = replace(one.row.plan, stages={**one.row.plan.stages, key: stage})
    known = Source(replace(one.row, plan=plan), one.store)
    direct = layouts.layout(one, "umap").positions
    (one.store.root / "layout").rename(one.store.root / "elsewhere")
    monkeypatch.setattr(neighbours, "nearest", None)
    assert np.array_equal(layouts.layout(known, "umap").positions, direct)


def test_a_layout_is_made_again_when_its_matrix_or_its_code_has_changed(rows, monkeypatch):
    one = source(rows, clusterer_name="kmeans")
    first = layouts.layout(one, "pca").positions
    kind, member = one.matrix_ref("clustering")
    name = kind if kind == "matrix" else "features"
    one.store.write(kind, member, one.store.read(kind, member), {name: np.asarray(one.matrix("clustering")) * 2})
    assert layouts.layout(one, "pca").positions == pytest.approx(2 * first, rel=1e-5)
    monkeypatch.setattr(code, "digest", lambda modules: "another")
    monkeypatch.setattr(_embedding, "embed", lambda *args: (first, {}))
    assert np.array_equal(layouts.layout(one, "pca").positions, first)


def test_a_damaged_layout_is_made_again(rows):
    one = source(rows, clusterer_name="kmeans")
    first = layouts.layout(one, "pca").positions
    (path,) = (one.store.root / "layout").glob("*/*.npy")
    size = path.stat().st_size
    path.write_bytes(b"x" * size)
    assert np.array_equal(layouts.layout(one, "pca").positions, first)


def test_the_record_says_how_it_was_made(rows):
    one = source(rows, clusterer_name="kmeans")
    layouts.layout(one, "tsne", threads=2)
    (path,) = (one.store.root / "layout").glob("*/*.json")
    record = one.store.read("layout", path.stem)
    assert record["origin"]["config"] == {"method": "tsne", "most": layouts.MOST_ROWS, "seed": 0}
    assert record["origin"]["parents"] == {"matrix": list(one.matrix_ref("clustering"))}
    assert json.loads(record["info"]) == {"perplexity": 19, "neighbours": 57, "rounds": 750, "n": N, "of": N, "d": 784}
    assert record["provenance"]["threads"] == 2
    assert record["provenance"]["seconds"] > 0


def test_of_a_large_collection_a_fixed_sample_is_shown(rows, monkeypatch):
    one = source(rows, clusterer_name="kmeans")
    monkeypatch.setattr(layouts, "MOST_ROWS", 40)
    found = layouts.layout(one, "pca")
    assert found.positions.shape == (40, 2)
    assert (np.diff(found.rows) > 0).all()
    assert (found.info["n"], found.info["of"]) == (40, N)
    x = np.asarray(one.matrix("clustering"))
    assert np.array_equal(found.positions, embedded("pca", x[found.rows])[0])
    assert np.array_equal(layouts.layout(one, "pca").rows, found.rows)


def test_progress_goes_to_the_end(rows):
    said = []
    layouts.layout(source(rows, clusterer_name="kmeans"), "tsne", progress=lambda *counts: said.append(counts))
    assert said == [(done, 750) for done in range(50, 751, 50)]


def test_several_processes_make_a_layout_once(rows):
    one = source(rows, clusterer_name="kmeans")
    program = (
        "import sys; from backbench import paths; from backbench.store import Store\n"
        "from backbench.engine.results import ledger\n"
        "from backbench.pictures import layouts; from backbench.pictures.source import Source\n"
        "row = next(row for row in ledger.all_rows(Store(paths.store())) if row.config_hash == sys.argv[1])\n"
        "layouts.prepare(Source(row, Store(paths.store())), ['map_pca', 'map_tsne'], 1)\n"
        "print(layouts.layout(Source(row, Store(paths.store())), 'tsne').positions.sum())"
    )
    command = [sys.executable, "-c", program, one.row.config_hash]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert len({answer for answer, _ in said}) == 1
    assert len(made(one.store)) == 2
    assert len(list((one.store.root / "layout").glob("*/*.npy"))) == 2


def test_what_fails_is_said_and_stops_nothing_else(rows, monkeypatch):
    def broken(*args):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(_embedding, "_METHODS", {**_embedding._METHODS, "umap": broken})
    one = source(rows, clusterer_name="kmeans")
    assert layouts.prepare(one, ["map_umap", "map_pca"]) == {"umap": "RuntimeError: out of luck"}
    assert len(made(one.store)) == 1


def test_without_its_matrix_a_run_has_no_layout(rows):
    one = source(rows, clusterer_name="kmeans")
    shutil.rmtree(one.store.root / one.matrix_ref("clustering")[0])
    assert "features are in the store" in layouts.refusal(one, "tsne")
    with pytest.raises(ValueError, match="features are in the store"):
        layouts.layout(one, "tsne")


def test_three_images_have_no_neighbours_to_speak_of(rows):
    one = source(rows, clusterer_name="kmeans")
    one.row.records[one.row.stages["dataset"]]["info"]["n"] = 3
    assert layouts.refusal(one, "pca") is None
    assert layouts.refusal(one, "umap") == "a map needs at least 4 images; the data set has 3"


# ------------------------------------------------------------------------------------------------ trees


def test_the_tree_is_the_one_that_was_cut(rows):
    one = source(rows, clusterer_name="agglomerative")
    tree = layouts.linkage(one)
    assert tree.merges.shape == (N - 1, 4)
    assert np.array_equal(canonical(_trees.cut(tree.merges, 3)), one.labels[tree.rows])
    theirs = AgglomerativeClustering(3).fit_predict(one.matrix("clustering"))
    assert np.array_equal(canonical(theirs), one.labels)


@pytest.mark.parametrize(("scope", "part"), [("train", 0), ("per_split", 2)])
def test_the_tree_is_of_the_images_that_were_clustered(rows, scope, part):
    one = source(rows, clustering_scope=scope)
    tree = layouts.linkage(one)
    assert np.array_equal(tree.rows, np.flatnonzero(one.split == part))
    assert np.array_equal(canonical(_trees.cut(tree.merges, 3)), canonical(one.labels[tree.rows]))


def test_only_hierarchical_clusterings_have_a_tree(rows):
    reason = "only hierarchical clusterings (clusterer=agglomerative) have one"
    assert layouts.refusal(source(rows, clusterer_name="kmeans"), "linkage") == reason
    assert layouts.refusal(source(rows[-1:], classifier_name="knn"), "linkage") == reason


def test_a_tree_that_does_not_fit_into_memory_is_refused_with_words(rows, monkeypatch):
    one = source(rows, clusterer_name="agglomerative")
    monkeypatch.setattr(machine, "memory_mb", lambda: 100)
    assert layouts.refusal(one, "linkage").startswith("the tree of 60 images takes about ")


def test_no_run_depends_on_a_layout(rows):
    assert not any(stage.kind == layouts.KIND for row in rows for stage in row.plan.stages.values())


@pytest.mark.thorough
def test_the_benchmark_compares_the_sides(tmp_path):
    command = ["layouts.py", "--digits", "--sizes", "150", "--threads", "1", "--work", str(tmp_path)]
    folder = paths.CHECKOUT / "benchmarks"
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "## 150 rows" in done.stdout
    assert done.stdout.count("**") == 6
