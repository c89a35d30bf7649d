"""What a tracking server holds: the runs of an experiment, one run by its hash, all hashes."""

import difflib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.tracking import local, rows, service
from backbench.tracking.rows import Seen

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000

Groups = Mapping[tuple[str, str], list[Seen]]


@dataclass(frozen=True)
class Recorded:
    """A run as a tracking server alone knows it."""

    config_hash: str
    config: Mapping[str, Any]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    status: str
    experiment_id: str
    run_id: str


def searched(client: "MlflowClient", experiment_id: str, sweep: str) -> tuple[Groups, list[str]]:
    """The active runs of an experiment by identity, and the ids of drafts, by one paged search."""
    runs = list(search(client, [experiment_id], ""))
    drafts = [run.info.run_id for run in runs if rows.is_draft(run.data.tags)]
    return rows.by_identity(_identities(runs, rows.sweep_tag(sweep))), drafts


def search(client: "MlflowClient", experiment_ids: list[str], query: str) -> Iterator["Run"]:
    """All active runs that a filter finds, page by page."""
    token = None
    while experiment_ids:
        page = client.search_runs(experiment_ids, query, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def find(uri: str, prefix: str) -> Recorded:
    """The run whose config hash begins with `prefix`, from the tracking server alone.

    Raises
    ------
    LookupError
        If no run or more than one hash fits; the nearest ones are named.
    TrackingUnavailable
        If MLflow does not answer.
    """
    runs = {run.data.tags[rows.CONFIG_HASH]: run for run in _everywhere(uri, f"LIKE '{_hex(prefix)}%'")}
    if len(runs) == 1:
        return _recorded(*runs.popitem())
    if runs:
        raise LookupError(f"{prefix!r} begins {len(runs)} recorded hashes: {', '.join(sorted(runs)[:5])}")
    near = difflib.get_close_matches(prefix, [full[: len(prefix)] for full in hashes(uri)], n=3, cutoff=0.5)
    raise LookupError(f"MLflow holds no run {prefix!r}" + (f"; nearest: {', '.join(near)}" if near else ""))


def hashes(uri: str) -> list[str]:
    """All config hashes that a tracking server holds, sorted.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """
    path = local.database(uri)
    if path is not None:
        try:
            return local.hashes(path)
        except sqlite3.Error as error:
            raise service.TrackingUnavailable(uri, error) from error
    return sorted({run.data.tags[rows.CONFIG_HASH] for run in _everywhere(uri, "IS NOT NULL")})


def _everywhere(uri: str, condition: str) -> list["Run"]:
    path = local.database(uri)
    if path is not None and not path.is_file():
        return []
    if path is None:
        service.check(uri)
    with service.client(uri) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=PAGE)]
        return list(search(client, experiments, f"tags.{rows.CONFIG_HASH} {condition}"))


def _identities(runs: Iterable["Run"], sweep: str) -> Iterator[tuple[tuple[str, str], Seen]]:
    for run in runs:
        tags = run.data.tags
        seen = Seen(run.info.run_id, run.info.status, tags.get(rows.RESULT), sweep in tags)
        for key in (rows.CONFIG_HASH, rows.SUMMARY):
            if key in tags:
                yield (key, tags[key]), seen


def _hex(prefix: str) -> str:
    if not prefix or set(prefix) - set("0123456789abcdef"):
        raise LookupError(f"a hash is given by its first hex digits; received {prefix!r}")
    return prefix


def _recorded(config_hash: str, run: "Run") -> Recorded:
    return Recorded(
        config_hash=config_hash,
        config=json.loads(rows.join_config(run.data.tags) or "{}"),
        params=run.data.params,
        metrics={name: value for name, value in run.data.metrics.items() if not math.isnan(value)},
        tags=run.data.tags,
        status=run.info.status,
        experiment_id=run.info.experiment_id,
        run_id=run.info.run_id,
    )
