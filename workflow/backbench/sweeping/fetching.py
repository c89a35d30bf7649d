"""What jobs on other machines may not be able to fetch is fetched here, before any of them is submitted.

Compute nodes often have no network. A collection of images is read while the sweep is planned, and models of the
Hugging Face hub are fetched then; what is left are the collections of arrays that are pinned by their digest, and
PyTorch's official weights.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from backbench import machine, paths, plugins
from backbench.backbones import _hub, _torchvision
from backbench.datasets import _mnist_like
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run.status import Status
from backbench.schema import ConfigError
from backbench.sweeping.describing import say

SCRIPT = paths.CHECKOUT / "scripts" / "fetch_dataset.py"


def fetch(plan: Plan, state: Status) -> None:
    """Fetch what pending jobs need; what cannot be had from here, the jobs try to fetch."""
    shards = [shard for shard in plan.shards.values() if state.pending(shard)]
    for title, url in dict(_weights(plan, shards)).items():
        try:
            _hub.fetch(title, url)
        except ConfigError as error:
            say(f"  warning: the weights of {title} cannot be fetched from here; the jobs will try. {error}")
    for shard in shards:
        if shard.kind == "dataset" and _pinned(plan, shard):
            _compute(plan, shard)


def _weights(plan: Plan, shards: list[Shard]) -> Iterator[tuple[str, str]]:
    """Title and address of the official weights that are not in torch's cache."""
    for shard in shards:
        for config in (plan.stages[member].config for member in shard.members if shard.kind == "features"):
            model = _model(config)
            file = model.weights.get(config.get("weights", "")) if model else None
            if model and file and not (_hub.folder() / file).is_file():
                yield f"{model.name} ({config['weights']})", _hub.URL + file


def _model(config: Any) -> _torchvision.Model | None:
    """The model of torchvision that makes some features."""
    module: Any = plugins.load("backbone", config["name"])
    model = module._model(config["model"]) if config["name"] == "torchvision" else getattr(module, "MODEL", None)
    return model if isinstance(model, _torchvision.Model) else None


def _pinned(plan: Plan, shard: Shard) -> bool:
    """Whether a collection is only fetched when it is loaded."""
    modules = (plugins.load("dataset", plan.stages[member].config["name"]) for member in shard.members)
    return any(isinstance(getattr(module, "COLLECTION", None), _mnist_like.MnistLike) for module in modules)


def _compute(plan: Plan, shard: Shard) -> None:
    """Compute a shard here as a job would."""
    say(f"  fetching {shard.family} here, before jobs are submitted")
    shard.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(SCRIPT), "--plan", str(plan.path), "--shard", shard.id]
    with shard.log.open("w") as log:
        done = subprocess.run([*command, "--threads", str(min(2, machine.cores()))], stderr=log, check=False)
    if done.returncode:
        words = (shard.log.read_text(errors="replace").strip().splitlines() or ["without a word"])[-1]
        say(f"  warning: {shard.family} cannot be fetched from here; the jobs will try. {words}")
