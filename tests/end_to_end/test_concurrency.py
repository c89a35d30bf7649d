"""Two sweeps at once on one results folder: one works, the other refuses or waits, and every run is recorded once."""

from workbench import COMMON, RUNS, Bench, statuses, tracked, wait_until

MORE = (*COMMON, "clusterer=kmeans,agglomerative,dbscan", "k=2,3,4", "classifier=knn,svm")
ADDED = 4


def test_the_second_sweep_refuses_or_waits(bench: Bench):
    """One refuses at once and names the process; another waits, and finds that all is done. Tables may be read."""
    first = bench.start("sweep", *MORE)
    assert wait_until(lambda: str(first.pid) in owner(bench) or first.poll() is not None)
    refused = bench.run("sweep", *MORE, check=2)
    assert f"process {first.pid}" in refused.stderr
    assert "--wait" in refused.stderr
    assert f"process {first.pid}" in bench.run("track", check=2).stderr
    assert len(bench.run("runs", "--format", "csv", check=0).stdout.splitlines()) >= RUNS + 1
    assert first.poll() is None, "the first one had ended before the others were told"
    waited = bench.run("sweep", *MORE, "--wait", check=0)
    assert first.wait(60) == 0
    assert "jobs to run: 0 of" in waited.stderr
    assert len(tracked(bench.database)) == RUNS + ADDED
    assert statuses(bench.database) == {"FINISHED"}


def owner(bench: Bench) -> str:
    path = bench.results / ".lock.owner"
    return path.read_text() if path.exists() else ""
