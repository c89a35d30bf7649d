"""The experiment of a collection in MLflow: made with its saved views, and the runs that an earlier version recorded
under another name are deleted there once they are here."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.tracking import local, lookup, views
from backbench.tracking.rows import Experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

ACTIVE = "active"

Identity = tuple[str, str]


def as_wanted(path: Path, experiment: Experiment, identities: Collection[Identity], sweep: str) -> bool:
    """Whether an SQLite file has the views of an experiment, and none of the runs under its former name."""
    tags = local.experiment_tags(path, experiment.name)
    former = local.recorded(path, experiment.former, sweep) if experiment.former else {}
    if tags is None or former is None:
        return False
    return not views.changed(tags, experiment.views) and not any(identity in former for identity in identities)


def ensure(client: "MlflowClient", experiment: Experiment, place: str | None) -> str:
    """The id of an experiment, which is made or restored if it is not there, with its views brought up to date."""
    existing = client.get_experiment_by_name(experiment.name)
    if existing is None:
        made = views.changed({}, experiment.views)
        return str(client.create_experiment(experiment.name, artifact_location=place, tags=made))
    if existing.lifecycle_stage != ACTIVE:
        client.restore_experiment(existing.experiment_id)
    for key, value in views.changed(existing.tags, experiment.views).items():
        client.set_experiment_tag(existing.experiment_id, key, value)
    return str(existing.experiment_id)


def leave_former(client: "MlflowClient", experiment: Experiment, identities: Collection[Identity], sweep: str) -> None:
    """Delete runs that are recorded under the former name as well, and then that experiment if nothing is left of it.

    MLflow cannot move a run. It keeps what was deleted until ``mlflow gc``.
    """
    former = client.get_experiment_by_name(experiment.former) if experiment.former else None
    if former is None or former.lifecycle_stage != ACTIVE:
        return
    groups = lookup.searched(client, former.experiment_id, sweep)
    doubles = [seen.run_id for identity in identities for seen in groups.get(identity, [])]
    for run_id in doubles:
        client.delete_run(run_id)
    if not doubles:
        return
    log.info("%d runs moved from the experiment %s to %s", len(doubles), experiment.former, experiment.name)
    if not client.search_runs([former.experiment_id], max_results=1):
        client.delete_experiment(former.experiment_id)
