"""The experiment of a collection in MLflow: made with its saved views, and the runs that an earlier version recorded
under another name are deleted there once they are here."""

import logging
import os
import urllib.parse
import urllib.request
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


def ensure(client: "MlflowClient", experiment: Experiment, place: str, shared: bool) -> str:
    """The id of an experiment, which is made or restored if it is not there, with its views brought up to date.

    `place` is the folder of the artifacts of one that is made; empty on a server, which has one of its own. `shared`
    says whether other machines write to the database as well.

    Raises
    ------
    OSError
        If an experiment of a shared database keeps its artifacts in a folder that is not here.
    """
    existing = client.get_experiment_by_name(experiment.name)
    if existing is None:
        made = views.changed({}, experiment.views)
        _make_folder(place)
        return str(client.create_experiment(experiment.name, artifact_location=place or None, tags=made))
    if shared and place and existing.artifact_location != place:
        _check_folder(experiment.name, existing.artifact_location)
    if existing.lifecycle_stage != ACTIVE:
        client.restore_experiment(existing.experiment_id)
    for key, value in views.changed(existing.tags, experiment.views).items():
        client.set_experiment_tag(existing.experiment_id, key, value)
    return str(existing.experiment_id)


def _make_folder(place: str) -> None:
    """Make a folder of artifacts, by which others see that they are on the same disk."""
    path = _path(place)
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)


def _check_folder(name: str, location: str) -> None:
    path = _path(location)
    if path is None or os.access(path, os.W_OK):
        return
    # MLflow gives an experiment without a location a folder of its own, made with its first artifact.
    if not path.exists() and os.access(path.parent, os.W_OK):
        return
    state = "which is not on this machine" if not path.exists() else "in which you may not write"
    raise OSError(
        f"the experiment {name!r} keeps its artifacts in {path}, {state}. Who shares a database shares a folder of "
        "artifacts (tracking.artifacts=/shared/folder for the first sweep of a collection), or uses a server, which "
        "receives them itself (`backbench server`)"
    )


def _path(location: str) -> Path | None:
    """The folder of an address on this machine; None for all else."""
    parts = urllib.parse.urlsplit(location)
    return Path(urllib.request.url2pathname(parts.path)) if parts.scheme in ("", "file") and location else None


def leave_former(client: "MlflowClient", experiment: Experiment, identities: Collection[Identity], sweep: str) -> None:
    """Delete runs that are recorded under the former name as well, and then that experiment if nothing is left of it.

    MLflow cannot move a run. It keeps what was deleted until ``mlflow gc``.
    """
    former = client.get_experiment_by_name(experiment.former) if experiment.former else None
    if former is None or former.lifecycle_stage != ACTIVE:
        return
    groups, _ = lookup.searched(client, former.experiment_id, sweep)
    doubles = [seen.run_id for identity in identities for seen in groups.get(identity, [])]
    for run_id in doubles:
        client.delete_run(run_id)
    if not doubles:
        return
    log.info("%d runs moved from the experiment %s to %s", len(doubles), experiment.former, experiment.name)
    if not client.search_runs([former.experiment_id], max_results=1):
        client.delete_experiment(former.experiment_id)
