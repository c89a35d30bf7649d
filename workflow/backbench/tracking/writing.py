"""Bring the runs of a sweep in MLflow up to date, writing only what has changed."""

import contextlib
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.tracking import experiments, local, lookup, rows, service, turns
from backbench.tracking.lookup import Groups
from backbench.tracking.rows import Curve, Data, Entry, Experiment, RunRow, Seen, Summary
from backbench.tracking.turns import Right

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

CREATED, UPDATED, UNCHANGED, JOINED = "created", "updated", "unchanged", "joined"
RUNNING, KILLED = "RUNNING", "KILLED"
ANALYSE_FROM = 100
ATTEMPTS = 3
# MLflow takes at most 1,000 metrics in one call.
BATCH = 1000
# MLflow's tag of what a data set is used for.
CONTEXT = "mlflow.data.context"
IN_BETWEEN = {"RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "BAD_REQUEST"}


@dataclass(frozen=True)
class TrackReport:
    """What `track` did to the runs of a sweep; `joined` counts unchanged runs that only got the tag of this sweep."""

    created: int
    updated: int
    unchanged: int
    joined: int
    seconds: float


def track(
    run_rows: Iterable[RunRow],
    experiment: Experiment,
    uri: str,
    sweep: str,
    artifacts: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    summary: Summary | None = None,
    root: str = "",
) -> TrackReport:
    """Record rows in an MLflow experiment, one run per config hash, and its views; what is unchanged causes no write.

    Pending rows are left out. Killed at any moment and called again, it ends in the same state. `artifacts` is the
    artifact folder of this results folder, which a database gets unless `root` is the address of a shared one, and a
    server does not; the lock for a server lies beside it.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer, within seconds, or refuses.
    """
    started = time.perf_counter()
    entries = [rows.row_entry(row) for row in run_rows if row.status != rows.PENDING]
    if summary is not None:
        entries.append(rows.summary_entry(summary, sweep))
    counts = Counter({UNCHANGED: len(entries)})
    if entries and not _as_wanted(entries, experiment, uri, sweep):
        counts = _write(entries, experiment, uri, sweep, artifacts, root, progress)
    unchanged = counts[UNCHANGED] + counts[JOINED]
    return TrackReport(counts[CREATED], counts[UPDATED], unchanged, counts[JOINED], time.perf_counter() - started)


def _write(
    entries: Sequence[Entry],
    experiment: Experiment,
    uri: str,
    sweep: str,
    artifacts: Path,
    root: str,
    progress: Callable[[int, int], None],
) -> Counter[str]:
    path = local.database(uri)
    lock = artifacts.with_name("tracking.lock") if path is None else path.with_name(f"{path.name}.lock")
    try:
        with local.sole_writer(lock):
            service.check(uri)
            place = "" if service.is_server(uri) else root or artifacts.absolute().as_uri()
            with service.client(uri, place) as client, _right(client, uri) as right:
                writer = _Writer(client, path, experiment, sweep, place, right)
                return writer.bring_up_despite_others(entries, progress)
    except OSError as error:
        raise service.TrackingUnavailable(uri, error) from error


@contextlib.contextmanager
def _right(client: "MlflowClient", uri: str) -> Iterator[Right]:
    """The right to write at an address: of a file, its lock is enough."""
    if local.database(uri) is not None:
        yield turns.Unshared(alone=True)
        return
    try:
        with turns.turn(client, uri, service.without_password(uri)) as right:
            yield right
    except turns.Lost as error:
        raise service.TrackingUnavailable(uri, error) from error


def _as_wanted(entries: Sequence[Entry], experiment: Experiment, uri: str, sweep: str) -> bool:
    """Whether nothing is to be written, as far as a file can say."""
    path = local.database(uri)
    if path is None or not _all_recorded(entries, local.recorded(path, experiment.name, sweep)):
        return False
    return experiments.as_wanted(path, experiment, [entry.identity for entry in entries], sweep)


def _all_recorded(entries: Sequence[Entry], groups: Groups | None) -> bool:
    if groups is None:
        return False
    alone = ((entry, groups.get(entry.identity, [])) for entry in entries)
    return all(len(group) == 1 and group[0].says(entry) and group[0].serves(entry) for entry, group in alone)


class _Writer:
    """The only place that writes runs, while it has the right to.

    On a server or a shared database, runs are made as drafts; see `turns`.
    """

    def __init__(
        self, client: "MlflowClient", path: Path | None, experiment: Experiment, sweep: str, place: str, right: Right
    ):
        self.client, self.path, self.experiment, self.sweep = client, path, experiment, sweep
        self.place, self.right = place, right
        self.experiment_id = ""
        self.written: dict[tuple[str, str], str] = {}

    def bring_up_despite_others(self, entries: Sequence[Entry], progress: Callable[[int, int], None]) -> Counter[str]:
        """Bring entries up to date; where another writer gets in between, look again and go on."""
        from mlflow.exceptions import MlflowException

        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                self.right.take()
                self._bring_up(entries, progress)
                break
            except turns.Lost as error:
                if not attempts_left:
                    raise
                log.warning("the turn to write is lost, and waited for again: %s", error)
            except MlflowException as error:
                if self.path is not None or not attempts_left or error.error_code not in IN_BETWEEN:
                    raise
                log.info("another writer got in between, looking again: %s", error)
        return Counter(self.written.get(entry.identity, UNCHANGED) for entry in entries)

    def _bring_up(self, entries: Sequence[Entry], progress: Callable[[int, int], None]) -> None:
        self.experiment_id = experiments.ensure(self.client, self.experiment, self.place, shared=self.path is None)
        groups = self._groups()
        for done, entry in enumerate(entries, start=1):
            group = groups.get(entry.identity)
            outcome = self._record(entry, group[0] if group else None)
            if outcome != UNCHANGED:
                self.written.setdefault(entry.identity, outcome)
            progress(done, len(entries))
        self._tidy(entries, groups)
        experiments.leave_former(self.client, self.experiment, [entry.identity for entry in entries], self.sweep)

    def _groups(self) -> Groups:
        if self.path is not None:
            recorded = local.recorded(self.path, self.experiment.name, self.sweep)
            if recorded is not None:
                return recorded
        groups, drafts = lookup.searched(self.client, self.experiment_id, self.sweep)
        if not drafts or not self.right.alone:
            return groups
        for run_id in drafts:
            self.right.confirm()
            log.info("run %s is an unfinished draft and is deleted", run_id)
            self.client.delete_run(run_id)
        # Its writer may have been about to finish one.
        return lookup.searched(self.client, self.experiment_id, self.sweep)[0]

    def _record(self, entry: Entry, seen: Seen | None) -> str:
        if seen is not None and seen.says(entry) and seen.serves(entry):
            return UNCHANGED
        self.right.confirm()
        if seen is None:
            self._create(entry)
            return CREATED
        if not seen.says(entry):
            self._update(entry, seen.run_id)
            return UPDATED
        self.client.set_tag(seen.run_id, rows.sweep_tag(self.sweep), "true")
        return JOINED

    def _create(self, entry: Entry) -> None:
        """Create with every tag, fill, terminate last: the fewest calls, and whole only when terminated.

        In a file, a run has its identity from the beginning; elsewhere, it gets it with its metrics and parameters.
        """
        tags = self._tags(entry)
        later = {} if self.path is not None else {entry.key: tags.pop(entry.key)}
        run = self.client.create_run(self.experiment_id, start_time=entry.start_ms, tags=tags, run_name=entry.name)
        self.right.confirm()
        self._log(run.info.run_id, entry.metrics, entry.end_ms, entry.params, later)
        self._log_curves(run.info.run_id, entry.curves, entry.end_ms)
        self._log_data(run.info.run_id, entry.data)
        self._terminate(run.info.run_id, entry, entry.end_ms)

    def _update(self, entry: Entry, run_id: str) -> None:
        """Change a run in place; it is RUNNING until all is written, so that a kill in between is seen."""
        run = self.client.get_run(run_id)
        if not _may_change(run, entry):
            log.info("run %s has other parameters or another place in the list, and is replaced", run_id)
            self.client.delete_run(run_id)
            self._create(entry)
            return
        if (run.info.status, run.info.run_name) != (RUNNING, entry.name):
            self.client.update_run(run_id, status=RUNNING, name=entry.name)
        metrics = _changed(run, entry)
        # MLflow shows the value with the latest time, so a new value is never dated before the old one.
        at = max(entry.end_ms, (run.info.end_time or 0) + 1)
        params = {name: value for name, value in entry.params.items() if name not in run.data.params}
        self.right.confirm()
        self._log(run_id, metrics, at, params, self._tags(entry))
        self._log_curves(run_id, _changed_curves(run, entry), at)
        self._log_data(run_id, entry.data)
        for key in rows.passing(run.data.tags, entry):
            self.client.delete_tag(run_id, key)
        self._terminate(run_id, entry, at)

    def _tags(self, entry: Entry) -> dict[str, str]:
        identity = {entry.key: entry.value, rows.RESULT: entry.result}
        sweep = {} if entry.key == rows.SUMMARY else {rows.sweep_tag(self.sweep): "true"}
        return {**entry.tags, **identity, **sweep}

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        at: int,
        params: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, at, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in (tags or {}).items()],
        )

    def _log_data(self, run_id: str, data: Data | None) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if data is not None:
            profile = json.dumps(data.profile)
            shown = Dataset(data.name, data.digest, data.source_type, data.source, profile=profile)
            self.client.log_inputs(run_id, datasets=[DatasetInput(shown, [InputTag(CONTEXT, data.context)])])

    def _log_curves(self, run_id: str, curves: Mapping[str, Curve], at: int) -> None:
        from mlflow.entities import Metric

        points = [Metric(name, value, at, step) for name, curve in curves.items() for step, value in curve.items()]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run_id, metrics=points[start : start + BATCH])

    def _terminate(self, run_id: str, entry: Entry, at: int) -> None:
        for file in entry.files:
            # Many files may take longer than others wait for a sign of life.
            self.right.confirm()
            self.client.log_artifact(run_id, str(file.path), file.folder or None)
        self.client.set_terminated(run_id, status=entry.status, end_time=at)

    def _tidy(self, entries: Sequence[Entry], groups: Groups) -> None:
        left = {seen.run_id for group in groups.values() for seen in group if seen.status == RUNNING}
        if self.path is None and self.written:
            # What the server holds counts, not what it was sent.
            groups = self._groups()
            absent = [entry.name for entry in entries if entry.identity not in groups]
            if absent:
                raise turns.Lost(f"{len(absent)} runs were removed meanwhile, {absent[0]} among them")
        self._drop_doubles(entries, groups, left)
        if self.right.alone:
            self._end_orphans({entry.identity for entry in entries}, groups)
        if self.path is not None and len(self.written) >= ANALYSE_FROM:
            local.analyse(self.path)

    def _drop_doubles(self, entries: Sequence[Entry], groups: Groups, left: set[str]) -> None:
        """Delete all but the run that every writer would keep, except one that another writer is just filling."""
        for entry in entries:
            group = groups.get(entry.identity, [])
            for double in group[1:]:
                if double.status in rows.WHOLE or double.run_id in left:
                    self.right.confirm()
                    log.info("run %s doubles run %s and is deleted", double.run_id, group[0].run_id)
                    self.client.delete_run(double.run_id)

    def _end_orphans(self, ours: set[tuple[str, str]], groups: Groups) -> None:
        """The lock is ours: what runs under another sweep was killed. Tracking that sweep again completes it."""
        for identity, group in groups.items():
            for seen in group:
                if identity not in ours and seen.status == RUNNING:
                    self.right.confirm()
                    self.client.update_run(seen.run_id, status=KILLED)


def _may_change(run: "Run", entry: Entry) -> bool:
    """Whether a run can become an entry: MLflow changes no parameters, and no start, by which a summary comes first."""
    if entry.key == rows.SUMMARY and run.info.start_time != entry.start_ms:
        return False
    return all(run.data.params.get(name, value) == value for name, value in entry.params.items())


def _changed(run: "Run", entry: Entry) -> dict[str, float]:
    """Metrics to log over those of a run; one that no longer exists is logged as NaN, since MLflow cannot delete it."""
    old = run.data.metrics
    new = {name: value for name, value in entry.metrics.items() if old.get(name) != value}
    kept = {*entry.metrics, *entry.curves}
    absent = {name: math.nan for name in old if name not in kept and not math.isnan(old[name])}
    return {**new, **absent}


def _changed_curves(run: "Run", entry: Entry) -> dict[str, Curve]:
    """Curves that end elsewhere than those of a run: one that was logged before would otherwise be there twice."""
    return {name: curve for name, curve in entry.curves.items() if run.data.metrics.get(name) != curve[max(curve)]}
