"""Plan and sweep: what a grid would run, and running it."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths, planning
from backbench.engine.results import ledger
from backbench.engine.run import status
from backbench.interface import tabular
from backbench.interface.overrides import overrides as overrides_of
from backbench.interface.recorded import Run
from backbench.store import Store
from backbench.sweeping import describing, launch, taking
from backbench.sweeping.launch import Launch, Swept

if TYPE_CHECKING:
    import pandas

Given = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class Outlook:
    """What a sweep would run: its runs, how many jobs are missing, and how long they take.

    `hash` and `sweep` name the plan and the set of its runs. `notices` and `understood` are what planning says of the
    grid and of what the collection is taken for. `seconds` is None where the time cannot be estimated.
    """

    hash: str
    sweep: str
    runs: "pandas.DataFrame"
    jobs: int
    seconds: float | None
    text: str
    notices: tuple[str, ...]
    understood: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """A sweep that was computed and recorded: its runs, leaderboards and answer, and where its report is."""

    swept: Swept

    @property
    def sweep(self) -> str:
        """Hash of the set of its runs."""
        return self.swept.plan.sweep

    @cached_property
    def runs(self) -> "pandas.DataFrame":
        """A row for each run, as :func:`backbench.runs` has them."""
        return tabular.runs(self.swept.rows)

    @cached_property
    def leaderboard(self) -> "pandas.DataFrame":
        """The leaderboards of all tasks, as :func:`backbench.leaderboard` has them."""
        return tabular.leaderboard(self.swept.answer.datasets, None)

    @property
    def answer(self) -> str:
        """What to use for each task, and how sure that is, as text."""
        return tabular.answers(self.swept.answer.datasets.values())

    @cached_property
    def best(self) -> dict[str, Run]:
        """The recommended run of each task, by the name of the task."""
        verdicts = (each for dataset in self.swept.answer.datasets.values() for each in dataset.verdicts)
        return {each.task: Run(each.row, self.swept.store) for each in verdicts if each.row is not None}

    @property
    def report(self) -> Path:
        """The page with the results."""
        from backbench.launching import page

        return page(self.swept.plan)

    def __repr__(self) -> str:
        counts = self.runs["status"].value_counts()
        counted = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"<Sweep {hashing.short(self.sweep)}: {counted}>"


def plan(*collection_and_overrides: Given, cores: str | int = "all", **options: Any) -> Outlook:
    """What a sweep would run, without computing anything.

    Parameters
    ----------
    collection_and_overrides
        A collection (a folder, archive, table, embeddings file or address), and overrides as text or mappings.
    cores : the number of cores to estimate the time for
    options
        Values by key, such as ``k=[5, 10]`` or ``backbone__image__size=96`` (two underscores stand for a dot).

    Raises
    ------
    ConfigError
        For anything that could not be run.

    Examples
    --------
    >>> backbench.plan("photos", k=[5, 10], classifier="knn")  # doctest: +SKIP
    """
    with tabular.environment():
        planned = planning.make(overrides_of(collection_and_overrides, options), fingerprint=False)
        store = Store(paths.store())
        state = planning.with_known(planned, status.inspect(planned.plan, store), store)
        announced = describing.announce(planned.plan, state, describing.cores(str(cores)))
        shards = (*planned.plan.shards.values(), *planned.plan.scoring.values())
        rows = ledger.rows(planned.plan, state.records)
        return Outlook(
            planned.plan.hash,
            planned.plan.sweep,
            tabular.runs(rows),
            sum(state.pending(shard) for shard in shards),
            announced.seconds,
            announced.text,
            tuple(planned.notices),
            tuple(planned.understood),
        )


def sweep(
    *collection_and_overrides: Given,
    cores: str | int = "all",
    wait: bool = False,
    accept_code: bool = False,
    snakemake: Iterable[str] = (),
    **options: Any,
) -> Sweep:
    """Compute what is missing of a grid, record the runs in MLflow, and return the results; progress goes to stderr.

    Parameters
    ----------
    collection_and_overrides, cores, options : as for :func:`plan`
    wait : wait for another sweep to end instead of refusing
    accept_code : keep results of older code, and record that
    snakemake : options that are passed on to Snakemake

    Raises
    ------
    ConfigError
        For anything that could not be run.

    Examples
    --------
    >>> backbench.sweep("photos", backbone="efficientnet_lite0", k=range(2, 8)).answer  # doctest: +SKIP
    """
    started = time.monotonic()
    how = Launch(str(cores), accept_code, tuple(snakemake))
    with tabular.environment(), taking.results_folder("backbench.sweep()", wait):
        planned = launch.planned_for(overrides_of(collection_and_overrides, options))
        swept = launch.compute(planned, how, started)
        launch.track(swept)
        return Sweep(swept)
