"""Nothing is computed twice, and everything that has to be is computed again."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from workbench import COMMON, FITS, GRID, RUNS, Bench, Finished, content, copy_checkout, statuses, tracked

from backbench.engine.run import scored
from backbench.store import Store

# What a job imports, and a launch that has nothing to do does not.
HEAVY = {"matplotlib", "mlflow", "pandas", "scipy", "sklearn", "snakemake", "torch"}
ONE_MORE_OF_EACH = (*COMMON, "clusterer=kmeans,agglomerative,dbscan", "k=2,3,5", "classifier=knn,svm,random_forest")


def records(members: Iterable[str]) -> set[str]:
    """The records of stage results among the files of a store, as KIND/HASH; those of scores are no stage results."""
    return {record for record in _files(members) if not record.startswith("scores/")}


def rewritten(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """The records, scores among them, that are not the files that they were, or are there by other code as well."""
    then, now = _files(before), _files(after)
    return {
        record
        for record, files in then.items()
        if {name: before[name] for name in files} != {name: after.get(name) for name in now.get(record, ())}
    }


def _files(members: Iterable[str]) -> dict[str, set[str]]:
    """Of each record among the files of a store, as KIND/HASH, its files: one for each code that made it."""
    files: dict[str, set[str]] = {}
    for name in members:
        if name.endswith(".json"):
            files.setdefault(f"{name.split('/')[0]}/{Path(name).name.partition('.')[0]}", set()).add(name)
    return files


def with_scores(fits: Iterable[str]) -> set[str]:
    """The records of fits and those of their scores."""
    return {record for fit in fits for record in (fit, f"scores/{fit.split('/')[1]}")}


def family(bench: Bench, member: str) -> str:
    """The plugin that made a member."""
    kind, key = member.split("/")
    config = Store(bench.store).read(kind, key)["config"]
    return config.get("clusterer", config.get("classifier", config))["name"]


def of_family(bench: Bench, name: str) -> set[str]:
    fits = {member for member in records(bench.members()) if member.startswith(("clustering/", "classification/"))}
    return {member for member in fits if family(bench, member) == name}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} has changed: {old!r} stands in it {text.count(old)} times"
    path.write_text(text.replace(old, new))


def plugin(bench: Bench, name: str) -> Path:
    return bench.checkout / "workflow" / "backbench" / "clusterers" / f"{name}.py"


def imports(stderr: str) -> tuple[int, set[str]]:
    """How many Python processes listed their imports (``PYTHONPROFILEIMPORTTIME``), and the packages in the lists."""
    names = [line.rpartition("|")[2].strip() for line in stderr.splitlines() if line.startswith("import time:")]
    return names.count("imported package"), {name.partition(".")[0] for name in names}


def test_a_sweep_makes_every_run_once(finished: Finished):
    runs = tracked(finished.bench.database)
    before = ("dataset", "audit", "features")
    fits = {name for name in records(finished.bench.members()) if not name.startswith(before)}
    assert len(runs) == RUNS
    assert len(fits) == FITS
    assert statuses(finished.bench.database) == {"FINISHED"}


def test_the_same_grid_again_starts_nothing_and_writes_nothing(bench: Bench):
    members, rows, starts = bench.members(), content(bench.database), bench.log_of_snakemake()
    raw, logs = bench.database.read_bytes(), sorted(path.stat().st_mtime_ns for path in bench.results.rglob("*.log"))
    watched = Bench(bench.checkout, bench.results, {"PYTHONPROFILEIMPORTTIME": "1"})
    processes, packages = imports(watched.run("sweep", *GRID, check=0).stderr)
    assert processes == 1 and "backbench" in packages and not packages & HEAVY
    assert bench.log_of_snakemake() == starts
    assert sorted(path.stat().st_mtime_ns for path in bench.results.rglob("*.log")) == logs
    assert bench.members() == members
    assert content(bench.database) == rows
    assert bench.database.read_bytes() == raw


def test_the_order_of_the_axes_does_not_matter(finished: Finished):
    other = (*COMMON, "classifier=svm,knn", "k=3,2", "clusterer=dbscan,agglomerative,kmeans")
    first, second = (finished.bench.run("plan", "--list", *words, check=0).stdout for words in (GRID, other))
    assert sorted(first.splitlines()) == sorted(second.splitlines())
    assert len(first.splitlines()) == RUNS


def test_one_more_value_of_an_axis_computes_just_what_it_adds(bench: Bench):
    """Of two axes: the new k is clustered by those that take one, the new classifier is fitted once."""
    before, old = bench.members(), tracked(bench.database)
    lines = bench.run("sweep", *ONE_MORE_OF_EACH, check=0).stderr
    assert lines.count("Classifiers, ranked") == 1
    order = [lines.index(text) for text in ("Classifiers, ranked", "The answer is complete; ", "MLflow holds all runs")]
    assert order == sorted(order)
    after, now = bench.members(), tracked(bench.database)
    new = records(after) - records(before)
    assert {name: after[name] for name in before} == before
    assert sorted(family(bench, member) for member in new) == ["agglomerative", "kmeans", "random_forest"]
    assert {key: run.run_id for key, run in now.items() if key in old} == {key: run.run_id for key, run in old.items()}
    assert {key: now[key].metrics for key in old} == {key: run.metrics for key, run in old.items()}
    # Clusterings: two with three k each, one without; each beside three classifiers.
    assert len(now) == 7 * 3
    assert statuses(bench.database) == {"FINISHED"}


def test_other_words_in_a_plugin_compute_nothing(editable: Bench):
    """A comment and a docstring."""
    members, rows, starts = editable.members(), content(editable.database), editable.log_of_snakemake()
    seed = "    random = np.random.RandomState(task.seed)\n"
    replace(plugin(editable, "kmeans"), seed, f"    # Other words.\n{seed}")
    replace(plugin(editable, "kmeans"), '"""k-means by', '"""Clusters by')
    editable.run("sweep", *GRID, check=0)
    assert editable.members() == members
    assert editable.log_of_snakemake() == starts
    assert content(editable.database) == rows


def test_an_edited_plugin_is_computed_again_in_place(editable: Bench):
    before, old, touched = editable.members(), tracked(editable.database), of_family(editable, "kmeans")
    replace(plugin(editable, "kmeans"), "RandomState(task.seed)", "RandomState(task.seed + 1)")
    editable.run("sweep", *GRID, check=0)
    after, now = editable.members(), tracked(editable.database)
    assert records(after) == records(before)
    assert rewritten(before, after) == with_scores(touched)
    changed = {key for key, run in now.items() if f"clustering/{run.tags['stage.clustering']}" in touched}
    assert len(changed) == 4
    assert {key: run.run_id for key, run in now.items()} == {key: run.run_id for key, run in old.items()}
    assert {key for key in now if now[key] != old[key]} == changed
    assert any(now[key].results != old[key].results for key in changed)
    assert statuses(editable.database) == {"FINISHED"}
    for key in changed:
        record = scored.read("clustering", now[key].tags["stage.clustering"], Store(editable.store))
        assert record["scores"]["status"] == "done"
        defined = {name: value for name, value in record["metrics"].items() if value is not None}
        assert {name: now[key].metrics[name] for name in defined} == defined


def test_accepted_code_keeps_the_results_and_says_so(editable: Bench):
    before, starts, arrays = editable.members(), editable.log_of_snakemake(), editable.arrays()
    touched = of_family(editable, "kmeans")
    old = {member: Store(editable.store).read(*member.split("/")) for member in touched}
    replace(plugin(editable, "kmeans"), "RandomState(task.seed)", "RandomState(task.seed + 1)")
    assert f"kept {len(touched)} results" in editable.run("sweep", *GRID, "--accept-code", check=0).stderr
    for member in touched:
        record = Store(editable.store).read(*member.split("/"))
        assert record["accepted_code"] == [old[member]["code"]]
        assert record["code"] != old[member]["code"]
        assert record["metrics"] == old[member]["metrics"]
    kept = editable.members()
    editable.run("sweep", *GRID, check=0)
    assert editable.members() == kept
    assert records(kept) == records(before)
    assert editable.arrays() == arrays
    assert editable.log_of_snakemake() == starts


def metric(bench: Bench, name: str) -> Path:
    return bench.checkout / "workflow" / "backbench" / "metrics" / f"{name}.py"


def test_an_edited_metric_is_computed_again_and_nothing_is_fitted(editable: Bench):
    before, old, arrays = editable.members(), tracked(editable.database), editable.arrays()
    clusterings = {record for record in records(before) if record.startswith("clustering/")}
    whole = "    return _ratio(_majorities(counts).sum(axis=0), counts.total, np.nan)\n"
    replace(metric(editable, "external"), whole, "    return np.full(len(counts.total), 0.25)\n")
    planned = editable.run("plan", *GRID, check=0).stderr
    assert f"{len(clusterings)} fits are done; their scores are computed again: about" in planned
    done = editable.run("sweep", *GRID, check=0)
    after, now = editable.members(), tracked(editable.database)
    assert rewritten(before, after) == {f"scores/{fit.split('/')[1]}" for fit in clusterings}
    assert editable.arrays() == arrays
    assert "jobs 1/1" in done.stderr
    assert {key: run.run_id for key, run in now.items()} == {key: run.run_id for key, run in old.items()}
    for key, run in now.items():
        assert run.results == {**old[key].results, "purity": 0.25}
        assert run.tags["code"] != old[key].tags["code"]
    starts = editable.log_of_snakemake()
    editable.run("sweep", *GRID, check=0)
    assert editable.log_of_snakemake() == starts and editable.members() == after


def test_code_of_a_metric_is_accepted_apart_from_that_of_fits(editable: Bench):
    before, starts, arrays = editable.members(), editable.log_of_snakemake(), editable.arrays()
    replace(metric(editable, "retrieval"), "DEPTHS = (1, 5, 10,", "DEPTHS = (1, 5, 7, 10,")
    assert (
        "kept 0 results and the scores of 1 fit of older code"
        in editable.run("sweep", *GRID, "--accept-code", check=0).stderr
    )
    kept = editable.members()
    assert {record.split("/")[0] for record in rewritten(before, kept)} == {"scores"}
    editable.run("sweep", *GRID, check=0)
    assert editable.members() == kept and editable.arrays() == arrays
    assert editable.log_of_snakemake() == starts


def test_lost_scores_are_computed_from_what_is_stored(bench: Bench, finished: Finished):
    """As after a kill between a fit and its scores; plain `snakemake` scores, too."""
    before, arrays = bench.members(), bench.arrays()
    lost = [sorted(of_family(bench, name))[0].split("/")[1] for name in ("kmeans", "svm")]
    for member in lost:
        (path,) = (bench.store / "scores").glob(f"*/{member}.*.json")
        path.unlink()
    assert "2 fits are done; their scores are computed: about" in bench.run("plan", *GRID, check=0).stderr
    bench.run("sweep", *GRID, check=0)
    after = bench.members()
    assert rewritten(before, after) == {f"scores/{member}" for member in lost}
    assert bench.arrays() == arrays
    then, now = tracked(finished.bench.database), tracked(bench.database)
    assert {key: run.results for key, run in now.items()} == {key: run.results for key, run in then.items()}


def test_two_checkouts_share_one_store(finished: Finished, tmp_path: Path):
    """The second has another results folder and another place; it computes nothing, and records everything."""
    shared = tmp_path / "shared"
    shutil.copytree(finished.bench.store, shared)
    other = Bench(copy_checkout(tmp_path / "other"), tmp_path / "results", {"BACKBENCH_STORE": str(shared)})
    members = other.members()
    other.run("sweep", *GRID, check=0)
    assert other.members() == members
    assert other.log_of_snakemake() == set()
    first, second = tracked(finished.bench.database), tracked(other.database)
    assert {key: run.metrics for key, run in second.items()} == {key: run.metrics for key, run in first.items()}


def flip(path: Path, at: int) -> None:
    """Turn over one byte of a file; its size stays, and so does its time."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0xFF
    path.write_bytes(raw)


