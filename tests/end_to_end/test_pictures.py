"""A sweep ends with pictures, drawn once; killed while it draws, it goes on from there."""

import json
from pathlib import Path

from PIL import Image
from workbench import Bench, kill, processes, statuses, tracked, wait_until

GRID = (
    *("experiment=none", "backbone=pixels", "dataset.sample=300"),
    *("clusterer=kmeans,agglomerative", "k=3", "classifier=knn"),
)
FEW = 4


def entries(bench: Bench) -> dict[Path, dict]:
    """What the indexes of the pictures know, by the file of each."""
    drawn = {}
    for index in (bench.results / "pictures").rglob("index.json"):
        for entry in json.loads(index.read_text()).values():
            if "png" in entry:
                drawn[index.parent / entry["png"]] = entry
    return drawn


def stamps(files) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def drawing(bench: Bench) -> bool:
    return len(entries(bench)) >= FEW


def test_a_sweep_is_killed_while_it_draws_and_goes_on(empty: Bench):
    """Launcher, Snakemake, the job and its processes end at once; what was drawn by then is not drawn again."""
    process = empty.start("sweep", *GRID)
    assert wait_until(lambda: drawing(empty) or process.poll() is not None, seconds=180)
    assert process.poll() is None, "it had ended before a picture was seen"
    kill(process, empty.results)
    assert wait_until(lambda: not processes(empty.results), seconds=20), "something draws on"
    before = stamps(entries(empty))
    for path in before:
        Image.open(path).load()
    done = empty.run("sweep", *GRID, check=0)
    after = stamps(entries(empty))
    assert FEW <= len(before) < len(after)
    assert {path: after[path] for path in before} == before
    assert f"pictures: {len(after)} in" in done.stderr
    assert statuses(empty.database) == {"FINISHED"} and len(tracked(empty.database)) == 2

    starts = empty.log_of_snakemake()
    empty.run("sweep", *GRID, check=0)
    assert empty.log_of_snakemake() == starts, "all was there"
    assert stamps(entries(empty)) == after

    deleted = next(path for path in sorted(after) if path.stem == "silhouette")
    deleted.unlink()
    empty.run("sweep", *GRID, check=0)
    now = stamps(entries(empty))
    assert deleted.exists() and {path for path in now if now[path] != after.get(path)} == {deleted}


def test_a_sweep_without_pictures_and_one_on_request(bench: Bench):
    """The sweep of the other tests wants none; a run and the sweep are drawn by hash, where somebody asks."""
    assert not (bench.results / "pictures").exists()
    [plan] = [json.loads(path.read_text()) for path in (bench.results / "plans").glob("*.json")]
    key = next(key for key, run in tracked(bench.database).items() if "silhouette" in run.metrics)
    done = bench.run("plot", key[:12], "confusion", "silhouette", check=0)
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.stem for path in paths] == ["confusion", "silhouette"] and all(path.exists() for path in paths)
    bench.run("plot", plan["sweep"][:12], "heatmap", "metric=nmi", "--to", str(bench.results / "slides"), check=0)
    assert [path.suffix for path in sorted((bench.results / "slides").iterdir())] == [".csv", ".png"]
