"""What does not fit into memory is refused before anything starts, with what would fit instead."""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from backbench import plugins
from backbench.engine.grid import Stage
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import family_mb
from backbench.schema import ConfigError

PLUGINS = {"clustering": "clusterer", "classification": "classifier"}


def check(plan: Plan, limit_mb: int) -> None:
    """Refuse a plan with a fit that needs more memory than a job may have.

    Raises
    ------
    ConfigError
        With every plugin and its options that do not fit, what each needs, and what would fit.
    """
    reports: dict[str, None] = {}
    large = (shard for shard in plan.shards.values() if shard.kind in PLUGINS and shard.mem_mb > limit_mb)
    for stage in (plan.stages[member] for shard in large for member in shard.members):
        needed = family_mb([stage])[0]
        if needed > limit_mb:
            reports.setdefault(_report(stage, needed, limit_mb))
    if reports:
        raise ConfigError("\n".join(reports))


def _report(stage: Stage, needed: float, limit_mb: int) -> str:
    kind, n, d = PLUGINS[stage.kind], stage.about["n"], stage.about["d"]
    ways = [f"{kind}.{option}={value} ({_gb(mb)})" for option, value, mb in _alternatives(stage, limit_mb)]
    rows = _largest(stage, limit_mb)
    ways += [f"at most {rows:,} rows ({_sample(stage, rows)})"] if rows else []
    ways += ["execution.memory_mb=N if the jobs run where there is more"]
    return (
        f"{kind}={stage.family} on {n:,} rows of {d:,} columns needs about {_gb(needed)} of memory; a job may have "
        f"{_gb(limit_mb)}. What fits: {'; '.join(ways)}."
    )


def _sample(stage: Stage, rows: int) -> str:
    whole = stage.about["n"] + stage.about.get("queries", 0)
    return f"dataset.sample={rows * whole // stage.about['n']}"


def _alternatives(stage: Stage, limit_mb: int) -> Iterator[tuple[str, str, float]]:
    """Other choices of one option of the plugin that fit: (option, value, MB)."""
    kind = PLUGINS[stage.kind]
    module, params = plugins.load(kind, stage.family), plugins.params(kind, stage.config[kind])
    for option, hint in typing.get_type_hints(type(params)).items():
        for value in typing.get_args(hint) if typing.get_origin(hint) is Literal else ():
            other = replace(params, **{option: value})
            if other != params and not _refused(module, other, stage):
                needed = family_mb([_with(stage, other)])[0]
                if needed <= limit_mb:
                    yield option, value, needed


def _refused(module: Any, params: Any, stage: Stage) -> list[str]:
    last = stage.config.get("k") if stage.kind == "clustering" else 2
    return module.problems(params, stage.about["n"], stage.about["d"], last)


def _with(stage: Stage, params: Any) -> Stage:
    kind = PLUGINS[stage.kind]
    options = {"name": stage.family, **dataclasses.asdict(params)}
    return replace(stage, config={**stage.config, kind: options})


def _largest(stage: Stage, limit_mb: int) -> int:
    """The most rows that fit, to two digits."""
    low, high = 0, stage.about["n"]
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        fits = family_mb([_resized(stage, middle)])[0] <= limit_mb
        low, high = (middle, high) if fits else (low, middle)
    size = 10 ** max(len(str(low)) - 2, 0)
    return low // size * size


def _resized(stage: Stage, n: int) -> Stage:
    about = {**stage.about, "n": n}
    if "queries" in about:
        about["queries"] = about["queries"] * n // stage.about["n"]
    return replace(stage, about=about)


def _gb(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1024 else f"{megabytes:.0f} MB"
