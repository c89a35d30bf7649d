"""What a launch fetches before it submits jobs to machines that may have no network."""

import dataclasses
import functools
import hashlib
import http.server
import threading

import pytest

from backbench import launching, paths, planning
from backbench.backbones import _hub, resnet18
from backbench.engine.plan import frozen
from backbench.sweeping import fetching
from backbench.sweeping.cluster import cores

CONTENT = b"weights"
GRID = ("experiment=none", "clusterer=none", "retrieval=none")
PROFILE = ["--workflow-profile", str(paths.CHECKOUT / "profiles" / "slurm")]
pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A server of weights on loopback, in place of PyTorch's, with a file for ResNet-18; an empty cache."""
    name = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / name).write_bytes(CONTENT)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(_hub, "URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setattr(resnet18, "MODEL", dataclasses.replace(resnet18.MODEL, weights={"IMAGENET1K_V1": name}))
        monkeypatch.setattr(resnet18, "identity", resnet18.MODEL.identity)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        yield name
        server.shutdown()


def saved(*words):
    """A plan of `GRID` with these overrides, saved, and what is missing of it."""
    plan = planning.make([*GRID, *words]).plan
    frozen.save(plan)
    return plan, launching.prepare(plan)


def test_weights_that_are_not_in_the_cache_are_fetched(official, folder):
    plan, state = saved("backbone=resnet18,pixels", "dataset=folder", f"dataset.root={folder}")
    assert not _hub.folder().exists()
    fetching.fetch(plan, state)
    assert (_hub.folder() / official).read_bytes() == CONTENT


def test_the_collection_is_there_before_any_job(capsys, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(paths.CHECKOUT / "results" / "downloads"))
    plan, state = saved("backbone=pixels", "dataset.sample=100")
    (shard,) = [shard for shard in plan.shards.values() if shard.kind == "dataset"]
    assert state.pending(shard)
    fetching.fetch(plan, state)
    assert capsys.readouterr().err.splitlines() == ["  fetching fashion_mnist here, before jobs are submitted"]
    after = launching.prepare(plan)
    assert not after.pending(shard) and shard.receipt.is_file()
    fetching.fetch(plan, after)
    assert capsys.readouterr().err == ""


def test_what_cannot_be_fetched_is_left_to_the_jobs(tmp_path, capsys):
    plan, state = saved("backbone=pixels", f"dataset.root={tmp_path}")
    fetching.fetch(plan, state)
    assert "fashion_mnist cannot be fetched from here; the jobs will try. " in capsys.readouterr().err


def test_a_folder_of_images_is_left_to_the_jobs(folder, capsys):
    plan, state = saved("backbone=pixels", "dataset=folder", f"dataset.root={folder}")
    fetching.fetch(plan, state)
    assert capsys.readouterr().err == ""


def test_the_cores_of_a_cluster_are_those_of_its_profile():
    assert cores("all", PROFILE) == "64"
    assert cores("12", PROFILE) == "12"
    assert cores("all", ["--executor", "local"]) == cores("all", []) == "all"
