"""Where a job computes: on a GPU where the plan says that it pays, and on the CPU wherever there is none."""

import dataclasses

import pytest

from backbench import planning
from backbench.engine.cost import costs
from backbench.engine.grid import Stage
from backbench.engine.plan import accelerating
from backbench.engine.run import runner

GRID = ("experiment=none", "backbone=pixels,efficientnet_lite0", "execution.device=cuda", "plots=none")


@pytest.fixture(scope="module")
def plan():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_DEVICE", "auto")
        yield planning.make(GRID).plan


def shards(plan):
    return {(shard.kind, shard.family): shard for shard in plan.shards.values()}


def test_a_gpu_pays_for_networks_and_long_work_alone(plan):
    paying = {name for name, shard in shards(plan).items() if accelerating.pays(shard, plan.stages)}
    assert paying == {("features", "efficientnet_lite0")}


def test_a_network_in_openvino_stays_on_the_cpu(plan, monkeypatch):
    monkeypatch.setattr(runner, "_cuda", lambda: True)
    shard = shards(plan)["features", "efficientnet_lite0"]
    (key,) = shard.members
    stage = plan.stages[key]
    assert stage.config["engine"] == "torch" and runner._device("cuda", plan, shard) == "cuda"
    converted = dataclasses.replace(stage, config={**stage.config, "engine": "openvino"})
    elsewhere = dataclasses.replace(plan, stages={**plan.stages, key: converted})
    for asked in ("auto", "cuda"):
        assert runner._device(asked, elsewhere, shard) == "cpu"


@pytest.mark.parametrize("kind", ["features", "judge"])
def test_a_gpu_neither_pays_nor_hastens_what_openvino_runs(plan, kind):
    backbone = {"engine": "openvino", "precision": "float32"}
    about = {"n": 10_000, "gflops": 4.0}

    def stage(engine: str) -> Stage:
        options = {**backbone, "engine": engine}
        config = options if kind == "features" else {"rows": 10_000, "backbone": options}
        return Stage("0" * 64, kind, "resnet50", config, {}, about, {}, "code")

    def pays(each: Stage) -> bool:
        shard = dataclasses.replace(next(iter(plan.shards.values())), kind=kind, members=(each.hash,))
        return accelerating.pays(shard, {each.hash: each})

    def hastens(each: Stage) -> bool:
        return costs.seconds(each, {}, 1, gpu=True) < costs.seconds(each, {}, 1)

    assert pays(stage("torch")) and hastens(stage("torch"))
    assert not pays(stage("openvino")) and not hastens(stage("openvino"))


def test_only_an_extraction_that_was_to_have_a_gpu_fails_for_want_of_one(plan, monkeypatch):
    monkeypatch.setattr(runner, "_cuda", lambda: False)
    for (kind, family), shard in shards(plan).items():
        if (kind, family) == ("features", "efficientnet_lite0"):
            with pytest.raises(RuntimeError, match=r"this extraction was to have a GPU.*compute_on_gpu.*device=cpu"):
                runner._device("cuda", plan, shard)
        else:
            assert runner._device("cuda", plan, shard) == "cpu"
        assert runner._device("auto", plan, shard) == "cpu"


def test_what_pays_is_computed_on_the_gpu(plan, monkeypatch):
    monkeypatch.setattr(runner, "_cuda", lambda: True)
    devices = {name: runner._device("cuda", plan, shard) for name, shard in shards(plan).items()}
    assert devices.pop(("features", "efficientnet_lite0")) == "cuda"
    assert set(devices.values()) == {"cpu"}
