"""Two checkouts with different code on one store, each with a results folder of its own, launched in turn."""

import json
import shutil

from test_caching import plugin, replace
from workbench import GRID, Bench, copy_checkout


def seen(bench: Bench) -> tuple[list, dict]:
    """What people see of a sweep: every run with its metrics, and the answer."""
    runs = json.loads(bench.run("runs", "--format", "json", check=0).stdout)
    answer = json.loads(bench.run("answer", "--format", "json", check=0).stdout)
    return sorted(runs, key=lambda run: run["config_hash"]), answer


def undone(bench: Bench) -> dict[str, set[str]]:
    """By kind, what a plan says of results that are pending, failed or of older code."""
    lines = map(str.split, bench.run("plan", *GRID, check=0).stderr.splitlines())
    return {
        words[0]: set(words[3:])
        for words in lines
        if words and words[0] in ("clustering", "classification", "features")
    }


def test_each_keeps_its_results_and_nothing_is_computed_twice(bench: Bench, tmp_path):
    shutil.move(bench.results / "store", tmp_path / "store")
    shared = {"BACKBENCH_STORE": str(tmp_path / "store")}
    ours = Bench(bench.checkout, bench.results, shared)
    theirs = Bench(copy_checkout(tmp_path / "checkout", bench.checkout), tmp_path / "theirs" / "results", shared)
    theirs.results.mkdir(parents=True)
    replace(plugin(theirs, "kmeans"), "RandomState(task.seed)", "RandomState(task.seed + 1)")
    before, arrays, first = ours.members(), ours.arrays(), seen(ours)
    theirs.run("sweep", *GRID, check=0)
    after, second = theirs.members(), seen(theirs)
    records = {name: stamp for name, stamp in before.items() if name.endswith(".json")}
    assert {name: after[name] for name in records} == records, "what was there is left alone"
    assert arrays.items() <= ours.arrays().items()
    added = {name.split("/")[0] for name in after.keys() - before.keys() if name.endswith(".json")}
    assert added == {"clustering", "scores"}, "what does not depend on the edited code is taken from the store"
    assert [run["config_hash"] for run in first[0]] == [run["config_hash"] for run in second[0]]
    assert first[0] != second[0]
    starts = [each.log_of_snakemake() for each in (ours, theirs)]
    for each, told in ((ours, first), (theirs, second)) * 2:
        assert undone(each) == {"clustering": {"0"}, "classification": {"0"}, "features": {"0"}}
        each.run("sweep", *GRID, check=0)
        assert each.members() == after and seen(each) == told
    assert [each.log_of_snakemake() for each in (ours, theirs)] == starts
