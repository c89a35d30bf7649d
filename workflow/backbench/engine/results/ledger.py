"""The runs of a plan joined with their stage results: one row per config hash."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.datasets import _intake
from backbench.engine.grid import HEADS
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import PENDING, Records, Row
from backbench.engine.run import scored
from backbench.engine.run.scored import CURRENT
from backbench.files import write_text
from backbench.schema import ConfigError
from backbench.store import DONE, Store

RESULTS = "results.json"


def rows(plan: Plan, records: Records) -> list[Row]:
    """A row for every run of a plan."""
    return [Row(plan, run, records) for run in plan.runs.values()]


def read_records(plan: Plan, store: Store) -> dict[str, Mapping[str, Any]]:
    """The records that the store holds of a plan's members; a fit is there with its scores, or not at all."""
    store = plan.seen(store)
    records = {key: scored.read(stage.kind, key, store) for key, stage in plan.stages.items()}
    return _asked(plan, {key: record for key, record in records.items() if record and scored.scored(record)})


def seen(rows: Sequence[Row], store: Store) -> Store:
    """The store as the plans of some rows see it; of a result that several have, that of the last."""
    plans_of_rows = {row.plan.hash: row.plan for row in rows}
    return store.of({ref: codes for plan in plans_of_rows.values() for ref, codes in plans.codes(plan.stages).items()})


def _asked(plan: Plan, records: Records) -> dict[str, Mapping[str, Any]]:
    """Records with the folders and left-out files of this plan, whoever computed the datasets."""
    return {key: _intake.asked(record, plan.stages[key].about) for key, record in records.items()}


def join(plan: Plan, records: Records) -> Path:
    """Write the joined results of a sweep: what the tables, the tracking and `reproduce` are made from."""
    target = plan.folder / RESULTS
    content = _content(plan, {key: record["status"] for key, record in records.items()})
    write_text(target, json.dumps({"content": content, "plan": plan.hash, "records": records}, sort_keys=True))
    return target


def joined(plan: Plan, states: Mapping[str, str], scores: Mapping[str, str]) -> bool:
    """Whether the joined results hold every head of a plan with its scores, made by its code."""
    heads = {key: state for key, state in states.items() if plan.stages[key].kind in HEADS}
    if any(state != CURRENT or scores.get(key) != CURRENT for key, state in heads.items()):
        return False
    try:
        with (plan.folder / RESULTS).open() as file:
            return f'"content": "{_content(plan, dict.fromkeys(heads, DONE))}"' in file.read(200)
    except (OSError, ValueError):
        return False


def _content(plan: Plan, statuses: Mapping[str, str]) -> str:
    """Digest of what the heads are (their hashes, the code that made them, how they came out) and of the intakes."""
    heads = ((key, stage) for key, stage in sorted(plan.stages.items()) if stage.kind in HEADS)
    intakes = sorted(
        stage.about["intake"] for stage in plan.stages.values() if stage.kind == "dataset" and "intake" in stage.about
    )
    return hashing.digest([*([key, stage.code, stage.scoring, statuses.get(key)] for key, stage in heads), *intakes])


def saved_plans() -> list[Plan]:
    """The newest plan of every sweep made here, oldest sweep first."""
    files = sorted(paths.plans().glob("*.json"), key=lambda path: path.lstat().st_mtime)
    newest: dict[str, Plan] = {}
    for path in files:
        try:
            plan = plans.load(path)
        except ConfigError:
            continue
        newest.pop(plan.sweep, None)
        newest[plan.sweep] = plan
    return list(newest.values())


def newest(saved: Sequence[Plan], store: Store) -> Sequence[Plan]:
    """The newest of some plans of which a run is finished or has failed, alone; all of them where there is none.

    Stages that it shares with others do not count: a sweep that was never started may have its features.
    """
    for plan in reversed(saved):
        records = {**joined_records(plan), **read_records(plan, store)}
        if any(row.status != PENDING for row in rows(plan, records)):
            return [plan]
    return saved


def has_results(records: Records) -> bool:
    """Whether something was computed that a report can be of."""
    return any(record["kind"] in ("features", *HEADS) for record in records.values())


def joined_records(plan: Plan) -> Records:
    """The records that were joined when the sweep ended; empty where it never did."""
    try:
        records = json.loads((plan.folder / RESULTS).read_text())["records"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return _asked(plan, records) if isinstance(records, dict) else {}


def all_rows(store: Store) -> list[Row]:
    """Rows of all sweeps made here, one per config hash, from the store or else from the joined results."""
    by_hash: dict[str, Row] = {}
    for plan in saved_plans():
        records = {**joined_records(plan), **read_records(plan, store)}
        for row in rows(plan, records):
            if row.status != PENDING or row.config_hash not in by_hash:
                by_hash[row.config_hash] = row
    return list(by_hash.values())
