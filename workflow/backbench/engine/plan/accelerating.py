"""What a GPU is worth its while for, as the plan sees it."""

from collections.abc import Mapping

from backbench.engine.cost import costs, training
from backbench.engine.grid import Stage
from backbench.engine.plan.shards import Shard
from backbench.stage import SCORES

# Kinds with kernels for a GPU.
ACCELERATED = ("features", "matrix", "neighbours", "judge", "clustering", "retrieval", SCORES)
ACCELERATED_FROM_SECONDS = 20.0


def pays(shard: Shard, stages: Mapping[str, Stage]) -> bool:
    """Whether a GPU saves more than it takes to load PyTorch and to begin: for networks, and for long work."""
    if shard.kind not in ACCELERATED:
        return False
    members = [stages[member] for member in shard.members]
    if shard.kind == "features":
        return any(network(member) and not costs.on_cpu_alone(member) for member in members)
    if all(map(costs.on_cpu_alone, members)):  # judges, whose UMAP has no kernels for a GPU
        return False
    expected = costs.scoring(members) if shard.kind == SCORES else costs.total(members, stages)
    return expected > ACCELERATED_FROM_SECONDS


def network(features: Stage) -> bool:
    """Whether images pass through a network, which may have to be trained before; raw pixels do not."""
    giga = features.about.get("gflops")  # plans of older versions may lack it
    return giga is None or giga > costs.NETWORK_GFLOPS or training.trained(features.config)