def test_a_damaged_record_and_a_lost_array_are_computed_anew(bench: Bench, finished: Finished):
    before, arrays, store = bench.members(), bench.arrays(), Store(bench.store)
    damaged, lost = sorted(of_family(bench, "kmeans"))[0].split("/"), sorted(of_family(bench, "svm"))[0].split("/")
    flip(store.path(*damaged), store.path(*damaged).stat().st_size // 2)
    entry = store.read(*lost)["arrays"]["predictions"]
    (store.path(*lost).parent / entry["file"]).unlink()
    done = bench.run("sweep", *GRID, check=0)
    after = bench.members()
    assert "results 2/2" in done.stderr
    assert rewritten(before, after) == with_scores("/".join(member) for member in (damaged, lost))
    assert bench.arrays() == arrays
    then, now = tracked(finished.bench.database), tracked(bench.database)
    assert {key: run.results for key, run in now.items()} == {key: run.results for key, run in then.items()}
    assert {key: run.run_id for key, run in now.items()} == {key: run.run_id for key, run in then.items()}


def test_a_damaged_array_is_found_when_it_is_used_and_computed_anew(bench: Bench):
    """Planning does not read gigabytes: the job that reads the array finds the damage, and the next launch mends it."""
    grid = (*COMMON, "clusterer=kmeans", "k=5", "classifier=none", "retrieval=none")
    arrays = bench.arrays()
    [path] = (bench.store / "features").rglob("*features*.npy")
    flip(path, path.stat().st_size // 2)
    done = bench.run("sweep", *grid, check=1)
    assert "its recorded digest; launch the sweep again, and what was damaged is computed anew" in done.stderr
    bench.run("sweep", *grid, check=0)
    now = bench.arrays()
    assert {name: now[name] for name in arrays} == arrays
    assert len(now) > len(arrays)
    assert statuses(bench.database) == {"FINISHED"}


@pytest.mark.parametrize("command", [("track",), ("sweep", *GRID)], ids=["track", "sweep"])
def test_a_deleted_database_is_filled_again(bench: Bench, finished: Finished, command: tuple[str, ...]):
    members, starts = bench.members(), bench.log_of_snakemake()
    for path in bench.results.glob("mlflow.db*"):
        path.unlink()
    bench.run(*command, check=0)
    assert bench.members() == members
    assert bench.log_of_snakemake() == starts
    first, second = tracked(finished.bench.database), tracked(bench.database)
    assert {key: run.metrics for key, run in second.items()} == {key: run.metrics for key, run in first.items()}
    assert {key: run.tags for key, run in second.items()} == {key: run.tags for key, run in first.items()}
    assert statuses(bench.database) == {"FINISHED"}
