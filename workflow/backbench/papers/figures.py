"""The figures of a sweep as a paper has them: the mean over the distinct results of a configuration, and its interval.

A figure whose `where` leaves open what the preset has several values of is an error, so that none is ever an arbitrary
one. Where the user made an axis of an option that the preset has one value of, the figure is given once for each.
"""

from collections.abc import Sequence
from dataclasses import replace

from backbench import hashing
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations
from backbench.papers import derived, sentences
from backbench.papers.matching import Matching
from backbench.papers.measured import measured
from backbench.papers.published import Figure
from backbench.papers.results import Taken, task_of
from backbench.schema import ConfigError
from backbench.store import Store

# Options that say something of the results of a task.
RELEVANT = {
    "clustering": ("dataset.", "backbone.", "clustering.", "clusterer.", "k"),
    "classification": ("dataset.", "backbone.", "classification.", "classifier."),
    "retrieval": ("dataset.", "backbone.", "retrieval."),
}


def take(figure: Figure, paper: str, matching: Matching, store: Store) -> list[Taken]:
    """Our values of a figure: one, or one for each configuration that the user's axes make of it.

    Raises
    ------
    ConfigError
        If `where` names an unknown parameter, or leaves open what the preset itself has several values of.
    """
    rows = matching.matches(figure.where, f"papers/{paper}.yaml: where of {figure.name!r}")
    if not rows:
        return [Taken(None, reason=sentences.no_run(matching.lacking(figure.where)))]
    task = task_of(figure.metric)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if task in row.run.stages:
            of_many = figure.metric in derived.OPEN
            key = derived.place(row, figure.metric) if of_many else configurations.key(row, task)
            groups.setdefault(key, []).append(row)
    if not groups:
        return [Taken(None, reason=sentences.no_task(task))]
    taker = derived.TAKERS.get(figure.metric, measured)
    names = _apart(figure, list(groups.values()), paper, matching)
    pairs = zip(groups.values(), names, strict=True)
    return [replace(taker(figure, group, store), apart=name) for group, name in pairs]


def _apart(figure: Figure, groups: Sequence[Sequence[Row]], paper: str, matching: Matching) -> list[str]:
    """What tells the configurations of a figure apart; empty where there is one."""
    if len(groups) == 1:
        return [""]
    relevant, free = RELEVANT[task_of(figure.metric)], derived.OPEN.get(figure.metric, ())
    differing = {
        key: values
        for key, values in matching.differing([group[0] for group in groups]).items()
        if key.startswith(relevant) and not key.startswith(free or "?")
    }
    if undecided := matching.undecided(figure.where, list(differing)):
        options = "; ".join(f"{key} ({', '.join(dict.fromkeys(map(str, differing[key])))})" for key in undecided)
        raise ConfigError(
            f"papers/{paper}.yaml: the figure {figure.name!r} matches {len(groups)} configurations, which differ by "
            f"{options}; name it in where."
        )
    if not differing:
        return [f"run {hashing.short(group[0].config_hash)}" for group in groups]
    return [", ".join(f"{key}={values[at]}" for key, values in differing.items()) for at in range(len(groups))]
